//! `cargo xtask bench track`: what tracking adds to a call of an rmcp server, in one process with its client. Beside it the untracked
//! server, call by call, and the peer, crates.io `agentcat-sdk`, in the same run. The measured programs are built apart, in
//! `bench/track`: what the peer depends on is none of this workspace's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{
    options::{Options, target_folder},
    process::forget_settings,
    report::{Limit, Report, Table, number},
    sink::SinkProcess,
    statistics::median,
};
use crate::{Failure, cargo};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/track");
/// A port that nothing listens on.
const NOWHERE: &str = "127.0.0.1:9";
/// µs that tracking may add to a call.
const ADDED_P50: f64 = 5.0;
const ADDED_P99: f64 = 50.0;
/// MiB above the untracked server.
const ADDED_MEMORY: f64 = 20.0;
/// The peer as the tables name it.
const PEER: &str = "agentcat-sdk 1.0.0";

/// One run of a measured program.
#[derive(Clone, Debug, Deserialize)]
struct Run {
    /// µs of untracked and tracked calls.
    plain: Option<Percentiles>,
    tracked: Option<Percentiles>,
    /// Calls made, and seconds from the first to the last answer.
    calls: Option<u64>,
    wall: Option<f64>,
    /// CPU seconds until all was sent.
    cpu: Option<f64>,
    /// MiB resident before, and at most.
    before: Option<f64>,
    peak: Option<f64>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Outcome {
    complete: bool,
    overflowed: Option<u64>,
    sent: Option<u64>,
    held: Option<u64>,
    dropped: Option<u64>,
}

/// A measured program.
struct Subject {
    name: &'static str,
    program: PathBuf,
}

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut report = Report::new("track", options.quick);
    let ours = Subject { name: "watchpost", program: build("watchpost")? };
    let peer = if options.wants("peer") { Some(Subject { name: PEER, program: build("agentcat")? }) } else { None };
    let subjects: Vec<&Subject> = [Some(&ours), peer.as_ref()].into_iter().flatten().collect();
    if options.wants("latency") {
        latency(options, &subjects, &mut report)?;
    }
    if options.wants("burst") {
        burst(options, &subjects, &mut report)?;
    }
    if options.wants("down") {
        down(options, &ours, &mut report)?;
    }
    if options.wants("sessions") {
        sessions(options, &ours, &mut report)?;
    }
    report.print(options.json);
    Ok(())
}

/// Untracked and tracked calls by turns.
fn latency(options: &Options, subjects: &[&Subject], report: &mut Report) -> Result<(), Failure> {
    let calls: u64 = options.pick(50_000, 5_000);
    let rounds = options.rounds(5, 2);
    let mut runs: Vec<Vec<(Percentiles, Percentiles)>> = subjects.iter().map(|_| Vec::new()).collect();
    // Round 0 warms up; subjects alternate within a round.
    for round in 0..=rounds {
        for (subject, runs) in subjects.iter().zip(&mut runs) {
            let run = subject.run("latency", &sink_address(&SinkProcess::start_aside()?), calls)?;
            let both = run.plain.zip(run.tracked).ok_or("a run without latencies")?;
            if round > 0 {
                runs.push(both);
            }
        }
    }
    let mut table = Table::new(
        format!("One call, µs (median of {rounds} rounds of {calls} calls each way, by turns)"),
        ["subject", "untracked p50", "p90", "p99", "tracked p50", "p90", "p99", "added p50", "added p99"],
    );
    for (subject, runs) in subjects.iter().zip(&runs) {
        let of = |figure: fn(&(Percentiles, Percentiles)) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        let added = (of(|(plain, tracked)| tracked.p50 - plain.p50), of(|(plain, tracked)| tracked.p99 - plain.p99));
        table.row([
            subject.name.to_owned(),
            number(of(|(plain, _)| plain.p50)),
            number(of(|(plain, _)| plain.p90)),
            number(of(|(plain, _)| plain.p99)),
            number(of(|(_, tracked)| tracked.p50)),
            number(of(|(_, tracked)| tracked.p90)),
            number(of(|(_, tracked)| tracked.p99)),
            number(added.0),
            number(added.1),
        ]);
        if subject.name == PEER {
            report.figure(format!("{PEER} added p50"), added.0, "µs");
            report.figure(format!("{PEER} added p99"), added.1, "µs");
        } else {
            report.limited("added p50", added.0, "µs", Limit::AtMost(ADDED_P50));
            report.limited("added p99", added.1, "µs", Limit::AtMost(ADDED_P99));
        }
    }
    report.table(table);
    Ok(())
}

/// 20 000 calls, 64 in flight.
fn burst(options: &Options, subjects: &[&Subject], report: &mut Report) -> Result<(), Failure> {
    let calls: u64 = options.pick(20_480, 6_400);
    let untracked = Subject { name: "untracked", program: build("")? };
    let mut table = Table::new(
        format!("{calls} calls at once, 64 in flight"),
        ["subject", "calls/s", "CPU µs/call", "resident before, MiB", "peak, MiB", "lost events"],
    );
    let mut base = 0.0;
    for subject in [&untracked].into_iter().chain(subjects.iter().copied()) {
        let sink = SinkProcess::start(false)?;
        let run = subject.run("burst", &sink_address(&sink), calls)?;
        let (made, wall) = (run.calls.unwrap_or(0), run.wall.unwrap_or(f64::NAN));
        let peak = run.peak.unwrap_or(f64::NAN);
        let is_ours = subject.name == "watchpost";
        // An event of ours is a log and a transaction, and the handshake is one too.
        let stats = sink.stats()?;
        let lost = is_ours.then(|| (made + 1).saturating_sub(stats.logs.min(stats.transactions)));
        table.row([
            subject.name.to_owned(),
            number(calls as f64 / wall),
            number(run.cpu.unwrap_or(f64::NAN) * 1e6 / calls as f64),
            number(run.before.unwrap_or(f64::NAN)),
            number(peak),
            lost.map_or_else(|| "–".to_owned(), |lost| lost.to_string()),
        ]);
        if subject.name == "untracked" {
            base = peak;
        }
        if is_ours {
            report.limited("events lost in a burst", lost.unwrap_or(0) as f64, "", Limit::AtMost(0.0));
            report.limited("memory above the untracked server", peak - base, "MiB", Limit::AtMost(ADDED_MEMORY));
        }
    }
    report.table(table);
    Ok(())
}

/// A sink that is down for the whole run.
fn down(options: &Options, ours: &Subject, report: &mut Report) -> Result<(), Failure> {
    let calls: u64 = options.pick(20_480, 6_400);
    let run = ours.run("down", NOWHERE, calls)?;
    let mut table = Table::new(
        format!("{calls} calls at once while nothing listens at the DSN"),
        ["calls/s", "peak, MiB", "events dropped by the queue", "items sent", "held", "dropped"],
    );
    let figure = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let outcome = run.outcome;
    table.row([
        number(calls as f64 / run.wall.unwrap_or(f64::NAN)),
        number(run.peak.unwrap_or(f64::NAN)),
        figure(outcome.overflowed),
        figure(outcome.sent),
        figure(outcome.held),
        figure(outcome.dropped),
    ]);
    report.table(table);
    report.limited("peak with no sink", run.peak.unwrap_or(f64::NAN), "MiB", Limit::AtMost(64.0));
    Ok(())
}

/// 10 000 connections, a call on each.
fn sessions(options: &Options, ours: &Subject, report: &mut Report) -> Result<(), Failure> {
    let sessions: u64 = options.pick(10_000, 1_000);
    let sink = SinkProcess::start(false)?;
    let run = ours.run("sessions", &sink_address(&sink), sessions)?;
    let stats = sink.stats()?;
    let mut table = Table::new(format!("{sessions} sessions, two events each"), ["sessions/s", "peak, MiB", "logs"]);
    table.row([
        number(sessions as f64 / run.wall.unwrap_or(f64::NAN)),
        number(run.peak.unwrap_or(f64::NAN)),
        stats.logs.to_string(),
    ]);
    report.table(table);
    let lost = (2 * sessions).saturating_sub(stats.logs);
    report.limited("events lost of many sessions", lost as f64, "", Limit::AtMost(0.0));
    Ok(())
}

fn sink_address(sink: &SinkProcess) -> String {
    sink.address().to_string()
}

/// The measured program with this feature, in release mode.
fn build(feature: &str) -> Result<PathBuf, Failure> {
    let target = target_folder()?.join("track-bench");
    let mut build = cargo::command();
    build.args(["build", "--quiet", "--release", "--features", feature]);
    let status = build.current_dir(PACKAGE).env("CARGO_TARGET_DIR", &target).status()?;
    if !status.success() {
        return Err(format!("the build of bench/track failed: {status}").into());
    }
    // The next feature's build takes its place.
    let built = target.join("release/track-bench");
    let kept = target.join(format!("track-bench-{}", if feature.is_empty() { "untracked" } else { feature }));
    fs::copy(&built, &kept)?;
    Ok(kept)
}

impl Subject {
    fn run(&self, kind: &str, sink: &str, calls: u64) -> Result<Run, Failure> {
        let home = self.program.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&self.program);
        // The peer writes a log into the home folder.
        command.args([kind, sink, &calls.to_string()]).env("HOME", home).stdin(Stdio::null()).stderr(Stdio::inherit());
        forget_settings(&mut command);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{} {kind} ended with {}", self.name, output.status).into());
        }
        let run: Run = serde_json::from_slice(&output.stdout)?;
        if kind != "down" && !run.outcome.complete && self.name == "watchpost" {
            return Err(format!("{kind}: not everything was sent: {:?}", run.outcome).into());
        }
        Ok(run)
    }
}
