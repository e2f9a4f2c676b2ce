//! What runs an agent tells of its spans: [`TracingEvent`] and [`Span`], as Mastra's exporters get them (seed 004).

use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{ErrorInfo, Payload, SpanAttributes, SpanType, Text};

/// Something happened to a span. Each carries the whole span as it is then, in a box that it keeps until it is sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TracingEvent {
    /// `span_started`: its end is not known.
    SpanStarted(Box<Span>),
    /// `span_updated`: it goes on, with more known of it.
    SpanUpdated(Box<Span>),
    /// `span_ended`: it is complete. Event spans have only this.
    SpanEnded(Box<Span>),
}

impl TracingEvent {
    /// The span.
    #[must_use]
    pub const fn span(&self) -> &Span {
        match self {
            Self::SpanStarted(span) | Self::SpanUpdated(span) | Self::SpanEnded(span) => span,
        }
    }

    /// The span by value.
    #[must_use]
    pub fn into_span(self) -> Span {
        match self {
            Self::SpanStarted(span) | Self::SpanUpdated(span) | Self::SpanEnded(span) => *span,
        }
    }

    /// The span, to change it.
    pub const fn span_mut(&mut self) -> &mut Span {
        match self {
            Self::SpanStarted(span) | Self::SpanUpdated(span) | Self::SpanEnded(span) => span,
        }
    }
}

/// A span: an agent's run, a generation, a tool's call, a workflow's step, ….
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace_id: TraceId,
    /// The span, unique within its trace.
    pub id: SpanId,
    /// The span above it. A resumed run is a root and has one: the span it goes on from.
    pub parent_span_id: Option<SpanId>,
    /// A span outside, of another tracer, above a root.
    pub external_parent_span_id: Option<SpanId>,
    /// What it stands for.
    pub ty: SpanType,
    /// Its name, for people.
    pub name: Text,
    /// What kind of thing runs: `agent`, `tool`, `workflow_step`, ….
    pub entity_type: Option<Text>,
    /// That thing's id.
    pub entity_id: Option<Text>,
    /// That thing's name.
    pub entity_name: Option<Text>,
    /// What its type says of it.
    pub attributes: SpanAttributes,
    /// The host's own, by name. A value may be any JSON.
    pub metadata: Vec<(Text, Payload)>,
    /// The host's own labels; only of a root.
    pub tags: Vec<Text>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; `None` while it goes on.
    pub end: Option<Timestamp>,
    /// What it got. Content.
    pub input: Option<Payload>,
    /// What it gave. Content.
    pub output: Option<Payload>,
    /// How it failed.
    pub error: Option<Box<ErrorInfo>>,
    /// Whether it is a moment, not a span of time.
    pub is_event: bool,
    /// Whether it begins a run.
    pub is_root: bool,
    /// Whether the trace's sampling was decided outside, by an incoming trace parent; `None`: it is ours.
    pub sampled: Option<bool>,
}

impl Span {
    /// A root span of this type and name. `new` leaves everything else empty.
    #[must_use]
    pub fn new(trace_id: TraceId, id: SpanId, ty: SpanType, name: impl Into<Text>, start: Timestamp) -> Self {
        Self {
            trace_id,
            id,
            parent_span_id: None,
            external_parent_span_id: None,
            ty,
            name: name.into(),
            entity_type: None,
            entity_id: None,
            entity_name: None,
            attributes: SpanAttributes::None,
            metadata: Vec::new(),
            tags: Vec::new(),
            start,
            end: None,
            input: None,
            output: None,
            error: None,
            is_event: false,
            is_root: true,
            sampled: None,
        }
    }

    /// Whether spans of its type are not sent: their data goes into the generation above them.
    #[must_use]
    pub const fn is_skipped(&self) -> bool {
        self.ty.is_skipped()
    }
}
