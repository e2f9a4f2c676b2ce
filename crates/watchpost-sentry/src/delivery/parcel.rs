//! A parcel: what travels in one envelope, encoded and sealed, waiting for its send. It carries everything an envelope
//! needs but the moment of sending, so that it can wait (in memory now, in a spool later) and be sent more than once.

use crate::wire::{
    ClientReport, DiscardedItems, DynamicSamplingContext, Envelope, EnvelopeHeader, EventId, ItemKind, SdkInfo,
    Timestamp,
};

use super::lane::{Lane, Load};

/// One error, one transaction, or one batch of logs or spans.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) load: Load,
    /// Of an error or a transaction; the envelope's header repeats it.
    pub(super) event_id: Option<EventId>,
    /// The dynamic sampling context. None with logs, whose traces are mixed.
    pub(super) trace: Option<Box<DynamicSamplingContext<'static>>>,
    /// The item's JSON; of a batch, its items' joined by commas.
    pub(super) payload: Vec<u8>,
    /// Where each item of a batch ends in the payload. Empty if this is no batch.
    pub(super) ends: Vec<u32>,
    /// The flush this parcel belongs to.
    pub(super) epoch: u64,
    /// How often it was sent without success.
    pub(super) attempts: u32,
    /// Whether it is half of a batch that was too large.
    pub(super) halved: bool,
}

/// What a parcel takes in memory beside its payload and its trace header, roughly.
pub(super) const OVERHEAD: usize = 256;

/// What a trace header takes in memory, roughly.
pub(super) const TRACE_OVERHEAD: usize = 384;

impl Parcel {
    /// An error event or a transaction. `spans` counts a transaction's spans, its root included.
    pub(super) fn single(
        lane: Lane,
        event_id: EventId,
        trace: Option<&DynamicSamplingContext<'_>>,
        payload: Vec<u8>,
        spans: u64,
    ) -> Self {
        Self {
            load: Load { lane, items: 1, bytes: payload.len() as u64, spans },
            event_id: Some(event_id),
            trace: trace.map(|trace| Box::new(trace.clone().into_owned())),
            payload,
            ends: Vec::new(),
            epoch: 0,
            attempts: 0,
            halved: false,
        }
    }

    /// A batch of logs or spans.
    pub(super) fn batch(
        lane: Lane,
        trace: Option<Box<DynamicSamplingContext<'static>>>,
        payload: Vec<u8>,
        ends: Vec<u32>,
    ) -> Self {
        let commas = ends.len().saturating_sub(1);
        let bytes = (payload.len() - commas) as u64;
        let load = Load { lane, items: ends.len() as u64, bytes, spans: 0 };
        Self { load, event_id: None, trace, payload, ends, epoch: 0, attempts: 0, halved: false }
    }

    /// The memory it takes, for the bounds.
    pub(super) fn footprint(&self) -> usize {
        let trace = if self.trace.is_some() { TRACE_OVERHEAD } else { 0 };
        self.payload.len() + self.ends.len() * size_of::<u32>() + trace + OVERHEAD
    }

    /// Its name in diagnostics.
    pub(super) fn describe(&self) -> String {
        let lane = self.load.lane.name();
        match self.event_id {
            Some(event_id) => format!("{lane} {event_id}"),
            None => format!("{lane} of {} items", self.load.items),
        }
    }

    /// Two halves of a batch that Sentry found too large; `None` for what cannot be cut, or was cut before.
    pub(super) fn halve(&mut self) -> Option<(Self, Self)> {
        if self.halved || self.ends.len() < 2 {
            return None;
        }
        let mut first = std::mem::take(&mut self.ends);
        let second_ends = first.split_off(first.len() / 2);
        let cut = *first.last()?;
        let start = cut + 1;
        let payload = self.payload.split_off(start as usize);
        self.payload.truncate(cut as usize);
        let second_ends = second_ends.into_iter().map(|end| end - start).collect();
        let half = |payload, ends| {
            let mut half = Self::batch(self.load.lane, self.trace.clone(), payload, ends);
            half.epoch = self.epoch;
            half.halved = true;
            half
        };
        let (first_payload, second_payload) = (std::mem::take(&mut self.payload), payload);
        Some((half(first_payload, first), half(second_payload, second_ends)))
    }

    fn append_to(&self, envelope: &mut Envelope) {
        match self.load.lane {
            Lane::Error => envelope.push_item(ItemKind::Event, &self.payload),
            Lane::Transaction => envelope.push_item(ItemKind::Transaction, &self.payload),
            Lane::Span => envelope.push_container(ItemKind::Span, self.ends.len(), &self.payload),
            Lane::Log => envelope.push_container(ItemKind::Log, self.ends.len(), &self.payload),
        }
    }
}

/// The envelope of a parcel, of a client report, or of both, stamped with the moment of sending.
pub(super) fn write_envelope(
    parcel: Option<&Parcel>,
    discarded: &[DiscardedItems],
    sdk: &SdkInfo,
    sent_at: Timestamp,
) -> Vec<u8> {
    let mut envelope = Envelope::new(&EnvelopeHeader {
        event_id: parcel.and_then(|parcel| parcel.event_id),
        sent_at: Some(sent_at),
        sdk: Some(sdk.clone()),
        trace: parcel.and_then(|parcel| parcel.trace.as_deref().cloned()),
    });
    if let Some(parcel) = parcel {
        parcel.append_to(&mut envelope);
    }
    if !discarded.is_empty() {
        envelope.push_client_report(&ClientReport { timestamp: sent_at, discarded: discarded.to_vec() });
    }
    envelope.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(first.payload, b"{},{\"a\":1}");
        assert_eq!(second.payload, b"{\"b\":22},{\"c\":333},{\"d\":4}");
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
    fn the_load_of_a_batch_counts_the_items_without_the_commas() {
        assert_eq!(logs(&["{}", "{}", "{}"]).load, Load { lane: Lane::Log, items: 3, bytes: 6, spans: 0 });
    }
}
