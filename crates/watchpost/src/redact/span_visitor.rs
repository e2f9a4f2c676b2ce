//! Every string of an agent's span but its ids and its type, for the host's own rules. The struct patterns name every field, so a field
//! added to the model does not compile until it has its place here.

use std::sync::Arc;

use serde_json::Value;

use super::{
    MARKER,
    visitor::{Redactor, failure, option, string, visit_json},
};
use crate::model::{
    AgentIdentity, AttributeMut, Breadcrumb, FinishedSpan, Gathered, GatheredToolCall, Payload, Span, SpanLog, Text,
};

/// The names under which the sources of spans give what a model's call of a tool is told, wherever the assembly read it.
const ARGUMENT_NAMES: &[&str] = &["arguments", "args", "input"];

/// Replaces the strings that `redactor` replaces. What was gathered from below goes by the name it had there.
pub(super) fn visit_span<R: Redactor>(finished: &mut FinishedSpan, redactor: &R) -> Result<(), R::Error> {
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
    visit_own(span, redactor)?;
    if let Some(agent) = agent {
        let AgentIdentity { name, id, conversation_id, user_id } = Arc::make_mut(agent);
        for text in [name, id] {
            option(text, redactor)?;
        }
        named(conversation_id, &["conversationId", "threadId"], redactor)?;
        named(user_id, &["userId", "resourceId"], redactor)?;
    }
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
    named(request_model, &["model"], redactor)?;
    named(response_model, &["responseModel"], redactor)?;
    named(provider, &["provider"], redactor)?;
    named(text, &["text", "output"], redactor)?;
    finish_reasons.iter_mut().try_for_each(|reason| string(reason, redactor))?;
    for GatheredToolCall { id, name, arguments } in tool_calls {
        named(id, &["toolCallId"], redactor)?;
        string(name, redactor)?;
        if let Some(arguments) = arguments {
            visit_named_payload(arguments, ARGUMENT_NAMES, redactor)?;
        }
    }
    for crumb in breadcrumbs {
        let Breadcrumb { at: _, ty: _, message, output, is_error: _ } = Arc::make_mut(crumb);
        string(message, redactor)?;
        if let Some(output) = output {
            visit_named_payload(output, &["output"], redactor)?;
        }
    }
    Ok(())
}

fn visit_own<R: Redactor>(span: &mut Span, redactor: &R) -> Result<(), R::Error> {
    let Span {
        trace_id: _,
        id: _,
        parent_span_id: _,
        external_parent_span_id: _,
        ty: _,
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
    } = span;
    string(name, redactor)?;
    named(entity_type, &["entityType"], redactor)?;
    named(entity_id, &["entityId"], redactor)?;
    named(entity_name, &["entityName"], redactor)?;
    let mut visited = Ok(());
    attributes.visit_mut(&mut |name, value| {
        if visited.is_ok() {
            visited = visit_attribute(name, value, redactor);
        }
    });
    visited?;
    for (name, _) in attributes.others_mut().into_iter().flatten() {
        string(name, redactor)?;
    }
    visit_members(metadata, redactor)?;
    tags.iter_mut().try_for_each(|tag| string(tag, redactor))?;
    for (content, name) in [(input, "input"), (output, "output")] {
        if let Some(content) = content {
            visit_named_payload(content, &[name], redactor)?;
        }
    }
    error.iter_mut().try_for_each(|error| failure(error, redactor))
}

/// The same of a log in a span's trace.
pub(super) fn visit_log<R: Redactor>(log: &mut SpanLog, redactor: &R) -> Result<(), R::Error> {
    let SpanLog { trace_id: _, span_id: _, at: _, level: _, body, attributes } = log;
    string(body, redactor)?;
    visit_members(attributes, redactor)
}

fn visit_members<T, R>(members: &mut [(T, Payload)], redactor: &R) -> Result<(), R::Error>
where
    T: AsRef<str> + From<String>,
    R: Redactor,
{
    for (key, value) in members {
        visit_named_payload(value, &[(*key).as_ref()], redactor)?;
        string(key, redactor)?;
    }
    Ok(())
}

fn visit_attribute<R: Redactor>(name: &str, value: AttributeMut<'_>, redactor: &R) -> Result<(), R::Error> {
    match value {
        AttributeMut::Text(text) if redactor.hides(name) => *text = Text::from_static(MARKER),
        AttributeMut::Text(text) => string(text, redactor)?,
        AttributeMut::Texts(texts) if redactor.hides(name) => *texts = vec![Text::from_static(MARKER)],
        AttributeMut::Texts(texts) => texts.iter_mut().try_for_each(|text| string(text, redactor))?,
        AttributeMut::Payload(payload) => visit_named_payload(payload, &[name], redactor)?,
    }
    Ok(())
}

/// A text that goes by one of these names.
fn named<R: Redactor>(text: &mut Option<Text>, names: &[&str], redactor: &R) -> Result<(), R::Error> {
    if let Some(text) = text
        && names.iter().any(|name| redactor.hides(name))
    {
        *text = Text::from_static(MARKER);
        return Ok(());
    }
    option(text, redactor)
}

fn visit_named_payload<R: Redactor>(payload: &mut Payload, names: &[&str], redactor: &R) -> Result<(), R::Error> {
    if names.iter().any(|name| redactor.hides(name)) {
        *payload = Payload::text(MARKER);
        return Ok(());
    }
    if !payload.is_json() {
        if let Some(clean) = redactor.text(payload.as_str())? {
            *payload = Payload::text(clean);
        }
        return Ok(());
    }
    match serde_json::from_str::<Value>(payload.as_str()) {
        Ok(mut value) => {
            if visit_json(&mut value, redactor)? {
                *payload = value.into();
            }
        }
        // Nested too deeply to be read.
        Err(_) => {
            if let Some(clean) = redactor.cut_json(payload.as_str())? {
                *payload = Payload::text(clean);
            }
        }
    }
    Ok(())
}
