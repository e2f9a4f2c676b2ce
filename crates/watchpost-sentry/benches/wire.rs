//! What writing costs: a log of 1 KB with 16 attributes, a transaction of 10 spans, JSON as a text, and the same log by
//! `serde_json`.
//! `cargo bench -p watchpost-sentry --bench wire [NAME]` prints the best of several rounds, which is what the machine's
//! noise leaves alone.

#![allow(clippy::print_stdout)]

use std::{borrow::Cow, hint::black_box, time::Instant};

use serde_json::json;
use watchpost_sentry::wire::{
    Attributes, EventId, Log, LogLevel, Span, SpanId, SpanStatus, Timestamp, TraceId, Transaction, TransactionSource,
    json::JsonWriter,
};

const ROUNDS: usize = 15;
const PER_ROUND: u32 = 20_000;

fn main() {
    let log = sample_log();
    let mut out = Vec::new();
    log.write_json(&mut out);
    let size = out.len();
    let read: serde_json::Value = serde_json::from_slice(&out).unwrap_or_default();

    report("log, written", size, |out| log.write_json(out));
    report("log, built and written", size, |out| sample_log().write_json(out));
    report("log, a prebuilt serde_json::Value", size, |out| {
        let _ = serde_json::to_writer(out, &read);
    });

    let transaction = sample_transaction();
    let mut out = Vec::new();
    transaction.write_json(&mut out);
    report("transaction of 10 spans, written", out.len(), |out| transaction.write_json(out));

    let messages = sample_messages();
    report("JSON as a text, written", messages.len(), |out| JsonWriter::new(out).string(&messages));
}

fn report(what: &str, size: usize, mut write: impl FnMut(&mut Vec<u8>)) {
    let wanted =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).all(|name| what.contains(&name));
    if !wanted {
        return;
    }
    let mut out = Vec::with_capacity(size * 128);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for i in 0..PER_ROUND {
            if i % 100 == 0 {
                out.clear();
            }
            write(&mut out);
            black_box(out.as_slice());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(PER_ROUND));
    }
    println!("{what:36} {best:8.0} ns {size:6} B {:6.2} GB/s", size as f64 / best);
}

fn sample_log() -> Log<'static> {
    let mut attributes = Attributes::with_capacity(16);
    attributes.push("sentry.environment", "production");
    attributes.push("sentry.release", "search-server@1.4.2");
    attributes.push("sentry.sdk.name", "watchpost.rust");
    attributes.push("sentry.sdk.version", "0.1.0");
    attributes.push("eventType", "tools/call");
    attributes.push("resourceName", "search_documents");
    attributes.push("sessionId", "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk");
    attributes.push("eventId", "evt_2ZbSxjwJSNzTVyhHqEKMqqOUBXz");
    attributes.push("serverName", "documentation-search");
    attributes.push("serverVersion", "1.4.2");
    attributes.push("clientName", "claude-code");
    attributes.push("clientVersion", "2.1.0");
    attributes.push("duration_ms", 128.5);
    attributes.push("isError", false);
    attributes.push("mcp.request.bytes", 512);
    attributes.push("userIntent", "Find where the retry policy is documented");
    Log {
        timestamp: Timestamp::from_nanos(1_763_632_800_123_456_789),
        trace_id: TraceId([0xa3; 16]),
        span_id: Some(SpanId([0x5f; 8])),
        event_id: Some(EventId([0x5f; 16])),
        level: LogLevel::Info,
        body: Cow::Borrowed("MCP tools/call: search_documents"),
        attributes,
    }
}

/// A conversation about tools, as agents' spans have it: a quote every few bytes.
fn sample_messages() -> String {
    let messages = (0..8).map(|i| {
        let arguments = json!({"limit": i, "query": "retry policy"});
        let call = json!({"id": format!("call_{i}"), "name": "search_documents", "arguments": arguments});
        json!({"role": "assistant", "content": "I look where it is documented.", "tool_calls": [call]})
    });
    serde_json::Value::Array(messages.collect()).to_string()
}

fn sample_transaction() -> Transaction<'static> {
    let start = Timestamp::from_nanos(1_763_632_800_000_000_000);
    let end = Timestamp::from_nanos(1_763_632_800_123_456_789);
    let data = || {
        vec![
            (Cow::Borrowed("gen_ai.tool.name"), "search_documents".into()),
            (Cow::Borrowed("mcp.method.name"), "tools/call".into()),
            (Cow::Borrowed("mcp.session.id"), "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk".into()),
            (Cow::Borrowed("mcp.request.bytes"), 512.into()),
        ]
    };
    let span = |id| Span {
        trace_id: TraceId([0xa3; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: Some(SpanId([0x5f; 8])),
        op: Cow::Borrowed("mcp.server"),
        description: Some(Cow::Borrowed("tools/call search_documents")),
        start,
        end,
        status: Some(SpanStatus::Ok),
        origin: Some(Cow::Borrowed("auto.ai.mcp_server")),
        data: data(),
    };
    Transaction {
        event_id: EventId([0x5f; 16]),
        name: Cow::Borrowed("MCP tools/call: search_documents"),
        source: TransactionSource::Custom,
        start,
        end,
        trace_id: TraceId([0xa3; 16]),
        span_id: SpanId([0x5f; 8]),
        parent_span_id: None,
        op: Cow::Borrowed("tools/call"),
        status: SpanStatus::Ok,
        origin: Some(Cow::Borrowed("auto.ai.mcp_server")),
        data: data(),
        contexts: Vec::new(),
        tags: vec![(Cow::Borrowed("server_name"), Cow::Borrowed("documentation-search"))],
        extra: data(),
        user: None,
        release: Some(Cow::Borrowed("search-server@1.4.2")),
        environment: Some(Cow::Borrowed("production")),
        sdk: None,
        spans: (1..=10).map(span).collect(),
    }
}
