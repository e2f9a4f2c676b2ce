//! The peer beside which the export of spans is measured: npm `@mastra/sentry`, fed with the same traces into the same sink.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::traces::TEMPLATE;
use crate::{
    Failure,
    bench::{node::NodeFolder, process::forget_settings, sink::SinkProcess},
};

/// One run of the peer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PeerRun {
    /// Seconds from the first event until the sink had everything.
    pub(super) wall: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB.
    pub(super) peak: f64,
    /// Resident set in MiB that came with the events.
    pub(super) grown: f64,
    /// Spans that were to reach the sink, and that did.
    pub(super) wanted: u64,
    pub(super) spans: u64,
}

impl PeerRun {
    /// Exports so many traces: `paced`, `burst` or `open`.
    pub(super) fn run(node: &NodeFolder, sink: &SinkProcess, load: &str, traces: u64) -> Result<Self, Failure> {
        let template = node.path().join("trace.jsonl");
        fs::write(&template, TEMPLATE)?;
        let mut command = Command::new("node");
        command
            .args(["spans.mjs", &sink.dsn(), &sink.address().to_string()])
            .arg(&template)
            .args([load, &traces.to_string()])
            .current_dir(node.path())
            .env("MASTRA_TELEMETRY_DISABLED", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        forget_settings(&mut command);
        let output = command.output().map_err(|error| format!("node: {error}"))?;
        if !output.status.success() {
            return Err(format!("the peer's driver ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
