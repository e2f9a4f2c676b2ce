//! The worker's side of the state: what to send next, what an answer means, and how long to sleep.
//! The rules are those of Sentry's "Rate Limiting", "Client Reports" and "Transport" pages.

use std::time::{Duration, Instant, SystemTime};

use super::{
    answer::{Answer, Verdict},
    batch::MAX_AGE,
    lane::Lane,
    notice::Notice,
    outcome::DropReason,
    parcel::Parcel,
    queue::Preference,
    retry::{Permit, wait_after},
    state::{Effects, Sleep, State},
};
use crate::wire::DiscardedItems;

/// Drops that no envelope has carried are reported this much later, in an envelope of their own.
const REPORT_DELAY: Duration = Duration::from_secs(30);

/// Beyond so many bytes under way no further send begins: the bound in memory, however many slots are free.
const MAX_BYTES_IN_FLIGHT: usize = 8 * 1024 * 1024;

/// What goes into one envelope: a parcel, a report of drops, or both.
#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) parcel: Option<Parcel>,
    pub(super) report: Vec<DiscardedItems>,
    /// The flush whose report this is: nothing older than it was left that could still be dropped.
    concludes_flush: Option<u64>,
    began: Instant,
}

impl State {
    /// Takes what is to be sent now, if anything is. [`answered`](Self::answered) must follow for each.
    pub(super) fn next(&mut self, now: Instant, effects: &mut Effects) -> Option<Shipment> {
        self.seal_due(now, effects);
        self.shed(now, effects);
        self.read_spilled(now);
        if self.ledger.has_unreported() {
            self.report_due.get_or_insert(now + REPORT_DELAY);
        }
        if !self.has_slot() {
            return None;
        }
        let permit = self.circuit.permit(now);
        let preference = match permit {
            Permit::Free => Preference::Held,
            Permit::Probe => Preference::Fresh,
            Permit::Wait(_) => return None,
        };
        let mut parcel = self.queues.pop(preference, now);
        if self.rate_limits.are_attachments_blocked(now)
            && let Some(left) = parcel.as_mut().and_then(Parcel::leave_attachments)
        {
            self.ledger.drop_held(&left, DropReason::RatelimitBackoff);
        }
        if parcel.is_none() && !self.report_is_due(now) {
            return None;
        }
        if permit == Permit::Probe {
            self.circuit.probe();
        }
        let report = self.ledger.take_unreported();
        self.in_flight += 1;
        self.bytes_in_flight += parcel.as_ref().map_or(0, Parcel::footprint);
        if !report.is_empty() {
            self.reports_in_flight += 1;
            self.report_due = None;
        }
        let concludes_flush = self.report_wanted.filter(|ticket| self.is_delivered(*ticket));
        Some(Shipment { parcel, report, concludes_flush, began: now })
    }

    fn has_slot(&self) -> bool {
        self.in_flight < self.max_in_flight && self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
    }

    /// Whether more waits than can be under way.
    pub(super) fn is_backed_up(&self) -> bool {
        !self.has_slot() && Lane::ALL.into_iter().any(|lane| self.queues.fill(lane).0 > 0)
    }

    /// Notes that the worker sleeps, and says until when: without a moment, until it is woken. To be called when
    /// [`next`](Self::next) has found nothing.
    pub(super) fn sleep(&mut self, now: Instant) -> Option<Instant> {
        let mut until: Option<Instant> = None;
        let mut by = |moment: Option<Instant>| until = until.into_iter().chain(moment).min();
        by(self.logs.due());
        by(self.spans.due());
        by(self.spilled_until(now));
        // Rather one idle look around after an active time than a wake-up for each batch that is begun.
        if std::mem::take(&mut self.busy) {
            by(Some(now + MAX_AGE));
        }
        // When all slots are taken, who frees one looks for more itself.
        let mut ready = self.has_slot();
        match self.circuit.permit(now) {
            Permit::Wait(moment) => {
                by(moment);
                ready = false;
            }
            Permit::Free | Permit::Probe if ready => {
                by(self.queues.due(now));
                // The next report waits for the one under way.
                let due = self.report_due.filter(|_| self.reports_in_flight == 0);
                by(due.map(|due| self.rate_limits.reports_blocked_until(now).map_or(due, |end| end.max(due))));
            }
            Permit::Free | Permit::Probe => {}
        }
        self.sleep = Some(Sleep { until, ready });
        until
    }

    /// Takes note of how a shipment ended. `wall` is the time of day.
    pub(super) fn answered(
        &mut self,
        shipment: Shipment,
        answer: Answer,
        wall: SystemTime,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.in_flight -= 1;
        self.bytes_in_flight -= shipment.parcel.as_ref().map_or(0, Parcel::footprint);
        let (verdict, status, explanation) = match answer {
            Answer::Failed(explanation) => (Verdict::Retry, 0, explanation),
            Answer::Response(response) => {
                let (limits, after) = (response.rate_limits.as_deref(), response.retry_after.as_deref());
                self.rate_limits.observe(response.status, limits, after, wall, now);
                (response.verdict(), response.status, response.explanation)
            }
        };
        self.report_answered(&shipment, verdict);
        if verdict == Verdict::Retry {
            let pause = self.circuit.fail(shipment.began, now, self.jitter.next()).map(|until| until - now);
            self.notify(Notice::Unreachable { status, explanation: explanation.clone(), pause }, now, effects);
        } else if self.circuit.succeed() {
            self.notify(Notice::Recovered, now, effects);
        }
        if let Some(parcel) = shipment.parcel {
            self.judge(parcel, verdict, status, explanation, now, effects);
        }
    }

    fn judge(
        &mut self,
        mut parcel: Parcel,
        verdict: Verdict,
        status: u16,
        explanation: String,
        now: Instant,
        effects: &mut Effects,
    ) {
        let lane = parcel.load.lane;
        match verdict {
            Verdict::Sent => {
                self.ledger.send(&parcel.load);
                self.forget(&parcel);
                self.settle(&parcel);
                match lane {
                    Lane::Log => self.logs.recycle(&mut parcel.payload),
                    Lane::Span => self.spans.recycle(&mut parcel.payload),
                    Lane::Transaction => {
                        self.spares.give(&mut parcel.payload);
                        self.spares.give(&mut parcel.streamed.payload);
                    }
                    _ => {}
                }
            }
            Verdict::Retry => {
                parcel.attempts = parcel.attempts.saturating_add(1);
                let wait = wait_after(parcel.attempts, self.jitter.next());
                self.queues.hold(parcel, now + wait);
                self.make_room(lane, 0, effects);
                return;
            }
            Verdict::TooLarge => {
                let (item, bytes) = (parcel.describe(), parcel.load.all_bytes());
                if let Some(left) = parcel.leave_attachments() {
                    self.notify(Notice::TooLarge { item, bytes, halved: false }, now, effects);
                    self.ledger.drop_held(&left, DropReason::SendError);
                    self.queues.push_front(parcel);
                    self.make_room(lane, 0, effects);
                    return;
                }
                let halves = parcel.halve();
                self.notify(Notice::TooLarge { item, bytes, halved: halves.is_some() }, now, effects);
                match halves {
                    Some((mut first, mut second)) => {
                        self.shelve_half(&mut first);
                        self.shelve_half(&mut second);
                        self.replace((first, second));
                        self.make_room(lane, 0, effects);
                        // The spans beside a transaction are in a lane of their own now.
                        self.make_room(Lane::Span, 0, effects);
                    }
                    None => self.drop_parcel(&parcel, DropReason::SendError),
                }
            }
            Verdict::Refused => {
                self.notify(Notice::Refused { item: parcel.describe(), status, explanation }, now, effects);
                self.drop_parcel(&parcel, DropReason::SendError);
            }
            // A limit that is none of its lane's has no end that we know: what the spool has is tried again, later each time.
            Verdict::RateLimited
                if self.rate_limits.blocked_until(lane, now).is_none()
                    && self.shelf.as_ref().is_some_and(|shelf| !shelf.has_failed()) =>
            {
                parcel.attempts = parcel.attempts.saturating_add(1);
                let wait = wait_after(parcel.attempts, self.jitter.next());
                self.notify(Notice::RateLimited { lane, kept: true, wait }, now, effects);
                self.queues.hold(parcel, now + wait);
                self.make_room(lane, 0, effects);
                return;
            }
            // The spool holds it until the limit ends; without one Sentry's rule is to discard it.
            Verdict::RateLimited => {
                let kept = self.spill_or_drop(&parcel, DropReason::RateLimited);
                self.notify_limit(lane, kept, now, effects);
            }
        }
        effects.garbage.push(parcel);
    }

    /// Seals the batches whose time has come.
    fn seal_due(&mut self, now: Instant, effects: &mut Effects) {
        if self.logs.due().is_some_and(|due| due <= now) {
            let sealed = self.logs.seal();
            self.queue([sealed, None], effects);
        }
        while self.spans.due().is_some_and(|due| due <= now) {
            let sealed = self.spans.seal_oldest();
            self.queue([sealed, None], effects);
        }
    }

    /// Drops what waits in lanes that Sentry asked us not to send; with a spool, leaves it there.
    fn shed(&mut self, now: Instant, effects: &mut Effects) {
        for lane in Lane::ALL {
            if self.queues.fill(lane).0 == 0 || self.rate_limits.blocked_until(lane, now).is_none() {
                continue;
            }
            let mut kept = true;
            while let Some(mut parcel) = self.queues.pop_oldest(lane) {
                if self.shelf.is_none() {
                    self.save_streamed(&mut parcel, now, effects);
                }
                kept &= self.spill_or_drop(&parcel, DropReason::RatelimitBackoff);
                effects.garbage.push(parcel);
            }
            self.notify_limit(lane, kept, now, effects);
        }
    }

    /// The spans beside a transaction that must not be sent may be sent alone, unless they are limited too.
    fn save_streamed(&mut self, parcel: &mut Parcel, now: Instant, effects: &mut Effects) {
        if self.rate_limits.blocked_until(Lane::Span, now).is_none()
            && let Some(spans) = parcel.take_streamed()
        {
            self.make_room(Lane::Span, spans.footprint(), effects);
            self.requeue(spans);
        }
    }

    fn notify_limit(&mut self, lane: Lane, kept: bool, now: Instant, effects: &mut Effects) {
        let wait = self.rate_limits.blocked_until(lane, now).map_or(Duration::ZERO, |until| until - now);
        self.notify(Notice::RateLimited { lane, kept, wait }, now, effects);
    }

    /// Whether drops are to be reported although there is nothing else to send.
    fn report_is_due(&self, now: Instant) -> bool {
        self.ledger.has_unreported()
            && self.reports_in_flight == 0
            && (self.report_wanted.is_some() || self.report_due.is_some_and(|due| due <= now))
            && self.rate_limits.reports_blocked_until(now).is_none()
    }

    fn report_answered(&mut self, shipment: &Shipment, verdict: Verdict) {
        if !shipment.report.is_empty() {
            self.reports_in_flight -= 1;
            if verdict != Verdict::Sent {
                self.ledger.restore(&shipment.report);
            }
        }
        if shipment.concludes_flush == self.report_wanted {
            self.report_wanted = None;
        }
        self.progressed = true;
    }
}
