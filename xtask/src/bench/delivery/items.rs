//! What is handed over: a log as the MCP mapping writes them (16 attributes, about 1 KB), and a transaction with ten spans. The
//! program of the `sentry` crate hands over the same.

use std::time::Duration;

use watchpost_sentry::wire::{
    Attributes, EventId, Log, LogLevel, Span, SpanId, SpanStatus, Timestamp, TraceId, Transaction, TransactionSource,
};

const TRACE: TraceId = TraceId([0xa3; 16]);
const ROOT: SpanId = SpanId([0x5f; 8]);
const SESSION: &str = "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk";
const TOOL: &str = "search_documents";

/// The log.
pub(super) fn log() -> Log<'static> {
    let mut attributes = Attributes::with_capacity(16);
    for (key, value) in [
        ("sentry.environment", "production"),
        ("sentry.release", "search-server@1.4.2"),
        ("sentry.sdk.name", "watchpost.rust"),
        ("sentry.sdk.version", "0.1.0"),
        ("eventType", "tools/call"),
        ("resourceName", TOOL),
        ("sessionId", SESSION),
        ("eventId", "evt_2ZbSxjwJSNzTVyhHqEKMqqOUBXz"),
        ("serverName", "documentation-search"),
        ("serverVersion", "1.4.2"),
        ("clientName", "claude-code"),
        ("clientVersion", "2.1.0"),
        ("userIntent", "Find where the retry policy is documented"),
    ] {
        attributes.push(key, value);
    }
    attributes.push("duration_ms", 128.5);
    attributes.push("isError", false);
    attributes.push("number", 512);
    Log {
        timestamp: Timestamp::now(),
        trace_id: TRACE,
        span_id: Some(ROOT),
        event_id: Some(EventId([0x5f; 16])),
        level: LogLevel::Info,
        body: "MCP tools/call: search_documents".into(),
        attributes,
    }
}

/// The transaction; each needs an id of its own.
pub(super) fn transaction() -> Transaction<'static> {
    let now = Timestamp::now();
    let start = now.saturating_sub(Duration::from_millis(128));
    let span = |number: u8| Span {
        trace_id: TRACE,
        span_id: SpanId([number + 1; 8]),
        parent_span_id: Some(ROOT),
        op: "mcp.server".into(),
        description: Some("tools/call search_documents".into()),
        start,
        end: now,
        status: Some(SpanStatus::Ok),
        origin: None,
        data: vec![
            ("mcp.method.name".into(), "tools/call".into()),
            ("mcp.tool.name".into(), TOOL.into()),
            ("gen_ai.tool.name".into(), TOOL.into()),
            ("mcp.session.id".into(), SESSION.into()),
            ("mcp.transport".into(), "stdio".into()),
            ("network.transport".into(), "pipe".into()),
        ],
    };
    Transaction {
        event_id: EventId([1; 16]),
        name: "tools/call search_documents".into(),
        source: TransactionSource::Custom,
        start,
        end: now,
        trace_id: TRACE,
        span_id: ROOT,
        parent_span_id: None,
        op: "tools/call".into(),
        status: SpanStatus::Ok,
        origin: Some("auto.ai.mcp_server".into()),
        data: Vec::new(),
        contexts: Vec::new(),
        tags: vec![
            ("event_type".into(), "tools/call".into()),
            ("resource".into(), TOOL.into()),
            ("environment".into(), "production".into()),
        ],
        extra: vec![("sessionId".into(), SESSION.into())],
        user: None,
        release: Some("search-server@1.4.2".into()),
        environment: Some("production".into()),
        sdk: None,
        spans: (0..10).map(span).collect(),
    }
}
