//! Reading AgentCat's events: one JSON object a line, with the names of its API (`snake_case`) or of its SDKs
//! (`camelCase`). Source: AgentCat's `PublishEventRequest` and what its TypeScript, Python and Go SDKs really write.
//!
//! | member | becomes | remarks |
//! | --- | --- | --- |
//! | `id`, `event_id` | `event_id` | missing: made from the line's content, the same each time |
//! | `event_type` | `event_type` | required; `mcp:`, `agentcat:` and `mcpcat:` are stripped |
//! | `timestamp` | `timestamp` | required; RFC 3339, or a number since the Unix epoch in s, ms, µs or ns, by its size |
//! | `duration` | `duration` | milliseconds |
//! | `resource_name` | `resource_name` | the placeholder `Unknown Tool Name` that `initialize` carries is dropped; any other stays |
//! | `is_error` | `is_error` | missing (TypeScript leaves it out): whether there is an `error`, or `response.isError` |
//! | `error` | `error` | an object, or the message itself |
//! | `identify_actor_given_id` / `identify_actor_name` / `identify_data` | `actor` | also `actor_id`, `identify_actor_data` |
//! | `parameters`, `response` | `arguments`, `result` | only when asked for; their ids, trace parent and counts always |
//!
//! **Time.** Our timestamp is when the call *completed*. AgentCat's is when it *started* (so its own exporter shifts
//! transactions into the past by their duration), except in its Go SDK: see [`TimestampMeaning`].
//!
//! A member of the wrong type, nested deeper than 127 levels or with a number too large for a double counts as missing, and an
//! unknown one is ignored; only a line without an event type or a time is refused, because nothing true could be said about it.

mod error;
mod line;
mod member;

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value};
use watchpost_sentry::wire::Timestamp;

use self::{line::parse_object, member::Members};
use super::{Actor, Direction, Implementation, McpEvent, Transport, derive_id, json::timestamp_of_number};

/// What TypeScript's SDK calls the resource of an `initialize`, which has none.
const NO_RESOURCE: &str = "Unknown Tool Name";

/// Why a line is not an event. No variant quotes the line: it may hold secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEventError {
    /// The line is empty.
    #[error("the line is empty")]
    Blank,
    /// The line is not JSON.
    #[error("the line is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The line is JSON, but not an object.
    #[error("the line is not a JSON object")]
    NotAnObject,
    /// There is no event type.
    #[error("`event_type` is missing or not a text")]
    NoEventType,
    /// There is no time.
    #[error("`timestamp` is missing")]
    NoTimestamp,
    /// The time cannot be read.
    #[error("`timestamp` is neither RFC 3339 nor a number since the Unix epoch")]
    InvalidTimestamp,
}

/// What an event's timestamp means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampMeaning {
    /// The call's end when `sdk_language` says Go, else its start, as AgentCat's SDKs write it.
    #[default]
    BySdk,
    /// When the call started.
    Start,
    /// When the call ended.
    End,
}

/// How to read events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// What the timestamps mean.
    pub timestamp: TimestampMeaning,
    /// Whether to keep the calls' arguments. Off by default.
    pub arguments: bool,
    /// Whether to keep the calls' results. Off by default.
    pub results: bool,
}

impl ReadOptions {
    /// Sets what the timestamps mean.
    #[must_use]
    pub const fn with_timestamp(mut self, timestamp: TimestampMeaning) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Sets whether to keep the calls' arguments and results.
    #[must_use]
    pub const fn with_content(mut self, arguments: bool, results: bool) -> Self {
        (self.arguments, self.results) = (arguments, results);
        self
    }
}

/// Reads one line with the default [`ReadOptions`].
///
/// # Errors
/// When the line is not a JSON object, or has no event type or no time.
pub fn parse_line(line: &str) -> Result<McpEvent, ParseEventError> {
    parse_line_with(line, ReadOptions::default())
}

/// Reads one line.
///
/// # Errors
/// When the line is not a JSON object, or has no event type or no time.
pub fn parse_line_with(line: &str, options: ReadOptions) -> Result<McpEvent, ParseEventError> {
    let object = parse_object(line)?;
    let event = Members::of(&object);
    let event_type = read_event_type(event)?;
    let duration = event.number(&["duration", "duration_ms", "durationMs"]).and_then(duration_of_millis);
    let sdk_language = event.text(&["sdk_language", "sdkLanguage"]);
    let timestamp = match options.timestamp {
        TimestampMeaning::End => read_timestamp(event)?,
        TimestampMeaning::BySdk if sdk_language.as_deref().is_some_and(|sdk| sdk.starts_with("Go")) => {
            read_timestamp(event)?
        }
        TimestampMeaning::BySdk | TimestampMeaning::Start => {
            read_timestamp(event)?.saturating_add(duration.unwrap_or_default())
        }
    };
    let response = event.object(&["response"]);
    let request = Request::of(event);
    let tags = read_tags(event);

    let says_error = event.flag(&["is_error", "isError"]);
    let has_error = event.find(&["error"]).is_some() || response.flag(&["isError", "is_error"]) == Some(true);
    let is_error = says_error.unwrap_or(has_error);
    Ok(McpEvent {
        event_id: event
            .text(&["id", "event_id", "eventId"])
            .unwrap_or_else(|| derive_id("evt", timestamp, line.trim())),
        session_id: event.text(&["session_id", "sessionId"]),
        project_id: event.text(&["project_id", "projectId"]),
        resource_name: event
            .text(&["resource_name", "resourceName"])
            .filter(|name| event_type != "initialize" || name != NO_RESOURCE),
        timestamp,
        duration,
        is_error,
        error: error::read(event, response, sdk_language.as_deref()).filter(|_| is_error),
        user_intent: event.text(&["user_intent", "userIntent"]),
        actor: read_actor(event),
        server: read_implementation(event, ["server_name", "serverName", "server_version", "serverVersion"]),
        client: read_implementation(event, ["client_name", "clientName", "client_version", "clientVersion"]),
        protocol_version: tags
            .iter()
            .find(|(key, _)| key == "agentcat_protocol_version")
            .map(|(_, version)| version.clone()),
        transport: request.extra.find(&["requestInfo"]).map(|_| Transport::Http),
        direction: Direction::ClientToServer,
        is_notification: event_type.starts_with("notifications/"),
        request_id: request.extra.text(&["requestId", "request_id"]),
        mcp_session_id: request.extra.text(&["sessionId", "session_id"]),
        tool_call_id: request.meta.text(&["claudecode/toolUseId"]),
        trace_parent: request.trace_parent(),
        content_count: response
            .find(&["content", "contents", "messages"])
            .and_then(Value::as_array)
            .map(|blocks| blocks.len() as u64),
        arguments: request.arguments.filter(|_| options.arguments).map(Value::to_string),
        result: event.find(&["response"]).filter(|_| options.results).map(Value::to_string),
        tags,
        properties: event.object(&["properties"]).iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        event_type,
        ..McpEvent::default()
    })
}

fn read_event_type(event: Members<'_>) -> Result<Cow<'static, str>, ParseEventError> {
    let name = event.text(&["event_type", "eventType"]).ok_or(ParseEventError::NoEventType)?;
    let bare = ["mcp:", "agentcat:", "mcpcat:"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    if bare.is_empty() { Err(ParseEventError::NoEventType) } else { Ok(Cow::Owned(bare.to_owned())) }
}

fn read_timestamp(event: Members<'_>) -> Result<Timestamp, ParseEventError> {
    let timestamp = match event.find(&["timestamp"]).ok_or(ParseEventError::NoTimestamp)? {
        Value::Number(number) => timestamp_of_number(number.as_i64(), number.as_f64()),
        Value::String(text) => {
            let text = text.trim();
            timestamp_of_number(text.parse().ok(), text.parse().ok()).or_else(|| Timestamp::parse(text))
        }
        _ => None,
    };
    timestamp.ok_or(ParseEventError::InvalidTimestamp)
}

/// A duration that is negative, not finite or too long to be one counts as unknown.
fn duration_of_millis(millis: f64) -> Option<Duration> {
    const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
    Duration::try_from_secs_f64(millis / 1e3).ok().filter(|duration| duration.as_secs_f64() <= LONGEST)
}

fn read_actor(event: Members<'_>) -> Option<Actor> {
    let data = event.find(&[
        "identify_data",
        "identifyData",
        "identify_actor_data",
        "identifyActorData",
        "actor_data",
        "actorData",
    ]);
    let actor = Actor {
        id: event.text(&["identify_actor_given_id", "identifyActorGivenId", "actor_id", "actorId"]),
        name: event.text(&["identify_actor_name", "identifyActorName", "actor_name", "actorName"]),
        data: data.filter(|data| data.as_object() != Some(&Map::new())).cloned(),
    };
    (actor != Actor::default()).then_some(actor)
}

fn read_implementation(event: Members<'_>, [name, camel_name, version, camel_version]: [&str; 4]) -> Implementation {
    Implementation {
        name: event.text(&[name, camel_name]),
        title: None,
        version: event.text(&[version, camel_version]),
    }
}

fn read_tags(event: Members<'_>) -> Vec<(String, String)> {
    let tags = event.object(&["tags"]);
    tags.iter().filter_map(|(key, _)| Some((key.clone(), tags.text(&[key])?))).collect()
}

/// What is worth knowing of `parameters`: TypeScript nests the JSON-RPC request, Python has its `params` at the top.
struct Request<'a> {
    arguments: Option<&'a Value>,
    meta: Members<'a>,
    extra: Members<'a>,
}

impl<'a> Request<'a> {
    fn of(event: Members<'a>) -> Self {
        let parameters = event.object(&["parameters"]);
        let nested = parameters.object(&["request"]).object(&["params"]);
        let params = if nested.is_empty() { parameters } else { nested };
        Self {
            arguments: params.find(&["arguments"]),
            meta: params.object(&["_meta"]),
            extra: parameters.object(&["extra"]),
        }
    }

    fn trace_parent(&self) -> Option<super::TraceParent> {
        let traceparent = self.meta.text(&["traceparent"]);
        let sentry_trace = self.meta.text(&["sentry-trace"]);
        traceparent
            .and_then(|text| super::TraceParent::parse_traceparent(&text))
            .or_else(|| super::TraceParent::parse_sentry_trace(&sentry_trace?))
    }
}

#[cfg(test)]
mod tests;
