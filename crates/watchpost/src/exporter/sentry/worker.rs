//! The thread "watchpost-traces", and those who wait for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use watchpost_sentry::{
    delivery::{Delivery, DropReason, Outcome},
    wire::{Category, Timestamp},
};

use super::{
    LogLevel,
    pipeline::{Pipeline, Remembered},
    state::{Effects, Item, State, Thread},
};

/// How long the thread waits for room in the delivery before it looks at its own queue again.
const ROOM_SLICE: Duration = Duration::from_millis(20);
/// How long the thread lets things gather when it has nothing to do. A host that ends one trace after the other then wakes it
/// a thousand times a second at most; each time costs the host several microseconds.
const REST: Duration = Duration::from_millis(1);
/// A shutdown keeps this part of its time for the delivery,
const DELIVERY_SHARE: u32 = 4;
/// but no more than this.
const MAX_FOR_DELIVERY: Duration = Duration::from_millis(500);

/// What callers and the thread share.
pub(super) struct Shared {
    pub(super) pipeline: Pipeline,
    pub(super) log_level: LogLevel,
    state: Mutex<State>,
    /// Calls the thread.
    wake: Condvar,
    /// Calls those who wait for a flush or for room.
    progress: Condvar,
    waiters: AtomicUsize,
    /// Beside them those that wait for room only.
    room_waiters: AtomicUsize,
    /// The end has come: the thread no longer waits for room.
    is_hurried: AtomicBool,
}

impl Shared {
    pub(super) fn new(pipeline: Pipeline, log_level: LogLevel, state: State) -> Self {
        Self {
            pipeline,
            log_level,
            state: Mutex::new(state),
            wake: Condvar::new(),
            progress: Condvar::new(),
            waiters: AtomicUsize::new(0),
            room_waiters: AtomicUsize::new(0),
            is_hurried: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug, but not one to hand on to the host.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the state, then does what that asks for, without the lock.
    pub(super) fn with<R>(self: &Arc<Self>, work: impl FnOnce(&mut State) -> (R, Effects)) -> R {
        let (result, effects) = {
            let mut state = self.lock();
            work(&mut state)
        };
        self.take_effect(effects);
        result
    }

    pub(super) fn take_effect(self: &Arc<Self>, effects: Effects) {
        let Effects { start, wake, overflow, remnant } = effects;
        if start {
            self.start();
        } else if wake {
            self.wake.notify_one();
        }
        if !overflow.is_empty() {
            self.lose(overflow, DropReason::QueueOverflow);
        }
        drop(remnant);
    }

    fn lose(&self, items: Vec<Item>, reason: DropReason) {
        for item in items {
            match item {
                Item::Part(part) => self.pipeline.discard(reason, part.spans() as u64),
                Item::Log(_) => self.pipeline.delivery.discard(reason, Category::LogItem, 1),
            }
        }
    }

    /// Waits, with this thread, until something is so. False if it is not so in time, or never will be.
    fn wait_until(&self, deadline: Instant, is_so: impl Fn(&State) -> bool) -> bool {
        self.wait_among(&self.waiters, deadline, is_so)
    }

    fn wait_among(&self, waiters: &AtomicUsize, deadline: Instant, is_so: impl Fn(&State) -> bool) -> bool {
        waiters.fetch_add(1, Ordering::SeqCst);
        let mut state = self.lock();
        let is_so = loop {
            if is_so(&state) {
                break true;
            }
            let now = Instant::now();
            let is_over = matches!(state.thread, Thread::Ended) || state.is_worker(thread::current().id());
            if now >= deadline || is_over {
                break false;
            }
            let waited = self.progress.wait_timeout(state, deadline - now);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        waiters.fetch_sub(1, Ordering::SeqCst);
        is_so
    }

    pub(super) fn wait_for_room(&self, timeout: Duration) -> bool {
        let deadline = deadline(timeout);
        {
            let state = self.lock();
            if state.is_closed {
                return false;
            }
            if state.has_room() {
                drop(state);
                return self.pipeline.delivery.wait_for_room(timeout);
            }
        }
        self.wait_among(&self.room_waiters, deadline, |state| state.has_room_again() || state.is_closed)
            && self.pipeline.delivery.wait_for_room(deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn flush(self: &Arc<Self>, timeout: Duration) -> Outcome {
        let deadline = deadline(timeout);
        let number = self.with(|state| state.flush(Instant::now()));
        let is_drained = self.wait_until(deadline, |state| state.is_drained(number));
        let mut outcome = self.pipeline.delivery.flush(deadline.saturating_duration_since(Instant::now()));
        outcome.complete &= is_drained;
        outcome
    }

    pub(super) fn shutdown(self: &Arc<Self>, timeout: Duration) -> Outcome {
        let deadline = deadline(timeout);
        let reserve = MAX_FOR_DELIVERY.min(timeout / DELIVERY_SHARE);
        let number = self.with(|state| state.close(Timestamp::now(), Instant::now()));
        let is_drained = self.wait_until(deadline - reserve, |state| state.is_drained(number));
        let (left, stopped) = {
            let mut state = self.lock();
            state.thread = match state.thread {
                Thread::None | Thread::Ended => Thread::Ended,
                Thread::Running(id) | Thread::Stopping(id) => Thread::Stopping(id),
                Thread::Asleep(id, _) | Thread::Resting(id) => Thread::Stopping(Some(id)),
            };
            (state.abandon(), state.thread == Thread::Ended)
        };
        if !stopped {
            self.is_hurried.store(true, Ordering::SeqCst);
            self.wake.notify_one();
        }
        self.lose(left, DropReason::Shutdown);
        if !stopped && is_drained {
            self.wait_until(deadline - reserve / 2, |state| state.thread == Thread::Ended);
        }
        let mut outcome = self.pipeline.delivery.shutdown(deadline.saturating_duration_since(Instant::now()));
        outcome.complete &= is_drained;
        outcome
    }

    fn start(self: &Arc<Self>) {
        let shared = self.clone();
        let spawned = thread::Builder::new().name("watchpost-traces".to_owned()).spawn(move || shared.run());
        if let Err(error) = spawned {
            if self.log_level <= LogLevel::Error {
                tracing::error!(target: "watchpost", %error, "could not start the traces' thread");
            }
            // The next event tries again.
            self.lock().thread = Thread::None;
        }
    }

    /// The thread.
    fn run(self: Arc<Self>) {
        let id = thread::current().id();
        let mut remembered = Remembered::default();
        let mut has_worked = false;
        // What is left of what was exported. The host's threads free it, as long as they go on; else this one.
        let mut remnants = Vec::new();
        loop {
            let item = {
                let mut state = self.lock();
                state.assembler.take_back(&mut remnants);
                let effects = state.expire(Instant::now());
                let item = state.next();
                self.announce(&state);
                if item.is_none() && matches!(state.thread, Thread::Stopping(_)) {
                    state.thread = Thread::Ended;
                    let left = state.assembler.remnants();
                    self.progress.notify_all();
                    drop(state);
                    drop(left);
                    return;
                }
                if matches!(state.thread, Thread::Running(_)) {
                    state.thread = Thread::Running(Some(id));
                }
                let item = match item {
                    Some(item) => Some(item),
                    None => {
                        let left = if has_worked { None } else { state.assembler.remnants() };
                        match left {
                            Some(left) => remnants = left,
                            None => self.sleep(state, id, has_worked),
                        }
                        None
                    }
                };
                self.lose(effects.overflow, DropReason::QueueOverflow);
                item
            };
            remnants.clear();
            has_worked = item.is_some();
            let Some(item) = item else { continue };
            self.wait_for_delivery();
            // Every step that runs foreign code has its own guard; this one is for ours.
            let done = catch_unwind(AssertUnwindSafe(|| match item {
                Item::Part(part) => {
                    let room = |bytes| self.wait_for_delivery_of(bytes);
                    self.pipeline.export(part, &mut remembered, &room, &mut remnants);
                }
                Item::Log(log) => self.pipeline.log(log),
            }));
            if done.is_err() && self.log_level <= LogLevel::Error {
                tracing::error!(target: "watchpost", "the traces' thread panicked; it goes on");
            }
        }
    }

    /// Waits for something to do; right after some work for no more than a moment.
    fn sleep(&self, mut state: MutexGuard<'_, State>, id: ThreadId, has_worked: bool) {
        let now = Instant::now();
        let until = if has_worked {
            state.thread = Thread::Resting(id);
            Some(now + REST)
        } else {
            let until = state.assembler.next_deadline();
            state.thread = Thread::Asleep(id, until);
            until
        };
        let mut state = match until {
            Some(until) => {
                let waited = self.wake.wait_timeout(state, until.saturating_duration_since(now));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        if matches!(state.thread, Thread::Asleep(..) | Thread::Resting(_)) {
            state.thread = Thread::Running(Some(id));
        }
    }

    /// As long as the queue keeps within its bound, the delivery is not made to drop anything.
    fn wait_for_delivery(&self) {
        self.wait_while_full(|delivery| delivery.wait_for_room(ROOM_SLICE));
    }

    /// The same for one large item: it is not to push out what comes of the same trace.
    fn wait_for_delivery_of(&self, bytes: usize) {
        self.wait_while_full(|delivery| delivery.wait_for_room_of(bytes, ROOM_SLICE));
    }

    fn wait_while_full(&self, has_room: impl Fn(&Delivery) -> bool) {
        let mut overflowed = None;
        while !self.is_hurried.load(Ordering::SeqCst) && !has_room(&self.pipeline.delivery) {
            let state = self.lock();
            // Once the queue drops too, waiting saves nothing.
            let is_over = state.overflowed > *overflowed.get_or_insert(state.overflowed);
            if is_over || matches!(state.thread, Thread::Stopping(_)) {
                return;
            }
        }
    }

    /// Those who wait for room alone are not called for less than that.
    fn announce(&self, state: &State) {
        let waits = |waiters: &AtomicUsize| waiters.load(Ordering::SeqCst) > 0;
        if waits(&self.waiters) || (waits(&self.room_waiters) && state.has_room_again()) {
            self.progress.notify_all();
        }
    }
}

/// A moment far enough away for any timeout that is meant as "for ever".
fn deadline(timeout: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(timeout.min(FOR_EVER)).unwrap_or(now)
}
