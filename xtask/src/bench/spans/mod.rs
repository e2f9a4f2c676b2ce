//! `cargo xtask bench spans`: spans per second from tracing events until a local sink has everything, in each span mode; what a
//! burst, spans that never end, and a single call cost. Beside it the peer, npm `@mastra/sentry`, in the same run.

mod peer;
mod traces;
pub(super) mod worker;

use self::{
    peer::PeerRun,
    traces::SENT_SPANS,
    worker::{Load, WorkerRun},
};
use super::{
    node::{MASTRA, NodeFolder},
    options::Options,
    process::cpu_seconds,
    report::{Limit, Report, Table, number, percent},
    sink::{SinkProcess, Stats},
    statistics::median,
};
use crate::Failure;

/// The mode that the limits are for comes first: everything in a transaction, as the peer sends it.
const MODES: &[&str] = &["transaction", "hybrid", "stream"];
/// As many traces at once lose the peer most of them.
const BURST: u64 = 1_000;
/// As many traces that never end make the peer lose a hundred megabytes.
const OPEN: u64 = 50_000;
/// The documented bound in MiB: 16 of open spans, 24 of the queue, 16 of traces that are remembered, 6 of transactions and 2 of
/// errors on their way; and a third more for what an allocator cannot give back at once.
const OPEN_BOUND: f64 = 64.0 * 4.0 / 3.0;
/// The peer as the tables name it.
const PEER: &str = "npm @mastra/sentry 1.0.5";

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut report = Report::new("spans", options.quick);
    let modes: Vec<&str> = MODES.iter().copied().filter(|mode| options.wants(mode)).collect();
    verify()?;
    let count = options.rounds(5, 2);
    let peer = peer(options, count.min(3))?;
    if !modes.is_empty() {
        throughput(options, &modes, count, peer.as_ref(), &mut report)?;
    }
    if options.wants("burst") {
        burst(peer.as_ref(), &mut report)?;
    }
    if options.wants("open") {
        open(options, peer.as_ref(), &mut report)?;
    }
    if options.wants("calls") {
        calls(options, count, &mut report)?;
    }
    report.print(options.json);
    Ok(())
}

/// Exports a little to a sink that parses every item: nothing is lost, doubled or miscounted.
fn verify() -> Result<(), Failure> {
    for mode in MODES {
        let sink = SinkProcess::start(true)?;
        let run = WorkerRun::run(&sink, mode, Load::Paced, 200)?;
        let stats = sink.stats()?;
        check_nothing_lost(mode, 200, &run, &stats)?;
        if stats.distinct_spans != stats.spans {
            return Err(format!("{mode}: span ids repeat: {stats:?}").into());
        }
    }
    Ok(())
}

fn check_nothing_lost(mode: &str, traces: u64, run: &WorkerRun, stats: &Stats) -> Result<(), Failure> {
    let transactions = if mode == "stream" { 0 } else { traces };
    let whole = run.complete && run.held == 0 && run.dropped == 0 && run.open == 0 && run.evicted == 0;
    let arrived = (stats.spans, stats.transactions, stats.errors, stats.malformed, stats.discarded);
    if whole && arrived == (traces * SENT_SPANS, transactions, 0, 0, 0) {
        return Ok(());
    }
    Err(format!("{mode}: {traces} traces exported; the exporter says {run:?}; the sink has {stats:?}").into())
}

/// The peer's runs.
struct Peer {
    paced: Vec<PeerRun>,
    burst: PeerRun,
    open: PeerRun,
}

/// The peer's figures; `None` when it can't be had.
fn peer(options: &Options, count: usize) -> Result<Option<Peer>, Failure> {
    if !options.wants("peer") {
        return Ok(None);
    }
    let Some(node) = NodeFolder::prepare(&MASTRA) else { return Ok(None) };
    let run = |load: &str, traces: u64| PeerRun::run(&node, &SinkProcess::start(false)?, load, traces);
    let traces = options.pick(2_000, 300);
    let paced = (0..count).map(|_| run("paced", traces)).collect::<Result<_, _>>()?;
    Ok(Some(Peer { paced, burst: run("burst", BURST)?, open: run("open", options.pick(OPEN, 5_000))? }))
}

/// One round of a mode.
struct Round {
    worker: WorkerRun,
    stats: Stats,
    /// CPU seconds of the sink, and of making the events alone.
    sink_cpu: f64,
    made_cpu: f64,
}

fn throughput(
    options: &Options,
    modes: &[&str],
    count: usize,
    peer: Option<&Peer>,
    report: &mut Report,
) -> Result<(), Failure> {
    let traces: u64 = options.pick(40_000, 5_000);
    let spans = (traces * SENT_SPANS) as f64;
    let mut measured: Vec<Vec<Round>> = modes.iter().map(|_| Vec::new()).collect();
    // Round 0 warms up; modes alternate within a round.
    for round in 0..=count {
        for (mode, rounds) in modes.iter().zip(&mut measured) {
            let sink = SinkProcess::start(false)?;
            let worker = WorkerRun::run(&sink, mode, Load::Paced, traces)?;
            let (stats, sink_cpu) = (sink.stats()?, cpu_seconds(sink.pid())?);
            check_nothing_lost(mode, traces, &worker, &stats)?;
            let made_cpu = WorkerRun::run(&sink, mode, Load::Made, traces)?.cpu;
            if round > 0 {
                rounds.push(Round { worker, stats, sink_cpu, made_cpu });
            }
        }
    }
    let caption =
        format!("From tracing events until the sink has every span; {traces} traces, medians of {count} rounds");
    let mut table = Table::new(
        caption,
        [
            "what",
            "Sentry spans/s",
            "events/s",
            "CPU per Sentry span, µs",
            "of it making the events",
            "peak resident, MiB",
            "requests",
            "bytes per trace",
            "sink's CPU per span, µs",
            "lost",
        ],
    );
    for (mode, rounds) in modes.iter().zip(&measured) {
        let of = |pick: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(pick).collect::<Vec<_>>());
        let rate = of(&|round| spans / round.worker.wall);
        let made = of(&|round| round.made_cpu * 1e6 / spans);
        let cpu = of(&|round| round.worker.cpu * 1e6 / spans);
        let peak = of(&|round| round.worker.peak);
        table.row([
            (*mode).to_owned(),
            number(rate),
            number(of(&|round| round.worker.events as f64 / round.worker.wall)),
            number(cpu),
            number(made),
            number(peak),
            number(of(&|round| round.stats.requests as f64)),
            number(of(&|round| round.stats.bytes as f64 / traces as f64)),
            number(of(&|round| round.sink_cpu * 1e6 / spans)),
            "0".to_owned(),
        ]);
        report.limited(format!("{mode}: rate"), rate, "spans/s", Limit::AtLeast(150_000.0));
        // Making the events is the host's; the peer is given them as well.
        report.limited(format!("{mode}: CPU per span"), cpu - made, "µs", Limit::AtMost(8.0));
        report.limited(format!("{mode}: peak resident"), peak, "MiB", Limit::AtMost(40.0));
        report.figure(format!("{mode}: CPU per span, making the events included"), cpu, "µs");
        if let Some(peer) = peer.filter(|_| *mode == MODES[0]) {
            let of = |pick: fn(&PeerRun) -> f64| median(&peer.paced.iter().map(pick).collect::<Vec<_>>());
            let (their_rate, their_cpu) =
                (of(|run| run.spans as f64 / run.wall), of(|run| run.cpu * 1e6 / run.spans as f64));
            let their_peak = of(|run| run.peak);
            let lost = of(|run| (run.wanted - run.spans) as f64);
            table.row([
                PEER.to_owned(),
                number(their_rate),
                String::new(),
                number(their_cpu),
                String::new(),
                number(their_peak),
                String::new(),
                String::new(),
                String::new(),
                number(lost),
            ]);
            report.figure("peer: rate", their_rate, "spans/s");
            report.figure("peer: CPU per span", their_cpu, "µs");
            report.figure("peer: peak resident", their_peak, "MiB");
            report.figure("peer: watchpost's rate over its", rate / their_rate, "times");
            report.figure("peer: its CPU over watchpost's", their_cpu / cpu, "times");
        }
    }
    report.table(table);
    Ok(())
}

fn burst(peer: Option<&Peer>, report: &mut Report) -> Result<(), Failure> {
    let mut table = Table::new(
        format!("{BURST} traces at once, nobody waits, then a flush"),
        ["what", "spans that reached the sink", "handed over in, ms", "all there after, ms", "peak resident, MiB"],
    );
    let wanted = (BURST * SENT_SPANS) as f64;
    for mode in MODES {
        let sink = SinkProcess::start(false)?;
        let run = WorkerRun::run(&sink, mode, Load::Burst, BURST)?;
        let share = sink.stats()?.spans as f64 / wanted;
        table.row([
            (*mode).to_owned(),
            percent(share),
            number(run.accepting * 1e3),
            number(run.wall * 1e3),
            number(run.peak),
        ]);
        report.limited(format!("{mode}: burst delivered"), share * 100.0, "%", Limit::AtLeast(100.0));
    }
    if let Some(Peer { burst, .. }) = peer {
        let share = burst.spans as f64 / burst.wanted as f64;
        table.row([
            PEER.to_owned(),
            format!("{:.1} %", share * 100.0),
            String::new(),
            number(burst.wall * 1e3),
            number(burst.peak),
        ]);
        report.figure("peer: burst delivered", share * 100.0, "%");
    }
    report.table(table);
    Ok(())
}

/// What is open is bounded, and nothing of it goes missing silently: it is sent, or counted.
fn open(options: &Options, peer: Option<&Peer>, report: &mut Report) -> Result<(), Failure> {
    let traces = options.pick(OPEN, 5_000);
    let sink = SinkProcess::start(false)?;
    let run = WorkerRun::run(&sink, MODES[0], Load::Open, traces)?;
    let stats = sink.stats()?;
    let spans = (traces * SENT_SPANS) as f64;
    // A transaction is dropped or held with all its spans.
    let counted = ((run.dropped + run.held) * SENT_SPANS) as f64;
    let mut table = Table::new(
        format!("{traces} traces whose spans never end, then a shutdown"),
        [
            "what",
            "Sentry spans",
            "reached the sink",
            "dropped, and counted",
            "lost without a word",
            "most spans open",
            "peak resident, MiB",
            "grown, MiB",
        ],
    );
    let lost = spans - stats.spans as f64 - counted;
    table.row([
        MODES[0].to_owned(),
        number(spans),
        number(stats.spans as f64),
        number(counted),
        number(lost),
        number(run.open as f64),
        number(run.peak),
        number(run.peak - run.before),
    ]);
    if let Some(Peer { open, .. }) = peer {
        table.row([
            PEER.to_owned(),
            number(open.wanted as f64),
            number(open.spans as f64),
            "0".to_owned(),
            number((open.wanted - open.spans) as f64),
            number(open.wanted as f64),
            number(open.peak),
            number(open.grown),
        ]);
        report.figure("peer: spans that never end, grown", open.grown, "MiB");
    }
    report.table(table);
    report.limited("spans that never end: lost without a word", lost, "spans", Limit::AtMost(0.0));
    report.limited("spans that never end: grown", run.peak - run.before, "MiB", Limit::AtMost(OPEN_BOUND));
    Ok(())
}

fn calls(options: &Options, count: usize, report: &mut Report) -> Result<(), Failure> {
    let traces = options.pick(5_000, 1_000);
    let runs: Vec<WorkerRun> = (0..count)
        .map(|_| WorkerRun::run(&SinkProcess::start(false)?, MODES[0], Load::Timed, traces))
        .collect::<Result<_, _>>()?;
    let of = |pick: fn((f64, f64, f64)) -> f64| {
        median(&runs.iter().filter_map(|run| run.calls).map(pick).collect::<Vec<_>>())
    };
    let (p50, p90, p99) = (of(|calls| calls.0), of(|calls| calls.1), of(|calls| calls.2));
    let mut table = Table::new(
        format!(
            "One call of `export_tracing_event` in µs, while all is exported; {traces} traces, medians of {count} rounds"
        ),
        ["p50", "p90", "p99"],
    );
    table.row([number(p50), number(p90), number(p99)]);
    report.table(table);
    report.limited("export_tracing_event: p50", p50, "µs", Limit::AtMost(2.0));
    report.limited("export_tracing_event: p99", p99, "µs", Limit::AtMost(20.0));
    Ok(())
}
