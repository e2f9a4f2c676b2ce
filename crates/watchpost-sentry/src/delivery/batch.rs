//! Batches being filled: one of logs, and one of spans for each trace. A state machine without clock or I/O.
//! Source: Sentry's logs protocol (at most 100 logs, 5 s) and span buffer (at most 1000 spans of one trace, 5 s).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use hyper::body::Bytes;

use super::{
    lane::Lane,
    parcel::{OVERHEAD, Parcel, TRACE_OVERHEAD},
    spares::Spares,
    spool::Place,
};
use crate::wire::{DynamicSamplingContext, TraceId};

/// A batch is sent so long after its first item at the latest.
pub(super) const MAX_AGE: Duration = Duration::from_secs(5);

/// Sentry takes at most 100 logs an envelope.
const MAX_LOGS: usize = 100;

/// Above this a batch of logs is sealed: far below Sentry's 12 MiB, small enough to hold several in memory.
const MAX_LOG_BYTES: usize = 512 * 1024;

/// Sentry drops an envelope with more spans.
const MAX_SPANS: usize = 1000;

/// As [`MAX_LOG_BYTES`]; spans with prompts in them are larger than logs.
const MAX_SPAN_BYTES: usize = 1024 * 1024;

/// Traces with spans in the making; one more seals the one that has waited longest.
const MAX_TRACES: usize = 64;

/// What an item adds to the memory taken, at most: beside its bytes a comma, its place, and a new batch around it.
pub(super) const ITEM_OVERHEAD: usize = 1 + size_of::<u32>() + size_of::<Place>() + OVERHEAD + TRACE_OVERHEAD;

/// Items joined by commas.
#[derive(Debug, Default)]
struct Batch {
    payload: Vec<u8>,
    ends: Vec<u32>,
    /// Where the items stand in the spool, if there is one.
    places: Vec<Place>,
}

impl Batch {
    fn push(&mut self, item: &[u8], place: Option<Place>) {
        self.places.extend(place);
        if !self.ends.is_empty() {
            self.payload.push(b',');
        }
        self.payload.extend_from_slice(item);
        // Batches are sealed at a megabyte, and an item beyond its lane's bound never gets here.
        self.ends.push(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
    }

    fn fits(&self, item: &[u8], max_bytes: usize) -> bool {
        self.ends.is_empty() || self.payload.len() + 1 + item.len() <= max_bytes
    }

    fn footprint(&self) -> usize {
        self.payload.len() + self.ends.len() * size_of::<u32>() + self.places.len() * size_of::<Place>()
    }

    /// Items and their bytes, without the commas.
    #[cfg(test)]
    fn held(&self) -> (u64, u64) {
        (self.ends.len() as u64, (self.payload.len() - self.ends.len().saturating_sub(1)) as u64)
    }
}

/// What pushing one item sealed: what it did not fit into, and what it completed.
pub(super) type Sealed = [Option<Parcel>; 2];

/// The logs being gathered.
#[derive(Debug, Default)]
pub(super) struct OpenLogs {
    batch: Batch,
    due: Option<Instant>,
    /// Payload buffers of batches that were sent.
    spares: Spares,
}

impl OpenLogs {
    /// Adds one log's JSON. `now` is asked for only when the log begins a batch.
    pub(super) fn push(&mut self, item: &[u8], place: Option<Place>, now: impl FnOnce() -> Instant) -> Sealed {
        let before = if self.batch.fits(item, MAX_LOG_BYTES) { None } else { self.seal() };
        if self.batch.ends.is_empty() {
            self.due = Some(now() + MAX_AGE);
        }
        self.batch.push(item, place);
        let full = self.batch.ends.len() >= MAX_LOGS || self.batch.payload.len() >= MAX_LOG_BYTES;
        [before, if full { self.seal() } else { None }]
    }

    /// When the batch must be sealed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn seal(&mut self) -> Option<Parcel> {
        self.due.take()?;
        let next =
            Batch { payload: self.spares.take(), ends: Vec::with_capacity(self.batch.ends.len()), ..Batch::default() };
        let Batch { payload, ends, places } = std::mem::replace(&mut self.batch, next);
        Some(Parcel { places, ..Parcel::batch(Lane::Log, None, payload, ends) })
    }

    /// Takes the payload of a batch that was sent, to fill its buffer again.
    pub(super) fn recycle(&mut self, payload: &mut Bytes) {
        self.spares.give(payload);
    }

    /// The memory it takes: what the sealed parcel will.
    pub(super) fn footprint(&self) -> usize {
        if self.due.is_some() { self.batch.footprint() + OVERHEAD } else { 0 }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (u64, u64) {
        self.batch.held()
    }
}

/// The spans being gathered, by trace, the longest waiting first.
#[derive(Debug, Default)]
pub(super) struct OpenSpans {
    traces: VecDeque<OpenTrace>,
    footprint: usize,
    /// Payload buffers of batches that were sent.
    spares: Spares,
}

#[derive(Debug)]
struct OpenTrace {
    id: TraceId,
    /// As it was with the trace's first span: it must not change within an envelope.
    context: Box<DynamicSamplingContext<'static>>,
    batch: Batch,
    due: Instant,
}

impl OpenSpans {
    /// Adds one span's JSON. `ends_segment` seals its trace's batch: what follows belongs to another segment.
    pub(super) fn push(
        &mut self,
        item: &[u8],
        ends_segment: bool,
        context: &DynamicSamplingContext<'_>,
        shelved: Option<Place>,
        now: impl FnOnce() -> Instant,
    ) -> Sealed {
        let id = context.trace_id;
        let mut place = self.traces.iter().rposition(|trace| trace.id == id);
        let mut before = None;
        if let Some(full) = place.filter(|place| !self.traces[*place].batch.fits(item, MAX_SPAN_BYTES)) {
            before = self.seal_at(full);
            place = None;
        }
        let place = match place {
            Some(place) => place,
            None => {
                if self.traces.len() >= MAX_TRACES {
                    before = before.or_else(|| self.seal_at(0));
                }
                let context = Box::new(context.clone().into_owned());
                self.footprint += OVERHEAD + TRACE_OVERHEAD;
                let batch = Batch { payload: self.spares.take(), ..Batch::default() };
                self.traces.push_back(OpenTrace { id, context, batch, due: now() + MAX_AGE });
                self.traces.len() - 1
            }
        };
        let batch = &mut self.traces[place].batch;
        let empty = batch.footprint();
        batch.push(item, shelved);
        self.footprint += batch.footprint() - empty;
        let full = ends_segment || batch.ends.len() >= MAX_SPANS || batch.payload.len() >= MAX_SPAN_BYTES;
        [before, if full { self.seal_at(place) } else { None }]
    }

    /// Takes the payload of a batch that was sent, to fill its buffer again.
    pub(super) fn recycle(&mut self, payload: &mut Bytes) {
        self.spares.give(payload);
    }

    /// When the trace that has waited longest must be sealed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.traces.front().map(|trace| trace.due)
    }

    /// Seals the trace that has waited longest.
    pub(super) fn seal_oldest(&mut self) -> Option<Parcel> {
        self.seal_at(0)
    }

    fn seal_at(&mut self, place: usize) -> Option<Parcel> {
        let OpenTrace { context, batch, .. } = self.traces.remove(place)?;
        self.footprint -= batch.footprint() + OVERHEAD + TRACE_OVERHEAD;
        Some(Parcel { places: batch.places, ..Parcel::batch(Lane::Span, Some(context), batch.payload, batch.ends) })
    }

    /// The memory they take: what the sealed parcels will.
    pub(super) fn footprint(&self) -> usize {
        self.footprint
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.traces.iter().map(|trace| trace.batch.held().0).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sealed: &Sealed) -> Vec<u64> {
        sealed.iter().flatten().map(|parcel| parcel.load.items).collect()
    }

    fn context(trace: u8) -> DynamicSamplingContext<'static> {
        DynamicSamplingContext {
            trace_id: TraceId([trace; 16]),
            public_key: "key".into(),
            sample_rate: None,
            sample_rand: None,
            sampled: None,
            release: None,
            environment: None,
            transaction: None,
            org_id: None,
        }
    }

    #[test]
    fn a_hundred_logs_make_a_batch() {
        let (mut logs, now) = (OpenLogs::default(), Instant::now());
        for _ in 0..99 {
            assert!(counts(&logs.push(b"{}", None, || now)).is_empty());
        }
        assert_eq!(counts(&logs.push(b"{}", None, || now)), [100]);
        assert!(logs.due().is_none() && logs.seal().is_none());
    }

    #[test]
    fn the_first_log_sets_the_time_and_the_clock_is_not_asked_again() {
        let (mut logs, now) = (OpenLogs::default(), Instant::now());
        logs.push(b"{}", None, || now);
        logs.push(b"{}", None, || unreachable!("the clock was asked again"));
        assert_eq!(logs.due(), Some(now + MAX_AGE));
    }

    #[test]
    fn a_log_that_does_not_fit_seals_the_batch_before_it() {
        let (mut logs, now) = (OpenLogs::default(), Instant::now());
        let large = vec![b'x'; MAX_LOG_BYTES - 100];
        assert!(counts(&logs.push(&large, None, || now)).is_empty());
        assert_eq!(counts(&logs.push(&large, None, || now)), [1]);
        assert_eq!(counts(&logs.push(&vec![b'x'; 2 * MAX_LOG_BYTES], None, || now)), [1, 1], "a huge log goes alone");
    }

    #[test]
    fn a_sent_batchs_buffer_is_filled_again() {
        let (mut logs, now) = (OpenLogs::default(), Instant::now());
        let mut buffer = Vec::with_capacity(4_096);
        buffer.extend_from_slice(b"{}");
        let address = buffer.as_ptr();
        logs.recycle(&mut buffer.into());
        logs.push(b"{}", None, || now);
        logs.seal();
        logs.push(b"{}", None, || now);
        assert_eq!(logs.seal().unwrap().payload.as_ptr(), address);
    }

    #[test]
    fn spans_are_gathered_by_trace_and_sealed_when_their_segment_ends() {
        let (mut spans, now) = (OpenSpans::default(), Instant::now());
        spans.push(b"{}", false, &context(1), None, || now);
        spans.push(b"{}", false, &context(2), None, || now);
        let sealed = spans.push(b"{}", true, &context(1), None, || now);
        assert_eq!(counts(&sealed), [2]);
        assert_eq!(spans.seal_oldest().unwrap().trace.unwrap().trace_id, TraceId([2; 16]));
        assert_eq!(spans.footprint(), 0);
    }

    #[test]
    fn a_thousand_spans_make_a_batch() {
        let (mut spans, now) = (OpenSpans::default(), Instant::now());
        let sealed: Vec<u64> =
            (0..1_000).flat_map(|_| counts(&spans.push(b"{}", false, &context(1), None, || now))).collect();
        assert_eq!(sealed, [1_000]);
    }

    #[test]
    fn one_trace_too_many_seals_the_one_that_has_waited_longest() {
        let (mut spans, now) = (OpenSpans::default(), Instant::now());
        for trace in 0..MAX_TRACES {
            assert!(counts(&spans.push(b"{}", false, &context(trace as u8), None, || now)).is_empty());
        }
        let [before, after] = spans.push(b"{}", false, &context(200), None, || now);
        assert_eq!(before.unwrap().trace.unwrap().trace_id, TraceId([0; 16]));
        assert!(after.is_none());
    }
}
