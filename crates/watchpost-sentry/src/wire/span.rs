//! Spans: version 1 inside a transaction, version 2 in `{"type":"span"}` containers of at most 1000 items of one trace.

use std::borrow::Cow;

use super::{Attributes, SpanId, SpanStatus, Timestamp, TraceId, Value};

/// A child span of a [`Transaction`](super::Transaction) (version 1). One that ends before it starts makes Relay reject
/// the whole transaction, so the writer moves its end to its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Span<'a> {
    /// The trace; the same as the transaction's.
    pub trace_id: TraceId,
    /// This span's id.
    pub span_id: SpanId,
    /// The parent's id.
    pub parent_span_id: Option<SpanId>,
    /// The operation, for example `mcp.server`.
    pub op: Cow<'a, str>,
    /// The name (`description` on the wire), low in cardinality.
    pub description: Option<Cow<'a, str>>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended (`timestamp` on the wire).
    pub end: Timestamp,
    /// How it ended.
    pub status: Option<SpanStatus>,
    /// Who made it, for example `auto.ai.mcp_server`.
    pub origin: Option<Cow<'a, str>>,
    /// Attributes, untyped JSON.
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// A span of version 2, sent on its own. Needs the envelope's `trace` header with the project's real public key.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanV2<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// This span's id.
    pub span_id: SpanId,
    /// The parent's id.
    pub parent_span_id: Option<SpanId>,
    /// The name, low in cardinality.
    pub name: Cow<'a, str>,
    /// Whether it failed; details go into `sentry.status.message` and `error.type`.
    pub status: SpanV2Status,
    /// Whether it is the root of its segment.
    pub is_segment: bool,
    /// When it started.
    pub start: Timestamp,
    /// When it ended (`end_timestamp` on the wire).
    pub end: Timestamp,
    /// Typed attributes.
    pub attributes: Attributes<'a>,
    /// Links to other spans.
    pub links: Vec<SpanLink<'a>>,
}

/// The status of a v2 span: only these two exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanV2Status {
    /// `ok`.
    Ok,
    /// `error`.
    Error,
}

/// A link from a v2 span to another span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLink<'a> {
    /// The linked span's trace.
    pub trace_id: TraceId,
    /// The linked span.
    pub span_id: SpanId,
    /// Whether the linked span was sampled, if known.
    pub sampled: Option<bool>,
    /// Typed attributes.
    pub attributes: Attributes<'a>,
}
