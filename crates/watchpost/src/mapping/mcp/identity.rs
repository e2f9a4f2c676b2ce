//! Seed 000, "Trace and Event IDs": every id of an event, derived from its session and event id alone.

use sha2::{Digest, Sha256};
use watchpost_sentry::wire::{EventId, SpanId, TraceId};

use super::span::is_request;
use crate::{
    mapping::{Sampling, Settings, TraceMode},
    model::McpEvent,
};

/// The ids of one event's items, and whether its trace is sampled.
///
/// | id | is |
/// | --- | --- |
/// | `trace_id` | the first 32 hex digits of SHA-256(session id); without a session, of SHA-256(event id) |
/// | `span_id` | the first 16 hex digits of SHA-256(event id) |
/// | log `event_id` | `span_id` twice |
/// | transaction `event_id` | `span_id`, then the first 16 hex digits of SHA-256(event id + `:transaction`) |
/// | error `event_id` | `span_id`, then the first 16 hex digits of SHA-256(event id + `:error`) |
/// | the `mcp.server` span | the first 16 hex digits of SHA-256(event id + `:span`) |
///
/// All of them are the same each time, so that a resend is recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity {
    /// The trace.
    pub trace_id: TraceId,
    /// The event's own span: the root of its transaction.
    pub span_id: SpanId,
    /// The caller's span, when the caller's trace is continued.
    pub parent_span_id: Option<SpanId>,
    /// Whether the trace's transactions are sent.
    pub sampling: Sampling,
}

impl Identity {
    /// The ids of `event`.
    #[must_use]
    pub fn of(event: &McpEvent, settings: &Settings) -> Self {
        Self::with_session_trace(event, settings, session_trace)
    }

    /// As [`of`](Self::of), with the trace of a session from `trace_of_session`, which may remember it.
    pub(crate) fn with_session_trace(
        event: &McpEvent,
        settings: &Settings,
        trace_of_session: impl FnOnce(&str) -> TraceId,
    ) -> Self {
        let hash: [u8; 32] = Sha256::digest(&event.event_id).into();
        let parent = event.trace_parent.filter(|_| settings.trace == TraceMode::Propagated);
        let trace_id = match (&parent, &event.session_id) {
            (Some(parent), _) => parent.trace_id,
            (None, Some(session_id)) if settings.trace != TraceMode::Call && !session_id.is_empty() => {
                trace_of_session(session_id)
            }
            _ => TraceId(first(&hash)),
        };
        let inherited = parent.and_then(|parent| parent.sampled);
        Self {
            trace_id,
            span_id: SpanId(first(&hash)),
            parent_span_id: parent.map(|parent| parent.span_id),
            sampling: Sampling::decide(trace_id, settings.traces_sample_rate, inherited),
        }
    }

    /// The log's event id.
    #[must_use]
    pub fn log_event_id(&self) -> EventId {
        self.event_id(self.span_id)
    }

    /// The transaction's event id.
    #[must_use]
    pub fn transaction_event_id(&self, event: &McpEvent) -> EventId {
        self.event_id(derive_span(event, ":transaction"))
    }

    /// The error event's event id.
    #[must_use]
    pub fn error_event_id(&self, event: &McpEvent) -> EventId {
        self.event_id(derive_span(event, ":error"))
    }

    /// The id of the `mcp.server` span inside the transaction.
    #[must_use]
    pub fn request_span_id(&self, event: &McpEvent) -> SpanId {
        derive_span(event, ":span")
    }

    /// The span that failed and its parent: the `mcp.server` span when it is sent, else the event's own.
    pub(super) fn failing_span(&self, event: &McpEvent, settings: &Settings) -> (SpanId, Option<SpanId>) {
        if settings.tracing_enabled && self.sampling.sampled && is_request(event) {
            (self.request_span_id(event), Some(self.span_id))
        } else {
            (self.span_id, self.parent_span_id)
        }
    }

    fn event_id(&self, second_half: SpanId) -> EventId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.span_id.0);
        id[8..].copy_from_slice(&second_half.0);
        EventId(id)
    }
}

/// The trace of a session.
pub(crate) fn session_trace(session_id: &str) -> TraceId {
    TraceId(first(&Sha256::digest(session_id).into()))
}

fn derive_span(event: &McpEvent, purpose: &str) -> SpanId {
    let hash = Sha256::new().chain_update(&event.event_id).chain_update(purpose).finalize();
    SpanId(first(&hash.into()))
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| hash[at])
}
