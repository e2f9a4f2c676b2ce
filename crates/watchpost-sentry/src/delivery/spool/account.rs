//! Accounts: what became of everything, as processes tell each other. Each process keeps its own in its queue's folder; when the
//! queue is taken over or emptied, its account is added to the destination's, which outlives all processes.
//!
//! ```text
//! FOLDER/DESTINATION/ledger            the sum of the queues that are gone, replaced as a whole
//! FOLDER/DESTINATION/ledger.lock       held while that is replaced
//! FOLDER/DESTINATION/QUEUE/ledger      two slots, written in turn: a kill in the middle costs the newer one
//! ```
//! A slot is magic "WPA1" · length · CRC-32 · JSON. Counts of names that this version does not know are kept.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::{
    super::outcome::{CATEGORIES, DropReason, ITEM_CATEGORIES, Outcome},
    file::{self, open, open_plain},
};
use crate::wire::Category;

/// What a slot begins with; version 1.
const MAGIC: [u8; 4] = *b"WPA1";
/// Magic, length, checksum.
const PREFIX: usize = 12;
/// A slot's size: more than all categories with all reasons need.
const SLOT: usize = 16 * 1024;
/// No destination's ledger is larger: it has a few thousand names at most.
const MAX_SUM: u64 = 1024 * 1024;
/// How long another process may take to add its account; it takes a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two tries.
const RETRY: Duration = Duration::from_millis(5);
/// The name of both kinds of file.
pub(super) const LEDGER: &str = "ledger";

/// Items, and their bytes.
type Figure = [u64; 2];

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Account {
    /// Counts the versions of a process's account.
    sequence: u64,
    /// The first moment it tells of, in milliseconds since 1970.
    pub(super) since: u64,
    tallies: BTreeMap<String, Counts>,
    /// The rate limits in force and when they end, in milliseconds since 1970.
    pub(in super::super) limits: BTreeMap<String, u64>,
    /// Queues whose accounts are in this sum and may still be in their folders, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<String>,
}

/// A category's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    /// Without what was recovered: that was accepted by another process.
    accepted: Figure,
    sent: Figure,
    /// Held in memory only: what a kill costs.
    unkept: Figure,
    dropped: BTreeMap<String, Figure>,
}

fn add(sum: &mut Figure, figure: Figure) {
    *sum = [sum[0].saturating_add(figure[0]), sum[1].saturating_add(figure[1])];
}

impl Account {
    /// A process's account: its figures, and what of them it holds in memory only.
    pub(in super::super) fn of(outcome: &Outcome, unkept: [(Category, Figure); CATEGORIES]) -> Self {
        let counts = |category: Category| {
            let tally = outcome.tally(category);
            let dropped = DropReason::ALL.into_iter().filter_map(|reason| {
                let figure = [tally.dropped_by(reason), tally.dropped_bytes_by(reason)];
                (figure[0] > 0).then(|| (reason.as_str().to_owned(), figure))
            });
            Counts {
                accepted: [
                    tally.accepted.saturating_sub(tally.recovered),
                    tally.accepted_bytes.saturating_sub(tally.recovered_bytes),
                ],
                sent: [tally.sent, tally.sent_bytes],
                unkept: unkept[category as usize].1,
                dropped: dropped.collect(),
            }
        };
        let tallies = ITEM_CATEGORIES.map(|category| (category.as_str().to_owned(), counts(category)));
        Self { tallies: tallies.into_iter().collect(), ..Self::default() }
    }

    /// Whether there is anything to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.tallies.values().all(|counts| counts.accepted[0] == 0 && counts.sent[0] == 0 && counts.dropped.is_empty())
    }

    /// Adds the account of a process that is gone: what it had in memory only is lost.
    pub(super) fn add_gone(&mut self, gone: &Self) {
        self.since = [self.since, gone.since].into_iter().filter(|since| *since > 0).min().unwrap_or(0);
        for (category, counts) in &gone.tallies {
            let sum = self.tallies.entry(category.clone()).or_default();
            add(&mut sum.accepted, counts.accepted);
            add(&mut sum.sent, counts.sent);
            let killed = Some((DropReason::Killed.as_str(), &counts.unkept)).filter(|(_, lost)| **lost != [0; 2]);
            let dropped = counts.dropped.iter().map(|(reason, figure)| (reason.as_str(), figure));
            for (reason, figure) in dropped.chain(killed) {
                add(sum.dropped.entry(reason.to_owned()).or_default(), *figure);
            }
        }
    }

    /// Whether a queue's account is in this sum.
    pub(super) fn has_added(&self, queue: &str) -> bool {
        self.added.iter().any(|added| added == queue)
    }

    /// The figures; held is what is in memory only. Drops for reasons that this version does not know are its own faults.
    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for (category, counts) in &self.tallies {
            let Ok(category) = category.parse::<Category>() else { continue };
            let tally = outcome.tally_mut(category);
            [tally.accepted, tally.accepted_bytes] = counts.accepted;
            [tally.sent, tally.sent_bytes] = counts.sent;
            [tally.held, tally.held_bytes] = counts.unkept;
            for (reason, [items, bytes]) in &counts.dropped {
                let known = DropReason::ALL.into_iter().find(|known| known.as_str() == reason);
                let reason = known.unwrap_or(DropReason::InternalSdkError);
                tally.count_dropped(reason, *items);
                tally.count_dropped_bytes(reason, *bytes);
            }
        }
        outcome
    }

    /// Writes the next version of a process's account over the version before the last.
    pub(super) fn write_next(&mut self, file: &mut File, after: u64) -> io::Result<u64> {
        self.sequence = after + 1;
        let slot = self.encode()?;
        if slot.len() > SLOT {
            return Err(io::Error::other("the ledger is too large"));
        }
        file.seek(SeekFrom::Start(self.sequence % 2 * SLOT as u64))?;
        file.write_all(&slot)?;
        Ok(self.sequence)
    }

    /// The newest whole version in a queue's folder.
    pub(super) fn read_queue(queue: &Path) -> Option<Self> {
        let content = file::read(&queue.join(LEDGER), 2 * SLOT as u64).ok()?;
        let slots = [content.get(..), content.get(SLOT..)];
        slots.into_iter().flatten().filter_map(Self::decode).max_by_key(|account| account.sequence)
    }

    /// A destination's sum; nothing if there is none, or if it is damaged.
    ///
    /// # Errors
    /// When there is one and it can't be read.
    pub(super) fn read_sum(destination: &Path) -> io::Result<Self> {
        match file::read(&destination.join(LEDGER), MAX_SUM) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            content => Ok(content.ok().and_then(|content| Self::decode(&content)).unwrap_or_default()),
        }
    }

    fn write_sum(&self, destination: &Path) -> io::Result<()> {
        let unfinished = destination.join("ledger.new");
        let _ = fs::remove_file(&unfinished);
        let mut file = open(&unfinished, true)?;
        file.write_all(&self.encode()?)?;
        file.sync_data()?;
        fs::rename(unfinished, destination.join(LEDGER))
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let mut slot = vec![0; PREFIX];
        serde_json::to_writer(&mut slot, self)?;
        let (length, crc) = (u32::try_from(slot.len() - PREFIX).unwrap_or(u32::MAX), checksum(&slot[PREFIX..]));
        slot[..4].copy_from_slice(&MAGIC);
        slot[4..8].copy_from_slice(&length.to_le_bytes());
        slot[8..PREFIX].copy_from_slice(&crc.to_le_bytes());
        Ok(slot)
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(slot.get(at..at + 4)?.try_into().ok()?));
        let json = slot.get(PREFIX..PREFIX.checked_add(number(4)? as usize)?)?;
        let is_whole = slot.starts_with(&MAGIC) && number(8)? == checksum(json);
        is_whole.then(|| serde_json::from_slice(json).ok())?
    }
}

/// Adds the account of a queue that is ours and whose process is gone, or ends now, to its destination's, and takes it out of
/// the queue's folder. Whenever this is interrupted, it counts once.
pub(super) fn add_to_sum(queue: &Path) -> io::Result<()> {
    let (Some(destination), Some(name)) = (queue.parent(), queue.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let Some(account) = Account::read_queue(queue) else { return remove(&queue.join(LEDGER)) };
    let _lock = lock_sum(destination)?;
    let mut sum = Account::read_sum(destination)?;
    if !sum.has_added(name) {
        sum.add_gone(&account);
        sum.added.retain(|added| destination.join(added).join(LEDGER).exists());
        sum.added.push(name.to_owned());
        sum.write_sum(destination)?;
    }
    remove(&queue.join(LEDGER))
}

/// Keeps others from changing the sum; waits for those that do.
pub(super) fn lock_sum(destination: &Path) -> io::Result<File> {
    let file = open(&destination.join("ledger.lock"), true)?;
    for _ in 0..PATIENCE.as_millis() / RETRY.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(RETRY),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// The file of a process's account, to be written in place.
pub(super) fn create(queue: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    open_plain(&queue.join(LEDGER), options.write(true).create(true).truncate(false))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
