//! How a span is named: `<operation> <identifier>`, low in cardinality, because Sentry groups by the name. No ids, no durations.
//! Source: Sentry's AI agents module (`invoke_agent {agent}`, `chat {model}`, `execute_tool {tool}`), Mastra's exporter for the others.

use std::borrow::Cow;

use super::operation::name_word;
use crate::{
    mapping::{
        limit::{self, cut, cut_cow},
        template::template,
    },
    model::{FinishedSpan, Span, SpanAttributes, SpanType, Text},
};

/// The span's name.
#[must_use]
pub fn span_name(span: &FinishedSpan) -> Cow<'_, str> {
    let word = name_word(&span.span.ty);
    if word.is_empty() {
        return own_name(&span.span);
    }
    match identifier(span).filter(|identifier| !identifier.is_empty()) {
        Some(identifier) => {
            let mut name = String::with_capacity(word.len() + 1 + identifier.len());
            name.push_str(word);
            name.push(' ');
            name.push_str(identifier);
            cut_cow(Cow::Owned(name), limit::NAME)
        }
        None => Cow::Borrowed(word),
    }
}

/// What tells spans of one type apart and is not different each time.
fn identifier(span: &FinishedSpan) -> Option<&str> {
    let FinishedSpan { span, gathered, .. } = span;
    match (&span.ty, &span.attributes) {
        (SpanType::ModelGeneration, attributes) => attributes
            .generation()
            .and_then(|generation| generation.model.as_deref())
            .or(gathered.request_model.as_deref()),
        (SpanType::AgentRun, _) => agent_name(span),
        // A step's entity name can be the workflow's.
        (SpanType::WorkflowStep, _) => {
            span.entity_id.as_deref().or_else(|| quoted(&span.name)).or(span.entity_name.as_deref())
        }
        // The entity of what follows is inherited, so it tells nothing.
        (_, SpanAttributes::RagEmbedding(embedding)) => embedding.model.as_deref(),
        (_, SpanAttributes::ClassifierEvaluation(evaluation)) => {
            evaluation.classifier_id.as_deref().or(evaluation.model_id.as_deref())
        }
        (_, SpanAttributes::WorkflowLoop(round)) => round.loop_type.as_deref(),
        (_, SpanAttributes::WorkflowWaitEvent(wait)) => wait.event_name.as_deref(),
        (_, SpanAttributes::ScorerStep(step)) => step.step.as_deref(),
        (_, SpanAttributes::MemoryOperation(memory)) => memory.operation_type.as_deref(),
        (_, SpanAttributes::WorkspaceAction(action)) => action.category.as_deref(),
        (_, SpanAttributes::SkillAction(action)) => action.skill_name.as_deref().or(action.operation.as_deref()),
        (_, SpanAttributes::AgentSignal(signal)) => signal.tag_name.as_deref(),
        (_, SpanAttributes::Mapping(mapping)) => mapping.mapping_type.as_deref(),
        (_, SpanAttributes::RagIngestion(ingestion)) => ingestion.pipeline_name.as_deref(),
        (_, SpanAttributes::RagVectorOperation(vector)) => vector.operation.as_deref(),
        (_, SpanAttributes::RagAction(action)) => action.action.as_deref(),
        (_, SpanAttributes::GraphAction(action)) => action.action.as_deref(),
        (SpanType::WorkflowRun | SpanType::ProcessorRun | SpanType::ScorerRun, _) => entity(span),
        (ty, _) if ty.is_tool() => entity(span),
        _ => None,
    }
}

/// The name of the agent that a run is of.
pub(super) fn agent_name(span: &Span) -> Option<&str> {
    entity(span)
}

/// The name of the tool, workflow, agent, … that the span is of.
pub(super) fn entity(span: &Span) -> Option<&str> {
    let filled = |text: &Option<Text>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).is_some();
    match span {
        Span { entity_name, .. } if filled(entity_name) => entity_name.as_deref(),
        Span { entity_id, .. } if filled(entity_id) => entity_id.as_deref(),
        Span { name, .. } => quoted(name).or_else(|| Some(name.trim()).filter(|name| !name.is_empty())),
    }
}

/// `search` of `tool: 'search'`.
fn quoted(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('\'')?;
    rest.split_once('\'').map(|(quoted, _)| quoted).filter(|quoted| !quoted.is_empty())
}

/// The name that the host gave, without what changes; of an MCP request its method and target.
fn own_name(span: &Span) -> Cow<'_, str> {
    if let SpanAttributes::McpServerRequest(request) = &span.attributes
        && let Some(method) = request.mcp_method.as_deref().filter(|method| !method.is_empty())
    {
        // A resource's URI would make too many names.
        return match request.target_name.as_deref().filter(|_| matches!(method, "tools/call" | "prompts/get")) {
            Some(target) => cut_cow(Cow::Owned(format!("{method} {target}")), limit::NAME),
            None => cut(method, limit::NAME),
        };
    }
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'_' | b'.' | b'-');
    let name = span.name.trim();
    if !name.is_empty() && name.len() <= limit::NAME && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    // Quotes stand round names, not round texts that change.
    let name = template(&name.replace(['\'', '"', '`'], " "));
    if name.is_empty() { Cow::Borrowed(span.ty.as_str()) } else { Cow::Owned(name) }
}
