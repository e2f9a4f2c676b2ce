//! For tests of the host's own: [`InMemoryExporter`] keeps what would have been sent.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use watchpost_sentry::{
    delivery::Outcome,
    wire::{SpanId, TraceId},
};

use crate::{
    exporter::{Discarded, EventExporter},
    model::{McpEvent, TraceParent},
    redact::{Capture, redact_event},
};

/// Keeps every event, redacted as the exporter to Sentry redacts it. Clones share what is kept.
///
/// ```
/// use std::time::Duration;
/// use watchpost::{exporter::EventExporter, model::McpEvent, testing::InMemoryExporter};
///
/// let exporter = InMemoryExporter::default();
/// exporter.export(&McpEvent { user_intent: Some("log in with password=hunter4secret".into()), ..McpEvent::default() });
/// let events = exporter.events();
/// assert_eq!(events[0].user_intent.as_deref(), Some("log in with password=[Filtered]"));
/// ```
#[derive(Clone, Debug)]
pub struct InMemoryExporter {
    kept: Arc<Mutex<Kept>>,
    capture: Capture,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<McpEvent>,
    discarded: Vec<Discarded>,
}

impl Default for InMemoryExporter {
    /// One that captures what an exporter to Sentry does by default.
    fn default() -> Self {
        Self::with_capture(Capture::default())
    }
}

impl InMemoryExporter {
    /// One that keeps this content of events.
    #[must_use]
    pub fn with_capture(capture: Capture) -> Self {
        Self { kept: Arc::default(), capture }
    }

    /// The events so far, in the order they came. Flush what feeds the exporter before.
    #[must_use]
    pub fn events(&self) -> Vec<McpEvent> {
        self.lock().events.clone()
    }

    /// Takes the events so far.
    #[must_use]
    pub fn take_events(&self) -> Vec<McpEvent> {
        std::mem::take(&mut self.lock().events)
    }

    /// Why events were dropped before they came here.
    #[must_use]
    pub fn discarded(&self) -> Vec<Discarded> {
        self.lock().discarded.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventExporter for InMemoryExporter {
    fn export(&self, event: &McpEvent) {
        let event = redact_event(event, self.capture).into_owned();
        self.lock().events.push(event);
    }

    fn capture(&self) -> Capture {
        self.capture
    }

    fn span_of(&self, event_id: &str, session_id: Option<&str>, parent: Option<TraceParent>) -> Option<TraceParent> {
        let event = McpEvent {
            event_id: event_id.to_owned(),
            session_id: session_id.map(str::to_owned),
            trace_parent: parent,
            ..McpEvent::default()
        };
        let settings = crate::mapping::Settings::default().with_tracing(true);
        let identity = crate::mapping::mcp::Identity::of(&event, &settings);
        let (trace_id, span_id): (TraceId, SpanId) = (identity.trace_id, identity.request_span_id(&event));
        Some(TraceParent { trace_id, span_id, sampled: Some(true) })
    }

    fn discard(&self, event: Discarded) {
        self.lock().discarded.push(event);
    }

    fn flush(&self, _timeout: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.complete = true;
        outcome
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        self.flush(timeout)
    }
}
