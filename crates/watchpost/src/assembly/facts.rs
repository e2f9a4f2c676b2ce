//! What the spans around one need of it when it is not held whole: of a call of a model, a piece of an answer, a tool, an agent.

use watchpost_sentry::wire::Timestamp;

use crate::model::{
    AgentIdentity, ErrorInfo, GatheredToolCall, ModelGenerationAttributes, Payload, Span, SpanAttributes, Text,
    ToolCallAttributes, UsageStats,
};

/// Longest content that is kept of a span which is not sent itself, and of one that was: an answer's text, a tool call.
pub(super) const MAX_KEPT_CONTENT: usize = 16 * 1024;

/// What an agent's run or a generation needs of a call of a model that is not held whole.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelFacts {
    pub(super) usage: Option<UsageStats>,
    /// Rarely there.
    pub(super) internal_usage: Option<Box<UsageStats>>,
    pub(super) finish_reason: Option<Text>,
    pub(super) first_token_at: Option<Timestamp>,
    pub(super) request_model: Option<Text>,
    pub(super) response_model: Option<Text>,
    pub(super) provider: Option<Text>,
    pub(super) step_index: Option<u64>,
    pub(super) output: Option<Payload>,
    pub(super) error: Option<Box<ErrorInfo>>,
}

/// What a generation needs of a piece of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkFacts {
    pub(super) kind: Option<Text>,
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

impl ModelFacts {
    pub(super) fn of(call: ModelCall<'_>) -> Self {
        let mut facts = Self::default();
        facts.update(call);
        facts
    }

    /// What a call tells now replaces what it told before.
    pub(super) fn update(&mut self, call: ModelCall<'_>) {
        let text = |known: &mut Option<Text>, text: Option<&str>| {
            if text.is_some() && known.as_deref() != text {
                *known = text.map(Text::from);
            }
        };
        self.usage = call.usage.copied().or(self.usage);
        if let Some(usage) = call.internal_usage {
            self.internal_usage = Some(Box::new(*usage));
        }
        text(&mut self.finish_reason, call.finish_reason);
        self.first_token_at = call.first_token_at.or(self.first_token_at);
        text(&mut self.request_model, call.request_model);
        text(&mut self.response_model, call.response_model);
        text(&mut self.provider, call.provider);
        self.step_index = call.step_index.or(self.step_index);
        if let Some(output) = call.output.filter(|output| is_short(output)) {
            self.output = Some(output.clone());
        }
    }

    pub(super) fn call(&self) -> ModelCall<'_> {
        ModelCall {
            usage: self.usage.as_ref(),
            internal_usage: self.internal_usage.as_deref(),
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
    pub(super) fn of(span: &'a Span) -> Self {
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

pub(super) fn is_short(content: &Payload) -> bool {
    content.len() <= MAX_KEPT_CONTENT
}

pub(super) fn identity_of(span: &Span) -> AgentIdentity {
    let conversation = match &span.attributes {
        SpanAttributes::AgentRun(agent) => agent.conversation_id.clone(),
        _ => None,
    };
    let from_metadata =
        || ["threadId", "conversationId"].into_iter().find_map(|key| metadata(span, key)).map(Into::into);
    AgentIdentity {
        name: span
            .entity_name
            .clone()
            .or_else(|| span.entity_id.clone())
            .or_else(|| quoted(&span.name).map(Text::from)),
        id: span.entity_id.clone(),
        conversation_id: conversation.or_else(from_metadata),
        user_id: user_of(span),
    }
}

/// What a run's root that is no agent tells of who it was done for.
pub(super) fn root_identity_of(span: &Span) -> Option<AgentIdentity> {
    let user_id = if span.parent_span_id.is_none() { user_of(span) } else { None };
    user_id.map(|user_id| AgentIdentity { user_id: Some(user_id), ..AgentIdentity::default() })
}

fn user_of(span: &Span) -> Option<Text> {
    ["userId", "resourceId"].into_iter().find_map(|key| metadata(span, key)).map(Into::into)
}

/// The model's id of a call, for a tool's span that has none of its own.
pub(super) fn give_call_id(span: &mut Span, id: Text) {
    if metadata(span, "toolCallId").is_some() {
        return;
    }
    match &mut span.attributes {
        SpanAttributes::ToolCall(tool) => tool.tool_call_id = tool.tool_call_id.take().or(Some(id)),
        none @ SpanAttributes::None => {
            let tool = ToolCallAttributes { tool_call_id: Some(id), ..ToolCallAttributes::default() };
            *none = SpanAttributes::ToolCall(Box::new(tool));
        }
        _ => {}
    }
}

/// A tool's call as its span tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToolCall<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) arguments: Option<&'a Payload>,
}

impl<'a> ToolCall<'a> {
    pub(super) fn of(span: &'a Span) -> Self {
        let id = match &span.attributes {
            SpanAttributes::ToolCall(tool) => tool.tool_call_id.as_deref(),
            _ => None,
        };
        let name = span.entity_name.as_deref().or(span.entity_id.as_deref()).or_else(|| quoted(&span.name));
        Self {
            id: id.or_else(|| metadata(span, "toolCallId")),
            name: name.unwrap_or(&span.name),
            arguments: span.input.as_ref(),
        }
    }

    /// As it is kept of a call that is not held whole: without arguments that are long.
    pub(super) fn to_kept(self) -> GatheredToolCall {
        GatheredToolCall {
            id: self.id.map(Into::into),
            name: self.name.into(),
            arguments: self.arguments.filter(|arguments| is_short(arguments)).cloned(),
        }
    }
}

fn metadata<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let (_, value) = span.metadata.iter().find(|(name, _)| **name == *key)?;
    let text = value.as_str();
    (!text.is_empty() && text != "null").then_some(text)
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
