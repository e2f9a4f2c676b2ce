//! The writer's thread: takes what is queued, commits it in one transaction, tells those who wait and those who watch.
//! A batch that cannot be written is retried arrival by arrival, so that one bad record costs only itself.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{broadcast, mpsc};

use super::batch::{Batch, Outcome};
use super::progress::{Progress, StopGuard};
use super::sessions::SessionIndex;
use super::{Arrival, Live, Record, StoredItem, prune};

/// Records of a batch: enough that a transaction's cost is spread, few enough that a reader waits milliseconds.
const BATCH_RECORDS: usize = 2048;

/// The writing side of a [`Store`](super::Store).
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    max_bytes: u64,
    live: broadcast::Sender<Live>,
    progress: Arc<Progress>,
    sessions: SessionIndex,
    next_item: i64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        max_bytes: u64,
        live: broadcast::Sender<Live>,
        progress: Arc<Progress>,
    ) -> rusqlite::Result<Self> {
        let next_item = next_item(&connection)?;
        Ok(Self { connection, max_bytes, live, progress, sessions: SessionIndex::default(), next_item })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let progress = Arc::clone(&self.progress);
        let _stop = StopGuard(&progress);
        while let Some(first) = arrivals.blocking_recv() {
            let mut count = first.records.len();
            let mut batch = vec![first];
            while count < BATCH_RECORDS
                && let Ok(next) = arrivals.try_recv()
            {
                count += next.records.len();
                batch.push(next);
            }
            self.write(batch);
        }
        // Best effort: the log is written back at the next start otherwise.
        let _ = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
    }

    fn write(&mut self, batch: Vec<Arrival>) {
        let arrivals = batch.len() as u64;
        match self.commit(batch.iter().flat_map(|arrival| &arrival.records)) {
            Ok(outcomes) => {
                self.prune();
                // Told before it is counted, so that who subscribes after a sync hears nothing from before it.
                self.publish(batch, outcomes);
                self.progress.advance(arrivals);
            }
            Err(error) if batch.len() == 1 => {
                let records: usize = batch.iter().map(|arrival| arrival.records.len()).sum();
                tracing::error!(%error, records, "items could not be stored");
                self.progress.fail(records as u64, error.to_string());
                self.progress.advance(arrivals);
            }
            Err(_) => {
                for arrival in batch {
                    self.write(vec![arrival]);
                }
            }
        }
    }

    fn commit<'r>(&mut self, records: impl Iterator<Item = &'r Record>) -> rusqlite::Result<Vec<Outcome>> {
        let result = self.try_commit(records);
        if result.is_err() {
            // What was remembered belongs to a transaction that never was.
            self.sessions.clear();
        }
        result
    }

    fn try_commit<'r>(&mut self, records: impl Iterator<Item = &'r Record>) -> rusqlite::Result<Vec<Outcome>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction, &mut self.sessions, self.next_item);
        let outcomes = records.map(|record| batch.store(record)).collect::<rusqlite::Result<Vec<_>>>()?;
        let next_item = batch.finish()?;
        transaction.commit()?;
        self.next_item = next_item;
        self.sessions.shrink();
        Ok(outcomes)
    }

    fn prune(&mut self) {
        match prune::prune(&mut self.connection, self.max_bytes) {
            Ok(0) => {}
            Ok(_) => self.sessions.clear(),
            Err(error) => tracing::warn!(%error, "the database could not be pruned"),
        }
    }

    fn publish(&self, batch: Vec<Arrival>, outcomes: Vec<Outcome>) {
        if self.live.receiver_count() == 0 {
            return;
        }
        let records = batch.into_iter().flat_map(|arrival| arrival.records);
        for (record, outcome) in records.zip(outcomes) {
            if let Outcome::Stored { item, session } = outcome {
                // An error only says that nobody listens any more.
                let _ = self.live.send(Live::Item(Arc::new(stored_item(record, item, session))));
            }
        }
    }
}

fn stored_item(record: Record, id: i64, session: Option<Arc<str>>) -> StoredItem {
    StoredItem {
        id,
        kind: record.kind,
        project: record.project,
        received_at: record.received_at,
        timestamp: record.timestamp,
        trace_id: record.trace_id,
        span_id: record.span_id,
        session,
        level: record.level,
        title: record.title,
        status: record.status,
        duration_ms: record.duration_ms,
        is_error: record.is_error,
        payload: record.payload,
    }
}

fn next_item(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) + 1 FROM items", [], |row| row.get(0))
}
