//! Where spans belong: below the span they are made of, below the one the code runs in, or in a trace from outside.

use std::thread;

use watchpost::{
    ai::{Tracer, TracingSink},
    model::{TraceParent, TracingEvent},
};
use watchpost_sentry::wire::TraceId;

use super::{ended, tracer, tree};

#[test]
fn a_span_is_below_the_one_it_is_made_of() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("a");
    let generation = agent.model_generation("m");
    drop(generation.tool_call("t"));
    generation.end();
    drop(agent.generic("g"));
    agent.end();
    let spans = ended(&events);
    let (agent, llm) = ("agent run: 'a'", "llm: 'm'");
    assert_eq!(tree(&spans), [("tool: 't'", Some(llm)), (llm, Some(agent)), ("g", Some(agent)), (agent, None)]);
    assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
    assert_eq!(spans.iter().filter(|span| span.is_root).count(), 1);
}

#[test]
fn a_tracers_span_is_below_the_one_the_code_runs_in() {
    let (tracer, events) = tracer();
    let outer = tracer.generic("outer");
    {
        let _outer = outer.enter();
        outer.generic("inner").in_scope(|| drop(tracer.generic("innermost")));
        drop(tracer.generic("after"));
    }
    drop(tracer.generic("alone"));
    drop(outer);
    let spans = ended(&events);
    assert_eq!(
        tree(&spans),
        [
            ("innermost", Some("inner")),
            ("inner", Some("outer")),
            ("after", Some("outer")),
            ("alone", None),
            ("outer", None),
        ]
    );
    assert_ne!(spans[3].trace_id, spans[4].trace_id, "each run is a trace of its own");
}

#[test]
fn spans_may_be_left_in_any_order() {
    let (tracer, events) = tracer();
    let (first, second) = (tracer.generic("first"), tracer.generic("second"));
    let in_first = first.enter();
    let in_second = second.enter();
    drop(in_first);
    drop(tracer.generic("x"));
    drop(in_second);
    drop(tracer.generic("y"));
    drop((first, second));
    assert_eq!(tree(&ended(&events))[..2], [("x", Some("second")), ("y", None)]);
}

#[test]
fn a_parent_may_end_before_its_children() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("a");
    let tool = agent.tool_call("t");
    agent.end();
    tool.end();
    let spans = ended(&events);
    assert_eq!(tree(&spans), [("agent run: 'a'", None), ("tool: 't'", Some("agent run: 'a'"))]);
}

#[test]
fn the_current_span_is_of_its_thread_only() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("a");
    let _entered = agent.enter();
    thread::scope(|threads| {
        threads.spawn(|| drop(tracer.generic("alone")));
        threads.spawn(|| agent.in_scope(|| drop(tracer.generic("with it"))));
        threads.spawn(|| drop(agent.generic("of it")));
    });
    let mut spans = ended(&events);
    spans.sort_by(|a, b| a.name.cmp(&b.name));
    let parents: Vec<_> = spans.iter().map(|span| span.parent_span_id == Some(agent.span_id())).collect();
    assert_eq!(parents, [false, true, true]);
}

#[test]
fn tracers_with_different_sinks_do_not_mix() {
    let ((one, _), (other, others)) = (tracer(), tracer());
    one.agent_run("a").in_scope(|| drop(other.generic("x")));
    assert_eq!(ended(&others)[0].parent_span_id, None);
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn a_trace_from_outside_goes_on_with_its_decision() {
    for (header, sampled) in [
        (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
        (format!(" 00-{TRACE}-{SPAN}-00 "), Some(false)),
        (format!("{TRACE}-{SPAN}-1"), Some(true)),
        (format!("{TRACE}-{SPAN}-0"), Some(false)),
        (format!("{TRACE}-{SPAN}"), None),
    ] {
        let (tracer, events) = tracer();
        let tracer = tracer.attach(&header);
        let agent = tracer.agent_run("a");
        agent.in_scope(|| drop(tracer.tool_call("t")));
        agent.end();
        let spans = ended(&events);
        let [tool, agent] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((agent.trace_id.to_string().as_str(), agent.sampled), (TRACE, sampled), "{header}");
        assert_eq!(agent.external_parent_span_id.unwrap().to_string(), SPAN);
        assert_eq!((agent.parent_span_id, agent.is_root), (None, true));
        assert_eq!((tool.parent_span_id, tool.sampled), (Some(agent.id), sampled));
        assert_eq!(tool.external_parent_span_id, None);
    }
}

#[test]
fn a_header_that_is_none_begins_a_trace() {
    let (tracer, events) = tracer();
    drop(tracer.attach("not a header").agent_run("a"));
    let span = &ended(&events)[0];
    assert_eq!((span.external_parent_span_id, span.sampled, span.is_root), (None, None, true));
}

#[test]
fn an_attached_tracer_leaves_the_trace_the_code_runs_in() {
    let (tracer, events) = tracer();
    let outer = tracer.generic("outer");
    outer.in_scope(|| drop(tracer.attach(&format!("{TRACE}-{SPAN}")).generic("request")));
    let span = &ended(&events)[0];
    assert_eq!((span.parent_span_id, span.trace_id.to_string().as_str()), (None, TRACE));
}

#[test]
fn what_is_handed_on_is_read_back() {
    let (tracer, _events) = tracer();
    let agent = tracer.agent_run("a");
    let read = TraceParent::parse_traceparent(&agent.traceparent()).unwrap();
    assert_eq!((read.trace_id, read.span_id, read.sampled), (agent.trace_id(), agent.span_id(), Some(true)));
    let read = TraceParent::parse_sentry_trace(&agent.sentry_trace()).unwrap();
    assert_eq!((read.span_id, read.sampled), (agent.span_id(), None), "the decision is left open");
    assert_eq!(tracer.traceparent(), None);
    agent.in_scope(|| {
        assert_eq!(tracer.traceparent(), Some(agent.traceparent()));
        assert_eq!(tracer.sentry_trace(), Some(agent.sentry_trace()));
    });
    let attached = tracer.attach(&format!("{TRACE}-{SPAN}-0")).agent_run("b");
    assert!(attached.traceparent().ends_with("-00") && attached.sentry_trace().ends_with("-0"));
}

#[test]
fn a_sink_that_decides_is_asked() {
    struct Decided;
    impl TracingSink for Decided {
        fn export(&self, event: TracingEvent) {
            drop(event);
        }
        fn sampled(&self, _: TraceId) -> Option<bool> {
            Some(false)
        }
    }
    let agent = Tracer::new(Decided).agent_run("a");
    assert!(agent.traceparent().ends_with("-00") && agent.sentry_trace().ends_with("-0"));
}
