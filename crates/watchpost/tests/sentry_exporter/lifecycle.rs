//! Setting up, flushing, shutting down, and being dropped.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use watchpost::{
    exporter::{ExporterError, ExporterOptions, SentryExporter, SentryExporterConfig},
    model::{SpanType, TracingEvent},
};

use crate::support::*;

#[test]
fn without_a_dsn_the_exporter_is_disabled_and_takes_everything() {
    for config in [SentryExporterConfig::default(), SentryExporterConfig::default().with_dsn(" ")] {
        let exporter = SentryExporter::new(config).unwrap();
        assert!(!exporter.is_enabled());
        nest(&exporter, &agent_trace());
        exporter.skip_event(&"bad");
        assert!(exporter.flush().complete && exporter.wait_for_room(Duration::ZERO));
        let outcome = exporter.shutdown();
        assert_eq!((outcome.complete, outcome.accepted(), exporter.stats().events), (true, 0, 0));
    }
}

#[test]
fn a_wrong_dsn_or_rate_is_an_error() {
    let error = |config| SentryExporter::new(config).unwrap_err();
    let new = SentryExporterConfig::default;
    assert!(matches!(error(new().with_dsn("https://host/1")), ExporterError::Dsn(_)));
    assert_eq!(
        error(new().with_dsn("https://key@host/1").with_traces_sample_rate(7.0)),
        ExporterError::InvalidSampleRate { rate: 7.0 }
    );
    assert!(matches!(error(new().with_traces_sample_rate(f64::NAN)), ExporterError::InvalidSampleRate { .. }));
}

#[test]
fn a_shutdown_ends_what_is_open_and_takes_nothing_more() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    let spans = agent_trace();
    spans.iter().for_each(|span| start(&exporter, span));
    let outcome = exporter.shutdown();
    assert!(outcome.complete, "{outcome}");
    let arrived = sink.spans();
    assert_eq!(arrived.len(), 4);
    let transaction = &sink.payloads("transaction")[0];
    assert!(transaction["timestamp"].as_f64() > transaction["start_timestamp"].as_f64());
    end(&exporter, &spans[0]);
    nest(&exporter, &[in_trace(7, span(9, 0, SpanType::AgentRun))]);
    assert!(exporter.shutdown().complete);
    let stats = exporter.stats();
    assert_eq!((sink.spans().len(), stats.after_shutdown, stats.shut_down), (4, 3, 5));
}

#[test]
fn a_flush_tells_when_something_could_not_be_sent_in_time() {
    let sink = Sink::start();
    sink.close();
    let exporter = sink.exporter();
    nest(&exporter, &agent_trace());
    let begun = Instant::now();
    let outcome = exporter.flush_within(Duration::from_millis(100));
    assert!(!outcome.complete && outcome.sent() == 0, "{outcome}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    sink.open();
    let outcome = exporter.flush_within(PATIENCE);
    assert_eq!((outcome.complete, outcome.sent()), (true, 1), "{outcome}");
    assert!(exporter.outcome().complete);
}

#[test]
fn a_flush_does_not_wait_for_open_spans_and_is_complete_without_them() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    start(&exporter, &span(1, 0, SpanType::AgentRun));
    assert!(exporter.flush().complete);
    assert_eq!((sink.spans().len(), exporter.stats().open_spans), (0, 1));
}

#[test]
fn a_hook_that_hangs_holds_nobody_up_longer_than_they_wait() {
    let sink = Sink::start();
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let options = ExporterOptions::new().with_before_send_transaction(move |transaction| {
        // Until the test is over.
        let _ = hang.lock().unwrap().recv();
        Some(transaction)
    });
    let exporter = sink.with_options(options);
    nest(&exporter, &agent_trace());
    let begun = Instant::now();
    assert!(!exporter.flush_within(Duration::from_millis(50)).complete);
    assert!(!block_on(exporter.flush_within_async(Duration::from_millis(50))).complete);
    assert!(!exporter.shutdown_within(Duration::from_millis(50)).complete);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(release);
}

#[test]
fn a_hook_may_use_the_exporter_itself() {
    let sink = Sink::start();
    let cell: Arc<std::sync::OnceLock<SentryExporter>> = Arc::default();
    let inner = cell.clone();
    let options = ExporterOptions::new().with_before_send_transaction(move |transaction| {
        let exporter = inner.get().unwrap();
        assert!(!exporter.flush_within(PATIENCE).complete, "it would wait for itself");
        if transaction.span_id == id(1) {
            nest(exporter, &[in_trace(2, span(8, 0, SpanType::Generic))]);
        }
        Some(transaction)
    });
    let exporter = sink.with_options(options);
    cell.set(exporter.clone()).unwrap();
    nest(&exporter, &agent_trace());
    assert!(exporter.flush_within(PATIENCE).complete);
    assert!(exporter.flush_within(PATIENCE).complete);
    assert_eq!((sink.payloads("transaction").len(), exporter.stats().hook_panics), (2, 0));
}

#[test]
fn futures_wait_on_any_runtime() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    nest(&exporter, &agent_trace());
    assert!(block_on(exporter.flush_async()).complete);
    assert_eq!(sink.spans().len(), 4);
    start(&exporter, &in_trace(3, span(9, 0, SpanType::AgentRun)));
    assert!(block_on(exporter.shutdown_async()).complete);
    assert_eq!(sink.spans().len(), 5);
}

#[test]
fn dropping_the_last_clone_sends_what_is_held() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    let clone = exporter.clone();
    nest(&exporter, &agent_trace());
    start(&exporter, &in_trace(3, span(9, 0, SpanType::AgentRun)));
    drop(exporter);
    assert_eq!(clone.stats().open_spans, 1);
    drop(clone);
    assert_eq!(sink.spans().len(), 5);
}

#[test]
fn an_exporter_that_is_not_used_starts_nothing_and_ends_at_once() {
    let exporter = SentryExporter::new(SentryExporterConfig::default().with_dsn("http://key@127.0.0.1:1/1")).unwrap();
    let begun = Instant::now();
    assert!(exporter.flush().complete && exporter.shutdown().complete);
    drop(exporter);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_sink_is_anything_that_takes_events_and_knows_the_sampling() {
    use watchpost::ai::TracingSink;
    let sink = Sink::start();
    let exporter = SentryExporter::new(sink.config().with_traces_sample_rate(0.0)).unwrap();
    let taker: &dyn TracingSink = &exporter;
    assert_eq!(taker.sampled(trace(1)), Some(false));
    taker.export(TracingEvent::SpanStarted(Box::new(span(1, 0, SpanType::AgentRun))));
    assert_eq!(exporter.stats().open_spans, 1);
    let sampler = sink.with_options(ExporterOptions::new().with_traces_sampler(|_| 1.0));
    assert_eq!(TracingSink::sampled(&sampler, trace(1)), None);
    exporter.skip_event(&"no span");
    assert_eq!(exporter.stats().skipped, 1);
}

/// The least that a runtime is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
