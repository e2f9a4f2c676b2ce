//! Folders and files: `FOLDER/DESTINATION/QUEUE/{lock, 00000001.seg, …, acks, ledger}`. A queue is its process's as long as it
//! holds the lock on `lock`, which the operating system gives up with the process, however it ends. In it stands the process's id.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::{
    account::{self, Account},
    acks::{self, Acks},
    file::{check_folder, make_folder, open, open_to_read, read, sync_folder},
    record::{Found, scan},
};
use crate::wire::Dsn;

/// Longest part of a destination's name that says which it is.
const MAX_NAME: usize = 80;
/// So much of a SHA-256 tells destinations apart.
const HASH_BYTES: usize = 16;
/// So many segments are kept open: one for each lane, and those that were just closed until they are synced.
const MAX_OPEN: usize = 16;
/// No segment is longer: it is closed beyond 1 MiB, with the longest item as its last.
const MAX_SEGMENT: u64 = 66 * 1024 * 1024;
/// Whoever only looks at a queue is done with its lock long before so many tries,
const TRIES: u32 = 20;
/// with so much time between two.
const RETRY: Duration = Duration::from_millis(5);
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
    acks: Acks,
    ledger: Option<File>,
    /// The version of the account that was written last.
    sequence: u64,
    /// Names that a loss of power would take.
    unsynced: Names,
}

/// What of a queue's names is not on the disk yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Names {
    None,
    /// A segment's.
    Segment,
    /// Its own, too, and those of the folders it is in.
    Queue,
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
        check_folder(destination)?;
        make_folder(&unfinished)?;
        let lock = open(&unfinished.join("lock"), true)?;
        lock.try_lock().map_err(io::Error::from)?;
        fs::rename(&unfinished, &path)?;
        Ok(Self::locked(path, lock, Names::Queue))
    }

    /// Takes a queue over if its process is gone.
    pub(super) fn take_over(path: PathBuf) -> Option<Self> {
        check_folder(&path).ok()?;
        let lock = open(&path.join("lock"), false).ok()?;
        if !try_lock(&lock) {
            return None;
        }
        let queue = Self::locked(path, lock, Names::None);
        // Where that fails, it is done when the queue is emptied, or by who comes next.
        let _ = account::add_to_sum(&queue.path);
        Some(queue)
    }

    fn locked(path: PathBuf, mut lock: File, unsynced: Names) -> Self {
        // Only said to people; the lock itself decides.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", process::id()));
        Self { path, _lock: lock, segments: Vec::new(), acks: Acks::default(), ledger: None, sequence: 0, unsynced }
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
            self.unsynced = self.unsynced.max(Names::Segment);
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
        if self.unsynced > Names::None {
            sync_folder(&self.path)?;
        }
        if self.unsynced == Names::Queue {
            self.path.parent().map_or(Ok(()), sync_folder)?;
            // The destination's own name, and the spool's, as far as we may open what they are in.
            self.path.ancestors().skip(2).take(2).for_each(|folder| drop(sync_folder(folder)));
        }
        self.unsynced = Names::None;
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
        self.acks.append(&self.path, number, offsets)?;
        if self.acks.is_large() {
            self.acks.compact(&self.path, &segment_numbers(&self.path));
        }
        Ok(())
    }

    pub(super) fn read(&self, number: u32) -> io::Result<Vec<u8>> {
        read(&segment_path(&self.path, number), MAX_SEGMENT)
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
            acks::remove(&self.path);
            let _ = fs::remove_file(self.path.join("lock"));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Locks a queue if nobody holds it. Whoever only looks, as [`holder`] does, shares the lock for a moment: that is waited for.
fn try_lock(lock: &File) -> bool {
    try_lock_pausing(lock, || thread::sleep(RETRY))
}

/// [`try_lock`], with what to do between two tries.
fn try_lock_pausing(lock: &File, mut pause: impl FnMut()) -> bool {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::Error(_)) => return false,
            Err(TryLockError::WouldBlock) => {}
        }
        // Who holds a queue shares it with nobody.
        if lock.try_lock_shared().is_err() || lock.unlock().is_err() {
            return false;
        }
        pause();
    }
    false
}

/// The queues of a destination, by age; who is asked whether one is held is the operating system.
pub(super) fn queues(destination: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(destination)? {
        let entry = entry?;
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        // A link is none of ours.
        if !is_unfinished && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// What is in a queue's segments, whoever it belongs to, oldest first.
pub(super) fn segments(queue: &Path) -> impl Iterator<Item = TakenSegment> + use<> {
    let mut acknowledged = acks::read(queue);
    let queue = queue.to_owned();
    segment_numbers(&queue).into_iter().filter_map(move |number| {
        let content = read(&segment_path(&queue, number), MAX_SEGMENT).ok()?;
        let bytes = u32::try_from(content.len()).ok()?;
        let acknowledged = acknowledged.remove(&number).unwrap_or_default();
        Some(TakenSegment { number, bytes, found: scan(&content), acknowledged })
    })
}

/// Whether a process holds a queue, and its id as far as that is known.
pub(super) fn holder(queue: &Path) -> Option<Option<u32>> {
    let file = open_to_read(&queue.join("lock")).ok()?;
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
    queue.join(segment_name(number))
}

/// The numbers of a queue's segments, in order. A name that is not as ours are is another's file.
fn segment_numbers(queue: &Path) -> Vec<u32> {
    let names = fs::read_dir(queue).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let number = |name: &str| name.strip_suffix(".seg")?.parse().ok();
    let numbers = names.filter_map(|name| number(name.to_str()?).filter(|number| *name == *segment_name(*number)));
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn segment_name(number: u32) -> String {
    format!("{number:08}.seg")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same file opened twice, as two processes have it.
    fn opened() -> (tempfile::NamedTempFile, [File; 2]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        let others = [open(), open()];
        (file, others)
    }

    #[test]
    fn whoever_looks_at_a_queue_keeps_nobody_from_taking_it_over() {
        let (_file, [ours, looker]) = opened();
        looker.lock_shared().unwrap();
        let mut pauses = 0;
        let locked = try_lock_pausing(&ours, || {
            pauses += 1;
            looker.unlock().unwrap();
        });
        assert_eq!((locked, pauses), (true, 1));
    }

    #[test]
    fn a_queue_that_is_held_is_left_at_once_and_one_that_is_looked_at_for_ever_at_last() {
        let (_file, [ours, other]) = opened();
        other.lock().unwrap();
        assert!(!try_lock_pausing(&ours, || panic!("nothing is waited for")));
        other.unlock().unwrap();
        other.lock_shared().unwrap();
        let mut pauses = 0;
        assert!(!try_lock_pausing(&ours, || pauses += 1));
        assert_eq!(pauses, TRIES);
    }
}
