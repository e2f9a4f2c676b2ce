//! Where a [`Tracer`](super::Tracer)'s events go: [`TracingSink`].

use watchpost_sentry::wire::TraceId;

use crate::model::{SpanLog, TracingEvent};

/// Takes what a [`Tracer`](super::Tracer) tells of its spans: a `SentryExporter`, or any closure that takes a
/// [`TracingEvent`].
///
/// It is called on the host's threads, so it must be quick and must not wait; a panic in it is caught and the event is lost.
pub trait TracingSink: Send + Sync {
    /// Takes an event.
    fn export(&self, event: TracingEvent);

    /// Takes a log. Sinks that have no use for logs drop it.
    fn log(&self, log: SpanLog) {
        drop(log);
    }

    /// Whether a trace of ours is sampled, as far as the sink decides it by its id: what a service called from a span is told.
    /// `None`: it is left to that service.
    fn sampled(&self, trace_id: TraceId) -> Option<bool> {
        let _ = trace_id;
        None
    }
}

impl<F: Fn(TracingEvent) + Send + Sync> TracingSink for F {
    fn export(&self, event: TracingEvent) {
        self(event);
    }
}
