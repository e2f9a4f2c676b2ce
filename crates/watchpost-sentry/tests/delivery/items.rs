//! Items to send, and deliveries to send them with.

use std::time::Duration;

use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig},
    wire::{
        Attributes, DynamicSamplingContext, ErrorEvent, EventId, Exception, Level, Log, LogLevel, SpanId, SpanStatus,
        SpanV2, SpanV2Status, Timestamp, TraceId, Transaction, TransactionSource,
    },
};

/// Longer than anything here takes, so that a test that runs into it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// How much later than told something may return on a busy machine: far less than the 15 s that a request may hang.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(1);

pub(crate) fn start(dsn: &str) -> Delivery {
    Delivery::start(DeliveryConfig::new(dsn.parse().unwrap())).unwrap()
}

pub(crate) fn log(number: u64) -> Log<'static> {
    let mut attributes = Attributes::new();
    attributes.push("number", number as i64);
    Log {
        timestamp: Timestamp::now(),
        trace_id: TraceId([7; 16]),
        span_id: None,
        event_id: None,
        level: LogLevel::Info,
        body: format!("log {number}").into(),
        attributes,
    }
}

pub(crate) fn transaction(number: u64) -> Transaction<'static> {
    let now = Timestamp::now();
    Transaction {
        event_id: EventId(u128::from(number + 1).to_be_bytes()),
        name: "tools/call search".into(),
        source: TransactionSource::Custom,
        start: now,
        end: now,
        trace_id: TraceId([7; 16]),
        span_id: SpanId([7; 8]),
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

pub(crate) fn error(number: u64) -> ErrorEvent<'static> {
    ErrorEvent {
        event_id: EventId(u128::from(number + 1).to_be_bytes()),
        timestamp: Timestamp::now(),
        level: Level::Error,
        exceptions: vec![Exception { ty: "ToolCallError".into(), value: "it failed".into(), ..Exception::default() }],
        breadcrumbs: Vec::new(),
        fingerprint: Vec::new(),
        transaction: None,
        trace_id: TraceId([7; 16]),
        span_id: SpanId([7; 8]),
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

/// An error event of at least so many bytes.
pub(crate) fn large_error(number: u64, bytes: usize) -> ErrorEvent<'static> {
    let mut event = error(number);
    event.exceptions[0].value = "x".repeat(bytes).into();
    event
}

pub(crate) fn span(trace: u8, number: u8, is_segment: bool) -> SpanV2<'static> {
    let now = Timestamp::now();
    SpanV2 {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([number; 8]),
        parent_span_id: None,
        name: "chat".into(),
        status: SpanV2Status::Ok,
        is_segment,
        start: now,
        end: now,
        attributes: Attributes::new(),
        links: Vec::new(),
    }
}

pub(crate) fn context(trace: u8) -> DynamicSamplingContext<'static> {
    DynamicSamplingContext {
        trace_id: TraceId([trace; 16]),
        public_key: "key".into(),
        sample_rate: Some(1.0),
        sample_rand: None,
        sampled: Some(true),
        release: Some("server@1.0".into()),
        environment: None,
        transaction: None,
        org_id: None,
    }
}
