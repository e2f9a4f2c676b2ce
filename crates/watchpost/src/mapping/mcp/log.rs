//! Seed 000, "Log Events": one log for each event, with the seed's fields as attributes.
//! Hot path: 3 µs of CPU an event with redaction, hashing and JSON, measured by `examples/export_cost.rs` and guarded by the `mcp` benchmark.

use std::borrow::Cow;

use watchpost_sentry::wire::{AttributeValue, Attributes, Log, LogLevel};

use super::{
    Identity,
    extra::milliseconds,
    failure::{otel_error_type, unanswered},
    span::{prompt, resource_uri, tool, transport},
    tag::own_tags,
};
use crate::{
    mapping::{
        Profile, Settings,
        limit::{self, cut, cut_cow},
    },
    model::McpEvent,
};

/// An attribute's value, if the event has it.
type Row = for<'a> fn(&'a McpEvent, &'a Settings) -> Option<AttributeValue<'a>>;

#[rustfmt::skip]
const ATTRIBUTES: &[(&str, Row)] = &[
    // The seed's fields, by the names of its tags and extra data
    ("event_type",                |event, _| text(Some(&event.event_type))),
    ("resource",                  |event, _| text(event.resource_name.as_deref())),
    ("resource_name",             |event, _| text(event.resource_name.as_deref())),
    ("server_name",               |event, _| text(event.server.name.as_deref())),
    ("client_name",               |event, _| text(event.client.name.as_deref())),
    ("session_id",                |event, _| text(event.session_id.as_deref())),
    ("project_id",                |event, _| text(event.project_id.as_deref())),
    ("duration_ms",               |event, _| event.duration.map(|duration| AttributeValue::Double(milliseconds(duration)))),
    ("actor_id",                  |event, _| text(event.actor.as_ref()?.id.as_deref())),
    ("actor_name",                |event, _| text(event.actor.as_ref()?.name.as_deref())),
    ("actor_data",                |event, _| Some(json_text(event.actor.as_ref()?.data.as_ref()?))),
    ("user_intent",               |event, _| text(event.user_intent.as_deref())),
    ("client_version",            |event, _| text(event.client.version.as_deref())),
    ("server_version",            |event, _| text(event.server.version.as_deref())),
    ("is_error",                  |event, _| Some(AttributeValue::Boolean(event.is_error))),
    ("event_id",                  |event, _| text(Some(&event.event_id))),
    ("environment",               |_, settings| text(Some(settings.environment()))),
    ("release",                   |_, settings| text(settings.release())),
    // Sentry's own
    ("sentry.environment",        |_, settings| text(Some(settings.environment()))),
    ("sentry.release",            |_, settings| text(settings.accepted_release())),
    ("sentry.sdk.name",           |_, settings| text(Some(&settings.sdk().name))),
    ("sentry.sdk.version",        |_, settings| text(Some(&settings.sdk().version))),
    ("sentry.origin",             |_, _| text(Some("auto.log.mcp_server"))),
    ("user.id",                   |event, _| text(event.actor.as_ref()?.id.as_deref())),
    // What joins a log with the spans of the MCP views
    ("mcp.method.name",           |event, _| text(Some(&event.event_type))),
    ("mcp.tool.name",             |event, _| text(tool(event))),
    ("mcp.prompt.name",           |event, _| text(prompt(event))),
    ("mcp.resource.uri",          |event, _| text(resource_uri(event))),
    ("mcp.transport",             |event, _| text(event.transport.map(|known| transport(known).0))),
    ("gen_ai.tool.call.id",       |event, _| text(event.tool_call_id.as_deref())),
    ("watchpost.completion",      |event, _| text(unanswered(event.completion))),
    ("watchpost.cancel.reason",   |event, _| text(event.cancel_reason.as_deref())),
    // Failures
    ("error.type",                |event, _| otel_error_type(event).map(AttributeValue::String)),
    ("error.message",             |event, _| text(event.error.as_ref().filter(|_| event.is_error).map(|error| &*error.message))),
    ("rpc.response.status_code",  |event, _| event.error.as_ref()?.code.map(|code| AttributeValue::String(Cow::Owned(code.to_string())))),
];

pub(super) fn log<'a>(event: &'a McpEvent, settings: &'a Settings, identity: &Identity) -> Log<'a> {
    let mut attributes = Attributes::with_capacity(ATTRIBUTES.len() + event.tags.len());
    // The host's first: of a key set twice the last one counts.
    for (key, value) in own_tags(event) {
        attributes.push(key, value);
    }
    for (key, value) in ATTRIBUTES {
        attributes.push_some(*key, value(event, settings));
    }
    Log {
        timestamp: event.timestamp,                                           // Event timestamp
        level: if event.is_error { LogLevel::Error } else { LogLevel::Info }, // Based on is_error flag
        body: body(event),                                                    // Formatted message
        trace_id: identity.trace_id,
        span_id: Some(identity.span_id),
        event_id: (settings.profile == Profile::Seed).then(|| identity.log_event_id()),
        attributes,
    }
}

/// `MCP {event_type}: {resource_name}`, or `MCP {event_type}` without a resource.
fn body(event: &McpEvent) -> Cow<'_, str> {
    let resource = event.resource_name.as_deref();
    let mut body =
        String::with_capacity(4 + event.event_type.len() + resource.map_or(0, |resource| 2 + resource.len()));
    body.push_str("MCP ");
    body.push_str(&event.event_type);
    if let Some(resource) = resource {
        body.push_str(": ");
        body.push_str(resource);
    }
    cut_cow(Cow::Owned(body), limit::MESSAGE)
}

/// An empty text says nothing and is billed all the same.
fn text(text: Option<&str>) -> Option<AttributeValue<'_>> {
    text.filter(|text| !text.is_empty()).map(|text| AttributeValue::String(cut(text, limit::MESSAGE)))
}

/// Attributes hold no objects: Sentry asks for their JSON.
fn json_text(value: &serde_json::Value) -> AttributeValue<'_> {
    match value {
        serde_json::Value::String(text) => AttributeValue::String(cut(text, limit::MESSAGE)),
        value => AttributeValue::String(cut_cow(Cow::Owned(value.to_string()), limit::MESSAGE)),
    }
}
