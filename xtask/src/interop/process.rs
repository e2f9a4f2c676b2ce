//! Child processes under a time limit, of which none is left behind. The interop run adopts what its children abandon
//! (Linux), so that an orphan of the proxy is seen and named instead of living on unnoticed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::Failure;

/// How often a condition outside this process is looked at again.
pub(super) const POLL: Duration = Duration::from_millis(5);
/// What a child abandoned may take this long to end by itself before it counts as left behind.
const LEFTOVER_GRACE: Duration = Duration::from_secs(6);
/// As much of a failed child's last words as fits a failure message.
const LAST_WORDS_LINES: usize = 12;

/// The children this process waits for itself.
static OWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child that ended.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// A child that runs; it and everything below it is killed when this is dropped.
pub(super) struct Running {
    name: String,
    child: Child,
    started: Instant,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in `{log}.out` and `{log}.err`. Its standard input is what the command says.
    pub(super) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, Failure> {
        let out = File::create(log.with_extension("out"))?;
        let err = File::create(log.with_extension("err"))?;
        // Locked over both, so that the child is not taken for an orphan in between.
        let mut own = own();
        let child = command
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("can't start {name} ({}): {error}", command.get_program().display()))?;
        own.insert(child.id());
        drop(own);
        Ok(Self { name: name.to_owned(), child, started: Instant::now(), log: log.to_owned() })
    }

    /// The child's standard input, once, when the command asked for a pipe.
    pub(super) fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: rustix::process::Signal) -> Result<(), Failure> {
        let pid = known_pid(self.child.id()).ok_or("no process id")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// Whether it ended.
    pub(super) fn ended(&mut self) -> Result<bool, Failure> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it ends; when that takes longer than `limit` since its start, kills it and fails.
    pub(super) fn finish(mut self, limit: Duration) -> Result<Finished, Failure> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Finished {
                    status,
                    stdout: self.stdout()?,
                    stderr: self.stderr(),
                    took: self.started.elapsed(),
                });
            }
            if self.started.elapsed() > limit {
                let words = last_words(&self.stderr());
                return Err(format!("{} did not end within {} s{words}", self.name, limit.as_secs()).into());
            }
            thread::sleep(POLL);
        }
    }

    /// What it wrote to standard output so far.
    pub(super) fn stdout(&self) -> Result<Vec<u8>, Failure> {
        Ok(fs::read(self.log.with_extension("out"))?)
    }

    /// What it wrote to standard error so far.
    pub(super) fn stderr(&self) -> String {
        fs::read(self.log.with_extension("err"))
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            kill_below(self.child.id());
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        own().remove(&self.child.id());
    }
}

/// Runs `command` to its end without input, within `limit`.
pub(super) fn run(name: &str, command: &mut Command, limit: Duration, log: &Path) -> Result<Finished, Failure> {
    Running::start(name, command.stdin(Stdio::null()), log)?.finish(limit)
}

/// As [`run`], and fails unless it succeeded.
pub(super) fn run_well(name: &str, command: &mut Command, limit: Duration, log: &Path) -> Result<Finished, Failure> {
    let finished = run(name, command, limit, log)?;
    if finished.status.success() {
        return Ok(finished);
    }
    Err(format!("{name} failed ({}){}", finished.status, last_words(&finished.stderr)).into())
}

/// The end of what a child said, for a failure message.
pub(super) fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let from = lines.len().saturating_sub(LAST_WORDS_LINES);
    lines[from..].iter().map(|line| format!("\n      | {line}")).collect()
}

/// From now on, processes that lose their parent below this one become its children (Linux; elsewhere nothing happens),
/// and are taken out of the process table as soon as they end. Whoever starts a child by other means than
/// [`Running`] does so before.
pub(super) fn adopt_orphans() -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut ends = signal_hook::iterator::Signals::new([signal_hook::consts::SIGCHLD])?;
    thread::spawn(move || ends.forever().for_each(|_| drop(adopted())));
    Ok(())
}

/// Ends everything below this process on SIGINT and SIGTERM, then itself.
pub(super) fn clean_up_on_signals() -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            kill_below(std::process::id());
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Waits for abandoned processes to end, kills those that don't, and returns their command lines.
pub(super) fn end_leftovers() -> Vec<String> {
    let start = Instant::now();
    loop {
        let left = adopted();
        if left.is_empty() {
            return Vec::new();
        }
        if start.elapsed() > LEFTOVER_GRACE {
            let lines = left.iter().map(|pid| command_line(*pid)).collect();
            for pid in left {
                kill_below(pid);
                kill(pid);
            }
            return lines;
        }
        thread::sleep(POLL);
    }
}

/// Adopted processes that still run; those that ended are taken out of the process table.
fn adopted() -> Vec<u32> {
    let own = own();
    let mut running = Vec::new();
    for (pid, _, state) in
        table().into_iter().filter(|(pid, parent, _)| *parent == std::process::id() && !own.contains(pid))
    {
        if state == 'Z' {
            reap(pid);
        } else {
            running.push(pid);
        }
    }
    running
}

fn reap(pid: u32) {
    if let Some(pid) = known_pid(pid) {
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    }
}

fn kill(pid: u32) {
    if let Some(pid) = known_pid(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Kills every descendant of `pid`, the nearest first, so that none can start another.
fn kill_below(pid: u32) {
    let table = table();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        at += 1;
        for (child, _, _) in table.iter().filter(|(_, of, _)| *of == parent) {
            kill(*child);
            found.push(*child);
        }
    }
}

fn known_pid(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

fn command_line(pid: u32) -> String {
    fs::read(format!("/proc/{pid}/cmdline")).map_or_else(
        |_| format!("process {pid}"),
        |bytes| {
            String::from_utf8_lossy(&bytes).split('\0').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        },
    )
}

/// Every process as (pid, parent, state); empty where there is no `/proc`.
fn table() -> Vec<(u32, u32, char)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name in brackets may itself hold brackets and blanks.
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let state = fields.next()?.chars().next()?;
            Some((pid, fields.next()?.parse().ok()?, state))
        })
        .collect()
}

fn own() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}
