//! The shelf: which records stand in which segment, and what has become of each. A state machine without clock or I/O; what is
//! to be done on disk comes out as [`Command`]s, in order.

mod recovery;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::{
    SpoolConfig,
    record::{self, Item},
};
use crate::delivery::lane::{Lane, Load};

/// A segment is closed at this size: small enough to be read back at once and to be deleted soon. Each lane has segments of its
/// own, so that a flood of logs pushes no errors out.
const SEGMENT_BYTES: u32 = 1024 * 1024;
/// The first slot of our own segments; those of dead processes stand before it, since they are older.
const FIRST_OWN_SLOT: u32 = 1 << 31;
/// When the disk can't keep up, what comes beyond this many bytes is in memory only: a burst of tens of thousands of items is as
/// much ahead of a disk that is fast.
const MAX_UNWRITTEN: usize = 32 * 1024 * 1024;
/// From so many bytes on the writer does not let things gather.
const MANY_UNWRITTEN: usize = 12 * 1024 * 1024;
/// What is longer is in memory only: with all that stands beside it a record could be too long to be read back.
const MAX_ITEM_BYTES: u64 = 32 * 1024 * 1024;
/// So many pending commands are looked back at for one that can be prolonged.
const LOOK_BACK: usize = 8;
/// As many buffers that were written or need not be are filled again, since fresh memory costs more than all the rest,
const MAX_SPARES: usize = 4;
/// of at most so many bytes.
const MAX_SPARE_BYTES: usize = 2 * SEGMENT_BYTES as usize;
/// Our own queue; those taken over count from 1.
pub(super) const OWN_QUEUE: u32 = 0;

/// A segment's file: `number` in the folder of `queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) struct FileId {
    pub(in super::super) queue: u32,
    pub(in super::super) number: u32,
}

/// What the writer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Command {
    /// Append to a segment, which may be new: records without checksums ([`seal`](super::record::seal)).
    Append { file: FileId, bytes: Vec<u8> },
    /// Note that the records at these offsets are done with.
    Acknowledge { file: FileId, offsets: Vec<u32> },
    /// Everything in it is done with.
    Delete { file: FileId },
    /// Read the records at these offsets back, or all there are: [`Shelf::restore`].
    Read { file: FileId, wanted: Option<Vec<u32>> },
}

/// A record's place on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place {
    slot: u32,
    index: u32,
}

/// The shelf.
#[derive(Debug)]
pub(in super::super) struct Shelf {
    /// By age.
    segments: BTreeMap<u32, Segment>,
    /// The segments being appended to, one for each lane.
    current: [Option<u32>; Lane::COUNT],
    next_own: u32,
    next_taken: u32,
    commands: VecDeque<Command>,
    /// The segment that is being read back.
    reading: Option<u32>,
    bytes: u64,
    segment_bytes: u32,
    max_bytes: u64,
    max_age_ms: u64,
    /// What is on disk only, for each lane.
    spilled: [u64; Lane::COUNT],
    /// What is on disk and neither sent nor dropped, in memory too or not.
    kept: [Load; Lane::COUNT],
    unwritten: usize,
    /// Something has changed that the writer is not asked to do anything about.
    stirred: bool,
    spares: Vec<Vec<u8>>,
    failed: bool,
}

#[derive(Debug)]
struct Segment {
    file: FileId,
    lane: Lane,
    bytes: u32,
    records: Records,
}

/// A segment's records: one by one while some of them are in memory, else summed up.
#[derive(Debug)]
enum Records {
    Open { slips: Vec<Slip>, held: u32, spilled: u32 },
    Folded { done: Vec<u32>, totals: Box<[Load; Lane::COUNT]> },
}

/// A record, in few bytes.
#[derive(Clone, Copy, Debug)]
struct Slip {
    offset: u32,
    state: State,
    load: Load,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In memory too.
    Held,
    /// On disk only.
    Spilled,
    Done,
}

impl Place {
    /// The place of an item that the disk did not take.
    const NOWHERE: Self = Self { slot: u32::MAX, index: 0 };
}

impl Shelf {
    /// An empty one.
    pub(in super::super) fn new(config: &SpoolConfig) -> Self {
        Self {
            segments: BTreeMap::new(),
            current: [None; Lane::COUNT],
            next_own: FIRST_OWN_SLOT,
            next_taken: 0,
            commands: VecDeque::new(),
            reading: None,
            bytes: 0,
            segment_bytes: SEGMENT_BYTES,
            max_bytes: config.max_bytes,
            max_age_ms: u64::try_from(config.max_age.as_millis()).unwrap_or(u64::MAX),
            spilled: [0; Lane::COUNT],
            kept: nothing(),
            unwritten: 0,
            stirred: false,
            spares: Vec::new(),
            failed: false,
        }
    }

    #[cfg(test)]
    pub(in super::super) fn with_segment_bytes(mut self, bytes: u32) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Whether so much waits to be written that the writer had better begin.
    pub(in super::super) const fn is_pressed(&self) -> bool {
        self.unwritten > MANY_UNWRITTEN
    }

    /// Puts an item on the shelf. Its place is nowhere when the disk has failed or can't keep up: then it is in memory only.
    pub(in super::super) fn append(&mut self, item: Item<'_>, load: Load, now_ms: u64) -> Place {
        self.try_append(item, load, now_ms).unwrap_or(Place::NOWHERE)
    }

    fn try_append(&mut self, item: Item<'_>, load: Load, now_ms: u64) -> Option<Place> {
        if self.failed || self.unwritten > MAX_UNWRITTEN || load.all_bytes() > MAX_ITEM_BYTES {
            return None;
        }
        let slot = self.current_slot(load.lane);
        let segment = self.segments.get_mut(&slot)?;
        let file = segment.file;
        let pending = self.commands.iter().rev().take(LOOK_BACK);
        let prolonged = pending.enumerate().find_map(|(back, command)| match command {
            Command::Append { file: about, .. } if *about == file => Some(self.commands.len() - 1 - back),
            _ => None,
        });
        let place = prolonged.unwrap_or_else(|| {
            let bytes = self.spares.pop().unwrap_or_default();
            self.commands.push_back(Command::Append { file, bytes });
            self.commands.len() - 1
        });
        let Some(Command::Append { bytes, .. }) = self.commands.get_mut(place) else { return None };
        let before = bytes.len();
        record::write(item, now_ms, bytes);
        let length = u32::try_from(bytes.len() - before).unwrap_or(u32::MAX);
        let Records::Open { slips, held, .. } = &mut segment.records else { return None };
        let index = slips.len() as u32;
        slips.push(Slip { offset: segment.bytes, state: State::Held, load });
        *held += 1;
        segment.bytes += length;
        self.bytes += u64::from(length);
        self.unwritten += length as usize;
        let is_full = segment.bytes >= self.segment_bytes;
        add(&mut self.kept, &load);
        if is_full {
            self.close_lane(load.lane);
        }
        Some(Place { slot, index })
    }

    /// The items at these places were sent or dropped.
    pub(in super::super) fn done(&mut self, places: &[Place]) {
        for place in places {
            let Some(segment) = self.segments.get_mut(&place.slot) else { continue };
            let Records::Open { slips, held, spilled } = &mut segment.records else { continue };
            let Some(slip) = slips.get_mut(place.index as usize) else { continue };
            match std::mem::replace(&mut slip.state, State::Done) {
                State::Held => *held -= 1,
                State::Spilled => {
                    *spilled -= 1;
                    self.spilled[slip.load.lane as usize] -= slip.load.items;
                }
                State::Done => continue,
            }
            take(&mut self.kept, &slip.load);
            let (file, offset) = (segment.file, slip.offset);
            match self.commands.back_mut() {
                Some(Command::Acknowledge { file: last, offsets }) if *last == file => offsets.push(offset),
                _ => self.commands.push_back(Command::Acknowledge { file, offsets: vec![offset] }),
            }
            self.tidy(place.slot);
        }
    }

    /// The items at these places are forgotten in memory, to be read back later. False if they are on no disk.
    pub(in super::super) fn spill(&mut self, places: &[Place]) -> bool {
        let is_kept = |place: &Place| match self.segments.get(&place.slot).map(|segment| &segment.records) {
            Some(Records::Open { slips, .. }) => {
                slips.get(place.index as usize).is_some_and(|slip| slip.state == State::Held)
            }
            _ => false,
        };
        if self.failed || places.is_empty() || !places.iter().all(is_kept) {
            return false;
        }
        for place in places {
            let Some(segment) = self.segments.get_mut(&place.slot) else { continue };
            let Records::Open { slips, held, spilled } = &mut segment.records else { continue };
            let Some(slip) = slips.get_mut(place.index as usize) else { continue };
            slip.state = State::Spilled;
            *held -= 1;
            *spilled += 1;
            self.spilled[slip.load.lane as usize] += slip.load.items;
            self.tidy(place.slot);
        }
        self.stirred = true;
        true
    }

    /// Drops segments until the rest is within the bound: the oldest of the lane that takes the most room. Gives what was on
    /// them only.
    pub(in super::super) fn make_room(&mut self) -> Vec<Load> {
        let mut dropped = Vec::new();
        while self.bytes > self.max_bytes {
            let Some(segment) = self.expendable().and_then(|slot| self.remove(slot)) else { break };
            let (held, spilled) = segment.records.totals();
            held.iter().for_each(|load| take(&mut self.kept, load));
            for load in spilled.into_iter().filter(|load| load.items > 0) {
                self.spilled[load.lane as usize] -= load.items;
                take(&mut self.kept, &load);
                dropped.push(load);
            }
        }
        dropped
    }

    /// The segment to drop next. What is in memory too keeps its place on disk as long as anything else is left: it goes only
    /// when the bound is smaller than what memory holds.
    fn expendable(&self) -> Option<u32> {
        let mut lanes = Lane::ALL.map(|lane| (lane, 0));
        for segment in self.segments.values() {
            lanes[segment.lane as usize].1 += u64::from(segment.bytes);
        }
        // Among equals the least important pays.
        lanes.reverse();
        lanes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let oldest = |lane: Lane, is_wanted: fn(&Segment) -> bool| {
            let of_lane = self.segments.iter().filter(|(slot, segment)| {
                segment.lane == lane && Some(**slot) != self.current[lane as usize] && is_wanted(segment)
            });
            of_lane.map(|(slot, _)| *slot).next()
        };
        let find = |is_wanted| lanes.iter().find_map(|(lane, _)| oldest(*lane, is_wanted));
        find(|segment| !matches!(segment.records, Records::Open { held: 1.., .. })).or_else(|| find(|_| true))
    }

    fn remove(&mut self, slot: u32) -> Option<Segment> {
        let segment = self.segments.remove(&slot)?;
        self.bytes -= u64::from(segment.bytes);
        self.commands.push_back(Command::Delete { file: segment.file });
        if self.reads(slot) {
            self.reading = None;
        }
        Some(segment)
    }

    /// What the writer is to do, in order.
    pub(in super::super) fn take_commands(&mut self) -> Vec<Command> {
        self.unwritten = 0;
        self.stirred = false;
        self.commands.drain(..).collect()
    }

    /// Takes back a buffer that was written.
    pub(in super::super) fn recycle(&mut self, bytes: Vec<u8>) {
        keep_spare(&mut self.spares, bytes);
    }

    /// Whether the writer should look.
    pub(in super::super) fn has_commands(&self) -> bool {
        self.stirred || !self.commands.is_empty()
    }

    /// The disk failed: nothing is put on the shelf any more. What is on it is still read back; what that is,
    /// [`confirm`](Self::confirm) has to be told.
    pub(in super::super) fn fail(&mut self) {
        self.failed = true;
        self.commands.retain(|command| !matches!(command, Command::Append { .. }));
        self.close_current();
    }

    pub(in super::super) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// How many items of a lane are on disk only.
    pub(in super::super) const fn spilled(&self, lane: Lane) -> u64 {
        self.spilled[lane as usize]
    }

    pub(in super::super) fn has_spilled(&self) -> bool {
        self.spilled.iter().any(|items| *items > 0)
    }

    /// The bytes of its segments.
    pub(in super::super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is on disk and neither sent nor dropped, for each lane.
    pub(in super::super) const fn kept(&self) -> &[Load; Lane::COUNT] {
        &self.kept
    }

    /// Nothing will be appended any more: what is empty goes.
    pub(in super::super) fn close_current(&mut self) {
        Lane::ALL.into_iter().for_each(|lane| self.close_lane(lane));
    }

    fn close_lane(&mut self, lane: Lane) {
        if let Some(slot) = self.current[lane as usize].take() {
            self.tidy(slot);
        }
    }

    fn reads(&self, slot: u32) -> bool {
        self.reading == Some(slot)
    }

    fn current_slot(&mut self, lane: Lane) -> u32 {
        if let Some(slot) = self.current[lane as usize] {
            return slot;
        }
        let slot = self.next_own;
        self.next_own += 1;
        let file = FileId { queue: OWN_QUEUE, number: slot - FIRST_OWN_SLOT + 1 };
        let records = Records::Open { slips: Vec::new(), held: 0, spilled: 0 };
        self.segments.insert(slot, Segment { file, lane, bytes: 0, records });
        self.current[lane as usize] = Some(slot);
        slot
    }

    /// Deletes a segment that is done with; sums up one of which nothing is in memory.
    fn tidy(&mut self, slot: u32) {
        if self.current.contains(&Some(slot)) || self.reads(slot) {
            return;
        }
        let Some(segment) = self.segments.get_mut(&slot) else { return };
        let is_done = match &segment.records {
            Records::Open { held, spilled, .. } => *held == 0 && *spilled == 0,
            Records::Folded { totals, .. } => totals.iter().all(|load| load.items == 0),
        };
        if is_done {
            let (file, bytes) = (segment.file, segment.bytes);
            self.segments.remove(&slot);
            self.bytes -= u64::from(bytes);
            // What was to be written or noted of it need not be: in quiet times nothing gets as far as the disk.
            let spares = &mut self.spares;
            self.commands.retain_mut(|command| match command {
                Command::Append { file: about, bytes } if *about == file => {
                    keep_spare(spares, std::mem::take(bytes));
                    false
                }
                Command::Acknowledge { file: about, .. } => *about != file,
                Command::Append { .. } | Command::Delete { .. } | Command::Read { .. } => true,
            });
            self.commands.push_back(Command::Delete { file });
            return;
        }
        if let Records::Open { slips, held: 0, .. } = &segment.records {
            let (_, totals) = segment.records.totals();
            let done = slips.iter().filter(|slip| slip.state == State::Done).map(|slip| slip.offset).collect();
            segment.records = Records::Folded { done, totals: Box::new(totals) };
        }
    }
}

impl Records {
    /// What of them is in memory too, and what is on disk only.
    fn totals(&self) -> ([Load; Lane::COUNT], [Load; Lane::COUNT]) {
        let (mut held, mut spilled) = (nothing(), nothing());
        match self {
            Self::Folded { totals, .. } => spilled = **totals,
            Self::Open { slips, .. } => {
                for slip in slips {
                    match slip.state {
                        State::Held => add(&mut held, &slip.load),
                        State::Spilled => add(&mut spilled, &slip.load),
                        State::Done => {}
                    }
                }
            }
        }
        (held, spilled)
    }
}

fn keep_spare(spares: &mut Vec<Vec<u8>>, mut bytes: Vec<u8>) {
    if spares.len() < MAX_SPARES && bytes.capacity() <= MAX_SPARE_BYTES {
        bytes.clear();
        spares.push(bytes);
    }
}

fn add(totals: &mut [Load; Lane::COUNT], load: &Load) {
    let total = &mut totals[load.lane as usize];
    total.items += load.items;
    total.bytes += load.bytes;
    total.spans += load.spans;
    total.streamed += load.streamed;
    total.streamed_bytes += load.streamed_bytes;
}

fn take(totals: &mut [Load; Lane::COUNT], load: &Load) {
    subtract(&mut totals[load.lane as usize], load);
}

fn subtract(total: &mut Load, load: &Load) {
    total.items = total.items.saturating_sub(load.items);
    total.bytes = total.bytes.saturating_sub(load.bytes);
    total.spans = total.spans.saturating_sub(load.spans);
    total.streamed = total.streamed.saturating_sub(load.streamed);
    total.streamed_bytes = total.streamed_bytes.saturating_sub(load.streamed_bytes);
}

fn nothing() -> [Load; Lane::COUNT] {
    Lane::ALL.map(|lane| Load::new(lane, 0, 0))
}
