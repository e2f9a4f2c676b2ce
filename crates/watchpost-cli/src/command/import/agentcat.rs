//! AgentCat's events: each line is an MCP event.

use std::time::Duration;

use watchpost::{
    exporter::McpExporter,
    model::agentcat::{self, ReadOptions},
    redact::Rules,
};
use watchpost_sentry::delivery::Outcome;

use super::Target;
use crate::{config::Settings, failure::Failure};

/// See the module.
pub(super) struct Agentcat {
    exporter: McpExporter,
    options: ReadOptions,
    /// For events that carry none.
    project_id: Option<String>,
    redact: Rules,
}

impl Agentcat {
    pub(super) fn new(settings: Settings) -> Result<Self, Failure> {
        let capture = settings.sentry.capture.unwrap_or_default();
        let options = ReadOptions::default().with_content(capture.arguments, capture.results);
        let exporter = McpExporter::new(settings.sentry)?;
        Ok(Self { exporter, options, project_id: settings.project_id, redact: settings.redact })
    }
}

impl Target for Agentcat {
    type Event = watchpost::model::McpEvent;

    fn is_enabled(&self) -> bool {
        self.exporter.is_enabled()
    }

    fn read(&self, line: &str) -> Result<Self::Event, String> {
        let mut event = agentcat::parse_line_with(line, self.options).map_err(|error| error.to_string())?;
        if event.project_id.is_none() {
            event.project_id.clone_from(&self.project_id);
        }
        self.redact.redact_event(&mut event);
        Ok(event)
    }

    fn wait_for_room(&self, timeout: Duration) -> bool {
        self.exporter.wait_for_room(timeout)
    }

    fn export(&self, event: Self::Event) {
        self.exporter.export(&event);
    }

    fn flush(&self, timeout: Duration) -> Outcome {
        self.exporter.flush(timeout)
    }

    fn outcome(&self) -> Outcome {
        self.exporter.outcome()
    }

    fn unfinished(&self) -> Option<u64> {
        None
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        self.exporter.shutdown(timeout)
    }
}
