//! What each member becomes, in both spellings, and that no line panics.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{ErrorKind, TraceParent};

const SNAKE: &str = include_str!("../../../tests/fixtures/agentcat/event-snake.json");
const CAMEL: &str = include_str!("../../../tests/fixtures/agentcat/event-camel.json");

fn parse(value: &Value) -> McpEvent {
    parse_line(&value.to_string()).unwrap()
}

#[test]
fn both_spellings_are_the_same_event() {
    let snake = parse_line(SNAKE).unwrap();
    assert_eq!(snake, parse_line(CAMEL).unwrap());
    assert_eq!(snake.event_id, "evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv");
    assert_eq!(snake.session_id.as_deref(), Some("ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv"));
    assert_eq!(snake.project_id.as_deref(), Some("proj_golden"));
    assert_eq!(snake.event_type, "tools/call");
    assert_eq!(snake.resource_name.as_deref(), Some("explode"));
    assert_eq!(snake.user_intent.as_deref(), Some("Checking how thrown errors are recorded"));
    assert_eq!(snake.duration, Some(Duration::from_micros(3500)));
    let actor = snake.actor.unwrap();
    assert_eq!((actor.id.as_deref(), actor.name.as_deref()), (Some("user-42"), Some("Ada Lovelace")));
    assert_eq!(actor.data, Some(json!({"plan": "pro", "seats": 3})));
    assert_eq!((snake.server.name.as_deref(), snake.server.version.as_deref()), (Some("golden-server"), Some("1.2.3")));
    assert_eq!((snake.client.name.as_deref(), snake.client.version.as_deref()), (Some("golden-client"), Some("9.8.7")));
    assert_eq!(snake.tags, [("region".to_owned(), "eu-west-1".to_owned())]);
    assert_eq!(snake.properties, [("flags".to_owned(), json!(["dark"]))]);
    assert_eq!(snake.request_id.as_deref(), Some("7"));
    assert_eq!(snake.tool_call_id.as_deref(), Some("toolu_1"));
    assert_eq!(
        snake.trace_parent,
        TraceParent::parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    );
    assert_eq!(snake.content_count, Some(1));
    let error = snake.error.unwrap();
    assert_eq!(
        (error.kind, error.ty.as_deref(), error.message.as_str()),
        (ErrorKind::Tool, Some("QuotaError"), "boom E42")
    );
    assert_eq!(error.platform.as_deref(), Some("javascript"));
    assert_eq!(error.causes[0].ty.as_deref(), Some("TypeError"));
    let functions: Vec<_> = error.frames.iter().map(|frame| frame.function.as_deref().unwrap()).collect();
    assert_eq!(functions, ["<anonymous>", "Object.explode"], "oldest call first");
    assert_eq!(error.frames[0].abs_path.as_deref(), Some("file:///srv/golden/node_modules/agentcat/dist/index.mjs"));
}

#[test]
fn arguments_and_results_are_kept_only_when_asked_for() {
    let event = parse_line(SNAKE).unwrap();
    assert_eq!((event.arguments, event.result), (None, None));
    let event = parse_line_with(SNAKE, ReadOptions::default().with_content(true, true)).unwrap();
    assert_eq!(event.arguments.as_deref(), Some(r#"{"code":"E42"}"#));
    assert!(event.result.unwrap().contains("boom E42"));
}

#[test]
fn a_start_becomes_the_completion_and_an_end_stays() {
    let event = json!({"event_type": "mcp:tools/call", "timestamp": 1_000, "duration": 250});
    let go = json!({"event_type": "mcp:tools/call", "timestamp": 1_000, "duration": 250, "sdk_language": "Go"});
    let at = |value: &Value, meaning| {
        parse_line_with(&value.to_string(), ReadOptions::default().with_timestamp(meaning)).unwrap().timestamp.nanos()
    };
    assert_eq!(at(&event, TimestampMeaning::BySdk), 1_000_250_000_000);
    assert_eq!(at(&event, TimestampMeaning::End), 1_000_000_000_000);
    assert_eq!(at(&go, TimestampMeaning::BySdk), 1_000_000_000_000);
    assert_eq!(at(&go, TimestampMeaning::Start), 1_000_250_000_000);
}

#[test]
fn times_are_read_in_every_unit_and_notation() {
    for (time, nanos) in [
        (json!(1_795_210_796), 1_795_210_796_000_000_000_i64),
        (json!(1_795_210_796.591), 1_795_210_796_591_000_000),
        (json!(1_795_210_796_591_i64), 1_795_210_796_591_000_000),
        (json!(1_795_210_796_591_000_i64), 1_795_210_796_591_000_000),
        (json!(1_795_210_796_591_000_001_i64), 1_795_210_796_591_000_001),
        (json!("1795210796591"), 1_795_210_796_591_000_000),
        (json!("2026-11-20T21:39:56.591Z"), 1_795_210_796_591_000_000),
        (json!("2026-11-20T21:39:56.591000+00:00"), 1_795_210_796_591_000_000),
    ] {
        let event = parse(&json!({"event_type": "mcp:ping", "timestamp": time}));
        assert_eq!(event.timestamp.nanos(), nanos, "{time}");
    }
}

#[test]
fn prefixes_of_event_types_are_stripped() {
    for (recorded, expected) in [
        ("mcp:tools/call", "tools/call"),
        ("mcp:initialize", "initialize"),
        ("tools/list", "tools/list"),
        ("agentcat:identify", "identify"),
        ("mcpcat:identify", "identify"),
        ("agentcat:custom", "custom"),
        ("vendor:thing", "vendor:thing"),
    ] {
        assert_eq!(parse(&json!({"event_type": recorded, "timestamp": 1})).event_type, expected);
    }
}

#[test]
fn only_the_placeholder_of_initialize_is_no_resource() {
    let resource = |event_type: &str, name: &str| {
        parse(&json!({"event_type": event_type, "resource_name": name, "timestamp": 1})).resource_name
    };
    assert_eq!(resource("mcp:initialize", "Unknown Tool Name"), None);
    assert_eq!(resource("mcp:tools/call", "Unknown Tool Name").as_deref(), Some("Unknown Tool Name"));
    assert_eq!(resource("agentcat:identify", "Unknown").as_deref(), Some("Unknown"));
}

#[test]
fn a_missing_id_is_made_from_the_line_the_same_each_time() {
    let line = json!({"event_type": "mcp:ping", "timestamp": 1_795_210_796}).to_string();
    let [first, again] = [&line, &format!("  {line}\r\n")].map(|line| parse_line(line).unwrap().event_id);
    assert_eq!(first, again);
    assert!(first.starts_with("evt_3MO"), "{first} has the event's time");
    assert_ne!(first, parse(&json!({"event_type": "mcp:ping", "timestamp": 1_795_210_796, "n": 1})).event_id);
}

#[test]
fn an_error_is_known_by_the_flag_the_object_or_the_response() {
    let event = |more: Value| {
        let mut event = json!({"event_type": "mcp:tools/call", "timestamp": 1});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parse(&event)
    };
    assert!(!event(json!({})).is_error);
    assert!(!event(json!({"is_error": false, "error": {"message": "x"}})).is_error);
    assert!(event(json!({"is_error": "true"})).is_error);
    assert!(event(json!({"error": "boom"})).is_error);
    assert!(!event(json!({"error": null})).is_error);
    assert_eq!(event(json!({"error": "boom"})).error.unwrap().message, "boom");
    let failed =
        event(json!({"response": {"isError": true, "content": [{"text": " a "}, {"type": "image"}, {"text": "b"}]}}));
    assert!(failed.is_error);
    assert_eq!(failed.error.unwrap().message, "a b");
    let card = event(json!({"error": {"message": "card declined", "code": "E_CARD"}})).error.unwrap();
    assert_eq!((card.kind, card.data.as_deref()), (ErrorKind::Tool, Some(r#"{"code":"E_CARD"}"#)));
    let rpc = event(json!({"error": {"message": "no", "code": -32602, "data": [1]}})).error.unwrap();
    assert_eq!((rpc.kind, rpc.code, rpc.data.as_deref()), (ErrorKind::Protocol, Some(-32602), Some("[1]")));
}

#[test]
fn lone_surrogates_are_replaced_and_pairs_are_kept() {
    let line = r#"{"event_type":"mcp:tools/call","timestamp":1,"resource_name":"a\ud83d b\udc08\ud83d\udc08 \\ud83d"}"#;
    assert_eq!(parse_line(line).unwrap().resource_name.as_deref(), Some("a\u{fffd} b\u{fffd}🐈 \\ud83d"));
}

#[test]
fn a_member_that_cannot_be_read_costs_itself_and_not_the_event() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for hostile in [deep.as_str(), "1e999", "{\"a\":{\"b\":-1e999}}"] {
        for other in ["", r#","resource_name":"a\ud83d""#] {
            let line = format!(
                r#"{{"parameters":{hostile},"event_type":"mcp:tools/call","timestamp":1,"response":{hostile},"user_intent":"why"{other}}}"#
            );
            let event = parse_line(&line).unwrap();
            assert_eq!((&*event.event_type, event.user_intent.as_deref()), ("tools/call", Some("why")));
            assert_eq!(event.resource_name.is_some(), !other.is_empty());
        }
        assert!(parse_line(hostile).is_err());
    }
    let broken = r#"{"event_type":"mcp:tools/call","timestamp":1,"parameters":[1e999,}"#;
    assert!(matches!(parse_line(broken), Err(ParseEventError::NotJson(_))));
}

#[test]
fn members_of_the_wrong_type_count_as_missing() {
    let event = parse(&json!({
        "event_type": "mcp:tools/call", "timestamp": 1, "id": [], "session_id": {}, "resource_name": null, "duration": -5,
        "is_error": [], "tags": [1], "properties": "x", "server_name": 7, "identify_data": {}, "parameters": 3, "response": false,
    }));
    assert!(event.event_id.starts_with("evt_"));
    assert_eq!((event.session_id, event.resource_name, event.duration, event.actor), (None, None, None, None));
    assert_eq!(event.server.name.as_deref(), Some("7"));
    assert!(!event.is_error && event.tags.is_empty() && event.properties.is_empty());
    assert_eq!(parse(&json!({"event_type": "a", "timestamp": 1, "duration": 1e300})).duration, None);
}

#[test]
fn each_way_to_be_no_event_has_its_message() {
    for (line, message) in [
        ("", "the line is empty"),
        (" \n", "the line is empty"),
        ("[]", "the line is not a JSON object"),
        ("{\"a\":", "the line is not JSON: EOF while parsing a value at line 1 column 5"),
        ("[1e999]", "the line is not JSON: number out of range at line 1 column 6"),
        ("{\"a\":1e999}", "`event_type` is missing or not a text"),
        ("{}", "`event_type` is missing or not a text"),
        ("{\"event_type\":\"mcp:\"}", "`event_type` is missing or not a text"),
        ("{\"event_type\":\"a\"}", "`timestamp` is missing"),
        (
            "{\"event_type\":\"a\",\"timestamp\":\"soon\"}",
            "`timestamp` is neither RFC 3339 nor a number since the Unix epoch",
        ),
        (
            "{\"event_type\":\"a\",\"timestamp\":1e300}",
            "`timestamp` is neither RFC 3339 nor a number since the Unix epoch",
        ),
        (
            "{\"event_type\":\"a\",\"timestamp\":{}}",
            "`timestamp` is neither RFC 3339 nor a number since the Unix epoch",
        ),
    ] {
        assert_eq!(parse_line(line).unwrap_err().to_string(), message, "{line}");
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in ".{0,200}") {
        let _ = parse_line(&line);
    }

    #[test]
    fn no_damage_to_a_real_event_panics(at in 0..SNAKE.len(), insert in ".{0,8}", cut in 0_usize..40) {
        let boundary = |at: usize| (at..=SNAKE.len()).find(|at| SNAKE.is_char_boundary(*at)).unwrap_or(SNAKE.len());
        let (start, end) = (boundary(at), boundary((at + cut).min(SNAKE.len())));
        let _ = parse_line_with(&format!("{}{insert}{}", &SNAKE[..start], &SNAKE[end..]), ReadOptions::default().with_content(true, true));
    }
}
