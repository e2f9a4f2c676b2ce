//! Mastra's tracing events: each line is something that happened to a span.

use std::time::Duration;

use watchpost::{
    exporter::SentryExporter,
    mapping::ai::MASTRA_ORIGIN,
    model::{TracingEvent, mastra},
};
use watchpost_sentry::delivery::Outcome;

use super::Target;
use crate::{config::Settings, failure::Failure};

/// See the module.
pub(super) struct Mastra {
    exporter: SentryExporter,
}

impl Mastra {
    pub(super) fn new(settings: Settings) -> Result<Self, Failure> {
        let mut config = settings.span_exporter();
        config.origin.get_or_insert_with(|| MASTRA_ORIGIN.to_owned());
        config.is_recording = Some(true);
        Ok(Self { exporter: SentryExporter::new(config)? })
    }
}

impl Target for Mastra {
    type Event = TracingEvent;

    fn is_enabled(&self) -> bool {
        self.exporter.is_enabled()
    }

    fn read(&self, line: &str) -> Result<TracingEvent, String> {
        mastra::parse_line(line).map_err(|error| error.to_string())
    }

    fn wait_for_room(&self, timeout: Duration) -> bool {
        self.exporter.wait_for_room(timeout)
    }

    fn export(&self, event: TracingEvent) {
        self.exporter.export_tracing_event(event);
    }

    fn flush(&self, timeout: Duration) -> Outcome {
        self.exporter.flush_within(timeout)
    }

    fn outcome(&self) -> Outcome {
        self.exporter.outcome()
    }

    fn unfinished(&self) -> Option<u64> {
        let stats = self.exporter.stats();
        Some(stats.open_spans + stats.aborted + stats.deadline_exceeded)
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        self.exporter.shutdown_within(timeout)
    }
}
