//! The peer beside which the export path is measured: npm `agentcat`, by its own way from a tool call to Sentry.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    Failure,
    bench::{node::NodeFolder, sink::SinkProcess},
};

/// One run of the peer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PeerRun {
    /// Seconds from the first call until the sink had everything.
    pub(super) wall: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
    /// Peak resident set in MiB.
    pub(super) peak: f64,
    /// Events that reached the sink.
    pub(super) events: u64,
}

impl PeerRun {
    /// Makes `calls` tool calls and waits until the sink has all their events.
    pub(super) fn run(node: &NodeFolder, sink: &SinkProcess, calls: u64, mode: &str) -> Result<Self, Failure> {
        let output = Command::new("node")
            .args(["peer.mjs", &sink.dsn(), &sink.address().to_string(), &calls.to_string(), mode])
            .current_dir(node.path())
            // It writes a log file into the home folder at each step, and reports to its maker unless told not to.
            .env("HOME", node.path())
            .env("DISABLE_DIAGNOSTICS", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("node: {error}"))?;
        let _ = fs::remove_file(node.path().join("agentcat.log"));
        if !output.status.success() {
            return Err(format!("the peer's driver ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
