//! How far the writer is, for those who wait for it, and their word that they wait.
//! The writer publishes the number of arrivals committed; it publishes the end when it goes, however it goes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::{Notify, watch};

use crate::error::StoreError;

/// The writer's progress.
#[derive(Debug)]
pub(super) struct Progress {
    committed: watch::Sender<State>,
    /// Somebody waits for a commit, for room or for the search.
    is_hurried: AtomicBool,
    hurry: Notify,
    /// The last item that somebody waits to search.
    search_wanted: AtomicI64,
}

#[derive(Clone, Debug, Default)]
struct State {
    arrivals: u64,
    /// The last item that can be searched.
    indexed: i64,
    is_stopped: bool,
    /// Records lost because a batch could not be written, and the last reason.
    failed: u64,
    failure: Option<String>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            committed: watch::Sender::new(State::default()),
            is_hurried: AtomicBool::new(false),
            hurry: Notify::new(),
            search_wanted: AtomicI64::new(0),
        }
    }
}

impl Progress {
    /// Tells the writer that somebody waits: it then does not wait for more to write at once.
    pub(super) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Release);
        self.hurry.notify_one();
    }

    /// For the writer: waits until somebody waits for it, and takes note.
    pub(super) async fn hurried(&self) {
        while !self.is_hurried.swap(false, Ordering::AcqRel) {
            self.hurry.notified().await;
        }
    }

    /// Whether somebody waits to search items that are not indexed.
    pub(super) fn is_search_awaited(&self) -> bool {
        self.search_wanted.load(Ordering::Acquire) > self.committed.borrow().indexed
    }

    /// `arrivals` more are committed (or failed, which is final too).
    pub(super) fn advance(&self, arrivals: u64) {
        self.committed.send_modify(|state| state.arrivals += arrivals);
    }

    /// `records` could not be written.
    pub(super) fn fail(&self, records: u64, reason: String) {
        self.committed.send_modify(|state| {
            state.failed += records;
            state.failure = Some(reason);
        });
    }

    /// How many records could not be written, and why the last one could not.
    pub(super) fn failures(&self) -> (u64, Option<String>) {
        let state = self.committed.borrow();
        (state.failed, state.failure.clone())
    }

    /// Items up to this one can be searched.
    pub(super) fn index(&self, item: i64) {
        self.committed.send_modify(|state| state.indexed = item);
    }

    /// Waits until items up to `item` can be searched.
    pub(super) async fn indexed(&self, item: i64) -> Result<(), StoreError> {
        if self.committed.borrow().indexed < item {
            self.search_wanted.fetch_max(item, Ordering::AcqRel);
            self.hurry();
        }
        let mut watcher = self.committed.subscribe();
        let state = watcher
            .wait_for(|state| state.indexed >= item || state.is_stopped)
            .await
            .map_err(|_| StoreError::WriterStopped)?;
        if state.indexed >= item { Ok(()) } else { Err(StoreError::WriterStopped) }
    }

    /// The writer is gone.
    pub(super) fn stop(&self) {
        self.committed.send_modify(|state| state.is_stopped = true);
    }

    /// Waits until `arrivals` are committed.
    pub(super) async fn reached(&self, arrivals: u64) -> Result<(), StoreError> {
        if self.committed.borrow().arrivals < arrivals {
            self.hurry();
        }
        let mut watcher = self.committed.subscribe();
        let state = watcher
            .wait_for(|state| state.arrivals >= arrivals || state.is_stopped)
            .await
            .map_err(|_| StoreError::WriterStopped)?;
        if state.arrivals >= arrivals { Ok(()) } else { Err(StoreError::WriterStopped) }
    }
}

/// Publishes the end when dropped, so that nobody waits for a writer that panicked.
#[derive(Debug)]
pub(super) struct StopGuard<'p>(pub(super) &'p Progress);

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
