//! What was observed: [`McpEvent`], one MCP request and its answer (seed 000), and [`StrayOutput`], which is none;
//! [`TracingEvent`], something that happened to an agent's [`Span`] (seed 004), and [`FinishedSpan`], what comes of it.

pub mod agentcat;
mod attribute;
mod finished_span;
mod id;
mod json;
pub mod mastra;
mod mcp_event;
mod payload;
mod span_attributes;
mod span_log;
mod span_type;
mod stray_output;
mod text;
mod trace_parent;
mod tracing_event;
mod usage_stats;

pub(crate) use self::{id::derive_id, stray_output::FIRST_LINE_BYTES};

pub use self::{
    attribute::{AttributeMut, AttributeRef},
    finished_span::{AgentIdentity, Breadcrumb, FinishedSpan, Gathered, GatheredToolCall, SpanCompletion, Withheld},
    id::{derive_session_id, event_id, ksuid, session_id},
    mcp_event::{
        Actor, Completion, ContentBlock, Direction, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame,
        Transport,
    },
    payload::Payload,
    span_attributes::{
        AgentRunAttributes, AgentSignalAttributes, ClassifierEvaluationAttributes, GraphActionAttributes,
        MappingAttributes, McpServerRequestAttributes, MemoryOperationAttributes, ModelChunkAttributes,
        ModelGenerationAttributes, ModelInferenceAttributes, ModelParameters, ModelStepAttributes,
        ProcessorRunAttributes, RagActionAttributes, RagEmbeddingAttributes, RagIngestionAttributes,
        RagVectorOperationAttributes, ScorerRunAttributes, ScorerStepAttributes, SkillActionAttributes, SpanAttributes,
        ToolCallAttributes, TypedAttributes, WorkflowConditionalAttributes, WorkflowConditionalEvalAttributes,
        WorkflowLoopAttributes, WorkflowParallelAttributes, WorkflowRunAttributes, WorkflowSleepAttributes,
        WorkflowStepAttributes, WorkflowWaitEventAttributes, WorkspaceActionAttributes,
    },
    span_log::SpanLog,
    span_type::SpanType,
    stray_output::StrayOutput,
    text::Text,
    trace_parent::TraceParent,
    tracing_event::{Span, TracingEvent},
    usage_stats::UsageStats,
};
