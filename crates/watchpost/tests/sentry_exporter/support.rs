//! A server that keeps what it is sent, and spans in one line.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use watchpost::{
    exporter::{ExporterOptions, SentryExporter, SentryExporterConfig},
    mapping::ai::SpanMode,
    model::{ErrorInfo, Span, SpanType, TracingEvent},
};
use watchpost_sentry::wire::{EnvelopeReader, ReadLimits, SpanId, Timestamp, TraceId};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server that takes every envelope, once it is let, and keeps what was in it.
pub(crate) struct Sink {
    pub(crate) dsn: String,
    pub(crate) envelopes: Arc<Mutex<Vec<Vec<u8>>>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

/// An item: its type, its payload, and the `trace` header of its envelope.
pub(crate) struct Item {
    pub(crate) ty: String,
    pub(crate) payload: Value,
    pub(crate) trace: Option<Value>,
    pub(crate) envelope: usize,
}

/// A span as it arrived, in whichever item.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) is_root: bool,
    pub(crate) json: Value,
}

impl Sink {
    pub(crate) fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn listen(listener: TcpListener) -> Self {
        let dsn = format!("http://0123abc@{}/42", listener.local_addr().unwrap());
        let envelopes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let (kept, gated) = (envelopes.clone(), gate.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, gated) = (kept.clone(), gated.clone());
                thread::spawn(move || {
                    while let Some(body) = read_request(&stream) {
                        // Kept before it is answered: whoever has the answer finds the envelope here.
                        kept.lock().unwrap().push(body);
                        let open = gated.1.wait_while(gated.0.lock().unwrap(), |open| !*open).unwrap();
                        drop(open);
                        if (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { dsn, envelopes, gate }
    }

    /// Answers nothing until it is opened again.
    pub(crate) fn close(&self) {
        *self.gate.0.lock().unwrap() = false;
    }

    pub(crate) fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    pub(crate) fn config(&self) -> SentryExporterConfig {
        SentryExporterConfig::default().with_dsn(&self.dsn)
    }

    pub(crate) fn exporter(&self) -> SentryExporter {
        SentryExporter::new(self.config()).unwrap()
    }

    pub(crate) fn with_mode(&self, mode: SpanMode) -> SentryExporter {
        SentryExporter::new(self.config().with_span_mode(mode)).unwrap()
    }

    pub(crate) fn with_options(&self, options: ExporterOptions) -> SentryExporter {
        SentryExporter::new(self.config().with_options(options)).unwrap()
    }

    /// The items of a kind; of containers each item in them.
    pub(crate) fn items(&self, kind: &str) -> Vec<Item> {
        let mut items = Vec::new();
        for (number, envelope) in self.envelopes.lock().unwrap().iter().enumerate() {
            let mut reader = EnvelopeReader::new(envelope.as_slice(), ReadLimits::default()).unwrap();
            let trace = reader.header().trace.clone();
            while let Some(item) = reader.next_item().unwrap() {
                if item.ty != kind {
                    continue;
                }
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
                    envelope: number,
                }));
            }
        }
        items
    }

    pub(crate) fn payloads(&self, kind: &str) -> Vec<Value> {
        self.items(kind).into_iter().map(|item| item.payload).collect()
    }

    pub(crate) fn everything(&self) -> String {
        self.envelopes.lock().unwrap().iter().map(|envelope| String::from_utf8_lossy(envelope).into_owned()).collect()
    }

    /// All spans: transactions' roots, the spans in them, and those of version 2.
    pub(crate) fn spans(&self) -> Vec<Arrived> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut spans = Vec::new();
        for transaction in self.payloads("transaction") {
            let context = &transaction["contexts"]["trace"];
            let arrived = |span: &Value, name: &Value, is_root| Arrived {
                trace_id: text(&span["trace_id"]).unwrap(),
                id: text(&span["span_id"]).unwrap(),
                parent: text(&span["parent_span_id"]),
                name: text(name).unwrap_or_default(),
                is_root,
                json: span.clone(),
            };
            spans.push(arrived(context, &transaction["transaction"], true));
            for span in transaction["spans"].as_array().into_iter().flatten() {
                spans.push(arrived(span, &span["description"], false));
            }
        }
        for span in self.payloads("span") {
            spans.push(Arrived {
                trace_id: text(&span["trace_id"]).unwrap(),
                id: text(&span["span_id"]).unwrap(),
                parent: text(&span["parent_span_id"]),
                name: text(&span["name"]).unwrap(),
                is_root: span["is_segment"] == Value::Bool(true),
                json: span,
            });
        }
        spans
    }

    /// What Sentry was told of drops: reason, category, quantity.
    pub(crate) fn reported(&self) -> Vec<(String, String, u64)> {
        let mut reported = std::collections::BTreeMap::new();
        for report in self.payloads("client_report") {
            for entry in report["discarded_events"].as_array().unwrap() {
                let key = |name: &str| entry[name].as_str().unwrap().to_owned();
                *reported.entry((key("reason"), key("category"))).or_insert(0) += entry["quantity"].as_u64().unwrap();
            }
        }
        reported.into_iter().map(|((reason, category), quantity)| (reason, category, quantity)).collect()
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

pub(crate) fn trace(number: u64) -> TraceId {
    // The end decides over sampling: spread it.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..].copy_from_slice(&spread.to_be_bytes());
    TraceId(id)
}

pub(crate) fn id(number: u64) -> SpanId {
    SpanId(number.to_be_bytes())
}

pub(crate) fn hex(number: u64) -> String {
    id(number).to_string()
}

/// A span of trace 1; below another one, if `parent` is not 0.
pub(crate) fn span(number: u64, parent: u64, ty: SpanType) -> Span {
    let name = format!("{ty} {number}");
    let start = Timestamp::now().saturating_sub(Duration::from_secs(1));
    let mut span = Span::new(trace(1), id(number), ty, name, start);
    if parent != 0 {
        span.parent_span_id = Some(id(parent));
        span.is_root = false;
    }
    span
}

pub(crate) fn failed(mut span: Span, message: &str) -> Span {
    span.error = Some(Box::new(ErrorInfo { message: message.to_owned(), ..ErrorInfo::default() }));
    span
}

pub(crate) fn in_trace(number: u64, mut span: Span) -> Span {
    span.trace_id = trace(number);
    span
}

pub(crate) fn start(exporter: &SentryExporter, span: &Span) {
    exporter.export_tracing_event(TracingEvent::SpanStarted(Box::new(span.clone())));
}

pub(crate) fn end(exporter: &SentryExporter, span: &Span) {
    let span = Span { end: Some(Timestamp::now()), ..span.clone() };
    exporter.export_tracing_event(TracingEvent::SpanEnded(Box::new(span)));
}

/// Starts spans in their order and ends them in the opposite one.
pub(crate) fn nest(exporter: &SentryExporter, spans: &[Span]) {
    spans.iter().for_each(|span| start(exporter, span));
    spans.iter().rev().for_each(|span| end(exporter, span));
}

/// An agent, its generation, and a tool's call below a step; and a workflow's step.
pub(crate) fn agent_trace() -> [Span; 5] {
    [
        span(1, 0, SpanType::AgentRun),
        span(2, 1, SpanType::ModelGeneration),
        span(3, 2, SpanType::ModelStep),
        span(4, 3, SpanType::ToolCall),
        span(5, 4, SpanType::WorkflowStep),
    ]
}

/// How often something happened.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
