//! Where a trace's spans travel in each mode.

use serde_json::json;
use watchpost::{exporter::SentryExporter, mapping::ai::SpanMode, model::SpanType};

use crate::support::*;

fn parents(sink: &Sink) -> Vec<(String, Option<String>)> {
    let mut spans: Vec<_> = sink.spans().into_iter().map(|span| (span.id, span.parent)).collect();
    spans.sort();
    spans
}

/// The agent, its generation, the tool below the step that is not sent, and the step of a workflow.
fn expected() -> Vec<(String, Option<String>)> {
    vec![(hex(1), None), (hex(2), Some(hex(1))), (hex(4), Some(hex(2))), (hex(5), Some(hex(4)))]
}

#[test]
fn in_transaction_mode_everything_is_in_the_transaction() {
    let sink = Sink::start();
    let exporter = sink.with_mode(SpanMode::Transaction);
    nest(&exporter, &agent_trace());
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((sink.payloads("transaction").len(), sink.payloads("span").len()), (1, 0));
    assert_eq!(parents(&sink), expected());
    let item = &sink.items("transaction")[0];
    let trace_id = json!(trace(1).to_string());
    assert_eq!(item.payload["contexts"]["trace"]["trace_id"], trace_id);
    assert_eq!(item.trace.as_ref().unwrap()["trace_id"], trace_id);
    assert_eq!(item.trace.as_ref().unwrap()["public_key"], "0123abc");
}

#[test]
fn in_hybrid_mode_the_spans_of_gen_ai_travel_beside_the_transaction_in_its_envelope() {
    let sink = Sink::start();
    let exporter = sink.with_mode(SpanMode::Hybrid);
    nest(&exporter, &agent_trace());
    assert!(exporter.shutdown_within(PATIENCE).complete);
    let (transactions, alone) = (sink.items("transaction"), sink.items("span"));
    assert_eq!((transactions.len(), alone.len()), (1, 2));
    assert!(alone.iter().all(|span| span.envelope == transactions[0].envelope && span.ty == "span"));
    assert_eq!(parents(&sink), expected());
    assert_eq!(transactions[0].payload["spans"][0]["span_id"], hex(5));
    for span in &alone {
        assert_eq!(span.payload["attributes"]["sentry.segment.id"]["value"], hex(1));
    }
}

#[test]
fn in_stream_mode_each_span_is_sent_when_it_ended() {
    let sink = Sink::start();
    let exporter = sink.with_mode(SpanMode::Stream);
    let spans = agent_trace();
    spans.iter().for_each(|span| start(&exporter, span));
    end(&exporter, &spans[4]);
    assert!(exporter.flush_within(PATIENCE).complete);
    assert_eq!(sink.spans().len(), 1, "before its trace is complete");
    spans[..4].iter().rev().for_each(|span| end(&exporter, span));
    assert!(exporter.shutdown_within(PATIENCE).complete);
    assert_eq!(sink.payloads("transaction").len(), 0);
    assert_eq!(parents(&sink), expected());
    let spans = sink.spans();
    assert!(spans.iter().all(|span| span.json["attributes"]["sentry.segment.id"]["value"] == hex(1)));
    assert_eq!(spans.iter().filter(|span| span.is_root).map(|span| &span.id).collect::<Vec<_>>(), [&hex(1)]);
}

#[test]
fn auto_is_the_transaction_mode_anywhere_but_at_sentry_io() {
    let sink = Sink::start();
    let exporter = sink.exporter();
    nest(&exporter, &agent_trace());
    assert!(exporter.shutdown_within(PATIENCE).complete);
    assert_eq!((sink.payloads("transaction").len(), sink.payloads("span").len()), (1, 0));
}

#[test]
fn a_late_child_is_sent_in_the_same_trace_below_its_parent() {
    for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
        let sink = Sink::start();
        let exporter = sink.with_mode(mode);
        let spans = agent_trace();
        nest(&exporter, &spans[..3]);
        assert!(exporter.flush_within(PATIENCE).complete);
        end(&exporter, &spans[3]);
        end(&exporter, &spans[4]);
        assert!(exporter.shutdown_within(PATIENCE).complete);
        assert_eq!(parents(&sink), expected(), "{mode:?}");
        assert!(sink.spans().iter().all(|span| span.trace_id == trace(1).to_string()));
    }
}

#[test]
fn more_spans_than_a_transaction_takes_become_several_in_the_same_trace() {
    for mode in [SpanMode::Transaction, SpanMode::Hybrid] {
        let sink = Sink::start();
        let exporter = sink.with_mode(mode);
        let root = span(1, 0, SpanType::WorkflowRun);
        start(&exporter, &root);
        (2..=2500).for_each(|number| {
            let ty = if number % 2 == 0 { SpanType::ToolCall } else { SpanType::WorkflowStep };
            end(&exporter, &span(number, 1, ty));
        });
        end(&exporter, &root);
        let outcome = exporter.shutdown_within(PATIENCE);
        assert!(outcome.complete && outcome.dropped() == 0, "{outcome}");
        let spans = sink.spans();
        assert_eq!(spans.len(), 2500, "{mode:?}");
        assert!(spans.iter().all(|span| span.id == hex(1) || span.parent == Some(hex(1))));
        assert!(
            sink.payloads("transaction")
                .iter()
                .all(|item| item["spans"].as_array().is_none_or(|spans| spans.len() < 1000))
        );
    }
}

#[test]
fn two_exporters_side_by_side_do_not_mix() {
    let (left, right) = (Sink::start(), Sink::start());
    let exporters: Vec<SentryExporter> = vec![left.exporter(), right.exporter()];
    let traces = [in_trace(10, span(1, 0, SpanType::AgentRun)), in_trace(20, span(1, 0, SpanType::AgentRun))];
    for (exporter, span) in exporters.iter().zip(&traces) {
        start(exporter, span);
    }
    for (exporter, span) in exporters.iter().zip(&traces) {
        end(exporter, span);
        assert!(exporter.shutdown_within(PATIENCE).complete);
    }
    for (sink, number) in [(&left, 10), (&right, 20)] {
        let spans = sink.spans();
        assert_eq!((spans.len(), &spans[0].trace_id), (1, &trace(number).to_string()));
    }
}
