//! `cargo xtask bench delivery`: items per second from the first call until a local sink has everything, with and without a spool;
//! bursts, a sink that takes its time, what one call takes, and an outage of an hour. Beside it the `sentry` crate in the same
//! run, and the limit: ready-made bytes posted by the delivery's own HTTP client.

mod items;
mod outage;
mod peer;
pub(super) mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    peer::PeerRun,
    worker::{Load, Spool, WorkerRun},
};
use super::{
    options::{Options, target_folder},
    report::{Limit, Report, Table, number, percent},
    sink::SinkProcess,
    statistics::{median, paired},
};
use crate::{Failure, peers};

/// A network as it is, there and back.
const SLOW: Duration = Duration::from_millis(50);
/// As many items at once lose the peer most of them.
const BURST: u64 = 20_000;
/// What is delivered; how many for a second's work of ours, of the peer's, and of each against a sink that takes its time.
const KINDS: &[Kind] = &[
    Kind { name: "logs", load: Load::Logs, burst: Load::LogBurst, item: "log", per_request: 100, factor: 5.0 },
    Kind {
        name: "transactions",
        load: Load::Transactions,
        burst: Load::TransactionBurst,
        item: "transaction",
        per_request: 1,
        factor: 2.0,
    },
];

/// A kind of item.
struct Kind {
    name: &'static str,
    load: Load,
    burst: Load,
    /// The type of its envelope item.
    item: &'static str,
    per_request: u64,
    /// How many times the peer's rate is asked for.
    factor: f64,
}

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut report = Report::new("delivery", options.quick);
    let target = target_folder()?;
    let folder = Folder::new(&target)?;
    let peer = if options.wants("peer") { peers::sentry_crate(&target) } else { None };
    let peer = peer.as_deref();
    if options.wants("throughput") {
        for kind in KINDS {
            throughput(options, kind, peer, &folder, &mut report)?;
        }
    }
    if options.wants("slow") {
        slow(options, peer, &mut report)?;
    }
    if options.wants("burst") {
        bursts(options, peer, &folder, &mut report)?;
    }
    if options.wants("calls") {
        calls(options, &mut report)?;
    }
    if options.wants("outage") {
        outage::run(options, &folder, &mut report)?;
    }
    report.print(options.json);
    Ok(())
}

/// Where the spools are; gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(target: &Path) -> Result<Self, Failure> {
        let path = target.join("bench-spool").join(std::process::id().to_string());
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One way to deliver, in every round.
struct Way {
    name: String,
    runs: Vec<WorkerRun>,
}

impl Way {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), runs: Vec::new() }
    }

    fn each(&self, pick: impl Fn(&WorkerRun) -> f64) -> Vec<f64> {
        self.runs.iter().map(pick).collect()
    }

    fn rates(&self) -> Vec<f64> {
        self.each(|run| run.sent as f64 / run.wall)
    }

    fn cpus(&self) -> Vec<f64> {
        self.each(|run| run.cpu * 1e6 / run.sent as f64)
    }
}

fn throughput(
    options: &Options,
    kind: &Kind,
    peer: Option<&Path>,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let per_request = kind.per_request;
    let count = options.pick(10_000, 2_000) * if per_request > 1 { per_request } else { 4 };
    let durable_count = options.pick(2_000, 500);
    let rounds = options.rounds(5, 2);
    let [mut off, mut fast, mut durable, mut theirs, mut limit] =
        ["watchpost", "watchpost, spool `fast`", "watchpost, spool `durable`", peers::CRATE, "ready-made bytes"]
            .map(Way::new);
    // Round 0 warms up; the ways alternate within a round.
    for round in 0..=rounds {
        let keep = |way: &mut Way, run: WorkerRun| {
            if round > 0 {
                way.runs.push(run);
            }
        };
        let sink = SinkProcess::start(false)?;
        let run = WorkerRun::run(&sink, kind.load, count, Spool::Off)?;
        check_all_sent(kind, &run, &sink)?;
        let body = body_of(&sink.sample(kind.item)?)?;
        keep(&mut off, run);
        let run = WorkerRun::replay(&SinkProcess::start(false)?, &body, count / per_request)?;
        keep(&mut limit, WorkerRun { sent: run.sent * per_request, ..run });
        for (way, spool, count) in
            [(&mut fast, Spool::Fast(&folder.0), count), (&mut durable, Spool::Durable(&folder.0), durable_count)]
        {
            let sink = SinkProcess::start(false)?;
            let run = WorkerRun::run(&sink, kind.load, count, spool)?;
            check_all_sent(kind, &run, &sink)?;
            keep(way, run);
        }
        if let Some(program) = peer {
            let sink = SinkProcess::start(false)?;
            // With a channel that holds all of them, since it loses what comes faster than it sends.
            let run = PeerRun::run(program, &sink, kind.name, count / 4, Some(count))?;
            let sent = run.arrived(kind.item, &sink)?;
            if sent < count / 4 {
                return Err(format!("{}: {sent} of {} {} arrived", peers::CRATE, count / 4, kind.name).into());
            }
            keep(
                &mut theirs,
                WorkerRun { sent: count / 4, wall: run.wall, cpu: run.cpu, peak: run.peak, ..WorkerRun::default() },
            );
        }
    }
    let caption = format!("{} until the sink has them; {count} a round, medians of {rounds} rounds", kind.name);
    let mut table = Table::new(
        caption,
        ["what", "per second", "CPU each, µs", "peak resident, MiB", "times the peer's rate", "of its CPU"],
    );
    let beside = |way: &Way| {
        let rate = paired(&way.rates(), &theirs.rates(), |ours, theirs| ours / theirs);
        (rate, paired(&way.cpus(), &theirs.cpus(), |ours, theirs| ours / theirs))
    };
    for way in [&off, &fast, &durable, &theirs, &limit].into_iter().filter(|way| !way.runs.is_empty()) {
        let (rate, cpu) = beside(way);
        table.row([
            way.name.clone(),
            number(median(&way.rates())),
            number(median(&way.cpus())),
            number(median(&way.each(|run| run.peak))),
            if peer.is_some() { format!("{} ×", number(rate)) } else { String::new() },
            if peer.is_some() { percent(cpu) } else { String::new() },
        ]);
    }
    report.table(table);
    let name = kind.name;
    if peer.is_some() {
        let (rate, cpu) = beside(&off);
        report.limited(format!("{name}: rate over the peer's"), rate, "times", Limit::AtLeast(kind.factor));
        report.limited(format!("{name}: CPU of the peer's"), cpu * 100.0, "%", Limit::AtMost(100.0 / 3.0));
    }
    let cost = paired(&fast.rates(), &off.rates(), |fast, off| 1.0 - fast / off);
    report.limited(format!("{name}: what the spool costs, `fast`"), cost * 100.0, "% of the rate", Limit::AtMost(25.0));
    report.figure(format!("{name}: rate"), median(&off.rates()), "per second");
    report.figure(format!("{name}: rate, `durable`"), median(&durable.rates()), "per second");
    report.figure(
        format!("{name}: of ready-made bytes' rate"),
        100.0 * paired(&off.rates(), &limit.rates(), |ours, limit| ours / limit),
        "%",
    );
    Ok(())
}

fn slow(options: &Options, peer: Option<&Path>, report: &mut Report) -> Result<(), Failure> {
    let rounds = options.rounds(3, 1);
    let mut table = Table::new(
        format!("A sink that takes {SLOW:?} to answer; medians of {rounds} rounds"),
        ["what", "per second", "CPU each, µs", "times the peer's rate", "of its CPU"],
    );
    for kind in KINDS {
        // Some fifty requests one after the other take the peer some three seconds.
        let (ours, theirs) = (1_000 * kind.per_request, 50 * kind.per_request);
        let (mut of_ours, mut of_theirs) =
            (Way::new(format!("watchpost, {}", kind.name)), Way::new(format!("{}, {}", peers::CRATE, kind.name)));
        for _ in 0..rounds {
            let sink = SinkProcess::start_slow(SLOW)?;
            let run = WorkerRun::run(&sink, kind.load, ours, Spool::Off)?;
            check_all_sent(kind, &run, &sink)?;
            of_ours.runs.push(run);
            if let Some(program) = peer {
                let sink = SinkProcess::start_slow(SLOW)?;
                let run = PeerRun::run(program, &sink, kind.name, theirs, Some(theirs + 100))?;
                of_theirs.runs.push(WorkerRun { sent: theirs, wall: run.wall, cpu: run.cpu, ..WorkerRun::default() });
            }
        }
        let rate = paired(&of_ours.rates(), &of_theirs.rates(), |ours, theirs| ours / theirs);
        let cpu = paired(&of_ours.cpus(), &of_theirs.cpus(), |ours, theirs| ours / theirs);
        for (way, is_ours) in
            [(&of_ours, true), (&of_theirs, false)].into_iter().filter(|(way, _)| !way.runs.is_empty())
        {
            let beside = |text: String| if is_ours && peer.is_some() { text } else { String::new() };
            table.row([
                way.name.clone(),
                number(median(&way.rates())),
                number(median(&way.cpus())),
                beside(format!("{} ×", number(rate))),
                beside(percent(cpu)),
            ]);
        }
        if peer.is_some() {
            let name = kind.name;
            report.limited(format!("{name}, slow sink: rate over the peer's"), rate, "times", Limit::AtLeast(10.0));
            report.limited(
                format!("{name}, slow sink: CPU of the peer's"),
                cpu * 100.0,
                "%",
                Limit::AtMost(100.0 / 3.0),
            );
        }
    }
    report.table(table);
    Ok(())
}

fn bursts(options: &Options, peer: Option<&Path>, folder: &Folder, report: &mut Report) -> Result<(), Failure> {
    let rounds = options.rounds(3, 1);
    let mut table = Table::new(
        format!("{BURST} at once, nobody waits, then a flush; the worst of {rounds} rounds"),
        ["what", "lost", "of it, dropped and counted", "handed over in, ms", "peak resident, MiB"],
    );
    for kind in KINDS {
        for (spool, how) in [(Spool::Off, ""), (Spool::Fast(&folder.0), ", spool `fast`")] {
            let (mut lost, mut counted, mut handing, mut peak) = (0_u64, 0, 0.0_f64, 0.0_f64);
            for _ in 0..rounds {
                let sink = SinkProcess::start(false)?;
                let run = WorkerRun::run(&sink, kind.burst, BURST, spool)?;
                lost = lost.max(BURST - arrived(kind, &sink)?.min(BURST));
                counted = counted.max(run.dropped);
                (handing, peak) = (handing.max(run.handing), peak.max(run.peak));
            }
            let name = format!("watchpost{how}, {}", kind.name);
            table.row([name, share(lost), share(counted), number(handing * 1e3), number(peak)]);
            // Memory alone keeps no more than its bound, and a burst of transactions is twenty times that: with a spool nothing may be
            // lost, without one nothing without a word.
            let figure = format!("{}{how}: lost in a burst", kind.name);
            if matches!(spool, Spool::Off) {
                report.figure(figure, lost as f64, "items");
                let silent = lost.saturating_sub(counted);
                report.limited(
                    format!("{}: lost in a burst and not counted", kind.name),
                    silent as f64,
                    "items",
                    Limit::AtMost(0.0),
                );
            } else {
                report.limited(figure, lost as f64, "items", Limit::AtMost(0.0));
            }
        }
        let Some(program) = peer else { continue };
        let (mut lost, mut handing, mut peak) = (0_u64, 0.0_f64, 0.0_f64);
        for _ in 0..rounds {
            let sink = SinkProcess::start(false)?;
            let run = PeerRun::run(program, &sink, kind.name, BURST, None)?;
            lost = lost.max(BURST - run.arrived(kind.item, &sink)?.min(BURST));
            (handing, peak) = (handing.max(run.handing), peak.max(run.peak));
        }
        table.row([
            format!("{}, {}", peers::CRATE, kind.name),
            share(lost),
            String::new(),
            number(handing * 1e3),
            number(peak),
        ]);
        report.figure(format!("{}: lost in a burst by the peer", kind.name), lost as f64 * 100.0 / BURST as f64, "%");
    }
    report.table(table);
    Ok(())
}

fn share(lost: u64) -> String {
    format!("{lost} ({})", percent(lost as f64 / BURST as f64))
}

fn calls(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let rounds = options.rounds(5, 2);
    let mut table = Table::new(
        format!("One call of `log` in µs, eight threads at once; medians of {rounds} rounds"),
        ["how", "p50", "p99", "p99.9", "calls/s"],
    );
    for (name, load, count) in [
        ("5000 a second each", Load::Paced, options.pick(400_000, 80_000)),
        ("as fast as they can", Load::Flood, options.pick(2_000_000, 400_000)),
    ] {
        let sink = SinkProcess::start(false)?;
        let runs: Vec<WorkerRun> =
            (0..rounds).map(|_| WorkerRun::run(&sink, load, count, Spool::Off)).collect::<Result<_, _>>()?;
        let of = |pick: fn((f64, f64, f64)) -> f64| {
            median(&runs.iter().filter_map(|run| run.calls).map(pick).collect::<Vec<_>>())
        };
        let (p50, p99, p999) = (of(|calls| calls.0), of(|calls| calls.1), of(|calls| calls.2));
        let rate = median(&runs.iter().map(|run| run.handed as f64 / run.handing).collect::<Vec<_>>());
        table.row([name.to_owned(), number(p50), number(p99), number(p999), number(rate)]);
        if load == Load::Flood {
            report.limited(format!("log(), {name}: p50"), p50, "µs", Limit::AtMost(0.5));
        } else {
            // After each sleep the processor's caches are cold: that is most of it, and the caller's own.
            report.figure(format!("log(), {name}: p50"), p50, "µs");
        }
        report.limited(format!("log(), {name}: p99"), p99, "µs", Limit::AtMost(10.0));
    }
    report.table(table);
    Ok(())
}

/// How many items of a kind a sink has, the first log that everybody sends to connect left out.
fn arrived(kind: &Kind, sink: &SinkProcess) -> Result<u64, Failure> {
    let stats = sink.stats()?;
    Ok(if kind.item == "log" { stats.logs.saturating_sub(1) } else { stats.transactions })
}

fn check_all_sent(kind: &Kind, run: &WorkerRun, sink: &SinkProcess) -> Result<(), Failure> {
    let (stats, handed) = (sink.stats()?, run.handed - 1);
    let arrived = arrived(kind, sink)?;
    let whole = run.dropped == 0 && run.held == 0 && run.sent == run.handed && run.spool_left == 0;
    if whole && arrived == handed && stats.malformed == 0 && stats.discarded == 0 {
        return Ok(());
    }
    Err(format!("{} of {handed} {} arrived; the delivery says {run:?}; the sink has {stats:?}", arrived, kind.name)
        .into())
}

/// The body of a request.
fn body_of(request: &[u8]) -> Result<Vec<u8>, Failure> {
    let head = memchr::memmem::find(request, b"\r\n\r\n").ok_or("the sample has no body")?;
    Ok(request[head + 4..].to_vec())
}
