//! One MCP request and its answer, whoever captured it.

use std::{borrow::Cow, time::Duration};

use watchpost_sentry::wire::Timestamp;

use super::TraceParent;

/// One MCP request and its answer (or a notification, an identification, a custom event): the model of seed 000.
///
/// Every capture (the proxy, `track()`, an import) produces this; [`mapping`](crate::mapping) turns it into Sentry's
/// log, transaction and error event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct McpEvent {
    /// `evt_` and a KSUID. Span and event ids at Sentry derive from it, so a resend is recognised.
    pub event_id: String,
    /// `ses_` and a KSUID; Sentry's trace id derives from it. `None`: the trace derives from the event id.
    pub session_id: Option<String>,
    /// The project, if configured.
    pub project_id: Option<String>,
    /// The MCP method (`tools/call`, `initialize`, …), `identify` or `custom`; without any `mcp:` or `agentcat:` prefix.
    pub event_type: Cow<'static, str>,
    /// The tool's name, the prompt's name or the resource's URI.
    pub resource_name: Option<String>,
    /// When the call *completed*.
    pub timestamp: Timestamp,
    /// How long it took. `None` when it is not known (a notification).
    pub duration: Option<Duration>,
    /// Whether it failed: `isError: true` in the result, a JSON-RPC error, or a call that was never answered.
    pub is_error: bool,
    /// The failure.
    pub error: Option<ErrorInfo>,
    /// How the call ended.
    pub completion: Completion,
    /// Why it was cancelled: `reason` of `notifications/cancelled`, in the peer's words. Content, like an error's message.
    pub cancel_reason: Option<String>,
    /// What the user wants, in the agent's words.
    pub user_intent: Option<String>,
    /// Who it was done for.
    pub actor: Option<Actor>,
    /// The MCP server.
    pub server: Implementation,
    /// The MCP client.
    pub client: Implementation,
    /// The MCP revision in force, for example `2025-11-25`.
    pub protocol_version: Option<String>,
    /// How client and server talk.
    pub transport: Option<Transport>,
    /// Who asked whom.
    pub direction: Direction,
    /// Whether it is a notification (no answer is expected).
    pub is_notification: bool,
    /// The JSON-RPC id as text (a string id without its quotes).
    pub request_id: Option<String>,
    /// The peer's own session id (`Mcp-Session-Id`), when it sent one.
    pub mcp_session_id: Option<String>,
    /// The id the model gave its tool call (`_meta["claudecode/toolUseId"]`).
    pub tool_call_id: Option<String>,
    /// A valid incoming trace parent (`_meta.traceparent`, `sentry-trace`, or an HTTP header).
    pub trace_parent: Option<TraceParent>,
    /// Size of the request frame in bytes.
    pub request_bytes: Option<u64>,
    /// Size of the answer frame in bytes.
    pub response_bytes: Option<u64>,
    /// Number of content blocks in a tool's result, messages in a prompt's, contents in a resource's.
    pub content_count: Option<u64>,
    /// The arguments as JSON text; captured only when asked for (`--capture inputs`).
    pub arguments: Option<String>,
    /// The result as JSON text; captured only when asked for (`--capture outputs`).
    pub result: Option<String>,
    /// The host's own tags, sent beside the seed's.
    pub tags: Vec<(String, String)>,
    /// The host's own properties: any JSON.
    pub properties: Vec<(String, serde_json::Value)>,
}

/// Name, title and version of an MCP client or server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Implementation {
    /// `name`.
    pub name: Option<String>,
    /// `title`.
    pub title: Option<String>,
    /// `version`.
    pub version: Option<String>,
}

/// Who a call was done for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actor {
    /// The id the host gave (`identify_actor_given_id`).
    pub id: Option<String>,
    /// The name (`identify_actor_name`).
    pub name: Option<String>,
    /// Any further data (`identify_actor_data`).
    pub data: Option<serde_json::Value>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completion {
    /// It was answered (or needs no answer).
    #[default]
    Answered,
    /// It was cancelled by `notifications/cancelled` before its answer.
    Cancelled,
    /// The connection ended before its answer.
    ConnectionClosed,
    /// It was given up after waiting too long or because too many calls were open; an answer may still come.
    Expired,
}

/// Who asked whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client asked the server.
    #[default]
    ClientToServer,
    /// The server asked the client (sampling, elicitation, roots).
    ServerToClient,
}

/// How client and server talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Standard input and output: `mcp.transport = stdio`, `network.transport = pipe`.
    Stdio,
    /// Streamable HTTP: `mcp.transport = http`, `network.transport = tcp`.
    Http,
    /// The older HTTP with server-sent events: `mcp.transport = sse`, `network.transport = tcp`.
    Sse,
}

/// What went wrong, in the shape of AgentCat's `error` and of Mastra's `errorInfo`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorInfo {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The message; for a tool result the text blocks, joined by a space.
    pub message: String,
    /// The exception's type, when the source knows it.
    pub ty: Option<String>,
    /// The JSON-RPC error code.
    pub code: Option<i64>,
    /// More of it as JSON text: the JSON-RPC error's `data`, a span error's `details`; cut to 2048 bytes.
    pub data: Option<String>,
    /// A span error's id in the source's own list of errors.
    pub id: Option<String>,
    /// Where a span error comes from, by the source's own list: `AGENT`, `TOOL`, ….
    pub domain: Option<String>,
    /// Whose fault a span error is, by the source's own list: `USER`, `THIRD_PARTY`, ….
    pub category: Option<String>,
    /// The stack as text.
    pub stack: Option<String>,
    /// The stack's frames, oldest call first.
    pub frames: Vec<StackFrame>,
    /// What caused it, nearest first.
    pub causes: Vec<Self>,
    /// `rust`, `python`, `javascript`, … when the source says.
    pub platform: Option<String>,
    /// The content blocks of a failed tool result.
    pub content: Vec<ContentBlock>,
}

impl ErrorInfo {
    /// A failure of which nothing is known but its kind.
    #[must_use]
    pub const fn unknown(kind: ErrorKind) -> Self {
        Self {
            kind,
            message: String::new(),
            ty: None,
            code: None,
            data: None,
            id: None,
            domain: None,
            category: None,
            stack: None,
            frames: Vec::new(),
            causes: Vec::new(),
            platform: None,
            content: Vec::new(),
        }
    }
}

/// A content block of a failed result, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentBlock {
    /// `text`, `image`, …
    pub ty: String,
    /// The text of a text block, cut to the observer's bound.
    pub text: Option<String>,
}

/// What kind of failure an error is; names the exception when the source gives no type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A result with `isError: true`, or a tool that threw.
    #[default]
    Tool,
    /// A JSON-RPC error answer.
    Protocol,
    /// The call was not answered before the connection ended.
    Unanswered,
    /// The call was given up after waiting too long.
    Timeout,
    /// A span that failed.
    Span,
}

/// One frame of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackFrame {
    /// The file as shown.
    pub filename: Option<String>,
    /// The file's whole path.
    pub abs_path: Option<String>,
    /// The function.
    pub function: Option<String>,
    /// The module.
    pub module: Option<String>,
    /// The line, from 1.
    pub lineno: Option<u32>,
    /// The column, from 1.
    pub colno: Option<u32>,
    /// Whether it is the host's own code.
    pub in_app: Option<bool>,
    /// The source line.
    pub context_line: Option<String>,
}
