//! No line panics, whatever is in it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ID, TRACE, event};
use crate::model::mastra::parse_line;

/// Any JSON, with the names of an event in it more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "span_started",
            "span_ended",
            "agent_run",
            "model_generation",
            TRACE,
            ID,
            "no-op",
            "2026-11-20T10:00:00Z"
        ])
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "type",
            "exportedSpan",
            "id",
            "traceId",
            "startTime",
            "endTime",
            "attributes",
            "metadata",
            "tags",
            "input",
            "errorInfo",
            "usage",
            "parameters",
            "inputDetails",
            "isEvent",
            "cause",
            "message",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..8).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics(value in any_json(), members in any_json()) {
        let _ = parse_line(&value.to_string());
        let members = if members.is_object() { members } else { json!({"attributes": members.clone(), "input": members}) };
        let _ = parse_line(&event(&members).to_string());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}|[\\\\u\"{}dD83:,\\[\\]ef0-9]{0,60}") {
        let _ = parse_line(&text);
        let _ = parse_line(&format!("{{\"type\":\"span_ended\",\"span\":{{\"id\":\"{text}\",\"traceId\":\"{text}\",\"startTime\":1,\"input\":\"{text}\"}}}}"));
    }

    #[test]
    fn the_order_of_members_does_not_matter(seed in any::<u64>()) {
        let members = [
            r#""type":"tool_call""#, r#""id":"b7ad6b7169203331""#, r#""traceId":"0af7651916cd43dd8448eb211c80319c""#,
            r#""attributes":{"toolCallId":"call-1"}"#, r#""startTime":"2026-11-20T10:00:00.250Z""#, r#""input":{"a":1}"#,
            r#""parentSpanId":"1""#,
        ];
        let mut shuffled = members.to_vec();
        shuffled.sort_by_key(|member| member.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)));
        let line = |members: &[&str]| format!(r#"{{"exportedSpan":{{{}}},"type":"span_ended"}}"#, members.join(","));
        prop_assert_eq!(parse_line(&line(&shuffled)).unwrap(), parse_line(&line(&members)).unwrap());
    }
}
