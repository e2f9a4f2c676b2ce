//! Where the proxy's events go: to the configured DSN, else to the local receiver once one listens, else nowhere.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use watchpost::{
    exporter::{ExporterError, McpExporter},
    model::McpEvent,
};

use crate::{config::Settings, local_receiver};

/// How often a missing local receiver is looked for again, so that one started later is found.
const NEXT_LOOK: Duration = Duration::from_secs(5);

/// The exporter, decided on when the first event comes: starting the server waits for nothing.
pub(super) struct Destination {
    exporter: Arc<OnceLock<McpExporter>>,
    /// Without a DSN: the exporter to the local receiver, used once one listens.
    local: Option<McpExporter>,
    next_look: Instant,
}

impl Destination {
    /// Checks the configuration; nothing starts and nothing is connected.
    pub(super) fn new(mut settings: Settings) -> Result<Self, ExporterError> {
        let exporter = Arc::new(OnceLock::new());
        let mut local = None;
        if settings.sentry.dsn.is_some() {
            let _ = exporter.set(McpExporter::new(settings.sentry)?);
        } else {
            settings.use_local_receiver(local_receiver::DEFAULT_ADDRESS);
            local = Some(McpExporter::new(settings.sentry)?);
        }
        Ok(Self { exporter, local, next_look: Instant::now() })
    }

    /// Where the exporter in use is found at the end, if there is one.
    pub(super) fn exporter_cell(&self) -> Arc<OnceLock<McpExporter>> {
        Arc::clone(&self.exporter)
    }

    /// Whether there is an exporter in use.
    pub(super) fn is_known(&self) -> bool {
        self.exporter.get().is_some()
    }

    /// The exporter in use.
    pub(super) fn exporter(&mut self) -> Option<&McpExporter> {
        if self.local.is_some() && Instant::now() >= self.next_look {
            self.next_look = Instant::now() + NEXT_LOOK;
            if local_receiver::listens(local_receiver::DEFAULT_ADDRESS)
                && let Some(local) = self.local.take()
            {
                let _ = self.exporter.set(local);
            }
        }
        self.exporter.get()
    }

    /// Exports an event, if there is anywhere to.
    pub(super) fn export(&mut self, event: &McpEvent) {
        if let Some(exporter) = self.exporter() {
            exporter.export(event);
        }
    }
}
