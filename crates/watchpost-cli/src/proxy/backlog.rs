//! The copy of the traffic on its way from the pumps to the observer: bounded in bytes, never waited for.
//! When the observer lags, chunks are skipped and counted instead.

use std::{
    mem,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use watchpost::{mcp::Moment, model::Direction};

/// What the observer is given at a time: chunks of both directions in the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

/// One chunk in a batch, or the gap where chunks were skipped.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Chunk { direction: Direction, len: usize, at: Moment },
    Skipped { direction: Direction, len: u64 },
}

/// What [`Batch::for_each`] shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Observed<'a> {
    /// Bytes as read.
    Chunk { direction: Direction, bytes: &'a [u8], at: Moment },
    /// So many bytes were not kept.
    Skipped { direction: Direction, len: u64 },
}

/// A buffer up to this size is kept while the observer sleeps; larger ones are given back. Not earlier: to map and clear new
/// pages costs a busy pump more than the copy.
const KEPT_BYTES: usize = 256 * 1024;

impl Batch {
    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Shows the entries in order.
    pub(super) fn for_each(&self, mut show: impl FnMut(Observed<'_>)) {
        let mut rest = self.bytes.as_slice();
        for entry in &self.entries {
            match *entry {
                Entry::Chunk { direction, len, at } => {
                    let (bytes, after) = rest.split_at(len);
                    rest = after;
                    show(Observed::Chunk { direction, bytes, at });
                }
                Entry::Skipped { direction, len } => show(Observed::Skipped { direction, len }),
            }
        }
    }

    /// Empties it for its next use.
    pub(super) fn recycle(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Gives back the memory of an empty batch if it is much.
    fn give_back(&mut self) {
        if self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>() > KEPT_BYTES {
            *self = Self::default();
        }
    }

    /// What it weighs against the bound: its bytes and the entries' own.
    fn weight(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    fn append(&mut self, bytes: &[u8], limit: usize) {
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            // Doubling, as Vec does, but never past the bound.
            let capacity = (self.bytes.capacity() * 2).min(limit).max(needed);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// The hand-over between the pumps and the observer's thread.
///
/// The lock is held for a copy or a swap, never round a wait: an observer that the scheduler takes the core from at its
/// wake-up must not hold what a pump needs. (With a `Condvar`, which locks on waking, the 99th percentile of a round trip on
/// busy cores was several times as long.)
#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    /// Known from its first [`Backlog::take`] on.
    observer: OnceLock<Thread>,
    /// Half of the bound: one batch is filled while the observer works on the other.
    batch_limit: usize,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// Where in the batch the gap of each direction is, while nothing of that direction came after it.
    open_gap: [Option<usize>; 2],
    unobserved: u64,
    /// The observer waits for the first chunk; else it works, or looks again by itself.
    asleep: bool,
    closed: bool,
    /// Nobody observes any more.
    abandoned: bool,
}

/// How the observer looks at the backlog.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// How long it leaves the core to others first, whatever has gathered.
    pub(super) rest: Duration,
    /// The time between two looks after that, in which chunks gather; cut short when much has.
    pub(super) nap: Duration,
    /// How long it goes on looking when nothing comes, before it sleeps until it is woken.
    pub(super) linger: Duration,
}

/// Whether the observer has to be woken after the chunk was forwarded: see [`Backlog::wake`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeedsWake(bool);

impl Backlog {
    /// A backlog of at most `limit` bytes, what the observer has in hand included.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), observer: OnceLock::new(), batch_limit: limit / 2 }
    }

    /// Keeps a copy of a chunk, or counts it as skipped when it does not fit. Costs a copy, never a wait.
    ///
    /// To be called between the read and the write: as the copy precedes the write, an answer can't overtake its request
    /// on the way to the observer. To be followed by [`Backlog::wake`] after the write.
    pub(super) fn push(&self, direction: Direction, bytes: &[u8], at: Moment) -> NeedsWake {
        let mut state = self.lock();
        if state.abandoned {
            state.unobserved += bytes.len() as u64;
            return NeedsWake(false);
        }
        let before = state.batch.weight();
        let gap = gap_index(direction);
        if before + bytes.len() + size_of::<Entry>() > self.batch_limit {
            state.skip(direction, bytes.len() as u64);
        } else {
            state.open_gap[gap] = None;
            state.batch.append(bytes, self.batch_limit);
            state.batch.entries.push(Entry::Chunk { direction, len: bytes.len(), at });
        }
        // Until it is really awake, every push asks: the pump of the first chunk may be stuck in its write. And a full
        // batch does not wait for the end of a nap.
        let enough = self.enough();
        NeedsWake(state.asleep || before < enough && state.batch.weight() >= enough)
    }

    /// Wakes the observer if the push asked for it. Apart from the push, so that a system call to wake somebody never
    /// stands between a read and its write.
    pub(super) fn wake(&self, needed: NeedsWake) {
        if needed.0 {
            self.rouse();
        }
    }

    /// Says that no chunk will come any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.rouse();
    }

    /// Says that nobody observes any more: what is kept is dropped, what comes is only counted.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.unobserved += state.batch.bytes.len() as u64;
        state.batch = Batch::default();
    }

    /// The bytes that were forwarded but not taken by the observer.
    pub(super) fn unobserved(&self) -> u64 {
        let state = self.lock();
        state.unobserved + state.batch.bytes.len() as u64
    }

    /// Waits for traffic and takes all of it in exchange for an empty batch; for the observer's thread only.
    ///
    /// Returns what has gathered by the end of a nap, an empty batch after `patience` (if given), and `None` once the
    /// backlog is closed and empty.
    pub(super) fn take(&self, mut empty: Batch, rhythm: Rhythm, patience: Option<Duration>) -> Option<Batch> {
        let start = Instant::now();
        self.observer.get_or_init(thread::current);
        self.pause(rhythm.rest, |state| state.closed);
        loop {
            self.pause(rhythm.nap, |state| state.closed || state.batch.weight() >= self.enough());
            let mut state = self.lock();
            state.asleep = false;
            if !state.batch.is_empty() {
                state.open_gap = [None; 2];
                return Some(mem::replace(&mut state.batch, empty));
            }
            if state.closed {
                return None;
            }
            let waited = start.elapsed();
            if patience.is_some_and(|patience| waited >= patience) {
                return Some(empty);
            }
            if waited >= rhythm.linger {
                state.asleep = true;
                state.batch.give_back();
                drop(state);
                empty.give_back();
                match patience {
                    Some(patience) => thread::park_timeout(patience - waited),
                    None => thread::park(),
                }
            }
        }
    }

    fn pause(&self, pause: Duration, is_over: impl Fn(&State) -> bool) {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || is_over(&self.lock()) {
                return;
            }
            thread::park_timeout(left);
        }
    }

    fn rouse(&self) {
        if let Some(observer) = self.observer.get() {
            observer.unpark();
        }
    }

    /// At this weight the observer is behind.
    fn enough(&self) -> usize {
        self.batch_limit / 4
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn skip(&mut self, direction: Direction, bytes: u64) {
        self.unobserved += bytes;
        let gap = &mut self.open_gap[gap_index(direction)];
        match gap.and_then(|index| self.batch.entries.get_mut(index)) {
            Some(Entry::Skipped { len, .. }) => *len += bytes,
            _ => {
                *gap = Some(self.batch.entries.len());
                self.batch.entries.push(Entry::Skipped { direction, len: bytes });
            }
        }
    }
}

fn gap_index(direction: Direction) -> usize {
    match direction {
        Direction::ClientToServer => 0,
        Direction::ServerToClient => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Direction::*, *};

    const RESTLESS: Rhythm = Rhythm { rest: Duration::ZERO, nap: Duration::ZERO, linger: Duration::ZERO };

    fn show(batch: &Batch) -> Vec<String> {
        let mut shown = Vec::new();
        batch.for_each(|observed| {
            shown.push(match observed {
                Observed::Chunk { direction, bytes, .. } => format!("{direction:?} {}", String::from_utf8_lossy(bytes)),
                Observed::Skipped { direction, len } => format!("{direction:?} skipped {len}"),
            });
        });
        shown
    }

    fn push(backlog: &Backlog, direction: Direction, bytes: &[u8]) {
        let needed = backlog.push(direction, bytes, Moment::now());
        backlog.wake(needed);
    }

    #[test]
    fn chunks_of_both_directions_come_out_in_the_order_they_went_in() {
        let backlog = Backlog::new(64 * 1024);
        push(&backlog, ClientToServer, b"a");
        push(&backlog, ServerToClient, b"b");
        push(&backlog, ClientToServer, b"c");
        let batch = backlog.take(Batch::default(), RESTLESS, None).unwrap();
        assert_eq!(show(&batch), ["ClientToServer a", "ServerToClient b", "ClientToServer c"]);
        assert_eq!(backlog.unobserved(), 0);
    }

    #[test]
    fn what_does_not_fit_becomes_one_gap_for_each_direction() {
        let backlog = Backlog::new(2 * 1024);
        for _ in 0..3 {
            push(&backlog, ClientToServer, &[b'x'; 2000]);
            push(&backlog, ServerToClient, &[b'y'; 3000]);
        }
        push(&backlog, ServerToClient, b"small");
        push(&backlog, ServerToClient, &[b'y'; 4000]);
        let batch = backlog.take(Batch::default(), RESTLESS, None).unwrap();
        assert_eq!(
            show(&batch),
            [
                "ClientToServer skipped 6000",
                "ServerToClient skipped 9000",
                "ServerToClient small",
                "ServerToClient skipped 4000"
            ]
        );
        assert_eq!(backlog.unobserved(), 19_000);
    }

    #[test]
    fn the_memory_stays_within_the_bound_even_for_single_bytes_and_a_stuck_observer() {
        let limit = 64 * 1024;
        let backlog = Backlog::new(limit);
        for _ in 0..100_000 {
            push(&backlog, ClientToServer, b"1");
            push(&backlog, ServerToClient, b"2");
        }
        let batch = backlog.take(Batch::default(), RESTLESS, None).unwrap();
        assert!(batch.weight() <= limit / 2 + 2 * size_of::<Entry>(), "{}", batch.weight());
        assert!(batch.bytes.capacity() <= limit / 2);
    }

    #[test]
    fn a_sleeping_observer_is_woken_even_if_the_pump_of_the_first_chunk_never_gets_to_it() {
        let backlog = Backlog::new(64 * 1024);
        let (send, taken) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let batch = backlog.take(Batch::default(), RESTLESS, None);
                send.send(show(&batch.unwrap())).unwrap();
            });
            while !backlog.lock().asleep {
                thread::yield_now();
            }
            assert_eq!(backlog.push(ServerToClient, b"stuck", Moment::now()), NeedsWake(true));
            push(&backlog, ClientToServer, b"b");
            assert_eq!(taken.recv_timeout(Duration::from_secs(60)).unwrap()[0], "ServerToClient stuck");
        });
        assert_eq!(backlog.push(ClientToServer, b"c", Moment::now()), NeedsWake(false));
    }

    #[test]
    fn the_rest_is_still_given_after_the_close_and_then_nothing() {
        let backlog = Backlog::new(64 * 1024);
        push(&backlog, ServerToClient, b"last");
        backlog.close();
        let day = Duration::from_secs(86_400);
        let daily = Rhythm { rest: day, nap: day, linger: day };
        let batch = backlog.take(Batch::default(), daily, None).unwrap();
        assert_eq!(show(&batch), ["ServerToClient last"]);
        assert!(backlog.take(batch_emptied(batch), daily, None).is_none());
    }

    fn batch_emptied(mut batch: Batch) -> Batch {
        batch.recycle();
        assert!(batch.is_empty());
        batch
    }

    #[test]
    fn patience_ends_the_wait_with_an_empty_batch() {
        let backlog = Backlog::new(64 * 1024);
        let batch = backlog.take(Batch::default(), RESTLESS, Some(Duration::from_millis(1))).unwrap();
        assert!(batch.is_empty());
    }

    #[test]
    fn without_an_observer_nothing_is_kept() {
        let backlog = Backlog::new(64 * 1024);
        push(&backlog, ClientToServer, b"kept");
        backlog.abandon();
        push(&backlog, ClientToServer, b"not kept");
        assert_eq!(backlog.unobserved(), 12);
        assert!(backlog.lock().batch.is_empty());
    }
}
