//! What was observed: [`McpEvent`], one MCP request and its answer (seed 000), and [`StrayOutput`], which is none.

pub mod agentcat;
mod id;
mod mcp_event;
mod stray_output;
mod trace_parent;

pub(crate) use self::{id::derive_id, stray_output::FIRST_LINE_BYTES};

pub use self::{
    id::{derive_session_id, event_id, ksuid, session_id},
    mcp_event::{
        Actor, Completion, ContentBlock, Direction, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame,
        Transport,
    },
    stray_output::StrayOutput,
    trace_parent::TraceParent,
};
