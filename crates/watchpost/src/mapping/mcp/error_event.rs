//! Seed 000, "Error Events": one for each event with `is_error`, so that it becomes an issue.

use std::borrow::Cow;

use watchpost_sentry::wire::{ErrorEvent, Level, SpanStatus, Value};

use super::{
    Identity,
    exception::exceptions,
    extra::extra,
    failure::error_type,
    fingerprint::fingerprint,
    span::{is_request, operation},
    tag::{ERROR_TYPE, tags},
    transaction::{name, properties},
    user,
};
use crate::{
    mapping::{
        Settings,
        exception::platform,
        limit::{self, cut, cut_json},
    },
    model::{ErrorInfo, ErrorKind, McpEvent},
};

/// A failure about which nothing is known.
static UNKNOWN: ErrorInfo = ErrorInfo::unknown(ErrorKind::Tool);

pub(super) fn error_event<'a>(event: &'a McpEvent, settings: &'a Settings, identity: &Identity) -> ErrorEvent<'a> {
    let error = event.error.as_ref().unwrap_or(&UNKNOWN);
    let (span_id, parent_span_id) = identity.failing_span(event, settings);
    let is_request_span = span_id != identity.span_id && is_request(event);

    let mut tags = tags(event, settings);
    tags.push((Cow::Borrowed(ERROR_TYPE), Cow::Borrowed(error_type(event, error))));
    ErrorEvent {
        event_id: identity.error_event_id(event),
        timestamp: event.timestamp,
        level: Level::Error,
        exceptions: exceptions(event, error),
        breadcrumbs: Vec::new(),
        fingerprint: fingerprint(event, error),
        transaction: Some(name(event)),
        trace_id: identity.trace_id,
        span_id,
        parent_span_id,
        op: Some(if is_request_span {
            Cow::Borrowed(operation(event))
        } else {
            cut(&event.event_type, limit::OPERATION)
        }),
        status: Some(SpanStatus::InternalError),
        contexts: properties(event).into_iter().chain([("mcp".into(), mcp_context(event))]).collect(),
        tags,
        extra: extra(event, settings),
        user: user(event),
        release: settings.accepted_release().map(Cow::Borrowed),
        environment: Some(Cow::Borrowed(settings.environment())),
        sdk: Some(settings.sdk().clone()),
        platform: Cow::Borrowed(platform(error)),
    }
}

/// The context `mcp`: AgentCat's four members, then what finds the call again in a client's or server's own log.
fn mcp_context(event: &McpEvent) -> Value<'_> {
    const MEMBER_BYTES: usize = 1024;
    #[rustfmt::skip]
    let rows = [
        ("event_type",        Some(&*event.event_type)),
        ("resource_name",     event.resource_name.as_deref()),
        ("session_id",        event.session_id.as_deref()),
        ("user_intent",       event.user_intent.as_deref()),
        ("request_id",        event.request_id.as_deref()),
        ("tool_call_id",      event.tool_call_id.as_deref()),
        ("protocol_version",  event.protocol_version.as_deref()),
    ];
    let members =
        rows.into_iter().filter_map(|(key, text)| Some((key.into(), Value::String(cut_json(text?, MEMBER_BYTES)))));
    Value::Object(members.collect())
}
