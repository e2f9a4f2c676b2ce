//! Clocks that jump: a sender whose time of day is moved while it runs, by a library put before the system's. The clock that only
//! counts is left alone, as it is when somebody sets a machine's time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use watchpost_sentry::delivery::{Delivery, SpoolMode};

use super::{
    Finding,
    account::Account,
    disk::{LITTLE, with_trouble},
    sender::{self, PATIENCE, Sender, Setup},
    sink::{Reply, Sink},
};
use crate::Failure;

/// The library's source.
const SHIM: &str = include_str!("clock.c");
const HOUR: i64 = 60 * 60;
const COUNT: u64 = 1_000;

/// Jumps, in seconds.
pub(super) const JUMPS: &[(&str, i64)] = &[
    ("the clock jumps an hour ahead", HOUR),
    ("the clock jumps an hour back", -HOUR),
    ("the clock jumps ten days ahead", 240 * HOUR),
];

/// The library, built; none where there is no C compiler or no `LD_PRELOAD`.
pub(super) fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, SHIM)?;
    let status = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status()?;
    if status.success() { Ok(library) } else { Err(format!("cc ended with {status}").into()) }
}

fn environment(library: &Path, offset: &Path) -> [(&'static str, PathBuf); 2] {
    [("LD_PRELOAD", library.to_owned()), ("FAULTS_CLOCK", offset.to_owned())]
}

/// Moves the clock of the sender that reads this file.
fn set(offset: &Path, seconds: i64) -> Result<(), Failure> {
    // In place: the sender has the file mapped.
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(offset)?;
    Ok(std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0)?)
}

/// A jump amid an outage.
pub(super) fn jumps(name: &str, seconds: i64, library: &Path, folder: &Path) -> Result<Finding, Failure> {
    let offset = folder.with_extension("offset");
    set(&offset, 0)?;
    let mut finding =
        with_trouble(name, folder, LITTLE, &[], &environment(library, &offset), |_| set(&offset, seconds))?;
    let days = seconds / (24 * HOUR);
    let aged = finding.dropped.keys().any(|reason| reason == "cache_overflow");
    // What is older than seven days by its clock is dropped, and only that is.
    if aged != (days >= 7) {
        finding.wrong.push(format!("dropped: {:?}", finding.dropped));
    }
    finding.note = if aged { "older than the spool's 7 days".to_owned() } else { String::new() };
    Ok(finding)
}

/// A machine that starts in 1970 and learns the time later: what was accepted before is not fifty years old.
pub(super) fn begins_in_1970(library: &Path, folder: &Path) -> Result<Finding, Failure> {
    let offset = folder.with_extension("offset");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    set(&offset, 1_000 - i64::try_from(now)?)?;
    let sink = Sink::start(|_| Reply::Close)?;
    let dsn = sink.dsn();
    let environment = environment(library, &offset);
    let setup = Setup { dsn: &dsn, folder, first: 0, count: COUNT, buffer: 0, wrapper: &[], environment: &environment };
    let mut sender = Sender::start(&setup)?;
    sender.go_on()?;
    sender.kill()?;
    sink.heal();
    let next = Delivery::start(sender::config(&dsn, Some((folder, SpoolMode::Fast)))?)?;
    next.sync(PATIENCE);
    let account = Account::from(&next.flush(PATIENCE));
    next.shutdown(PATIENCE);
    let (arrivals, mut wrong) = (sink.arrivals(), Vec::new());
    account.check(0..COUNT, &arrivals, &mut wrong);
    if account.dropped() > 0 {
        wrong.push(format!("dropped: {:?}", account.reasons()));
    }
    Ok(Finding {
        check: "accepted when the clock said 1970".to_owned(),
        mode: "fast",
        handed: COUNT,
        received: arrivals.received_all(),
        held: account.held(),
        dropped: account.reasons(),
        repeated: arrivals.repeated(),
        note: "by the next process".to_owned(),
        wrong,
    })
}

/// Whether a library can be put before the system's here.
pub(super) fn can_jump() -> bool {
    cfg!(target_os = "linux")
        && Command::new("cc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
