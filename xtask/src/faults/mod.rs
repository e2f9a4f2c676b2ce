//! `cargo xtask faults`: everything that can go wrong between a program and Sentry, done on purpose on this machine, and after each
//! fault the account: what was accepted has arrived, is held, or is counted as dropped, and nothing arrives altered.
//! What each row promises is in `docs/reliability.md`.

mod account;
mod answers;
mod arrivals;
mod clock;
mod disk;
mod items;
mod kills;
mod peers;
mod sender;
mod sink;
mod track;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use watchpost_sentry::delivery::SpoolMode;

pub(crate) use self::sender::run as run_sender;
use crate::{
    Failure,
    bench::{Table, target_folder},
};

/// Kills in each mode: more than two hundred together.
const KILLS: [(SpoolMode, u64); 2] = [(SpoolMode::Fast, 140), (SpoolMode::Durable, 80)];
/// Checks that run at the same time; most of them wait most of the time.
const AT_ONCE: usize = 6;
/// What `--only` calls the tracked servers' conditions together.
const TRACK: &str = "track";

/// What a check found.
struct Finding {
    check: String,
    mode: &'static str,
    handed: u64,
    /// Different items that the sink has acknowledged.
    received: u64,
    held: u64,
    /// By reason.
    dropped: BTreeMap<String, u64>,
    /// Acknowledged once more.
    repeated: u64,
    note: String,
    /// What is not as promised.
    wrong: Vec<String>,
}

/// A check, to be run in a folder of its own.
struct Check {
    name: String,
    run: Run,
}

type Run = Box<dyn Fn(&Path) -> Result<Finding, Failure> + Send + Sync>;

impl Check {
    fn new(name: impl Into<String>, run: impl Fn(&Path) -> Result<Finding, Failure> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Runs all checks, those whose names contain `--only TEXT`, or with `--peers` the table of Sentry's own clients beside ours. With
/// `--long`, hooks of tracked servers hang for a minute and come back.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let (mut only, mut long) = (None, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--peers", 0) => return peers::run(&folder.0),
            ("--long", _) => long = true,
            ("--only", 1..) => only = args.next(),
            _ => return Err("cargo xtask faults [--peers | --long --only TEXT]".into()),
        }
    }
    let started = Instant::now();
    let (mut failed, mut ran) = (0, 0);
    if only.is_none_or(|only| only != TRACK) {
        let mut checks = checks(&folder.0)?;
        checks.retain(|check| only.is_none_or(|only| check.name.contains(only)));
        let findings = run_all(&checks, &folder.0);
        failed += print(&checks, &findings);
        ran += checks.len();
    }
    if only.is_none_or(|only| only == TRACK) {
        let (wrong, conditions) = track::run(long)?;
        failed += wrong;
        ran += conditions;
    }
    let seconds = started.elapsed().as_secs();
    if failed > 0 {
        return Err(format!("{failed} of {ran} checks found something wrong ({seconds} s)").into());
    }
    say(&format!("All {ran} checks are well ({seconds} s)."));
    Ok(())
}

fn checks(folder: &Path) -> Result<Vec<Check>, Failure> {
    let mut checks = Vec::new();
    // The longest first.
    for (mode, kills) in KILLS {
        checks.push(Check::new(format!("kill -9 {mode:?}"), move |folder| kills::run(mode, kills, folder)));
    }
    for case in answers::CASES {
        checks.push(Check::new(format!("{}, off", case.name), move |_| answers::run(case, None)));
        checks.push(Check::new(format!("{}, fast", case.name), move |folder| answers::run(case, Some(folder))));
    }
    for buffer in [0, disk::LITTLE] {
        checks.push(Check::new("the disk is full", move |folder| disk::full(folder, buffer)));
    }
    checks.push(Check::new("the folder vanishes", disk::vanishes));
    if disk::can_be_read_only(&folder.join("read-only")) {
        for (name, from_start) in [("the disk is read-only", true), ("the disk becomes read-only", false)] {
            checks.push(Check::new(name, move |folder| disk::read_only(folder, from_start)));
        }
    } else {
        say("No right to mount: no disk is made read-only.");
    }
    for damage in disk::Damage::ALL {
        checks.push(Check::new(format!("corrupted: {damage:?}"), move |folder| disk::damage(damage, folder)));
    }
    if clock::can_jump() {
        let library = clock::build(folder)?;
        for (name, seconds) in clock::JUMPS {
            let library = library.clone();
            checks.push(Check::new(*name, move |folder| clock::jumps(name, *seconds, &library, folder)));
        }
        checks.push(Check::new("the clock said 1970", move |folder| clock::begins_in_1970(&library, folder)));
    } else {
        say("No C compiler: the clock is left alone.");
    }
    Ok(checks)
}

/// Every check's finding, in the checks' order.
fn run_all(checks: &[Check], folder: &Path) -> Vec<Option<Result<Finding, Failure>>> {
    let next = AtomicUsize::new(0);
    let findings = Mutex::new(checks.iter().map(|_| None).collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(check) = checks.get(place) else { return };
                    let finding = (check.run)(&folder.join(place.to_string()));
                    findings.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(finding);
                }
            });
        }
    });
    findings.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Prints the table, and below it what is wrong; how many checks found something.
fn print(checks: &[Check], findings: &[Option<Result<Finding, Failure>>]) -> usize {
    let mut table = Table::new(
        "",
        ["fault", "spool", "accepted", "received", "held", "dropped, and counted", "came again", "note", "verdict"],
    );
    let mut failures = Vec::new();
    for (check, finding) in checks.iter().zip(findings) {
        match finding {
            Some(Ok(finding)) => {
                let dropped: Vec<_> =
                    finding.dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                table.row([
                    finding.check.clone(),
                    finding.mode.to_owned(),
                    finding.handed.to_string(),
                    finding.received.to_string(),
                    finding.held.to_string(),
                    if dropped.is_empty() { "0".to_owned() } else { dropped.join(", ") },
                    finding.repeated.to_string(),
                    finding.note.clone(),
                    if finding.wrong.is_empty() { "ok" } else { "**WRONG**" }.to_owned(),
                ]);
                if !finding.wrong.is_empty() {
                    failures.push(format!("{} ({}): {}", finding.check, finding.mode, finding.wrong.join("; ")));
                }
            }
            Some(Err(failure)) => failures.push(format!("{}: {failure}", check.name)),
            None => failures.push(format!("{}: it panicked", check.name)),
        }
    }
    say(&table.to_markdown());
    for failure in &failures {
        say(&format!("WRONG: {failure}"));
    }
    failures.len()
}

/// The spool's segments below a folder, by name.
fn segments_below(folder: &Path) -> Vec<PathBuf> {
    let (mut segments, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "seg") {
                segments.push(path);
            }
        }
    }
    segments.sort();
    segments
}

/// Where everything is kept; gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = target_folder()?.join("faults").join(std::process::id().to_string());
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::print_stdout, reason = "the result of a developer's tool")]
fn say(text: &str) {
    println!("{text}");
}
