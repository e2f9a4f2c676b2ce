//! Writing envelopes: a header line, then for each item a header line and a payload line.

use std::borrow::Cow;

use super::{ClientReport, DynamicSamplingContext, ErrorEvent, EventId, Log, SpanV2, Timestamp, Transaction};

/// Name and version of the SDK, as `sdk` in events and envelope headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdkInfo {
    /// The name, for example `watchpost.rust`.
    pub name: Cow<'static, str>,
    /// The version.
    pub version: Cow<'static, str>,
}

/// What an envelope's header line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvelopeHeader<'a> {
    /// Needed with an event or a transaction, left out otherwise.
    pub event_id: Option<EventId>,
    /// The moment of the real send; Relay shifts all times when it is off, so it is never stored.
    pub sent_at: Option<Timestamp>,
    /// The SDK.
    pub sdk: Option<SdkInfo>,
    /// The dynamic sampling context; not with logs of mixed traces.
    pub trace: Option<DynamicSamplingContext<'a>>,
}

/// The kinds of items Watchpost writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemKind {
    /// `event`: an error event.
    Event,
    /// `transaction`.
    Transaction,
    /// `log`: a container of logs.
    Log,
    /// `span`: a container of v2 spans.
    Span,
    /// `client_report`.
    ClientReport,
}

/// An envelope being written: a byte buffer to which items are appended.
///
/// Rules of the protocol that are the caller's: an event and a transaction never share an envelope; at most one log and
/// one span container an envelope; all spans of a container are of one trace.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    bytes: Vec<u8>,
}
