//! The event of a call that ended.

use super::{Options, call::Finished};
use crate::model::{Completion, McpEvent};

/// As it is before the host's hooks see it.
pub(super) fn event_of(finished: Finished, options: &Options, project_id: Option<&str>) -> McpEvent {
    let Finished {
        opened,
        event_id,
        session,
        answer,
        completion,
        cancel_reason,
        said,
        completed,
        duration,
        response_bytes,
        ..
    } = finished;
    let mut error = answer.error;
    // What the tool's body said is nearer to the cause than what it answered; the blocks of the answer stay.
    if completion != Completion::Cancelled
        && let (Some(answered), Some(mut captured)) = (error.as_mut(), said.error)
    {
        captured.content = std::mem::take(&mut answered.content);
        captured.code = answered.code;
        captured.data = captured.data.or(answered.data.take());
        error = Some(captured);
    }
    let mut tags: Vec<_> = options.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    tags.extend(said.tags);
    let (session_id, client) = match session {
        Some(session) => (Some(session.id.to_string()), session.client.as_deref().cloned()),
        None => (None, None),
    };
    McpEvent {
        event_id,
        session_id,
        project_id: project_id.map(str::to_owned),
        event_type: opened.method,
        resource_name: opened.resource_name,
        timestamp: completed,
        duration: (!opened.is_notification).then_some(duration),
        is_error: error.is_some(),
        error: error.map(|error| *error),
        completion,
        cancel_reason,
        user_intent: opened.user_intent,
        server: (*opened.server).clone(),
        client: client.unwrap_or_default(),
        protocol_version: opened.protocol_version.map(std::borrow::Cow::into_owned),
        transport: opened.transport,
        direction: opened.direction,
        is_notification: opened.is_notification,
        request_id: opened.request_id.map(|id| id.to_string()),
        mcp_session_id: opened.mcp_session_id,
        tool_call_id: opened.tool_call_id,
        trace_parent: opened.trace_parent,
        request_bytes: opened.bytes,
        response_bytes,
        content_count: answer.content_count,
        arguments: opened.arguments,
        result: answer.result,
        tags,
        properties: said.properties,
        ..McpEvent::default()
    }
}
