//! The process whose export is measured: makes traces, hands their events over, and says what it took.

use std::{
    hint::black_box,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use watchpost::exporter::{SentryExporter, SentryExporterConfig};

use super::traces::Traces;
use crate::{
    Failure,
    bench::{
        options::{own_program, value},
        process::{Memory, cpu_seconds, forget_settings},
        sink::SinkProcess,
        statistics::Percentiles,
    },
};

/// Longer than any good run takes.
const PATIENCE: Duration = Duration::from_secs(60);
const MODES: &[&str] = &["transaction", "hybrid", "stream"];

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// As many as are taken: `wait_for_room` holds the producer back, as it does an importer.
    Paced,
    /// All at once, as a host does; then a flush.
    Burst,
    /// Spans that never end; then a shutdown.
    Open,
    /// As paced, and each call is timed.
    Timed,
    /// The events are made and thrown away: what making them costs.
    Made,
}

impl Load {
    const ALL: &'static [(&'static str, Self)] = &[
        ("paced", Self::Paced),
        ("burst", Self::Burst),
        ("open", Self::Open),
        ("timed", Self::Timed),
        ("made", Self::Made),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, load)| *load == self).map_or("", |(name, _)| name)
    }
}

/// One run of the worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct WorkerRun {
    /// Seconds from the first event until the flush said that all was delivered.
    pub(super) wall: f64,
    /// Seconds of it until the last event was handed over.
    pub(super) accepting: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB, and before the first event.
    pub(super) peak: f64,
    pub(super) before: f64,
    /// Whether everything was delivered.
    pub(super) complete: bool,
    /// Items by fate, as the exporter tells it.
    pub(super) accepted: u64,
    pub(super) sent: u64,
    pub(super) held: u64,
    pub(super) dropped: u64,
    /// Events handed over, and spans by fate in the assembly.
    pub(super) events: u64,
    pub(super) open: u64,
    pub(super) evicted: u64,
    /// A call's p50, p90 and p99 in µs.
    pub(super) calls: Option<(f64, f64, f64)>,
}

impl WorkerRun {
    /// Does it in a process of its own.
    pub(super) fn run(sink: &SinkProcess, mode: &str, load: Load, traces: u64) -> Result<Self, Failure> {
        let mut command = Command::new(own_program()?);
        command
            .args(["bench", "spans-worker", &sink.dsn(), mode, load.name(), &traces.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        forget_settings(&mut command);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("the worker ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Exports: arguments are the DSN, the span mode, the load and how many traces.
pub(in crate::bench) fn run(args: &[String]) -> Result<(), Failure> {
    let dsn = value("spans-worker", args.first())?;
    let mode = value("spans-worker", args.get(1))?;
    let load = value("spans-worker", args.get(2))?;
    let load = Load::ALL.iter().find(|(name, _)| name == load).ok_or("there is no such load")?.1;
    let count: u64 = value("spans-worker", args.get(3))?.parse()?;
    if !MODES.contains(&mode.as_str()) {
        return Err(format!("{mode} is no span mode").into());
    }
    let config = SentryExporterConfig::default()
        .with_dsn(dsn)
        .with_environment("production")
        .with_release("bench@1.0.0")
        .with_span_mode(mode.parse()?);
    let exporter = SentryExporter::new(config)?;
    let run = export(&exporter, load, count)?;
    Ok(serde_json::to_writer(std::io::stdout(), &run)?)
}

fn export(exporter: &SentryExporter, load: Load, count: u64) -> Result<WorkerRun, Failure> {
    let mut traces = if load == Load::Open { Traces::never_ending()? } else { Traces::new()? };
    let pid = std::process::id();
    let events = traces.events();
    let mut calls = Vec::with_capacity(if load == Load::Timed { events * usize::try_from(count)? } else { 0 });
    let before = Memory::of(pid)?.resident;
    let (cpu, start) = (cpu_seconds(pid)?, Instant::now());
    for _ in 0..count {
        if matches!(load, Load::Paced | Load::Timed) && !exporter.wait_for_room(PATIENCE) {
            return Err("the exporter had no room for a minute".into());
        }
        for event in traces.next() {
            match load {
                Load::Made => drop(black_box(event)),
                Load::Timed => {
                    let called = Instant::now();
                    exporter.export_tracing_event(event);
                    calls.push(u64::try_from(called.elapsed().as_nanos())?);
                }
                Load::Paced | Load::Burst | Load::Open => exporter.export_tracing_event(event),
            }
        }
    }
    let accepting = start.elapsed().as_secs_f64();
    let stats = exporter.stats();
    let outcome = if load == Load::Open { exporter.shutdown_within(PATIENCE) } else { exporter.flush_within(PATIENCE) };
    let calls = (load == Load::Timed).then(|| Percentiles::of(calls));
    Ok(WorkerRun {
        wall: start.elapsed().as_secs_f64(),
        accepting,
        cpu: cpu_seconds(pid)? - cpu,
        peak: Memory::of(pid)?.peak,
        before,
        complete: outcome.complete,
        accepted: outcome.accepted(),
        sent: outcome.sent(),
        held: outcome.held(),
        dropped: outcome.dropped(),
        events: count * events as u64,
        open: stats.open_spans,
        evicted: stats.aborted + stats.deadline_exceeded,
        calls: calls.map(|calls| (calls.p50, calls.p90, calls.p99)),
    })
}
