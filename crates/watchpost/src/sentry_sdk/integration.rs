//! [`TraceIntegration`]: gives events the trace of the span of ours that they were captured in.

use std::sync::atomic::{AtomicBool, Ordering};

use sentry_core::{
    ClientOptions, Hub, Integration, TransactionContext,
    protocol::{Context, Event, TraceContext},
};
use watchpost_sentry::wire::{SpanId, TraceId};

use crate::{ai, model::TraceParent};

/// Whether a client of this process has the integration. It stays so: nothing tells when a client is gone.
static LINKED: AtomicBool = AtomicBool::new(false);

/// Whether to keep what the integration needs at hand.
#[cfg(feature = "rmcp")]
pub(crate) fn is_linked() -> bool {
    LINKED.load(Ordering::Relaxed)
}

/// Links the events of the client it is added to, panics included, to the span of ours that they are captured in; see the
/// [module](super) for which. `sentry::ClientOptions::add_integration` takes it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TraceIntegration;

impl TraceIntegration {
    /// The integration; it has no options.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Integration for TraceIntegration {
    fn name(&self) -> &'static str {
        "watchpost"
    }

    fn setup(&self, _: &mut ClientOptions) {
        LINKED.store(true, Ordering::Relaxed);
    }

    fn process_event(&self, mut event: Event<'static>, _: &ClientOptions) -> Option<Event<'static>> {
        if let Some(ours) = ai::innermost()
            && !has_nearer_span(&event, &ours)
        {
            let context = TraceContext {
                trace_id: ours.trace_id.0.into(),
                span_id: ours.span_id.0.into(),
                ..TraceContext::default()
            };
            event.contexts.insert("trace".to_owned(), context.into());
        }
        Some(event)
    }
}

/// Whether the event is in a span of our trace below ours already: one of theirs that will be sent, or one that they named.
fn has_nearer_span(event: &Event<'_>, ours: &TraceParent) -> bool {
    let Some(Context::Trace(theirs)) = event.contexts.get("trace") else { return false };
    if theirs.trace_id != ours.trace_id.0.into() {
        return false;
    }
    match scope_parent() {
        Some(scope) if theirs.span_id == scope.span_id.0.into() => scope.sampled == Some(true),
        _ => true,
    }
}

/// What the current scope gives events as their trace: its span, or else ids that no span has.
fn scope_parent() -> Option<TraceParent> {
    // A copy, since a scope can only be looked at by way of changing it, and others may work on this one.
    let hub = Hub::new_from_top(Hub::current());
    let header = hub.configure_scope(|scope| {
        scope.iter_trace_propagation_headers().find(|(name, _)| *name == "sentry-trace").map(|(_, header)| header)
    })?;
    TraceParent::parse_sentry_trace(&header)
}

/// The context of a transaction of the application's own that goes on with our trace, below the span of ours that this code runs
/// in; a trace of its own outside of all of them. Whether it is sampled the application's own rate decides.
///
/// ```
/// # use watchpost::{ai::Tracer, sentry_sdk::continue_trace};
/// # let tracer = Tracer::disabled();
/// let tool = tracer.tool_call("look up");
/// tool.in_scope(|| {
///     let context = continue_trace("GET /cities", "http.client");
///     assert_eq!(context.trace_id().to_string(), tool.trace_id().to_string());
///     let transaction = sentry::start_transaction(context);
///     // …
///     transaction.finish();
/// });
/// ```
#[must_use]
pub fn continue_trace(name: &str, op: &str) -> TransactionContext {
    let ours = ai::innermost().or_else(ai::outside);
    let Some(TraceParent { trace_id: TraceId(trace_id), span_id: SpanId(span_id), .. }) = ours else {
        return TransactionContext::new(name, op);
    };
    TransactionContext::builder(name, op)
        .with_trace_id(trace_id.into())
        .with_parent_span_id(Some(span_id.into()))
        .finish()
}
