//! Logs: `{"type":"log"}` containers of at most 100 items.

use std::borrow::Cow;

use super::{Attributes, EventId, SpanId, Timestamp, TraceId};

/// One structured log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log<'a> {
    /// When it happened.
    pub timestamp: Timestamp,
    /// The trace it belongs to. Relay drops a log without one.
    pub trace_id: TraceId,
    /// The span that was active.
    pub span_id: Option<SpanId>,
    /// Not in Sentry's log schema; seed 000 sends it. `None` leaves it out (`profile = "strict"`).
    pub event_id: Option<EventId>,
    /// The severity.
    pub level: LogLevel,
    /// The message.
    pub body: Cow<'a, str>,
    /// Typed attributes.
    pub attributes: Attributes<'a>,
}

/// A log's level. Events use [`Level`](super::Level), whose `warning` is `warn` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// `trace`, severity number 1.
    Trace,
    /// `debug`, severity number 5.
    Debug,
    /// `info`, severity number 9.
    Info,
    /// `warn`, severity number 13.
    Warn,
    /// `error`, severity number 17.
    Error,
    /// `fatal`, severity number 21.
    Fatal,
}
