//! The findings, for people and as JSON.

use std::io::{self, Write};

use serde::Serialize;
use watchpost_sentry::wire::Dsn;

use super::{
    check::{Check, Status},
    view::{Light, View},
};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Where it goes; never the key.
    destination: String,
    project_id: String,
    /// Whether a DSN was given; else it is the local receiver that was found.
    is_configured: bool,
    pub(super) checks: Vec<Check>,
    pub(super) views: Vec<View>,
    /// Whether the views were judged by what the receiver has, not only by what Sentry took.
    pub(super) was_read_back: bool,
}

impl Report {
    pub(super) fn new(dsn: &Dsn, is_configured: bool) -> Self {
        Self {
            destination: dsn.envelope_url(),
            project_id: dsn.project_id().to_owned(),
            is_configured,
            checks: Vec::new(),
            views: Vec::new(),
            was_read_back: false,
        }
    }

    /// Whether nothing failed and no view is dark that should not be.
    pub(super) fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Failed)
            && self.views.iter().all(|view| view.light != Light::Dark)
    }

    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let whose = if self.is_configured { "the configured DSN" } else { "no DSN: the local receiver that was found" };
        writeln!(out, "To {} ({whose})\n", self.destination)?;
        for check in &self.checks {
            let (word, style) = match check.status {
                Status::Ok => ("ok", "32"),
                Status::Warning => ("warning", "33"),
                Status::Failed => ("FAILED", "31"),
                Status::Skipped => ("skipped", "2"),
            };
            line(out, word, style, check.name, 14, &check.detail)?;
            if let Some(advice) = &check.advice {
                writeln!(out, "  {:9}{:15}{}", "", "", inert(&format!("-> {advice}")))?;
            }
        }
        if self.views.is_empty() {
            return Ok(());
        }
        let by = if self.was_read_back { "by what the receiver has of it" } else { "by what Sentry took" };
        writeln!(out, "\nSentry's views, {by}:\n")?;
        for view in &self.views {
            let (word, style) = match view.light {
                Light::Lit => ("lit", "32"),
                Light::Sent => ("sent", "32"),
                Light::Off => ("off", "2"),
                Light::Dark => ("DARK", "31"),
            };
            line(out, word, style, view.name, 29, &view.detail)?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, word: &str, style: &str, name: &str, width: usize, detail: &str) -> io::Result<()> {
    writeln!(out, "  \x1b[{style}m{word:8}\x1b[0m {name:width$} {}", inert(detail))
}

/// What a server says cannot command the terminal.
fn inert(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
