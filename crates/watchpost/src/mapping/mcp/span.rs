//! The `mcp.server` span inside a transaction: what lights Sentry's MCP views, which select on its operation and on the `mcp.*`
//! and `gen_ai.*` names in both their old and their new spelling. Sources: Sentry's MCP module and conventions 0.19,
//! OpenTelemetry's MCP conventions.

use std::borrow::Cow;

use watchpost_sentry::wire::{Span, SpanStatus, Value};

use super::{
    Identity,
    failure::{otel_error_type, unanswered},
    transaction::ORIGIN,
};
use crate::{
    mapping::{
        Settings, TraceMode,
        limit::{self, cut, cut_cow, cut_json},
    },
    model::{Completion, Direction, McpEvent, Transport},
};

/// Longest arguments or result kept in a span, in bytes of JSON: both together are well below Relay's 1 MiB an item.
const CONTENT_BYTES: usize = 64 * 1024;
/// Most arguments with an attribute of their own, and the longest value of one, in bytes of JSON.
const MAX_ARGUMENTS: usize = 32;
const ARGUMENT: usize = 1024;

/// An attribute's value, if the event has it.
type Row = for<'a> fn(&'a McpEvent, &'a Settings) -> Option<Value<'a>>;

#[rustfmt::skip]
const ATTRIBUTES: &[(&str, Row)] = &[
    ("mcp.method.name",                |event, _| text(Some(&event.event_type))),
    ("mcp.tool.name",                  |event, _| text(tool(event))),
    ("gen_ai.tool.name",               |event, _| text(tool(event))),
    ("mcp.prompt.name",                |event, _| text(prompt(event))),
    ("gen_ai.prompt.name",             |event, _| text(prompt(event))),
    ("mcp.resource.uri",               |event, _| text(resource_uri(event))),
    ("mcp.transport",                  |event, _| text(Some(event.transport.map_or("unknown", |known| transport(known).0)))),
    ("network.transport",              |event, _| text(event.transport.map(|known| transport(known).1))),
    ("mcp.request.id",                 |event, _| text(event.request_id.as_deref())),
    ("jsonrpc.request.id",             |event, _| text(event.request_id.as_deref())),
    ("jsonrpc.protocol.version",       |_, _| text(Some("2.0"))),
    ("mcp.protocol.version",           |event, _| text(event.protocol_version.as_deref())),
    // Only the peer's own session id; ours is none of MCP's
    ("mcp.session.id",                 |event, _| text(event.mcp_session_id.as_deref())),
    ("watchpost.session.id",           |event, _| text(event.session_id.as_deref())),
    ("mcp.client.name",                |event, _| text(event.client.name.as_deref())),
    ("mcp.client.title",               |event, _| text(event.client.title.as_deref())),
    ("mcp.client.version",             |event, _| text(event.client.version.as_deref())),
    ("mcp.server.name",                |event, _| text(event.server.name.as_deref())),
    ("mcp.server.title",               |event, _| text(event.server.title.as_deref())),
    ("mcp.server.version",             |event, _| text(event.server.version.as_deref())),
    ("user.id",                        |event, _| text(event.actor.as_ref()?.id.as_deref())),
    ("gen_ai.tool.call.id",            |event, _| text(event.tool_call_id.as_deref())),
    // How it went
    ("mcp.tool.result.is_error",       |event, _| tool(event).map(|_| Value::Bool(event.is_error))),
    ("mcp.tool.result.content_count",  |event, _| tool(event).and(event.content_count).map(count)),
    ("mcp.prompt.result.message_count",|event, _| prompt(event).and(event.content_count).map(count)),
    ("error.type",                     |event, _| otel_error_type(event).map(Value::String)),
    ("rpc.response.status_code",       |event, _| event.error.as_ref()?.code.map(|code| Value::String(Cow::Owned(code.to_string())))),
    ("watchpost.completion",           |event, _| text(unanswered(event.completion))),
    ("watchpost.cancel.reason",        |event, _| text(event.cancel_reason.as_deref())),
    ("watchpost.direction",            |event, _| text(matches!(event.direction, Direction::ServerToClient).then_some("server_to_client"))),
    // Bytes of the two frames: no convention names them
    ("watchpost.request.size",         |event, _| event.request_bytes.map(count)),
    ("watchpost.response.size",        |event, _| event.response_bytes.map(count)),
    // The caller's span, when its trace is not continued
    ("watchpost.parent.trace_id",      |event, settings| foreign_parent(event, settings).map(|parent| hex(&parent.trace_id))),
    ("watchpost.parent.span_id",       |event, settings| foreign_parent(event, settings).map(|parent| hex(&parent.span_id))),
    // Content, only when it is captured
    ("gen_ai.tool.call.arguments",     |event, _| tool(event).and(event.arguments.as_deref()).map(content)),
    ("gen_ai.tool.call.result",        |event, _| tool(event).and(event.result.as_deref()).map(content)),
    ("watchpost.request.params",       |event, _| event.arguments.as_deref().filter(|_| tool(event).is_none()).map(content)),
    ("watchpost.response.result",      |event, _| event.result.as_deref().filter(|_| tool(event).is_none()).map(content)),
    ("watchpost.arguments.length",     |event, _| cut_length(event.arguments.as_deref())),
    ("watchpost.result.length",        |event, _| cut_length(event.result.as_deref())),
];

/// The call as a span; `None` for what is no MCP message (`identify`, `custom`) and would only be counted as one.
pub(super) fn request_span<'a>(event: &'a McpEvent, settings: &'a Settings, identity: &Identity) -> Option<Span<'a>> {
    if !is_request(event) {
        return None;
    }
    let mut data = Vec::with_capacity(ATTRIBUTES.len());
    for (key, value) in ATTRIBUTES {
        if let Some(value) = value(event, settings) {
            data.push((Cow::Borrowed(*key), value));
        }
    }
    push_arguments(&mut data, event);
    Some(Span {
        trace_id: identity.trace_id,
        span_id: identity.request_span_id(event),
        parent_span_id: Some(identity.span_id),
        op: Cow::Borrowed(operation(event)),
        description: Some(span_name(event)),
        start: event.timestamp.saturating_sub(event.duration.unwrap_or_default()),
        end: event.timestamp,
        status: Some(status(event)),
        origin: Some(Cow::Borrowed(ORIGIN)),
        data,
    })
}

/// Whether the event is an MCP message.
pub(super) fn is_request(event: &McpEvent) -> bool {
    !matches!(&*event.event_type, "identify" | "custom")
}

pub(super) const fn operation(event: &McpEvent) -> &'static str {
    match (event.is_notification, event.direction) {
        (false, _) => "mcp.server",
        (true, Direction::ClientToServer) => "mcp.notification.client_to_server",
        (true, Direction::ServerToClient) => "mcp.notification.server_to_client",
    }
}

/// `tools/call {tool}`, `prompts/get {prompt}`, else the bare method: a resource's URI would make too many names.
pub(super) fn span_name(event: &McpEvent) -> Cow<'_, str> {
    match tool(event).or_else(|| prompt(event)) {
        Some(target) => cut_cow(Cow::Owned(format!("{} {target}", event.event_type)), limit::NAME),
        None => cut(&event.event_type, limit::NAME),
    }
}

const fn status(event: &McpEvent) -> SpanStatus {
    match (event.completion, event.is_error) {
        (Completion::Cancelled, _) => SpanStatus::Cancelled,
        (_, true) => SpanStatus::InternalError,
        (Completion::ConnectionClosed, false) => SpanStatus::Cancelled,
        (Completion::Expired, false) => SpanStatus::DeadlineExceeded,
        (Completion::Answered, false) => SpanStatus::Ok,
    }
}

/// The tool a call is for.
pub(super) fn tool(event: &McpEvent) -> Option<&str> {
    event.resource_name.as_deref().filter(|_| event.event_type == "tools/call")
}

/// The prompt that is asked for.
pub(super) fn prompt(event: &McpEvent) -> Option<&str> {
    event.resource_name.as_deref().filter(|_| event.event_type == "prompts/get")
}

/// The resource that is read or watched.
pub(super) fn resource_uri(event: &McpEvent) -> Option<&str> {
    event.resource_name.as_deref().filter(|_| event.event_type.starts_with("resources/"))
}

/// `mcp.transport` and `network.transport`.
pub(super) const fn transport(transport: Transport) -> (&'static str, &'static str) {
    match transport {
        Transport::Stdio => ("stdio", "pipe"),
        Transport::Http => ("http", "tcp"),
        Transport::Sse => ("sse", "tcp"),
    }
}

/// Each captured argument, as Sentry's JavaScript SDK names and writes them: the key in lowercase, the value as JSON.
fn push_arguments<'a>(data: &mut Vec<(Cow<'a, str>, Value<'a>)>, event: &'a McpEvent) {
    let Some(arguments) = &event.arguments else { return };
    let Ok(arguments) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments) else { return };
    data.extend(arguments.into_iter().take(MAX_ARGUMENTS).map(|(key, value)| {
        let key = format!("mcp.request.argument.{}", cut(&key, limit::TAG).to_lowercase());
        let value = value.to_string();
        (Cow::Owned(key), Value::String(Cow::Owned(cut_json(&value, ARGUMENT).into_owned())))
    }));
}

fn foreign_parent(event: &McpEvent, settings: &Settings) -> Option<crate::model::TraceParent> {
    event.trace_parent.filter(|_| settings.trace != TraceMode::Propagated)
}

fn text(text: Option<&str>) -> Option<Value<'_>> {
    text.filter(|text| !text.is_empty()).map(|text| Value::String(cut(text, limit::ATTRIBUTE)))
}

fn content(content: &str) -> Value<'_> {
    Value::String(cut_json(content, CONTENT_BYTES))
}

/// The length in bytes of content that was cut.
fn cut_length(content: Option<&str>) -> Option<Value<'_>> {
    let content = content?;
    matches!(cut_json(content, CONTENT_BYTES), Cow::Owned(_)).then(|| count(content.len() as u64))
}

fn count<'a>(count: u64) -> Value<'a> {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn hex<'a>(id: &impl ToString) -> Value<'a> {
    Value::String(Cow::Owned(id.to_string()))
}
