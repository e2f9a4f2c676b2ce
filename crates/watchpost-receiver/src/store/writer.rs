//! The writer's thread: takes what is queued, commits it in one transaction, tells those who wait and those who watch.
//! A batch that cannot be written is retried arrival by arrival, so that one bad record costs only itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use watchpost_sentry::wire::Timestamp;

use super::batch::{Batch, Outcome};
use super::progress::{Progress, StopGuard};
use super::sessions::SessionIndex;
use super::{Arrival, Keep, Live, Record, StoredItem, prune, search};
use crate::block_on::{block_on, block_on_until};

/// Records of a batch: a page of an index that several of them change is written once for all.
/// Half of what the queue holds, so that as much can arrive while it is written.
const BATCH_RECORDS: usize = 3072;

/// The time from one batch's beginning to the next, unless somebody waits or much is queued: what arrives meanwhile is written at once.
/// The first after a pause is not held back.
const GATHER: Duration = Duration::from_millis(20);

/// The same in a flood.
const GATHER_FLOOD: Duration = Duration::from_millis(250);

/// A batch below this is no flood: its words are indexed right after it.
const CALM_RECORDS: usize = 128;

/// How long nothing must arrive after a flood before its words are indexed.
const IDLE: Duration = Duration::from_millis(200);

/// What the writer does next.
#[derive(Debug)]
enum Step {
    Write(Arrival),
    Index,
    /// Prunes by age.
    Prune,
    Wait,
    End,
}

/// The writing side of a [`Store`](super::Store).
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    max_bytes: u64,
    live: broadcast::Sender<Live>,
    progress: Arc<Progress>,
    sessions: SessionIndex,
    next_item: i64,
    max_age: Option<Duration>,
    /// How often items are pruned by age.
    age_interval: Duration,
    /// When items were last pruned by age.
    aged: Option<Instant>,
    /// When the last batch was begun, and how many records it had.
    written: Option<Instant>,
    written_records: usize,
    /// Whether the last step indexed: behind by much, indexing and arrivals take turns.
    has_indexed: bool,
    /// Items that are stored and cannot be searched yet.
    behind: i64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        keep: Keep,
        live: broadcast::Sender<Live>,
        progress: Arc<Progress>,
    ) -> rusqlite::Result<Self> {
        let next_item = next_item(&connection)?;
        let indexed = search::state(&connection)?;
        progress.index(indexed.until);
        Ok(Self {
            connection,
            max_bytes: keep.max_bytes,
            live,
            progress,
            sessions: SessionIndex::default(),
            next_item,
            max_age: keep.max_age,
            age_interval: keep.age_interval,
            aged: None,
            written: None,
            written_records: 0,
            has_indexed: false,
            behind: indexed.last - indexed.until,
        })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let progress = Arc::clone(&self.progress);
        let _stop = StopGuard(&progress);
        self.prune();
        loop {
            match self.next(&mut arrivals) {
                Step::Write(first) => {
                    let batch = self.gather(first, &mut arrivals);
                    self.written_records = batch.iter().map(|arrival| arrival.records.len()).sum();
                    self.written = Some(Instant::now());
                    self.write(batch);
                }
                Step::Index => self.index(),
                Step::Prune => self.prune(),
                Step::Wait => {}
                Step::End => break,
            }
        }
        let _ = prune::vacuum(&self.connection);
        // Best effort: the log is written back at the next start otherwise.
        let _ = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
    }

    /// The next step; waits until there is one, or something to look at anew.
    fn next(&mut self, arrivals: &mut mpsc::Receiver<Arrival>) -> Step {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        let must_index = self.behind > 0 && (self.behind >= search::MAX_BEHIND || self.progress.is_search_awaited());
        if must_index && !self.has_indexed {
            self.has_indexed = true;
            return Step::Index;
        }
        self.has_indexed = false;
        match arrivals.try_recv() {
            Ok(arrival) => return Step::Write(arrival),
            Err(TryRecvError::Disconnected) => return Step::End,
            Err(TryRecvError::Empty) => {}
        }
        let age = self.max_age.and(self.aged).map(|aged| aged + self.age_interval);
        if is_due(age) {
            return Step::Prune;
        }
        let index = self.index_due();
        if must_index || is_due(index) {
            return Step::Index;
        }
        let progress = Arc::clone(&self.progress);
        let wait = async {
            tokio::select! {
                arrival = arrivals.recv() => arrival.map_or(Step::End, Step::Write),
                () = progress.hurried() => Step::Wait,
            }
        };
        match [age, index].into_iter().flatten().min() {
            Some(deadline) => block_on_until(deadline, wait).unwrap_or(Step::Wait),
            None => block_on(wait),
        }
    }

    /// When the search's index is to be brought up to date, if nothing arrives until then.
    fn index_due(&self) -> Option<Instant> {
        if self.behind == 0 {
            return None;
        }
        Some(self.written.filter(|_| self.is_flood()).map_or_else(Instant::now, |written| written + IDLE))
    }

    /// Whether the last batch was one of many.
    fn is_flood(&self) -> bool {
        self.written_records >= CALM_RECORDS
    }

    /// What is written in one transaction, from `first` on.
    fn gather(&self, first: Arrival, arrivals: &mut mpsc::Receiver<Arrival>) -> Vec<Arrival> {
        if let Some(written) = self.written {
            let pause = if self.is_flood() { GATHER_FLOOD } else { GATHER };
            // Not woken by each arrival, which would cost more than it gains.
            let _ = block_on_until(written + pause, self.progress.hurried());
        }
        let mut count = first.records.len();
        let mut batch = vec![first];
        while count < BATCH_RECORDS
            && let Ok(next) = arrivals.try_recv()
        {
            count += next.records.len();
            batch.push(next);
        }
        batch
    }

    fn index(&mut self) {
        match search::index_some(&mut self.connection) {
            Ok(at) => {
                self.behind = at.last - at.until;
                self.progress.index(at.until);
                if self.behind == 0 {
                    // The words take room too.
                    self.prune();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the search's index could not be written; what arrived since cannot be searched");
                // Tried again with the next arrival; who waits for it shall not wait for ever.
                self.behind = 0;
                self.progress.index(self.next_item - 1);
            }
        }
    }

    fn write(&mut self, batch: Vec<Arrival>) {
        let arrivals = batch.len() as u64;
        match self.commit(batch.iter().flat_map(|arrival| &arrival.records)) {
            Ok(outcomes) => {
                self.behind +=
                    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored { .. })).count() as i64;
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
        // Another process may have written since (an import into the same file).
        let next_item = next_item(&transaction)?.max(self.next_item);
        let mut batch = Batch::new(&transaction, &mut self.sessions, next_item)?;
        let outcomes = records.map(|record| batch.store(record)).collect::<rusqlite::Result<Vec<_>>>()?;
        let next_item = batch.finish()?;
        transaction.commit()?;
        self.next_item = next_item;
        self.sessions.shrink();
        Ok(outcomes)
    }

    fn prune(&mut self) {
        let oldest = self.max_age.and_then(|age| {
            let is_due = self.aged.is_none_or(|at| at.elapsed() >= self.age_interval);
            is_due.then(|| Timestamp::now().nanos().saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)))
        });
        if oldest.is_some() {
            self.aged = Some(Instant::now());
        }
        match prune::prune(&mut self.connection, self.max_bytes, oldest) {
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
