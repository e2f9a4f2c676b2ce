//! What happens inside a tool nests under its call.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::{Layer, layer::SubscriberExt};
use watchpost::{
    ai::Tracer,
    mcp::{Options, Tracker},
    model::{Span, TraceParent, TracingEvent},
    testing::InMemoryExporter,
};

use crate::{
    server::TestServer,
    support::{Client, TIMEOUT},
};

/// A tracer, and the spans of it that ended.
fn recording_tracer() -> (Tracer, Arc<Mutex<Vec<Span>>>) {
    let spans = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&spans);
    let tracer = Tracer::new(move |event| {
        if let TracingEvent::SpanEnded(span) = event {
            sink.lock().unwrap().push(*span);
        }
    });
    (tracer, spans)
}

#[tokio::test]
async fn a_tracers_spans_and_outgoing_calls_are_below_the_calls_span() {
    let exporter = InMemoryExporter::default();
    let options = Options::default().exporter("memory", Arc::new(exporter.clone()));
    let tracker = Tracker::new(None, options).unwrap();
    let (tracer, spans) = recording_tracer();
    let mut client = Client::connect(tracker.track(TestServer { tracker: None, tracer: Some(tracer) }));
    client.introduce("test-client").await;
    let answer = client.call("span", json!({})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let event = exporter.events().pop().unwrap();

    let settings = watchpost::mapping::Settings::default().with_tracing(true);
    let transaction = watchpost::mapping::mcp::transaction(&event, &settings);
    let request_span = &transaction.spans[0];
    let span = spans.lock().unwrap().pop().unwrap();
    assert_eq!(span.trace_id, request_span.trace_id);
    assert_eq!(span.external_parent_span_id, Some(request_span.span_id));
    let traceparent = format!("00-{}-{}-01", request_span.trace_id, request_span.span_id);
    assert_eq!(answer["result"]["content"][0]["text"], traceparent);
}

#[test]
fn a_call_is_nearer_than_a_span_that_the_whole_runtime_runs_in() {
    let exporter = InMemoryExporter::default();
    let options = Options::default().exporter("memory", Arc::new(exporter));
    let tracker = Tracker::new(None, options).unwrap();
    let (tracer, spans) = recording_tracer();
    let server = TestServer { tracker: None, tracer: Some(tracer.clone()) };
    let agent = tracer.agent_run("around everything");
    let traceparent = agent.in_scope(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::connect(tracker.track(server));
            client.introduce("test-client").await;
            client.call("span", json!({})).await["result"]["content"][0]["text"].as_str().unwrap().to_owned()
        })
    });
    let span = spans.lock().unwrap().pop().unwrap();
    let call = TraceParent::parse_traceparent(&traceparent).unwrap();
    assert_eq!((span.trace_id, span.external_parent_span_id), (call.trace_id, Some(call.span_id)));
    assert_ne!(span.trace_id, agent.trace_id());
}

/// Remembers the parents of `look_up` spans.
struct Parents(Arc<Mutex<Vec<String>>>);

impl<S> Layer<S> for Parents
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        id: &tracing::span::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let span = context.span(id).unwrap();
        if span.name() == "look_up" {
            self.0.lock().unwrap().extend(span.parent().map(|parent| parent.name().to_owned()));
        }
    }
}

#[tokio::test]
async fn tracing_spans_nest_under_the_calls_own() {
    let parents = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::registry().with(Parents(Arc::clone(&parents)));
    // Beside a second one: of a single dispatcher `tracing` asks whichever thread first comes by a call site, another test's too.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let tracker = Tracker::new(None, Options::default()).unwrap();
    let mut client = Client::connect(tracker.track(TestServer::default()));
    client.introduce("test-client").await;
    client.call("span", json!({})).await;
    assert_eq!(*parents.lock().unwrap(), ["mcp.server"]);
}
