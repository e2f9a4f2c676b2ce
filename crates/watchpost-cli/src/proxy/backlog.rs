//! The copy of the traffic on its way from the pumps to the observer: bounded in bytes, never waited for.
//! When the observer lags, chunks are skipped and counted instead.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
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

/// A buffer up to this size is kept for the next batch; larger ones are given back once traffic is calm.
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

    /// Empties it for its next use; a buffer that was much too large is given back.
    pub(super) fn recycle(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES && self.bytes.len() < self.bytes.capacity() / 4 {
            self.bytes = Vec::new();
            self.entries = Vec::new();
        }
        self.bytes.clear();
        self.entries.clear();
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
#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
    /// Half of the bound: one batch is filled while the observer works on the other.
    batch_limit: usize,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// Where in the batch the gap of each direction is, while nothing of that direction came after it.
    open_gap: [Option<usize>; 2],
    unobserved: u64,
    observer: Observer,
    closed: bool,
}

/// What the observer's thread does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Observer {
    /// It works or naps and looks again by itself.
    #[default]
    Awake,
    /// It waits for the first chunk.
    Asleep,
    /// It is gone; nothing needs to be kept.
    Gone,
}

/// Whether the observer has to be woken after the chunk was forwarded: see [`Backlog::wake`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeedsWake(bool);

impl Backlog {
    /// A backlog of at most `limit` bytes, what the observer has in hand included.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), batch_limit: limit / 2 }
    }

    /// Keeps a copy of a chunk, or counts it as skipped when it does not fit. Costs a copy, never a wait.
    ///
    /// To be called between the read and the write: as the copy precedes the write, an answer can't overtake its request
    /// on the way to the observer. To be followed by [`Backlog::wake`] after the write.
    pub(super) fn push(&self, direction: Direction, bytes: &[u8], at: Moment) -> NeedsWake {
        let mut state = self.lock();
        if state.observer == Observer::Gone {
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
        match state.observer {
            Observer::Asleep => {
                state.observer = Observer::Awake;
                NeedsWake(true)
            }
            // Past a quarter of a batch the observer's nap is over: it is behind.
            _ => NeedsWake(before < self.batch_limit / 4 && state.batch.weight() >= self.batch_limit / 4),
        }
    }

    /// Wakes the observer if the push asked for it. Apart from the push, so that a system call to wake somebody never
    /// stands between a read and its write.
    pub(super) fn wake(&self, needed: NeedsWake) {
        if needed.0 {
            self.changed.notify_all();
        }
    }

    /// Says that no chunk will come any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Says that nobody observes any more: what is kept is dropped, what comes is only counted.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.observer = Observer::Gone;
        state.unobserved += state.batch.bytes.len() as u64;
        state.batch = Batch::default();
    }

    /// The bytes that were forwarded but not shown to the observer.
    pub(super) fn unobserved(&self) -> u64 {
        self.lock().unobserved
    }

    /// Waits for traffic and takes all of it in exchange for an empty batch.
    ///
    /// The wait has two parts: until something is there (at most `patience`, if given), then `nap` more so that a burst
    /// comes as one batch and the pumps need not wake the observer for each chunk. Returns `None` once the backlog is closed
    /// and empty.
    pub(super) fn take(&self, empty: Batch, nap: Duration, patience: Option<Duration>) -> Option<Batch> {
        let mut state = self.lock();
        if state.batch.is_empty() && !state.closed {
            if state.batch.bytes.capacity() > KEPT_BYTES {
                state.batch = Batch::default();
            }
            state.observer = Observer::Asleep;
            state = match patience {
                Some(patience) => {
                    self.changed
                        .wait_timeout_while(state, patience, |state| state.is_idle())
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait_while(state, |state| state.is_idle()).unwrap_or_else(PoisonError::into_inner),
            };
            state.observer = Observer::Awake;
        }
        if !state.closed && !state.batch.is_empty() {
            let enough = self.batch_limit / 4;
            state = self
                .changed
                .wait_timeout_while(state, nap, |state| !state.closed && state.batch.weight() < enough)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.closed && state.batch.is_empty() {
            return None;
        }
        state.open_gap = [None; 2];
        Some(mem::replace(&mut state.batch, empty))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.observer == Observer::Asleep && !self.closed
    }

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

    const NO_NAP: Duration = Duration::ZERO;

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
        let batch = backlog.take(Batch::default(), NO_NAP, None).unwrap();
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
        let batch = backlog.take(Batch::default(), NO_NAP, None).unwrap();
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
        let batch = backlog.take(Batch::default(), NO_NAP, None).unwrap();
        assert!(batch.weight() <= limit / 2 + 2 * size_of::<Entry>(), "{}", batch.weight());
        assert!(batch.bytes.capacity() <= limit / 2);
    }

    #[test]
    fn a_sleeping_observer_is_woken_once_for_a_burst() {
        let backlog = Backlog::new(64 * 1024);
        let (send, taken) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let batch = backlog.take(Batch::default(), NO_NAP, None);
                send.send(show(&batch.unwrap())).unwrap();
            });
            while backlog.lock().observer != Observer::Asleep {
                std::thread::yield_now();
            }
            let first = backlog.push(ClientToServer, b"a", Moment::now());
            assert_eq!(first, NeedsWake(true));
            assert_eq!(backlog.push(ClientToServer, b"b", Moment::now()), NeedsWake(false));
            backlog.wake(first);
            assert_eq!(taken.recv().unwrap(), ["ClientToServer a", "ClientToServer b"]);
        });
    }

    #[test]
    fn the_rest_is_still_given_after_the_close_and_then_nothing() {
        let backlog = Backlog::new(64 * 1024);
        push(&backlog, ServerToClient, b"last");
        backlog.close();
        let day = Duration::from_secs(86_400);
        let batch = backlog.take(Batch::default(), day, None).unwrap();
        assert_eq!(show(&batch), ["ServerToClient last"]);
        assert!(backlog.take(batch_emptied(batch), day, None).is_none());
    }

    fn batch_emptied(mut batch: Batch) -> Batch {
        batch.recycle();
        assert!(batch.is_empty());
        batch
    }

    #[test]
    fn patience_ends_the_wait_with_an_empty_batch() {
        let backlog = Backlog::new(64 * 1024);
        let batch = backlog.take(Batch::default(), NO_NAP, Some(Duration::from_millis(1))).unwrap();
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
