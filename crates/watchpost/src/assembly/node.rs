//! A span within its trace: the whole of it while it is to be sent, else only what the spans around it need of it.

use std::{mem, sync::Arc};

use watchpost_sentry::wire::{SpanId, Timestamp};

use super::{
    facts::{ChunkFacts, ModelCall, ModelFacts, ToolCall, identity_of, is_short, root_identity_of},
    failure::Failure,
};
use crate::model::{
    AgentIdentity, ErrorInfo, GatheredToolCall, Payload, Span, SpanAttributes, SpanCompletion, SpanType,
};

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
    /// The [`identity`](Self::identity) of a run that is not held whole.
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
    pub(super) fn new(mut span: Box<Span>, is_kept: bool, group: u32) -> Self {
        let bare = Self::bare(span.id, span.parent_span_id, Role::of(&span.ty), is_kept);
        let mut node = Self { group, start: span.start, ..bare };
        if is_kept {
            node.body = Body::Whole(span);
        } else {
            node.take_facts(&mut span);
        }
        node.weigh();
        node
    }

    /// A span of which nothing more is known.
    pub(super) fn bare(id: SpanId, parent: Option<SpanId>, role: Role, is_kept: bool) -> Self {
        Self {
            id,
            parent,
            group: 0,
            role,
            state: State::Open,
            is_kept,
            has_child: false,
            completion: SpanCompletion::Ended,
            start: Timestamp::default(),
            end: None,
            body: Body::Bare,
            agent: None,
            failure: None,
            bytes: NODE_BYTES,
        }
    }

    /// More is known of an open span.
    pub(super) fn update(&mut self, mut newer: Box<Span>) {
        self.parent = self.parent.or(newer.parent_span_id);
        self.start = newer.start;
        if let Body::Whole(span) = &mut self.body {
            super::merge::update(span, newer);
        } else {
            self.take_facts(&mut newer);
        }
        self.weigh();
    }

    /// It ended: at its own end, else at this moment.
    pub(super) fn close(&mut self, at: Timestamp, completion: SpanCompletion) {
        self.agent = self.identity();
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
    }

    /// Forgets the content of a span that the host ignores, seen as a whole.
    pub(super) fn skip(&mut self) {
        self.is_kept = false;
        if let Body::Whole(mut span) = mem::take(&mut self.body) {
            self.take_facts(&mut span);
        }
        self.weigh();
    }

    /// What others need of a span once it is released; with its `facts`, if something may be gathered from it later.
    pub(super) fn left_over(&self, facts: bool) -> Self {
        let mut left = Self { state: State::Released, ..self.clone_bare() };
        if let Body::Whole(span) = &self.body {
            left.failure = span.error.as_ref().map(|error| Arc::new(Failure::of(error)));
        }
        match &self.body {
            _ if !facts => {}
            Body::Whole(span) => {
                // An agent's run also counts what the source rolled up of spans it hides, wherever that stands.
                if self.role == Role::Generation {
                    left.body = Body::Model(Box::new(ModelFacts::of(ModelCall::of(span))));
                } else if self.role != Role::Agent && span.attributes.internal_usage().is_some() {
                    let call = ModelCall { output: None, ..ModelCall::of(span) };
                    left.body = Body::Model(Box::new(ModelFacts::of(call)));
                }
            }
            Body::Model(facts) => left.body = Body::Model(facts.clone()),
            Body::Bare | Body::Chunk(_) | Body::Tool(_) => {}
        }
        left.weigh();
        left
    }

    /// A tool that was released while the generation that called it goes on: its call is that one's to tell of.
    pub(super) fn keep_call_of(&mut self, tool: &Self) {
        if let Some(call) = tool.tool_call() {
            self.body = Body::Tool(Box::new(call.to_kept()));
            self.weigh();
        }
    }

    /// Leaves what a span is found by and counted with, not what it said.
    pub(super) fn forget_content(&mut self) {
        match &mut self.body {
            Body::Model(facts) => (facts.output, facts.error) = (None, None),
            Body::Tool(_) => self.body = Body::Bare,
            _ => return,
        }
        self.weigh();
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

    /// Who an agent's run is; of another run's root, who it was done for. Known for good once it ended.
    pub(super) fn identity(&self) -> Option<Arc<AgentIdentity>> {
        match &self.body {
            _ if self.state != State::Open => self.agent.clone(),
            Body::Whole(span) if self.role == Role::Agent => Some(Arc::new(identity_of(span))),
            Body::Whole(span) if self.parent.is_none() => root_identity_of(span).map(Arc::new),
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

    pub(super) fn tool_call(&self) -> Option<ToolCall<'_>> {
        match &self.body {
            Body::Whole(span) if self.role == Role::Tool => Some(ToolCall::of(span)),
            Body::Tool(call) => {
                Some(ToolCall { id: call.id.as_deref(), name: &call.name, arguments: call.arguments.as_ref() })
            }
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
    fn take_facts(&mut self, span: &mut Span) {
        self.end = span.end.or(self.end);
        match self.role {
            Role::Chunk => {
                let mut facts = match mem::take(&mut self.body) {
                    Body::Chunk(facts) => facts,
                    _ => Box::default(),
                };
                if let SpanAttributes::ModelChunk(chunk) = &mut span.attributes {
                    replace(&mut facts.kind, chunk.chunk_type.take());
                    replace(&mut facts.sequence, chunk.sequence_number);
                }
                replace(&mut facts.output, span.output.take().filter(is_short));
                self.body = Body::Chunk(facts);
            }
            Role::Generation | Role::Step | Role::Inference => {
                let mut facts = match mem::take(&mut self.body) {
                    Body::Model(facts) => facts,
                    _ => Box::default(),
                };
                facts.update(ModelCall::of(span));
                // An ignored generation's failure is ignored with it; a step's is its generation's.
                if self.role != Role::Generation {
                    replace(&mut facts.error, span.error.take());
                }
                self.body = Body::Model(facts);
            }
            Role::Tool => {
                let mut call = ToolCall::of(span).to_kept();
                if let Body::Tool(older) = mem::take(&mut self.body) {
                    call.id = call.id.or(older.id);
                    call.arguments = call.arguments.or(older.arguments);
                }
                self.body = Body::Tool(Box::new(call));
            }
            Role::Agent => self.agent = Some(Arc::new(identity_of(span))),
            Role::Other => self.agent = root_identity_of(span).map(Arc::new).or_else(|| self.agent.take()),
        }
    }

    fn weigh(&mut self) {
        self.bytes = NODE_BYTES
            + self.failure.as_ref().map_or(0, |failure| failure.bytes())
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

/// What is known replaces what was.
fn replace<T>(older: &mut Option<T>, newer: Option<T>) {
    if newer.is_some() {
        *older = newer;
    }
}
