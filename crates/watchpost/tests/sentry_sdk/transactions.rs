//! Our spans beside transactions of the application's own.

use std::sync::Arc;

use sentry::{Hub, Level, TransactionContext};
use watchpost::{ai::Tracer, sentry_sdk::continue_trace};

use crate::{
    server::{client, flush, init, trace_of},
    sink::PATIENCE,
};

/// Captures `message` with `transaction` active, in a hub of this client; where the event links to, and the transaction's place.
fn captured_in(
    client: &Arc<sentry::Client>,
    message: &str,
    context: impl FnOnce() -> TransactionContext,
) -> [String; 2] {
    let place = Hub::run(Arc::new(Hub::new(Some(Arc::clone(client)), Arc::default())), || {
        let transaction = sentry::start_transaction(context());
        sentry::configure_scope(|scope| scope.set_span(Some(transaction.clone().into())));
        sentry::capture_message(message, Level::Error);
        let place = transaction.get_trace_context();
        transaction.finish();
        format!("{}-{}", place.trace_id, place.span_id)
    });
    assert!(client.flush(Some(PATIENCE)));
    let events = init().wait_for_events(|event| event["message"] == message, 1);
    [trace_of(&events[0]), place]
}

#[test]
fn a_transaction_that_continues_our_trace_is_nearer_unless_it_is_never_sent() {
    let tracer = Tracer::disabled();
    let tool = tracer.tool_call("look up");
    let ours = format!("{}-{}", tool.trace_id(), tool.span_id());
    tool.in_scope(|| {
        let sampling = client(sentry::ClientOptions::new().traces_sample_rate(1.0));
        let [linked, theirs] = captured_in(&sampling, "continued", || continue_trace("GET /", "http.client"));
        assert_eq!(linked, theirs);
        assert!(theirs.starts_with(&tool.trace_id().to_string()) && theirs != ours);
        for (name, options) in [
            ("continued, sampled out", sentry::ClientOptions::new().traces_sample_rate(0.0)),
            ("continued, without tracing", sentry::ClientOptions::new()),
        ] {
            let [linked, _] = captured_in(&client(options), name, || continue_trace("GET /", "http.client"));
            assert_eq!(linked, ours, "{name}");
        }
    });
    let sent = init().payloads("transaction");
    let sent = sent.iter().find(|transaction| transaction["transaction"] == "GET /").expect("the one that is sampled");
    assert_eq!(sent["contexts"]["trace"]["parent_span_id"], tool.span_id().to_string());
}

#[test]
fn a_transaction_with_a_trace_of_its_own_leaves_the_event_to_our_span() {
    let tracer = Tracer::disabled();
    let tool = tracer.tool_call("look up");
    let ours = format!("{}-{}", tool.trace_id(), tool.span_id());
    let sampling = client(sentry::ClientOptions::new().traces_sample_rate(1.0));
    let [within, _] = tool.in_scope(|| captured_in(&sampling, "their own", || TransactionContext::new("a", "b")));
    assert_eq!(within, ours);
    let [outside, theirs] = captured_in(&sampling, "outside", || TransactionContext::new("a", "b"));
    assert_eq!(outside, theirs);
}

#[test]
fn outside_of_our_spans_nothing_is_continued() {
    init();
    let tracer = Tracer::disabled();
    let first = continue_trace("a", "b").trace_id();
    assert_ne!(first, continue_trace("a", "b").trace_id());
    let tool = tracer.tool_call("look up");
    let within = tool.in_scope(|| continue_trace("a", "b").trace_id());
    assert_eq!(within.to_string(), tool.trace_id().to_string());
    flush();
}
