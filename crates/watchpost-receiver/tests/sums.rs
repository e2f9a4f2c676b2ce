//! The kept sums, the search, exports and retention: what the overview, the tools and the search page read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{config, counts, envelope, get, log, logs, post, read, start, start_with};
use watchpost_sentry::wire::Timestamp;

const TRACE: &str = "0123456789abcdef0123456789abcdef";

fn now() -> f64 {
    Timestamp::now().nanos() as f64 / 1e9
}

/// The log of an MCP tool call.
fn call_log(at: f64, span: u64, tool: &str, is_error: bool) -> Value {
    let mut log = log(at, if is_error { "error" } else { "info" }, &format!("MCP tools/call: {tool}"));
    log["span_id"] = json!(format!("{span:016x}"));
    log["attributes"] = json!({
        "event_type": {"value": "tools/call"}, "resource_name": {"value": tool}, "session_id": {"value": "ses_1"},
        "server_name": {"value": "weather"}, "is_error": {"value": is_error}, "duration_ms": {"value": 40.0},
    });
    log
}

/// The transaction of the same call, with the sizes that only it tells.
fn call_transaction(at: f64, span: u64, tool: &str) -> Vec<u8> {
    let id = format!("{span:016x}{span:016x}");
    let payload = json!({
        "event_id": id, "timestamp": at, "start_timestamp": at - 0.04, "transaction": format!("tools/call - {tool}"),
        "contexts": {"trace": {"trace_id": TRACE, "span_id": format!("{span:016x}"), "op": "tools/call", "status": "ok"}},
        "tags": {"event_type": "tools/call", "resource": tool, "server_name": "weather"}, "extra": {"session_id": "ses_1", "duration_ms": 40},
        "spans": [{"trace_id": TRACE, "span_id": "00000000000000ff", "parent_span_id": format!("{span:016x}"), "op": "mcp.server",
            "start_timestamp": at - 0.04, "timestamp": at, "status": "ok",
            "data": {"mcp.method.name": "tools/call", "watchpost.request.size": 100, "watchpost.response.size": 900}}],
    });
    envelope(&json!({"event_id": id}), &[("transaction", payload.to_string().as_bytes())])
}

fn model_span(at: f64, span: u64, status: &str) -> Value {
    json!({"trace_id": TRACE, "span_id": format!("{span:016x}"), "name": "chat gpt-4o", "start_timestamp": at - 2.0,
        "end_timestamp": at, "status": status, "attributes": {
            "sentry.op": {"value": "gen_ai.chat", "type": "string"}, "gen_ai.request.model": {"value": "gpt-4o", "type": "string"},
            "gen_ai.usage.input_tokens": {"value": 1000, "type": "integer"},
            "gen_ai.usage.output_tokens": {"value": 100, "type": "integer"}}})
}

fn spans(spans: &[Value]) -> Vec<u8> {
    envelope(
        &json!({"sdk": {"name": "sentry.python", "version": "2.75.0"}}),
        &[("span", json!({"items": spans}).to_string().as_bytes())],
    )
}

#[test]
fn a_call_is_counted_once_whatever_arrives_for_it() {
    let receiver = start();
    let to = receiver.addr();
    let at = now();
    post(to, &logs(&[call_log(at, 1, "forecast", false), call_log(at, 2, "forecast", true)]));
    post(to, &call_transaction(at, 1, "forecast"));
    let tools = read(to, "/api/tools");
    let tool = &tools[0];
    assert_eq!((&tool["owner"], &tool["name"]), (&json!("weather"), &json!("forecast")));
    assert_eq!((&tool["calls"], &tool["errors"]), (&json!(2), &json!(1)));
    assert_eq!((&tool["request_bytes"], &tool["response_bytes"]), (&json!(100), &json!(900)));
    let overview = read(to, "/api/overview?range=1h");
    assert_eq!((&overview["mcp"]["calls"], &overview["mcp"]["errors"]), (&json!(2), &json!(1)));
    let median = overview["mcp"]["p50_ms"].as_f64().unwrap();
    assert!((33.0..=48.0).contains(&median), "{median}");
    assert_eq!(overview["stretches"].as_array().unwrap().len(), 60);
}

#[test]
fn a_models_calls_have_tokens_cost_and_a_source() {
    let receiver = start();
    let to = receiver.addr();
    let at = now();
    post(to, &spans(&[model_span(at, 1, "ok"), model_span(at, 2, "error")]));
    let overview = read(to, "/api/overview");
    let model = &overview["model"];
    assert_eq!((&model["calls"], &model["errors"]), (&json!(2), &json!(1)));
    assert_eq!((&model["input_tokens"], &model["output_tokens"]), (&json!(2000), &json!(200)));
    assert!((model["cost"].as_f64().unwrap() - 0.007).abs() < 1e-9);
    assert_eq!(overview["sources"][0]["sdk"], "sentry.python");
    let trace = read(to, &format!("/api/traces/{TRACE}"));
    assert_eq!((&trace["trace"]["tokens"], &trace["trace"]["model_calls"]), (&json!(2200), &json!(2)));
    for range in ["1h", "7d", "60d"] {
        assert_eq!(read(to, &format!("/api/overview?range={range}"))["model"]["calls"], 2, "{range}");
    }
}

#[test]
fn old_calls_are_not_in_a_recent_range() {
    let receiver = start();
    post(receiver.addr(), &logs(&[call_log(now() - 7200.0, 1, "forecast", false)]));
    assert_eq!(read(receiver.addr(), "/api/overview?range=1h")["mcp"]["calls"], 0);
    assert_eq!(read(receiver.addr(), "/api/overview?range=24h")["mcp"]["calls"], 1);
}

#[test]
fn values_of_every_item_are_found_by_words() {
    let receiver = start();
    let to = receiver.addr();
    let mut haystack = log(now(), "info", "nothing special");
    haystack["attributes"] = json!({"city": {"value": "Reykjavík harbour", "type": "string"}});
    post(to, &logs(&[haystack, log(now(), "info", "another one")]));
    post(to, &envelope(&json!({}), &[("check_in", br#"{"monitor_slug":"nightly-backup"}"#)]));
    let found = |query: &str| read(to, &format!("/api/search?query={query}"))["items"].as_array().unwrap().len();
    assert_eq!(found("reykjavik"), 1, "case and accents aside");
    assert_eq!(found("harbour%20reyk"), 1, "all words, the last as a beginning");
    assert_eq!(found("harbour%20another"), 0);
    assert_eq!(found("nightly-backup"), 1, "items that no page shows are found too");
    assert_eq!(found("%22%20OR%20*"), 0, "operators are words");
    assert_eq!(read(to, &format!("/api/search?query={TRACE}"))["trace"], TRACE);
}

#[test]
fn a_search_goes_on_page_by_page() {
    let receiver = start();
    let to = receiver.addr();
    let many: Vec<Value> = (0..25).map(|at| log(now(), "info", &format!("needle {at}"))).collect();
    post(to, &logs(&many));
    let first = read(to, "/api/search?query=needle&limit=10");
    let second = read(to, &format!("/api/search?query=needle&limit=100&before={}", first["next"].as_str().unwrap()));
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (10, 15));
    assert_eq!(second["next"], Value::Null);
}

#[test]
fn an_exported_session_is_the_same_session_elsewhere() {
    let (here, there) = (start(), start());
    post(here.addr(), &logs(&[call_log(now(), 1, "forecast", false), call_log(now(), 2, "radar", true)]));
    post(here.addr(), &call_transaction(now(), 1, "forecast"));
    let export = here.store().export_session("ses_1").unwrap().unwrap();
    assert_eq!(export.items, 3);
    assert_eq!(there.store().import(&export.envelope, "1").unwrap(), 3);
    assert_eq!(
        there.store().import(&export.envelope, "1").unwrap(),
        3,
        "again, counted as duplicates where they have ids"
    );
    let (ours, theirs) = (read(here.addr(), "/api/sessions/ses_1"), read(there.addr(), "/api/sessions/ses_1"));
    let calls = |session: &Value| {
        let events = session["events"].as_array().unwrap();
        events.iter().map(|event| (event["resource"].clone(), event["response_bytes"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(calls(&ours), calls(&theirs));
    // The same bytes by HTTP, to be posted to any receiver.
    let answer = get(here.addr(), "/api/sessions/ses_1/export");
    assert_eq!(answer.body, export.envelope);
    assert_eq!(here.store().export_session("nobody").unwrap().map(|export| export.items), None);
}

#[test]
fn a_damaged_import_says_what_was_kept() {
    let receiver = start();
    let error = receiver.store().import(b"{}\n{\"type\":\"log\",\"length\":2}\n{}\n{\"type\":", "1").unwrap_err();
    assert!(error.to_string().contains("1 items before it were kept"), "{error}");
}

#[test]
fn what_is_too_old_goes_with_its_words_and_sums() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    let first = start_with(config().with_file(&file));
    post(first.addr(), &logs(&[call_log(now(), 1, "forecast", false)]));
    assert_eq!(read(first.addr(), "/api/search?query=forecast")["items"].as_array().unwrap().len(), 1);
    first.stop();
    let second = start_with(config().with_file(&file).with_max_age(Duration::from_nanos(1)));
    // The writer prunes before it takes the first arrival.
    post(second.addr(), &logs(&[log(now(), "info", "fresh")]));
    assert_eq!(read(second.addr(), "/api/sessions")["sessions"], json!([]));
    assert_eq!(read(second.addr(), "/api/search?query=forecast")["items"], json!([]));
    assert_eq!(read(second.addr(), "/api/tools"), json!([]));
    assert_eq!(counts(second.addr(), "log").3, 1);
}

#[test]
fn logs_of_a_level_are_in_time_order_across_levels() {
    let receiver = start();
    let levels = ["error", "info", "fatal", "debug", "error", "warn"];
    let many: Vec<Value> =
        (0_u32..).zip(levels).map(|(at, level)| log(f64::from(at), level, &format!("{level} {at}"))).collect();
    post(receiver.addr(), &logs(&many));
    let bodies = |path: &str| -> Vec<String> {
        let list = read(receiver.addr(), path);
        list["logs"].as_array().unwrap().iter().map(|log| log["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies("/api/logs?level=error"), ["error 4", "fatal 2", "error 0"]);
    assert_eq!(bodies("/api/logs?level=warn&query=4"), ["error 4"]);
    assert_eq!(bodies("/api/logs?level=error&limit=1").len(), 1);
}
