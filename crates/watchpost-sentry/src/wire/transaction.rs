//! Transactions (version 1): the root span, its children and the event around them.

use std::borrow::Cow;

use super::{EventId, SdkInfo, Span, SpanId, SpanStatus, Timestamp, TraceId, Value};

/// A transaction. The wire's `type`, `timestamp`, `start_timestamp` and `contexts.trace` are written from the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction<'a> {
    /// The event id; also the envelope's.
    pub event_id: EventId,
    /// The name (`transaction` on the wire). Relay cuts it at 200 characters.
    pub name: Cow<'a, str>,
    /// Where the name comes from (`transaction_info.source`).
    pub source: TransactionSource,
    /// When it started.
    pub start: Timestamp,
    /// When it ended (`timestamp` on the wire; `end_timestamp` would be lost).
    pub end: Timestamp,
    /// `contexts.trace.trace_id`.
    pub trace_id: TraceId,
    /// `contexts.trace.span_id`: the root span.
    pub span_id: SpanId,
    /// `contexts.trace.parent_span_id`.
    pub parent_span_id: Option<SpanId>,
    /// `contexts.trace.op`.
    pub op: Cow<'a, str>,
    /// `contexts.trace.status`.
    pub status: SpanStatus,
    /// `contexts.trace.origin`.
    pub origin: Option<Cow<'a, str>>,
    /// `contexts.trace.data`: the root span's attributes.
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Further contexts beside `trace`.
    pub contexts: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Tags: at most 200 characters a key or value, no newline.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Extra data.
    pub extra: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Who it was done for.
    pub user: Option<User<'a>>,
    /// The release.
    pub release: Option<Cow<'a, str>>,
    /// The environment.
    pub environment: Option<Cow<'a, str>>,
    /// The SDK that made it.
    pub sdk: Option<SdkInfo>,
    /// Child spans, at most 1000.
    pub spans: Vec<Span<'a>>,
}

/// Where a transaction's name comes from; dynamic sampling needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransactionSource {
    /// `custom`.
    Custom,
    /// `url`.
    Url,
    /// `route`.
    Route,
    /// `view`.
    View,
    /// `component`.
    Component,
    /// `task`.
    Task,
}

/// The user of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User<'a> {
    /// `id`.
    pub id: Option<Cow<'a, str>>,
    /// `username`.
    pub username: Option<Cow<'a, str>>,
    /// `email`.
    pub email: Option<Cow<'a, str>>,
}
