//! [`Tracer`]: starts spans, and knows where they belong.

use std::{fmt, sync::Arc};

use super::{
    ActiveSpan, TracingSink, current, random_id,
    starter::starters,
    state::{Place, State},
};
use crate::model::{Span, SpanType, Text, TraceParent};

/// Starts spans of an agent's work and tells a [`TracingSink`] of them. Cheap to clone; clones are the same tracer.
///
/// A span begins below the span that the code runs in ([`ActiveSpan::enter`], [`in_scope`](ActiveSpan::in_scope),
/// [`instrument`](ActiveSpan::instrument)), else it goes on with the trace it is [attached](Self::attach)
/// to, or with the call of a tracked MCP server that the code runs in, or begins a trace of its own.
#[derive(Clone)]
pub struct Tracer {
    sink: Arc<dyn TracingSink>,
    attached: Option<TraceParent>,
}

impl Tracer {
    /// A tracer whose events go to `sink`: an exporter, or a closure.
    #[must_use]
    pub fn new(sink: impl TracingSink + 'static) -> Self {
        Self { sink: Arc::new(sink), attached: None }
    }

    /// A tracer that tells nobody: what is written for a tracer runs with it as well.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(|_| {})
    }

    /// The same tracer, whose new traces go on with the one that a caller handed over: the text of a W3C `traceparent` or of
    /// Sentry's `sentry-trace` header. The caller's sampling decision holds. A text that is neither changes nothing.
    ///
    /// ```
    /// # let tracer = watchpost::ai::Tracer::disabled();
    /// let tracer = tracer.attach("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// let agent = tracer.agent_run("support");
    /// assert_eq!(agent.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// ```
    #[must_use]
    pub fn attach(&self, header: &str) -> Self {
        let header = header.trim();
        match TraceParent::parse_traceparent(header).or_else(|| TraceParent::parse_sentry_trace(header)) {
            Some(parent) => self.attach_to(parent),
            None => self.clone(),
        }
    }

    /// The same tracer, whose new traces go on with this one.
    #[must_use]
    pub fn attach_to(&self, parent: TraceParent) -> Self {
        Self { sink: Arc::clone(&self.sink), attached: Some(parent) }
    }

    /// The W3C `traceparent` of the span that this code runs in, to hand on in a call to another service.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.current().map(|state| state.traceparent()).or_else(|| self.outside_header(TraceParent::to_traceparent))
    }

    /// The `sentry-trace` of the span that this code runs in, likewise.
    #[must_use]
    pub fn sentry_trace(&self) -> Option<String> {
        self.current().map(|state| state.sentry_trace()).or_else(|| self.outside_header(TraceParent::to_sentry_trace))
    }

    starters!();

    fn place(&self) -> Place {
        if let Some(state) = self.current() {
            return state.child();
        }
        let sink = Arc::clone(&self.sink);
        match self.attached.or_else(current::outside) {
            Some(outside) => Place {
                sink,
                trace_id: outside.trace_id,
                parent: None,
                outside: Some(outside.span_id),
                sampled: outside.sampled,
            },
            None => Place { sink, trace_id: random_id::trace_id(), parent: None, outside: None, sampled: None },
        }
    }

    /// A header of the call of a tracked server that this code runs in, where no span of ours is nearer.
    fn outside_header(&self, header: impl FnOnce(&TraceParent) -> String) -> Option<String> {
        self.attached.is_none().then(current::outside).flatten().as_ref().map(header)
    }

    /// The span this code runs in, if it is of this tracer, and of the trace it is attached to.
    fn current(&self) -> Option<Arc<State>> {
        current::current().filter(|state| {
            Arc::ptr_eq(&state.sink, &self.sink)
                && self.attached.is_none_or(|outside| outside.trace_id == state.trace_id)
        })
    }

    fn begin_child<A>(&self, ty: SpanType, name: impl Into<Text>, with: impl FnOnce(&mut Span)) -> ActiveSpan<A> {
        ActiveSpan::begin(self.place(), ty, name, with)
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("attached", &self.attached).finish_non_exhaustive()
    }
}
