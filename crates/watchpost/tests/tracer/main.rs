//! What a tracer tells its sink: spans, parents, errors, across threads and awaits.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attribute;
mod failure;
mod future;
mod parent;

use std::sync::mpsc::{Receiver, channel};

use watchpost::{
    ai::Tracer,
    model::{Span, TracingEvent},
};

/// A tracer and what it tells.
fn tracer() -> (Tracer, Receiver<TracingEvent>) {
    let (sender, events) = channel();
    (Tracer::new(move |event| drop(sender.send(event))), events)
}

/// The spans that ended by now, in the order they did.
fn ended(events: &Receiver<TracingEvent>) -> Vec<Span> {
    let ended = events.try_iter().filter(|event| matches!(event, TracingEvent::SpanEnded(_)));
    ended.map(TracingEvent::into_span).collect()
}

/// Who is below whom, by name, in the order they ended.
fn tree(spans: &[Span]) -> Vec<(&str, Option<&str>)> {
    let name = |id| spans.iter().find(|span| Some(span.id) == id).map(|span| span.name.as_str());
    spans.iter().map(|span| (span.name.as_str(), name(span.parent_span_id))).collect()
}

#[test]
fn a_span_is_told_when_it_starts_when_asked_and_when_it_ends() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("support");
    agent.output("42").update();
    drop(agent);
    let told: Vec<_> = events.try_iter().collect();
    let [TracingEvent::SpanStarted(started), TracingEvent::SpanUpdated(updated), TracingEvent::SpanEnded(ended)] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((started.id, started.trace_id), (ended.id, ended.trace_id));
    assert_eq!((&started.output, started.end), (&None, None));
    assert_eq!((&updated.output, updated.end), (&Some("42".into()), None));
    assert!(ended.end.unwrap() >= ended.start && ended.is_root && !ended.is_event);
    assert_eq!(ended.name, "agent run: 'support'");
    assert_eq!((ended.entity_type.as_deref(), ended.entity_name.as_deref()), (Some("agent"), Some("support")));
}

#[test]
fn a_guard_that_never_ends_is_harmless() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("support");
    std::mem::forget(agent.tool_call("weather").with(|tool| {
        tool.call_id("1");
    }));
    std::mem::forget(agent.enter());
    drop(agent);
    assert_eq!(ended(&events).len(), 1, "the agent's run ended, the tool's call never will");
    drop(tracer.generic("next"));
    assert_eq!(ended(&events).len(), 1, "and the tracer goes on");
}

#[test]
fn a_sink_that_panics_is_no_matter_to_the_host() {
    let tracer = Tracer::new(|_| panic!("the sink's own fault"));
    let agent = tracer.agent_run("support");
    drop(agent.tool_call("weather"));
    agent.end();
}

#[test]
fn a_sink_may_use_the_tracer_itself() {
    let (inner, events) = tracer();
    let tracer = Tracer::new(move |event| {
        let _ = event;
        drop(inner.generic("told"));
    });
    tracer.agent_run("support").in_scope(|| drop(tracer.generic("x")));
    assert_eq!(ended(&events).len(), 4, "two spans, started and ended");
}

#[test]
fn spans_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Tracer>();
    shared::<watchpost::ai::AgentRun>();
    shared::<watchpost::ai::Event>();
    shared::<watchpost::ai::Instrumented<std::future::Ready<()>>>();
}
