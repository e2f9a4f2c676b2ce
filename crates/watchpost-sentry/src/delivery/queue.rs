//! Sealed parcels that wait: one bounded queue a lane, drawn from by weight, the oldest dropped when one is full.
//! A state machine without clock or I/O. Source: Sentry's telemetry processor (weighted round robin, drop oldest).

use std::{collections::VecDeque, time::Instant};

use super::{lane::Lane, parcel::Parcel};

/// The queues of all lanes.
#[derive(Debug)]
pub(super) struct Queues {
    lanes: [Queue; Lane::COUNT],
}

/// One lane's parcels.
#[derive(Debug)]
struct Queue {
    /// Never sent yet, oldest first.
    fresh: VecDeque<Parcel>,
    /// Sent without success, waiting for their next try; in the order of their failures.
    held: VecDeque<Held>,
    /// The footprint of all of them.
    bytes: usize,
    limit: usize,
    credit: i32,
}

#[derive(Debug)]
struct Held {
    parcel: Parcel,
    not_before: Instant,
}

/// Which parcels go first when both kinds are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preference {
    /// Those that wait for another try: they are older.
    Held,
    /// Those that were never tried. A probe takes these, or one parcel that always fails would close the way for all.
    Fresh,
}

impl Queues {
    /// `limits` are in bytes, in the order of [`Lane::ALL`].
    pub(super) fn new(limits: [usize; Lane::COUNT]) -> Self {
        let queue = |limit| Queue { fresh: VecDeque::new(), held: VecDeque::new(), bytes: 0, limit, credit: 0 };
        Self { lanes: limits.map(queue) }
    }

    pub(super) fn push(&mut self, parcel: Parcel) {
        let queue = self.lane_mut(parcel.load.lane);
        queue.bytes += parcel.footprint();
        queue.fresh.push_back(parcel);
    }

    /// Puts a parcel before all others: the halves of one that was too large.
    pub(super) fn push_front(&mut self, parcel: Parcel) {
        let queue = self.lane_mut(parcel.load.lane);
        queue.bytes += parcel.footprint();
        queue.fresh.push_front(parcel);
    }

    /// Puts back a parcel that was sent without success.
    pub(super) fn hold(&mut self, parcel: Parcel, not_before: Instant) {
        let queue = self.lane_mut(parcel.load.lane);
        queue.bytes += parcel.footprint();
        queue.held.push_back(Held { parcel, not_before });
    }

    /// Lets everything that waits for another try go now.
    pub(super) fn hurry(&mut self, now: Instant) {
        for held in self.lanes.iter_mut().flat_map(|queue| &mut queue.held) {
            held.not_before = held.not_before.min(now);
        }
    }

    /// Takes the parcel to send next. Lanes share the sends by weight: each time, every lane that has something gains
    /// its weight, and the one that has gained most pays for all.
    pub(super) fn pop(&mut self, preference: Preference, now: Instant) -> Option<Parcel> {
        let mut total = 0;
        let mut chosen: Option<&mut Queue> = None;
        for (queue, lane) in self.lanes.iter_mut().zip(Lane::ALL) {
            if !queue.is_ready(now) {
                queue.credit = 0;
                continue;
            }
            queue.credit += lane.weight();
            total += lane.weight();
            if chosen.as_ref().is_none_or(|best| queue.credit > best.credit) {
                chosen = Some(queue);
            }
        }
        let queue = chosen?;
        queue.credit -= total;
        queue.pop(preference, now)
    }

    /// Takes a lane's oldest parcel, due or not: to drop it.
    pub(super) fn pop_oldest(&mut self, lane: Lane) -> Option<Parcel> {
        let queue = self.lane_mut(lane);
        let parcel = queue.held.pop_front().map(|held| held.parcel).or_else(|| queue.fresh.pop_front())?;
        queue.bytes -= parcel.footprint();
        Some(parcel)
    }

    /// Takes a lane's oldest parcel if the lane, with `open` bytes of unsealed batches and `incoming` more, is beyond its
    /// bound.
    pub(super) fn evict(&mut self, lane: Lane, open: usize, incoming: usize) -> Option<Parcel> {
        let queue = self.lane_mut(lane);
        if queue.bytes + open + incoming <= queue.limit { None } else { self.pop_oldest(lane) }
    }

    /// The bytes that wait in a lane, and its bound.
    pub(super) fn fill(&self, lane: Lane) -> (usize, usize) {
        let queue = &self.lanes[lane as usize];
        (queue.bytes, queue.limit)
    }

    /// When the first parcel may be sent, as far as the queues know; `None` if none waits.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = |queue: &Queue| {
            if queue.fresh.is_empty() { queue.held.iter().map(|held| held.not_before).min() } else { Some(now) }
        };
        self.lanes.iter().filter_map(due).min()
    }

    #[cfg(test)]
    pub(super) fn parcels(&self) -> impl Iterator<Item = &Parcel> {
        self.lanes.iter().flat_map(|queue| queue.held.iter().map(|held| &held.parcel).chain(&queue.fresh))
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut Queue {
        &mut self.lanes[lane as usize]
    }
}

impl Queue {
    fn is_ready(&self, now: Instant) -> bool {
        !self.fresh.is_empty() || self.held.iter().any(|held| held.not_before <= now)
    }

    fn pop(&mut self, preference: Preference, now: Instant) -> Option<Parcel> {
        let parcel = match preference {
            Preference::Held => self.pop_held(now).or_else(|| self.fresh.pop_front()),
            Preference::Fresh => self.fresh.pop_front().or_else(|| self.pop_held(now)),
        }?;
        self.bytes -= parcel.footprint();
        Some(parcel)
    }

    fn pop_held(&mut self, now: Instant) -> Option<Parcel> {
        let place = self.held.iter().position(|held| held.not_before <= now)?;
        self.held.remove(place).map(|held| held.parcel)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::EventId;

    fn parcel(lane: Lane, bytes: usize) -> Parcel {
        Parcel::single(lane, EventId([0; 16]), None, vec![b'x'; bytes], 0)
    }

    fn unbounded() -> Queues {
        Queues::new([usize::MAX; Lane::COUNT])
    }

    #[test]
    fn lanes_share_the_sends_by_weight_and_errors_go_first() {
        let (mut queues, now) = (unbounded(), Instant::now());
        for lane in Lane::ALL {
            for _ in 0..100 {
                queues.push(parcel(lane, 1));
            }
        }
        let mut sends = [0; Lane::COUNT];
        for turn in 0..250 {
            let lane = queues.pop(Preference::Held, now).unwrap().load.lane;
            assert!(turn > 0 || lane == Lane::Error);
            sends[lane as usize] += 1;
        }
        assert_eq!(sends, [50, 30, 30, 20, 40, 40, 20, 20]);
    }

    #[test]
    fn an_error_that_comes_into_a_flood_of_logs_is_sent_next() {
        let (mut queues, now) = (unbounded(), Instant::now());
        for _ in 0..1_000 {
            queues.push(parcel(Lane::Log, 1));
        }
        for _ in 0..10 {
            queues.pop(Preference::Held, now);
        }
        queues.push(parcel(Lane::Error, 1));
        assert_eq!(queues.pop(Preference::Held, now).unwrap().load.lane, Lane::Error);
    }

    #[test]
    fn a_full_lane_loses_its_oldest_and_the_other_lanes_lose_nothing() {
        let one = parcel(Lane::Log, 100).footprint();
        let mut queues = Queues::new([one, one, one, 3 * one, one, one, one, one]);
        queues.push(parcel(Lane::Error, 100));
        for bytes in [100, 99, 98] {
            queues.push(parcel(Lane::Log, bytes));
        }
        assert_eq!(queues.evict(Lane::Log, 0, one).map(|parcel| parcel.payload.len()), Some(100));
        assert!(queues.evict(Lane::Log, 0, one).is_none());
        assert!(queues.evict(Lane::Error, 0, 0).is_none());
    }

    #[test]
    fn a_held_parcel_waits_for_its_time_and_then_goes_before_fresh_ones() {
        let (mut queues, now) = (unbounded(), Instant::now());
        let later = now + Duration::from_secs(1);
        queues.hold(parcel(Lane::Log, 1), later);
        assert_eq!(queues.due(now), Some(later));
        queues.push(parcel(Lane::Log, 2));
        queues.push(parcel(Lane::Log, 3));
        assert_eq!(queues.due(now), Some(now));
        let sizes = [now, later, later].map(|now| queues.pop(Preference::Held, now).unwrap().payload.len());
        assert_eq!(sizes, [2, 1, 3]);
        assert!(queues.due(later).is_none());
        assert_eq!(queues.fill(Lane::Log).0, 0);
    }

    #[test]
    fn a_probe_takes_what_was_never_tried() {
        let (mut queues, now) = (unbounded(), Instant::now());
        queues.hold(parcel(Lane::Log, 1), now);
        queues.push(parcel(Lane::Log, 2));
        assert_eq!(queues.pop(Preference::Fresh, now).unwrap().payload.len(), 2);
        assert_eq!(queues.pop(Preference::Fresh, now).unwrap().payload.len(), 1);
    }

    #[test]
    fn a_flush_lets_held_parcels_go_at_once() {
        let (mut queues, now) = (unbounded(), Instant::now());
        queues.hold(parcel(Lane::Error, 1), now + Duration::from_secs(30));
        assert!(queues.pop(Preference::Held, now).is_none());
        queues.hurry(now);
        assert!(queues.pop(Preference::Held, now).is_some());
    }
}
