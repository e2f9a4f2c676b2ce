//! What was observed: [`McpEvent`], one MCP request and its answer (seed 000).

pub mod agentcat;
mod id;
mod mcp_event;
mod trace_parent;

pub(crate) use self::id::derive_id;

pub use self::{
    id::{derive_session_id, event_id, ksuid, session_id},
    mcp_event::{
        Actor, Completion, ContentBlock, Direction, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame,
        Transport,
    },
    trace_parent::TraceParent,
};
