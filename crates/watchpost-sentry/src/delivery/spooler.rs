//! The spool's thread: a thin shell round the shelf and the writer, with a clock and the delivery's lock.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    notice::Notice,
    spool::{Content, ReadBack, SpoolMode, Writer, destination},
    state::TakenOver,
    worker::{Guarded, Shared},
};

/// After a write, items gather so long: one write for many. What is handed over in between is lost with the process (`kill -9`).
const GATHER: Duration = Duration::from_millis(10);
/// With [`SpoolMode::Fast`] the disk has everything after so long, whatever happens to the machine.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// The last writes of a shutdown: segments are small, and most systems take them at once.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// The spool's thread as the lock guards it.
#[derive(Debug, Default)]
pub(super) struct Spooling {
    life: Life,
    /// It has not taken over yet what others left: there may be something to send that nobody knows of.
    pub(super) is_looking: bool,
    /// It has taken over as much as it can hold at a time: there is more when that is done with.
    pub(super) has_more: bool,
    /// Itself, which must never wait for itself.
    thread: Option<ThreadId>,
    /// It waits to be called.
    pub(super) asleep: bool,
    /// It lets things gather, unless many do.
    pub(super) gathers: bool,
    /// Who waits for what was handed over before takes a number;
    requested: u64,
    /// those up to here have it.
    synced: u64,
    stop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    /// There is no spool, or its thread could not be started.
    #[default]
    None,
    Running,
    Ended,
}

/// Now, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Shared {
    /// Starts the spool's thread, if there is a spool.
    pub(super) fn start_spooler(self: &Arc<Self>) {
        let Some(config) = &self.config.spool else { return };
        let mut writer = Writer::new(&config.folder, &destination(self.config.dsn()), wall_ms());
        {
            let mut guarded = self.lock();
            guarded.spooling.life = Life::Running;
            guarded.spooling.is_looking = true;
        }
        let shared = Arc::clone(self);
        let run = move || {
            shared.lock().spooling.thread = Some(thread::current().id());
            let outcome = catch_unwind(AssertUnwindSafe(|| shared.spool(&mut writer)));
            if outcome.is_err() {
                shared.fail_spool("the spool's thread panicked".to_owned(), &writer);
            }
            writer.close();
            {
                let mut guarded = shared.lock();
                guarded.spooling.life = Life::Ended;
                guarded.spooling.is_looking = false;
                guarded.spooling.has_more = false;
            }
            shared.announce();
        };
        if let Err(error) = thread::Builder::new().name("watchpost-spool".to_owned()).spawn(run) {
            {
                let mut guarded = self.lock();
                guarded.spooling.life = Life::None;
                guarded.spooling.is_looking = false;
            }
            self.fail_spool(error.to_string(), &Writer::new(&config.folder, "", 0));
        }
    }

    /// Ends the spool's thread once it has written what there is to write.
    pub(super) fn stop_spooler(&self) {
        let mut guarded = self.lock();
        guarded.spooling.stop = true;
        self.spool_wake.notify_all();
        let end = Instant::now() + LAST_WRITES;
        while guarded.spooling.life == Life::Running && Instant::now() < end {
            let waited = self.progress.wait_timeout(guarded, end - Instant::now());
            (guarded, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until what was handed over is written. False if there is no spool to write it, or not in time.
    pub(super) fn sync(&self, deadline: Instant) -> bool {
        let mut guarded = self.lock();
        guarded.spooling.requested += 1;
        let number = guarded.spooling.requested;
        loop {
            let is_kept = guarded.state.shelf.as_ref().is_some_and(|shelf| !shelf.has_failed());
            let is_own = guarded.spooling.thread == Some(thread::current().id());
            if !is_kept || is_own || guarded.spooling.life != Life::Running {
                return false;
            }
            if guarded.spooling.synced >= number {
                return true;
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            guarded.spooling.asleep = false;
            self.spool_wake.notify_one();
            let waited = self.progress.wait_timeout(guarded, deadline - now);
            (guarded, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// In durable mode: waits for the disk, as long as it takes.
    pub(super) fn wait_until_durable(&self) {
        if self.config.spool.as_ref().is_some_and(|spool| spool.mode == SpoolMode::Durable) {
            self.sync(super::worker::deadline(Duration::MAX));
        }
    }

    /// The thread.
    fn spool(self: &Arc<Self>, writer: &mut Writer) {
        self.take_over(writer);
        let durable = self.config.spool.as_ref().is_some_and(|spool| spool.mode == SpoolMode::Durable);
        let mut last_sync = Instant::now();
        let (mut read, mut written): (Vec<Content>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        loop {
            let mut guarded = self.lock();
            let (requested, stop) = (guarded.spooling.requested, guarded.spooling.stop);
            if stop && let Some(shelf) = &mut guarded.state.shelf {
                shelf.close_current();
            }
            let shelf = guarded.state.shelf.as_mut();
            let is_stirred = shelf.as_ref().is_some_and(|shelf| shelf.has_commands());
            let commands = shelf.map(|shelf| shelf.take_commands()).unwrap_or_default();
            let is_idle = !is_stirred && requested == guarded.spooling.synced && !stop;
            if is_idle {
                self.doze(guarded, writer.is_dirty().then(|| last_sync + SYNC_EVERY));
                if writer.is_dirty() && last_sync.elapsed() >= SYNC_EVERY {
                    last_sync = Instant::now();
                    let synced = writer.sync();
                    self.check(synced, writer);
                }
                continue;
            }
            let account = guarded.state.account(Instant::now());
            drop(guarded);
            let executed = writer.execute(commands, &mut read, &mut written);
            self.check(executed, writer);
            if durable || writer.is_dirty() && last_sync.elapsed() >= SYNC_EVERY {
                last_sync = Instant::now();
                let synced = writer.sync();
                self.check(synced, writer);
            }
            if !stop && writer.wants_more() {
                self.take_over(writer);
            }
            if stop {
                let account = self.with(|guarded, _| {
                    guarded.state.end();
                    guarded.state.account(Instant::now())
                });
                writer.tell(account);
            } else {
                writer.tell(account);
            }
            for content in read.drain(..) {
                let mut read = ReadBack::of(content, self.config.dsn().public_key());
                self.with(|guarded, effects| guarded.state.restore(&mut read, Instant::now(), effects));
            }
            let mut guarded = self.lock();
            if let Some(shelf) = &mut guarded.state.shelf {
                written.drain(..).for_each(|bytes| shelf.recycle(bytes));
            }
            let is_waited_for = guarded.spooling.synced < requested;
            guarded.spooling.synced = requested;
            if is_waited_for {
                self.announce();
            }
            if stop {
                return;
            }
            // Others who wait come before gathering.
            if guarded.spooling.requested == requested && !durable {
                guarded.spooling.gathers = !guarded.state.shelf.as_ref().is_some_and(|shelf| shelf.is_pressed());
                let waited = self.spool_wake.wait_timeout_while(guarded, GATHER, |guarded| {
                    guarded.spooling.gathers && guarded.spooling.requested == requested && !guarded.spooling.stop
                });
                waited.unwrap_or_else(PoisonError::into_inner).0.spooling.gathers = false;
            }
        }
    }

    /// Takes over what dead processes left.
    fn take_over(self: &Arc<Self>, writer: &mut Writer) {
        let mut all = TakenOver::default();
        writer.take_over(|file, segment| {
            let taken = self.with(|guarded, effects| guarded.state.take_over(vec![(file, segment)], effects));
            all.items += taken.items;
            all.damaged += taken.damaged;
        });
        if all != TakenOver::default() {
            let (items, damaged) = (all.items, all.damaged);
            self.with(|_, effects| effects.notices.push(Notice::TakenOver { items, damaged }));
        }
        let mut guarded = self.lock();
        guarded.spooling.has_more = writer.has_more();
        guarded.spooling.is_looking = false;
        drop(guarded);
        self.announce();
    }

    /// Sleeps until there is something to do.
    fn doze(&self, mut guarded: std::sync::MutexGuard<'_, Guarded>, until: Option<Instant>) {
        guarded.spooling.asleep = true;
        let is_called = |guarded: &Guarded| {
            !guarded.spooling.asleep || guarded.spooling.stop || guarded.spooling.requested > guarded.spooling.synced
        };
        while !is_called(&guarded) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = self.spool_wake.wait_timeout(guarded, left);
                    (guarded, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
                None => guarded = self.spool_wake.wait(guarded).unwrap_or_else(PoisonError::into_inner),
            }
        }
        guarded.spooling.asleep = false;
    }

    fn check(self: &Arc<Self>, result: io::Result<()>, writer: &Writer) {
        if let Err(error) = result {
            self.fail_spool(error.to_string(), writer);
        }
    }

    /// From now on in memory only; what is on the disk by now stays there, and is known.
    fn fail_spool(self: &Arc<Self>, error: String, writer: &Writer) {
        let files = self.with(|guarded, effects| {
            let shelf = guarded.state.shelf.as_ref().filter(|shelf| !shelf.has_failed())?;
            let files = shelf.own_files();
            guarded.state.fail_spool();
            effects.notices.push(Notice::SpoolFailed { error });
            Some(files)
        });
        for file in files.unwrap_or_default() {
            let found = writer.found(file);
            self.with(|guarded, _| guarded.state.confirm_spooled(file, &found));
        }
        self.announce();
    }
}
