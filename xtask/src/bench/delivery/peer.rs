//! The peer: the `sentry` crate, handing over the same items in a process of its own.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    Failure,
    bench::{process::forget_settings, sink::SinkProcess},
};

/// One run of the peer's program.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PeerRun {
    /// Seconds until its flush returned, and of it until the last item was handed over.
    pub(super) wall: f64,
    pub(super) handing: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB.
    pub(super) peak: f64,
}

impl PeerRun {
    /// Hands over `count` items as fast as it can, with the channel's default capacity unless one is given.
    pub(super) fn run(
        program: &Path,
        sink: &SinkProcess,
        what: &str,
        count: u64,
        capacity: Option<u64>,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        let capacity = capacity.map_or_else(|| "default".to_owned(), |capacity| capacity.to_string());
        command
            .args([&sink.dsn(), what, &count.to_string(), "0", &capacity])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        forget_settings(&mut command);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("the peer ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// How many items of a type the sink has, the log that connects left out.
    pub(super) fn arrived(&self, item: &str, sink: &SinkProcess) -> Result<u64, Failure> {
        let stats = sink.stats()?;
        Ok(if item == "log" { stats.logs.saturating_sub(1) } else { stats.transactions })
    }
}
