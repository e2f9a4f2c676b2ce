//! Every item: the exact JSON of one, and what the writer mends. Source: Sentry's protocol of each item.

use serde_json::json;
use watchpost_sentry::wire::{
    Attributes, Breadcrumb, Category, ClientReport, DiscardReason, DiscardedItems, DynamicSamplingContext, ErrorEvent,
    EventId, Exception, Frame, Level, Log, LogLevel, Mechanism, SdkInfo, Span, SpanId, SpanLink, SpanStatus, SpanV2,
    SpanV2Status, Timestamp, TraceId, Transaction, TransactionSource, User, Value,
    json::{MAX_DEPTH, TOO_DEEP},
};

const TRACE: TraceId = TraceId([0xab; 16]);
const SPAN: SpanId = SpanId([0xcd; 8]);
const PARENT: SpanId = SpanId([0xef; 8]);
const EVENT: EventId = EventId([0x12; 16]);
const START: Timestamp = Timestamp::from_nanos(1_700_000_000_250_000_999);
const END: Timestamp = Timestamp::from_nanos(1_700_000_001_000_000_000);

pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn log() -> Log<'static> {
    Log {
        timestamp: START,
        trace_id: TRACE,
        span_id: None,
        event_id: None,
        level: LogLevel::Warn,
        body: "MCP tools/list".into(),
        attributes: Attributes::new(),
    }
}

fn transaction() -> Transaction<'static> {
    Transaction {
        event_id: EVENT,
        name: "MCP tools/call: search".into(),
        source: TransactionSource::Custom,
        start: START,
        end: END,
        trace_id: TRACE,
        span_id: SPAN,
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

fn span() -> Span<'static> {
    Span {
        trace_id: TRACE,
        span_id: PARENT,
        parent_span_id: Some(SPAN),
        op: "mcp.server".into(),
        description: Some("tools/call search".into()),
        start: START,
        end: END,
        status: Some(SpanStatus::InternalError),
        origin: Some("auto.ai.mcp_server".into()),
        data: vec![("gen_ai.tool.name".into(), "search".into())],
    }
}

fn sampling_context() -> DynamicSamplingContext<'static> {
    DynamicSamplingContext {
        trace_id: TRACE,
        public_key: "0123abcd".into(),
        sample_rate: Some(0.25),
        sample_rand: Some(0.999_999_9),
        sampled: Some(false),
        release: None,
        environment: Some("production".into()),
        transaction: None,
        org_id: Some("42".into()),
    }
}

pub(crate) fn error_event() -> ErrorEvent<'static> {
    ErrorEvent {
        event_id: EVENT,
        timestamp: END,
        level: Level::Error,
        exceptions: Vec::new(),
        breadcrumbs: Vec::new(),
        fingerprint: Vec::new(),
        transaction: None,
        trace_id: TRACE,
        span_id: SPAN,
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

#[test]
fn a_log_is_written_with_typed_attributes() {
    let mut attributes = Attributes::with_capacity(8);
    attributes.push("mcp.tool.name", "search \"docs\"");
    attributes.push("count", 3);
    attributes.push("duration_ms", 12.0);
    attributes.push("is_error", false);
    attributes.push("tags", vec!["a", "b"]);
    attributes.push("bytes", u64::MAX);
    attributes.push("ratio", f64::NAN);
    attributes.push_some("absent", None::<&str>);
    let log = Log { span_id: Some(SPAN), event_id: Some(EVENT), attributes, ..log() };
    assert_eq!(
        written(|out| log.write_json(out)),
        concat!(
            r#"{"timestamp":1700000000.250000,"trace_id":"abababababababababababababababab","#,
            r#""span_id":"cdcdcdcdcdcdcdcd","event_id":"12121212121212121212121212121212","#,
            r#""level":"warn","body":"MCP tools/list","attributes":{"#,
            r#""mcp.tool.name":{"value":"search \"docs\"","type":"string"},"#,
            r#""count":{"value":3,"type":"integer"},"#,
            r#""duration_ms":{"value":12.0,"type":"double"},"#,
            r#""is_error":{"value":false,"type":"boolean"},"#,
            r#""tags":{"value":["a","b"],"type":"array"},"#,
            r#""bytes":{"value":"18446744073709551615","type":"string"},"#,
            r#""ratio":{"value":"NaN","type":"string"}}}"#,
        )
    );
}

#[test]
fn an_attribute_set_twice_is_written_once_with_its_last_value() {
    let mut attributes = Attributes::new();
    attributes.push("a", 1);
    attributes.push("b", 2);
    attributes.push("a", 3);
    assert_eq!(attributes.get("a"), Some(&3.into()));
    let json = written(|out| attributes.write_json(out));
    assert_eq!(json, r#"{"b":{"value":2,"type":"integer"},"a":{"value":3,"type":"integer"}}"#);
}

#[test]
fn a_transaction_is_written_as_relay_wants_it() {
    let transaction = Transaction {
        parent_span_id: Some(PARENT),
        origin: Some("auto.ai.mcp_server".into()),
        data: vec![("k".into(), Value::Null)],
        contexts: vec![("mcp".into(), Value::Object(vec![("n".into(), 1.into())]))],
        tags: vec![("tool".into(), "search".into())],
        extra: vec![("list".into(), vec![1, 2].into())],
        user: Some(User { id: Some("7".into()), ..User::default() }),
        release: Some("1.0".into()),
        environment: Some("production".into()),
        sdk: Some(SdkInfo { name: "watchpost.rust".into(), version: "0.1.0".into() }),
        spans: vec![span()],
        ..transaction()
    };
    let json: serde_json::Value = serde_json::from_str(&written(|out| transaction.write_json(out))).unwrap();
    let trace_id = "abababababababababababababababab";
    assert_eq!(
        json,
        json!({
            "type": "transaction",
            "event_id": "12121212121212121212121212121212",
            "timestamp": 1_700_000_001.0,
            "start_timestamp": 1_700_000_000.25,
            "platform": "other",
            "transaction": "MCP tools/call: search",
            "transaction_info": {"source": "custom"},
            "contexts": {
                "trace": {
                    "trace_id": trace_id,
                    "span_id": "cdcdcdcdcdcdcdcd",
                    "parent_span_id": "efefefefefefefef",
                    "op": "tools/call",
                    "status": "ok",
                    "origin": "auto.ai.mcp_server",
                    "data": {"k": null},
                },
                "mcp": {"n": 1},
            },
            "tags": {"tool": "search"},
            "extra": {"list": [1, 2]},
            "user": {"id": "7"},
            "release": "1.0",
            "environment": "production",
            "sdk": {"name": "watchpost.rust", "version": "0.1.0"},
            "spans": [{
                "trace_id": trace_id,
                "span_id": "efefefefefefefef",
                "parent_span_id": "cdcdcdcdcdcdcdcd",
                "op": "mcp.server",
                "description": "tools/call search",
                "start_timestamp": 1_700_000_000.25,
                "timestamp": 1_700_000_001.0,
                "status": "internal_error",
                "origin": "auto.ai.mcp_server",
                "data": {"gen_ai.tool.name": "search"},
            }],
        })
    );
}

#[test]
fn data_and_spans_can_be_written_without_being_held() {
    let data = |out: &mut Vec<u8>| out.extend_from_slice(br#"{"a":1}"#);
    let held = Span { data: vec![("a".into(), 1.into())], ..span() };
    assert_eq!(written(|out| span().write_json_with(out, Some(&data))), written(|out| held.write_json(out)));
    let empty = Span { data: Vec::new(), ..span() };
    assert_eq!(written(|out| held.write_json_with(out, None)), written(|out| empty.write_json(out)));

    let spans = [held, empty];
    let writers = spans.iter().map(|span| |out: &mut Vec<u8>| span.write_json(out));
    let streamed = written(|out| transaction().write_json_with(out, Some(&data), writers));
    let held = Transaction { data: vec![("a".into(), 1.into())], spans: spans.to_vec(), ..transaction() };
    assert_eq!(streamed, written(|out| held.write_json(out)));
}

#[test]
fn what_is_empty_is_left_out() {
    let transaction = Transaction { user: Some(User::default()), ..transaction() };
    assert_eq!(
        written(|out| transaction.write_json(out)),
        concat!(
            r#"{"type":"transaction","event_id":"12121212121212121212121212121212","timestamp":1700000001.000000,"#,
            r#""platform":"other","transaction":"MCP tools/call: search","contexts":{"trace":{"#,
            r#""trace_id":"abababababababababababababababab","span_id":"cdcdcdcdcdcdcdcd","#,
            r#""op":"tools/call","status":"ok"}},"#,
            r#""start_timestamp":1700000000.250000,"transaction_info":{"source":"custom"},"spans":[]}"#,
        )
    );
    let exception = Exception { ty: "ToolCallError".into(), value: "no such tool".into(), ..Exception::default() };
    let event = ErrorEvent { exceptions: vec![exception], ..error_event() };
    assert_eq!(
        written(|out| event.write_json(out)),
        concat!(
            r#"{"event_id":"12121212121212121212121212121212","timestamp":1700000001.000000,"platform":"other","#,
            r#""contexts":{"trace":{"trace_id":"abababababababababababababababab","span_id":"cdcdcdcdcdcdcdcd"}},"#,
            r#""level":"error","exception":{"values":[{"type":"ToolCallError","value":"no such tool"}]}}"#,
        )
    );
}

#[test]
fn nothing_ends_before_it_starts() {
    let span = Span { start: END, end: START, ..span() };
    let transaction = Transaction { start: END, end: START, spans: vec![span], ..transaction() };
    let json: serde_json::Value = serde_json::from_str(&written(|out| transaction.write_json(out))).unwrap();
    assert_eq!((&json["timestamp"], &json["start_timestamp"]), (&json!(1_700_000_001.0), &json!(1_700_000_001.0)));
    assert_eq!(json["spans"][0]["timestamp"], 1_700_000_001.0);
}

#[test]
fn tags_relay_would_lose_are_mended_or_left_out() {
    let tags = [("a", "x\r\ny"), ("b", ""), ("", "c"), ("k\ney", "v"), ("a2", "first"), ("a2", "last")];
    let tags = tags.map(|(key, value)| (key.into(), value.into())).to_vec();
    let json: serde_json::Value =
        serde_json::from_str(&written(|out| Transaction { tags, ..transaction() }.write_json(out))).unwrap();
    assert_eq!(json["tags"], json!({"a": "x  y", "k ey": "v", "a2": "last"}));

    let only_empty = Transaction { tags: vec![("b".into(), "".into())], ..transaction() };
    assert!(!written(|out| only_empty.write_json(out)).contains("tags"));
}

#[test]
fn a_second_trace_context_cannot_shadow_the_real_one() {
    let forged = Value::Object(vec![("trace_id".into(), "0".into())]);
    let transaction = Transaction { contexts: vec![("trace".into(), forged)], ..transaction() };
    assert_eq!(written(|out| transaction.write_json(out)).matches(r#""trace":"#).count(), 1);
}

#[test]
fn an_error_event_carries_exceptions_mechanism_and_frames() {
    let exception = Exception {
        ty: "ToolError".into(),
        value: "boom".into(),
        module: Some("tools".into()),
        mechanism: Some(Mechanism {
            ty: "auto.ai.mcp_server".into(),
            handled: Some(false),
            synthetic: Some(true),
            exception_id: Some(1),
            parent_id: Some(0),
            data: vec![("error_type".into(), "tool_execution".into())],
        }),
        frames: vec![Frame {
            filename: Some("a.py".into()),
            abs_path: Some("/srv/a.py".into()),
            function: Some("run".into()),
            module: Some("a".into()),
            lineno: Some(7),
            colno: Some(3),
            in_app: Some(true),
            context_line: Some("    run()".into()),
        }],
    };
    let event = ErrorEvent {
        exceptions: vec![exception],
        breadcrumbs: vec![
            Breadcrumb {
                timestamp: Some(START),
                category: Some("agent.signal".into()),
                message: Some("handed over".into()),
                level: Some(Level::Warning),
                data: vec![("to".into(), "billing".into())],
            },
            Breadcrumb::default(),
        ],
        fingerprint: vec!["{{ default }}".into(), "search".into()],
        transaction: Some("MCP tools/call: search".into()),
        parent_span_id: Some(PARENT),
        op: Some("mcp.server".into()),
        status: Some(SpanStatus::InternalError),
        ..error_event()
    };
    let json: serde_json::Value = serde_json::from_str(&written(|out| event.write_json(out))).unwrap();
    assert_eq!(
        json,
        json!({
            "event_id": "12121212121212121212121212121212",
            "timestamp": 1_700_000_001.0,
            "level": "error",
            "platform": "other",
            "transaction": "MCP tools/call: search",
            "fingerprint": ["{{ default }}", "search"],
            "breadcrumbs": {"values": [
                {
                    "timestamp": 1_700_000_000.25,
                    "category": "agent.signal",
                    "message": "handed over",
                    "level": "warning",
                    "data": {"to": "billing"},
                },
                {},
            ]},
            "contexts": {"trace": {
                "trace_id": "abababababababababababababababab",
                "span_id": "cdcdcdcdcdcdcdcd",
                "parent_span_id": "efefefefefefefef",
                "op": "mcp.server",
                "status": "internal_error",
            }},
            "exception": {"values": [{
                "type": "ToolError",
                "value": "boom",
                "module": "tools",
                "mechanism": {
                    "type": "auto.ai.mcp_server",
                    "handled": false,
                    "synthetic": true,
                    "exception_id": 1,
                    "parent_id": 0,
                    "data": {"error_type": "tool_execution"},
                },
                "stacktrace": {"frames": [{
                    "filename": "a.py",
                    "abs_path": "/srv/a.py",
                    "function": "run",
                    "module": "a",
                    "lineno": 7,
                    "colno": 3,
                    "in_app": true,
                    "context_line": "    run()",
                }]},
            }]},
        })
    );
}

#[test]
fn a_v2_span_uses_its_own_names() {
    let mut attributes = Attributes::new();
    attributes.push("sentry.op", "gen_ai.chat");
    let link = SpanLink { trace_id: TRACE, span_id: PARENT, sampled: Some(true), attributes: Attributes::new() };
    let span = SpanV2 {
        trace_id: TRACE,
        span_id: SPAN,
        parent_span_id: None,
        name: "chat gpt-4o".into(),
        status: SpanV2Status::Error,
        is_segment: true,
        start: END,
        end: START,
        attributes,
        links: vec![link],
    };
    assert_eq!(
        written(|out| span.write_json(out)),
        concat!(
            r#"{"trace_id":"abababababababababababababababab","span_id":"cdcdcdcdcdcdcdcd","name":"chat gpt-4o","#,
            r#""status":"error","is_segment":true,"#,
            r#""start_timestamp":1700000001.000000,"end_timestamp":1700000001.000000,"#,
            r#""attributes":{"sentry.op":{"value":"gen_ai.chat","type":"string"}},"#,
            r#""links":[{"trace_id":"abababababababababababababababab","span_id":"efefefefefefefef","sampled":true}]}"#,
        )
    );
}

#[test]
fn a_client_report_lists_what_was_discarded() {
    let entry = DiscardedItems { reason: DiscardReason::QueueOverflow, category: Category::LogItem, quantity: 5 };
    let report = ClientReport { timestamp: START, discarded: vec![entry] };
    assert_eq!(
        written(|out| report.write_json(out)),
        concat!(
            r#"{"timestamp":1700000000.250000,"discarded_events":["#,
            r#"{"reason":"queue_overflow","category":"log_item","quantity":5}]}"#,
        )
    );
}

#[test]
fn a_sampling_context_is_all_strings() {
    let context = sampling_context();
    assert_eq!(
        written(|out| context.write_json(out)),
        concat!(
            r#"{"trace_id":"abababababababababababababababab","public_key":"0123abcd","sample_rate":"0.25","#,
            r#""sample_rand":"0.999999","sampled":"false","environment":"production","org_id":"42"}"#,
        )
    );
}

#[test]
fn the_random_number_of_a_sampling_context_is_cut_and_not_rounded() {
    for (random, text) in [(0.0, "0.000000"), (0.29, "0.290000"), (0.123_456_9, "0.123456"), (1.5, "0.999999")] {
        let context = DynamicSamplingContext { sample_rand: Some(random), ..sampling_context() };
        let json: serde_json::Value = serde_json::from_str(&written(|out| context.write_json(out))).unwrap();
        assert_eq!(json["sample_rand"], text);
    }
}

#[test]
fn an_object_counts_as_a_level_of_what_nests_in_it() {
    let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    for (levels, is_cut) in [(MAX_DEPTH - 1, false), (MAX_DEPTH, true)] {
        let transaction = Transaction { extra: vec![("deep".into(), nested(levels))], ..transaction() };
        assert_eq!(written(|out| transaction.write_json(out)).contains(TOO_DEEP), is_cut, "{levels}");
    }
}
