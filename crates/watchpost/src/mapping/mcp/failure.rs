//! What kind of failure it was, in the words of JSON-RPC, MCP, OpenTelemetry and Sentry's own MCP integration.
//! Sources: JSON-RPC 2.0 §5.1, MCP's and its SDKs' error codes, OpenTelemetry's `error.type` for MCP, `errorCapture.ts`.

use std::borrow::Cow;

use crate::model::{Completion, ErrorInfo, ErrorKind, McpEvent};

/// The codes that have a name, and whether they blame the caller.
#[rustfmt::skip]
const CODES: &[(i64, &str, bool)] = &[
    (-32700, "ParseError",               true),
    (-32600, "InvalidRequest",           true),
    (-32601, "MethodNotFound",           true),
    (-32602, "InvalidParams",            true),
    (-32603, "InternalError",            false),
    (-32002, "ResourceNotFound",         true),
    (-32042, "UrlElicitationRequired",   true),
    (-32001, "RequestTimeout",           false),
    (-32000, "ConnectionClosed",         false),
];

/// The exception's type when the source names none.
pub(super) fn exception_type(error: &ErrorInfo) -> Cow<'_, str> {
    match (&error.ty, error.kind) {
        (Some(ty), _) if !ty.is_empty() => Cow::Borrowed(ty),
        (_, ErrorKind::Protocol) => Cow::Borrowed(known(error.code).map_or("JsonRpcError", |(_, name, _)| *name)),
        (_, ErrorKind::Unanswered) => Cow::Borrowed("ConnectionClosed"),
        (_, ErrorKind::Timeout) => Cow::Borrowed("RequestTimeout"),
        (_, ErrorKind::Tool) => Cow::Borrowed("ToolCallError"),
        (_, ErrorKind::Span) => Cow::Borrowed("Error"),
    }
}

/// Whether the program went on as it meant to; see [the module](super).
pub(super) fn is_handled(error: &ErrorInfo) -> bool {
    match error.kind {
        ErrorKind::Tool => error.ty.is_none() && error.frames.is_empty() && error.stack.is_none(),
        ErrorKind::Protocol => known(error.code).is_some_and(|(_, _, blames_caller)| *blames_caller),
        ErrorKind::Unanswered | ErrorKind::Timeout | ErrorKind::Span => false,
    }
}

/// The tag `error_type`, in the words of Sentry's own MCP integration.
pub(super) fn error_type(event: &McpEvent, error: &ErrorInfo) -> &'static str {
    match (error.kind, error.code) {
        (ErrorKind::Timeout, _) | (ErrorKind::Protocol, Some(-32001)) => "timeout",
        (ErrorKind::Unanswered, _) | (ErrorKind::Protocol, Some(-32000)) => "transport",
        (ErrorKind::Protocol, Some(-32602)) => "validation",
        (ErrorKind::Protocol, _) if known(error.code).is_some_and(|(_, _, blames_caller)| *blames_caller) => "protocol",
        (ErrorKind::Protocol | ErrorKind::Tool | ErrorKind::Span, _) => match &*event.event_type {
            "tools/call" => "tool_execution",
            "prompts/get" => "prompt_execution",
            "resources/read" => "resource_execution",
            _ if error.kind == ErrorKind::Tool => "tool_execution",
            _ => "protocol",
        },
    }
}

/// OpenTelemetry's `error.type`: `tool_error`, the JSON-RPC code, or why there was no answer.
pub(super) fn otel_error_type(event: &McpEvent) -> Option<Cow<'_, str>> {
    if !event.is_error {
        return None;
    }
    Some(match event.error.as_ref().map(|error| (error.kind, error.code)) {
        Some((ErrorKind::Protocol, Some(code))) => Cow::Owned(code.to_string()),
        Some((ErrorKind::Timeout, _)) => Cow::Borrowed("timeout"),
        Some((ErrorKind::Unanswered, _)) => Cow::Borrowed("connection_closed"),
        Some((ErrorKind::Tool, _)) | None if event.event_type == "tools/call" => Cow::Borrowed("tool_error"),
        Some((ErrorKind::Protocol | ErrorKind::Tool | ErrorKind::Span, _)) | None => Cow::Borrowed("_OTHER"),
    })
}

/// How a call ended that was not answered.
pub(super) const fn unanswered(completion: Completion) -> Option<&'static str> {
    match completion {
        Completion::Answered => None,
        Completion::Cancelled => Some("cancelled"),
        Completion::ConnectionClosed => Some("connection_closed"),
        Completion::Expired => Some("expired"),
    }
}

fn known(code: Option<i64>) -> Option<&'static (i64, &'static str, bool)> {
    CODES.iter().find(|(known, ..)| Some(*known) == code)
}
