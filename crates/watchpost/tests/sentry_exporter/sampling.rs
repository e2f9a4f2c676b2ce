//! One decision for a trace, whatever of it comes when; errors are not sampled.

use std::collections::HashSet;

use watchpost::{
    exporter::{ExporterOptions, SentryExporter},
    mapping::{ai::SpanMode, sample_rand},
    model::SpanType,
};
use watchpost_sentry::delivery::DropReason;

use crate::support::*;

#[test]
fn a_trace_is_sampled_as_a_whole_and_by_its_id() {
    for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
        let sink = Sink::start();
        let config = sink.config().with_span_mode(mode).with_traces_sample_rate(0.5);
        let exporter = SentryExporter::new(config).unwrap();
        for number in 0..100 {
            let root = in_trace(number, span(1, 0, SpanType::AgentRun));
            nest(&exporter, &[root, in_trace(number, span(2, 1, SpanType::ToolCall))]);
        }
        assert!(exporter.flush_within(PATIENCE).complete);
        (0..100).for_each(|number| end(&exporter, &in_trace(number, failed(span(3, 1, SpanType::ToolCall), "late"))));
        let outcome = exporter.shutdown_within(PATIENCE);
        assert!(outcome.complete, "{outcome}");
        let sampled: HashSet<_> = (0..100)
            .filter(|number| sample_rand(trace(*number)) < 0.5)
            .map(|number| trace(number).to_string())
            .collect();
        assert!((30..70).contains(&sampled.len()));
        let spans = sink.spans();
        assert_eq!(spans.len(), 3 * sampled.len(), "{mode:?}");
        assert!(spans.iter().all(|span| sampled.contains(&span.trace_id)));
        assert_eq!(sink.payloads("event").len(), 100, "errors are always sent");
        assert!(outcome.dropped_by(DropReason::SampleRate) > 0);
        for item in sink.items("transaction").iter().chain(&sink.items("span")) {
            let context = item.trace.as_ref().unwrap();
            let number = |key: &str| context[key].as_str().unwrap().parse::<f64>().unwrap();
            assert!(number("sample_rand") < number("sample_rate") && context["sampled"] == "true");
        }
    }
}

#[test]
fn unsampled_transactions_are_reported_with_their_spans() {
    let sink = Sink::start();
    let exporter = SentryExporter::new(sink.config().with_traces_sample_rate(0.0)).unwrap();
    nest(&exporter, &agent_trace());
    let outcome = exporter.shutdown_within(PATIENCE);
    assert_eq!((outcome.dropped_by(DropReason::SampleRate), outcome.sent()), (1, 0));
    let reported = |category: &str, quantity| ("sample_rate".to_owned(), category.to_owned(), quantity);
    assert_eq!(sink.reported(), [reported("span", 4), reported("transaction", 1)]);
}

#[test]
fn the_decision_of_a_caller_outside_comes_before_the_rate_and_the_sampler_before_both() {
    for (sampler, inherited, sent) in
        [(None, Some(true), 1), (None, Some(false), 0), (Some(1.0), Some(false), 1), (Some(0.0), Some(true), 0)]
    {
        let sink = Sink::start();
        let mut options = ExporterOptions::new();
        if let Some(rate) = sampler {
            options = options.with_traces_sampler(move |_| rate);
        }
        // The rate says the opposite.
        let rate = if inherited == Some(true) { 0.0 } else { 1.0 };
        let config = sink.config().with_options(options).with_traces_sample_rate(rate);
        let exporter = SentryExporter::new(config).unwrap();
        let mut root = span(1, 0, SpanType::AgentRun);
        root.sampled = inherited;
        nest(&exporter, &[root]);
        assert!(exporter.shutdown_within(PATIENCE).complete);
        assert_eq!(sink.spans().len(), sent, "{sampler:?} {inherited:?}");
    }
}

#[test]
fn the_sampler_is_asked_once_a_trace_and_sees_its_root() {
    let sink = Sink::start();
    let asked = Count::default();
    let counted = asked.clone();
    let options = ExporterOptions::new().with_traces_sampler(move |trace| {
        counted.add();
        assert_eq!((trace.span.span.ty.clone(), trace.rate), (SpanType::AgentRun, 0.25));
        1.0
    });
    let config = sink.config().with_span_mode(SpanMode::Stream).with_options(options).with_traces_sample_rate(0.25);
    let exporter = SentryExporter::new(config).unwrap();
    nest(&exporter, &agent_trace());
    assert!(exporter.shutdown_within(PATIENCE).complete);
    assert_eq!((asked.read(), sink.spans().len(), exporter.stats().hook_panics), (1, 4, 0));
}
