//! Every recording of Mastra's events, as it is and broken: shuffled, doubled, a tenth missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use watchpost::{
    exporter::SentryExporter,
    mapping::ai::SpanMode,
    model::{TracingEvent, mastra},
};

use crate::support::*;

/// The recordings' names and events.
fn recordings() -> Vec<(String, Vec<TracingEvent>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mastra");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    assert!(files.len() >= 18, "{} recordings", files.len());
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let events = text.lines().filter_map(|line| mastra::parse_line(line).ok()).collect();
            (file.strip_prefix(&root).unwrap().display().to_string(), events)
        })
        .collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.file_name().is_some_and(|name| name == "events.jsonl") {
            files.push(path);
        }
    }
}

/// A random number generator that gives the same numbers every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

fn key(event: &TracingEvent) -> (String, String) {
    let span = event.span();
    (span.trace_id.to_string(), span.id.to_string())
}

fn is_sent(event: &TracingEvent) -> bool {
    !event.span().ty.is_skipped()
}

#[test]
fn every_recording_arrives_whole_with_its_own_ids() {
    for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
        for (name, events) in recordings() {
            let sink = Sink::start();
            let exporter = sink.with_mode(mode);
            events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
            let outcome = exporter.shutdown_within(PATIENCE);
            assert!(outcome.complete && outcome.dropped() == 0, "{name}: {outcome}");
            let expected: BTreeSet<_> = events.iter().filter(|event| is_sent(event)).map(key).collect();
            let spans = sink.spans();
            let arrived: BTreeSet<_> = spans.iter().map(|span| (span.trace_id.clone(), span.id.clone())).collect();
            assert_eq!((&arrived, spans.len()), (&expected, expected.len()), "{name} {mode:?}");
            // Every parent that was sent is one of the trace; every error is of a span that was sent.
            let seen: BTreeSet<_> = events.iter().map(key).collect();
            for span in &spans {
                let Some(parent) = &span.parent else { continue };
                let parent = (span.trace_id.clone(), parent.clone());
                assert!(arrived.contains(&parent) || !seen.contains(&parent), "{name}: {span:?}");
            }
            for error in sink.payloads("event") {
                let context = &error["contexts"]["trace"];
                let of = |key: &str| context[key].as_str().unwrap().to_owned();
                assert!(arrived.contains(&(of("trace_id"), of("span_id"))), "{name}");
            }
        }
    }
}

#[test]
fn one_failure_is_one_issue() {
    for (name, events) in recordings() {
        if !name.contains("error-bubbles") && !name.contains("tool-fails") {
            continue;
        }
        for mode in [SpanMode::Transaction, SpanMode::Stream] {
            let sink = Sink::start();
            let exporter = sink.with_mode(mode);
            events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
            assert!(exporter.shutdown_within(PATIENCE).complete);
            let errors = sink.payloads("event");
            assert_eq!(errors.len(), 1, "{name} {mode:?}");
        }
    }
}

#[test]
fn shuffled_doubled_and_with_a_tenth_missing_nothing_panics_or_leaks_or_arrives_twice() {
    for (place, (name, events)) in recordings().into_iter().enumerate() {
        for seed in 1..=4_u64 {
            for mode in [SpanMode::Hybrid, SpanMode::Stream] {
                let mut random = Random(seed * 1_000_003 + place as u64);
                let mut broken: Vec<_> =
                    events.iter().chain(&events).filter(|_| random.below(10) != 0).cloned().collect();
                random.shuffle(&mut broken);
                check_broken(&format!("{name}, seed {seed}, {mode:?}"), mode, &broken);
            }
        }
    }
}

fn check_broken(name: &str, mode: SpanMode, events: &[TracingEvent]) {
    let sink = Sink::start();
    let exporter = SentryExporter::new(sink.config().with_span_mode(mode)).unwrap();
    events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete && outcome.dropped() == 0, "{name}: {outcome}");
    let mut arrived = BTreeMap::new();
    for span in sink.spans() {
        *arrived.entry((span.trace_id, span.id)).or_insert(0) += 1;
    }
    assert!(arrived.values().all(|times| *times == 1), "{name}: {arrived:?}");
    let expected: BTreeSet<_> = events.iter().filter(|event| is_sent(event)).map(key).collect();
    assert_eq!(arrived.into_keys().collect::<BTreeSet<_>>(), expected, "{name}");
    let stats = exporter.stats();
    assert_eq!((stats.open_spans, stats.open_traces, stats.open_bytes), (0, 0, 0), "{name}");
    assert_eq!((stats.queued_spans, stats.hook_panics), (0, 0), "{name}");
}

/// The events, those of a kind or all, as they are and in five other orders.
fn orders(events: &[TracingEvent]) -> Vec<Vec<TracingEvent>> {
    let ended: Vec<_> = events.iter().filter(|event| matches!(event, TracingEvent::SpanEnded(_))).cloned().collect();
    let shuffled = (1..=5_u64).map(|seed| {
        let mut events = events.to_vec();
        Random(seed * 0x9e37_79b9).shuffle(&mut events);
        events
    });
    [ended].into_iter().chain(shuffled).collect()
}

#[test]
fn no_span_is_below_one_that_is_not_sent_in_whichever_order_the_events_come() {
    for (name, events) in recordings() {
        let skipped: BTreeSet<_> = events.iter().filter(|event| !is_sent(event)).map(key).collect();
        for events in orders(&events) {
            let sink = Sink::start();
            let exporter = sink.with_mode(SpanMode::Stream);
            events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
            assert!(exporter.shutdown_within(PATIENCE).complete);
            for span in sink.spans() {
                let parent = span.parent.clone().map(|parent| (span.trace_id.clone(), parent));
                assert!(parent.is_none_or(|parent| !skipped.contains(&parent)), "{name}: {span:?}");
            }
        }
    }
}

#[test]
fn a_transaction_is_the_same_with_the_ends_alone() {
    for (name, events) in recordings() {
        if !["agent-tools-multistep", "nested-agent", "error-bubbles"].iter().any(|wanted| name.contains(wanted)) {
            continue;
        }
        let sent = |events: &[TracingEvent]| {
            let sink = Sink::start();
            let exporter = sink.with_mode(SpanMode::Transaction);
            events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
            assert!(exporter.shutdown_within(PATIENCE).complete);
            let told = |span: Arrived| {
                let data = &span.json["data"];
                (span.id, span.parent, data["gen_ai.usage.input_tokens"].clone(), data["gen_ai.system"].clone())
            };
            let mut spans: Vec<_> = sink.spans().into_iter().map(told).collect();
            spans.sort_by(|one, other| one.0.cmp(&other.0));
            (spans, sink.payloads("event").len(), sink.payloads("transaction").len())
        };
        let whole = sent(&events);
        assert_eq!(sent(&orders(&events)[0]), whole, "{name}");
    }
}

/// What was sent of a recording: its spans by their ids without what says which carrier they came in, and its issues.
fn sent_of_recording(mode: SpanMode, events: &[TracingEvent]) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let sink = Sink::start();
    let config = sink.config().with_span_mode(mode).with_recording(true);
    let exporter = SentryExporter::new(config).unwrap();
    events.iter().for_each(|event| exporter.export_tracing_event(event.clone()));
    let outcome = exporter.shutdown_within(PATIENCE);
    assert!(outcome.complete && outcome.dropped() == 0, "{outcome}");
    let spans = sink.spans().into_iter().map(|span| (format!("{} {}", span.trace_id, span.id), told(&span))).collect();
    let issues = sink.payloads("event").iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect();
    (spans, issues)
}

/// A span's place, name and attributes, whichever carrier it came in.
fn told(span: &Arrived) -> Value {
    let mut attributes: BTreeMap<_, _> = match span.json["attributes"].as_object() {
        Some(typed) => typed.iter().map(|(key, typed)| (key.clone(), typed["value"].clone())).collect(),
        None => span.json["data"].as_object().unwrap().clone().into_iter().collect(),
    };
    attributes.retain(|key, _| key == "sentry.origin" || !key.starts_with("sentry."));
    serde_json::json!([span.parent, span.name, attributes])
}

#[test]
fn a_recording_is_the_same_in_every_mode_and_in_whichever_order_its_lines_come() {
    for (name, events) in recordings() {
        // Made by hand so that the order decides: two ends of one span, or a start after the end.
        if name.starts_with("edge") {
            continue;
        }
        let (spans, issues) = sent_of_recording(SpanMode::Transaction, &events);
        let doubled: Vec<_> = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
        let mut orders = orders(&events).split_off(1);
        orders.truncate(2);
        orders.extend([events.clone(), doubled]);
        for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
            for (order, events) in orders.iter().enumerate() {
                let (again, again_issues) = sent_of_recording(mode, events);
                for (id, span) in &spans {
                    assert_eq!(again.get(id), Some(span), "{name}, {mode:?}, order {order}, span {id}");
                }
                assert_eq!((again.len(), &again_issues), (spans.len(), &issues), "{name}, {mode:?}, order {order}");
            }
        }
    }
}
