//! Measures what one AI span costs on the exporter's thread: redaction, mapping, encoding.
//!
//! `cargo run --release -p watchpost --example span_cost`; with the path of a trace (`xtask/src/bench/spans/trace.jsonl`) the
//! cost of its spans is measured and nothing else.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that measures")]

use std::{hint::black_box, time::Instant};

use serde_json::json;
use watchpost::{
    mapping::ai::{self, AiSettings},
    model::{
        FinishedSpan, Gathered, ModelGenerationAttributes, Payload, Span, SpanAttributes, SpanCompletion, SpanType,
        TracingEvent, UsageStats, Withheld, mastra,
    },
    redact::{Capture, redact_span},
};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

const RUNS: u32 = 200;
const ROUNDS: u32 = 100;

fn main() {
    let settings = AiSettings::default();
    if let Some(path) = std::env::args().nth(1) {
        return measure_trace(&std::fs::read_to_string(path).unwrap(), &settings);
    }
    let span = generation(2_000);
    let redacted = measure("redact a clean span of 2 KB (with a copy of it)", ROUNDS, || {
        let mut span = span.clone();
        redact_span(&mut span, Capture::ALL);
        black_box(&span);
    });
    let copied = measure("copy it", ROUNDS, || {
        black_box(span.clone());
    });
    println!("{:8.2} µs  redaction alone", redacted - copied);
    measure("map it (version 1)", ROUNDS, || {
        black_box(ai::span(&span, &settings));
    });
    let mut out = Vec::new();
    measure("map and encode it (version 1)", ROUNDS, || {
        out.clear();
        ai::span(&span, &settings).write_json(&mut out);
        black_box(&out);
    });
    measure("map and encode it (version 2)", ROUNDS, || {
        out.clear();
        ai::span_v2(&span, &span, &settings).write_json(&mut out);
        black_box(&out);
    });
    let long = generation(1_000_000);
    let redacted = measure("redact a clean span of 1 MB (with a copy of it)", 1, || {
        let mut span = long.clone();
        redact_span(&mut span, Capture::ALL);
        black_box(&span);
    });
    let copied = measure("copy it", 1, || {
        black_box(long.clone());
    });
    println!("{:8.2} GB/s  scanned", 1e3 / (redacted - copied));
}

/// The best of many short runs: shorter than a scheduler's time slice, so that some are undisturbed.
fn measure(what: &str, rounds: u32, mut run: impl FnMut()) -> f64 {
    let best = (0..RUNS).map(|_| {
        let start = Instant::now();
        (0..rounds).for_each(|_| run());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
    });
    let micros = best.fold(f64::INFINITY, f64::min);
    println!("{micros:8.2} µs  {what}");
    micros
}

/// A whole trace: all its spans redacted, then those that are sent mapped and encoded as one transaction.
fn measure_trace(lines: &str, settings: &AiSettings) {
    let ended = |line: &str| match mastra::parse_line(line).unwrap() {
        TracingEvent::SpanEnded(span) => Some(finished(*span)),
        _ => None,
    };
    let spans: Vec<_> = lines.lines().filter_map(ended).filter(|span| ai::operation(&span.span.ty).is_some()).collect();
    let rounds = ROUNDS / 5;
    let per_span = |what: &str, run: &mut dyn FnMut()| measure(what, rounds, run) / spans.len() as f64;
    let mut clean = spans.clone();
    let redacted = per_span("redact the trace's spans, which are clean", &mut || {
        clean.iter_mut().for_each(|span| redact_span(span, Capture::ALL));
    });
    let mut out = Vec::new();
    let (root, children) = spans.split_last().unwrap();
    let encoded = per_span("map and encode them as a transaction", &mut || {
        out.clear();
        let children = children.iter().map(|child| ai::span(child, settings)).collect();
        ai::transaction(root, children, settings).write_json(&mut out);
        black_box(&out);
    });
    println!("{redacted:8.2} µs  redaction, {encoded:.2} µs mapping and encoding, of each of {} spans", spans.len());
    println!("{:8} bytes of JSON", out.len());
}

/// A generation whose messages are about so many bytes.
fn generation(bytes: usize) -> FinishedSpan {
    let text = "What is the weather like in Vienna, and should I take an umbrella with me? ";
    let message = |role: &str| json!({"role": role, "content": [{"type": "text", "text": text.repeat(4)}]});
    let count = (bytes / message("user").to_string().len()).max(2);
    let messages: Vec<_> = ["user", "assistant"].into_iter().cycle().take(count).map(message).collect();
    let mut span = Span::new(
        TraceId([1; 16]),
        SpanId([2; 8]),
        SpanType::ModelGeneration,
        "llm: 'gpt-4o'",
        Timestamp::from_nanos(1),
    );
    span.end = Some(Timestamp::from_nanos(2));
    span.attributes = SpanAttributes::ModelGeneration(Box::new(ModelGenerationAttributes {
        model: Some("gpt-4o".into()),
        provider: Some("openai".into()),
        usage: Some(UsageStats::new(120, 45)),
        streaming: Some(true),
        finish_reason: Some("stop".into()),
        response_model: Some("gpt-4o-2024-08-06".into()),
        ..ModelGenerationAttributes::default()
    }));
    span.metadata = vec![("runId".into(), "79da2fc4-930d-42a0-b8f4-43aceb2b5abb".into())];
    span.input = Some(Payload::from(json!({"messages": messages})));
    span.output = Some(Payload::from(json!({"text": text, "files": [], "toolCalls": []})));
    finished(span)
}

fn finished(span: Span) -> FinishedSpan {
    FinishedSpan {
        parent_span_id: span.parent_span_id.or(Some(SpanId([1; 8]))),
        span: Box::new(span),
        completion: SpanCompletion::Ended,
        agent: None,
        gathered: Gathered::default(),
        reports_error: false,
        breadcrumbs: Vec::new(),
        withheld: Withheld::default(),
    }
}
