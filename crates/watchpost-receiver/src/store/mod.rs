//! The store: what arrived, in SQLite. One thread writes in batches from a bounded queue, a second, read-only connection
//! answers the pages and the API; a reader that asks first waits until everything queued before it is committed.

mod batch;
mod export;
mod histogram;
mod metrics;
mod page;
mod progress;
mod prune;
mod read;
mod record;
mod schema;
mod search;
mod sessions;
mod statements;
mod traces;
mod writer;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde::Serializer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use watchpost_sentry::wire::Timestamp;

pub use self::export::Export;
pub(crate) use self::histogram::Histogram;
pub use self::page::{Cursor, CursorError, Page};
use self::progress::Progress;
pub use self::read::{
    Actor, Calls, Discard, ErrorEntry, Found, Issue, IssueDetail, IssueList, ItemCount, ItemRefs, LogEntry, LogList,
    LogQuery, Overview, Party, Range, RawItem, SearchList, Session, SessionDetail, SessionEvent, SessionList, Source,
    SpanEntry, Stats, Stretch, Tally, Tool, ToolOrder, Trace, TraceDetail, TraceList,
};
pub use self::record::StoredItem;
pub(crate) use self::record::{
    CallKind, CallRecord, DiscardRecord, EventRecord, IssueRecord, Parties, Record, Sdk, SpanRecord, Usage,
};
pub(crate) use self::schema::SCHEMA_VERSION;
use crate::block_on::block_on;
use crate::config::Database;
use crate::error::{ImportError, StoreError};
use crate::ingest::{Origin, read_envelope};

/// Arrivals that may wait for the writer.
const QUEUE_ARRIVALS: usize = 8192;

/// Arrivals waiting for the writer that end its waiting for more.
const HURRY_ARRIVALS: usize = 1536;

/// Bytes that may wait for the writer or be written, as sent: 6 MiB, a batch and what arrives meanwhile; in memory they take
/// some three times as much. A larger arrival waits until the queue is empty.
const QUEUE_KIB: u32 = 6 * 1024;

/// Items a slow subscriber may be behind before it misses some.
const LIVE_ITEMS: usize = 4096;

/// How long a connection waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The records of one envelope, on their way to the writer.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) records: Vec<Record>,
    /// Given back once the records are committed.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What subscribers are told.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    /// An item was stored.
    Item(Arc<StoredItem>),
    /// The receiver stops: streams end, so that their connections can.
    Stopping,
    /// Everything is stored: nothing more will come.
    Closed,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Option<Duration>,
    /// How often items are pruned by age, also when nothing arrives.
    pub(crate) age_interval: Duration,
}

impl Keep {
    pub(crate) fn new(max_bytes: u64, max_age: Option<Duration>) -> Self {
        Self { max_bytes, max_age, age_interval: Duration::from_secs(60) }
    }
}

/// A handle to what was received; clones share it. Its reads block the calling thread (a few milliseconds) and see
/// everything whose POST was answered before.
///
/// The database is closed, with everything queued written, when the last handle goes.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Arrival>>,
    room: Arc<Semaphore>,
    queued: AtomicU64,
    progress: Arc<Progress>,
    reader: Mutex<Connection>,
    live: broadcast::Sender<Live>,
    writer: Option<JoinHandle<()>>,
    max_bytes: u64,
    rejected: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Closing the queue is what ends the writer, after it has written the rest.
        self.queue = None;
        self.progress.hurry();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the database's writer panicked");
        }
    }
}

impl Store {
    /// Opens or creates the database, migrates it, and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a receiver's or is a later version's, or the thread cannot be started.
    pub fn open(database: &Database, max_bytes: u64) -> Result<Self, StoreError> {
        Self::open_with(database, Keep::new(max_bytes, None))
    }

    /// [`Store::open`], also with a limit on age.
    pub(crate) fn open_with(database: &Database, keep: Keep) -> Result<Self, StoreError> {
        let (name, location) = match database {
            Database::InMemory => (memory_name(), "in memory".to_owned()),
            Database::File(path) => (path.clone(), path.display().to_string()),
        };
        let open = |source| StoreError::Open { location: location.clone(), source };
        if let Database::File(path) = database {
            create_private(path);
        }
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if matches!(database, Database::InMemory) {
            flags |= OpenFlags::SQLITE_OPEN_URI;
        }
        let write_flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(&name, write_flags).map_err(open)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(open)?;
        schema::migrate(&mut connection, &location, schema::MIGRATIONS)?;
        schema::configure_writer(&connection).map_err(open)?;

        let reader = Connection::open_with_flags(&name, flags | OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(open)?;
        reader.busy_timeout(BUSY_TIMEOUT).map_err(open)?;
        // Not opened read-only: a read-only connection cannot recover the log that a killed process left.
        reader.pragma_update(None, "query_only", true).map_err(open)?;
        reader.set_prepared_statement_cache_capacity(64);

        let (queue, arrivals) = mpsc::channel(QUEUE_ARRIVALS);
        let (live, _) = broadcast::channel(LIVE_ITEMS);
        let progress = Arc::new(Progress::default());
        let writer = writer::Writer::new(connection, keep, live.clone(), Arc::clone(&progress)).map_err(open)?;
        let thread = thread::Builder::new()
            .name("watchpost-store".to_owned())
            .spawn(move || writer.run(arrivals))
            .map_err(StoreError::Start)?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue: Some(queue),
                room: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
                queued: AtomicU64::new(0),
                progress,
                reader: Mutex::new(reader),
                live,
                writer: Some(thread),
                max_bytes: keep.max_bytes,
                rejected: AtomicU64::new(0),
            }),
        })
    }

    /// Waits until everything that was queued before this call is committed.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn sync(&self) -> Result<(), StoreError> {
        block_on(self.synced())
    }

    /// [`Store::sync`] for async code.
    pub(crate) async fn synced(&self) -> Result<(), StoreError> {
        self.inner.progress.reached(self.inner.queued.load(Ordering::Acquire)).await
    }

    /// Takes an envelope in, as if it had been sent to `project`: what [`export_session`](Self::export_session) wrote, or any
    /// other. Gives how many items were read; those that were there already are counted as duplicates. What cannot be read
    /// ends it, and what was before is kept.
    ///
    /// # Errors
    /// When the envelope is damaged or the writer has stopped.
    pub fn import(&self, envelope: &[u8], project: &str) -> Result<u64, ImportError> {
        let origin = Origin { project: Arc::from(project), received_at: Timestamp::now(), sdk: None };
        let reading = read_envelope(envelope, "", &origin, envelope.len() as u64);
        let items = reading.records.len() as u64;
        block_on(self.queue(reading.records))?;
        self.sync()?;
        match reading.damage {
            Some(damage) => Err(ImportError::Damaged { items, reason: damage.to_string() }),
            None => Ok(items),
        }
    }

    /// Queues the records of an envelope, waiting for room.
    pub(crate) async fn queue(&self, records: Vec<Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes: usize = records.iter().map(|record| record.payload.len() + size_of::<Record>()).sum();
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB).min(QUEUE_KIB);
        let room = match Arc::clone(&self.inner.room).try_acquire_many_owned(kib) {
            Ok(room) => room,
            Err(_) => {
                self.inner.progress.hurry();
                let room = Arc::clone(&self.inner.room).acquire_many_owned(kib);
                room.await.map_err(|_| StoreError::WriterStopped)?
            }
        };
        let queue = self.inner.queue.as_ref().ok_or(StoreError::WriterStopped)?;
        let slot = match queue.try_reserve() {
            Ok(slot) => slot,
            Err(_) => {
                self.inner.progress.hurry();
                queue.reserve().await.map_err(|_| StoreError::WriterStopped)?
            }
        };
        // Counted before it is sent, so that a sync asked for after this returns cannot miss it.
        self.inner.queued.fetch_add(1, Ordering::AcqRel);
        slot.send(Arrival { records, _room: room });
        if queue.max_capacity() - queue.capacity() == HURRY_ARRIVALS {
            self.inner.progress.hurry();
        }
        Ok(())
    }

    /// What is stored from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription { live: self.inner.live.subscribe(), missed: 0 }
    }

    pub(crate) fn live(&self) -> broadcast::Receiver<Live> {
        self.inner.live.subscribe()
    }

    /// Tells streams and subscriptions how far stopping has come.
    pub(crate) fn announce(&self, stage: Live) {
        // An error only says that nobody listens.
        let _ = self.inner.live.send(stage);
    }

    /// Counts an envelope that was refused or damaged.
    pub(crate) fn count_rejected(&self) {
        self.inner.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs `query` on the read-only connection, after everything queued before is committed.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.sync()?;
        // A poisoned lock only means that an earlier query panicked; the connection has no state that could be broken.
        let mut connection = self.inner.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // One transaction, so that all statements of a query see the same moment.
        let transaction = connection.transaction()?;
        Ok(query(&transaction)?)
    }
}

/// Stored items as they come, for a terminal or a test. Made by [`Store::subscribe`].
#[derive(Debug)]
pub struct Subscription {
    live: broadcast::Receiver<Live>,
    missed: u64,
}

impl Subscription {
    /// Waits for the next item, blocking the thread; `None` when the receiver has stopped.
    pub fn recv(&mut self) -> Option<Arc<StoredItem>> {
        block_on(self.next())
    }

    /// Waits for the next item; `None` when the receiver has stopped.
    pub async fn next(&mut self) -> Option<Arc<StoredItem>> {
        loop {
            match self.live.recv().await {
                Ok(Live::Item(item)) => return Some(item),
                Ok(Live::Stopping) => {}
                Ok(Live::Closed) | Err(broadcast::error::RecvError::Closed) => return None,
                Err(broadcast::error::RecvError::Lagged(count)) => self.missed += count,
            }
        }
    }

    /// How many items were not given because this side was more than 4096 behind. They are stored all the same.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// Creates a new database's file for its user alone: it holds what errors said and who calls were made for. SQLite gives the
/// files beside it the same mode. Should it fail, SQLite says why.
fn create_private(path: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// A name under which both connections reach the same database in memory.
fn memory_name() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The `memdb` VFS locks like a file, so the busy timeout works; a shared cache would answer SQLITE_LOCKED at once.
    format!("file:/watchpost-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// Writes a timestamp as RFC 3339 with milliseconds.
pub(crate) fn rfc3339<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Keep, Store};
    use crate::config::Database;

    const LOG: &[u8] = b"{}\n{\"type\":\"log\"}\n{\"items\":[{\"timestamp\":1,\"level\":\"info\",\"body\":\"old\"}]}\n";

    #[test]
    fn what_is_too_old_goes_while_nothing_arrives() {
        let keep =
            Keep { age_interval: Duration::from_millis(1), ..Keep::new(u64::MAX, Some(Duration::from_nanos(1))) };
        let store = Store::open_with(&Database::InMemory, keep).unwrap();
        store.import(LOG, "1").unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while store.stats().unwrap().kept > 0 {
            assert!(Instant::now() < patience, "the item is still there");
        }
    }

    #[test]
    fn a_search_right_after_a_flood_finds_all_of_it() {
        let store = Store::open(&Database::InMemory, u64::MAX).unwrap();
        for _ in 0..300 {
            store.import(LOG, "1").unwrap();
        }
        let many = [r#"{"timestamp":1,"level":"info","body":"needle"}"#; 3000].join(",");
        let envelope = format!("{{}}\n{{\"type\":\"log\"}}\n{{\"items\":[{many}]}}\n");
        store.import(envelope.as_bytes(), "1").unwrap();
        let found = store.search("needle", crate::Page { limit: 100, after: None }).unwrap();
        assert_eq!(found.items.len(), 100);
        assert_eq!(store.search("old", crate::Page { limit: 500, after: None }).unwrap().items.len(), 300);
    }
}
