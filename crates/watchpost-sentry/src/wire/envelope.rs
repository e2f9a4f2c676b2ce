//! Writing envelopes: a header line, then for each item a header line and a payload line.
//! Source: Sentry's `envelopes.mdx` and `envelope-items.mdx`.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    ClientReport, DynamicSamplingContext, ErrorEvent, EventId, Log, SpanV2, Timestamp, Transaction, json::JsonWriter,
    lenient, name::names,
};

/// Name and version of the SDK, as `sdk` in events and envelope headers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SdkInfo {
    /// The name, for example `watchpost.rust`.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub name: Cow<'static, str>,
    /// The version.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
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

/// Encoded items without an envelope around them.
///
/// The header says when an envelope was *sent*, so it belongs to the attempt and not to the items: keep the items, and
/// write the header at each attempt, with [`to_envelope`](Self::to_envelope) or [`EnvelopeHeader::write_line`] followed
/// by [`as_bytes`](Self::as_bytes).
///
/// ```
/// use watchpost_sentry::wire::{EnvelopeHeader, EnvelopeItems, ItemKind, Timestamp};
///
/// let mut items = EnvelopeItems::new();
/// items.push_container(ItemKind::Log, 2, br#"{"body":"one"},{"body":"two"}"#);
/// let attempt = EnvelopeHeader { sent_at: Some(Timestamp::now()), ..EnvelopeHeader::default() };
/// let body = items.to_envelope(&attempt).into_bytes();
/// assert!(body.ends_with(b"\n{\"version\":2,\"items\":[{\"body\":\"one\"},{\"body\":\"two\"}]}\n"));
/// ```
///
/// Rules of the protocol that are the caller's: an event and a transaction never share an envelope; at most one log and
/// one span container an envelope; all spans of a container are of one trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeItems {
    bytes: Vec<u8>,
}

/// An envelope being written: its header, then the items appended to it. The rules are those of [`EnvelopeItems`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    bytes: Vec<u8>,
}

names!(ItemKind, "item type", {
    Event = "event",
    Transaction = "transaction",
    Log = "log",
    Span = "span",
    ClientReport = "client_report",
});

impl ItemKind {
    /// The content type of a container of such items; `None` if they are sent one by one.
    #[must_use]
    pub const fn container_content_type(self) -> Option<&'static str> {
        match self {
            Self::Log => Some("application/vnd.sentry.items.log+json"),
            Self::Span => Some("application/vnd.sentry.items.span.v2+json"),
            Self::Event | Self::Transaction | Self::ClientReport => None,
        }
    }
}

impl SdkInfo {
    /// Appends name and version as a JSON object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.member("name", &self.name);
        json.member("version", &self.version);
        json.end_object();
    }
}

impl EnvelopeHeader<'_> {
    /// Appends the header line with its newline. The DSN is never in it: the request authenticates itself.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        if let Some(event_id) = self.event_id {
            json.key("event_id");
            json.raw_value(|out| event_id.write_json(out));
        }
        json.member_some("sent_at", self.sent_at.map(Timestamp::to_rfc3339));
        if let Some(sdk) = &self.sdk {
            json.key("sdk");
            json.raw_value(|out| sdk.write_json(out));
        }
        if let Some(trace) = &self.trace {
            json.key("trace");
            json.raw_value(|out| trace.write_json(out));
        }
        json.end_object();
        out.push(b'\n');
    }
}

impl EnvelopeItems {
    /// No items.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The envelope of these items, with this header.
    #[must_use]
    pub fn to_envelope(&self, header: &EnvelopeHeader<'_>) -> Envelope {
        let mut envelope = Envelope { bytes: Vec::with_capacity(HEADER_ROOM + self.bytes.len()) };
        header.write_line(&mut envelope.bytes);
        envelope.bytes.extend_from_slice(&self.bytes);
        envelope
    }

    /// The items as they stand in an envelope, after its header line.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their size in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The items as they stand in an envelope, after its header line.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Removes all items and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl Envelope {
    /// An envelope with this header and no items.
    #[must_use]
    pub fn new(header: &EnvelopeHeader<'_>) -> Self {
        EnvelopeItems::new().to_envelope(header)
    }

    /// An envelope that is written already, header and items.
    pub(crate) const fn from_written(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Appends what stands before an item's payload of `length` bytes; behind it stands [`ITEM_END`].
    pub(crate) fn begin_item(&mut self, kind: ItemKind, length: usize) {
        write_item_header(&mut self.bytes, kind, None, length);
    }

    /// Appends what stands before `length` bytes of joined items; behind them stands [`CONTAINER_END`].
    pub(crate) fn begin_container(&mut self, kind: ItemKind, item_count: usize, length: usize) {
        begin_container(&mut self.bytes, kind, item_count, length);
    }

    /// The envelope as it is sent, before compression.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its size in bytes, before compression.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes: only a default envelope, which has no header, is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The envelope as it is sent, before compression.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Items are appended in the same way whether a header stands before them or not.
macro_rules! push_items {
    ($type:ident) => {
        impl $type {
            /// Appends an error event.
            pub fn push_event(&mut self, event: &ErrorEvent<'_>) {
                append_written(&mut self.bytes, ItemKind::Event, |out| event.write_json(out));
            }

            /// Appends a transaction.
            pub fn push_transaction(&mut self, transaction: &Transaction<'_>) {
                append_written(&mut self.bytes, ItemKind::Transaction, |out| transaction.write_json(out));
            }

            /// Appends a container of logs; nothing if there are none.
            pub fn push_logs(&mut self, logs: &[Log<'_>]) {
                append_container(&mut self.bytes, ItemKind::Log, logs, Log::write_json);
            }

            /// Appends a container of v2 spans; nothing if there are none.
            pub fn push_spans(&mut self, spans: &[SpanV2<'_>]) {
                append_container(&mut self.bytes, ItemKind::Span, spans, SpanV2::write_json);
            }

            /// Appends a client report.
            pub fn push_client_report(&mut self, report: &ClientReport) {
                append_written(&mut self.bytes, ItemKind::ClientReport, |out| report.write_json(out));
            }

            /// Appends an item whose payload is encoded already.
            pub fn push_item(&mut self, kind: ItemKind, payload: &[u8]) {
                append_item(&mut self.bytes, kind, payload);
            }

            /// Appends a container of `item_count` items whose JSON is joined by commas in `joined_items`; nothing if
            /// `item_count` is 0.
            pub fn push_container(&mut self, kind: ItemKind, item_count: usize, joined_items: &[u8]) {
                append_joined(&mut self.bytes, kind, item_count, joined_items);
            }
        }
    };
}

push_items!(EnvelopeItems);
push_items!(Envelope);

/// Room for a header line with a full sampling context.
const HEADER_ROOM: usize = 512;

const CONTAINER_START: &[u8] = b"{\"version\":2,\"items\":[";

/// What ends an item.
pub(crate) const ITEM_END: &[u8] = b"\n";

/// What ends a container and its item.
pub(crate) const CONTAINER_END: &[u8] = b"]}\n";

fn append_item(out: &mut Vec<u8>, kind: ItemKind, payload: &[u8]) {
    write_item_header(out, kind, None, payload.len());
    out.extend_from_slice(payload);
    out.extend_from_slice(ITEM_END);
}

fn append_joined(out: &mut Vec<u8>, kind: ItemKind, item_count: usize, joined_items: &[u8]) {
    if item_count == 0 {
        return;
    }
    begin_container(out, kind, item_count, joined_items.len());
    out.extend_from_slice(joined_items);
    out.extend_from_slice(CONTAINER_END);
}

fn begin_container(out: &mut Vec<u8>, kind: ItemKind, item_count: usize, joined_length: usize) {
    // The newline ends the item and is no part of it.
    let length = CONTAINER_START.len() + joined_length + CONTAINER_END.len() - ITEM_END.len();
    write_item_header(out, kind, Some(item_count), length);
    out.extend_from_slice(CONTAINER_START);
}

fn append_written(out: &mut Vec<u8>, kind: ItemKind, write: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    write(&mut payload);
    append_item(out, kind, &payload);
}

fn append_container<T>(out: &mut Vec<u8>, kind: ItemKind, items: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
    let mut joined = Vec::new();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            joined.push(b',');
        }
        write(item, &mut joined);
    }
    append_joined(out, kind, items.len(), &joined);
}

fn write_item_header(out: &mut Vec<u8>, kind: ItemKind, item_count: Option<usize>, length: usize) {
    let mut json = JsonWriter::new(out);
    json.begin_object();
    json.member("type", kind.as_str());
    if let Some(item_count) = item_count {
        json.key("item_count");
        json.unsigned(item_count as u64);
        json.member_some("content_type", kind.container_content_type());
    }
    json.key("length");
    json.unsigned(length as u64);
    json.end_object();
    out.push(b'\n');
}
