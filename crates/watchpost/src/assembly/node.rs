//! A span within its trace: the whole of it while it is to be sent, else only what the spans around it need of it.

use std::{mem, sync::Arc};

use watchpost_sentry::wire::{SpanId, Timestamp};

use super::failure::Failure;
use crate::model::{
    AgentIdentity, ErrorInfo, GatheredToolCall, ModelGenerationAttributes, Payload, Span, SpanAttributes,
    SpanCompletion, SpanType, UsageStats,
};

/// Longest content that is kept of a span which is not sent itself, and of one that was: an answer's text, a tool call.
pub(super) const MAX_KEPT_CONTENT: usize = 16 * 1024;

/// What a span without its content is counted as: the node, its place in the index and in its group.
const NODE_BYTES: usize = size_of::<Node>() + 48;

/// A span's part in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Agent,
    Generation,
    Step,
    Inference,
    Chunk,
    Tool,
    Other,
}

/// How far a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its end is awaited.
    Open,
    /// It ended and is held.
    Ended,
    /// It was released; only what its descendants need is left.
    Released,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: SpanId,
    /// As given.
    pub(super) parent: Option<SpanId>,
    pub(super) group: u32,
    pub(super) role: Role,
    pub(super) state: State,
    /// Whether it is sent: neither of a skipped type nor ignored.
    pub(super) is_kept: bool,
    pub(super) has_child: bool,
    pub(super) completion: SpanCompletion,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) body: Body,
    /// Who an agent's run that ended was.
    pub(super) agent: Option<Arc<AgentIdentity>>,
    /// How a span that was released failed.
    pub(super) failure: Option<Arc<Failure>>,
    pub(super) bytes: usize,
}

/// What is held of a span.
#[derive(Clone, Debug, Default)]
pub(super) enum Body {
    #[default]
    Bare,
    Whole(Box<Span>),
    Model(Box<ModelFacts>),
    Chunk(Box<ChunkFacts>),
    Tool(Box<GatheredToolCall>),
}

/// What an agent's run or a generation needs of a call of a model that is not held whole.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelFacts {
    pub(super) usage: Option<UsageStats>,
    pub(super) internal_usage: Option<UsageStats>,
    pub(super) finish_reason: Option<String>,
    pub(super) first_token_at: Option<Timestamp>,
    pub(super) request_model: Option<String>,
    pub(super) response_model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) step_index: Option<u64>,
    pub(super) output: Option<Payload>,
    pub(super) error: Option<Box<ErrorInfo>>,
}

/// What a generation needs of a piece of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkFacts {
    pub(super) kind: Option<String>,
    pub(super) sequence: Option<u64>,
    pub(super) output: Option<Payload>,
}

/// The same of a call that is held whole and of one that is not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ModelCall<'a> {
    pub(super) usage: Option<&'a UsageStats>,
    pub(super) internal_usage: Option<&'a UsageStats>,
    pub(super) finish_reason: Option<&'a str>,
    pub(super) first_token_at: Option<Timestamp>,
    pub(super) request_model: Option<&'a str>,
    pub(super) response_model: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) step_index: Option<u64>,
    pub(super) output: Option<&'a Payload>,
}

impl Role {
    pub(super) const fn of(ty: &SpanType) -> Self {
        match ty {
            SpanType::AgentRun => Self::Agent,
            SpanType::ModelGeneration => Self::Generation,
            SpanType::ModelStep => Self::Step,
            SpanType::ModelInference => Self::Inference,
            SpanType::ModelChunk => Self::Chunk,
            ty if ty.is_tool() => Self::Tool,
            _ => Self::Other,
        }
    }
}

impl Node {
    /// A span heard of for the first time.
    pub(super) fn new(span: Span, is_kept: bool, group: u32) -> Self {
        let mut node = Self {
            id: span.id,
            parent: span.parent_span_id,
            group,
            role: Role::of(&span.ty),
            state: State::Open,
            is_kept,
            has_child: false,
            completion: SpanCompletion::Ended,
            start: span.start,
            end: None,
            body: Body::Bare,
            agent: None,
            failure: None,
            bytes: NODE_BYTES,
        };
        if is_kept {
            node.body = Body::Whole(Box::new(span));
        } else {
            node.take_facts(span);
        }
        node.weigh();
        node
    }

    /// More is known of an open span.
    pub(super) fn update(&mut self, newer: Span) {
        self.parent = self.parent.or(newer.parent_span_id);
        self.start = newer.start;
        if let Body::Whole(span) = &mut self.body {
            super::merge::update(span, newer);
        } else {
            self.take_facts(newer);
        }
        self.weigh();
    }

    /// It ended: at its own end, else at this moment.
    pub(super) fn close(&mut self, at: Timestamp, completion: SpanCompletion) {
        self.state = State::Ended;
        self.completion = completion;
        let given = match &self.body {
            Body::Whole(span) => span.end,
            _ => self.end,
        };
        let end = given.unwrap_or(at).max(self.start);
        self.end = Some(end);
        if let Body::Whole(span) = &mut self.body {
            span.end = Some(end);
        }
        self.agent = self.identity();
    }

    /// Forgets the content of a span that the host ignores, seen as a whole.
    pub(super) fn skip(&mut self) {
        self.is_kept = false;
        if let Body::Whole(span) = mem::take(&mut self.body) {
            self.take_facts(*span);
        }
        self.weigh();
    }

    /// What others need of a span once it is released.
    pub(super) fn left_over(&self) -> Self {
        let mut left = Self { state: State::Released, ..self.clone_bare() };
        match &self.body {
            Body::Whole(span) => {
                left.failure = span.error.as_ref().map(|error| Arc::new(Failure::of(error)));
                if self.role == Role::Generation {
                    left.body = Body::Model(Box::new(ModelFacts::of(ModelCall::of(span))));
                }
            }
            Body::Model(facts) => left.body = Body::Model(facts.clone()),
            Body::Bare | Body::Chunk(_) | Body::Tool(_) => {}
        }
        left.weigh();
        left
    }

    /// It without the content that is sent.
    pub(super) fn clone_facts(&self) -> Self {
        let body = match &self.body {
            Body::Whole(_) | Body::Bare => Body::Bare,
            facts => facts.clone(),
        };
        Self { body, ..self.clone_bare() }
    }

    /// It without content, to be looked up by its descendants.
    pub(super) fn clone_bare(&self) -> Self {
        Self { body: Body::Bare, agent: self.identity(), failure: self.failure.clone(), ..*self }
    }

    /// Who an agent's run is.
    pub(super) fn identity(&self) -> Option<Arc<AgentIdentity>> {
        match &self.body {
            Body::Whole(span) if self.role == Role::Agent => Some(Arc::new(identity_of(span))),
            _ => self.agent.clone(),
        }
    }

    pub(super) fn model_call(&self) -> ModelCall<'_> {
        match &self.body {
            Body::Whole(span) => ModelCall::of(span),
            Body::Model(facts) => facts.call(),
            _ => ModelCall::default(),
        }
    }

    pub(super) const fn chunk(&self) -> Option<&ChunkFacts> {
        match &self.body {
            Body::Chunk(facts) => Some(facts),
            _ => None,
        }
    }

    pub(super) fn tool_call(&self) -> Option<GatheredToolCall> {
        match &self.body {
            Body::Whole(span) if self.role == Role::Tool => Some(tool_call_of(span)),
            Body::Tool(call) => Some((**call).clone()),
            _ => None,
        }
    }

    /// The error of the span, if it is held whole.
    pub(super) fn error(&self) -> Option<&ErrorInfo> {
        match &self.body {
            Body::Whole(span) => span.error.as_deref(),
            _ => None,
        }
    }

    /// What is kept of a span that is not sent.
    fn take_facts(&mut self, span: Span) {
        self.end = span.end.or(self.end);
        match self.role {
            Role::Chunk => {
                let mut facts = match mem::take(&mut self.body) {
                    Body::Chunk(facts) => facts,
                    _ => Box::default(),
                };
                if let SpanAttributes::ModelChunk(chunk) = span.attributes {
                    facts.kind = chunk.chunk_type.or(facts.kind);
                    facts.sequence = chunk.sequence_number.or(facts.sequence);
                }
                facts.output = span.output.filter(is_short).or(facts.output);
                self.body = Body::Chunk(facts);
            }
            Role::Generation | Role::Step | Role::Inference => {
                let mut facts = ModelFacts::of(ModelCall::of(&span));
                // An ignored generation's failure is ignored with it; a step's is its generation's.
                facts.error = if self.role == Role::Generation { None } else { span.error };
                if let Body::Model(older) = mem::take(&mut self.body) {
                    facts.fill_from(*older);
                }
                self.body = Body::Model(Box::new(facts));
            }
            Role::Tool => {
                let mut call = tool_call_of(&span);
                call.arguments = call.arguments.filter(is_short);
                if let Body::Tool(older) = mem::take(&mut self.body) {
                    call.id = call.id.or(older.id);
                    call.arguments = call.arguments.or(older.arguments);
                }
                self.body = Body::Tool(Box::new(call));
            }
            Role::Agent => self.agent = Some(Arc::new(identity_of(&span))),
            Role::Other => {}
        }
    }

    fn weigh(&mut self) {
        self.bytes = NODE_BYTES
            + match &self.body {
                Body::Bare => 0,
                Body::Whole(span) => super::size::span_bytes(span),
                Body::Model(facts) => {
                    let error = facts.error.as_deref().map_or(0, super::size::error_bytes);
                    size_of::<ModelFacts>() + error + facts.output.as_ref().map_or(0, Payload::len)
                }
                Body::Chunk(facts) => size_of::<ChunkFacts>() + facts.output.as_ref().map_or(0, Payload::len),
                Body::Tool(call) => {
                    size_of::<GatheredToolCall>() + call.name.len() + call.arguments.as_ref().map_or(0, Payload::len)
                }
            };
    }
}

impl ModelFacts {
    fn of(call: ModelCall<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            usage: call.usage.copied(),
            internal_usage: call.internal_usage.copied(),
            finish_reason: owned(call.finish_reason),
            first_token_at: call.first_token_at,
            request_model: owned(call.request_model),
            response_model: owned(call.response_model),
            provider: owned(call.provider),
            step_index: call.step_index,
            output: call.output.filter(|output| is_short(output)).cloned(),
            error: None,
        }
    }

    fn fill_from(&mut self, older: Self) {
        self.usage = self.usage.or(older.usage);
        self.internal_usage = self.internal_usage.or(older.internal_usage);
        self.finish_reason = self.finish_reason.take().or(older.finish_reason);
        self.first_token_at = self.first_token_at.or(older.first_token_at);
        self.request_model = self.request_model.take().or(older.request_model);
        self.response_model = self.response_model.take().or(older.response_model);
        self.provider = self.provider.take().or(older.provider);
        self.step_index = self.step_index.or(older.step_index);
        self.output = self.output.take().or(older.output);
        self.error = self.error.take().or(older.error);
    }

    fn call(&self) -> ModelCall<'_> {
        ModelCall {
            usage: self.usage.as_ref(),
            internal_usage: self.internal_usage.as_ref(),
            finish_reason: self.finish_reason.as_deref(),
            first_token_at: self.first_token_at,
            request_model: self.request_model.as_deref(),
            response_model: self.response_model.as_deref(),
            provider: self.provider.as_deref(),
            step_index: self.step_index,
            output: self.output.as_ref(),
        }
    }
}

impl<'a> ModelCall<'a> {
    fn of(span: &'a Span) -> Self {
        let call = match &span.attributes {
            SpanAttributes::ModelGeneration(call) => Self {
                usage: call.usage.as_ref(),
                finish_reason: call.finish_reason.as_deref(),
                first_token_at: call.completion_start_time,
                request_model: call.model.as_deref(),
                response_model: call.response_model.as_deref(),
                provider: call.provider.as_deref(),
                ..Self::default()
            },
            SpanAttributes::ModelInference(call) => Self {
                usage: call.usage.as_ref(),
                finish_reason: call.finish_reason.as_deref(),
                first_token_at: call.completion_start_time,
                request_model: call.model.as_deref(),
                response_model: call.response_model.as_deref(),
                provider: call.provider.as_deref(),
                step_index: call.step_index,
                ..Self::default()
            },
            SpanAttributes::ModelStep(step) => Self {
                usage: step.usage.as_ref(),
                finish_reason: step.finish_reason.as_deref(),
                step_index: step.step_index,
                ..Self::default()
            },
            _ => Self::default(),
        };
        let given = |usage: &&UsageStats| !usage.is_empty();
        Self {
            usage: call.usage.filter(given),
            internal_usage: span.attributes.internal_usage().filter(given),
            output: span.output.as_ref(),
            ..call
        }
    }
}

fn is_short(content: &Payload) -> bool {
    content.len() <= MAX_KEPT_CONTENT
}

fn identity_of(span: &Span) -> AgentIdentity {
    let conversation = match &span.attributes {
        SpanAttributes::AgentRun(agent) => agent.conversation_id.clone(),
        _ => None,
    };
    let from_metadata = || ["threadId", "conversationId"].into_iter().find_map(|key| metadata(span, key));
    AgentIdentity {
        name: span
            .entity_name
            .clone()
            .or_else(|| span.entity_id.clone())
            .or_else(|| quoted(&span.name).map(str::to_owned)),
        id: span.entity_id.clone(),
        conversation_id: conversation.or_else(from_metadata),
    }
}

fn tool_call_of(span: &Span) -> GatheredToolCall {
    let id = match &span.attributes {
        SpanAttributes::ToolCall(tool) => tool.tool_call_id.clone(),
        _ => None,
    };
    let name = span.entity_name.as_deref().or(span.entity_id.as_deref()).or_else(|| quoted(&span.name));
    GatheredToolCall {
        id: id.or_else(|| metadata(span, "toolCallId")),
        name: name.unwrap_or(&span.name).to_owned(),
        arguments: span.input.clone(),
    }
}

fn metadata(span: &Span, key: &str) -> Option<String> {
    let (_, value) = span.metadata.iter().find(|(name, _)| **name == *key)?;
    let text = value.as_str();
    (!text.is_empty() && text != "null").then(|| text.to_owned())
}

/// The part of a name in single quotes: `agent run: 'weather'`.
fn quoted(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('\'')?;
    let (quoted, _) = rest.split_once('\'')?;
    (!quoted.is_empty()).then_some(quoted)
}

/// Of a root's attributes those that name it.
pub(super) fn naming(attributes: &SpanAttributes) -> SpanAttributes {
    match attributes {
        SpanAttributes::ModelGeneration(call) => SpanAttributes::ModelGeneration(Box::new(ModelGenerationAttributes {
            model: call.model.clone(),
            ..ModelGenerationAttributes::default()
        })),
        SpanAttributes::McpServerRequest(_) | SpanAttributes::RagEmbedding(_) => attributes.clone(),
        _ => SpanAttributes::None,
    }
}
