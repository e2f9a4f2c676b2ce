//! Error events: one for each span whose failure is one of its own, in the trace of the span that is sent.
//! Source: seed 004 ("one issue per failure" is its reference's fault list), Sentry's event payload.

use std::borrow::Cow;

use watchpost_sentry::wire::{self, ErrorEvent, Level, SpanStatus, Value};

use super::{
    AiSettings,
    facts::Facts,
    item::{event_id, op, tags, user},
    name::{entity, span_name},
    table::{agent, provider, request_model},
};
use crate::{
    json::{self, pick},
    mapping::{
        exception::{self, Failure, platform},
        limit::{self, cut, cut_cow, cut_json},
        tag::tag_value,
        template::template,
    },
    model::{Breadcrumb, ErrorInfo, ErrorKind, FinishedSpan, SpanType},
};

/// A span without an error, of which there is nothing to tell.
static UNKNOWN: ErrorInfo = ErrorInfo::unknown(ErrorKind::Span);

/// Most breadcrumbs: Sentry keeps the last 100.
const MAX_BREADCRUMBS: usize = 100;
/// Longest text of a breadcrumb, in bytes of JSON.
const BREADCRUMB_BYTES: usize = 1024;

/// The error event of a span that failed.
#[must_use]
pub fn error_event<'a>(span: &'a FinishedSpan, settings: &'a AiSettings) -> ErrorEvent<'a> {
    let error = span.span.error.as_deref().unwrap_or(&UNKNOWN);
    let facts = Facts::of(span, settings);
    ErrorEvent {
        event_id: event_id(span.span.trace_id, span.span.id, b":error"),
        timestamp: span.span.end.unwrap_or(span.span.start),
        level: Level::Error,
        exceptions: exception::exceptions(Failure {
            error,
            type_of: error_type,
            what: span_name(span),
            mechanism: Cow::Borrowed(settings.origin()),
            handled: false,
            data: mechanism_data(error),
        }),
        breadcrumbs: breadcrumbs(span),
        fingerprint: fingerprint(span, error),
        transaction: Some(span_name(span)),
        trace_id: span.span.trace_id,
        span_id: span.span.id,
        parent_span_id: span.parent_span_id,
        op: Some(Cow::Borrowed(op(span))),
        status: Some(SpanStatus::InternalError),
        contexts: vec![(Cow::Borrowed("span"), span_context(span))],
        tags: error_tags(&facts, error),
        extra: details(error).into_iter().collect(),
        user: user(span),
        release: settings.release().map(Cow::Borrowed),
        environment: Some(Cow::Borrowed(settings.environment())),
        sdk: Some(settings.sdk().clone()),
        platform: Cow::Borrowed(platform(error)),
    }
}

/// The error's type. Where the source only says `Error`, the first line of the stack may know better.
pub(super) fn error_type(error: &ErrorInfo) -> Cow<'_, str> {
    match error.ty.as_deref().map(str::trim) {
        Some(ty) if !ty.is_empty() && ty != "Error" => Cow::Borrowed(ty),
        _ => Cow::Borrowed(error.stack.as_deref().and_then(type_in_stack).unwrap_or("Error")),
    }
}

/// `TypeError` of `TypeError: no such thing`.
fn type_in_stack(stack: &str) -> Option<&str> {
    let (ty, _) = stack.trim_start().split_once(':')?;
    let is_type = ty.len() <= limit::TAG
        && ty.starts_with(|first: char| first.is_ascii_uppercase())
        && ty.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'));
    is_type.then_some(ty)
}

/// The grouping: what failed, and how, without what changes from one time to the next.
fn fingerprint<'a>(span: &'a FinishedSpan, error: &'a ErrorInfo) -> Vec<Cow<'a, str>> {
    vec![
        cut(span.span.ty.as_str(), limit::TAG),
        span_name(span),
        cut_cow(error_type(error), limit::TAG),
        Cow::Owned(template(&said(&error.message))),
    ]
}

/// What a message says: of a JSON object, in which an MCP server may tell of its failure, the `message`.
fn said(message: &str) -> Cow<'_, str> {
    if !message.starts_with('{') {
        return Cow::Borrowed(message);
    }
    let members = pick(message, ["message"]);
    members.and_then(|[said]| json::text(said?)).unwrap_or(Cow::Borrowed(message))
}

/// The root's own labels, then what the failure can be filtered by.
fn error_tags<'a>(facts: &Facts<'a>, error: &'a ErrorInfo) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let tool = Some(facts.span).filter(|span| span.ty.is_tool()).and_then(entity);
    #[rustfmt::skip]
    let rows = [
        ("span_type",       Some(facts.span.ty.as_str())),
        ("agent",           agent(facts)),
        ("tool",            tool),
        ("model",           request_model(facts)),
        ("provider",        provider(facts)),
        ("mcp_server",      facts.tool().and_then(|tool| tool.mcp_server.as_deref())),
        ("error_id",        error.id.as_deref()),
        ("error_domain",    error.domain.as_deref()),
        ("error_category",  error.category.as_deref()),
    ];
    let mut tags = tags(facts.finished);
    tags.extend(rows.into_iter().filter_map(|(key, value)| Some((Cow::Borrowed(key), tag_value(value?)?))));
    tags
}

fn mechanism_data(error: &ErrorInfo) -> Vec<(Cow<'_, str>, Value<'_>)> {
    let rows = [("id", &error.id), ("domain", &error.domain), ("category", &error.category)];
    rows.into_iter()
        .filter_map(|(key, text)| Some((Cow::Borrowed(key), Value::String(cut(text.as_deref()?, limit::TAG)))))
        .collect()
}

/// The span itself: its type, its name as the host gave it, and what it is of.
fn span_context(span: &FinishedSpan) -> Value<'_> {
    let span = &span.span;
    #[rustfmt::skip]
    let rows = [
        ("type",         Some(span.ty.as_str())),
        ("name",         Some(span.name.as_str())),
        ("entity_type",  span.entity_type.as_deref()),
        ("entity_id",    span.entity_id.as_deref()),
        ("entity_name",  span.entity_name.as_deref()),
    ];
    let filled = rows.into_iter().filter_map(|(key, text)| Some((key, text.filter(|text| !text.is_empty())?)));
    Value::Object(filled.map(|(key, text)| (Cow::Borrowed(key), Value::String(cut(text, limit::TAG)))).collect())
}

fn details(error: &ErrorInfo) -> Option<(Cow<'_, str>, Value<'_>)> {
    let details = error.data.as_deref()?;
    Some((Cow::Borrowed("details"), Value::String(cut_json(details, limit::EXTRA_BYTES))))
}

fn breadcrumbs(span: &FinishedSpan) -> Vec<wire::Breadcrumb<'_>> {
    let crumbs = &span.breadcrumbs;
    crumbs[crumbs.len().saturating_sub(MAX_BREADCRUMBS)..].iter().map(|crumb| breadcrumb(crumb)).collect()
}

fn breadcrumb(crumb: &Breadcrumb) -> wire::Breadcrumb<'_> {
    let output = crumb.output.as_ref().filter(|output| !output.is_json() || output.as_str() != "null");
    let output =
        output.map(|output| (Cow::Borrowed("output"), Value::String(cut_json(output.as_str(), BREADCRUMB_BYTES))));
    wire::Breadcrumb {
        timestamp: Some(crumb.at),
        category: Some(category(&crumb.ty)),
        message: Some(cut_json(&crumb.message, BREADCRUMB_BYTES)),
        level: Some(if crumb.is_error { Level::Error } else { Level::Info }),
        data: output.into_iter().collect(),
    }
}

/// `model.chunk`: Sentry's categories are dotted.
fn category(ty: &SpanType) -> Cow<'_, str> {
    Cow::Owned(cut(ty.as_str(), limit::TAG).replace('_', "."))
}
