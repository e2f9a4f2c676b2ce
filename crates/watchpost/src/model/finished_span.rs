//! A span with everything its trace says of it: what trace assembly gives and the mapping takes.

use std::sync::Arc;

use watchpost_sentry::wire::{SpanId, Timestamp};

use super::{Payload, Span, SpanType, Text, UsageStats};

/// A span that is sent, its place in the trace found and the data of its skipped descendants gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// The span. It has an end.
    pub span: Box<Span>,
    /// The nearest span above it that is sent; as given where that one was never seen.
    pub parent_span_id: Option<SpanId>,
    /// How it came to its end.
    pub completion: SpanCompletion,
    /// The agent it runs in; of an agent's run its own. Outside of any agent it has no name or id.
    pub agent: Option<Arc<AgentIdentity>>,
    /// What its descendants say of it.
    pub gathered: Gathered,
    /// Whether its error is an issue of its own: false when a span below it failed the same way.
    pub reports_error: bool,
    /// For a span that reports its error: the trace's event spans until then, oldest first.
    pub breadcrumbs: Vec<Arc<Breadcrumb>>,
    /// How much content redaction kept back; nothing before it.
    pub withheld: Withheld,
}

/// The size of the content that is not captured, which stays known when the content itself does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Bytes of the input.
    pub input_bytes: Option<u64>,
    /// Bytes of the output.
    pub output_bytes: Option<u64>,
    /// Messages of the input.
    pub messages: Option<u64>,
}

/// How a span came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpanCompletion {
    /// It ended.
    #[default]
    Ended,
    /// There were too many open spans, and it was open longest.
    Aborted,
    /// Nothing was heard of its trace for too long.
    DeadlineExceeded,
    /// The exporter was shut down.
    ShutDown,
}

/// Who runs, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The agent's name, else its id.
    pub name: Option<Text>,
    /// The agent's id.
    pub id: Option<Text>,
    /// The conversation or thread it runs in.
    pub conversation_id: Option<Text>,
    /// Who it is done for: `userId` or `resourceId` of the metadata of this run, else of one above it.
    pub user_id: Option<Text>,
}

/// What a span's descendants say of it. Of a generation: its steps, inferences, chunks and tools. Of an agent's run: its
/// generations, not those below another agent's run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// Tokens. Of a generation: its own, else the sum over its inferences, else over its steps. Of an agent's run: the sum over
    /// its generations.
    pub usage: Option<UsageStats>,
    /// The model asked for: the last generation's.
    pub request_model: Option<Text>,
    /// The model that answered: the last one's.
    pub response_model: Option<Text>,
    /// The provider: the last generation's.
    pub provider: Option<Text>,
    /// The text of the last generation, or what came of it in chunks.
    pub text: Option<Text>,
    /// Why the model stopped, step by step, else the generation's own reason.
    pub finish_reasons: Vec<Text>,
    /// When the first token came.
    pub first_token_at: Option<Timestamp>,
    /// The tools called, in order.
    pub tool_calls: Vec<GatheredToolCall>,
    /// How many steps there were.
    pub steps: u64,
}

/// A tool's call, as the generation that asked for it lists it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatheredToolCall {
    /// The model's id of the call.
    pub id: Option<Text>,
    /// The tool.
    pub name: Text,
    /// The arguments. Content.
    pub arguments: Option<Payload>,
}

/// An event span on the way to an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Breadcrumb {
    /// When.
    pub at: Timestamp,
    /// Its type.
    pub ty: SpanType,
    /// Its name.
    pub message: Text,
    /// Its output. Content.
    pub output: Option<Payload>,
    /// Whether it was a failure.
    pub is_error: bool,
}
