//! Measures what an event costs on the host's thread: nanoseconds for redaction, mapping and JSON, and for the whole export.
//!
//! `cargo run --release -p watchpost --example export_cost`
#![allow(clippy::print_stdout, reason = "printing is what it does")]

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use watchpost::{
    exporter::{McpExporter, SentryConfig},
    mapping::{Settings, mcp},
    model::{Actor, ErrorInfo, Implementation, McpEvent, Transport, event_id, session_id},
    redact::{Capture, redact_event, redact_text},
};
use watchpost_sentry::wire::Timestamp;

/// Each figure is the best of many short runs: shorter than a scheduler's time slice, so that some are undisturbed.
const RUNS: u32 = 500;
/// Calls in a run.
const ROUNDS: u32 = 200;

fn main() {
    let text = "Searching across the organization's repositories to find all open issues related to performance complaints and \
                latency issues for team prioritization.";
    measure("redact: a word", || redact_text(black_box("tools/call")));
    measure("redact: a session id", || redact_text(black_box("ses_2cACdTb4mCsXob5DIVAuk7LMzLm")));
    measure("redact: 150 characters of prose", || redact_text(black_box(text)));
    let kilobytes = text.repeat(14);
    measure("redact: 2 KiB of prose", || redact_text(black_box(&kilobytes)));
    let json = json!({"items": (0..20).map(|n| json!({"id": n, "name": "some-thing", "tags": ["a", "b"]})).collect::<Vec<_>>()}).to_string();
    measure(&format!("redact: {} bytes of JSON", json.len()), || redact_text(black_box(&json)));

    let event = event();
    let failed = McpEvent {
        is_error: true,
        error: Some(ErrorInfo { message: "backend offline: try later".to_owned(), ..ErrorInfo::default() }),
        ..event.clone()
    };
    let settings = Settings::default().with_release("server@1.0.0").with_tracing(true);
    let mut out = Vec::new();
    measure("event: redact", || redact_event(black_box(&event), Capture::SEED));
    measure("event: log", || mcp::log(black_box(&event), &settings));
    measure("event: log and JSON", || {
        out.clear();
        mcp::log(black_box(&event), &settings).write_json(&mut out);
    });
    println!("    {} bytes", out.len());
    measure("event: transaction and JSON", || {
        out.clear();
        mcp::transaction(black_box(&event), &settings).write_json(&mut out);
    });
    println!("    {} bytes", out.len());
    measure("event: error event and JSON", || {
        out.clear();
        mcp::error_event(black_box(&failed), &settings).write_json(&mut out);
    });
    println!("    {} bytes", out.len());

    let dsn = sink();
    for (name, tracing, event) in [
        ("export: log", false, &event),
        ("export: log and transaction", true, &event),
        ("export: all three", true, &failed),
    ] {
        let config = SentryConfig::default().with_dsn(&dsn).with_release("server@1.0.0").with_tracing(tracing);
        let Ok(exporter) = McpExporter::new(config) else { return };
        measure(name, || exporter.export(black_box(event)));
        println!("    {}", exporter.shutdown(Duration::from_secs(2)));
    }
}

fn event() -> McpEvent {
    let now = Timestamp::now();
    McpEvent {
        event_id: event_id(now),
        session_id: Some(session_id(now)),
        project_id: Some("proj_golden".to_owned()),
        event_type: "tools/call".into(),
        resource_name: Some("search_issues".to_owned()),
        timestamp: now,
        duration: Some(Duration::from_micros(12_345)),
        user_intent: Some("Checking which issues are open before the release goes out to the customers".to_owned()),
        actor: Some(Actor { id: Some("user-42".to_owned()), name: Some("Ada Lovelace".to_owned()), data: None }),
        server: implementation("golden-server", "1.2.3"),
        client: implementation("golden-client", "9.8.7"),
        protocol_version: Some("2025-11-25".to_owned()),
        transport: Some(Transport::Stdio),
        request_id: Some("42".to_owned()),
        request_bytes: Some(312),
        response_bytes: Some(2048),
        content_count: Some(1),
        ..McpEvent::default()
    }
}

fn implementation(name: &str, version: &str) -> Implementation {
    Implementation { name: Some(name.to_owned()), title: None, version: Some(version.to_owned()) }
}

/// A server that takes everything.
fn sink() -> String {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { return String::new() };
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut bytes = [0; 64 * 1024];
                while matches!(stream.read(&mut bytes), Ok(read) if read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                }
            });
        }
    });
    format!("http://key@{address}/1")
}

fn measure<T>(name: &str, mut call: impl FnMut() -> T) {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(call());
        }
        best = best.min(start.elapsed());
    }
    println!("{name:<36} {:>8.0} ns", best.as_secs_f64() * 1e9 / f64::from(ROUNDS));
}
