//! Which span the application's own events link to.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use sentry::Level;
use serde_json::Value;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, filter_fn},
    layer::SubscriberExt as _,
};
use watchpost::ai::Tracer;

use crate::{
    server::{Client, flush, init, trace_of, tracker},
    sink::PATIENCE,
};

fn says(message: &str) -> impl Fn(&Value) -> bool + '_ {
    move |event| event["message"] == message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_concurrent_calls_link_each_to_its_own_call_and_have_scopes_of_their_own() {
    let (sink, tracker) = (init(), tracker());
    let mut client = Client::connect(&tracker).await;
    let ids: Vec<String> = (0..32).map(|number| format!("concurrent {number}")).collect();
    for id in &ids {
        client.ask("report", id).await;
    }
    let mut spans = HashMap::new();
    for _ in &ids {
        let (id, span) = client.answer().await;
        spans.insert(id, span);
    }
    assert!(tracker.flush_async(PATIENCE).await.complete);
    tokio::task::spawn_blocking(flush).await.unwrap();

    let transactions = sink.payloads("transaction");
    for id in &ids {
        let events: Vec<Value> = sink.payloads("event").into_iter().filter(says(id)).collect();
        assert_eq!(events.len(), 5, "{id}");
        for event in &events {
            assert_eq!(trace_of(event), spans[id], "{id}");
            assert_eq!(event["tags"]["caller"], **id, "a scope is its call's alone");
        }
        // And that span is what our exporter sent of the call.
        let (trace, span) = spans[id].split_once('-').unwrap();
        let sent = transactions.iter().find(|transaction| {
            transaction["contexts"]["trace"]["trace_id"] == trace
                && transaction["spans"].as_array().unwrap().iter().any(|sent| sent["span_id"] == span)
        });
        assert!(sent.is_some(), "{id}: {span} is in no transaction");
    }
}

#[tokio::test]
async fn a_panic_inside_a_tool_links_to_its_call() {
    let (sink, tracker) = (init(), tracker());
    let mut client = Client::connect(&tracker).await;
    client.ask("panic", "the panic").await;
    let is_it = |event: &Value| {
        event["exception"]["values"][0]["value"].as_str().is_some_and(|text| text.starts_with("the panic at "))
    };
    let events = tokio::task::spawn_blocking(move || sink.wait_for_events(is_it, 1)).await.unwrap();
    let value = events[0]["exception"]["values"][0]["value"].as_str().unwrap();
    assert_eq!(value, format!("the panic at {}", trace_of(&events[0])));
}

#[tokio::test]
async fn an_event_in_a_tracers_span_inside_a_tool_links_to_that_span() {
    let (sink, tracker) = (init(), tracker());
    let mut client = Client::connect(&tracker).await;
    let inner = client.call("nested", "nested").await;
    tokio::task::spawn_blocking(flush).await.unwrap();
    assert_eq!(trace_of(&sink.wait_for_events(says("nested"), 1)[0]), inner);
}

#[test]
fn a_call_is_nearer_than_the_span_that_its_whole_runtime_runs_in() {
    let (sink, tracker) = (init(), tracker());
    let tracer = Tracer::disabled();
    let agent = tracer.agent_run("support");
    let call = agent.in_scope(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let call = runtime.block_on(async { Client::connect(&tracker).await.call("report", "within").await });
        sentry::capture_message("around", Level::Error);
        call
    });
    flush();
    for event in sink.wait_for_events(says("within"), 5) {
        assert_eq!(trace_of(&event), call);
    }
    let around = &sink.wait_for_events(says("around"), 1)[0];
    assert_eq!(trace_of(around), format!("{}-{}", agent.trace_id(), agent.span_id()));
}

#[test]
fn an_event_links_to_the_tracers_span_it_is_in_and_outside_of_all_nothing_changes() {
    let sink = init();
    let tracer = Tracer::disabled();
    sentry::capture_message("before", Level::Error);
    let agent = tracer.agent_run("support");
    sentry::capture_message("beside", Level::Error);
    agent.in_scope(|| {
        let tool = agent.tool_call("look up");
        tool.in_scope(|| sentry::capture_message("in the tool", Level::Error));
        // A thread of its own is in no span.
        std::thread::scope(|scope| scope.spawn(|| sentry::capture_message("elsewhere", Level::Error)).join()).unwrap();
        sentry::capture_message("in the agent", Level::Error);
        let panicked = catch_unwind(AssertUnwindSafe(|| tool.in_scope(|| panic!("panicked in the tool"))));
        assert!(panicked.is_err());
        flush();
        let expected = format!("{}-{}", tool.trace_id(), tool.span_id());
        assert_eq!(trace_of(&sink.wait_for_events(says("in the tool"), 1)[0]), expected);
        let is_panic = |event: &Value| event["exception"]["values"][0]["value"] == "panicked in the tool";
        assert_eq!(trace_of(&sink.wait_for_events(is_panic, 1)[0]), expected);
    });
    let agent = format!("{}-{}", agent.trace_id(), agent.span_id());
    assert_eq!(trace_of(&sink.wait_for_events(says("in the agent"), 1)[0]), agent);
    let [before, beside, elsewhere] =
        ["before", "beside", "elsewhere"].map(|text| trace_of(&sink.wait_for_events(says(text), 1)[0]));
    assert_eq!(before, beside, "the thread's own");
    assert!(before != agent && elsewhere != agent);
}

/// A call of the tool that logs an error, with the layers of `sentry-tracing` on the spans of these targets; the call's span.
fn logged(message: &str, is_wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> String {
    let tracker = tracker();
    let spans = filter_fn(move |metadata| is_wanted(metadata.target()));
    let layers = tracing_subscriber::registry()
        .with(sentry::integrations::tracing::SpanLayer::new().with_filter(spans))
        .with(sentry::integrations::tracing::ErrorLayer::new().with_filter(LevelFilter::ERROR));
    // Beside a second one: of a single dispatcher `tracing` asks whichever thread first comes by a call site, another test's too.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let call = tracing::subscriber::with_default(layers, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { Client::connect(&tracker).await.call("log", message).await })
    });
    flush();
    call
}

#[test]
fn what_sentry_tracing_makes_of_a_call_is_a_part_of_our_trace() {
    let sink = init();
    let call = logged("logged in our trace", |target| target.starts_with("watchpost"));
    let (trace, span) = call.split_once('-').unwrap();
    let event = &sink.wait_for_events(says("logged in our trace"), 1)[0];
    let is_theirs = |transaction: &Value| {
        transaction["transaction"] == "mcp.server" && transaction["contexts"]["trace"]["parent_span_id"] == span
    };
    let theirs = sink.payloads("transaction").into_iter().find(is_theirs).expect("their transaction, below our span");
    assert_eq!(theirs["contexts"]["trace"]["trace_id"], trace);
    assert_eq!(trace_of(event), trace_of(&theirs), "the nearest span, which is sent");
}

#[test]
fn where_sentry_tracing_has_a_trace_of_its_own_a_tools_events_link_to_our_call() {
    let sink = init();
    // The SDK's own spans too: they are around all calls of a connection.
    let call = logged("logged", |_| true);
    assert_eq!(trace_of(&sink.wait_for_events(says("logged"), 1)[0]), call);
}
