//! The delivery's thread: a thin shell round the state, with a clock, a lock and sockets.
//!
//! One dispatcher task starts senders, as many as there are slots; each sender goes on as long as there is something to
//! send. When nothing is left they end and the dispatcher sleeps until the state's next moment or a producer's call. While there
//! is much to do, the thread waits for more once in a millisecond at most (`pace`), and what has come by then is done together.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::Notify, time::timeout_at};

use super::{
    answer::Answer,
    config::DeliveryConfig,
    dispatch::Shipment,
    envelope::write_envelope,
    http::{Client, Target},
    pace::Pace,
    spool::Shelf,
    spooler::{Spooling, wall_ms},
    state::{Effects, Sleep, State},
};
use crate::wire::Timestamp;

/// What producers, flushers and the worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: DeliveryConfig,
    target: Target,
    guarded: Mutex<Guarded>,
    /// Calls the worker.
    wake: Notify,
    /// Calls the spool's thread.
    pub(super) spool_wake: Condvar,
    /// Calls those who wait with a thread for a flush, for room or for the worker's end,
    pub(super) progress: Condvar,
    /// and those who wait in a future.
    async_progress: Notify,
}

/// What the lock guards: the state, and who waits for it to change.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) state: State,
    pub(super) thread: Thread,
    /// The tickets of flushes that are waited for.
    pub(super) flushes: Vec<u64>,
    /// How many wait for room in the buffers.
    pub(super) room_waiters: usize,
    /// When those who wait in a future give up: they have no clock of their own.
    pub(super) alarms: Vec<Instant>,
    /// The worker is to end, whatever is left.
    pub(super) stop: bool,
    pub(super) spooling: Spooling,
    pace: Pace,
}

/// The worker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    /// Not started yet, or ended by a fault: it starts with the next thing to do.
    None,
    Running(Option<ThreadId>),
    Stopped,
}

/// Producers that wait for room are let in again at half of the bound, not at each parcel that goes.
const ROOM_QUARTERS: usize = 2;

impl Shared {
    pub(super) fn new(config: DeliveryConfig, target: Target) -> Self {
        let mut state = State::new(config.buffers.by_lane(), config.max_in_flight, config.client_reports);
        state.shelf = config.spool.as_ref().map(Shelf::new);
        let guarded = Guarded {
            state,
            thread: Thread::None,
            flushes: Vec::new(),
            room_waiters: 0,
            alarms: Vec::new(),
            stop: false,
            spooling: Spooling::default(),
            pace: Pace::default(),
        };
        Self {
            config,
            target,
            guarded: Mutex::new(guarded),
            wake: Notify::new(),
            spool_wake: Condvar::new(),
            progress: Condvar::new(),
            async_progress: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Guarded> {
        // A panic under the lock is a bug, but not one to hand on to the host.
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the state, then does what that asks for, without the lock: wake, tell, free.
    pub(super) fn with<R>(self: &Arc<Self>, work: impl FnOnce(&mut Guarded, &mut Effects) -> R) -> R {
        let mut effects = Effects::default();
        let mut guarded = self.lock();
        if guarded.state.shelf.is_some() {
            guarded.state.wall_ms = wall_ms();
        }
        let result = work(&mut guarded, &mut effects);
        if guarded.spooling.asleep && guarded.state.shelf.as_ref().is_some_and(Shelf::has_commands) {
            guarded.spooling.asleep = false;
            self.spool_wake.notify_one();
        } else if guarded.spooling.gathers && guarded.state.shelf.as_ref().is_some_and(Shelf::is_pressed) {
            guarded.spooling.gathers = false;
            self.spool_wake.notify_one();
        }
        let announce = guarded.take_progress();
        let start = effects.wake && guarded.thread == Thread::None;
        if start {
            guarded.thread = Thread::Running(None);
        }
        drop(guarded);
        if announce {
            self.announce();
        }
        if start {
            self.start();
        } else if effects.wake {
            self.wake.notify_one();
        }
        for notice in effects.notices {
            notice.emit();
        }
        result
    }

    /// Waits, with this thread, until something is so. False if it is not so in time, or never will be.
    pub(super) fn wait_until(&self, deadline: Instant, is_so: impl Fn(&Guarded, Instant) -> bool) -> bool {
        let mut guarded = self.lock();
        loop {
            let now = Instant::now();
            if is_so(&guarded, now) {
                return true;
            }
            if now >= deadline || !guarded.goes_on() || guarded.is_worker() {
                return false;
            }
            let waited = self.progress.wait_timeout(guarded, deadline - now);
            (guarded, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same in a future, on any runtime.
    pub(super) async fn wait_until_async(&self, deadline: Instant, is_so: impl Fn(&Guarded, Instant) -> bool) -> bool {
        loop {
            // Made before looking, so that no call between looking and waiting is missed.
            let progress = self.async_progress.notified();
            {
                let mut guarded = self.lock();
                let now = Instant::now();
                if is_so(&guarded, now) {
                    return true;
                }
                if now >= deadline || !guarded.goes_on() {
                    return false;
                }
                if !guarded.alarms.contains(&deadline) {
                    guarded.alarms.push(deadline);
                    self.wake.notify_one();
                }
            }
            progress.await;
        }
    }

    /// Tells the worker to end, whatever is left.
    pub(super) fn stop(&self) {
        let mut guarded = self.lock();
        guarded.stop = true;
        if guarded.thread == Thread::None {
            guarded.thread = Thread::Stopped;
        }
        drop(guarded);
        self.wake.notify_one();
    }

    pub(super) fn announce(&self) {
        self.progress.notify_all();
        self.async_progress.notify_waiters();
    }

    fn start(self: &Arc<Self>) {
        let shared = self.clone();
        let spawned = thread::Builder::new().name("watchpost-delivery".to_owned()).spawn(move || shared.run());
        if let Err(error) = spawned {
            tracing::error!(target: "watchpost", %error, "could not start the delivery's thread");
            self.end(Thread::None);
        }
    }

    /// The thread.
    fn run(self: Arc<Self>) {
        self.lock().thread = Thread::Running(Some(thread::current().id()));
        let outcome = catch_unwind(AssertUnwindSafe(|| -> io::Result<()> {
            let shared = self.clone();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_io().enable_time().on_thread_park(move || shared.rest()).build()?;
            runtime.block_on(self.dispatch());
            // Without waiting for a name resolution that may hang.
            runtime.shutdown_background();
            Ok(())
        }));
        match outcome {
            Ok(Ok(())) => self.end(Thread::Stopped),
            Ok(Err(error)) => {
                tracing::error!(target: "watchpost", %error, "could not set up the delivery's thread");
                self.end(Thread::None);
            }
            Err(_) => {
                tracing::error!(target: "watchpost", "the delivery's thread panicked; it starts again when needed");
                self.end(Thread::None);
            }
        }
    }

    /// Before the thread waits for more to do: leaves it some time to come, unless somebody waits.
    fn rest(&self) {
        let now = Instant::now();
        let rest = {
            let mut guarded = self.lock();
            let hurries = guarded.hurries();
            guarded.pace.rest(now, hurries)
        };
        if !rest.is_zero() {
            thread::sleep(rest);
        }
    }

    /// The worker is gone, for ever or until there is something to do.
    fn end(&self, thread: Thread) {
        let mut guarded = self.lock();
        guarded.thread = if guarded.stop { Thread::Stopped } else { thread };
        guarded.state.sleep = Some(Sleep { until: None, ready: true });
        drop(guarded);
        self.announce();
    }

    /// The dispatcher: starts senders until told to stop.
    async fn dispatch(self: &Arc<Self>) {
        let client = Arc::new(Client::new(self.target.clone(), &self.config));
        let mut shipments = Vec::new();
        loop {
            let (until, stop, alarmed) = self.with(|guarded, effects| {
                let now = Instant::now();
                if guarded.stop {
                    return (None, true, false);
                }
                while let Some(shipment) = guarded.state.next(now, effects) {
                    shipments.push(shipment);
                }
                let alarms = guarded.alarms.len();
                guarded.alarms.retain(|alarm| *alarm > now);
                let until = guarded.state.sleep(now).into_iter().chain(guarded.alarms.iter().copied()).min();
                (until, false, guarded.alarms.len() < alarms)
            });
            if stop {
                return;
            }
            if alarmed {
                self.async_progress.notify_waiters();
            }
            for shipment in shipments.drain(..) {
                tokio::spawn(Arc::clone(self).send(client.clone(), shipment));
            }
            let until = until.into_iter().chain(client.prune(Instant::now())).min();
            match until {
                Some(until) => drop(timeout_at(until.into(), self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// A sender: one shipment after the other, as long as there are any.
    async fn send(self: Arc<Self>, client: Arc<Client>, shipment: Shipment) {
        let mut next = Some(shipment);
        while let Some(shipment) = next {
            let (parcel, sdk) = (shipment.parcel.as_ref(), &self.config.sdk);
            let envelope = write_envelope(parcel, &shipment.report, sdk, Timestamp::now());
            let mut under_way = UnderWay { shared: &self, shipment: Some(shipment) };
            next = under_way.answered(client.post(envelope).await);
        }
        // The dispatcher has to look again when to wake up, now that a slot is free.
        self.wake.notify_one();
    }
}

impl Guarded {
    /// Whether those who wait should look.
    fn take_progress(&mut self) -> bool {
        if !std::mem::take(&mut self.state.progressed) || self.flushes.is_empty() && self.room_waiters == 0 {
            return false;
        }
        let now = Instant::now();
        self.flushes
            .iter()
            .any(|ticket| self.state.is_settled(*ticket, now) || self.state.is_blocked(*ticket, now, now))
            || self.room_waiters > 0 && self.state.has_room(ROOM_QUARTERS)
    }

    /// Whether anything can change without a producer: the worker runs, or will once the spool has been looked at.
    fn goes_on(&self) -> bool {
        matches!(self.thread, Thread::Running(_)) || self.spooling.is_looking || self.spooling.has_more
    }

    /// Whether each answer is waited for.
    fn hurries(&self) -> bool {
        self.stop || !self.flushes.is_empty() || self.room_waiters > 0 || self.state.is_backed_up()
    }

    /// Whether this is the worker's own thread, which must never wait for itself.
    fn is_worker(&self) -> bool {
        self.thread == Thread::Running(Some(thread::current().id()))
    }

    pub(super) fn has_room_again(&self) -> bool {
        self.state.has_room(ROOM_QUARTERS)
    }
}

/// A shipment on its way. If the sender is dropped or panics, it is held again.
struct UnderWay<'a> {
    shared: &'a Arc<Shared>,
    shipment: Option<Shipment>,
}

impl UnderWay<'_> {
    fn answered(&mut self, answer: Answer) -> Option<Shipment> {
        let shipment = self.shipment.take()?;
        self.shared.with(|guarded, effects| {
            let now = Instant::now();
            guarded.state.answered(shipment, answer, SystemTime::now(), now, effects);
            if guarded.stop { None } else { guarded.state.next(now, effects) }
        })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(shipment) = self.shipment.take() {
            self.shared.with(|guarded, effects| {
                let answer = Answer::Failed("the delivery was stopped".to_owned());
                guarded.state.answered(shipment, answer, SystemTime::now(), Instant::now(), effects);
                effects.notices.clear();
            });
            self.shared.wake.notify_one();
        }
    }
}

/// The moment after which nobody waits. A timeout too long to add is as good as thirty years.
pub(super) fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 24 * 60 * 60))
}
