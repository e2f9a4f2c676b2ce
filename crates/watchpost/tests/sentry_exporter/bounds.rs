//! Bursts, and what never ends.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use watchpost::{
    exporter::{ExporterOptions, SentryExporter},
    mapping::ai::SpanMode,
    model::{ModelStepAttributes, Payload, Span, SpanType, TracingEvent, UsageStats},
};
use watchpost_sentry::{delivery::DropReason, wire::Category};

use crate::support::*;

/// The trace that the reference loses 94 % of: an agent, 3 generations with a step, 2 tools and 6 pieces each.
fn busy_trace(number: u64) -> Vec<TracingEvent> {
    let content = || Some(Payload::text("lorem ipsum dolor sit amet ".repeat(12)));
    let in_this = |mut span: Span| {
        span.trace_id = trace(number);
        span.input = content();
        span.output = content();
        span
    };
    let agent = in_this(span(1, 0, SpanType::AgentRun));
    let mut events = vec![TracingEvent::SpanStarted(Box::new(agent.clone()))];
    let mut whole = |span: Span| {
        events.push(TracingEvent::SpanStarted(Box::new(span.clone())));
        events.push(TracingEvent::SpanEnded(Box::new(Span { end: Some(span.start), ..span })));
    };
    for generation in [10, 30, 50] {
        let mut step = in_this(span(generation + 1, generation, SpanType::ModelStep));
        step.attributes =
            ModelStepAttributes { usage: Some(UsageStats::new(10, 1)), ..ModelStepAttributes::default() }.into();
        whole(step);
        (2..4).for_each(|tool| whole(in_this(span(generation + tool, generation + 1, SpanType::ToolCall))));
        (4..10).for_each(|chunk| whole(in_this(span(generation + chunk, generation + 1, SpanType::ModelChunk))));
        whole(in_this(span(generation, 1, SpanType::ModelGeneration)));
    }
    events.push(TracingEvent::SpanEnded(Box::new(Span { end: Some(agent.start), ..agent })));
    events
}

#[test]
fn a_burst_of_a_thousand_traces_arrives_whole() {
    for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
        let sink = Sink::start();
        let exporter = sink.with_mode(mode);
        for number in 0..1000 {
            busy_trace(number).into_iter().for_each(|event| exporter.export_tracing_event(event));
        }
        let outcome = exporter.shutdown_within(PATIENCE);
        assert!(outcome.complete && outcome.dropped() == 0, "{mode:?}: {outcome}");
        assert_eq!(sink.spans().len(), 10_000, "{mode:?}");
    }
}

#[test]
fn traces_that_never_end_stay_within_the_bound_and_each_is_accounted_for() {
    let sink = Sink::start();
    let exporter = SentryExporter::new(sink.config().with_max_open_spans(1000).with_traces_sample_rate(0.1)).unwrap();
    for number in 0..50_000 {
        let mut agent = in_trace(number, span(1, 0, SpanType::AgentRun));
        agent.input = Some("question".into());
        start(&exporter, &agent);
        if number % 1000 == 0 {
            let stats = exporter.stats();
            assert!(stats.open_spans <= 1000 && stats.open_bytes < 8 << 20, "{stats:?}");
            assert!(exporter.wait_for_room(PATIENCE));
        }
    }
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete, "{outcome}");
    let stats = exporter.stats();
    assert_eq!((stats.aborted, stats.shut_down), (49_000, 1000));
    assert_eq!((stats.open_spans, stats.open_bytes, stats.queued_spans), (0, 0, 0));
    assert_eq!(outcome.accepted(), 50_000, "{outcome}");
    let dropped = outcome.dropped_by(DropReason::SampleRate);
    assert_eq!((outcome.sent() + dropped, outcome.dropped()), (50_000, dropped));
    assert_eq!(sink.payloads("transaction").len() as u64, outcome.sent());
    let statuses = sink.payloads("transaction");
    let aborted = statuses.iter().filter(|item| item["contexts"]["trace"]["status"] == "aborted").count();
    assert!(aborted >= 4_000, "{aborted}");
}

#[test]
fn an_overflowing_queue_drops_the_oldest_whole_and_counts_it() {
    let sink = Sink::start();
    sink.close();
    let exporter = SentryExporter::new(sink.config().with_max_queue_bytes(200_000)).unwrap();
    let long = Payload::text("x".repeat(100_000));
    for number in 0..400 {
        let mut agent = in_trace(number, span(1, 0, SpanType::AgentRun));
        agent.input = Some(long.clone());
        nest(&exporter, &[agent, in_trace(number, span(2, 1, SpanType::ToolCall))]);
    }
    let stats = exporter.stats();
    assert!(stats.queued_bytes <= 200_000, "{stats:?}");
    sink.open();
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete, "{outcome}");
    let dropped = outcome.dropped_by(DropReason::QueueOverflow);
    assert!(dropped > 0 && exporter.stats().overflowed > 0);
    assert_eq!(outcome.sent() + dropped, 400);
    let tally = outcome.tally(Category::Transaction);
    assert_eq!((tally.accepted, tally.sent), (400, sink.payloads("transaction").len() as u64));
    let spans = sink.reported().iter().find(|(_, category, _)| category == "span").map(|(.., quantity)| *quantity);
    assert_eq!(spans, Some(2 * dropped), "Sentry is told of the spans too");
}

#[test]
fn what_still_waits_in_the_queue_at_the_end_is_lost_to_the_shutdown_and_not_to_an_overflow() {
    let sink = Sink::start();
    let ((entered, is_in), (release, hang)) = (mpsc::channel(), mpsc::channel::<()>());
    let hang = Mutex::new(hang);
    let options = ExporterOptions::new().with_before_send_transaction(move |transaction| {
        let _ = entered.send(());
        // Until the shutdown is over.
        let _ = hang.lock().unwrap().recv();
        Some(transaction)
    });
    let exporter = sink.with_options(options);
    let export = |number| nest(&exporter, &[in_trace(number, span(1, 0, SpanType::AgentRun))]);
    export(0);
    is_in.recv_timeout(PATIENCE).unwrap();
    (1..10).for_each(export);
    let outcome = exporter.shutdown_within(Duration::from_millis(50));
    drop(release);
    assert_eq!(outcome.dropped_by(DropReason::Shutdown), 9, "{outcome}");
    assert!(!outcome.complete && outcome.dropped_by(DropReason::QueueOverflow) == 0, "{outcome}");
}

#[test]
fn whoever_waits_for_room_loses_nothing() {
    let sink = Sink::start();
    let exporter = SentryExporter::new(sink.config().with_max_queue_bytes(200_000)).unwrap();
    let long = Payload::text("x".repeat(50_000));
    for number in 0..300 {
        let mut agent = in_trace(number, span(1, 0, SpanType::AgentRun));
        agent.input = Some(long.clone());
        assert!(exporter.wait_for_room(PATIENCE));
        nest(&exporter, &[agent]);
    }
    let outcome = exporter.shutdown_within(PATIENCE);
    assert_eq!((outcome.sent(), outcome.dropped(), outcome.complete), (300, 0, true), "{outcome}");
    assert!(!exporter.wait_for_room(Duration::from_millis(1)));
}

#[test]
fn many_threads_share_an_exporter() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let exporter = exporter.clone();
            thread::spawn(move || {
                for number in 0..100 {
                    busy_trace(thread * 1000 + number)
                        .into_iter()
                        .for_each(|event| exporter.export_tracing_event(event));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete && outcome.dropped() == 0, "{outcome}");
    assert_eq!((sink.spans().len(), exporter.stats().events), (4000, 400 * 62));
}

/// The delivery holds 6 MiB of a kind: neither one span nor several of one trace may be more, or push each other out.
#[test]
fn spans_larger_than_the_deliverys_buffer_arrive_cut_and_not_at_all_dropped() {
    for mode in [SpanMode::Stream, SpanMode::Hybrid, SpanMode::Transaction] {
        let sink = Sink::start();
        let exporter = sink.with_mode(mode);
        let text = |bytes: usize| Some(Payload::text("x".repeat(bytes)));
        let large = |number, bytes| Span { output: text(bytes), ..span(number, 1, SpanType::ToolCall) };
        nest(
            &exporter,
            &[span(1, 0, SpanType::AgentRun), large(2, 7_000_000), large(3, 4_500_000), large(4, 2_000_000)],
        );
        let outcome = exporter.shutdown_within(PATIENCE);
        assert!(outcome.complete && outcome.dropped() == 0, "{outcome}");
        assert_eq!(sink.spans().len(), 4, "{mode:?}");
        assert!(exporter.stats().cut_spans > 0);
    }
}
