//! What is handed over: items of every kind, each with an id and a content that follow from its number alone, so that whoever
//! receives one can tell whether it is what was handed over, byte for byte.

use watchpost_sentry::{
    delivery::Delivery,
    wire::{
        Attributes, DynamicSamplingContext, ErrorEvent, EventId, Exception, Level, Log, LogLevel, SpanId, SpanStatus,
        SpanV2, SpanV2Status, Timestamp, TraceId, Transaction, TransactionSource,
    },
};

/// The kinds of items, as the types of envelope items name them.
pub(super) const KINDS: [&str; 4] = ["event", "transaction", "span", "log"];

/// The moment when everything happened: 2026-01-01.
const MOMENT: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

/// The kind of the item with this number: of twenty one is an error, one a transaction, one a span, and the others are logs.
pub(super) fn kind(number: u64) -> &'static str {
    match number % 20 {
        0 => "event",
        1 => "transaction",
        2 => "span",
        _ => "log",
    }
}

/// Hands an item over.
pub(super) fn hand_over(delivery: &Delivery, number: u64) {
    match kind(number) {
        "event" => delivery.error(&error(number), None),
        "transaction" => delivery.transaction(&transaction(number), None),
        "span" => delivery.spans(&[span(number)], &context(number)),
        _ => delivery.log(&log(number)),
    }
}

/// An item's JSON.
pub(super) fn json(number: u64) -> Vec<u8> {
    let mut json = Vec::new();
    match kind(number) {
        "event" => error(number).write_json(&mut json),
        "transaction" => transaction(number).write_json(&mut json),
        "span" => span(number).write_json(&mut json),
        _ => log(number).write_json(&mut json),
    }
    json
}

/// From a few bytes to two kilobytes, so that records and requests are of every length.
fn filler(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{mixed:016x} ").repeat(1 + (mixed >> 57) as usize)
}

fn trace_id(number: u64) -> TraceId {
    TraceId((u128::from(number / 400) + 1).to_be_bytes())
}

fn event_id(number: u64) -> EventId {
    EventId((u128::from(number) + 1).to_be_bytes())
}

fn span_id(number: u64) -> SpanId {
    SpanId((number + 1).to_be_bytes())
}

fn log(number: u64) -> Log<'static> {
    let mut attributes = Attributes::new();
    attributes.push("number", number as i64);
    Log {
        timestamp: MOMENT,
        trace_id: trace_id(number),
        span_id: None,
        event_id: None,
        level: LogLevel::Info,
        body: filler(number).into(),
        attributes,
    }
}

fn error(number: u64) -> ErrorEvent<'static> {
    ErrorEvent {
        event_id: event_id(number),
        timestamp: MOMENT,
        level: Level::Error,
        exceptions: vec![Exception {
            ty: "ToolCallError".into(),
            value: filler(number).into(),
            ..Exception::default()
        }],
        breadcrumbs: Vec::new(),
        fingerprint: Vec::new(),
        transaction: None,
        trace_id: trace_id(number),
        span_id: span_id(number),
        parent_span_id: None,
        op: None,
        status: None,
        contexts: Vec::new(),
        tags: Vec::new(),
        extra: Vec::new(),
        user: None,
        release: None,
        environment: None,
        sdk: None,
        platform: "other".into(),
    }
}

fn transaction(number: u64) -> Transaction<'static> {
    Transaction {
        event_id: event_id(number),
        name: filler(number).into(),
        source: TransactionSource::Custom,
        start: MOMENT,
        end: MOMENT,
        trace_id: trace_id(number),
        span_id: span_id(number),
        parent_span_id: None,
        op: "tools/call".into(),
        status: SpanStatus::Ok,
        origin: None,
        data: Vec::new(),
        contexts: Vec::new(),
        tags: Vec::new(),
        extra: Vec::new(),
        user: None,
        release: None,
        environment: None,
        sdk: None,
        spans: Vec::new(),
    }
}

fn span(number: u64) -> SpanV2<'static> {
    let mut attributes = Attributes::new();
    attributes.push("filler", filler(number));
    SpanV2 {
        trace_id: trace_id(number),
        span_id: span_id(number),
        parent_span_id: None,
        name: "chat".into(),
        status: SpanV2Status::Ok,
        is_segment: number % 40 == 2,
        start: MOMENT,
        end: MOMENT,
        attributes,
        links: Vec::new(),
    }
}

fn context(number: u64) -> DynamicSamplingContext<'static> {
    DynamicSamplingContext {
        trace_id: trace_id(number),
        public_key: "key".into(),
        sample_rate: Some(1.0),
        sample_rand: None,
        sampled: Some(true),
        release: None,
        environment: None,
        transaction: None,
        org_id: None,
    }
}
