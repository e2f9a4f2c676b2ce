//! The thread that makes events of calls: decorates them by the host's hooks, redacts them, and hands them to the exporters.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{Options, batch::Done, call::Finished, draft::Draft, options::Exporter, queue::Queue, runner::Runner};
use crate::{exporter::Discarded, model::McpEvent};

/// Jobs taken at once.
const BATCH: usize = 64;
/// While an exporter has no room, what waits here is looked at as often.
const SLICE: Duration = Duration::from_millis(20);

/// What the thread works on.
#[derive(Debug)]
pub(super) enum Job {
    Call(Box<Finished>),
    Custom(Box<McpEvent>),
}

/// What the thread shares with the tracker.
pub(super) struct Shared {
    pub(super) queue: Queue<Job>,
    pub(super) exporters: Vec<Exporter>,
    pub(super) options: Options,
    pub(super) project_id: Option<String>,
    dropped_by_hooks: AtomicU64,
    undecorated: AtomicU64,
    unreadable: AtomicU64,
}

impl Shared {
    pub(super) fn new(exporters: Vec<Exporter>, options: Options, project_id: Option<String>) -> Self {
        Self {
            queue: Queue::default(),
            exporters,
            options,
            project_id,
            dropped_by_hooks: AtomicU64::new(0),
            undecorated: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        }
    }

    /// Counts an event that no exporter gets.
    pub(super) fn discard(&self, why: Discarded) {
        if why == Discarded::Hook {
            self.dropped_by_hooks.fetch_add(1, Ordering::Relaxed);
        }
        for Exporter { exporter, .. } in &self.exporters {
            // An exporter of the host's own may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| exporter.discard(why)));
        }
    }

    /// A job's event, before the hooks.
    fn draft(&self, job: Job) -> Option<Draft> {
        let draft = catch_unwind(AssertUnwindSafe(|| Draft::new(job, &self.options, self.project_id.as_deref())));
        if draft.is_err() {
            self.discard(Discarded::Internal);
        }
        draft.ok()
    }

    /// What the hooks are done with.
    fn hand_on(&self, done: Done) {
        self.undecorated.fetch_add(done.undecorated, Ordering::Relaxed);
        for _ in 0..done.dropped {
            self.discard(Discarded::Hook);
        }
        done.events.iter().for_each(|event| self.export(event));
    }

    /// What a burst leaves waits here, as long as there is room, rather than that an exporter drops what it has not sent yet.
    fn wait_for_room(&self) {
        for Exporter { exporter, .. } in &self.exporters {
            loop {
                let (haste, asked) = (self.queue.haste(), Instant::now());
                if haste.is_pressed || haste.until.is_some_and(|until| asked >= until) {
                    return;
                }
                let has_room = catch_unwind(AssertUnwindSafe(|| exporter.wait_for_room(SLICE))).unwrap_or(true);
                // One that says no without having waited will not say yes: it was shut down.
                if has_room || asked.elapsed() < SLICE / 2 {
                    break;
                }
            }
        }
    }

    fn export(&self, event: &McpEvent) {
        for Exporter { exporter, .. } in &self.exporters {
            if catch_unwind(AssertUnwindSafe(|| exporter.export(event))).is_err() {
                tracing::warn!(target: "watchpost::mcp", "an exporter panicked; the event is lost to it");
            }
        }
    }

    pub(super) fn dropped_by_hooks(&self) -> u64 {
        self.dropped_by_hooks.load(Ordering::Relaxed)
    }

    /// Lines of clients that are no message.
    pub(super) fn unreadable(&self) -> &AtomicU64 {
        &self.unreadable
    }

    /// Events to which a hook gave nothing.
    pub(super) fn undecorated(&self) -> u64 {
        self.undecorated.load(Ordering::Relaxed)
    }
}

/// Works until the queue is closed and empty.
pub(super) fn work(shared: &Shared) {
    let Options { hooks, hook_timeout, .. } = &shared.options;
    let mut runner = Runner::new(hooks.clone(), *hook_timeout, shared.project_id.clone());
    let mut jobs = Vec::with_capacity(BATCH);
    while shared.queue.take(&mut jobs, BATCH) {
        shared.wait_for_room();
        let taken = jobs.len() as u64;
        let drafts = jobs.drain(..).filter_map(|job| shared.draft(job));
        match &mut runner {
            Some(runner) => runner.run(drafts.collect(), || shared.queue.haste(), |done| shared.hand_on(done)),
            None => drafts.for_each(|draft| shared.export(&draft.event)),
        }
        shared.queue.finish(taken);
    }
    shared.queue.end();
}
