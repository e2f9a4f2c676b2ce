//! Everything between "accepted" and "sent", as one state machine without clock, lock or I/O: producers put items in
//! here, the worker takes shipments out (`dispatch.rs`), and the ledger can be asked at any moment.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use super::{
    batch::{ITEM_OVERHEAD, OpenLogs, OpenSpans, Sealed},
    lane::{Lane, Load},
    ledger::Ledger,
    notice::{Notice, Notices},
    outcome::{DropReason, Outcome},
    parcel::Parcel,
    queue::Queues,
    rate_limit::RateLimits,
    retry::{Circuit, Permit},
    spares::Spares,
    spool::{Account, FileId, Found, Item, Place, ReadBack, Shelf, TakenSegment},
};
use crate::wire::{Category, DynamicSamplingContext};

mod spooling;

pub(super) use spooling::TakenOver;

/// The state. `pub(super)` fields are those that `dispatch.rs` works on.
#[derive(Debug)]
pub(super) struct State {
    pub(super) logs: OpenLogs,
    pub(super) spans: OpenSpans,
    pub(super) queues: Queues,
    pub(super) circuit: Circuit,
    pub(super) rate_limits: RateLimits,
    pub(super) ledger: Ledger,
    pub(super) notices: Notices,
    pub(super) jitter: Jitter,
    /// The buffers of transactions that were sent.
    pub(super) spares: Spares,
    /// Parcels that are neither sent nor dropped, by the flush that they belong to.
    pending: BTreeMap<u64, u64>,
    epoch: u64,
    pub(super) max_in_flight: usize,
    pub(super) in_flight: usize,
    pub(super) bytes_in_flight: usize,
    pub(super) reports_in_flight: usize,
    /// When drops that no envelope has carried are reported in an envelope of their own.
    pub(super) report_due: Option<Instant>,
    /// The flush that wants drops reported at once.
    pub(super) report_wanted: Option<u64>,
    /// What the worker waits for while it sleeps; `None` while it is awake, or called but not yet up.
    pub(super) sleep: Option<Sleep>,
    /// Something was accepted since the worker last looked.
    pub(super) busy: bool,
    /// What is kept on disk, if anything is.
    pub(super) shelf: Option<Shelf>,
    /// The time of day in milliseconds, as the shell last told it; only the spool needs it.
    pub(super) wall_ms: u64,
    /// Items that dead processes had left.
    recovered: u64,
    /// Stretches of bytes in it that were no records.
    damaged: u64,
    /// Something was sent or dropped since this was last taken.
    pub(super) progressed: bool,
    closed: bool,
}

/// What would wake the worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleep {
    pub(super) until: Option<Instant>,
    /// Whether a parcel sealed now could be sent now.
    pub(super) ready: bool,
}

/// What the caller has to do once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Wake the worker.
    pub(super) wake: bool,
    pub(super) notices: Vec<Notice>,
    /// Parcels that are done with, to be freed.
    pub(super) garbage: Vec<Parcel>,
    /// Whether one of those was dropped for want of room, and not left to the spool.
    pub(super) overflowed: bool,
}

impl State {
    /// `limits` are in bytes, in the order of [`Lane::ALL`].
    pub(super) fn new(limits: [usize; Lane::COUNT], max_in_flight: usize, reports: bool) -> Self {
        Self {
            logs: OpenLogs::default(),
            spans: OpenSpans::default(),
            queues: Queues::new(limits),
            circuit: Circuit::default(),
            rate_limits: RateLimits::default(),
            ledger: Ledger::new(reports),
            notices: Notices::default(),
            jitter: Jitter::default(),
            spares: Spares::default(),
            pending: BTreeMap::new(),
            epoch: 0,
            max_in_flight: max_in_flight.max(1),
            in_flight: 0,
            bytes_in_flight: 0,
            reports_in_flight: 0,
            report_due: None,
            report_wanted: None,
            sleep: Some(Sleep { until: None, ready: true }),
            busy: false,
            shelf: None,
            wall_ms: 0,
            recovered: 0,
            damaged: 0,
            progressed: false,
            closed: false,
        }
    }

    /// Takes one log's JSON. Hot: with room in the buffer and the batch not full this is a copy and some additions.
    pub(super) fn log(&mut self, json: &[u8], now: impl Fn() -> Instant, effects: &mut Effects) {
        let load = Load::new(Lane::Log, 1, json.len() as u64);
        if self.admit(&load, json.len() + ITEM_OVERHEAD, &now, effects) {
            let opens = self.logs.due().is_none();
            let place = self.shelve(Item::Log(json), load);
            let sealed = self.logs.push(json, place, now);
            self.queue(sealed, effects);
            if opens {
                self.call_worker_by(self.logs.due(), effects);
            }
        }
    }

    /// Takes one v2 span's JSON, for the batch of its trace.
    pub(super) fn span(
        &mut self,
        json: &[u8],
        ends_segment: bool,
        context: &DynamicSamplingContext<'_>,
        now: impl Fn() -> Instant,
        effects: &mut Effects,
    ) {
        let load = Load::new(Lane::Span, 1, json.len() as u64);
        if self.admit(&load, json.len() + ITEM_OVERHEAD, &now, effects) {
            let place = self.shelve(Item::Span { json, ends_segment, trace: context }, load);
            let sealed = self.spans.push(json, ends_segment, context, place, now);
            self.queue(sealed, effects);
            self.call_worker_by(self.spans.due(), effects);
        }
    }

    /// Takes what is sealed already: an error event, a transaction, a container of spans.
    pub(super) fn single(&mut self, mut parcel: Parcel, now: impl Fn() -> Instant, effects: &mut Effects) {
        let place = if self.shelf.is_some() { size_of::<Place>() } else { 0 };
        if self.admit(&parcel.load, parcel.footprint() + place, now, effects) {
            parcel.places.extend(self.shelve(Item::Sealed(&parcel), parcel.load));
            self.queue([Some(parcel), None], effects);
        } else {
            effects.garbage.push(parcel);
        }
    }

    /// Counts what the caller dropped itself.
    pub(super) fn discard(&mut self, reason: DropReason, category: Category, quantity: u64, effects: &mut Effects) {
        self.ledger.discard(reason, category, quantity);
        self.call_worker_to_report(effects);
    }

    /// Counts a transaction of so many spans that the caller dropped itself.
    pub(super) fn discard_transaction(&mut self, reason: DropReason, spans: u64, effects: &mut Effects) {
        let load = Load { spans, ..Load::new(Lane::Transaction, 1, 0) };
        self.ledger.refuse(&load, reason);
        self.call_worker_to_report(effects);
    }

    /// Counts attachments that are too large to be held.
    pub(super) fn discard_attachments(&mut self, attachments: &Load, effects: &mut Effects) {
        self.ledger.refuse(attachments, DropReason::QueueOverflow);
        self.call_worker_to_report(effects);
    }

    /// Seals everything that was accepted until now and asks for it to be sent at once. The answer is the ticket to ask
    /// [`is_settled`](Self::is_settled) with.
    pub(super) fn begin_flush(&mut self, now: Instant, effects: &mut Effects) -> u64 {
        let sealed = [self.logs.seal(), None];
        self.queue(sealed, effects);
        while let Some(parcel) = self.spans.seal_oldest() {
            self.queue([Some(parcel), None], effects);
        }
        self.circuit.hurry();
        self.queues.hurry(now);
        let ticket = self.epoch;
        self.epoch += 1;
        if self.ledger.has_unreported() || self.reports_in_flight > 0 || !self.pending.is_empty() {
            self.report_wanted = Some(ticket);
            effects.wake |= self.sleep.take().is_some();
        }
        ticket
    }

    /// Whether everything accepted before the flush was sent or dropped, and the drops were reported if they could be.
    pub(super) fn is_settled(&self, ticket: u64, now: Instant) -> bool {
        self.is_delivered(ticket) && !self.owes_report(now)
    }

    /// Whether everything accepted before the flush was sent or dropped.
    pub(super) fn is_delivered(&self, ticket: u64) -> bool {
        let has_spilled = self.shelf.as_ref().is_some_and(Shelf::has_spilled);
        !has_spilled && self.pending.first_key_value().is_none_or(|(epoch, _)| *epoch > ticket)
    }

    /// Whether what is left of a flush waits on disk for rate limits that end no sooner than that: to wait for it is in vain.
    pub(super) fn is_blocked(&self, ticket: u64, now: Instant, until: Instant) -> bool {
        let is_on_disk_only = self.pending.first_key_value().is_none_or(|(epoch, _)| *epoch > ticket);
        is_on_disk_only && !self.owes_report(now) && self.spilled_is_blocked(now, until)
    }

    fn owes_report(&self, now: Instant) -> bool {
        self.report_wanted.is_some()
            && (self.ledger.has_unreported() || self.reports_in_flight > 0)
            && !self.circuit.is_paused()
            && self.rate_limits.reports_blocked_until(now).is_none()
    }

    /// Ends the intake: from now on items are counted as dropped.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// The worker has ended: what is held is what the spool keeps, the rest is lost.
    pub(super) fn end(&mut self) {
        match &self.shelf {
            Some(shelf) => self.ledger.end(shelf.kept()),
            None => self.ledger.end(&[]),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = self.ledger.outcome();
        outcome.complete = self.ledger.is_settled() && outcome.dropped_by(DropReason::Shutdown) == 0;
        outcome.recovered = self.recovered;
        outcome.damaged = self.damaged;
        outcome.spool_bytes = self.shelf.as_ref().map_or(0, Shelf::bytes);
        outcome
    }

    /// Whether no lane is filled beyond so many quarters of its bound.
    pub(super) fn has_room(&self, quarters: usize) -> bool {
        Lane::ALL.into_iter().all(|lane| {
            let (bytes, limit) = self.queues.fill(lane);
            bytes + self.open_bytes(lane) <= limit / 4 * quarters
        })
    }

    /// Whether transactions and spans of so many bytes find room without any other being dropped.
    pub(super) fn has_room_of(&self, bytes: usize) -> bool {
        [Lane::Transaction, Lane::Span].into_iter().all(|lane| {
            let (filled, limit) = self.queues.fill(lane);
            filled + self.open_bytes(lane) + bytes <= limit
        })
    }

    /// Accounts for an item and makes room for it; false if it was dropped instead.
    fn admit(&mut self, load: &Load, size: usize, now: impl Fn() -> Instant, effects: &mut Effects) -> bool {
        if self.closed {
            self.ledger.refuse(load, DropReason::AfterShutdown);
            return false;
        }
        self.ledger.accept(load);
        let fits = size <= self.queues.fill(load.lane).1;
        if fits {
            self.make_room(load.lane, size, effects);
        } else {
            self.ledger.drop_held(load, DropReason::QueueOverflow);
            self.call_worker_to_report(effects);
        }
        if !fits || effects.overflowed {
            self.notify(Notice::Overflow { lane: load.lane }, now(), effects);
        }
        self.busy = true;
        fits
    }

    /// Drops a lane's oldest parcels until `incoming` bytes fit in.
    pub(super) fn make_room(&mut self, lane: Lane, incoming: usize, effects: &mut Effects) {
        loop {
            let open = self.open_bytes(lane);
            let Some(parcel) = self.queues.evict(lane, open, incoming) else {
                if open == 0 || open + incoming <= self.queues.fill(lane).1 {
                    return;
                }
                // Only a bound smaller than a batch gets here.
                let sealed = if lane == Lane::Log { self.logs.seal() } else { self.spans.seal_oldest() };
                self.queue([sealed, None], effects);
                continue;
            };
            let reason = if parcel.attempts > 0 { DropReason::NetworkError } else { DropReason::QueueOverflow };
            effects.overflowed |= !self.spill_or_drop(&parcel, reason);
            effects.garbage.push(parcel);
        }
    }

    fn open_bytes(&self, lane: Lane) -> usize {
        match lane {
            Lane::Log => self.logs.footprint(),
            Lane::Span => self.spans.footprint(),
            // What comes sealed.
            _ => 0,
        }
    }

    /// Puts sealed parcels into their queues.
    pub(super) fn queue(&mut self, sealed: Sealed, effects: &mut Effects) {
        for mut parcel in sealed.into_iter().flatten() {
            parcel.epoch = self.epoch;
            *self.pending.entry(self.epoch).or_default() += 1;
            self.queues.push(parcel);
            if self.sleep.is_some_and(|sleep| sleep.ready) {
                self.sleep = None;
                effects.wake = true;
            }
        }
    }

    /// Puts in a part of a parcel, which stays in that parcel's flush.
    pub(super) fn requeue(&mut self, part: Parcel) {
        *self.pending.entry(part.epoch).or_default() += 1;
        self.queues.push(part);
    }

    /// Puts two halves in the place of one parcel.
    pub(super) fn replace(&mut self, halves: (Parcel, Parcel)) {
        *self.pending.entry(halves.0.epoch).or_default() += 1;
        self.queues.push_front(halves.1);
        self.queues.push_front(halves.0);
    }

    /// Leaves a parcel to the spool, else drops it. True if it was left to the spool.
    pub(super) fn spill_or_drop(&mut self, parcel: &Parcel, reason: DropReason) -> bool {
        // Half of something is not what stands on the disk.
        let is_spilled = !parcel.halved && self.shelf.as_mut().is_some_and(|shelf| shelf.spill(&parcel.places));
        if is_spilled {
            self.settle(parcel);
        } else {
            self.drop_parcel(parcel, reason);
        }
        is_spilled
    }

    pub(super) fn drop_parcel(&mut self, parcel: &Parcel, reason: DropReason) {
        self.ledger.drop_held(&parcel.load, reason);
        self.forget(parcel);
        self.settle(parcel);
    }

    /// The parcel is neither held nor on its way any more.
    pub(super) fn settle(&mut self, parcel: &Parcel) {
        self.progressed = true;
        if let Some(count) = self.pending.get_mut(&parcel.epoch) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&parcel.epoch);
            }
        }
    }

    pub(super) fn notify(&mut self, notice: Notice, now: Instant, effects: &mut Effects) {
        effects.notices.extend(self.notices.admit(notice, now));
    }

    /// Wakes the worker if it sleeps without a clock set for the report of drops.
    fn call_worker_to_report(&mut self, effects: &mut Effects) {
        if self.ledger.has_unreported() && self.report_due.is_none() && !self.closed {
            effects.wake |= self.sleep.take().is_some();
        }
    }

    /// Wakes the worker if it would sleep beyond `due`.
    fn call_worker_by(&mut self, due: Option<Instant>, effects: &mut Effects) {
        let oversleeps = |due| self.sleep.is_some_and(|sleep| sleep.until.is_none_or(|until| due < until));
        if due.is_some_and(oversleeps) {
            self.sleep = None;
            effects.wake = true;
        }
    }
}

/// Random numbers that need not be good, only different in each process (xorshift64*).
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Default for Jitter {
    fn default() -> Self {
        Self(RandomState::new().hash_one(Duration::ZERO) | 1)
    }
}

impl Jitter {
    /// From 0 (included) to 1 (excluded).
    pub(super) fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;
