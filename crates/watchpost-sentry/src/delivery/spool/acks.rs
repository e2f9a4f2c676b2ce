//! Acknowledgements: which records of a queue's segments are done with. Appended to the file `acks`; those of segments that are
//! gone are left out when it is written anew, so that it stays small however long its process lives.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use super::{
    account::checksum,
    file::{self, open},
};

/// An acknowledgement: the segment's number, the record's offset, and a checksum of both.
const ACK: usize = 12;
/// The file is written anew at this size, or at twice what was left the last time.
const COMPACT_AT: u64 = 1024 * 1024;
/// More than the segments of any spool need; what stands beyond is not read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const NAME: &str = "acks";

/// The offsets of what was acknowledged, in order, by segment.
pub(super) type Acknowledged = BTreeMap<u32, Vec<u32>>;

/// The file of a queue that is ours.
#[derive(Debug, Default)]
pub(super) struct Acks {
    file: Option<File>,
    bytes: u64,
    compact_at: u64,
}

impl Acks {
    /// Notes that these records of a segment are done with.
    pub(super) fn append(&mut self, queue: &Path, number: u32, offsets: &[u32]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let file = open(&queue.join(NAME), true)?;
                self.bytes = file.metadata()?.len();
                self.compact_at = COMPACT_AT;
                empty.insert(file)
            }
        };
        let mut bytes = Vec::with_capacity(offsets.len() * ACK);
        offsets.iter().for_each(|offset| write(number, *offset, &mut bytes));
        file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether the file has grown so much that it should be [compacted](Self::compact).
    pub(super) const fn is_large(&self) -> bool {
        self.file.is_some() && self.bytes >= self.compact_at
    }

    /// Writes the file anew with what is about these segments. Where that fails, it goes on as it was.
    pub(super) fn compact(&mut self, queue: &Path, segments: &[u32]) {
        if let Ok((file, bytes)) = rewrite(queue, segments) {
            (self.file, self.bytes) = (Some(file), bytes);
        }
        self.compact_at = COMPACT_AT.max(self.bytes.saturating_mul(2));
    }
}

fn rewrite(queue: &Path, segments: &[u32]) -> io::Result<(File, u64)> {
    let mut bytes = Vec::new();
    for (number, offsets) in read(queue).into_iter().filter(|(number, _)| segments.contains(number)) {
        offsets.into_iter().for_each(|offset| write(number, offset, &mut bytes));
    }
    let unfinished = queue.join("acks.new");
    let _ = fs::remove_file(&unfinished);
    let mut file = open(&unfinished, true)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    fs::rename(unfinished, queue.join(NAME))?;
    Ok((file, bytes.len() as u64))
}

/// Takes the file out of a queue's folder.
pub(super) fn remove(queue: &Path) {
    let _ = fs::remove_file(queue.join(NAME));
    let _ = fs::remove_file(queue.join("acks.new"));
}

/// What was acknowledged in a queue. A torn or broken acknowledgement costs itself: its item is sent again.
pub(super) fn read(queue: &Path) -> Acknowledged {
    let content = file::read(&queue.join(NAME), MAX_BYTES).unwrap_or_default();
    let (mut acknowledged, mut at) = (Acknowledged::new(), 0);
    while let Some(ack) = content.get(at..at + ACK) {
        match parse(ack) {
            Some((number, offset)) => {
                acknowledged.entry(number).or_default().push(offset);
                at += ACK;
            }
            // A write that was cut short moves what comes after it.
            None => at += 1,
        }
    }
    acknowledged.values_mut().for_each(|offsets| offsets.sort_unstable());
    acknowledged
}

fn write(number: u32, offset: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    let checksum = checksum(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

fn parse(ack: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_le_bytes(ack.get(at..at + 4)?.try_into().ok()?));
    (number(8)? == checksum(ack.get(..8)?)).then_some((number(0)?, number(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_acknowledgement_costs_itself_and_none_behind_it() {
        let queue = tempfile::tempdir().unwrap();
        let path = queue.path().join(NAME);
        for torn in 1..ACK {
            let _ = fs::remove_file(&path);
            Acks::default().append(queue.path(), 1, &[10, 20]).unwrap();
            let length = fs::metadata(&path).unwrap().len() - torn as u64;
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            Acks::default().append(queue.path(), 2, &[30, 40]).unwrap();
            assert_eq!(read(queue.path()), Acknowledged::from([(1, vec![10]), (2, vec![30, 40])]), "{torn} bytes");
        }
    }

    #[test]
    fn the_file_stays_small_and_keeps_what_is_about_segments_that_are_there() {
        let queue = tempfile::tempdir().unwrap();
        let (mut acks, mut largest) = (Acks::default(), 0);
        for number in 0..1_000 {
            acks.append(queue.path(), number, &(0..1_000).collect::<Vec<_>>()).unwrap();
            if acks.is_large() {
                acks.compact(queue.path(), &[3, number]);
            }
            largest = largest.max(fs::metadata(queue.path().join(NAME)).unwrap().len());
        }
        assert!(largest < 2 * COMPACT_AT, "{largest} bytes");
        let kept = read(queue.path());
        assert_eq!(kept[&3], (0..1_000).collect::<Vec<_>>());
        assert_eq!(kept[&999].len(), 1_000);
        assert!(kept.len() < 200, "{}", kept.len());
    }
}
