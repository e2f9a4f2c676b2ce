//! Seed 000, "Transaction Events": sent when tracing is enabled, with the call itself as the one span inside.

use std::borrow::Cow;

use watchpost_sentry::wire::{SpanStatus, Transaction, TransactionSource, Value};

use super::{Identity, extra::extra, span::request_span, tag::tags, user};
use crate::{
    mapping::{
        Settings,
        limit::{self, cut, cut_cow, fit},
    },
    model::McpEvent,
};

/// Who makes our spans, by Sentry's grammar `auto.<category>.<integration>`; also the mechanism of our exceptions.
pub(super) const ORIGIN: &str = "auto.ai.mcp_server";

#[rustfmt::skip]
pub(super) fn transaction<'a>(event: &'a McpEvent, settings: &'a Settings, identity: &Identity) -> Transaction<'a> {
    Transaction {
        name: name(event),                                                                                   // transaction
        start: event.timestamp.saturating_sub(event.duration.unwrap_or_default()),                           // start_timestamp
        end: event.timestamp,                                                                                // end_timestamp (`timestamp` on the wire)
        op: cut(&event.event_type, limit::OPERATION),                                                        // op
        status: if event.is_error { SpanStatus::InternalError } else { SpanStatus::Ok },                     // status
        tags: tags(event, settings),
        extra: extra(event, settings),
        // Beyond the seed: what makes releases, environments, users and the MCP views work
        event_id: identity.transaction_event_id(event),
        trace_id: identity.trace_id,
        span_id: identity.span_id,
        parent_span_id: identity.parent_span_id,
        source: TransactionSource::Custom,
        origin: Some(Cow::Borrowed(ORIGIN)),
        data: Vec::new(),
        contexts: properties(event).into_iter().collect(),
        user: user(event),
        release: settings.accepted_release().map(Cow::Borrowed),
        environment: Some(Cow::Borrowed(settings.environment())),
        sdk: Some(settings.sdk().clone()),
        spans: request_span(event, settings, identity).into_iter().collect(),
    }
}

/// `{event_type} - {resource_name}`, or `{event_type}` without a resource.
pub(super) fn name(event: &McpEvent) -> Cow<'_, str> {
    match &event.resource_name {
        Some(resource) => cut_cow(Cow::Owned(format!("{} - {resource}", event.event_type)), limit::NAME),
        None => cut(&event.event_type, limit::NAME),
    }
}

/// The host's own properties, at most 50, as the context `properties`.
pub(super) fn properties(event: &McpEvent) -> Option<(Cow<'_, str>, Value<'_>)> {
    if event.properties.is_empty() {
        return None;
    }
    let properties = &event.properties[..event.properties.len().min(limit::OWN_ENTRIES)];
    let share = limit::CONTEXT_BYTES / properties.len();
    let members = properties.iter().map(|(key, value)| (cut(key, limit::TAG), fit(value, share)));
    Some((Cow::Borrowed("properties"), Value::Object(members.collect())))
}
