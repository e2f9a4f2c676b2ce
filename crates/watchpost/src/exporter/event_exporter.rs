//! Where captures hand their events, whatever becomes of them there: [`EventExporter`].

use std::time::Duration;

use watchpost_sentry::delivery::Outcome;

use crate::{
    model::{McpEvent, TraceParent},
    redact::Capture,
};

/// Takes MCP events: [`McpExporter`](super::McpExporter) sends them to Sentry, [`testing`](crate::testing)'s keeps them.
///
/// It is called on a thread of the capture's own, one event at a time.
pub trait EventExporter: Send + Sync {
    /// Takes an event.
    fn export(&self, event: &McpEvent);

    /// Waits until it can take events without dropping others for them, at most so long; whether it can. An exporter that never
    /// drops any need not say so.
    fn wait_for_room(&self, timeout: Duration) -> bool {
        let _ = timeout;
        true
    }

    /// Which content of events it sends: what is not is never captured for it.
    fn capture(&self) -> Capture;

    /// The span that an event with these ids is sent as, for what happens within it: its trace, its id, and whether it is
    /// sampled. `None` when it sends no spans.
    fn span_of(&self, event_id: &str, session_id: Option<&str>, parent: Option<TraceParent>) -> Option<TraceParent>;

    /// Counts an event that was dropped before it came here.
    fn discard(&self, event: Discarded);

    /// Sends what is held, and says what became of everything.
    fn flush(&self, timeout: Duration) -> Outcome;

    /// Sends what is held, takes nothing more, and says what became of everything.
    fn shutdown(&self, timeout: Duration) -> Outcome;
}

/// Why an event was dropped before it came to an exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Discarded {
    /// Too many waited.
    QueueOverflow,
    /// The host's own hook dropped it, or failed to redact it.
    Hook,
    /// Making it failed.
    Internal,
}
