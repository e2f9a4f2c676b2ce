//! What became of an imported file, for people and as JSON.

use std::io::{self, Write as _};

use serde::Serialize;
use watchpost_sentry::delivery::{DropReason, Outcome};

use crate::command::status::counted;

/// What became of the file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// False when the user turned exporting off (`DO_NOT_TRACK`, `OTEL_SDK_DISABLED`).
    pub(super) exporting: bool,
    pub(super) lines: u64,
    pub(super) exported: u64,
    pub(super) skipped: u64,
    pub(super) sent: u64,
    pub(super) held: u64,
    pub(super) dropped: u64,
    pub(super) unsampled: u64,
    /// Of those items, what earlier runs had left in the spool.
    pub(super) recovered: u64,
    /// Spans that were sent before their end was read, because it never came or too many were open; `None` where nothing
    /// starts and ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unfinished: Option<u64>,
}

impl Summary {
    /// Adds what delivery says. What was not sampled was not meant to be sent.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.sent = outcome.sent();
        self.held = outcome.held();
        self.unsampled = outcome.dropped_by(DropReason::SampleRate);
        self.dropped = outcome.dropped() - self.unsampled;
        self.recovered = outcome.recovered;
    }

    /// Whether every line was exported and delivered.
    pub(super) const fn is_whole(&self) -> bool {
        self.skipped == 0 && self.held == 0 && self.dropped == 0
    }

    pub(super) fn print(&self, outcome: &Outcome, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            let text = serde_json::to_string(self).map_err(io::Error::other)?;
            return writeln!(out, "{text}");
        }
        if !self.exporting {
            writeln!(out, "exporting is off: DO_NOT_TRACK or OTEL_SDK_DISABLED is set")?;
        }
        let lines = counted(self.lines, "line", "lines");
        writeln!(out, "{lines}: {} exported, {} skipped", self.exported, self.skipped)?;
        if let Some(unfinished @ 1..) = self.unfinished {
            writeln!(out, "spans without an end, sent as they stand: {unfinished}")?;
        }
        let sent = counted(self.sent, "item", "items");
        writeln!(out, "{sent} sent, {} not delivered, {} dropped", self.held, self.dropped)?;
        for reason in DropReason::ALL {
            let count = outcome.dropped_by(reason);
            if count > 0 {
                writeln!(out, "  {count} {reason}")?;
            }
        }
        if self.recovered > 0 {
            let recovered = counted(self.recovered, "item", "items");
            writeln!(out, "among them {recovered} that earlier runs had left in the spool")?;
        }
        if self.held > 0 {
            writeln!(out, "what was not delivered is in the spool: the next run sends it, or `watchpost flush`")?;
        }
        Ok(())
    }
}
