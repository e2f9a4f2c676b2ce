//! Trace assembly: from events of spans in any order to finished spans that know their place in the trace (seed 004, "Ends all
//! active spans", "Their data is aggregated into MODEL_GENERATION spans").
//!
//! ```text
//! started, updated, ended ──apply──> Trace { runs of nodes } ──Part──> release() ──> FinishedSpan …      (release.rs, gather.rs)
//!                                       │ done                             on the exporter's thread
//!                                       └──> Memory { tombs }, for what comes late
//! ```
//!
//! Without a clock, a thread or I/O of its own. An event costs a look-up or two; what a span's neighbours say of it is found out
//! in [`Part::release`], elsewhere. Everything is bounded by [`Limits`], and what a bound costs is in [`Counts`].

mod facts;
mod failure;
mod gather;
mod id_map;
mod idle;
mod limits;
mod merge;
mod node;
mod output;
mod release;
mod remnants;
mod segment;
mod size;
mod table;
#[cfg(test)]
mod tests;
mod tomb;
mod tool_calls;
mod trace;

use std::{collections::BTreeSet, fmt, time::Instant};

use watchpost_sentry::wire::{Timestamp, TraceId};

use self::{
    id_map::IdMap,
    idle::Idle,
    remnants::Remnants,
    tomb::Memory,
    trace::{Applied, Room, Trace},
};
pub(crate) use self::{
    limits::{Counts, Limits, ReleaseWhen},
    release::{Part, Release},
    remnants::Remnant,
    segment::SegmentRoot,
};
use crate::model::{Span, SpanCompletion, TracingEvent};

/// Most rooms that are kept for traces to come: as many as traces end and begin at once.
const MAX_ROOMS: usize = 8;

/// Puts traces together.
pub(crate) struct Assembler<K> {
    limits: Limits,
    when: ReleaseWhen,
    is_kept: K,
    traces: Idle<Trace>,
    places: IdMap<TraceId, usize>,
    /// When which trace is to be looked at.
    alarms: BTreeSet<(Instant, usize)>,
    memory: Memory,
    /// Of traces that are done with.
    rooms: Vec<Room>,
    remnants: Remnants,
    open: usize,
    bytes: usize,
    counts: Counts,
}

impl<K: Fn(&Span) -> bool> Assembler<K> {
    /// `is_kept` says of a span whether it is sent; spans that a generation takes in (steps, inferences, chunks) are not asked
    /// for.
    pub(crate) fn new(limits: Limits, when: ReleaseWhen, is_kept: K) -> Self {
        Self {
            limits,
            when,
            is_kept,
            traces: Idle::default(),
            places: IdMap::default(),
            alarms: BTreeSet::new(),
            memory: Memory::default(),
            rooms: Vec::new(),
            remnants: Remnants::default(),
            open: 0,
            bytes: 0,
            counts: Counts::default(),
        }
    }

    /// Takes an event in. `now` must not go back.
    pub(crate) fn apply(&mut self, event: TracingEvent, now: Instant, out: &mut Vec<Part>) {
        self.counts.events += 1;
        let (span, ends) = match event {
            TracingEvent::SpanStarted(span) | TracingEvent::SpanUpdated(span) => (span, false),
            TracingEvent::SpanEnded(span) => (span, true),
        };
        let is_skipped = span.ty.is_skipped();
        let place = self.place(span.trace_id, now);
        let (open, bytes) = {
            let trace = &self.traces[place];
            (trace.open, trace.bytes)
        };
        let trace = self.traces.touch(place);
        let applied = trace.apply(span, ends, now, &self.is_kept);
        match applied {
            Applied::Repeated => self.counts.repeated += 1,
            Applied::Open { is_new } | Applied::Ended { is_new, .. } => {
                self.counts.skipped_spans += u64::from(is_new && is_skipped);
            }
        }
        if self.when == ReleaseWhen::SpanEnded && !self.limits.is_recording {
            trace.release_joined(out);
        }
        if let Applied::Ended { at, is_new } = applied {
            out.extend(match self.when {
                _ if self.limits.is_recording => None,
                ReleaseWhen::TraceComplete => trace.release_complete(at, is_new),
                ReleaseWhen::SpanEnded => trace.release_span(at),
            });
            if trace.held > self.limits.held_spans || trace.held_bytes > self.limits.held_bytes {
                self.counts.early_releases += 1;
                trace.release_held(out);
            }
            trace.forget_released();
        }
        self.open = self.open - open + trace.open;
        self.bytes = self.bytes - bytes + trace.bytes;
        self.settle(place, now);
        while self.is_full() && self.make_room(now, out) {}
    }

    /// Releases what has waited long enough.
    pub(crate) fn expire(&mut self, now: Instant, out: &mut Vec<Part>) {
        while let Some((alarm, place)) = self.alarms.first().copied().filter(|(alarm, _)| *alarm <= now) {
            self.alarms.remove(&(alarm, place));
            let late = self.limits.late;
            self.change(place, now, |trace| {
                trace.wake = None;
                // No clock goes back to before it began.
                if let Some(before) = now.checked_sub(late) {
                    trace.release_due(before, out);
                }
            });
        }
        while let Some(place) = self.traces.oldest() {
            if self.traces[place].heard + self.limits.idle > now {
                break;
            }
            let mut closed = 0;
            self.change(place, now, |trace| {
                closed = trace.close_all(None, SpanCompletion::DeadlineExceeded, now);
                trace.release_held(out);
            });
            self.counts.expired += closed as u64;
            self.bury(place, now);
        }
        if let Some(before) = now.checked_sub(self.limits.memory) {
            self.memory.expire(before);
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(alarm, _)| *alarm);
        let idle = self.traces.oldest().map(|place| self.traces[place].heard + self.limits.idle);
        let memory = self.memory.oldest().map(|since| since + self.limits.memory);
        [alarm, idle, memory].into_iter().flatten().min()
    }

    /// Releases what is finished, without waiting any longer; but spans wait for a root that is open.
    pub(crate) fn flush(&mut self, now: Instant, out: &mut Vec<Part>) {
        for place in self.traces.places() {
            self.change(place, now, |trace| trace.release_flushed(out));
        }
    }

    /// Ends what is open and releases everything.
    pub(crate) fn finish(&mut self, at: Timestamp, now: Instant, out: &mut Vec<Part>) {
        let ended_at = Some(at).filter(|_| !self.limits.is_recording);
        for place in self.traces.places() {
            let mut closed = 0;
            self.change(place, now, |trace| {
                closed = trace.close_all(ended_at, SpanCompletion::ShutDown, now);
                trace.release_held(out);
            });
            self.counts.shut_down += closed as u64;
            if self.traces.contains(place) {
                self.bury(place, now);
            }
        }
        self.memory.clear();
    }

    /// Takes back what is left of parts that were exported, as far as there is room for it: it is given out for being freed,
    /// by [`next_remnant`](Self::next_remnant) bit by bit.
    pub(crate) fn take_back(&mut self, remnants: &mut Vec<Remnant>) {
        self.remnants.add(remnants);
    }

    /// Something to be freed.
    pub(crate) fn next_remnant(&mut self) -> Option<Remnant> {
        self.remnants.next()
    }

    /// All that is to be freed.
    pub(crate) fn remnants(&mut self) -> Option<Vec<Remnant>> {
        (!self.remnants.is_empty()).then(|| self.remnants.take())
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) const fn open_spans(&self) -> usize {
        self.open
    }

    pub(crate) fn open_traces(&self) -> usize {
        self.places.len()
    }

    /// About how many bytes are held, those of what is remembered included.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes + self.memory.bytes()
    }

    fn place(&mut self, id: TraceId, now: Instant) -> usize {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let mut trace = match self.memory.take(id) {
            Some(recalled) => Trace::recall(id, recalled, now),
            None => {
                let mut room = self.rooms.pop().unwrap_or_default();
                room.part = self.remnants.list();
                Trace::new(id, now, room)
            }
        };
        if self.limits.is_recording {
            trace.expect_any_order(self.when);
        }
        self.bytes += trace.bytes;
        let place = self.traces.add(trace);
        self.places.insert(id, place);
        place
    }

    /// Works on a trace and keeps the sums.
    fn change(&mut self, place: usize, now: Instant, work: impl FnOnce(&mut Trace)) {
        let trace = &mut self.traces[place];
        self.open -= trace.open;
        self.bytes -= trace.bytes;
        work(trace);
        self.open += trace.open;
        self.bytes += trace.bytes;
        self.settle(place, now);
    }

    /// Sees to a trace's alarm, and buries it when it is done with.
    fn settle(&mut self, place: usize, now: Instant) {
        let trace = &mut self.traces[place];
        if trace.is_done() {
            self.bury(place, now);
        } else if let Some(since) = trace.waits_unwatched() {
            let alarm = since + self.limits.late;
            trace.wake = Some(alarm);
            self.alarms.insert((alarm, place));
        }
    }

    fn bury(&mut self, place: usize, now: Instant) {
        let Some(trace) = self.traces.remove(place) else { return };
        self.bytes -= trace.bytes;
        self.open -= trace.open;
        self.places.remove(&trace.id);
        if let Some(alarm) = trace.wake {
            self.alarms.remove(&(alarm, place));
        }
        let id = trace.id;
        let rooms = &mut self.rooms;
        self.memory.add(id, &self.limits, now, |ring| {
            let (tomb, room) = trace.entomb(ring);
            if rooms.len() < MAX_ROOMS && room.is_ordinary() {
                rooms.push(room);
            }
            tomb
        });
    }

    fn is_full(&self) -> bool {
        self.open > self.limits.open_spans
            || self.bytes > self.limits.open_bytes
            || self.places.len() > self.limits.open_traces
    }

    /// Releases what has waited longest, as long as there is such; else the trace idle longest.
    fn make_room(&mut self, now: Instant, out: &mut Vec<Part>) -> bool {
        if !self.limits.is_recording || self.open > self.limits.open_spans {
            return self.evict(now, out);
        }
        let Some((_, place)) = self.alarms.pop_first() else { return self.evict(now, out) };
        self.change(place, now, |trace| {
            trace.wake = None;
            trace.release_due(now, out);
        });
        true
    }

    /// Releases the trace idle longest as it stands.
    fn evict(&mut self, now: Instant, out: &mut Vec<Part>) -> bool {
        let Some(place) = self.traces.oldest() else { return false };
        let mut closed = 0;
        self.change(place, now, |trace| {
            closed = trace.close_all(None, SpanCompletion::Aborted, now);
            trace.release_held(out);
        });
        self.counts.aborted += closed as u64;
        self.bury(place, now);
        true
    }
}

impl<K> fmt::Debug for Assembler<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler")
            .field("open", &self.open)
            .field("bytes", &self.bytes)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
