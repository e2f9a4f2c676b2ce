//! The process whose delivery is measured: hands items over, waits until they are sent, and says what it took.

use std::{
    io::{BufRead as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig, Outcome, SpoolConfig, SpoolMode, post_repeatedly},
    wire::EventId,
};

use super::items;
use crate::{
    Failure,
    bench::{
        options::{own_program, value},
        process::{Memory, forget_settings, own_cpu_seconds},
        sink::SinkProcess,
    },
};

/// Longer than any good run takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Threads that hand over at once.
const PRODUCERS: u64 = 8;
/// Between two hand-overs of a paced producer: eight of them make 40 000 logs a second.
const PACE: Duration = Duration::from_micros(200);
/// In the outage each so many items wait for the disk, which has an hour for what comes here in seconds.
const SYNC_EVERY: u64 = 1_000;
/// A spool that holds an hour of 1000 items a second.
const HOUR_BYTES: u64 = 8 << 30;

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Logs, as fast as they are taken (`wait_for_room`).
    Logs,
    /// Transactions of ten spans, likewise.
    Transactions,
    /// Logs at once, without waiting.
    LogBurst,
    /// Transactions at once.
    TransactionBurst,
    /// Eight threads log as fast as they can; each call is timed.
    Flood,
    /// Eight threads log 5000 times a second each; each call is timed.
    Paced,
    /// Logs while nobody listens, then a pause until somebody does.
    Outage,
    /// What is on standard input is posted by the delivery's HTTP client.
    Replay,
}

impl Load {
    const ALL: &'static [(&'static str, Self)] = &[
        ("logs", Self::Logs),
        ("transactions", Self::Transactions),
        ("log-burst", Self::LogBurst),
        ("transaction-burst", Self::TransactionBurst),
        ("flood", Self::Flood),
        ("paced", Self::Paced),
        ("outage", Self::Outage),
        ("replay", Self::Replay),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, load)| *load == self).map_or("", |(name, _)| name)
    }
}

/// Where it keeps what it could not send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spool<'a> {
    Off,
    Fast(&'a Path),
    Durable(&'a Path),
}

/// One run of the worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct WorkerRun {
    /// Items handed over.
    pub(super) handed: u64,
    /// Seconds until all of them were sent, and of it until the last was handed over.
    pub(super) wall: f64,
    pub(super) handing: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB, and what was resident a tenth into the run.
    pub(super) peak: f64,
    pub(super) early: f64,
    pub(super) sent: u64,
    pub(super) held: u64,
    pub(super) dropped: u64,
    /// The spool's bytes when everything was handed over, and at the end.
    pub(super) spool_bytes: u64,
    pub(super) spool_left: u64,
    /// p50, p99 and p99.9 of a call, in µs.
    pub(super) calls: Option<(f64, f64, f64)>,
}

/// A worker that waits to be told that the outage is over.
#[derive(Debug)]
pub(super) struct Waiting {
    child: Child,
    input: ChildStdin,
    output: std::io::BufReader<ChildStdout>,
    /// The run so far.
    pub(super) so_far: WorkerRun,
}

impl WorkerRun {
    /// Does it in a process of its own.
    pub(super) fn run(sink: &SinkProcess, load: Load, count: u64, spool: Spool<'_>) -> Result<Self, Failure> {
        Self::with_input(&sink.dsn(), load, count, spool, b"")
    }

    /// Posts `body` so often.
    pub(super) fn replay(sink: &SinkProcess, body: &[u8], count: u64) -> Result<Self, Failure> {
        Self::with_input(&sink.dsn(), Load::Replay, count, Spool::Off, body)
    }

    fn with_input(dsn: &str, load: Load, count: u64, spool: Spool<'_>, input: &[u8]) -> Result<Self, Failure> {
        let mut child = command(dsn, load, count, spool)?.spawn()?;
        child.stdin.take().ok_or("the worker has no input")?.write_all(input)?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("the worker ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Hands over during an outage and waits for its end.
    pub(super) fn begin_outage(dsn: &str, count: u64, folder: &Path) -> Result<Waiting, Failure> {
        let mut child = command(dsn, Load::Outage, count, Spool::Fast(folder))?.spawn()?;
        let input = child.stdin.take().ok_or("the worker has no input")?;
        let mut output = std::io::BufReader::new(child.stdout.take().ok_or("the worker has no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(Waiting { child, input, output, so_far: serde_json::from_str(&line)? })
    }
}

impl Waiting {
    /// Somebody listens now.
    pub(super) fn end_outage(mut self) -> Result<WorkerRun, Failure> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        self.child.wait()?;
        Ok(serde_json::from_str(&line)?)
    }
}

fn command(dsn: &str, load: Load, count: u64, spool: Spool<'_>) -> Result<Command, Failure> {
    let mut command = Command::new(own_program()?);
    command.args(["bench", "delivery-worker", dsn, load.name(), &count.to_string()]);
    match spool {
        Spool::Off => command.arg("off"),
        Spool::Fast(folder) => command.arg("fast").arg(folder),
        Spool::Durable(folder) => command.arg("durable").arg(folder),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    forget_settings(&mut command);
    Ok(command)
}

/// Delivers: arguments are the DSN, the load, how many items, and the spool's mode and folder.
pub(in crate::bench) fn run(args: &[String]) -> Result<(), Failure> {
    let argument = |place| value("delivery-worker", args.get(place));
    let (dsn, load, count) = (argument(0)?, argument(1)?, argument(2)?.parse::<u64>()?);
    let load = Load::ALL.iter().find(|(name, _)| name == load).ok_or("there is no such load")?.1;
    let config = DeliveryConfig::new(dsn.parse()?);
    let config = match argument(3)?.as_str() {
        "off" => config,
        mode => {
            let mode = if mode == "durable" { SpoolMode::Durable } else { SpoolMode::Fast };
            config.with_spool(SpoolConfig::new(argument(4)?).with_mode(mode).with_max_bytes(HOUR_BYTES))
        }
    };
    if load == Load::Replay {
        return replay(&config, count);
    }
    let delivery = Delivery::start(config)?;
    if load != Load::Outage {
        // The first request connects; that is not what is measured.
        delivery.log(&items::log());
        delivery.flush(PATIENCE);
    }
    let mut run = match load {
        Load::Flood | Load::Paced => time_calls(&delivery, load, count)?,
        _ => hand_over(&delivery, load, count)?,
    };
    if load != Load::Outage {
        run.handed += 1;
    }
    delivery.shutdown(PATIENCE);
    run.spool_left = delivery.outcome().spool_bytes;
    Ok(serde_json::to_writer(std::io::stdout(), &run)?)
}

fn hand_over(delivery: &Delivery, load: Load, count: u64) -> Result<WorkerRun, Failure> {
    let (log, mut transaction) = (items::log(), items::transaction());
    let (start, cpu) = (Instant::now(), own_cpu_seconds());
    let mut early = 0.0;
    for number in 0..count {
        if matches!(load, Load::Logs | Load::Transactions) && !delivery.wait_for_room(PATIENCE) {
            return Err("no room within minutes".into());
        }
        if matches!(load, Load::Transactions | Load::TransactionBurst) {
            transaction.event_id = EventId((u128::from(number) + 1).to_be_bytes());
            delivery.transaction(&transaction, None);
        } else {
            delivery.log(&log);
        }
        if load == Load::Outage && number % SYNC_EVERY == 0 && !delivery.sync(PATIENCE) {
            return Err("the spool's disk has failed".into());
        }
        if number == count / 10 {
            early = Memory::of(std::process::id())?.resident;
        }
    }
    let handing = start.elapsed().as_secs_f64();
    let spool_bytes = delivery.outcome().spool_bytes;
    let mut run = WorkerRun { handed: count, handing, early, spool_bytes, ..WorkerRun::default() };
    if load == Load::Outage {
        delivery.sync(PATIENCE);
        run.finish(&delivery.outcome(), start, cpu)?;
        println_json(&run)?;
        std::io::stdin().lock().read_line(&mut String::new())?;
    }
    let outcome = delivery.flush(PATIENCE);
    run.finish(&outcome, start, cpu)?;
    Ok(run)
}

impl WorkerRun {
    fn finish(&mut self, outcome: &Outcome, start: Instant, cpu: f64) -> Result<(), Failure> {
        self.wall = start.elapsed().as_secs_f64();
        self.cpu = own_cpu_seconds() - cpu;
        self.peak = Memory::of(std::process::id())?.peak;
        (self.sent, self.held, self.dropped) = (outcome.sent(), outcome.held(), outcome.dropped());
        Ok(())
    }
}

fn time_calls(delivery: &Delivery, load: Load, count: u64) -> Result<WorkerRun, Failure> {
    let produce = || {
        let log = items::log();
        let mut nanos = Vec::with_capacity((count / PRODUCERS) as usize);
        for _ in 0..count / PRODUCERS {
            if load == Load::Paced {
                thread::sleep(PACE);
            }
            let before = Instant::now();
            delivery.log(&log);
            nanos.push(u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        nanos
    };
    let (start, cpu) = (Instant::now(), own_cpu_seconds());
    let mut nanos: Vec<u64> = thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS).map(|_| scope.spawn(produce)).collect();
        producers.into_iter().flat_map(|producer| producer.join().unwrap_or_default()).collect()
    });
    let handing = start.elapsed().as_secs_f64();
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    let calls = Some((at(0.5), at(0.99), at(0.999)));
    let outcome = delivery.flush(PATIENCE);
    let mut run = WorkerRun { handed: nanos.len() as u64, handing, calls, ..WorkerRun::default() };
    run.finish(&outcome, start, cpu)?;
    Ok(run)
}

fn replay(config: &DeliveryConfig, count: u64) -> Result<(), Failure> {
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut body)?;
    let (start, cpu) = (Instant::now(), own_cpu_seconds());
    let sent = post_repeatedly(config, &body, count)?;
    let mut run = WorkerRun { handed: count, ..WorkerRun::default() };
    run.wall = start.elapsed().as_secs_f64();
    run.cpu = own_cpu_seconds() - cpu;
    run.sent = sent;
    println_json(&run)
}

fn println_json(run: &WorkerRun) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, run)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
