//! Redaction of a whole event. The struct patterns name every field, so a field added to the model does not compile until
//! it has its place here.

use std::{borrow::Cow, ops::Deref};

use serde_json::Value;

use super::{
    Capture, MARKER,
    json::{is_secret_text, json_holds_secret, member_holds_secret},
    json_text::{json_text_holds_secret, redact_json_text},
    redact_json, redact_text,
    text::holds_secret,
};
use crate::model::{Actor, ContentBlock, ErrorInfo, Implementation, McpEvent, StackFrame, derive_id};

/// `event` without any secret and without the content that `capture` leaves out; borrowed when nothing had to change.
///
/// Every string is scanned, those of tags and properties by the name of their key as well. The ids keep the events of a
/// session together, so a session or event id that holds a secret is not marked but replaced by an id derived from it.
#[must_use]
pub fn redact_event(event: &McpEvent, capture: Capture) -> Cow<'_, McpEvent> {
    if !holds_content_outside(event, capture) && !event_holds_secret(event) {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    drop_content(&mut event, capture);
    redact_strings(&mut event);
    Cow::Owned(event)
}

fn holds_content_outside(event: &McpEvent, capture: Capture) -> bool {
    !capture.intent && event.user_intent.is_some()
        || !capture.user && event.actor.is_some()
        || !capture.arguments && event.arguments.is_some()
        || !capture.results && event.result.is_some()
        || !capture.errors && (event.error.is_some() || event.cancel_reason.is_some())
        || capture == Capture::NONE && !event.properties.is_empty()
}

fn drop_content(event: &mut McpEvent, capture: Capture) {
    if !capture.intent {
        event.user_intent = None;
    }
    if !capture.user {
        event.actor = None;
    }
    if !capture.arguments {
        event.arguments = None;
    }
    if !capture.results {
        event.result = None;
    }
    if capture == Capture::NONE {
        event.properties.clear();
    }
    if !capture.errors {
        event.cancel_reason = None;
        event.error.iter_mut().for_each(drop_error_texts);
    }
}

/// Leaves type, code and frames: they say what failed and where without quoting anything.
pub(super) fn drop_error_texts(error: &mut ErrorInfo) {
    error.message.clear();
    error.data = None;
    error.stack = None;
    error.content.clear();
    error.frames.iter_mut().for_each(|frame| frame.context_line = None);
    error.causes.iter_mut().for_each(drop_error_texts);
}

fn event_holds_secret(event: &McpEvent) -> bool {
    let McpEvent {
        event_id,
        session_id,
        project_id,
        event_type,
        resource_name,
        timestamp: _,
        duration: _,
        is_error: _,
        error,
        completion: _,
        cancel_reason,
        user_intent,
        actor,
        server,
        client,
        protocol_version,
        transport: _,
        direction: _,
        is_notification: _,
        request_id,
        mcp_session_id,
        tool_call_id,
        trace_parent: _,
        request_bytes: _,
        response_bytes: _,
        content_count: _,
        arguments,
        result,
        tags,
        properties,
    } = event;
    holds_secret(event_id)
        || holds_secret(event_type)
        || [
            session_id,
            project_id,
            resource_name,
            cancel_reason,
            user_intent,
            protocol_version,
            request_id,
            mcp_session_id,
            tool_call_id,
        ]
        .into_iter()
        .any(option_holds_secret)
        || [arguments, result].into_iter().flatten().any(|json| json_text_holds_secret(json))
        || [server, client].into_iter().any(implementation_holds_secret)
        || actor.as_ref().is_some_and(|Actor { id, name, data }| {
            option_holds_secret(id) || option_holds_secret(name) || data.as_ref().is_some_and(json_holds_secret)
        })
        || error.as_ref().is_some_and(error_holds_secret)
        || tags.iter().any(|(key, value)| holds_secret(key) || is_secret_text(key, value) || holds_secret(value))
        || properties.iter().any(|(key, value)| member_holds_secret(key, value))
}

fn redact_strings(event: &mut McpEvent) {
    let now = event.timestamp;
    if holds_secret(&event.event_id) {
        event.event_id = derive_id("evt", now, &event.event_id);
    }
    if let Some(session_id) = event.session_id.as_mut().filter(|id| holds_secret(id)) {
        *session_id = crate::model::derive_session_id(session_id, None);
    }
    if let Cow::Owned(clean) = redact_text(&event.event_type) {
        event.event_type = Cow::Owned(clean);
    }
    for text in [
        &mut event.project_id,
        &mut event.resource_name,
        &mut event.cancel_reason,
        &mut event.user_intent,
        &mut event.protocol_version,
        &mut event.request_id,
        &mut event.mcp_session_id,
        &mut event.tool_call_id,
    ] {
        redact_option(text);
    }
    redact_json_option(&mut event.arguments);
    redact_json_option(&mut event.result);
    for Implementation { name, title, version } in [&mut event.server, &mut event.client] {
        [name, title, version].into_iter().for_each(redact_option);
    }
    if let Some(Actor { id, name, data }) = &mut event.actor {
        redact_option(id);
        redact_option(name);
        if let Some(data) = data {
            redact_json(data);
        }
    }
    if let Some(error) = &mut event.error {
        redact_error(error);
    }
    for (key, value) in &mut event.tags {
        if is_secret_text(key, value) {
            MARKER.clone_into(value);
        }
        redact_string(key);
        redact_string(value);
    }
    for (key, value) in &mut event.properties {
        let mut member = Value::Object([(std::mem::take(key), value.take())].into_iter().collect());
        redact_json(&mut member);
        if let Value::Object(members) = member
            && let Some((clean_key, clean_value)) = members.into_iter().next()
        {
            (*key, *value) = (clean_key, clean_value);
        }
    }
}

pub(super) fn error_holds_secret(error: &ErrorInfo) -> bool {
    let ErrorInfo {
        kind: _,
        message,
        ty,
        code: _,
        data,
        id,
        domain,
        category,
        stack,
        frames,
        causes,
        platform,
        content,
    } = error;
    holds_secret(message)
        || [ty, id, domain, category, stack, platform].into_iter().any(option_holds_secret)
        || data.as_deref().is_some_and(json_text_holds_secret)
        || frames.iter().any(
            |StackFrame { filename, abs_path, function, module, lineno: _, colno: _, in_app: _, context_line }| {
                [filename, abs_path, function, module, context_line].into_iter().any(option_holds_secret)
            },
        )
        || content.iter().any(|ContentBlock { ty, text }| holds_secret(ty) || option_holds_secret(text))
        || causes.iter().any(error_holds_secret)
}

pub(super) fn redact_error(error: &mut ErrorInfo) {
    redact_string(&mut error.message);
    for text in
        [&mut error.ty, &mut error.id, &mut error.domain, &mut error.category, &mut error.stack, &mut error.platform]
    {
        redact_option(text);
    }
    redact_json_option(&mut error.data);
    for StackFrame { filename, abs_path, function, module, context_line, .. } in &mut error.frames {
        [filename, abs_path, function, module, context_line].into_iter().for_each(redact_option);
    }
    for ContentBlock { ty, text } in &mut error.content {
        redact_string(ty);
        redact_option(text);
    }
    error.causes.iter_mut().for_each(redact_error);
}

fn implementation_holds_secret(Implementation { name, title, version }: &Implementation) -> bool {
    [name, title, version].into_iter().any(option_holds_secret)
}

#[expect(clippy::ref_option, reason = "the fields are options of strings")]
fn option_holds_secret(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(holds_secret)
}

pub(super) fn redact_option<T: Deref<Target = str> + From<String>>(text: &mut Option<T>) {
    if let Some(text) = text {
        redact_string(text);
    }
}

fn redact_json_option(json: &mut Option<String>) {
    if let Some(json) = json
        && let Cow::Owned(clean) = redact_json_text(json)
    {
        *json = clean;
    }
}

pub(super) fn redact_string<T: Deref<Target = str> + From<String>>(text: &mut T) {
    if let Cow::Owned(clean) = redact_text(text) {
        *text = clean.into();
    }
}
