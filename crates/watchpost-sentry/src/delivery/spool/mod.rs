//! The spool: what was accepted, kept on disk until it is sent or dropped, so that it survives the process.
//!
//! ```text
//! State ──append, done, spill──> Shelf ──Command──> Writer ──> FOLDER/DESTINATION/QUEUE/{lock, 00000001.seg, …, acks, ledger}
//!   ^          (no I/O)            │                (thread "watchpost-spool")
//!   └──────── restored ────────────┘ <── segments read back, those of dead processes too
//! ```
//!
//! A queue belongs to one process, which holds a lock on it. Records are appended to segments; what is done with is noted in
//! `acks`; a segment of which everything is done with is deleted. A process that starts takes over the queues whose processes
//! are gone. Items that do not fit in memory (an outage, a rate limit) are *spilled*: forgotten in memory and read back later,
//! oldest first. [`SpoolReport`] looks at all of it from outside.

mod account;
mod acks;
mod file;
mod folder;
mod read_back;
mod record;
mod report;
mod shelf;
mod writer;

use std::{path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer};

pub use self::report::{QueueOwner, SpoolLimit, SpoolQueue, SpoolReport, SpooledDestination};
pub(super) use self::{
    account::Account,
    folder::{TakenSegment, destination},
    read_back::{Content, ReadBack},
    record::{Found, Item, Stored},
    shelf::{FileId, Place, Shelf},
    writer::Writer,
};
#[cfg(test)]
pub(super) use self::{
    record::{scan, seal},
    shelf::Command,
};

/// Keeps what was accepted on disk until it is sent.
///
/// Reads from any format serde knows, all but the folder with a default; an unknown field is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SpoolConfig {
    /// Where. Many processes may share it; it is made if it is missing, for its owner alone (0700, files 0600).
    pub folder: PathBuf,
    /// When an item counts as accepted. Default [`SpoolMode::Fast`].
    #[serde(default)]
    pub mode: SpoolMode,
    /// Most bytes that this process keeps, those it took over included. Beyond, the oldest go, counted as
    /// [`CacheOverflow`](super::DropReason::CacheOverflow). Default 256 MiB.
    #[serde(alias = "maxBytes", default = "default_max_bytes")]
    pub max_bytes: u64,
    /// What waited longer is dropped when its turn comes, counted as [`CacheOverflow`](super::DropReason::CacheOverflow).
    /// Read as seconds. Default 7 days.
    #[serde(alias = "maxAge", default = "default_max_age", deserialize_with = "seconds")]
    pub max_age: Duration,
}

/// When an item counts as accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SpoolMode {
    /// At once. It is in the hands of the operating system some milliseconds later, where it survives the process, and on disk
    /// a second later at the latest, where it survives the machine.
    #[default]
    Fast,
    /// When it is on disk (`fdatasync`): the call that hands it over waits for that, together with all others that do.
    Durable,
}

impl SpoolConfig {
    /// A spool in this folder, with the defaults that each field names.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            mode: SpoolMode::default(),
            max_bytes: default_max_bytes(),
            max_age: default_max_age(),
        }
    }

    /// Sets when an item counts as accepted.
    #[must_use]
    pub const fn with_mode(mut self, mode: SpoolMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the bound in bytes.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the bound in time.
    #[must_use]
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
}

/// A name that is no [`SpoolMode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of fast, durable")]
pub struct UnknownSpoolMode(String);

impl FromStr for SpoolMode {
    type Err = UnknownSpoolMode;

    fn from_str(name: &str) -> Result<Self, UnknownSpoolMode> {
        match name {
            "fast" => Ok(Self::Fast),
            "durable" => Ok(Self::Durable),
            _ => Err(UnknownSpoolMode(name.to_owned())),
        }
    }
}

const fn default_max_bytes() -> u64 {
    256 * 1024 * 1024
}

const fn default_max_age() -> Duration {
    Duration::from_secs(7 * 24 * 60 * 60)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}
