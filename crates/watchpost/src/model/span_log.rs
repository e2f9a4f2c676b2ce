//! What an agent's code says while a span is open: [`SpanLog`], a line of a log with its place in the trace.

use watchpost_sentry::wire::{LogLevel, SpanId, Timestamp, TraceId};

use super::Payload;

/// A line of a log that belongs to a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLog {
    /// The trace.
    pub trace_id: TraceId,
    /// The span it was said in.
    pub span_id: SpanId,
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// What is said.
    pub body: String,
    /// The host's own, by name.
    pub attributes: Vec<(Box<str>, Payload)>,
}
