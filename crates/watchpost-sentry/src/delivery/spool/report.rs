//! What a spool's folder says, seen from outside: who uses it, what waits in it and what became of the rest. Nothing is changed,
//! and nobody who works there is disturbed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    super::outcome::Outcome,
    account::{Account, lock_sum},
    folder::{destination, holder, queues, segments},
};
use crate::wire::{Category, Dsn};

/// A spool's folder at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SpoolReport {
    /// Its destinations, by name.
    pub destinations: Vec<SpooledDestination>,
}

/// What is sent to one DSN.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpooledDestination {
    /// The DSN's host and project, and a hash of the whole DSN. It is the name of a folder: do not show it unescaped.
    pub name: String,
    /// What became of everything that any process has handed over since [`since`](Self::since): accepted = sent + held +
    /// dropped, but for what happens while the report is made.
    pub outcome: Outcome,
    /// Since when, if anything is known.
    pub since: Option<SystemTime>,
    /// The queues, oldest first.
    pub queues: Vec<SpoolQueue>,
}

/// The queue of one process, or what it left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpoolQueue {
    /// Its folder's name.
    pub name: String,
    /// Whose it is.
    pub owner: QueueOwner,
    /// What its process accepted, sent and dropped, without what it took over, and what the queue holds. Of a queue that was
    /// taken over only what it holds: the rest is in the destination's sum.
    pub outcome: Outcome,
    /// When the oldest item that it holds was accepted.
    pub oldest: Option<SystemTime>,
    /// The bytes of its segments on disk.
    pub bytes: u64,
    /// How many stretches of its segments are damaged.
    pub damaged: u64,
    /// The rate limits in force for its process.
    pub limits: Vec<SpoolLimit>,
}

/// Whose a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOwner {
    /// A process that runs and sends what is in it: the one that made it, or the one that took it over.
    Alive {
        /// Its id, as far as it is known.
        pid: Option<u32>,
    },
    /// Nobody's: what is in it waits for a process that takes it over.
    LeftBehind,
}

/// A rate limit that Sentry has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolLimit {
    /// What it is about; `None`: everything.
    pub category: Option<Category>,
    /// When it ends.
    pub until: SystemTime,
}

impl SpoolReport {
    /// Looks at a folder. One that does not exist is empty.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => {
                // A link is none of ours.
                let folders = entries?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                folders.map(|entry| entry.path()).collect()
            }
        };
        paths.sort();
        let destinations = paths.iter().map(|path| SpooledDestination::read(path)).collect::<io::Result<Vec<_>>>()?;
        // What else may be in the folder is none of ours.
        let is_used = |destination: &SpooledDestination| destination.since.is_some() || !destination.queues.is_empty();
        Ok(Self { destinations: destinations.into_iter().filter(is_used).collect() })
    }

    /// The destination of a DSN, if the folder knows it.
    #[must_use]
    pub fn destination(&self, dsn: &Dsn) -> Option<&SpooledDestination> {
        let name = destination(dsn);
        self.destinations.iter().find(|destination| destination.name == name)
    }
}

impl SpooledDestination {
    fn read(path: &Path) -> io::Result<Self> {
        // So that no account is moved from its queue into the sum meanwhile. Where there is none to hold, nobody moves any.
        let _lock = path.join("ledger.lock").exists().then(|| lock_sum(path));
        let sum = Account::read_sum(path)?;
        let (mut outcome, mut since, mut known) = (sum.outcome(), sum.since, Vec::new());
        for queue in queues(path)? {
            let (queue, account) = SpoolQueue::read(&queue, &sum);
            outcome.add(&queue.outcome);
            since = [since, account.since].into_iter().filter(|since| *since > 0).min().unwrap_or(0);
            known.push(queue);
        }
        outcome.complete = outcome.held() == 0;
        outcome.spool_bytes = known.iter().map(|queue| queue.bytes).sum();
        Ok(Self { name: name(path), outcome, since: (since > 0).then(|| moment(since)), queues: known })
    }

    /// Whether something waits that no process sends.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.queues.iter().any(|queue| queue.owner == QueueOwner::LeftBehind && queue.outcome.held() > 0)
    }
}

impl SpoolQueue {
    fn read(path: &Path, sum: &Account) -> (Self, Account) {
        let owner = holder(path).map_or(QueueOwner::LeftBehind, |pid| QueueOwner::Alive { pid });
        let account = Account::read_queue(path).filter(|_| !sum.has_added(&name(path))).unwrap_or_default();
        let mut outcome = if owner == QueueOwner::LeftBehind {
            let mut gone = Account::default();
            gone.add_gone(&account);
            gone.outcome()
        } else {
            account.outcome()
        };
        let (mut oldest, mut bytes, mut damaged) = (None, 0, 0);
        for segment in segments(path) {
            bytes += u64::from(segment.bytes);
            damaged += segment.found.damaged;
            let is_held = |offset| segment.acknowledged.binary_search(&offset).is_err();
            for entry in segment.found.entries.iter().filter(|entry| is_held(entry.offset)) {
                outcome.hold(&entry.load);
                oldest = oldest.into_iter().chain([entry.accepted_at]).min();
            }
        }
        outcome.complete = outcome.held() == 0;
        outcome.spool_bytes = bytes;
        let now = SystemTime::now();
        let limits = account.limits.iter().filter_map(|(category, until)| {
            let category = if category == "all" { None } else { Some(category.parse().ok()?) };
            Some(SpoolLimit { category, until: moment(*until) }).filter(|limit| limit.until > now)
        });
        let limits = if owner == QueueOwner::LeftBehind { Vec::new() } else { limits.collect() };
        let queue = Self { name: name(path), owner, outcome, oldest: oldest.map(moment), bytes, damaged, limits };
        (queue, account)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A moment in milliseconds since 1970. One beyond what the system knows comes from a broken file; it is as good as now.
fn moment(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or_else(SystemTime::now)
}
