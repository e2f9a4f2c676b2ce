//! A span while it is open: what is known of it, and whom to tell.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{TracingSink, failure};
use crate::model::{ErrorInfo, Span, SpanAttributes, SpanLog, TracingEvent};

pub(super) struct State {
    pub(super) sink: Arc<dyn TracingSink>,
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) sampled: Option<bool>,
    began: Instant,
    /// A span that begins while its thread unwinds, in a destructor, is not failed by that.
    began_unwinding: bool,
    /// `None` once it has ended.
    span: Mutex<Option<Box<Span>>>,
}

impl State {
    /// Opens the span and tells of it. Of an event span only its end is told.
    pub(super) fn open(sink: Arc<dyn TracingSink>, span: Span) -> Arc<Self> {
        failure::forget_panic();
        let span = Box::new(span);
        let started = (!span.is_event).then(|| span.clone());
        let state = Arc::new(Self {
            sink,
            trace_id: span.trace_id,
            span_id: span.id,
            sampled: span.sampled,
            began: Instant::now(),
            began_unwinding: thread::panicking(),
            span: Mutex::new(Some(span)),
        });
        if let Some(span) = started {
            state.tell(TracingEvent::SpanStarted(span));
        }
        state
    }

    /// Changes the span, unless it has ended.
    pub(super) fn change(&self, change: impl FnOnce(&mut Span)) {
        if let Some(span) = &mut *self.span.lock().unwrap_or_else(PoisonError::into_inner) {
            change(span);
        }
    }

    pub(super) fn fail_unless_failed(&self, error: ErrorInfo) {
        self.change(|span| {
            span.error.get_or_insert_with(|| Box::new(error));
        });
    }

    /// Tells what is known by now.
    pub(super) fn update(&self) {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(span) = span {
            self.tell(TracingEvent::SpanUpdated(span));
        }
    }

    /// Ends the span, once.
    pub(super) fn end(&self) {
        if thread::panicking() && !self.began_unwinding {
            self.fail_unless_failed(failure::of_unwinding());
        }
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut span) = span else { return };
        // By the clock that never jumps, so that a span is as long as it took.
        let took = if span.is_event { std::time::Duration::ZERO } else { self.began.elapsed() };
        span.end = Some(span.start.saturating_add(took));
        let failed = span.error.is_some();
        if span.ty.is_tool() && span.attributes == SpanAttributes::None {
            span.attributes = SpanAttributes::empty(&span.ty);
        }
        if let SpanAttributes::ToolCall(tool) = &mut span.attributes {
            tool.success.get_or_insert(!failed);
        }
        self.tell(TracingEvent::SpanEnded(span));
    }

    pub(super) fn log(&self, log: SpanLog) {
        guarded(|| self.sink.log(log));
    }

    fn tell(&self, event: TracingEvent) {
        guarded(|| self.sink.export(event));
    }

    /// A span of this trace below this one.
    pub(super) fn child(&self) -> Place {
        Place {
            sink: Arc::clone(&self.sink),
            trace_id: self.trace_id,
            parent: Some(self.span_id),
            outside: None,
            sampled: self.sampled,
        }
    }

    /// The W3C `traceparent` of a call made from this span.
    pub(super) fn traceparent(&self) -> String {
        // Unknown counts as sampled, or else the called service would drop its half of the trace.
        let flags = if self.is_sampled().unwrap_or(true) { "01" } else { "00" };
        format!("00-{}-{}-{flags}", self.trace_id, self.span_id)
    }

    /// The `sentry-trace` of a call made from this span.
    pub(super) fn sentry_trace(&self) -> String {
        let decision = match self.is_sampled() {
            Some(true) => "-1",
            Some(false) => "-0",
            None => "",
        };
        format!("{}-{}{decision}", self.trace_id, self.span_id)
    }

    fn is_sampled(&self) -> Option<bool> {
        self.sampled.or_else(|| catch_unwind(AssertUnwindSafe(|| self.sink.sampled(self.trace_id))).ok().flatten())
    }
}

/// A panic in a sink stays there: thrown while a host's thread unwinds it would abort the process.
fn guarded(tell: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(tell)).is_err() {
        tracing::warn!("a tracing sink panicked; what it was given is lost");
    }
}

/// Where a new span belongs.
pub(super) struct Place {
    pub(super) sink: Arc<dyn TracingSink>,
    pub(super) trace_id: TraceId,
    pub(super) parent: Option<SpanId>,
    /// The span of another service above it.
    pub(super) outside: Option<SpanId>,
    pub(super) sampled: Option<bool>,
}

impl Place {
    /// A span of this place, that begins now.
    pub(super) fn span(&self, ty: crate::model::SpanType, name: impl Into<crate::model::Text>) -> Span {
        let mut span = Span::new(self.trace_id, super::random_id::span_id(), ty, name, Timestamp::now());
        span.parent_span_id = self.parent;
        span.external_parent_span_id = self.outside;
        span.is_root = self.parent.is_none();
        span.sampled = self.sampled;
        span
    }
}
