//! What each member becomes, and that a wrong one costs only itself.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attribute;
mod property;

use serde_json::{Value, json};
use watchpost_sentry::wire::Timestamp;

use super::*;
use crate::model::{ErrorKind, UsageStats};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ID: &str = "b7ad6b7169203331";

/// An event with the span's smallest set of members, and `members` beside or instead of them.
fn event(members: &Value) -> Value {
    let mut span = json!({"id": ID, "traceId": TRACE, "type": "tool_call", "startTime": "2026-11-20T10:00:00.250Z"});
    let object = span.as_object_mut().unwrap();
    object.extend(members.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())));
    json!({"type": "span_started", "exportedSpan": span})
}

fn parse(event: &Value) -> TracingEvent {
    parse_line(&event.to_string()).unwrap()
}

fn span(members: &Value) -> Span {
    parse(&event(members)).into_span()
}

fn refusal(line: &str) -> String {
    parse_line(line).unwrap_err().to_string()
}

const START: Timestamp = Timestamp::from_nanos(1_795_168_800_250_000_000);

#[test]
fn the_smallest_span() {
    let mut expected = Span::new(TRACE.parse().unwrap(), ID.parse().unwrap(), SpanType::ToolCall, "tool_call", START);
    assert_eq!(parse(&event(&json!({}))), TracingEvent::SpanStarted(Box::new(expected.clone())));
    expected.end = Some(START);
    let mut ended = event(&json!({}));
    ended["type"] = "span_ended".into();
    assert_eq!(parse(&ended), TracingEvent::SpanEnded(Box::new(expected)), "what ended has an end");
}

#[test]
fn every_member_of_a_span() {
    let span = span(&json!({
        "name": "tool: 'weather'", "parentSpanId": "00F067AA0BA902B7", "externalParentSpanId": "abc",
        "entityType": "tool", "entityId": "weather", "entityName": "Weather",
        "metadata": {"plan": "pro", "seats": 3, "none": null, "flags": ["dark"]}, "tags": ["a", "b"],
        "endTime": "2026-11-20T10:00:01Z", "input": {"city": "Prague", "a": 1}, "output": "sunny",
        "isEvent": false, "isRootSpan": false, "requestContext": {"cookie": "secret"},
    }));
    assert_eq!(span.name, "tool: 'weather'");
    assert_eq!(span.parent_span_id.unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(span.external_parent_span_id.unwrap().to_string(), "0000000000000abc");
    assert_eq!(span.entity_type.as_deref(), Some("tool"));
    assert_eq!(span.entity_id.as_deref(), Some("weather"));
    assert_eq!(span.entity_name.as_deref(), Some("Weather"));
    let metadata: Vec<_> = span.metadata.iter().map(|(key, value)| (&**key, value.as_str())).collect();
    assert!(metadata.contains(&("plan", "pro")) && metadata.contains(&("seats", "3")), "{metadata:?}");
    assert!(metadata.contains(&("flags", r#"["dark"]"#)) && metadata.len() == 3, "null is missing: {metadata:?}");
    assert_eq!(span.tags, ["a", "b"]);
    assert_eq!(span.end.unwrap().nanos() - span.start.nanos(), 750_000_000);
    assert_eq!(span.output, Some(Payload::text("sunny")));
    assert!(!span.is_root && !span.is_event);
    assert!(!format!("{span:?}").contains("secret"), "the host's request is not kept");
}

#[test]
fn payloads_keep_their_text_and_the_order_of_their_keys() {
    let input = r#"{"z": 1.50, "a": [ "\u00e9\n", 12345678901234567890123 ]}"#;
    let line = event(&json!({})).to_string().replacen("{\"id\"", &format!("{{\"input\":{input},\"id\""), 1);
    assert_eq!(parse_line(&line).unwrap().span().input.as_ref().unwrap().as_str(), input);
}

#[test]
fn dates_are_texts_or_numbers() {
    let cases = [
        json!("2026-11-20T10:00:00.250Z"),
        json!("2026-11-20T11:00:00.250+01:00"),
        json!(1_795_168_800.25),
        json!(1_795_168_800_250_i64),
        json!(1_795_168_800_250_000_i64),
        json!(1_795_168_800_250_000_000_i64),
        json!("1795168800250"),
    ];
    for case in cases {
        assert_eq!(span(&json!({"startTime": case.clone()})).start, START, "{case}");
    }
    assert_eq!(span(&json!({"startTime": null, "endTime": "2026-11-20T10:00:00.250Z"})).start, START);
    assert_eq!(span(&json!({"startTime": "soon", "endTime": "2026-11-20T10:00:00.250Z"})).start, START);
    assert_eq!(span(&json!({"endTime": "2026-11-20T09:00:00Z"})).end, Some(START), "no end before the start");
}

#[test]
fn an_event_span_ends_when_it_starts() {
    let span = span(&json!({"isEvent": true}));
    assert_eq!((span.is_event, span.end), (true, Some(START)));
}

#[test]
fn what_a_durable_agent_calls_a_root_is_none_within_a_run() {
    for ty in ["model_generation", "model_step", "model_inference", "tool_call", "mcp_tool_call", "workflow_step"] {
        assert!(!span(&json!({"type": ty, "parentSpanId": "1", "isRootSpan": true})).is_root, "{ty}");
        assert!(span(&json!({"type": ty, "isRootSpan": true})).is_root, "{ty} alone");
    }
}

#[test]
fn a_root_has_no_parent_unless_it_says_so() {
    assert!(span(&json!({})).is_root);
    assert!(!span(&json!({"parentSpanId": "1"})).is_root);
    for ty in ["agent_run", "workflow_run"] {
        assert!(span(&json!({"type": ty, "parentSpanId": "1", "isRootSpan": true})).is_root, "a resumed run");
    }
    assert_eq!(span(&json!({"parentSpanId": ID})).parent_span_id, None, "a span is not its own parent");
    assert_eq!(span(&json!({"parentSpanId": "no-op"})).parent_span_id, None);
}

#[test]
fn types_in_either_case_and_unknown_ones_by_name() {
    for (name, ty) in [
        ("agent_run", SpanType::AgentRun),
        ("MODEL_GENERATION", SpanType::ModelGeneration),
        ("generic", SpanType::Generic),
        ("brand_new", SpanType::Other("brand_new".into())),
    ] {
        assert_eq!(span(&json!({"type": name})).ty, ty);
    }
    assert_eq!(span(&json!({"type": null})).ty, SpanType::Generic);
}

#[test]
fn the_event_and_its_span_by_their_names() {
    let span = event(&json!({}))["exportedSpan"].clone();
    for name in ["exportedSpan", "exported_span", "span"] {
        assert!(parse_line(&json!({"type": "span_updated", name: span}).to_string()).is_ok(), "{name}");
    }
    for name in ["span_ended", "SPAN_ENDED", "span.ended", "SpanEnded"] {
        assert!(matches!(parse(&json!({"type": name, "span": span})), TracingEvent::SpanEnded(_)), "{name}");
    }
    let line = format!("\u{feff}  {}\r\n", event(&json!({})));
    assert!(parse_line(&line).is_ok(), "a byte order mark and white space");
}

#[test]
fn errors_are_objects_or_texts() {
    let error = |error: Value| span(&json!({"errorInfo": error})).error.map(|error| *error);
    let full = error(json!({
        "message": "Boom", "name": "TypeError", "id": "TOOL_EXECUTION_FAILED", "domain": "TOOL", "category": "USER",
        "details": {"toolId": "x"}, "stack": "TypeError: Boom\n    at run (file:///srv/app.js:1:2)",
        "cause": {"message": "refused", "name": "NetworkError", "cause": "offline"},
    }))
    .unwrap();
    assert_eq!(full.kind, ErrorKind::Span);
    assert_eq!((full.message.as_str(), full.ty.as_deref()), ("Boom", Some("TypeError")));
    assert_eq!(full.id.as_deref(), Some("TOOL_EXECUTION_FAILED"));
    assert_eq!((full.domain.as_deref(), full.category.as_deref()), (Some("TOOL"), Some("USER")));
    assert_eq!(full.data.as_deref(), Some(r#"{"toolId":"x"}"#));
    assert!(full.stack.unwrap().contains("app.js:1:2"));
    let causes: Vec<_> = full.causes.iter().map(|cause| (cause.ty.as_deref(), cause.message.as_str())).collect();
    assert_eq!(causes, [(Some("NetworkError"), "refused"), (None, "offline")], "nearest first");

    assert_eq!(error(json!("Boom")).unwrap().message, "Boom");
    assert_eq!(error(json!({"message": {"code": 7}})).unwrap().message, r#"{"code":7}"#);
    assert_eq!(error(json!({"message": ""})).unwrap().message, "");
    let long = error(json!({"message": "Boom", "details": {"long": "é".repeat(3000)}})).unwrap();
    assert_eq!(long.data.unwrap().len(), 2047, "cut to 2048 bytes at most, between characters");
    assert_eq!(error(json!({})).unwrap().message, "", "thrown, but no error");
    for none in [json!(null), json!([]), json!("")] {
        assert_eq!(error(none.clone()), None, "{none}");
    }
}

#[test]
fn usage_in_the_names_of_both_generations() {
    let usage = |usage: Value| {
        let span = span(&json!({"type": "model_generation", "attributes": {"usage": usage}}));
        span.attributes.usage().copied()
    };
    let new = usage(json!({
        "inputTokens": 120, "outputTokens": 45.0,
        "inputDetails": {"text": 70, "cacheRead": 40, "cacheWrite": 10, "audio": 1, "image": 2},
        "outputDetails": {"text": 30, "reasoning": 12, "audio": 2, "image": 1},
    }));
    let expected = UsageStats {
        input_text: Some(70),
        cache_read: Some(40),
        cache_write: Some(10),
        input_audio: Some(1),
        input_image: Some(2),
        output_text: Some(30),
        reasoning: Some(12),
        output_audio: Some(2),
        output_image: Some(1),
        ..UsageStats::new(120, 45)
    };
    assert_eq!(new, Some(expected));
    let parts =
        usage(json!({"inputTokens": 9, "outputTokens": 1, "inputDetails": {"cacheWrite5m": 2, "cacheWrite1h": 3}}));
    assert_eq!(parts.unwrap().cache_write, Some(5));
    let old = usage(json!({
        "promptTokens": 9, "completionTokens": "4", "totalTokens": 13, "cachedInputTokens": 2, "reasoningTokens": 1,
    }));
    assert_eq!(old, Some(UsageStats { cache_read: Some(2), reasoning: Some(1), ..UsageStats::new(9, 4) }));
    assert_eq!(usage(json!({"inputTokens": -1, "outputTokens": 1.5, "inputDetails": 7})), None);
    assert_eq!(usage(json!([1])), None);
    let large = json!({"inputTokens": 1, "outputTokens": i64::MAX as u64 + 1, "inputDetails": {"text": u64::MAX}});
    assert_eq!(
        usage(large).map(|usage| (usage.input_tokens, usage.output_tokens, usage.input_text)),
        Some((Some(1), None, None))
    );
}

#[test]
fn tokens_that_are_counted_beside_the_whole_are_added_to_it() {
    let usage = |input: u64, cached: u64, written: u64, output: u64, reasoning: u64| {
        let usage = json!({
            "inputTokens": input, "outputTokens": output,
            "inputDetails": {"cacheRead": cached, "cacheWrite": written}, "outputDetails": {"reasoning": reasoning},
        });
        let span = span(&json!({"type": "model_generation", "attributes": {"usage": usage}}));
        let usage = span.attributes.usage().copied().unwrap();
        (usage.input_tokens.unwrap(), usage.cache_read.unwrap(), usage.output_tokens.unwrap())
    };
    assert_eq!(usage(5, 50, 0, 10, 20), (55, 50, 30));
    assert_eq!(usage(5, 4, 3, 10, 10), (12, 4, 10));
    assert_eq!(usage(50, 40, 10, 10, 3), (50, 40, 10));
    let most = i64::MAX as u64;
    assert_eq!(usage(most - 1, most, most, 1, most), (most, most, most));
}

#[test]
fn a_wrong_member_costs_only_itself() {
    let wrong = [json!(null), json!(7), json!(true), json!("x"), json!([1]), json!({"a": {"b": null}}), json!(-1.5)];
    let members = [
        "name",
        "parentSpanId",
        "externalParentSpanId",
        "entityType",
        "entityId",
        "entityName",
        "attributes",
        "metadata",
        "tags",
        "endTime",
        "input",
        "output",
        "errorInfo",
        "requestContext",
        "isEvent",
        "isRootSpan",
        "isInternal",
    ];
    for member in members {
        for value in &wrong {
            let span = span(&json!({member: value, "type": "agent_run"}));
            assert_eq!((span.id.to_string().as_str(), &span.ty), (ID, &SpanType::AgentRun), "{member}: {value}");
        }
    }
    let span = span(&json!({"attributes": {
        "toolType": ["x"], "success": "maybe", "toolCallId": 17, "mcpServer": null, "mystery": {"a": 1}, "nothing": null,
    }}));
    let tool = span.attributes.tool().unwrap();
    assert_eq!((&tool.tool_type, tool.success, tool.tool_call_id.as_deref()), (&None, None, Some("17")));
    assert_eq!(tool.other, [("mystery".into(), Payload::from(json!({"a": 1})))]);
}

#[test]
fn parameters_without_headers() {
    let span = span(&json!({"type": "model_generation", "attributes": {"parameters": {
        "temperature": 0.5, "maxOutputTokens": 100, "stopSequences": ["END"], "seed": 0, "topK": 40,
        "headers": {"authorization": "Bearer secret"}, "abortSignal": {}, "mystery": 1,
    }}}));
    let parameters = &span.attributes.generation().unwrap().parameters;
    assert_eq!((parameters.temperature, parameters.max_output_tokens), (Some(0.5), Some(100)));
    assert_eq!((parameters.seed, parameters.top_k), (Some(0), Some(40.0)), "0 is a seed");
    assert_eq!(parameters.stop_sequences, ["END"]);
    assert_eq!(parameters.other, [("mystery".into(), Payload::from(json!(1)))]);
    assert!(!format!("{span:?}").contains("secret"));
}

#[test]
fn lone_surrogates_are_replaced() {
    let line = event(&json!({"name": "N", "input": {"k": "V"}, "output": "O"})).to_string();
    let line = line.replace("\"N\"", r#""\ud83d <""#).replace("\"V\"", r#""\uD83D\\ud83d""#);
    let span = parse_line(&line.replace("\"O\"", r#""\ud83d\ude00""#)).unwrap().into_span();
    assert_eq!(span.name, "\u{fffd} <");
    assert_eq!(span.input.unwrap().to_value(), json!({"k": "\u{fffd}\\ud83d"}), "an escaped backslash is none");
    assert_eq!(span.output.unwrap().as_str(), "😀");
}

#[test]
fn a_payload_of_any_depth_is_kept() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let line = event(&json!({"input": "DEEP", "metadata": {"deep": "DEEP"}})).to_string().replace("\"DEEP\"", &deep);
    let span = parse_line(&line).unwrap().into_span();
    assert_eq!(span.input.as_ref().unwrap().as_str(), deep);
    assert_eq!(span.input.unwrap().to_value(), json!(deep), "too deep to be taken apart: a text");
}

#[test]
fn a_span_has_at_most_128_members_of_its_hosts_own() {
    let many: serde_json::Map<_, _> = (0..5000).map(|n| (format!("k{n}"), json!(n))).collect();
    let tags: Vec<_> = (0..5000).map(|n| n.to_string()).collect();
    let span = span(&json!({"metadata": many, "attributes": many, "tags": tags}));
    assert_eq!((span.metadata.len(), span.tags.len()), (128, 128));
    assert_eq!(span.attributes.tool().unwrap().other.len(), 128);
    assert!((1_000..20_000).contains(&span.attributes.approximate_bytes()), "{}", span.attributes.approximate_bytes());
}

#[test]
fn what_is_refused_and_why() {
    let without = |member: &str| {
        let mut event = event(&json!({}));
        event["exportedSpan"].as_object_mut().unwrap().remove(member);
        refusal(&event.to_string())
    };
    assert_eq!(refusal("  "), "the line is empty");
    assert!(refusal("{\"type\":").starts_with("the line is not JSON: "));
    assert_eq!(refusal("[1]"), "the line is not a JSON object");
    assert_eq!(refusal(r#"{"ctl":"flush"}"#), "`type` is neither `span_started` nor `span_updated` nor `span_ended`");
    assert_eq!(refusal(r#"{"type":"log"}"#), "`type` is neither `span_started` nor `span_updated` nor `span_ended`");
    assert_eq!(refusal(r#"{"type":"span_ended","exportedSpan":[]}"#), "`exportedSpan` is missing or not an object");
    assert_eq!(without("traceId"), "`exportedSpan.traceId` is missing or not a text");
    assert_eq!(without("id"), "`exportedSpan.id` is missing or not a text");
    assert_eq!(without("startTime"), "`exportedSpan.startTime` is missing, and so is `endTime`");
    assert_eq!(
        refusal(&event(&json!({"startTime": "soon"})).to_string()),
        "`exportedSpan.startTime` is neither ISO 8601 nor a number since the Unix epoch"
    );
    let no_op = "the span is a no-op, made while tracing was off";
    assert_eq!(refusal(&event(&json!({"id": "no-op", "traceId": "no-op-trace"})).to_string()), no_op);
    assert_eq!(refusal(&event(&json!({"id": "no-op"})).to_string()), no_op);
}

#[test]
fn attributes_that_a_later_report_does_not_say_are_kept_from_the_earlier_one() {
    let attributes =
        |attributes: Value| span(&json!({"type": "model_generation", "attributes": attributes})).attributes;
    let mut newer = attributes(json!({"model": "used", "parameters": {"topP": 1}, "new": 1, "both": 1}));
    newer.fill_from(attributes(
        json!({"model": "asked", "provider": "p", "parameters": {"temperature": 0.5}, "old": 2, "both": 2}),
    ));
    let generation = newer.generation().unwrap();
    assert_eq!((generation.model.as_deref(), generation.provider.as_deref()), (Some("used"), Some("p")));
    assert_eq!((generation.parameters.temperature, generation.parameters.top_p), (Some(0.5), Some(1.0)));
    let mut others: Vec<_> =
        generation.other.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
    others.sort_unstable();
    assert_eq!(others, ["both=1", "new=1", "old=2"]);

    let mut none = SpanAttributes::None;
    none.fill_from(newer.clone());
    assert_eq!(none, newer);
    none.fill_from(SpanAttributes::None);
    assert_eq!(none, newer);
    none.fill_from(span(&json!({"type": "tool_call", "attributes": {"success": true}})).attributes);
    assert_eq!(none, newer, "of another type: the newer one counts");
}

#[test]
fn a_span_is_cheap_to_move() {
    assert!(size_of::<Span>() <= 384, "{}", size_of::<Span>());
    assert!(size_of::<SpanAttributes>() <= 32, "{}", size_of::<SpanAttributes>());
}
