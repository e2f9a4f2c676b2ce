//! The host's own redaction, over every string of an event but its ids and its type. The struct patterns name every field, so a
//! field added to the model does not compile until it has its place here.

use serde_json::Value;

use super::hooks::HookError;
use crate::model::{Actor, ContentBlock, ErrorInfo, Implementation, McpEvent, StackFrame};

type Hook<'a> = &'a dyn Fn(&str) -> Result<Option<String>, HookError>;
type Done = Result<(), HookError>;

/// Replaces the strings that `hook` replaces.
pub(super) fn redact_strings(event: &mut McpEvent, hook: Hook<'_>) -> Done {
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
        option(text, hook)?;
    }
    for Implementation { name, title, version } in [server, client] {
        [name, title, version].into_iter().try_for_each(|text| option(text, hook))?;
    }
    if let Some(Actor { id, name, data }) = actor {
        option(id, hook)?;
        option(name, hook)?;
        data.iter_mut().try_for_each(|data| json(data, hook))?;
    }
    error.iter_mut().try_for_each(|error| failure(error, hook))?;
    for content in [arguments, result] {
        json_text(content, hook)?;
    }
    for (key, value) in tags {
        string(key, hook)?;
        string(value, hook)?;
    }
    for (key, value) in properties {
        string(key, hook)?;
        json(value, hook)?;
    }
    Ok(())
}

fn failure(error: &mut ErrorInfo, hook: Hook<'_>) -> Done {
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
    string(message, hook)?;
    for text in [ty, id, domain, category, stack, platform] {
        option(text, hook)?;
    }
    json_text(data, hook)?;
    for StackFrame { filename, abs_path, function, module, lineno: _, colno: _, in_app: _, context_line } in frames {
        for text in [filename, abs_path, function, module, context_line] {
            option(text, hook)?;
        }
    }
    for ContentBlock { ty, text } in content {
        string(ty, hook)?;
        option(text, hook)?;
    }
    causes.iter_mut().try_for_each(|cause| failure(cause, hook))
}

fn string(text: &mut String, hook: Hook<'_>) -> Done {
    if let Some(clean) = hook(text)? {
        *text = clean;
    }
    Ok(())
}

fn option(text: &mut Option<String>, hook: Hook<'_>) -> Done {
    text.iter_mut().try_for_each(|text| string(text, hook))
}

/// The strings within JSON text, keys included; a text that is no JSON (it was cut) is one string.
fn json_text(text: &mut Option<String>, hook: Hook<'_>) -> Done {
    let Some(text) = text else { return Ok(()) };
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            json(&mut value, hook)?;
            *text = value.to_string();
            Ok(())
        }
        Err(_) => string(text, hook),
    }
}

fn json(value: &mut Value, hook: Hook<'_>) -> Done {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => string(text, hook),
        Value::Array(values) => values.iter_mut().try_for_each(|value| json(value, hook)),
        Value::Object(members) => {
            let taken = std::mem::take(members);
            for (mut key, mut value) in taken {
                string(&mut key, hook)?;
                json(&mut value, hook)?;
                members.insert(key, value);
            }
            Ok(())
        }
    }
}
