//! A parcel: what travels in one envelope, encoded and sealed, waiting for its send. It carries everything an envelope
//! needs but the moment of sending, so that it can wait (in memory now, in a spool later) and be sent more than once.

use hyper::body::Bytes;

use super::{
    encoded::{EncodedTransaction, SealedSpans},
    foreign::{self, Head},
    lane::{Lane, Load},
    spool::Place,
};
use crate::wire::{DynamicSamplingContext, EventId};

/// One error, one transaction, one batch of logs or spans, or what of another SDK's envelope belongs together.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) load: Load,
    /// Of an error or a transaction; the envelope's header repeats it.
    pub(super) event_id: Option<EventId>,
    /// The dynamic sampling context. None with logs, whose traces are mixed.
    pub(super) trace: Option<Box<DynamicSamplingContext<'static>>>,
    /// The item's JSON; of a batch, its items' joined by commas; of another SDK's envelope, its items as they stand in it.
    pub(super) payload: Bytes,
    /// The header of another SDK's envelope.
    pub(super) head: Option<Box<Head>>,
    /// Where each item of a batch ends in the payload. Empty if this is no batch.
    pub(super) ends: Vec<u32>,
    /// The spans that travel beside a transaction.
    pub(super) streamed: SealedSpans,
    /// Where its items stand in the spool, in their order; empty without a spool.
    pub(super) places: Vec<Place>,
    /// The flush this parcel belongs to.
    pub(super) epoch: u64,
    /// How often it was sent without success.
    pub(super) attempts: u32,
    /// Whether it is part of something that was too large, or that had to leave attachments behind.
    pub(super) halved: bool,
}

/// What a parcel takes in memory beside its payload and its trace header, roughly.
pub(super) const OVERHEAD: usize = 256;

/// What a trace header takes in memory, roughly.
pub(super) const TRACE_OVERHEAD: usize = 384;

impl Parcel {
    /// An error event, or a transaction with so many spans in it.
    pub(super) fn single(
        lane: Lane,
        event_id: EventId,
        trace: Option<&DynamicSamplingContext<'_>>,
        payload: Vec<u8>,
        spans: u64,
    ) -> Self {
        let load = Load { spans, ..Load::new(lane, 1, payload.len() as u64) };
        Self::new(load, Some(event_id), trace.map(|trace| Box::new(trace.clone().into_owned())), payload.into())
    }

    /// A transaction, and the spans beside it.
    pub(super) fn transaction(transaction: EncodedTransaction, trace: Option<&DynamicSamplingContext<'_>>) -> Self {
        let EncodedTransaction { event_id, json, spans, streamed } = transaction;
        let (count, bytes) = (streamed.len(), streamed.bytes());
        let mut parcel = Self::single(Lane::Transaction, event_id, trace, json, spans);
        parcel.load.streamed = count as u64;
        parcel.load.streamed_bytes = (bytes - count.saturating_sub(1)) as u64;
        parcel.streamed = streamed.into();
        parcel
    }

    /// A container of spans.
    pub(super) fn spans(spans: impl Into<SealedSpans>, trace: Box<DynamicSamplingContext<'static>>) -> Self {
        let spans = spans.into();
        Self::batch(Lane::Span, Some(trace), spans.payload, spans.ends)
    }

    /// A batch of logs or spans.
    pub(super) fn batch(
        lane: Lane,
        trace: Option<Box<DynamicSamplingContext<'static>>>,
        payload: impl Into<Bytes>,
        ends: Vec<u32>,
    ) -> Self {
        let payload = payload.into();
        let commas = ends.len().saturating_sub(1);
        let bytes = (payload.len() - commas) as u64;
        let load = Load::new(lane, ends.len() as u64, bytes);
        Self { ends, ..Self::new(load, None, trace, payload) }
    }

    /// Items of another SDK's envelope.
    pub(super) fn foreign(load: Load, head: Head, items: Vec<u8>) -> Self {
        Self { head: Some(Box::new(head)), ..Self::new(load, None, None, items.into()) }
    }

    fn new(
        load: Load,
        event_id: Option<EventId>,
        trace: Option<Box<DynamicSamplingContext<'static>>>,
        payload: Bytes,
    ) -> Self {
        let (ends, streamed, places) = (Vec::new(), SealedSpans::default(), Vec::new());
        Self {
            load,
            event_id,
            trace,
            payload,
            head: None,
            ends,
            streamed,
            places,
            epoch: 0,
            attempts: 0,
            halved: false,
        }
    }

    /// The memory it takes, for the bounds.
    pub(super) fn footprint(&self) -> usize {
        let trace = if self.trace.is_some() { TRACE_OVERHEAD } else { 0 };
        let spans = self.streamed.payload.len() + self.streamed.ends.len() * size_of::<u32>();
        let places = self.places.len() * size_of::<Place>();
        let head = self.head.as_ref().map_or(0, |head| head.footprint());
        self.payload.len() + self.ends.len() * size_of::<u32>() + places + spans + trace + head + OVERHEAD
    }

    /// Its name in diagnostics.
    pub(super) fn describe(&self) -> String {
        let lane = self.load.lane.name();
        match self.event_id {
            Some(event_id) => format!("{lane} {event_id}"),
            None => format!("{lane} of {} items", self.load.items),
        }
    }

    /// Takes away the spans beside a transaction, as a parcel of their own.
    pub(super) fn take_streamed(&mut self) -> Option<Self> {
        if self.streamed.ends.is_empty() {
            return None;
        }
        let mut spans = Self::spans(std::mem::take(&mut self.streamed), self.trace.clone()?);
        spans.epoch = self.epoch;
        self.load.streamed = 0;
        self.load.streamed_bytes = 0;
        Some(spans)
    }

    /// Takes the attachments away from beside another SDK's event. The answer is what they weighed; `None` if there were none.
    /// What is in a spool already is marked as [`halved`](Self::halved): what stands there is another.
    pub(super) fn leave_attachments(&mut self) -> Option<Load> {
        if self.head.is_none() || self.load.lane != Lane::Error || self.load.streamed == 0 {
            return None;
        }
        let Load { streamed, streamed_bytes, .. } = self.load;
        self.payload = foreign::without_attachments(&self.payload).into();
        (self.load.streamed, self.load.streamed_bytes) = (0, 0);
        self.halved |= !self.places.is_empty();
        Some(Load { streamed, streamed_bytes, ..Load::new(Lane::Error, 0, 0) })
    }

    /// Two halves of what Sentry found too large: of a batch, or a transaction and the spans beside it. `None` for what cannot
    /// be cut, or was cut before.
    pub(super) fn halve(&mut self) -> Option<(Self, Self)> {
        if self.halved {
            return None;
        }
        if let Some(mut spans) = self.take_streamed() {
            let mut transaction =
                Self::new(self.load, self.event_id, self.trace.take(), std::mem::take(&mut self.payload));
            transaction.epoch = self.epoch;
            transaction.places = std::mem::take(&mut self.places);
            transaction.halved = true;
            spans.halved = true;
            return Some((transaction, spans));
        }
        if self.ends.len() < 2 {
            return None;
        }
        let mut first = std::mem::take(&mut self.ends);
        let half = first.len() / 2;
        let second_ends = first.split_off(half);
        let mut first_places = std::mem::take(&mut self.places);
        let second_places = first_places.split_off(half.min(first_places.len()));
        let cut = *first.last()?;
        let start = cut + 1;
        let second_ends = second_ends.into_iter().map(|end| end - start).collect();
        let half = |payload: Bytes, ends, places| {
            let mut half = Self::batch(self.load.lane, self.trace.clone(), payload, ends);
            half.places = places;
            half.epoch = self.epoch;
            half.halved = true;
            half
        };
        let (first_payload, second_payload) =
            (self.payload.slice(..cut as usize), self.payload.slice(start as usize..));
        Some((half(first_payload, first, first_places), half(second_payload, second_ends, second_places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::encoded::EncodedSpans, wire::TraceId};

    fn logs(items: &[&str]) -> Parcel {
        let (mut payload, mut ends) = (Vec::new(), Vec::new());
        for item in items {
            if !payload.is_empty() {
                payload.push(b',');
            }
            payload.extend_from_slice(item.as_bytes());
            ends.push(payload.len() as u32);
        }
        Parcel::batch(Lane::Log, None, payload, ends)
    }

    #[test]
    fn halving_a_batch_loses_no_item_and_no_byte() {
        let items = ["{}", "{\"a\":1}", "{\"b\":22}", "{\"c\":333}", "{\"d\":4}"];
        let mut whole = logs(&items);
        whole.epoch = 7;
        let load = whole.load;
        let (first, second) = whole.halve().unwrap();
        assert_eq!(&*first.payload, b"{},{\"a\":1}");
        assert_eq!(&*second.payload, b"{\"b\":22},{\"c\":333},{\"d\":4}");
        assert_eq!(first.load.items + second.load.items, load.items);
        assert_eq!(first.load.bytes + second.load.bytes, load.bytes);
        for half in [first, second] {
            assert_eq!(half.epoch, 7);
            assert_eq!(*half.ends.last().unwrap() as usize, half.payload.len());
        }
    }

    #[test]
    fn a_batch_is_halved_once_and_a_single_item_never() {
        let (mut first, _) = logs(&["{}", "{}", "{}", "{}"]).halve().unwrap();
        assert!(first.halve().is_none());
        assert!(logs(&["{}"]).halve().is_none());
        let mut event = Parcel::single(Lane::Error, EventId([1; 16]), None, b"{}".to_vec(), 0);
        assert!(event.halve().is_none());
    }

    #[test]
    fn a_transaction_is_halved_into_itself_and_the_spans_beside_it() {
        let mut streamed = EncodedSpans::new();
        streamed.push(b"{}");
        streamed.push(b"{\"a\":1}");
        let trace = DynamicSamplingContext {
            trace_id: TraceId([1; 16]),
            public_key: "key".into(),
            sample_rate: None,
            sample_rand: None,
            sampled: None,
            release: None,
            environment: None,
            transaction: None,
            org_id: None,
        };
        let transaction =
            EncodedTransaction { event_id: EventId([1; 16]), json: b"{\"t\":1}".to_vec(), spans: 4, streamed };
        let mut whole = Parcel::transaction(transaction, Some(&trace));
        whole.epoch = 7;
        let load = whole.load;
        assert_eq!((load.spans, load.streamed), (4, 2));
        let (transaction, spans) = whole.halve().unwrap();
        assert_eq!((&*transaction.payload, &*spans.payload), (&b"{\"t\":1}"[..], &b"{},{\"a\":1}"[..]));
        assert_eq!(transaction.load, Load { spans: 4, ..Load::new(Lane::Transaction, 1, 7) });
        assert_eq!(spans.load, Load::new(Lane::Span, 2, 9));
        assert_eq!((transaction.event_id, spans.event_id), (Some(EventId([1; 16])), None));
        assert_eq!(spans.trace.unwrap().trace_id, trace.trace_id);
        assert!((transaction.epoch, spans.epoch) == (7, 7) && transaction.halved && spans.halved);
    }

    #[test]
    fn the_load_of_a_batch_counts_the_items_without_the_commas() {
        assert_eq!(logs(&["{}", "{}", "{}"]).load, Load::new(Lane::Log, 3, 6));
    }
}
