//! What was observed: [`McpEvent`], one MCP request and its answer (seed 000).

mod id;
mod mcp_event;

pub use self::{
    id::{derive_session_id, event_id, ksuid, session_id},
    mcp_event::{
        Actor, Completion, ContentBlock, Direction, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame, TraceParent,
        Transport,
    },
};
