//! How far the writer is, for those who wait for it.
//! The writer publishes the number of arrivals committed; it publishes the end when it goes, however it goes.

use tokio::sync::watch;

use crate::error::StoreError;

/// The writer's progress.
#[derive(Debug)]
pub(super) struct Progress {
    committed: watch::Sender<State>,
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
        Self { committed: watch::Sender::new(State::default()) }
    }
}

impl Progress {
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
