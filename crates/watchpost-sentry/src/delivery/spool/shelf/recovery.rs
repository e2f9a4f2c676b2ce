//! What comes back from the disk: segments of dead processes and of our own that were spilled, and after a failure what of them is
//! there.

use super::{
    super::{
        read_back::ReadBack,
        record::{Entry, Found, Stored},
    },
    Command, FileId, Load, OWN_QUEUE, Place, Records, Segment, Shelf, Slip, State, add, nothing, subtract, take,
};
use crate::delivery::lane::Lane;

/// No item is older: 2025-01-01, in milliseconds since 1970.
const PLAUSIBLE_MS: u64 = 1_735_689_600_000;

/// What came of reading a segment back.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Restored {
    /// In memory again.
    pub(in crate::delivery) items: Vec<(Place, Stored)>,
    /// Too old to be sent.
    pub(in crate::delivery) expired: Vec<Load>,
    /// Damaged on disk.
    pub(in crate::delivery) lost: Vec<Load>,
}

impl Shelf {
    /// Takes a dead process's segment over. Gives what it still holds.
    pub(in crate::delivery) fn take_over(
        &mut self,
        file: FileId,
        bytes: u32,
        found: &Found,
        acknowledged: &[u32],
    ) -> Vec<Load> {
        let mut totals = nothing();
        let lane = found.entries.first().map_or(Lane::Log, |entry| entry.load.lane);
        let mut done = acknowledged.to_vec();
        done.sort_unstable();
        for entry in found.entries.iter().filter(|entry| done.binary_search(&entry.offset).is_err()) {
            add(&mut totals, &entry.load);
        }
        let slot = self.next_taken;
        self.next_taken += 1;
        self.bytes += u64::from(bytes);
        for load in &totals {
            self.spilled[load.lane as usize] += load.items;
            add(&mut self.kept, load);
        }
        self.segments
            .insert(slot, Segment { file, lane, bytes, records: Records::Folded { done, totals: Box::new(totals) } });
        self.tidy(slot);
        totals.into_iter().filter(|load| load.items > 0).collect()
    }

    /// Asks for the oldest segment that has something for a lane with room, unless one is being read.
    pub(in crate::delivery) fn read_next(&mut self, has_room: impl Fn(Lane) -> bool) {
        if self.reading.is_some() {
            return;
        }
        let wanted = |segment: &Segment| match &segment.records {
            Records::Open { spilled: 0, .. } => false,
            Records::Open { slips, .. } => {
                slips.iter().any(|slip| slip.state == State::Spilled && has_room(slip.load.lane))
            }
            Records::Folded { totals, .. } => totals.iter().any(|load| load.items > 0 && has_room(load.lane)),
        };
        if let Some((slot, segment)) = self.segments.iter().find(|(_, segment)| wanted(segment)) {
            self.reading = Some(*slot);
            // What comes on disk only, or is appended, meanwhile is for the next time.
            let wanted = match &segment.records {
                Records::Open { slips, .. } => {
                    let spilled = slips.iter().filter(|slip| slip.state == State::Spilled);
                    Some(spilled.map(|slip| slip.offset).collect())
                }
                Records::Folded { .. } => None,
            };
            self.commands.push_back(Command::Read { file: segment.file, wanted });
        }
    }

    /// Takes back what was read of a segment, as far as there is room.
    pub(in crate::delivery) fn restore(
        &mut self,
        read: &mut ReadBack,
        now_ms: u64,
        mut takes: impl FnMut(&Load) -> bool,
    ) -> Restored {
        let mut restored = Restored::default();
        let file = read.file;
        let Some(slot) = self.reading.take() else { return restored };
        let Some(segment) = self.segments.get_mut(&slot).filter(|segment| segment.file == file) else {
            return restored;
        };
        if let Records::Folded { done, totals } = &segment.records {
            let (slips, lost) = unfold(&read.entries, done, totals);
            for load in &lost {
                self.spilled[load.lane as usize] -= load.items;
                take(&mut self.kept, load);
            }
            restored.lost = lost;
            let spilled = slips.iter().filter(|slip| slip.state == State::Spilled).count() as u32;
            segment.records = Records::Open { slips, held: 0, spilled };
        }
        let Records::Open { slips, held, spilled } = &mut segment.records else { return restored };
        let mut finished = Vec::new();
        for (index, slip) in slips.iter_mut().enumerate().filter(|(_, slip)| slip.state == State::Spilled) {
            let Some(found) = read.take(slip.offset) else { continue };
            let Some((accepted_at, stored)) = found else {
                restored.lost.push(slip.load);
                finished.push((index, slip.offset));
                continue;
            };
            // A clock that was wrong then, as that of a machine which has just started may be, says nothing of an item's age.
            let is_known = accepted_at >= PLAUSIBLE_MS;
            if is_known && now_ms.saturating_sub(accepted_at) > self.max_age_ms {
                restored.expired.push(slip.load);
                finished.push((index, slip.offset));
            } else if takes(&slip.load) {
                slip.state = State::Held;
                *held += 1;
                *spilled -= 1;
                self.spilled[slip.load.lane as usize] -= slip.load.items;
                restored.items.push((Place { slot, index: index as u32 }, stored));
            }
        }
        if !finished.is_empty() {
            for (index, _) in &finished {
                let slip = &mut slips[*index];
                slip.state = State::Done;
                *spilled -= 1;
                self.spilled[slip.load.lane as usize] -= slip.load.items;
                take(&mut self.kept, &slip.load);
            }
            let offsets = finished.into_iter().map(|(_, offset)| offset).collect();
            self.commands.push_back(Command::Acknowledge { file, offsets });
        }
        self.tidy(slot);
        restored
    }

    /// The files of our own queue.
    pub(in crate::delivery) fn own_files(&self) -> Vec<FileId> {
        self.segments.values().map(|segment| segment.file).filter(|file| file.queue == OWN_QUEUE).collect()
    }

    /// After a failure: what of a file is on the disk. The rest is in memory only, or lost if it is not there either; that is
    /// given back.
    pub(in crate::delivery) fn confirm(&mut self, file: FileId, found: &Found) -> Vec<Load> {
        let Some((slot, segment)) = self.segments.iter_mut().find(|(_, segment)| segment.file == file) else {
            return Vec::new();
        };
        let is_found = |offset: u32| found.entries.binary_search_by_key(&offset, |entry| entry.offset).is_ok();
        let mut lost = nothing();
        match &mut segment.records {
            Records::Open { slips, held, spilled } => {
                for slip in slips.iter_mut().filter(|slip| slip.state != State::Done && !is_found(slip.offset)) {
                    take(&mut self.kept, &slip.load);
                    match std::mem::replace(&mut slip.state, State::Done) {
                        State::Spilled => {
                            *spilled -= 1;
                            add(&mut lost, &slip.load);
                        }
                        _ => *held -= 1,
                    }
                }
            }
            Records::Folded { done, totals } => {
                let mut left = nothing();
                let undone = found.entries.iter().filter(|entry| done.binary_search(&entry.offset).is_err());
                undone.for_each(|entry| add(&mut left, &entry.load));
                lost = std::mem::replace(&mut **totals, left);
                for (lost, left) in lost.iter_mut().zip(&**totals) {
                    subtract(lost, left);
                }
                lost.iter().for_each(|load| take(&mut self.kept, load));
            }
        }
        let slot = *slot;
        for load in &lost {
            self.spilled[load.lane as usize] -= load.items;
        }
        self.tidy(slot);
        lost.into_iter().filter(|load| load.items > 0).collect()
    }
}

/// A folded segment's records again, and what of them can't be found any more.
fn unfold(entries: &[Entry], done: &[u32], totals: &[Load; Lane::COUNT]) -> (Vec<Slip>, Vec<Load>) {
    let mut missing = *totals;
    let slip = |entry: &Entry| {
        let is_done = done.binary_search(&entry.offset).is_ok();
        let state = if is_done { State::Done } else { State::Spilled };
        Slip { offset: entry.offset, state, load: entry.load }
    };
    let slips: Vec<Slip> = entries.iter().map(slip).collect();
    for slip in slips.iter().filter(|slip| slip.state == State::Spilled) {
        subtract(&mut missing[slip.load.lane as usize], &slip.load);
    }
    (slips, missing.into_iter().filter(|load| load.items > 0).collect())
}
