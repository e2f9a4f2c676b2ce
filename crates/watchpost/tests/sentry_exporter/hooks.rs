//! Hooks: what they change, what they drop, and that a panic in one costs only its item.

use serde_json::Value;
use watchpost::{
    exporter::{EventItem, ExporterOptions, SpanFilter, SpanItem},
    mapping::ai::SpanMode,
    model::{FinishedSpan, Payload, SpanLog, SpanType},
};
use watchpost_sentry::{
    delivery::{DropReason, Outcome},
    wire::{LogLevel, Timestamp},
};

use crate::support::*;

/// A trace with a failure and a log, through these hooks.
fn export(sink: &Sink, mode: SpanMode, options: ExporterOptions) -> (Outcome, u64) {
    let config = sink.config().with_span_mode(mode).with_options(options);
    let exporter = watchpost::exporter::SentryExporter::new(config).unwrap();
    let mut spans = agent_trace();
    spans[3] = failed(spans[3].clone(), "db down");
    nest(&exporter, &spans);
    exporter.log(SpanLog {
        trace_id: trace(1),
        span_id: id(4),
        at: Timestamp::now(),
        level: LogLevel::Warn,
        body: "said".to_owned(),
        attributes: vec![("count".into(), Payload::from_json("3").unwrap()), ("password".into(), "hunter2".into())],
    });
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete, "{outcome}");
    (outcome, exporter.stats().hook_panics)
}

fn sent(sink: &Sink) -> (usize, usize, usize) {
    (sink.spans().len(), sink.payloads("event").len(), sink.payloads("log").len())
}

#[test]
fn without_hooks_everything_is_sent() {
    let sink = Sink::start();
    let (outcome, panics) = export(&sink, SpanMode::Hybrid, ExporterOptions::new());
    assert_eq!((sent(&sink), outcome.dropped(), panics), ((4, 1, 1), 0, 0));
    let log = &sink.payloads("log")[0];
    assert_eq!((&log["body"], &log["level"], &log["span_id"]), (&"said".into(), &"warn".into(), &hex(4).into()));
    assert_eq!(log["attributes"]["count"]["value"], 3);
    assert_eq!(log["attributes"]["password"]["value"], "[Filtered]");
}

#[test]
fn hooks_change_what_is_sent() {
    let sink = Sink::start();
    let options = ExporterOptions::new()
        .with_span_formatter(|span| {
            span.span.tags.push("formatted".into());
            span.span.id = id(99);
        })
        .with_before_send(|mut event| {
            event.tags.push(("hook".into(), "error".into()));
            Some(event)
        })
        .with_before_send_transaction(|mut transaction| {
            transaction.tags.push(("hook".into(), "transaction".into()));
            Some(transaction)
        })
        .with_before_send_span(|span| {
            Some(match span {
                SpanItem::Own(mut span) => {
                    span.name = "renamed".into();
                    SpanItem::Own(span)
                }
                SpanItem::InTransaction(mut span) => {
                    span.description = Some("renamed".into());
                    SpanItem::InTransaction(span)
                }
                other => other,
            })
        })
        .with_before_send_log(|mut log| {
            log.body = "changed".into();
            Some(log)
        })
        .with_event_processor(|event| {
            Some(match event {
                EventItem::Error(mut event) => {
                    event.extra.push(("processed".into(), true.into()));
                    EventItem::Error(event)
                }
                other => other,
            })
        });
    let (outcome, panics) = export(&sink, SpanMode::Hybrid, options);
    assert_eq!((sent(&sink), outcome.dropped(), panics), ((4, 1, 1), 0, 0));
    let mut names: Vec<_> = sink.spans().into_iter().filter(|span| !span.is_root).map(|span| span.name).collect();
    names.dedup();
    assert_eq!(names, ["renamed"]);
    assert!(sink.spans().iter().all(|span| span.id != hex(99)), "ids stay");
    assert_eq!(sink.payloads("transaction")[0]["tags"]["hook"], "transaction");
    let error = &sink.payloads("event")[0];
    assert_eq!((&error["tags"]["hook"], &error["extra"]["processed"]), (&"error".into(), &true.into()));
    assert_eq!(sink.payloads("log")[0]["body"], "changed");
    assert!(sink.everything().contains("formatted"));
}

#[test]
fn hooks_drop_what_they_return_nothing_for_and_it_is_counted() {
    let processed = |options: ExporterOptions, mode, expected, reason, quantity| {
        let sink = Sink::start();
        let (outcome, panics) = export(&sink, mode, options);
        assert_eq!((sent(&sink), panics), (expected, 0));
        assert_eq!(outcome.dropped_by(reason), quantity, "{outcome}");
    };
    let new = ExporterOptions::new;
    let (hook, processor) = (DropReason::BeforeSend, DropReason::EventProcessor);
    processed(new().with_before_send(|_| None), SpanMode::Hybrid, (4, 0, 1), hook, 1);
    processed(new().with_before_send_log(|_| None), SpanMode::Hybrid, (4, 1, 0), hook, 1);
    processed(new().with_before_send_transaction(|_| None), SpanMode::Transaction, (0, 1, 1), hook, 1);
    processed(new().with_before_send_transaction(|_| None), SpanMode::Hybrid, (0, 1, 1), hook, 3);
    processed(new().with_before_send_span(|_| None), SpanMode::Stream, (0, 1, 1), hook, 4);
    processed(new().with_before_send_span(|_| None), SpanMode::Transaction, (1, 1, 1), hook, 3);
    processed(new().with_event_processor(|_| None), SpanMode::Transaction, (0, 0, 1), processor, 2);
}

#[test]
fn a_hook_that_panics_loses_its_item_and_nothing_else() {
    let panicking = |options: ExporterOptions, mode, expected, dropped, panicked| {
        let sink = Sink::start();
        let (outcome, panics) = export(&sink, mode, options);
        assert_eq!((sent(&sink), panics), (expected, panicked));
        assert_eq!((outcome.dropped_by(DropReason::BeforeSend), outcome.dropped()), (dropped, dropped), "{outcome}");
    };
    let new = ExporterOptions::new;
    panicking(new().with_before_send(|_| panic!("on purpose")), SpanMode::Hybrid, (4, 0, 1), 1, 1);
    panicking(new().with_before_send_log(|_| panic!("on purpose")), SpanMode::Hybrid, (4, 1, 0), 1, 1);
    panicking(new().with_before_send_transaction(|_| panic!("on purpose")), SpanMode::Transaction, (0, 1, 1), 1, 1);
    panicking(new().with_before_send_span(|_| panic!("on purpose")), SpanMode::Stream, (0, 1, 1), 4, 4);
    panicking(new().with_event_processor(|_| panic!("on purpose")), SpanMode::Transaction, (0, 0, 1), 2, 2);
    panicking(
        new().with_span_formatter(|span| assert!(span.span.ty != SpanType::WorkflowStep, "on purpose")),
        SpanMode::Transaction,
        (3, 1, 1),
        1,
        1,
    );
    panicking(new().with_traces_sampler(|_| panic!("on purpose")), SpanMode::Transaction, (4, 1, 1), 0, 1);
    panicking(new().with_traces_sampler(|_| f64::NAN), SpanMode::Transaction, (4, 1, 1), 0, 0);
    let ignores = SpanFilter::when(|_| panic!("on purpose"));
    let sink = Sink::start();
    let (outcome, panics) = export(&sink, SpanMode::Transaction, new().with_ignored_spans([ignores]));
    assert_eq!((sent(&sink), outcome.dropped()), ((4, 1, 1), 0));
    assert!(panics >= 4);
}

#[test]
fn no_other_span_stands_for_a_root_that_was_lost() {
    let sink = Sink::start();
    let loses_root = |span: &mut FinishedSpan| assert!(span.span.ty != SpanType::AgentRun, "on purpose");
    let (outcome, panics) = export(&sink, SpanMode::Hybrid, ExporterOptions::new().with_span_formatter(loses_root));
    assert_eq!((outcome.dropped(), panics), (1, 1));
    assert_eq!(sink.payloads("transaction")[0]["contexts"]["trace"]["span_id"], hex(5));
    let alone = sink.payloads("span");
    assert_eq!(alone.len(), 2);
    for span in alone {
        assert_eq!((&span["is_segment"], &span["attributes"]["sentry.segment.id"]), (&false.into(), &Value::Null));
    }
}

#[test]
fn ignored_spans_are_not_sent_and_their_children_move_up() {
    let sink = Sink::start();
    let options = ExporterOptions::new().with_ignored_spans([
        SpanFilter::Type(SpanType::ToolCall),
        SpanFilter::Op("ai.processor".to_owned()),
        SpanFilter::Name("secret*".to_owned()),
    ]);
    let exporter = sink.with_options(options);
    nest(&exporter, &agent_trace());
    assert!(exporter.shutdown_within(PATIENCE).complete);
    let mut spans: Vec<_> = sink.spans().into_iter().map(|span| (span.id, span.parent)).collect();
    spans.sort();
    assert_eq!(spans, [(hex(1), None), (hex(2), Some(hex(1))), (hex(5), Some(hex(2)))]);
}
