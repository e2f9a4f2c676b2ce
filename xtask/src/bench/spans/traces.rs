//! Traces of an agent as Mastra tells them: 1 run, 3 generations, 3 steps, 6 tools and 20 chunks in 69 events, of which 10 spans
//! reach Sentry. Made of a template by rewriting ids and moments in place, so that making them costs little beside exporting.

use serde_json::value::RawValue;
use watchpost::model::{Payload, Span, SpanAttributes, TracingEvent, mastra};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use crate::Failure;

/// One trace; the peer is fed with the same.
pub(super) const TEMPLATE: &str = include_str!("trace.jsonl");
/// Spans of a trace that reach Sentry: 1 run, 3 generations, 6 tools.
pub(super) const SENT_SPANS: u64 = 10;

/// An event, and the content that each event made of it has for itself: clones of a text share it.
#[derive(Debug)]
struct Template {
    event: TracingEvent,
    input: Option<Box<RawValue>>,
    output: Option<Box<RawValue>>,
}

/// Traces without end.
#[derive(Debug)]
pub(super) struct Traces {
    template: Vec<Template>,
    /// What is between the template's time and now.
    later: std::time::Duration,
    made: u64,
}

impl Traces {
    /// Traces from now on.
    pub(super) fn new() -> Result<Self, Failure> {
        Self::of(|_| true)
    }

    /// Traces whose spans start and never end.
    pub(super) fn never_ending() -> Result<Self, Failure> {
        Self::of(|event| matches!(event, TracingEvent::SpanStarted(_)))
    }

    fn of(wanted: impl Fn(&TracingEvent) -> bool) -> Result<Self, Failure> {
        let events: Vec<_> = TEMPLATE.lines().map(mastra::parse_line).collect::<Result<_, _>>()?;
        let start = events.first().ok_or("the template is empty")?.span().start;
        let template = events.into_iter().filter(wanted).map(Template::of).collect::<Result<_, _>>()?;
        Ok(Self { template, later: Timestamp::now().duration_since(start), made: 0 })
    }

    /// The next trace's events.
    pub(super) fn next(&mut self) -> impl Iterator<Item = TracingEvent> + '_ {
        self.made += 1;
        let (number, later) = (self.made, self.later);
        self.template.iter().map(move |Template { event, input, output }| {
            let mut event = event.clone();
            let span = event.span_mut();
            renew(span, number, later);
            span.input = input.as_deref().and_then(Payload::from_raw);
            span.output = output.as_deref().and_then(Payload::from_raw);
            event
        })
    }

    /// Events of a trace.
    pub(super) fn events(&self) -> usize {
        self.template.len()
    }
}

impl Template {
    fn of(event: TracingEvent) -> Result<Self, Failure> {
        let raw = |payload: &Option<Payload>| {
            payload.as_ref().map(|payload| RawValue::from_string(payload.to_json().into_owned())).transpose()
        };
        let (input, output) = (raw(&event.span().input)?, raw(&event.span().output)?);
        Ok(Self { event, input, output })
    }
}

fn renew(span: &mut Span, number: u64, later: std::time::Duration) {
    let id = |SpanId(mut id): SpanId| {
        id[..6].copy_from_slice(&number.to_be_bytes()[2..]);
        SpanId(id)
    };
    // Spread over all bits, as real ones are: sampling and tables look at them.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let mut trace = [0; 16];
    trace[..8].copy_from_slice(&spread);
    trace[8..].copy_from_slice(&number.to_be_bytes());
    span.trace_id = TraceId(trace);
    span.id = id(span.id);
    span.parent_span_id = span.parent_span_id.map(id);
    span.start = span.start.saturating_add(later);
    span.end = span.end.map(|end| end.saturating_add(later));
    if let SpanAttributes::ModelGeneration(generation) = &mut span.attributes {
        generation.completion_start_time = generation.completion_start_time.map(|at| at.saturating_add(later));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn a_trace_has_the_spans_the_figures_are_told_for_and_every_trace_has_ids_of_its_own() {
        let mut traces = Traces::new().unwrap();
        let mut ids = HashSet::new();
        for _ in 0..100 {
            let mut types: HashMap<String, u64> = HashMap::new();
            for event in traces.next().filter(|event| matches!(event, TracingEvent::SpanEnded(_))) {
                *types.entry(event.span().ty.to_string()).or_default() += 1;
                assert!(ids.insert((event.span().trace_id, event.span().id)));
            }
            let count = |ty: &str| types[ty];
            assert_eq!((count("agent_run"), count("model_generation"), count("model_step")), (1, 3, 3));
            assert_eq!((count("tool_call"), count("model_chunk")), (6, 20));
        }
    }
}
