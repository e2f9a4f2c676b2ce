//! Every string of an event but its ids and its type, for rules and redactors of the host's own. The struct patterns name every field,
//! so a field added to the model does not compile until it has its place here.

use serde_json::Value;

use super::MARKER;
use crate::model::{Actor, ContentBlock, ErrorInfo, Implementation, McpEvent, StackFrame};

/// What becomes of strings.
pub(crate) trait Redactor {
    /// Why it could not be said.
    type Error;

    /// What a string becomes; `None` leaves it.
    fn text(&self, text: &str) -> Result<Option<String>, Self::Error>;

    /// Whether the value under this key goes, whatever it is.
    fn hides(&self, _key: &str) -> bool {
        false
    }

    /// What JSON text becomes that can't be parsed, as it was cut.
    fn cut_json(&self, text: &str) -> Result<Option<String>, Self::Error> {
        self.text(text)
    }
}

/// Replaces the strings that `redactor` replaces.
pub(crate) fn visit_strings<R: Redactor>(event: &mut McpEvent, redactor: &R) -> Result<(), R::Error> {
    let McpEvent {
        event_id: _,
        session_id: _,
        project_id: _,
        event_type: _,
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
        protocol_version: _,
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
    for text in [resource_name, cancel_reason, user_intent, request_id, mcp_session_id, tool_call_id] {
        option(text, redactor)?;
    }
    for Implementation { name, title, version } in [server, client] {
        [name, title, version].into_iter().try_for_each(|text| option(text, redactor))?;
    }
    if let Some(Actor { id, name, data }) = actor {
        option(id, redactor)?;
        option(name, redactor)?;
        if let Some(data) = data {
            visit_json(data, redactor)?;
        }
    }
    error.iter_mut().try_for_each(|error| failure(error, redactor))?;
    for content in [arguments, result] {
        json_text(content, redactor)?;
    }
    for (key, value) in tags {
        if redactor.hides(key) {
            MARKER.clone_into(value);
        }
        string(key, redactor)?;
        string(value, redactor)?;
    }
    for (key, value) in properties {
        visit_member(key, value, redactor)?;
        string(key, redactor)?;
    }
    Ok(())
}

pub(super) fn failure<R: Redactor>(error: &mut ErrorInfo, redactor: &R) -> Result<(), R::Error> {
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
    string(message, redactor)?;
    for text in [ty, id, domain, category, stack, platform] {
        option(text, redactor)?;
    }
    json_text(data, redactor)?;
    for StackFrame { filename, abs_path, function, module, lineno: _, colno: _, in_app: _, context_line } in frames {
        for text in [filename, abs_path, function, module, context_line] {
            option(text, redactor)?;
        }
    }
    for ContentBlock { ty, text } in content {
        string(ty, redactor)?;
        option(text, redactor)?;
    }
    causes.iter_mut().try_for_each(|cause| failure(cause, redactor))
}

pub(super) fn string<T, R>(text: &mut T, redactor: &R) -> Result<(), R::Error>
where
    T: AsRef<str> + From<String>,
    R: Redactor,
{
    if let Some(clean) = redactor.text((*text).as_ref())? {
        *text = clean.into();
    }
    Ok(())
}

pub(super) fn option<T, R>(text: &mut Option<T>, redactor: &R) -> Result<(), R::Error>
where
    T: AsRef<str> + From<String>,
    R: Redactor,
{
    text.iter_mut().try_for_each(|text| string(text, redactor))
}

/// The strings within JSON text, keys included. Text that nothing is found in stays as it was written.
fn json_text<R: Redactor>(text: &mut Option<String>, redactor: &R) -> Result<(), R::Error> {
    let Some(text) = text else { return Ok(()) };
    let clean = match serde_json::from_str::<Value>(text) {
        Ok(mut value) => visit_json(&mut value, redactor)?.then(|| value.to_string()),
        Err(_) => redactor.cut_json(text)?,
    };
    if let Some(clean) = clean {
        *text = clean;
    }
    Ok(())
}

/// The same within a parsed value. Says whether anything was replaced.
pub(crate) fn visit_json<R: Redactor>(value: &mut Value, redactor: &R) -> Result<bool, R::Error> {
    let mut replaced = false;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if let Some(clean) = redactor.text(text)? {
                *text = clean;
                replaced = true;
            }
        }
        Value::Array(values) => {
            for value in values {
                replaced |= visit_json(value, redactor)?;
            }
        }
        Value::Object(members) => {
            for (key, mut value) in std::mem::take(members) {
                replaced |= visit_member(&key, &mut value, redactor)?;
                let clean = redactor.text(&key)?;
                replaced |= clean.is_some();
                members.insert(clean.unwrap_or(key), value);
            }
        }
    }
    Ok(replaced)
}

/// The value under a key. Says whether anything was replaced.
fn visit_member<R: Redactor>(key: &str, value: &mut Value, redactor: &R) -> Result<bool, R::Error> {
    if !value.is_null() && redactor.hides(key) {
        *value = MARKER.into();
        return Ok(true);
    }
    visit_json(value, redactor)
}
