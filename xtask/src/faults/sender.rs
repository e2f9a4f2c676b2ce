//! A sender in a process of its own, to be killed, to run out of disk, or to have its clock moved.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use watchpost_sentry::delivery::{BufferLimits, Compression, Delivery, DeliveryConfig, SpoolConfig, SpoolMode};

use super::{account::Account, items};
use crate::Failure;

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// A request that hangs is given up after so long.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// Each thread of a sender that is to be killed has so many numbers for itself.
pub(super) const THREAD_NUMBERS: u64 = 1_000_000;
/// Threads of a sender that is to be killed.
pub(super) const THREADS: u64 = 2;
/// After so many items such a thread makes sure that they are safe,
const SYNC_EVERY: u64 = 37;
/// and after so many it rests a little, so that a run does not take gigabytes.
const REST_EVERY: u64 = 10;
const REST: Duration = Duration::from_millis(2);

/// A delivery as all of these checks set it up.
pub(super) fn config(dsn: &str, spool: Option<(&Path, SpoolMode)>) -> Result<DeliveryConfig, Failure> {
    let config = DeliveryConfig::new(dsn.parse()?)
        .with_compression(Compression::None)
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(REQUEST_TIMEOUT)
        .with_drop_timeout(Duration::ZERO);
    Ok(match spool {
        Some((folder, mode)) => config.with_spool(SpoolConfig::new(folder).with_mode(mode)),
        None => config,
    })
}

/// The process: `faults-sender stream DSN FOLDER MODE FIRST`, `faults-sender account DSN FOLDER MODE FIRST COUNT BUFFER_BYTES` or
/// `faults-sender program DSN FOLDER MODE COUNT SECONDS`.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let [form, dsn, folder, mode, first, rest @ ..] = args else { return Err("too few arguments".into()) };
    if form == "program" {
        let seconds = rest.first().ok_or("in how long?")?.parse()?;
        return program(dsn, Path::new(folder), mode, first.parse()?, seconds);
    }
    let mode = if mode == "durable" { SpoolMode::Durable } else { SpoolMode::Fast };
    let (first, mut config) = (first.parse()?, config(dsn, Some((Path::new(folder), mode)))?);
    let [count, buffer] = rest else {
        if form == "stream" {
            return stream(&Delivery::start(config)?, mode, first);
        }
        return Err("how many, and with how much memory?".into());
    };
    let buffer: usize = buffer.parse()?;
    if buffer > 0 {
        let mut limits = BufferLimits::default();
        (limits.logs, limits.transactions, limits.errors, limits.spans) = (buffer, buffer, buffer, buffer);
        config = config.with_buffer_limits(limits);
    }
    account(&Delivery::start(config)?, first, count.parse()?)
}

/// Hands items over until it is killed, saying of each when it began and that it was accepted, and of all before when they are
/// safe.
fn stream(delivery: &Delivery, mode: SpoolMode, first: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    let hand_over = |thread: u64| -> Result<(), Failure> {
        let start = first + thread * THREAD_NUMBERS;
        for number in start.. {
            say(&format!("b {number} {}", monotonic_nanos()))?;
            items::hand_over(delivery, number);
            say(&format!("a {number}"))?;
            let count = number - start + 1;
            if mode == SpoolMode::Fast && count.is_multiple_of(SYNC_EVERY) && delivery.sync(PATIENCE) {
                say(&format!("s {number}"))?;
            }
            if count.is_multiple_of(REST_EVERY) {
                thread::sleep(REST);
            }
            if begun.elapsed() > PATIENCE {
                return Err("nobody killed this sender".into());
            }
        }
        Ok(())
    };
    let hand_over = &hand_over;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || hand_over(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread of the sender panicked")?)
    })
}

/// Hands items over at an even pace and ends as programs do, with our defaults but for the spool.
fn program(dsn: &str, folder: &Path, mode: &str, count: u64, seconds: f64) -> Result<(), Failure> {
    let config = DeliveryConfig::new(dsn.parse()?);
    let config = match mode {
        "off" => config,
        "durable" => config.with_spool(SpoolConfig::new(folder).with_mode(SpoolMode::Durable)),
        _ => config.with_spool(SpoolConfig::new(folder)),
    };
    let delivery = Delivery::start(config)?;
    // So that a program with nothing to say sends what another has left.
    delivery.sync(PATIENCE);
    let start = Instant::now();
    for number in 0..count {
        let due = start + Duration::from_secs_f64(seconds * number as f64 / count as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        items::hand_over(&delivery, number);
    }
    delivery.shutdown(Duration::from_secs(2));
    Ok(())
}

/// Hands items over in two halves, pausing after each, then sends what it can and gives account.
fn account(delivery: &Delivery, first: u64, count: u64) -> Result<(), Failure> {
    for (part, word) in [(first..first + count / 2, "half"), (first + count / 2..first + count, "handed")] {
        part.for_each(|number| items::hand_over(delivery, number));
        // False when the disk has failed, which is what some of this is about.
        let _ = delivery.sync(PATIENCE);
        say(word)?;
        std::io::stdin().lock().read_line(&mut String::new())?;
    }
    delivery.flush(PATIENCE);
    let outcome = delivery.shutdown(PATIENCE);
    say(&serde_json::to_string(&Account::from(&outcome))?)
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// A clock that all processes of the machine share and nobody moves.
pub(super) fn monotonic_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A sender that gives account.
pub(super) struct Sender {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// How to start one.
pub(super) struct Setup<'a> {
    pub(super) dsn: &'a str,
    pub(super) folder: &'a Path,
    pub(super) first: u64,
    pub(super) count: u64,
    /// Bytes of memory for each kind of item; 0: the default.
    pub(super) buffer: usize,
    /// What is put before it, and into its environment.
    pub(super) wrapper: &'a [&'a str],
    pub(super) environment: &'a [(&'a str, PathBuf)],
}

impl Sender {
    /// Starts one and waits until it has handed over the first half.
    pub(super) fn start(setup: &Setup<'_>) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let mut command = match setup.wrapper {
            [] => Command::new(own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(own);
                command
            }
        };
        command.args(["faults-sender", "account", setup.dsn]).arg(setup.folder).arg("fast");
        command.args([setup.first, setup.count, setup.buffer as u64].map(|number| number.to_string()));
        command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let input = child.stdin.take().ok_or("the sender has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("the sender has no output")?);
        let mut sender = Self { child, input, output };
        sender.expect("half")?;
        Ok(sender)
    }

    /// Lets it hand over the second half.
    pub(super) fn go_on(&mut self) -> Result<(), Failure> {
        self.input.write_all(b"\n")?;
        self.expect("handed")
    }

    /// Lets it send what it can; its account.
    pub(super) fn finish(mut self) -> Result<Account, Failure> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        self.child.wait()?;
        Ok(serde_json::from_str(&line).map_err(|error| format!("the sender's account: {error}: {line:?}"))?)
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn expect(&mut self, word: &str) -> Result<(), Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim() == word { Ok(()) } else { Err(format!("the sender said {line:?} instead of {word}").into()) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
