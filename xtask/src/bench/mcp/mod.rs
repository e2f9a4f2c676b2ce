//! `cargo xtask bench mcp`: events per second from `McpEvent` until a local sink has everything.
//! Beside it the limit (ready-made requests over plain sockets) and the peer, npm `agentcat`, in the same run.

mod events;
mod peer;
pub(super) mod replay;
pub(super) mod worker;

use std::collections::HashMap;

use self::{
    events::Known,
    peer::PeerRun,
    replay::ReplayRun,
    worker::{Load, WorkerRun},
};
use super::{
    node::{self, NodeFolder},
    options::Options,
    process::cpu_seconds,
    report::{Limit, Report, Table, number, percent},
    sink::{SinkProcess, Stats},
    statistics::median,
};
use crate::Failure;

/// One error in fifty: 2 %.
const ERROR_EVERY: u64 = 50;
/// What one process with blocking sockets needs to keep two cores busy.
const REPLAY_CONNECTIONS: u64 = 4;

/// What is exported, and what is asked of it.
struct Mode {
    name: &'static str,
    load: Load,
    /// Events per second and µs of CPU per event.
    limits: Option<(f64, f64)>,
}

impl Mode {
    /// The type of the items that cost most: what the limit replays.
    fn item_type(&self) -> &'static str {
        if self.load.tracing { "transaction" } else { "log" }
    }
}

/// What is measured.
fn modes(options: &Options) -> Vec<Mode> {
    let (logs, traced) = (options.pick(1_000_000, 100_000), options.pick(100_000, 20_000));
    let load = |tracing, error_every, known| {
        let events = if tracing { traced } else { logs };
        Load { events, known, tracing, error_every }
    };
    let mode = |name, load, limits| Mode { name, load, limits };
    let (logs, traced) = (Some((300_000.0, 3.0)), Some((25_000.0, 30.0)));
    let mut modes = vec![
        mode("logs", load(false, 0, Known::Usual), logs),
        mode("logs, 2 % errors", load(false, ERROR_EVERY, Known::Usual), None),
        mode("logs, every field", load(false, 0, Known::All), None),
        mode("logs + tracing", load(true, 0, Known::Usual), traced),
        mode("logs + tracing, 2 % errors", load(true, ERROR_EVERY, Known::Usual), traced),
    ];
    modes.retain(|mode| options.wants(mode.name));
    modes
}

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut report = Report::new("mcp", options.quick);
    let modes = modes(options);
    verify(&modes)?;
    let count = options.rounds(5, 2);
    let mut measured: Vec<Measured> = modes.iter().map(|_| Measured::default()).collect();
    // Round 0 warms up; modes alternate within a round.
    for round in 0..=count {
        for (mode, measured) in modes.iter().zip(&mut measured) {
            let one = Round::measure(mode).map_err(|error| format!("{}: {error}", mode.name))?;
            if round > 0 {
                measured.rounds.push(one);
            }
        }
    }
    let peer = peer(options, count.min(3))?;
    show(&modes, &measured, peer.as_deref(), count, &mut report);
    report.print(options.json);
    Ok(())
}

/// Exports a little to a sink that parses every item: nothing is lost, doubled or miscounted.
fn verify(modes: &[Mode]) -> Result<(), Failure> {
    for mode in modes {
        let sink = SinkProcess::start(true)?;
        let load = Load { events: 5_000, ..mode.load };
        let run = WorkerRun::run(&sink, load)?;
        let stats = sink.stats()?;
        check_nothing_lost(load, &run, &stats).map_err(|error| format!("{}: {error}", mode.name))?;
        let distinct = (stats.distinct_logs, stats.distinct_transactions, stats.distinct_errors);
        if distinct != (stats.logs, stats.transactions, stats.errors) {
            return Err(format!("{}: ids repeat: {stats:?}", mode.name).into());
        }
    }
    Ok(())
}

fn check_nothing_lost(load: Load, run: &WorkerRun, stats: &Stats) -> Result<(), Failure> {
    let transactions = if load.tracing { load.events } else { 0 };
    let errors = load.events.checked_div(load.error_every).unwrap_or(0);
    let wanted = (load.events, transactions, errors);
    let items = load.events + transactions + errors;
    let whole = run.complete && run.accepted == items && run.sent == items && run.held == 0 && run.dropped == 0;
    if (stats.logs, stats.transactions, stats.errors) == wanted && stats.malformed == 0 && stats.discarded == 0 && whole
    {
        Ok(())
    } else {
        Err(format!(
            "exported {wanted:?} logs, transactions and errors; the exporter says {run:?}; the sink has {stats:?}"
        )
        .into())
    }
}

/// All rounds of a mode.
#[derive(Debug, Default)]
struct Measured {
    rounds: Vec<Round>,
}

/// One round of a mode.
#[derive(Debug)]
struct Round {
    worker: WorkerRun,
    stats: Stats,
    /// CPU seconds of the sink.
    sink_cpu: f64,
    /// Events per second of the limit, over one and over several connections, and its CPU seconds per event.
    replayed: [(f64, f64); 2],
}

impl Round {
    fn measure(mode: &Mode) -> Result<Self, Failure> {
        let sink = SinkProcess::start(false)?;
        let worker = WorkerRun::run(&sink, mode.load)?;
        let (stats, sink_cpu) = (sink.stats()?, cpu_seconds(sink.pid())?);
        check_nothing_lost(mode.load, &worker, &stats)?;
        let request = sink.sample(mode.item_type())?;
        let once = |connections| -> Result<(f64, f64), Failure> {
            let sink = SinkProcess::start(false)?;
            ReplayRun::run(&sink, &request, 1, 1)?;
            let stats = sink.stats()?;
            let items = if mode.load.tracing { stats.transactions } else { stats.logs }.max(1);
            let run = ReplayRun::run(&sink, &request, mode.load.events / items, connections)?;
            let events = (mode.load.events / items * items) as f64;
            Ok((events / run.wall, run.cpu / events))
        };
        let replayed = [once(1)?, once(REPLAY_CONNECTIONS)?];
        Ok(Self { worker, stats, sink_cpu, replayed })
    }
}

/// A mode of the peer and its rounds.
type PeerMode = (&'static str, Vec<PeerRun>);

/// The peer's figures; `None` when it can't be had.
fn peer(options: &Options, count: usize) -> Result<Option<Vec<PeerMode>>, Failure> {
    if !options.wants("peer") {
        return Ok(None);
    }
    let Some(node) = NodeFolder::prepare(&node::MCP) else { return Ok(None) };
    let calls = options.pick(5_000, 1_000);
    let mut modes: Vec<PeerMode> = vec![("untracked", Vec::new()), ("logs", Vec::new()), ("tracing", Vec::new())];
    for _ in 0..count {
        for (mode, runs) in &mut modes {
            let sink = SinkProcess::start(false)?;
            runs.push(PeerRun::run(&node, &sink, calls, mode)?);
        }
    }
    Ok(Some(modes))
}

fn show(modes: &[Mode], measured: &[Measured], peer: Option<&[PeerMode]>, count: usize, report: &mut Report) {
    let caption = format!("From `McpEvent` until the sink has everything; medians of {count} rounds");
    let mut table = Table::new(
        caption,
        [
            "what",
            "events",
            "events/s",
            "CPU per event, µs",
            "peak resident, MiB",
            "requests",
            "bytes per event",
            "sink's CPU per event, µs",
            "lost",
        ],
    );
    let mut beside = Table::new(
        "Beside the limit: ready-made requests over plain std sockets, one at a time each",
        [
            "what",
            "1 connection, events/s",
            "CPU per event, µs",
            "4 connections, events/s",
            "CPU per event, µs",
            "watchpost of the better",
        ],
    );
    let mut rates = HashMap::new();
    for (mode, Measured { rounds }) in modes.iter().zip(measured) {
        let events = mode.load.events as f64;
        let of = |pick: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(pick).collect::<Vec<_>>());
        let rate = of(&|round| events / round.worker.wall);
        let cpu = of(&|round| round.worker.cpu * 1e6 / events);
        let peak = of(&|round| round.worker.peak);
        table.row([
            mode.name.to_owned(),
            number(events),
            number(rate),
            number(cpu),
            number(peak),
            number(of(&|round| round.stats.requests as f64)),
            number(of(&|round| round.stats.bytes as f64 / events)),
            number(of(&|round| round.sink_cpu * 1e6 / events)),
            "0".to_owned(),
        ]);
        let share = |round: &Round| events / round.worker.wall / round.replayed[0].0.max(round.replayed[1].0);
        beside.row([
            mode.name.to_owned(),
            number(of(&|round| round.replayed[0].0)),
            number(of(&|round| round.replayed[0].1 * 1e6)),
            number(of(&|round| round.replayed[1].0)),
            number(of(&|round| round.replayed[1].1 * 1e6)),
            percent(of(&share)),
        ]);
        report.figure(format!("{}: of the limit", mode.name), of(&share) * 100.0, "%");
        match mode.limits {
            Some((least_rate, most_cpu)) => {
                report.limited(format!("{}: rate", mode.name), rate, "events/s", Limit::AtLeast(least_rate));
                report.limited(format!("{}: CPU per event", mode.name), cpu, "µs", Limit::AtMost(most_cpu));
            }
            None => {
                report.figure(format!("{}: rate", mode.name), rate, "events/s");
                report.figure(format!("{}: CPU per event", mode.name), cpu, "µs");
            }
        }
        report.limited(format!("{}: peak resident", mode.name), peak, "MiB", Limit::AtMost(30.0));
        rates.insert(mode.name, (rate, cpu, peak));
    }
    report.table(table);
    report.table(beside);
    if let (Some(peer), Some(&logs), Some(&traced)) = (peer, rates.get("logs"), rates.get("logs + tracing")) {
        show_peer(peer, logs, traced, report);
    }
}

fn show_peer(peer: &[PeerMode], logs: (f64, f64, f64), traced: (f64, f64, f64), report: &mut Report) {
    let mut table = Table::new(
        "Beside the peer, npm agentcat 1.0.1: a tracked server called in the same process, until the sink has everything",
        [
            "what",
            "events/s",
            "CPU per event, µs",
            "peak resident, MiB",
            "watchpost: times the rate",
            "of the CPU",
            "of the memory",
        ],
    );
    for (mode, runs) in peer {
        let of = |pick: fn(&PeerRun) -> f64| median(&runs.iter().map(pick).collect::<Vec<_>>());
        let rate = of(|run| run.events as f64 / run.wall);
        let cpu = of(|run| run.cpu * 1e6 / run.events as f64);
        let peak = of(|run| run.peak);
        let (name, ours) = match *mode {
            "logs" => ("logs", Some(logs)),
            "tracing" => ("logs + tracing", Some(traced)),
            _ => ("calls without tracking", None),
        };
        let [times, of_cpu, of_memory] = ours.map_or([const { String::new() }; 3], |(our_rate, our_cpu, our_peak)| {
            report.figure(format!("peer, {name}: watchpost's rate over its"), our_rate / rate, "times");
            [
                format!("{} ×", number(our_rate / rate)),
                format!("1/{}", number(cpu / our_cpu)),
                format!("1/{}", number(peak / our_peak)),
            ]
        });
        report.figure(format!("peer, {name}: rate"), rate, "events/s");
        report.figure(format!("peer, {name}: CPU per event"), cpu, "µs");
        report.figure(format!("peer, {name}: peak resident"), peak, "MiB");
        table.row([name.to_owned(), number(rate), number(cpu), number(peak), times, of_cpu, of_memory]);
    }
    report.table(table);
}
