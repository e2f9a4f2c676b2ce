//! What waits between the calls and the thread that makes events of them. Bounded; at the bound the oldest goes.
//!
//! A call must not pay for waking a thread, so it is woken only from deep sleep or for many events: while calls come it wakes
//! by itself, now and then. Rarely, because a thread that wakes may take a call's processor: one nap of 5 ms costs calls more at
//! their 99th percentile than one of 25 ms (`cargo xtask bench track`).

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::patience::Haste;

/// Most jobs that wait, and most bytes they hold.
const MAX_JOBS: usize = 32_768;
const MAX_BYTES: usize = 16 << 20;
/// The thread looks again after so long while calls come, …
const NAP: Duration = Duration::from_millis(25);
/// … and sleeps until it is woken after so many naps without any: a second.
const IDLE_NAPS: u32 = 40;
/// So many waiting jobs wake it from a nap.
const WAKE_AT: usize = 1024;

/// A queue of jobs for one thread.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// For the thread.
    more: Condvar,
    /// For those who wait until all is done.
    done: Condvar,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<(usize, T)>,
    bytes: usize,
    /// Jobs put in, and jobs done or dropped, ever.
    pushed: u64,
    finished: u64,
    dropped: u64,
    sleep: Sleep,
    /// Of those who wait until all is done: when half of their time is over.
    awaited: Vec<Instant>,
    closed: bool,
    /// The thread has ended.
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    Nap,
    Deep,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State {
            jobs: VecDeque::new(),
            bytes: 0,
            pushed: 0,
            finished: 0,
            dropped: 0,
            sleep: Sleep::Awake,
            awaited: Vec::new(),
            closed: false,
            ended: false,
        };
        Self { state: Mutex::new(state), more: Condvar::new(), done: Condvar::new() }
    }
}

impl<T> Queue<T> {
    /// Puts a job of about `bytes` in; returns how many had to go for it, itself included when the queue is closed.
    pub(super) fn push(&self, job: T, bytes: usize) -> u64 {
        let mut dropped = Vec::new();
        let mut state = self.lock();
        state.pushed += 1;
        if state.closed {
            state.finished += 1;
            state.dropped += 1;
            return 1;
        }
        state.bytes += bytes;
        state.jobs.push_back((bytes, job));
        while state.jobs.len() > 1 && (state.jobs.len() > MAX_JOBS || state.bytes > MAX_BYTES) {
            let Some((bytes, job)) = state.jobs.pop_front() else { break };
            state.bytes -= bytes;
            state.finished += 1;
            state.dropped += 1;
            dropped.push(job);
        }
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Nap => state.jobs.len() >= WAKE_AT,
            Sleep::Deep => true,
        };
        if wake {
            state.sleep = Sleep::Awake;
        }
        drop(state);
        if wake {
            self.more.notify_one();
        }
        dropped.len() as u64
    }

    /// The next jobs, or `None` once the queue is closed and empty. For the one thread.
    pub(super) fn take(&self, into: &mut Vec<T>, most: usize) -> bool {
        let mut naps = 0;
        let mut state = self.lock();
        loop {
            if !state.jobs.is_empty() {
                state.sleep = Sleep::Awake;
                for _ in 0..most {
                    let Some((bytes, job)) = state.jobs.pop_front() else { break };
                    state.bytes -= bytes;
                    into.push(job);
                }
                // What a burst needed is not held for ever.
                if state.jobs.is_empty() && state.jobs.capacity() > WAKE_AT {
                    state.jobs = VecDeque::new();
                }
                return true;
            }
            if state.closed {
                return false;
            }
            if naps < IDLE_NAPS {
                naps += 1;
                state.sleep = Sleep::Nap;
                state = self.more.wait_timeout(state, NAP).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                state.sleep = Sleep::Deep;
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                naps = 0;
            }
        }
    }

    /// A job that was taken is done.
    pub(super) fn finish(&self, jobs: u64) {
        let mut state = self.lock();
        state.finished += jobs;
        let is_awaited = !state.awaited.is_empty();
        drop(state);
        if is_awaited {
            self.done.notify_all();
        }
    }

    /// Waits until every job put in so far is done; false if that takes longer.
    pub(super) fn wait_until_done(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        let pushed = state.pushed;
        let now = Instant::now();
        let half_time = now + deadline.saturating_duration_since(now) / 2;
        state.awaited.push(half_time);
        if state.sleep != Sleep::Awake {
            state.sleep = Sleep::Awake;
            self.more.notify_one();
        }
        while state.finished < pushed && !(state.ended && state.jobs.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(place) = state.awaited.iter().position(|awaited| *awaited == half_time) {
            state.awaited.swap_remove(place);
        }
        state.finished >= pushed
    }

    /// Why not to wait for a hook now.
    pub(super) fn haste(&self) -> Haste {
        let state = self.lock();
        let is_pressed = state.jobs.len() >= MAX_JOBS / 2 || state.bytes >= MAX_BYTES / 2;
        let closing = state.closed.then(Instant::now);
        Haste { is_pressed, until: state.awaited.iter().min().copied().or(closing) }
    }

    /// Takes nothing more; the thread ends once it has done what there is.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    /// The thread is gone.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.done.notify_all();
    }

    /// Jobs put in, and jobs of them dropped because too many waited.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.pushed, state.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_bound_the_oldest_goes() {
        let queue = Queue::default();
        for job in 0..MAX_JOBS {
            assert_eq!(queue.push(job, 1), 0);
        }
        assert_eq!(queue.push(MAX_JOBS, 1), 1);
        assert_eq!(queue.push(MAX_JOBS + 1, MAX_BYTES - 10), (MAX_JOBS - 10) as u64, "bytes count too");
        let mut jobs = Vec::new();
        assert!(queue.take(&mut jobs, usize::MAX));
        assert_eq!(jobs.len(), 11);
        assert_eq!(jobs.last(), Some(&(MAX_JOBS + 1)), "the new one stays, however large");
    }

    #[test]
    fn who_waits_and_what_waits_are_a_hurry() {
        let queue = Queue::default();
        assert_eq!(queue.haste(), Haste::default());
        for job in 0..MAX_JOBS / 2 {
            queue.push(job, 1);
        }
        assert_eq!(queue.haste(), Haste { is_pressed: true, until: None });
        assert!(!queue.wait_until_done(Instant::now()));
        assert_eq!(queue.haste().until, None, "nobody waits any more");
        let mut jobs = Vec::new();
        queue.take(&mut jobs, usize::MAX);
        queue.push(0, MAX_BYTES / 2);
        assert!(queue.haste().is_pressed, "bytes count too");
        queue.close();
        assert!(queue.haste().until.is_some());
    }

    #[test]
    fn a_closed_queue_gives_what_it_holds_and_takes_nothing() {
        let queue = Queue::default();
        queue.push(1, 1);
        queue.close();
        assert_eq!(queue.push(2, 1), 1);
        let mut jobs = Vec::new();
        assert!(queue.take(&mut jobs, 10));
        assert_eq!(jobs, [1]);
        assert!(!queue.take(&mut jobs, 10));
        assert!(!queue.wait_until_done(Instant::now()), "taken is not done");
        queue.finish(1);
        assert!(queue.wait_until_done(Instant::now()));
    }
}
