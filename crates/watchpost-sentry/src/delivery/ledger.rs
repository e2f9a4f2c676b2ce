//! The ledger: what was accepted, sent and dropped, and what Sentry has yet to be told of the drops (client reports).
//! Source: Sentry's client reports, version 1.20.

use super::{
    lane::Load,
    outcome::{CATEGORIES, DropReason, Outcome},
};
use crate::wire::{Category, DiscardedItems};

/// Every load is in exactly one of four states here: held, sent, dropped, or not yet accepted.
#[derive(Debug)]
pub(super) struct Ledger {
    outcome: Outcome,
    unreported: Unreported,
    reports: bool,
    ended: bool,
}

impl Ledger {
    /// With `reports` off nothing is kept for client reports.
    pub(super) fn new(reports: bool) -> Self {
        Self { outcome: Outcome::default(), unreported: Unreported::default(), reports, ended: false }
    }

    pub(super) fn accept(&mut self, load: &Load) {
        if self.ended {
            return;
        }
        for (category, quantity) in load.tallied() {
            let tally = self.outcome.tally_mut(category);
            tally.accepted += quantity;
            tally.held += quantity;
        }
        for (category, bytes) in load.tallied_bytes() {
            let tally = self.outcome.tally_mut(category);
            tally.accepted_bytes += bytes;
            tally.held_bytes += bytes;
        }
    }

    /// Accepts what a process that is gone has left in the spool.
    pub(super) fn recover(&mut self, load: &Load) {
        self.accept(load);
        for (category, quantity) in load.tallied() {
            self.outcome.tally_mut(category).recovered += quantity;
        }
        for (category, bytes) in load.tallied_bytes() {
            self.outcome.tally_mut(category).recovered_bytes += bytes;
        }
    }

    pub(super) fn send(&mut self, load: &Load) {
        if self.ended {
            return;
        }
        for (category, quantity) in load.tallied() {
            let tally = self.outcome.tally_mut(category);
            tally.held -= quantity;
            tally.sent += quantity;
        }
        for (category, bytes) in load.tallied_bytes() {
            let tally = self.outcome.tally_mut(category);
            tally.held_bytes -= bytes;
            tally.sent_bytes += bytes;
        }
    }

    pub(super) fn drop_held(&mut self, load: &Load, reason: DropReason) {
        if self.ended {
            return;
        }
        for (category, quantity) in load.tallied() {
            self.outcome.tally_mut(category).held -= quantity;
        }
        for (category, bytes) in load.tallied_bytes() {
            self.outcome.tally_mut(category).held_bytes -= bytes;
        }
        self.count_dropped(load, reason);
    }

    /// Counts a load that never came to be held.
    pub(super) fn refuse(&mut self, load: &Load, reason: DropReason) {
        for (category, quantity) in load.tallied() {
            self.outcome.tally_mut(category).accepted += quantity;
        }
        for (category, bytes) in load.tallied_bytes() {
            self.outcome.tally_mut(category).accepted_bytes += bytes;
        }
        self.count_dropped(load, reason);
    }

    fn count_dropped(&mut self, load: &Load, reason: DropReason) {
        for (category, quantity) in load.tallied() {
            self.outcome.tally_mut(category).count_dropped(reason, quantity);
        }
        for (category, bytes) in load.tallied_bytes() {
            self.outcome.tally_mut(category).count_dropped_bytes(reason, bytes);
        }
        if self.reports {
            for (category, quantity) in load.categories() {
                self.unreported.add(reason, category, quantity);
            }
        }
    }

    /// The end: what is held and not `kept` in the spool is lost. What a send that is still under way brings changes nothing.
    pub(super) fn end(&mut self, kept: &[Load]) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for (category, [items, bytes]) in self.unkept(kept) {
            let tally = self.outcome.tally_mut(category);
            tally.held -= items;
            tally.held_bytes -= bytes;
            tally.count_dropped(DropReason::Shutdown, items);
            tally.count_dropped_bytes(DropReason::Shutdown, bytes);
        }
    }

    /// What of each category is held but not `kept` in the spool: items and bytes.
    pub(super) fn unkept(&self, kept: &[Load]) -> [(Category, [u64; 2]); CATEGORIES] {
        let mut unkept = [(Category::Error, [0; 2]); CATEGORIES];
        for (place, category) in unkept.iter_mut().zip(Category::ALL) {
            let tally = self.outcome.tally(*category);
            *place = (*category, [tally.held, tally.held_bytes]);
        }
        for load in kept {
            for (category, quantity) in load.tallied() {
                let items = &mut unkept[category as usize].1[0];
                *items = items.saturating_sub(quantity);
            }
            for (category, quantity) in load.tallied_bytes() {
                let bytes = &mut unkept[category as usize].1[1];
                *bytes = bytes.saturating_sub(quantity);
            }
        }
        unkept
    }

    /// Counts what never came to be held: refused after shutdown, or discarded by the caller.
    pub(super) fn discard(&mut self, reason: DropReason, category: Category, quantity: u64) {
        let tally = self.outcome.tally_mut(category);
        tally.accepted += quantity;
        tally.count_dropped(reason, quantity);
        if self.reports {
            self.unreported.add(reason, category, quantity);
        }
    }

    /// The figures now; `complete` is left to the caller.
    pub(super) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    /// Nothing is held.
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.held() == 0
    }

    pub(super) fn has_unreported(&self) -> bool {
        self.unreported.any
    }

    /// Takes what is to be reported; [`restore`](Self::restore) it if the report does not arrive.
    pub(super) fn take_unreported(&mut self) -> Vec<DiscardedItems> {
        self.unreported.take()
    }

    pub(super) fn restore(&mut self, discarded: &[DiscardedItems]) {
        for items in discarded {
            self.unreported.add(items.reason.into(), items.category, items.quantity);
        }
    }
}

/// Drops by reason and category that no client report has carried yet.
#[derive(Debug, Default)]
struct Unreported {
    quantities: [[u64; CATEGORIES]; DropReason::ALL.len()],
    any: bool,
}

impl Unreported {
    fn add(&mut self, reason: DropReason, category: Category, quantity: u64) {
        if reason.reported().is_some() && quantity > 0 {
            self.quantities[reason as usize][category as usize] += quantity;
            self.any = true;
        }
    }

    fn take(&mut self) -> Vec<DiscardedItems> {
        let mut discarded = Vec::new();
        if std::mem::take(&mut self.any) {
            for drop_reason in DropReason::ALL {
                let Some(reason) = drop_reason.reported() else { continue };
                for (category, quantity) in Category::ALL.iter().zip(&mut self.quantities[drop_reason as usize]) {
                    let quantity = std::mem::take(quantity);
                    if quantity > 0 {
                        discarded.push(DiscardedItems { reason, category: *category, quantity });
                    }
                }
            }
        }
        discarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::lane::Lane, wire::DiscardReason};

    #[test]
    fn the_categories_are_in_the_order_of_their_places() {
        for (place, category) in Category::ALL.iter().enumerate() {
            assert_eq!(*category as usize, place);
        }
    }

    #[test]
    fn a_dropped_transaction_is_reported_with_its_spans_and_tallied_once() {
        let mut ledger = Ledger::new(true);
        let load = Load { spans: 4, ..Load::new(Lane::Transaction, 1, 900) };
        ledger.accept(&load);
        ledger.drop_held(&load, DropReason::NetworkError);
        let reason = DiscardReason::NetworkError;
        assert_eq!(
            ledger.take_unreported(),
            [
                DiscardedItems { reason, category: Category::Transaction, quantity: 1 },
                DiscardedItems { reason, category: Category::Span, quantity: 4 },
            ]
        );
        assert_eq!((ledger.outcome().accepted(), ledger.outcome().dropped()), (1, 1));
    }

    #[test]
    fn spans_beside_a_transaction_are_items_of_their_own() {
        let mut ledger = Ledger::new(true);
        let load = Load { spans: 2, streamed: 3, ..Load::new(Lane::Transaction, 1, 900) };
        ledger.accept(&load);
        ledger.drop_held(&load, DropReason::NetworkError);
        let quantities: Vec<_> =
            ledger.take_unreported().iter().map(|items| (items.category, items.quantity)).collect();
        assert_eq!(quantities, [(Category::Transaction, 1), (Category::Span, 5)]);
        assert_eq!((ledger.outcome().accepted(), ledger.outcome().tally(Category::Span).dropped()), (4, 3));
    }

    #[test]
    fn dropped_logs_are_reported_in_items_and_in_bytes() {
        let mut ledger = Ledger::new(true);
        let load = Load::new(Lane::Log, 3, 700);
        ledger.accept(&load);
        ledger.drop_held(&load, DropReason::QueueOverflow);
        let reason = DiscardReason::QueueOverflow;
        assert_eq!(
            ledger.take_unreported(),
            [
                DiscardedItems { reason, category: Category::LogItem, quantity: 3 },
                DiscardedItems { reason, category: Category::LogByte, quantity: 700 },
            ]
        );
        assert_eq!(ledger.outcome().tally(Category::LogByte).dropped(), 700);
    }

    #[test]
    fn a_report_that_did_not_arrive_is_merged_with_what_was_dropped_since() {
        let mut ledger = Ledger::new(true);
        ledger.discard(DropReason::SampleRate, Category::Transaction, 2);
        let taken = ledger.take_unreported();
        assert!(!ledger.has_unreported());
        ledger.discard(DropReason::SampleRate, Category::Transaction, 5);
        ledger.restore(&taken);
        let again = ledger.take_unreported();
        assert_eq!(again.iter().map(|items| items.quantity).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn what_is_held_at_the_end_and_kept_nowhere_is_dropped_and_nothing_changes_that() {
        let mut ledger = Ledger::new(true);
        let (lost, kept) = (Load::new(Lane::Log, 3, 700), Load::new(Lane::Error, 2, 90));
        let hybrid = Load { spans: 2, streamed: 3, streamed_bytes: 60, ..Load::new(Lane::Transaction, 1, 840) };
        [lost, kept, hybrid].iter().for_each(|load| ledger.accept(load));
        ledger.end(&[kept]);
        ledger.send(&lost);
        ledger.drop_held(&hybrid, DropReason::SendError);
        ledger.accept(&kept);
        let outcome = ledger.outcome();
        assert_eq!((outcome.accepted(), outcome.held(), outcome.dropped_by(DropReason::Shutdown)), (9, 2, 7));
        assert_eq!((outcome.accepted_bytes(), outcome.held_bytes(), outcome.dropped_bytes()), (1_690, 90, 1_600));
        assert!(!ledger.has_unreported());
    }

    #[test]
    fn what_sentry_counted_itself_is_not_reported() {
        let mut ledger = Ledger::new(true);
        let load = Load::new(Lane::Error, 1, 10);
        ledger.accept(&load);
        ledger.drop_held(&load, DropReason::RateLimited);
        assert!(!ledger.has_unreported());
        assert_eq!(ledger.outcome().dropped_by(DropReason::RateLimited), 1);
    }

    #[test]
    fn with_reports_off_drops_are_counted_and_nothing_is_kept_for_sentry() {
        let mut ledger = Ledger::new(false);
        ledger.discard(DropReason::BeforeSend, Category::Error, 1);
        assert!(!ledger.has_unreported());
        assert_eq!(ledger.outcome().dropped(), 1);
    }
}
