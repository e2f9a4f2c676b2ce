//! Folders and files: `FOLDER/DESTINATION/QUEUE/{lock, 00000001.seg, …, acks, ledger}`. A queue is its process's as long as it
//! holds the lock on `lock`, which the operating system gives up with the process, however it ends. In it stands the process's id.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::Crc;
use sha2::{Digest as _, Sha256};

use super::{
    account::{self, Account},
    record::{Found, scan},
};
use crate::wire::Dsn;

/// Longest part of a destination's name that says which it is.
const MAX_NAME: usize = 80;
/// So much of a SHA-256 tells destinations apart.
const HASH_BYTES: usize = 16;
/// So many segments are kept open: one for each lane, and those that were just closed until they are synced.
const MAX_OPEN: usize = 16;
/// An acknowledgement: the segment's number, the record's offset, and a checksum of both.
const ACK: usize = 12;
/// A queue that is being made is called so; it is nobody's to take over yet.
const UNFINISHED: &str = "new-";

/// The folder of a destination: host and project, and a hash that tells apart what differs in port, path or key. The key can't be
/// read from it.
pub(in super::super) fn destination(dsn: &Dsn) -> String {
    let mut name = format!("{}-{}", dsn.host(), dsn.project_id());
    name.retain(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_'));
    name.truncate(MAX_NAME);
    let whole = Sha256::digest(format!("{}:{}", dsn.envelope_url(), dsn.public_key()));
    let hash: String = whole.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", name.trim_start_matches('.'))
}

/// A queue that is ours.
#[derive(Debug)]
pub(super) struct Queue {
    path: PathBuf,
    /// Held as long as the queue is ours.
    _lock: File,
    /// The segments being appended to, and those that are still to be synced.
    segments: Vec<OpenSegment>,
    acks: Option<File>,
    ledger: Option<File>,
    /// The version of the account that was written last.
    sequence: u64,
}

#[derive(Debug)]
struct OpenSegment {
    number: u32,
    file: File,
    /// Something was appended since the last sync.
    dirty: bool,
}

/// A segment of a queue that was taken over.
#[derive(Debug)]
pub(in super::super) struct TakenSegment {
    pub(in super::super) number: u32,
    pub(in super::super) bytes: u32,
    pub(in super::super) found: Found,
    pub(in super::super) acknowledged: Vec<u32>,
}

impl Queue {
    /// A new queue of this process.
    pub(super) fn create(destination: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        make_folder(destination)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // By age when sorted by name; the number tells apart several deliveries of one process.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:013}-{}-{number}", since.as_millis(), process::id());
        let (unfinished, path) = (destination.join(format!("{UNFINISHED}{name}")), destination.join(name));
        make_folder(&unfinished)?;
        check_owner(destination, &unfinished)?;
        let lock = open(&unfinished.join("lock"), true)?;
        lock.try_lock().map_err(io::Error::from)?;
        fs::rename(&unfinished, &path)?;
        Ok(Self::locked(path, lock))
    }

    /// The queues of processes that are gone, oldest first. Those of running ones are left alone.
    pub(super) fn take_over_all(destination: &Path) -> io::Result<Vec<Self>> {
        Ok(queues(destination)?.into_iter().filter_map(Self::take_over).collect())
    }

    fn take_over(path: PathBuf) -> Option<Self> {
        let lock = open(&path.join("lock"), false).ok()?;
        match lock.try_lock() {
            Ok(()) => {
                let queue = Self::locked(path, lock);
                // Where that fails, it is done when the queue is emptied, or by who comes next.
                let _ = account::add_to_sum(&queue.path);
                Some(queue)
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
        }
    }

    fn locked(path: PathBuf, mut lock: File) -> Self {
        // Only said to people; the lock itself decides.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", process::id()));
        Self { path, _lock: lock, segments: Vec::new(), acks: None, ledger: None, sequence: 0 }
    }

    /// What is in its segments, oldest first, each read when it is asked for. A segment that can't be read is left where it is.
    pub(super) fn segments(&self) -> impl Iterator<Item = TakenSegment> + use<> {
        segments(&self.path)
    }

    pub(super) fn append(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        if !self.segments.iter().any(|segment| segment.number == number) {
            if self.segments.len() >= MAX_OPEN {
                self.sync()?;
            }
            let file = open(&segment_path(&self.path, number), true)?;
            self.segments.push(OpenSegment { number, file, dirty: false });
        }
        match self.segments.iter_mut().find(|segment| segment.number == number) {
            Some(segment) => {
                segment.dirty = true;
                segment.file.write_all(bytes)
            }
            None => Ok(()),
        }
    }

    /// Brings what was appended to the disk. An error if the folder is gone, where nobody would find it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for segment in self.segments.iter_mut().filter(|segment| segment.dirty) {
            segment.file.sync_data()?;
            segment.dirty = false;
        }
        if self.segments.len() > MAX_OPEN / 2 {
            // What is appended to again is opened again.
            self.segments.clear();
        }
        fs::metadata(self.path.join("lock")).map(drop)
    }

    /// Writes the account of this process.
    pub(super) fn write_account(&mut self, account: &mut Account) -> io::Result<()> {
        let file = match &mut self.ledger {
            Some(file) => file,
            empty => empty.insert(account::create(&self.path)?),
        };
        self.sequence = account.write_next(file, self.sequence)?;
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, number: u32, offsets: &[u32]) -> io::Result<()> {
        if self.acks.is_none() {
            self.acks = Some(open(&self.path.join("acks"), true)?);
        }
        let mut bytes = Vec::with_capacity(offsets.len() * ACK);
        for offset in offsets {
            let start = bytes.len();
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
            let checksum = checksum(&bytes[start..]);
            bytes.extend_from_slice(&checksum.to_le_bytes());
        }
        match &mut self.acks {
            Some(file) => file.write_all(&bytes),
            None => Ok(()),
        }
    }

    pub(super) fn read(&self, number: u32) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(segment_path(&self.path, number))?.read_to_end(&mut content)?;
        Ok(content)
    }

    pub(super) fn delete(&mut self, number: u32) -> io::Result<()> {
        self.segments.retain(|segment| segment.number != number);
        match fs::remove_file(segment_path(&self.path, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the queue up: an empty one goes, another is left to who comes next.
    pub(super) fn close(self) {
        // An account that can't be added keeps the folder; who comes next adds it.
        if segment_numbers(&self.path).is_empty() && account::add_to_sum(&self.path).is_ok() {
            // Whoever looks at the same moment finds a queue without segments.
            let _ = fs::remove_file(self.path.join("acks"));
            let _ = fs::remove_file(self.path.join("lock"));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The queues of a destination, by age; who is asked whether one is held is the operating system.
pub(super) fn queues(destination: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(destination)? {
        let path = entry?.path();
        let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
        if path.is_dir() && !is_unfinished {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What is in a queue's segments, whoever it belongs to, oldest first.
pub(super) fn segments(queue: &Path) -> impl Iterator<Item = TakenSegment> + use<> {
    let acknowledged = read_acks(queue);
    let mut numbers = segment_numbers(queue);
    numbers.sort_unstable();
    let queue = queue.to_owned();
    numbers.into_iter().filter_map(move |number| {
        let content = fs::read(segment_path(&queue, number)).ok()?;
        let bytes = u32::try_from(content.len()).ok()?;
        let of_it = acknowledged.iter().filter(|(about, _)| *about == number);
        let acknowledged = of_it.map(|(_, offset)| *offset).collect();
        Some(TakenSegment { number, bytes, found: scan(&content), acknowledged })
    })
}

/// Whether a process holds a queue, and its id as far as that is known.
pub(super) fn holder(queue: &Path) -> Option<Option<u32>> {
    let file = File::open(queue.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // A process's id has a few digits.
            let _ = file.take(32).read_to_string(&mut pid);
            Some(pid.trim().parse().ok())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn segment_path(queue: &Path, number: u32) -> PathBuf {
    queue.join(format!("{number:08}.seg"))
}

fn segment_numbers(queue: &Path) -> Vec<u32> {
    let names = fs::read_dir(queue).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".seg")?.parse().ok()).collect()
}

/// Segment and offset of what was acknowledged. A torn or broken acknowledgement costs itself: its item is sent again.
fn read_acks(queue: &Path) -> Vec<(u32, u32)> {
    let content = fs::read(queue.join("acks")).unwrap_or_default();
    let read = |ack: &[u8]| {
        let number = |at: usize| Some(u32::from_le_bytes(ack.get(at..at + 4)?.try_into().ok()?));
        (number(8)? == checksum(&ack[..8])).then_some((number(0)?, number(4)?))
    };
    content.chunks_exact(ACK).filter_map(read).collect()
}

/// What somebody else made can be read and replaced by them. `ours` was made just now.
#[cfg(unix)]
fn check_owner(destination: &Path, ours: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata(destination)?.uid() == fs::metadata(ours)?.uid() {
        return Ok(());
    }
    let _ = fs::remove_dir(ours);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the spool's folder belongs to another user"))
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Makes a folder for its owner alone.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for its owner alone, to append to.
pub(super) fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
