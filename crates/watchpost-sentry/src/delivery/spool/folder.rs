//! Folders and files: `FOLDER/DESTINATION/QUEUE/{lock, 00000001.seg, …, acks}`. A queue is its process's as long as it holds the
//! lock on `lock`, which the operating system gives up with the process, however it ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::Crc;

use super::record::{Found, scan};
use crate::wire::Dsn;

/// Longest part of a destination's name that says which it is.
const MAX_NAME: usize = 80;
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
    let whole = format!("{}:{}", dsn.envelope_url(), dsn.public_key());
    format!("{}-{:016x}", name.trim_start_matches('.'), fnv1a(whole.as_bytes()))
}

/// FNV-1a: the same in every version of this program, which the standard library's hash is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A queue that is ours.
#[derive(Debug)]
pub(super) struct Queue {
    path: PathBuf,
    /// Held as long as the queue is ours.
    _lock: File,
    /// The segment being appended to, and its number.
    segment: Option<(u32, File)>,
    acks: Option<File>,
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
        let lock = open(&unfinished.join("lock"), true)?;
        lock.try_lock().map_err(io::Error::from)?;
        fs::rename(&unfinished, &path)?;
        Ok(Self { path, _lock: lock, segment: None, acks: None })
    }

    /// The queues of processes that are gone, oldest first. Those of running ones are left alone.
    pub(super) fn take_over_all(destination: &Path) -> io::Result<Vec<Self>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(destination)? {
            let path = entry?.path();
            let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
            if path.is_dir() && !is_unfinished {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths.into_iter().filter_map(Self::take_over).collect())
    }

    fn take_over(path: PathBuf) -> Option<Self> {
        let lock = open(&path.join("lock"), false).ok()?;
        match lock.try_lock() {
            Ok(()) => Some(Self { path, _lock: lock, segment: None, acks: None }),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
        }
    }

    /// What is in its segments, oldest first. A segment that can't be read is left where it is.
    pub(super) fn segments(&self) -> Vec<TakenSegment> {
        let acknowledged = self.read_acks();
        let mut numbers = self.segment_numbers();
        numbers.sort_unstable();
        let read = |number: u32| {
            let content = self.read(number).ok()?;
            let bytes = u32::try_from(content.len()).ok()?;
            let of_it = acknowledged.iter().filter(|(about, _)| *about == number);
            let acknowledged = of_it.map(|(_, offset)| *offset).collect();
            Some(TakenSegment { number, bytes, found: scan(&content), acknowledged })
        };
        numbers.into_iter().filter_map(read).collect()
    }

    pub(super) fn append(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        if self.segment.as_ref().is_none_or(|(current, _)| *current != number) {
            let file = open(&self.segment_path(number), true)?;
            self.segment = Some((number, file));
        }
        match &mut self.segment {
            Some((_, file)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Brings what was appended to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.segment {
            Some((_, file)) => file.sync_data(),
            None => Ok(()),
        }
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
        File::open(self.segment_path(number))?.read_to_end(&mut content)?;
        Ok(content)
    }

    pub(super) fn delete(&mut self, number: u32) -> io::Result<()> {
        if self.segment.as_ref().is_some_and(|(current, _)| *current == number) {
            self.segment = None;
        }
        match fs::remove_file(self.segment_path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the queue up: an empty one goes, another is left to who comes next.
    pub(super) fn close(self) {
        if self.segment_numbers().is_empty() {
            // Whoever looks at the same moment finds a queue without segments.
            let _ = fs::remove_file(self.path.join("acks"));
            let _ = fs::remove_file(self.path.join("lock"));
            let _ = fs::remove_dir(&self.path);
        }
    }

    fn segment_path(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:08}.seg"))
    }

    fn segment_numbers(&self) -> Vec<u32> {
        let names = fs::read_dir(&self.path).into_iter().flatten().flatten();
        names.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".seg")?.parse().ok()).collect()
    }

    /// Segment and offset of what was acknowledged. A torn or broken acknowledgement costs itself: its item is sent again.
    fn read_acks(&self) -> Vec<(u32, u32)> {
        let content = fs::read(self.path.join("acks")).unwrap_or_default();
        let read = |ack: &[u8]| {
            let number = |at: usize| Some(u32::from_le_bytes(ack.get(at..at + 4)?.try_into().ok()?));
            (number(8)? == checksum(&ack[..8])).then_some((number(0)?, number(4)?))
        };
        content.chunks_exact(ACK).filter_map(read).collect()
    }
}

fn checksum(bytes: &[u8]) -> u32 {
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
fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
