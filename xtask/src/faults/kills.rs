//! `kill -9` at any moment: senders are killed while they hand over, write, send, and take over what others left; two at a time
//! share a folder. Afterwards the last process sends what is left.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use watchpost_sentry::delivery::{Delivery, SpoolMode};

use super::{
    Finding,
    account::Account,
    segments_below,
    sender::{self, PATIENCE, THREAD_NUMBERS, THREADS, monotonic_nanos},
    sink::{Reply, Sink},
};
use crate::Failure;

/// Senders that run at a time in one folder.
const LANES: u64 = 2;
/// A sender lives so long at most, and at least so long, start included.
const LIFE: (u64, u64) = (4, 160);
/// What the documentation says that a kill may cost in `fast` mode: items handed over in the last moments before it. The disk is
/// written every 10 ms; this is what it is allowed to take on a machine that is busy with everything else.
const WINDOW: Duration = Duration::from_secs(1);

/// What a sender said before it was killed.
#[derive(Default)]
struct Life {
    /// When each item was begun to be handed over.
    begun: HashMap<u64, u64>,
    accepted: Vec<u64>,
    /// Up to this number everything of this thread is safe.
    safe: Vec<u64>,
    killed: u64,
}

pub(super) fn run(mode: SpoolMode, kills: u64, folder: &Path) -> Result<Finding, Failure> {
    let sink = Sink::start(|request| match request.number % 8 {
        3 => Reply::Close,
        5 => Reply::Status(503, Vec::new()),
        6 => Reply::Slow(Duration::from_millis(20)),
        _ => Reply::Ok,
    })?;
    let next = AtomicU64::new(0);
    let lives: Vec<Life> = thread::scope(|scope| {
        let lane = || -> Result<Vec<Life>, Failure> {
            let mut lives = Vec::new();
            loop {
                let kill = next.fetch_add(1, Ordering::Relaxed);
                if kill >= kills {
                    return Ok(lives);
                }
                lives.push(live_and_die(&sink.dsn(), mode, kill, folder)?);
            }
        };
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let mut all = Vec::new();
        for lane in lanes {
            all.extend(lane.join().map_err(|_| "a lane panicked")??);
        }
        Ok::<_, Failure>(all)
    })?;
    sink.heal();
    let last = Delivery::start(sender::config(&sink.dsn(), Some((folder, mode)))?)?;
    last.sync(PATIENCE);
    let account = Account::from(&last.flush(2 * PATIENCE));
    last.shutdown(PATIENCE);
    drop(last);
    judge(mode, kills, &lives, &account, &sink, folder)
}

fn live_and_die(dsn: &str, mode: SpoolMode, kill: u64, folder: &Path) -> Result<Life, Failure> {
    let first = kill * THREADS * THREAD_NUMBERS;
    let mode = if mode == SpoolMode::Durable { "durable" } else { "fast" };
    let mut child = Command::new(std::env::current_exe()?)
        .args(["faults-sender", "stream", dsn])
        .arg(folder)
        .args([mode, &first.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take().ok_or("the sender has no output")?;
    let reader = thread::spawn(move || read_life(BufReader::new(output)));
    let (least, most) = LIFE;
    thread::sleep(Duration::from_millis(least + RandomState::new().hash_one(kill) % (most - least)));
    child.kill()?;
    let killed = monotonic_nanos();
    child.wait()?;
    let life = reader.join().map_err(|_| "the reader panicked")?;
    Ok(Life { killed, ..life })
}

/// A last line that is not whole was not said.
fn read_life(mut output: BufReader<std::process::ChildStdout>) -> Life {
    let mut life = Life::default();
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let mut words = line.split_whitespace();
        let (word, mut number) = (words.next().unwrap_or_default(), || words.next().and_then(|word| word.parse().ok()));
        match (word, number()) {
            ("b", Some(item)) => {
                life.begun.insert(item, number().unwrap_or_default());
            }
            ("a", Some(item)) => life.accepted.push(item),
            ("s", Some(item)) => life.safe.push(item),
            _ => {}
        }
        line.clear();
    }
    life
}

fn judge(
    mode: SpoolMode,
    kills: u64,
    lives: &[Life],
    account: &Account,
    sink: &Sink,
    folder: &Path,
) -> Result<Finding, Failure> {
    let (arrivals, mut wrong) = (sink.arrivals(), Vec::new());
    let arrived = |number: &u64| arrivals.of(*number).is_some_and(|count| count > 0);
    let (mut accepted, mut begun_arrived, mut lost, mut oldest) = (0_u64, 0_u64, 0_u64, 0_u64);
    for life in lives {
        accepted += life.accepted.len() as u64;
        begun_arrived += life.begun.keys().filter(|number| arrived(number)).count() as u64;
        for number in life.accepted.iter().filter(|number| !arrived(number)) {
            lost += 1;
            let age = life.killed.saturating_sub(life.begun.get(number).copied().unwrap_or(0));
            oldest = oldest.max(age);
            let thread = number / THREAD_NUMBERS;
            let is_safe = life.safe.iter().any(|safe| safe / THREAD_NUMBERS == thread && safe >= number);
            if mode == SpoolMode::Durable {
                wrong.push(format!("{number} was accepted on disk and is lost"));
            } else if is_safe {
                wrong.push(format!("{number} was said to be safe and is lost"));
            } else if Duration::from_nanos(age) > WINDOW {
                wrong.push(format!("{number} was handed over {} ms before the kill and is lost", age / 1_000_000));
            }
        }
    }
    wrong.truncate(5);
    if arrivals.received_all() != begun_arrived {
        wrong.push(format!("{} arrived that nobody handed over", arrivals.received_all() - begun_arrived));
    }
    if account.held() + account.dropped() > 0 {
        wrong.push(format!("the last process: {} held, {} dropped", account.held(), account.dropped()));
    }
    let left = segments_below(folder);
    if !left.is_empty() {
        wrong.push(format!("left in the folder: {left:?}"));
    }
    if accepted < kills {
        wrong.push(format!("only {accepted} items accepted in {kills} lives: nothing was tried"));
    }
    wrong.extend(arrivals.wrong.iter().take(3).cloned());
    let durable = mode == SpoolMode::Durable;
    let loss = if lost == 0 {
        String::new()
    } else {
        format!("; {lost} lost with their process, the oldest {:.1} ms before", oldest as f64 / 1e6)
    };
    Ok(Finding {
        check: format!("kill -9, {kills} times"),
        mode: if durable { "durable" } else { "fast" },
        handed: accepted,
        received: accepted - lost,
        held: 0,
        dropped: account.reasons(),
        repeated: arrivals.repeated(),
        note: format!("{} by the last process{loss}", account.recovered),
        wrong,
    })
}
