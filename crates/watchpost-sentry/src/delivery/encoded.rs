//! Items that their producer has encoded itself, to know their size before they are handed over: a transaction with the v2
//! spans that travel in its envelope (what Sentry's own SDKs send for AI spans), and containers of v2 spans.
//! Source: Sentry's envelope items ("one span container, all of one trace") and `extractGenAiSpans` of its SDKs.

use hyper::body::Bytes;

use crate::wire::{EventId, SpanV2};

/// A transaction's JSON, and the v2 spans of the same trace that travel in its envelope.
#[derive(Clone, Debug, Default)]
pub struct EncodedTransaction {
    /// The transaction's id; also the envelope's.
    pub event_id: EventId,
    /// The transaction as [`Transaction::write_json`](crate::wire::Transaction::write_json) writes it, best into a
    /// [`Delivery::buffer`](super::Delivery::buffer).
    pub json: Vec<u8>,
    /// How many spans are in it, the root included: what a client report says when it is dropped.
    pub spans: u64,
    /// Spans that travel beside it, in a container of their own. At most 1000.
    pub streamed: EncodedSpans,
}

/// The JSON of v2 spans, all of one trace, for one container. Sentry takes at most 1000 in one.
#[derive(Clone, Debug, Default)]
pub struct EncodedSpans {
    pub(super) payload: Vec<u8>,
    /// Where each span ends in the payload.
    pub(super) ends: Vec<u32>,
}

/// The same, with nothing more to come.
#[derive(Debug, Default)]
pub(super) struct SealedSpans {
    pub(super) payload: Bytes,
    pub(super) ends: Vec<u32>,
}

impl From<EncodedSpans> for SealedSpans {
    fn from(spans: EncodedSpans) -> Self {
        Self { payload: spans.payload.into(), ends: spans.ends }
    }
}

impl EncodedSpans {
    /// No spans.
    #[must_use]
    pub const fn new() -> Self {
        Self { payload: Vec::new(), ends: Vec::new() }
    }

    /// No spans, to be written into a buffer that is empty, for example one that is [to spare](super::Delivery::buffer).
    #[must_use]
    pub const fn within(buffer: Vec<u8>) -> Self {
        Self { payload: buffer, ends: Vec::new() }
    }

    /// Adds a span by its JSON, as [`SpanV2::write_json`] writes it.
    pub fn push(&mut self, json: &[u8]) {
        self.append(|payload| payload.extend_from_slice(json));
    }

    /// Encodes and adds a span.
    pub fn push_span(&mut self, span: &SpanV2<'_>) {
        self.append(|payload| span.write_json(payload));
    }

    /// Adds a span whose JSON `write` appends, as [`SpanV2::write_json`] does.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(write);
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.ends.is_empty() {
            self.payload.push(b',');
        }
        write(&mut self.payload);
        // A payload beyond 4 GiB is far beyond every buffer's bound and never gets as far as being cut at its ends.
        self.ends.push(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
    }

    /// How many spans there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes they take in the container, commas included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.payload.len()
    }
}
