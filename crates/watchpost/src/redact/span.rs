//! Redaction of a span, in place: first the content that is not captured, then every secret in what is left. The struct
//! patterns name every field, so a field added to the model does not compile until it has its place here.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    Capture, Rules,
    event::{drop_error_texts, error_holds_secret, redact_error, redact_option, redact_string},
    payload::{may_hold_secret, redact_member, redact_payload},
    redact_text,
    seen::Seen,
    text::holds_secret,
};
use crate::model::{
    AgentIdentity, AttributeMut, Breadcrumb, FinishedSpan, Gathered, GatheredToolCall, Payload, Span, SpanAttributes,
    SpanType,
};

/// The host's metadata that says who it was done for.
const USER_KEYS: &[&str] = &["userId", "resourceId"];
/// The longest text that is a label and not content, in bytes: what a tag may have.
const MAX_LABEL: usize = 200;

/// Takes every secret out of `span`, and the content that `capture` leaves out. How much that was stays known
/// ([`FinishedSpan::withheld`]).
pub fn redact_span(span: &mut FinishedSpan, capture: Capture) {
    SpanRedaction::new(capture, &Rules::default()).redact(span);
}

/// [`redact_span`] of a trace's spans, and the host's own rules before the built-in ones: what a marker of theirs parts is looked at
/// as it will be read. How much content there was stays known in any case.
#[derive(Debug)]
pub(crate) struct SpanRedaction<'a> {
    capture: Capture,
    rules: &'a Rules,
    seen: Seen,
}

impl<'a> SpanRedaction<'a> {
    pub(crate) fn new(capture: Capture, rules: &'a Rules) -> Self {
        Self { capture, rules, seen: Seen::default() }
    }

    pub(crate) fn redact(&mut self, span: &mut FinishedSpan) {
        drop_content(span, self.capture);
        self.rules.redact_span(span);
        redact_strings(span, &mut self.seen);
    }
}

fn drop_content(finished: &mut FinishedSpan, capture: Capture) {
    if capture == Capture::ALL {
        return;
    }
    let FinishedSpan { span, agent, gathered, breadcrumbs, withheld, .. } = finished;
    if !capture.arguments {
        if let Some(input) = span.input.take() {
            let has_messages = matches!(span.ty, SpanType::ModelGeneration | SpanType::AgentRun);
            withheld.input_bytes = Some(input.len() as u64);
            withheld.messages = has_messages.then(|| message_count(&input));
        }
        for call in &mut gathered.tool_calls {
            call.arguments = None;
        }
        drop_inputs(&mut span.attributes);
        span.output.iter_mut().for_each(drop_asked_arguments);
    }
    if !capture.results {
        if let Some(output) = span.output.take() {
            withheld.output_bytes = Some(output.len() as u64);
        }
        gathered.text = None;
        // Why a guardrail stopped a run repeats what it stopped.
        match &mut span.attributes {
            SpanAttributes::AgentRun(run) => run.tripwire_abort = None,
            SpanAttributes::ProcessorRun(run) => run.tripwire_abort = None,
            _ => {}
        }
        for crumb in breadcrumbs.iter_mut().filter(|crumb| crumb.output.is_some()) {
            Arc::make_mut(crumb).output = None;
        }
    }
    if !capture.errors {
        span.error.iter_mut().for_each(|error| drop_error_texts(error));
    }
    if !capture.user {
        span.metadata.retain(|(key, _)| !USER_KEYS.contains(&&**key));
        if let Some(agent) = agent.as_mut().filter(|agent| agent.user_id.is_some()) {
            Arc::make_mut(agent).user_id = None;
        }
    }
    if capture == Capture::NONE {
        // Labels stay; anything longer is content of the host's own.
        let is_label = |value: &Payload| value.len() <= MAX_LABEL && !value.as_str().starts_with(['{', '[']);
        span.metadata.retain(|(_, value)| is_label(value));
        if let Some(others) = span.attributes.others_mut() {
            others.retain(|(_, value)| is_label(value));
        }
    }
}

/// How many messages an input is: those of an array or of its member `messages`, else it is one.
fn message_count(input: &Payload) -> u64 {
    #[derive(Deserialize)]
    struct Messages {
        messages: Vec<IgnoredAny>,
    }
    let text = input.as_str();
    let array = || serde_json::from_str::<Vec<IgnoredAny>>(text).ok();
    let member = || serde_json::from_str::<Messages>(text).ok().map(|input| input.messages);
    let messages = if input.is_json() { array().or_else(member) } else { None };
    messages.map_or(1, |messages| messages.len() as u64)
}

fn drop_inputs(attributes: &mut SpanAttributes) {
    match attributes {
        SpanAttributes::AgentRun(run) => (run.instructions, run.prompt) = (None, None),
        SpanAttributes::ModelGeneration(generation) => generation.tools = None,
        SpanAttributes::ScorerStep(step) => step.prompt = None,
        SpanAttributes::ProcessorRun(run) => run.message_list_mutations = None,
        _ => {}
    }
}

/// The arguments of the tool calls that a model's answer asks for.
fn drop_asked_arguments(output: &mut Payload) {
    if !output.is_json() || !output.as_str().contains("\"toolCalls\"") {
        return;
    }
    let mut value = output.to_value();
    for call in value.get_mut("toolCalls").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(call) = call {
            ["args", "input", "arguments"].iter().for_each(|key| drop(call.remove(*key)));
        }
    }
    *output = value.into();
}

fn redact_strings(finished: &mut FinishedSpan, seen: &mut Seen) {
    let FinishedSpan {
        span,
        parent_span_id: _,
        completion: _,
        agent,
        gathered,
        reports_error: _,
        breadcrumbs,
        withheld: _,
    } = finished;
    let Span {
        trace_id: _,
        id: _,
        parent_span_id: _,
        external_parent_span_id: _,
        ty,
        name,
        entity_type,
        entity_id,
        entity_name,
        attributes,
        metadata,
        tags,
        start: _,
        end: _,
        input,
        output,
        error,
        is_event: _,
        is_root: _,
        sampled: _,
    } = &mut **span;
    redact_type(ty);
    redact_string(name);
    [entity_type, entity_id, entity_name].into_iter().for_each(redact_option);
    attributes.visit_mut(&mut |name, value| match value {
        AttributeMut::Text(text) => redact_string(text),
        AttributeMut::Texts(texts) => texts.iter_mut().for_each(redact_string),
        AttributeMut::Payload(payload) => redact_member(name, payload, seen),
    });
    attributes.others_mut().into_iter().flatten().for_each(|(name, _)| redact_string(name));
    for (key, value) in metadata {
        redact_member(key, value, seen);
        redact_string(key);
    }
    tags.iter_mut().for_each(redact_string);
    [input, output].into_iter().flatten().for_each(|payload| redact_payload(payload, seen));
    if let Some(error) = error
        && error_holds_secret(error)
    {
        redact_error(error);
    }
    if let Some(agent) = agent
        && agent_holds_secret(agent)
    {
        let AgentIdentity { name, id, conversation_id, user_id } = Arc::make_mut(agent);
        [name, id, conversation_id, user_id].into_iter().for_each(redact_option);
    }
    redact_gathered(gathered, seen);
    breadcrumbs.iter_mut().for_each(|crumb| redact_breadcrumb(crumb, seen));
}

fn redact_type(ty: &mut SpanType) {
    if let SpanType::Other(name) = ty
        && let Cow::Owned(clean) = redact_text(name)
    {
        *name = clean.into();
    }
}

fn redact_gathered(gathered: &mut Gathered, seen: &mut Seen) {
    let Gathered {
        usage: _,
        request_model,
        response_model,
        provider,
        text,
        finish_reasons,
        first_token_at: _,
        tool_calls,
        steps: _,
    } = gathered;
    [request_model, response_model, provider, text].into_iter().for_each(redact_option);
    finish_reasons.iter_mut().for_each(redact_string);
    for GatheredToolCall { id, name, arguments } in tool_calls {
        redact_option(id);
        redact_string(name);
        arguments.iter_mut().for_each(|arguments| redact_payload(arguments, seen));
    }
}

/// Breadcrumbs are shared by the spans of a trace: only one that holds a secret is copied.
fn redact_breadcrumb(crumb: &mut Arc<Breadcrumb>, seen: &mut Seen) {
    let Breadcrumb { at: _, ty: _, message, output, is_error: _ } = &**crumb;
    if holds_secret(message) || output.as_ref().is_some_and(may_hold_secret) {
        let crumb = Arc::make_mut(crumb);
        crumb.output.iter_mut().for_each(|output| redact_payload(output, seen));
        redact_type(&mut crumb.ty);
        redact_string(&mut crumb.message);
    }
}

fn agent_holds_secret(AgentIdentity { name, id, conversation_id, user_id }: &AgentIdentity) -> bool {
    [name, id, conversation_id, user_id].into_iter().flatten().any(|text| holds_secret(text))
}
