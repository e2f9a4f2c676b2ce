//! Trouble with the disk: full, gone, and bytes that are not what was written.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use watchpost_sentry::delivery::{Delivery, SpoolMode};

use super::{
    Finding,
    account::Account,
    segments_below,
    sender::{self, PATIENCE, Sender, Setup},
    sink::{Reply, Sink},
};
use crate::Failure;

/// Handed over while the sink is away: some megabytes.
const COUNT: u64 = 3_000;
/// What a full disk holds.
const FULL_KIB: u32 = 512;
/// So little memory that most of it is on disk only.
pub(super) const LITTLE: usize = 256 * 1024;
/// A segment's records begin with this, a length and a checksum.
const MAGIC: &[u8] = b"WPR1";
const PREFIX: usize = 12;
/// Handed over for each kind of damage.
const DAMAGED: u64 = 600;

/// A disk of 512 KiB, with much memory and with little.
pub(super) fn full(folder: &Path, buffer: usize) -> Result<Finding, Failure> {
    let disk = SmallDisk::new(folder)?;
    let name = disk.name();
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", FULL_KIB / 4);
    let wrapper: &[&str] = if disk.mounted { &[] } else { &["sh", "-c", &limit, "sh"] };
    let finding = with_trouble(name, folder, buffer, wrapper, &[], |_| Ok(()))?;
    drop(disk);
    Ok(finding)
}

/// The folder is deleted halfway.
pub(super) fn vanishes(folder: &Path) -> Result<Finding, Failure> {
    with_trouble("the folder vanishes", folder, 0, &[], &[], |folder| Ok(fs::remove_dir_all(folder)?))
}

/// Nothing can be written below the folder any more, from the start or from halfway on.
pub(super) fn read_only(folder: &Path, from_start: bool) -> Result<Finding, Failure> {
    if from_start {
        let _mount = ReadOnly::new(folder)?;
        return with_trouble("the disk is read-only", folder, 0, &[], &[], |_| Ok(()));
    }
    let mut mount = None;
    let name = "the disk becomes read-only";
    let finding = with_trouble(name, folder, 0, &[], &[], |_| {
        mount = Some(ReadOnly::new(folder)?);
        Ok(())
    })?;
    drop(mount);
    Ok(finding)
}

/// Whether the machine lets us make a folder read-only.
pub(super) fn can_be_read_only(folder: &Path) -> bool {
    ReadOnly::new(folder).is_ok()
}

/// Hands over while the sink is away, with some trouble halfway; then the sink is back.
pub(super) fn with_trouble(
    name: &str,
    folder: &Path,
    buffer: usize,
    wrapper: &[&str],
    environment: &[(&str, PathBuf)],
    trouble: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<Finding, Failure> {
    let sink = Sink::start(|_| Reply::Close)?;
    let dsn = sink.dsn();
    let mut sender = Sender::start(&Setup { dsn: &dsn, folder, first: 0, count: COUNT, buffer, wrapper, environment })?;
    trouble(folder)?;
    sender.go_on()?;
    sink.heal();
    let account = sender.finish()?;
    let (arrivals, mut wrong) = (sink.arrivals(), Vec::new());
    account.check(0..COUNT, &arrivals, &mut wrong);
    account.check_reports(&arrivals, &mut wrong);
    if account.held() > 0 {
        wrong.push(format!("{} are held although the sink is back", account.held()));
    }
    // With memory enough for all of it, the disk's trouble costs nothing.
    if buffer == 0 && account.dropped() > 0 {
        wrong.push(format!("{:?} dropped, although memory had room", account.reasons()));
    }
    Ok(Finding {
        check: if buffer > 0 { format!("{name}, memory of {} KiB", buffer / 1024) } else { name.to_owned() },
        mode: "fast",
        handed: COUNT,
        received: arrivals.received_all(),
        held: account.held(),
        dropped: account.reasons(),
        repeated: arrivals.repeated(),
        note: String::new(),
        wrong,
    })
}

/// A small file system, where the machine lets us make one.
struct SmallDisk<'a> {
    folder: &'a Path,
    mounted: bool,
}

impl<'a> SmallDisk<'a> {
    fn new(folder: &'a Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={FULL_KIB}k"), "tmpfs"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        Ok(Self { folder, mounted: mount.is_ok_and(|status| status.success()) })
    }

    fn name(&self) -> &'static str {
        if self.mounted { "the disk is full (tmpfs)" } else { "the disk is full (file size limit)" }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(self.folder).status();
        }
    }
}

/// A folder that is mounted onto itself, read-only: what is open in it is so no longer for whoever opens it again.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    fn new(folder: &'a Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let mount = |arguments: &[&str]| {
            let status = Command::new("mount").args(arguments).arg(folder).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        if !mount(&["--bind", &folder.to_string_lossy()]) {
            return Err("this machine lets us mount nothing".into());
        }
        let mounted = Self(folder);
        if mount(&["-o", "remount,bind,ro"]) { Ok(mounted) } else { Err("it can't be made read-only".into()) }
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Ways to damage a file's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// Single bits, here and there.
    Bits,
    /// A block of zeros, as a crash of the machine leaves them.
    Zeros,
    /// The end is missing.
    Torn,
    /// Bytes from elsewhere, in between.
    Inserted,
}

impl Damage {
    pub(super) const ALL: [Self; 4] = [Self::Bits, Self::Zeros, Self::Torn, Self::Inserted];

    const fn name(self) -> &'static str {
        match self {
            Self::Bits => "corrupted: single bits",
            Self::Zeros => "corrupted: a block of zeros",
            Self::Torn => "corrupted: a torn end",
            Self::Inserted => "corrupted: bytes in between",
        }
    }

    /// Damages a segment; the ranges of bytes that were hit, and whether those behind have moved.
    fn apply(self, content: &mut Vec<u8>, mut random: impl FnMut(usize) -> usize) -> Vec<(usize, usize)> {
        match self {
            Self::Bits => (0..9)
                .map(|_| {
                    let at = random(content.len());
                    content[at] ^= 1 << random(8);
                    (at, at + 1)
                })
                .collect(),
            Self::Zeros => {
                let (at, length) = (random(content.len()), 4096);
                let end = (at + length).min(content.len());
                content[at..end].fill(0);
                vec![(at, end)]
            }
            Self::Torn => {
                let at = content.len() - 1 - random(3_000);
                let end = content.len();
                content.truncate(at);
                vec![(at, end)]
            }
            Self::Inserted => {
                let at = 1 + random(content.len() - 1);
                let garbage: Vec<u8> = (0..1 + random(500)).map(|_| random(256) as u8).collect();
                content.splice(at..at, garbage);
                // Between two records nothing is hit.
                vec![(at, at)]
            }
        }
    }
}

/// What a killed sender left is damaged: the records that were hit are lost, and no others.
pub(super) fn damage(damage: Damage, folder: &Path) -> Result<Finding, Failure> {
    let sink = Sink::start(|_| Reply::Close)?;
    let dsn = sink.dsn();
    let setup = Setup { dsn: &dsn, folder, first: 0, count: DAMAGED, buffer: 0, wrapper: &[], environment: &[] };
    let mut sender = Sender::start(&setup)?;
    sender.go_on()?;
    sender.kill()?;
    // What it had sent before is answered while the sink is still away: later it would be acknowledged, and sent again.
    sink.settle(PATIENCE)?;
    let segments = segments_below(folder);
    let state = RandomState::new();
    let mut drawn = 0_u64;
    let mut random = |below: usize| {
        drawn += 1;
        (state.hash_one(drawn) % below as u64) as usize
    };
    let (mut found, mut lost) = (0_u64, Vec::new());
    for path in &segments {
        let mut content = fs::read(path)?;
        let records = records(&content)?;
        found += records.len() as u64;
        let hits = damage.apply(&mut content, &mut random);
        for (number, start, end) in records {
            let is_hit = |(from, to): &(usize, usize)| {
                if from == to { start < *from && *from < end } else { *from < end && start < *to }
            };
            if hits.iter().any(is_hit) {
                lost.push(number);
            }
        }
        fs::write(path, content)?;
    }
    let mut wrong = Vec::new();
    if found != DAMAGED {
        wrong.push(format!("{found} records of {DAMAGED} items were on disk"));
    }
    sink.heal();
    let next = Delivery::start(sender::config(&dsn, Some((folder, SpoolMode::Fast)))?)?;
    next.sync(PATIENCE);
    let account = Account::from(&next.flush(PATIENCE));
    next.shutdown(PATIENCE);
    let arrivals = sink.arrivals();
    account.check((0..DAMAGED).filter(|number| !lost.contains(number)), &arrivals, &mut wrong);
    if let Some(number) = lost.iter().find(|number| arrivals.of(**number).is_some_and(|count| count > 0)) {
        wrong.push(format!("{number} was damaged and has arrived"));
    }
    if account.damaged == 0 {
        wrong.push("the account says nothing of the damage".to_owned());
    }
    drop(next);
    if !segments_below(folder).is_empty() {
        wrong.push("the folder is not empty afterwards".to_owned());
    }
    Ok(Finding {
        check: damage.name().to_owned(),
        mode: "fast",
        handed: DAMAGED,
        received: arrivals.received_all(),
        held: 0,
        dropped: account.reasons(),
        repeated: arrivals.repeated(),
        note: format!("{} records damaged; {} stretches skipped, and said so", lost.len(), account.damaged),
        wrong,
    })
}

/// A segment's records: the number of each one's item, and where it begins and ends.
fn records(content: &[u8]) -> Result<Vec<(u64, usize, usize)>, Failure> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < content.len() {
        let prefix = content.get(at..at + PREFIX).ok_or("a segment ends amid a record")?;
        let length: [u8; 4] = prefix[4..8].try_into()?;
        if &prefix[..4] != MAGIC {
            return Err("a segment holds something that is no record".into());
        }
        let end = at + PREFIX + u32::from_le_bytes(length) as usize;
        let record = content.get(at..end).ok_or("a segment ends amid a record")?;
        records.push((number(record).ok_or("a record holds no item of ours")?, at, end));
        at = end;
    }
    Ok(records)
}

/// The number of a record's item.
fn number(record: &[u8]) -> Option<u64> {
    let after = |mark: &[u8]| record.get(memchr::memmem::find(record, mark)? + mark.len()..);
    let text = |mark, length| std::str::from_utf8(after(mark)?.get(..length)?).ok();
    if let Some(digits) = after(b"\"number\":{\"value\":") {
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        return std::str::from_utf8(&digits[..end]).ok()?.parse().ok();
    }
    // Also an error's and a transaction's own span is numbered like the item.
    u64::from_str_radix(text(b"\"span_id\":\"", 16)?, 16).ok()?.checked_sub(1)
}
