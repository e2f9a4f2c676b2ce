//! The state's side of the spool: what is put on the shelf, taken from it and read back.

use super::*;
use crate::delivery::spool::Stored;

/// What an item takes in a batch beside its bytes.
const PLACE_BYTES: usize = 1 + size_of::<u32>() + size_of::<Place>();
/// A lane takes from the disk up to this part of its bound.
const FILL_QUARTERS: usize = 2;

impl State {
    /// Puts an item on the shelf, if there is one.
    pub(super) fn shelve(&mut self, item: Item<'_>, load: Load) -> Option<Place> {
        let shelf = self.shelf.as_mut()?;
        let place = shelf.append(item, load, self.wall_ms);
        for load in shelf.make_room() {
            self.ledger.drop_held(&load, DropReason::CacheOverflow);
            self.progressed = true;
        }
        Some(place)
    }

    /// Half of a parcel that has no place of its own gets one.
    pub(in super::super) fn shelve_half(&mut self, half: &mut Parcel) {
        if half.places.is_empty() {
            half.places.extend(self.shelve(Item::Sealed(half), half.load));
        }
    }

    /// A parcel is done with, sent or dropped: so are its records.
    pub(in super::super) fn forget(&mut self, parcel: &Parcel) {
        if let Some(shelf) = &mut self.shelf {
            shelf.done(&parcel.places);
        }
    }

    /// Asks for what is on disk only, when there is room for it and Sentry takes it.
    pub(in super::super) fn read_spilled(&mut self, now: Instant) {
        let Some(mut shelf) = self.shelf.take() else { return };
        if shelf.has_spilled() && self.circuit.permit(now) == Permit::Free {
            shelf.read_next(|lane| {
                let (bytes, limit) = self.queues.fill(lane);
                bytes + self.open_bytes(lane) <= limit / 4 && self.rate_limits.blocked_until(lane, now).is_none()
            });
        }
        self.shelf = Some(shelf);
    }

    /// When a rate limit ends that keeps items on disk.
    pub(in super::super) fn spilled_until(&self, now: Instant) -> Option<Instant> {
        let shelf = self.shelf.as_ref()?;
        let limited = Lane::ALL.into_iter().filter(|lane| shelf.spilled(*lane) > 0);
        limited.filter_map(|lane| self.rate_limits.blocked_until(lane, now)).min()
    }

    /// Whether something is on disk only, and rate limits keep all of it there until then.
    pub(super) fn spilled_is_blocked(&self, now: Instant, until: Instant) -> bool {
        let is_blocked = |lane| self.rate_limits.blocked_until(lane, now).is_some_and(|end| end >= until);
        self.shelf.as_ref().is_some_and(|shelf| {
            shelf.has_spilled() && Lane::ALL.into_iter().all(|lane| shelf.spilled(lane) == 0 || is_blocked(lane))
        })
    }

    /// A segment was read back.
    pub(in super::super) fn restore(&mut self, read: &mut ReadBack, now: Instant, effects: &mut Effects) {
        let Some(mut shelf) = self.shelf.take() else { return };
        let mut taken = [0; Lane::COUNT];
        let restored = shelf.restore(read, self.wall_ms, |load| {
            let (bytes, limit) = self.queues.fill(load.lane);
            let size = usize::try_from(load.all_bytes()).unwrap_or(usize::MAX).saturating_add(PLACE_BYTES);
            let with = bytes.saturating_add(self.open_bytes(load.lane)).saturating_add(taken[load.lane as usize]);
            let is_first = with == 0;
            let fits = with.saturating_add(size) <= limit / 4 * FILL_QUARTERS || is_first && size <= limit;
            if fits && self.rate_limits.blocked_until(load.lane, now).is_none() {
                taken[load.lane as usize] += size;
                return true;
            }
            false
        });
        self.shelf = Some(shelf);
        for (lost, reason) in
            [(restored.expired, DropReason::CacheOverflow), (restored.lost, DropReason::InternalSdkError)]
        {
            for load in lost {
                self.ledger.drop_held(&load, reason);
                self.progressed = true;
            }
        }
        // They were accepted before any flush that is waited for: no batch mixes them with what came since.
        let sealed = [self.logs.seal(), None];
        self.queue(sealed, effects);
        while let Some(parcel) = self.spans.seal_oldest() {
            self.queue([Some(parcel), None], effects);
        }
        for (place, stored) in restored.items {
            self.busy = true;
            let sealed = match stored {
                Stored::Log(json) => self.logs.push(&json, Some(place), || now),
                Stored::Span { json, ends_segment, trace } => {
                    self.spans.push(&json, ends_segment, &trace, Some(place), || now)
                }
                Stored::Sealed(mut parcel) => {
                    parcel.places.push(place);
                    [Some(*parcel), None]
                }
            };
            sealed.into_iter().flatten().for_each(|parcel| self.requeue_restored(parcel));
        }
        // They have waited long enough to wait for a batch to be filled.
        if let Some(parcel) = self.logs.seal() {
            self.requeue_restored(parcel);
        }
        while let Some(parcel) = self.spans.seal_oldest() {
            self.requeue_restored(parcel);
        }
        // There may be more to read.
        effects.wake |= self.sleep.take().is_some();
    }

    fn requeue_restored(&mut self, mut parcel: Parcel) {
        parcel.epoch = 0;
        self.requeue(parcel);
    }

    /// Takes over what dead processes left.
    pub(in super::super) fn take_over(
        &mut self,
        segments: Vec<(FileId, TakenSegment)>,
        effects: &mut Effects,
    ) -> TakenOver {
        let mut taken = TakenOver::default();
        let Some(shelf) = &mut self.shelf else { return taken };
        for (file, segment) in segments {
            taken.damaged += segment.found.damaged;
            for load in shelf.take_over(file, segment.bytes, &segment.found, &segment.acknowledged) {
                self.ledger.recover(&load);
                taken.items += load.items + load.streamed;
            }
        }
        for load in shelf.make_room() {
            self.ledger.drop_held(&load, DropReason::CacheOverflow);
        }
        self.recovered += taken.items;
        self.damaged += taken.damaged;
        effects.wake |= taken.items > 0 && self.sleep.take().is_some();
        taken
    }

    /// The disk failed: from now on in memory only.
    pub(in super::super) fn fail_spool(&mut self) {
        if let Some(shelf) = &mut self.shelf {
            shelf.fail();
        }
    }

    /// After a failure: what of a file is on the disk.
    pub(in super::super) fn confirm_spooled(&mut self, file: FileId, found: &Found) {
        let Some(shelf) = &mut self.shelf else { return };
        for load in shelf.confirm(file, found) {
            self.ledger.drop_held(&load, DropReason::InternalSdkError);
            self.progressed = true;
        }
    }

    /// What other processes may know of this one.
    pub(in super::super) fn account(&self, now: Instant) -> Account {
        let kept = self.shelf.as_ref().map(Shelf::kept);
        let mut account = Account::of(&self.ledger.outcome(), self.ledger.unkept(kept.map_or(&[], |kept| &kept[..])));
        let until = |until: Instant| {
            let left = u64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX);
            self.wall_ms.saturating_add(left)
        };
        account.limits = self.rate_limits.in_force(now).map(|(name, end)| (name.to_owned(), until(end))).collect();
        account
    }
}

/// What dead processes had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct TakenOver {
    pub(in super::super) items: u64,
    /// Stretches of bytes that were no records.
    pub(in super::super) damaged: u64,
}
