//! The exporter against a real socket: what is sent for which event, what sampling and capture leave out, and what the outcome
//! says of it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use watchpost::{
    exporter::{McpExporter, SentryConfig},
    mapping::sample_rand,
    mcp::{Moment, ObserverOptions, StdioObserver},
    model::{Actor, Direction, ErrorInfo, McpEvent, StrayOutput},
    redact::Capture,
};
use watchpost_sentry::{
    delivery::DropReason,
    wire::{EnvelopeReader, ReadLimits, Timestamp},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that takes every envelope and keeps what was in it.
struct Sink {
    dsn: String,
    envelopes: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// An item: its type, its payload, and the `trace` header of its envelope.
struct Item {
    ty: String,
    payload: Value,
    trace: Option<Value>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://0123abc@{}/42", listener.local_addr().unwrap());
        let envelopes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&envelopes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    // Kept before it is answered: whoever has the answer finds the envelope here.
                    while let Some(body) = read_request(&stream) {
                        kept.lock().unwrap().push(body);
                        if (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { dsn, envelopes }
    }

    fn config(&self) -> SentryConfig {
        SentryConfig::default().with_dsn(&self.dsn)
    }

    /// The items of a kind; of log containers each log.
    fn items(&self, kind: &str) -> Vec<Item> {
        let mut items = Vec::new();
        for envelope in self.envelopes.lock().unwrap().iter() {
            let mut reader = EnvelopeReader::new(envelope.as_slice(), ReadLimits::default()).unwrap();
            let trace = reader.header().trace.clone();
            while let Some(item) = reader.next_item().unwrap() {
                let payload: Value = serde_json::from_slice(&item.payload).unwrap();
                let payloads = match payload.get("items") {
                    Some(contained) => contained.as_array().unwrap().clone(),
                    None => vec![payload],
                };
                let (ty, trace) = (item.ty, trace.clone());
                items.extend(payloads.into_iter().map(|payload| Item {
                    ty: ty.clone(),
                    payload,
                    trace: trace.clone(),
                }));
            }
        }
        items.retain(|item| item.ty == kind);
        items
    }

    fn payloads(&self, kind: &str) -> Vec<Value> {
        self.items(kind).into_iter().map(|item| item.payload).collect()
    }

    fn everything(&self) -> String {
        self.envelopes.lock().unwrap().iter().map(|envelope| String::from_utf8_lossy(envelope).into_owned()).collect()
    }
}

/// Reads one request and returns its body; `None` at the end of the connection.
fn read_request(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn call(number: u32) -> McpEvent {
    McpEvent {
        event_id: format!("evt_{number}"),
        session_id: Some("ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv".to_owned()),
        event_type: "tools/call".into(),
        resource_name: Some("echo".to_owned()),
        timestamp: Timestamp::now(),
        duration: Some(Duration::from_millis(5)),
        ..McpEvent::default()
    }
}

fn failed_call(number: u32) -> McpEvent {
    let error = ErrorInfo { message: "backend offline".to_owned(), ..ErrorInfo::default() };
    McpEvent { is_error: true, error: Some(error), ..call(number) }
}

#[test]
fn without_tracing_an_event_is_a_log_and_a_failure_an_error_event_too() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config()).unwrap();
    exporter.export(&call(1));
    exporter.export(&failed_call(2));
    let outcome = exporter.shutdown(PATIENCE);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.accepted(), outcome.sent()), (3, 3));
    let logs = sink.payloads("log");
    assert_eq!(logs.iter().map(|log| log["level"].as_str().unwrap()).collect::<Vec<_>>(), ["info", "error"]);
    assert_eq!(sink.payloads("transaction").len(), 0);
    assert_eq!(sink.payloads("event")[0]["exception"]["values"][0]["value"], "backend offline");
}

#[test]
fn with_tracing_each_event_is_a_transaction_too_and_all_three_share_their_trace() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config().with_tracing(true).with_release("server@1.0.0")).unwrap();
    exporter.export(&failed_call(1));
    assert!(exporter.flush(PATIENCE).complete);
    let (log, transaction, error) = (&sink.items("log")[0], &sink.items("transaction")[0], &sink.items("event")[0]);
    let trace_id = &log.payload["trace_id"];
    assert_eq!(trace_id, "e963ce26acda858c7625c30b83f6b9b0");
    for item in [transaction, error] {
        assert_eq!(&item.payload["contexts"]["trace"]["trace_id"], trace_id);
        let trace = item.trace.as_ref().unwrap();
        assert_eq!((&trace["trace_id"], &trace["public_key"]), (trace_id, &json!("0123abc")));
        assert_eq!(
            (&trace["sampled"], &trace["sample_rate"], &trace["release"]),
            (&json!("true"), &json!("1"), &json!("server@1.0.0"))
        );
    }
    assert_eq!(error.payload["contexts"]["trace"]["span_id"], transaction.payload["spans"][0]["span_id"]);
    assert_eq!(log.trace, None, "logs of many traces share an envelope");
}

#[test]
fn sampling_leaves_out_transactions_alone_and_counts_them() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config().with_tracing(true).with_traces_sample_rate(0.5)).unwrap();
    let sessions: Vec<_> = (0..40).map(|number| format!("ses_{number}")).collect();
    for (number, session) in (0..).zip(&sessions) {
        exporter.export(&McpEvent { session_id: Some(session.clone()), ..failed_call(number) });
    }
    let outcome = exporter.shutdown(PATIENCE);
    let sent = sink.payloads("transaction");
    assert_eq!((sink.payloads("log").len(), sink.payloads("event").len()), (40, 40));
    assert!((5..35).contains(&sent.len()), "{} of 40", sent.len());
    let unsampled = 40 - sent.len() as u64;
    assert_eq!(outcome.dropped_by(DropReason::SampleRate), unsampled);
    for transaction in sent {
        let id = transaction["contexts"]["trace"]["trace_id"].as_str().unwrap();
        assert!(sample_rand(id.parse().unwrap()) < 0.5);
    }
}

#[test]
fn an_unsampled_transaction_is_one_drop_whose_spans_sentry_is_told_of() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config().with_tracing(true).with_traces_sample_rate(0.0)).unwrap();
    (0..4).for_each(|number| exporter.export(&call(number)));
    let outcome = exporter.shutdown(PATIENCE);
    assert_eq!((outcome.dropped_by(DropReason::SampleRate), outcome.sent(), outcome.accepted()), (4, 4, 8));
    let mut reported: Vec<_> = sink
        .payloads("client_report")
        .iter()
        .flat_map(|report| report["discarded_events"].as_array().unwrap().clone())
        .map(|discarded| (discarded["category"].as_str().unwrap().to_owned(), discarded["quantity"].as_u64().unwrap()))
        .collect();
    reported.sort();
    assert_eq!(reported, [("span".to_owned(), 8), ("transaction".to_owned(), 4)]);
}

#[test]
fn secrets_never_reach_the_wire() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config().with_tracing(true).with_capture(Capture::ALL)).unwrap();
    let canary = "ghp_CANARYcanary0123456789";
    let text = || Some(format!("before {canary} after"));
    exporter.export(&McpEvent {
        resource_name: text(),
        user_intent: text(),
        actor: Some(Actor { id: text(), name: text(), data: Some(json!({"password": "CANARY", "deep": [canary]})) }),
        arguments: Some(format!(r#"{{"apiKey":"CANARY","text":"{canary}"}}"#)),
        result: text(),
        error: Some(ErrorInfo { message: text().unwrap(), stack: text(), data: text(), ..ErrorInfo::default() }),
        tags: vec![("region".to_owned(), canary.to_owned()), ("token".to_owned(), "CANARY".to_owned())],
        properties: vec![("p".to_owned(), json!({"secret": "CANARY"}))],
        ..failed_call(1)
    });
    exporter.warn_of_stray_output("ses_1", &stray(&format!("token=CANARY {canary}")), Timestamp::now());
    assert!(exporter.shutdown(PATIENCE).complete);
    let everything = sink.everything();
    assert!(!everything.contains("CANARY"), "{everything}");
    assert!(everything.contains("[Filtered]"));
}

#[test]
fn capture_decides_which_content_leaves() {
    let sink = Sink::start();
    let event = McpEvent {
        user_intent: Some("INTENT".to_owned()),
        actor: Some(Actor { id: Some("ACTOR".to_owned()), ..Actor::default() }),
        arguments: Some(r#"{"a":"ARGUMENT"}"#.to_owned()),
        result: Some("RESULT".to_owned()),
        error: Some(ErrorInfo { message: "MESSAGE".to_owned(), ..ErrorInfo::default() }),
        ..failed_call(1)
    };
    for (capture, expected) in [
        (Capture::NONE, [false, false, false, false, false]),
        (Capture::SEED, [true, true, true, false, false]),
        (Capture::ALL, [true, true, true, true, true]),
    ] {
        sink.envelopes.lock().unwrap().clear();
        let exporter = McpExporter::new(sink.config().with_tracing(true).with_capture(capture)).unwrap();
        exporter.export(&event);
        assert!(exporter.shutdown(PATIENCE).complete);
        let everything = sink.everything();
        let sent = ["INTENT", "ACTOR", "MESSAGE", "ARGUMENT", "RESULT"].map(|content| everything.contains(content));
        assert_eq!(sent, expected, "{capture:?}");
        assert!(everything.contains("tools/call echo"), "metadata always flows");
    }
}

fn stray(first_line: &str) -> StrayOutput {
    let mut stray = StrayOutput::default();
    stray.lines = 3;
    stray.bytes = 120;
    stray.first_line = Some(first_line.to_owned());
    stray
}

#[test]
fn stray_output_is_one_warning_in_the_sessions_trace() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config()).unwrap();
    exporter.warn_of_stray_output("ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv", &stray("Server ready"), Timestamp::now());
    assert!(exporter.shutdown(PATIENCE).complete);
    let logs = sink.payloads("log");
    assert_eq!((logs.len(), &logs[0]["level"]), (1, &json!("warn")));
    assert_eq!(logs[0]["trace_id"], "e963ce26acda858c7625c30b83f6b9b0");
    let attribute = |key: &str| logs[0]["attributes"][key]["value"].clone();
    assert_eq!((attribute("watchpost.stray.lines"), attribute("watchpost.stray.bytes")), (json!(3), json!(120)));
    assert_eq!(attribute("watchpost.stray.first_line"), "Server ready");
}

#[test]
fn a_stray_line_is_redacted_before_it_is_escaped_and_cut() {
    let long_token = format!("{} ghp_{}", "x".repeat(190), "A1".repeat(20));
    for (line, expected) in [
        ("password:\thunter2secret", r"password:\t[Filtered]".to_owned()),
        ("\u{1b}[32mpassword=\u{1b}[0mhunter3secret", "password=[Filtered]".to_owned()),
        (&*long_token, format!("{} [Filtere…", "x".repeat(190))),
        ("\u{1b}[31mServer\tready\u{1b}[0m", r"Server\tready".to_owned()),
    ] {
        let sink = Sink::start();
        let exporter = McpExporter::new(sink.config()).unwrap();
        let mut observer = StdioObserver::new(ObserverOptions::default());
        observer.feed(Direction::ServerToClient, format!("{line}\r\n").as_bytes(), Moment::now());
        exporter.warn_of_stray_output("ses_1", observer.stray(), Timestamp::now());
        assert!(exporter.shutdown(PATIENCE).complete);
        assert_eq!(sink.payloads("log")[0]["attributes"]["watchpost.stray.first_line"]["value"], expected);
    }
}

#[test]
fn clones_share_their_delivery_and_their_figures() {
    let sink = Sink::start();
    let exporter = McpExporter::new(sink.config()).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let exporter = exporter.clone();
            thread::spawn(move || (0..250).for_each(|number| exporter.export(&call(thread * 1000 + number))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let outcome = exporter.shutdown(PATIENCE);
    assert_eq!((outcome.accepted(), outcome.sent(), outcome.complete), (1000, 1000, true));
    assert_eq!(sink.payloads("log").len(), 1000);
}
