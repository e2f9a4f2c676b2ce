//! The process whose export is measured: makes events, exports them, flushes, and says what it took.
//! `wait_for_room` holds it back instead of letting old events be dropped, as an importer would.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use watchpost::exporter::{McpExporter, SentryConfig};

use super::events::{Events, Known};
use crate::{
    Failure,
    bench::{
        options::{own_program, value},
        process::{Memory, cpu_seconds, forget_settings},
        sink::SinkProcess,
    },
};

/// Longer than any good run takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is exported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) events: u64,
    pub(super) known: Known,
    pub(super) tracing: bool,
    /// One event in this many is an error; 0 for none.
    pub(super) error_every: u64,
}

/// One run of the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WorkerRun {
    /// Seconds from the first event until the flush said that all was delivered.
    pub(super) wall: f64,
    /// Seconds of it until the last event was accepted.
    pub(super) accepting: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB.
    pub(super) peak: f64,
    /// Whether everything was delivered.
    pub(super) complete: bool,
    /// Items by fate, as the exporter tells it.
    pub(super) accepted: u64,
    pub(super) sent: u64,
    pub(super) held: u64,
    pub(super) dropped: u64,
}

impl WorkerRun {
    /// Exports the load to the sink from a process of its own.
    pub(super) fn run(sink: &SinkProcess, load: Load) -> Result<Self, Failure> {
        let mut command = Command::new(own_program()?);
        command
            .args(["bench", "worker", &sink.dsn()])
            .args([load.events.to_string(), load.error_every.to_string(), load.tracing.to_string()])
            .args((load.known == Known::All).then_some("all"))
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

/// Exports: arguments are the DSN, how many events, one error in how many, whether tracing is on, and
/// `all` for all fields.
pub(in crate::bench) fn run(args: &[String]) -> Result<(), Failure> {
    let dsn = value("worker", args.first())?;
    let count: u64 = value("worker", args.get(1))?.parse()?;
    let known = if args.get(4).is_some_and(|known| known == "all") { Known::All } else { Known::Usual };
    let mut events = Events::new(known, value("worker", args.get(2))?.parse()?);
    let tracing = value("worker", args.get(3))?.parse()?;
    let config = SentryConfig::default()
        .with_dsn(dsn)
        .with_environment("production")
        .with_release("bench@1.0.0")
        .with_tracing(tracing);
    let exporter = McpExporter::new(config)?;
    let cpu = cpu_seconds(std::process::id())?;
    let start = Instant::now();
    for _ in 0..count {
        if !exporter.wait_for_room(PATIENCE) {
            return Err("the exporter had no room for a minute".into());
        }
        exporter.export(events.next());
    }
    let accepting = start.elapsed().as_secs_f64();
    let outcome = exporter.flush(PATIENCE);
    let run = WorkerRun {
        wall: start.elapsed().as_secs_f64(),
        accepting,
        cpu: cpu_seconds(std::process::id())? - cpu,
        peak: Memory::of(std::process::id())?.peak,
        complete: outcome.complete,
        accepted: outcome.accepted(),
        sent: outcome.sent(),
        held: outcome.held(),
        dropped: outcome.dropped(),
    };
    Ok(serde_json::to_writer(std::io::stdout(), &run)?)
}
