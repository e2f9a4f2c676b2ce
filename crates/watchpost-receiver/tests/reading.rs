//! The JSON API: joins, lists, filters, pages, and answers to what cannot be served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{envelope, error, get, log, logs, post, read, start};

const TRACE: &str = "0123456789abcdef0123456789abcdef";
const SPAN: &str = "aaaaaaaaaaaaaaaa";

fn mcp_log(seconds: f64, span: &str, attributes: Value) -> Value {
    let mut log = log(seconds, "info", "MCP tools/call: echo");
    log["span_id"] = json!(span);
    log["attributes"] = attributes;
    log
}

fn transaction(id: &str, value: Value) -> Vec<u8> {
    let mut transaction = json!({"type": "transaction", "event_id": id, "timestamp": 2.5, "start_timestamp": 2.0});
    transaction.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    envelope(&json!({ "event_id": id }), &[("transaction", transaction.to_string().as_bytes())])
}

#[test]
fn logs_are_filtered_by_text_and_level() {
    let receiver = start();
    let bodies = [("debug", "50% done"), ("info", "Fifty done"), ("warn", "50x done"), ("error", "failed")];
    let sent: Vec<Value> = (1..).zip(bodies).map(|(at, (level, body))| log(f64::from(at), level, body)).collect();
    post(receiver.addr(), &logs(&sent));
    let found = |query: &str| -> Vec<String> {
        let listed = read(receiver.addr(), &format!("/api/logs?{query}"));
        listed["logs"].as_array().unwrap().iter().map(|log| log["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(""), ["failed", "50x done", "Fifty done", "50% done"]);
    assert_eq!(found("level=warn"), ["failed", "50x done"]);
    assert_eq!(found("query=50%25"), ["50% done"]);
    assert_eq!(found("query=fifty&level=info"), ["Fifty done"]);
    assert_eq!(found("query=%5C"), Vec::<String>::new());
}

#[test]
fn pages_of_a_list_join_without_gap_or_overlap_while_items_arrive() {
    let receiver = start();
    // Many at one moment: the cursor must tell them apart.
    let sent: Vec<Value> = (0..25).map(|at| log(f64::from(at / 10), "info", &at.to_string())).collect();
    post(receiver.addr(), &logs(&sent));
    let mut seen = Vec::new();
    let mut path = "/api/logs?limit=4".to_owned();
    loop {
        let page = read(receiver.addr(), &path);
        seen.extend(page["logs"].as_array().unwrap().iter().map(|log| log["body"].as_str().unwrap().to_owned()));
        post(receiver.addr(), &logs(&[log(1e9, "info", "late")]));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/logs?limit=4&before={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|at| at.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_session_is_paged_from_its_first_event() {
    let receiver = start();
    let sent: Vec<Value> = (0..5)
        .map(|at| {
            let attributes = json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "s"}, "resource_name": {"value": at}});
            mcp_log(f64::from(at), &format!("{at:016x}"), attributes)
        })
        .collect();
    post(receiver.addr(), &logs(&sent));
    let first = read(receiver.addr(), "/api/sessions/s?limit=3");
    let next = first["next"].as_str().unwrap();
    let second = read(receiver.addr(), &format!("/api/sessions/s?limit=3&after={next}"));
    let resources = |page: &Value| -> Vec<String> {
        page["events"].as_array().unwrap().iter().map(|event| event["resource"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (resources(&first), resources(&second)),
        (vec!["0".into(), "1".into(), "2".into()], vec!["3".into(), "4".into()])
    );
    assert!(second["next"].is_null());
}

#[test]
fn a_watchpost_call_is_one_event_though_its_transaction_and_error_name_a_child_span() {
    let receiver = start();
    let (event_id, child) = (format!("{SPAN}1111111111111111"), "bbbbbbbbbbbbbbbb");
    let tags = json!({"event_type": "tools/call", "resource": "echo", "client_name": "cursor", "server_name": "files"});
    post(
        receiver.addr(),
        &transaction(
            &event_id,
            json!({
        "transaction": "tools/call - echo", "tags": tags, "extra": {"session_id": "ses_1", "duration_ms": 500},
        "contexts": {"trace": {"trace_id": TRACE, "span_id": SPAN, "op": "tools/call", "status": "internal_error"}},
        "spans": [{"trace_id": TRACE, "span_id": child, "parent_span_id": SPAN, "op": "mcp.server", "description": "tools/call echo",
                   "start_timestamp": 2.0, "timestamp": 2.5, "data": {"mcp.method.name": "tools/call"}}]}),
        ),
    );
    post(
        receiver.addr(),
        &error(&json!({
        "event_id": format!("{SPAN}2222222222222222"), "timestamp": 2.5, "tags": tags, "extra": {"session_id": "ses_1"},
        "exception": {"values": [{"type": "ToolCallError", "value": "boom"}]},
        "contexts": {"trace": {"trace_id": TRACE, "span_id": child, "parent_span_id": SPAN}}})),
    );
    post(
        receiver.addr(),
        &logs(&[mcp_log(2.5, SPAN, json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "ses_1"}}))]),
    );
    let detail = read(receiver.addr(), "/api/sessions/ses_1");
    assert_eq!(detail["events"].as_array().unwrap().len(), 1, "{detail}");
    assert_eq!(detail["events"][0]["items"], json!({"log": 3, "transaction": 1, "error": 2}));
    assert_eq!(detail["events"][0]["error"], "boom");
    assert_eq!(detail["session"]["client"]["name"], "cursor");
    let trace = read(receiver.addr(), &format!("/api/traces/{TRACE}"));
    assert_eq!(trace["spans"].as_array().unwrap().len(), 2);
    assert_eq!(trace["spans"][1]["parent_span_id"], SPAN);
}

#[test]
fn a_call_that_was_never_answered_says_how_it_ended() {
    let receiver = start();
    let attributes = json!({"event_type": {"value": "tools/call"}, "watchpost.completion": {"value": "cancelled"}});
    post(receiver.addr(), &logs(&[mcp_log(1.0, "bbbbbbbbbbbbbbbb", attributes)]));
    let trace = json!({"trace_id": TRACE, "span_id": SPAN, "op": "tools/call", "status": "ok"});
    let child = json!({"span_id": "cccccccccccccccc", "parent_span_id": SPAN, "op": "mcp.server", "status": "cancelled",
        "start_timestamp": 2, "timestamp": 2, "data": {"mcp.method.name": "tools/call"}});
    let sent = json!({"contexts": {"trace": trace}, "tags": {"event_type": "tools/call"}, "spans": [child]});
    post(receiver.addr(), &transaction(&"e".repeat(32), sent));
    let detail = read(receiver.addr(), &format!("/api/sessions/{TRACE}"));
    for event in detail["events"].as_array().unwrap() {
        assert_eq!((&event["status"], &event["is_error"]), (&json!("cancelled"), &json!(false)), "{event}");
    }
    assert_eq!(detail["session"]["events"], 2);
}

#[test]
fn an_sdks_mcp_spans_make_a_session_of_their_trace() {
    let receiver = start();
    let id = "c".repeat(32);
    post(
        receiver.addr(),
        &transaction(
            &id,
            json!({
        "transaction": "POST /mcp",
        "contexts": {"trace": {"trace_id": TRACE, "span_id": SPAN, "op": "http.server", "status": "ok"}},
        "spans": [{"span_id": "bbbbbbbbbbbbbbbb", "parent_span_id": SPAN, "op": "mcp.server", "description": "tools/call add",
                   "start_timestamp": 2.1, "timestamp": 2.2, "status": "ok",
                   "data": {"mcp.method.name": "tools/call", "mcp.tool.name": "add", "mcp.client.name": "inspector"}}]}),
        ),
    );
    // An error without MCP tags belongs to the call whose span failed, whichever comes first.
    post(
        receiver.addr(),
        &error(&json!({"event_id": "d".repeat(32), "timestamp": 2.2, "message": "boom",
        "contexts": {"trace": {"trace_id": TRACE, "span_id": "bbbbbbbbbbbbbbbb"}}})),
    );
    let detail = read(receiver.addr(), &format!("/api/sessions/{TRACE}"));
    let event = &detail["events"][0];
    assert_eq!((&event["method"], &event["resource"]), (&json!("tools/call"), &json!("add")));
    assert_eq!((&event["is_error"], &event["error"]), (&json!(true), &json!("boom")));
    assert_eq!(detail["session"]["session_id"], json!(null));
    assert_eq!(detail["session"]["errors"], 1);
}

#[test]
fn an_error_that_arrives_before_its_call_is_joined_too() {
    let receiver = start();
    post(
        receiver.addr(),
        &error(&json!({"event_id": "d".repeat(32), "timestamp": 2.2, "message": "boom",
        "contexts": {"trace": {"trace_id": TRACE, "span_id": SPAN}}})),
    );
    post(receiver.addr(), &logs(&[mcp_log(2.5, SPAN, json!({"mcp.method.name": {"value": "tools/call"}}))]));
    let detail = read(receiver.addr(), &format!("/api/sessions/{TRACE}"));
    assert_eq!(detail["events"][0]["items"], json!({"log": 2, "transaction": null, "error": 1}));
    assert_eq!((&detail["events"][0]["is_error"], &detail["session"]["errors"]), (&json!(true), &json!(1)));
}

#[test]
fn a_session_seen_before_its_id_takes_the_id() {
    let receiver = start();
    post(receiver.addr(), &logs(&[mcp_log(1.0, SPAN, json!({"event_type": {"value": "initialize"}}))]));
    assert_eq!(read(receiver.addr(), "/api/sessions")["sessions"][0]["id"], TRACE);
    let attributes = json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "ses_2"}});
    post(receiver.addr(), &logs(&[mcp_log(2.0, "bbbbbbbbbbbbbbbb", attributes)]));
    let sessions = read(receiver.addr(), "/api/sessions");
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    assert_eq!((&sessions["sessions"][0]["id"], &sessions["sessions"][0]["events"]), (&json!("ses_2"), &json!(2)));
    assert_eq!(read(receiver.addr(), &format!("/api/sessions/{TRACE}"))["session"]["id"], "ses_2");
}

#[test]
fn one_session_may_have_a_trace_a_call() {
    let receiver = start();
    for (at, trace) in ["1", "2", "3"].into_iter().enumerate() {
        let mut log =
            mcp_log(at as f64, SPAN, json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "ses_3"}}));
        log["trace_id"] = json!(trace.repeat(32));
        post(receiver.addr(), &logs(&[log]));
    }
    let detail = read(receiver.addr(), "/api/sessions/ses_3");
    assert_eq!(detail["session"]["events"], 3);
    assert_eq!(detail["trace_ids"].as_array().unwrap().len(), 3);
}

#[test]
fn v2_spans_make_a_trace_in_order_of_time() {
    let receiver = start();
    let span = |id: &str, parent: Value, start: f64, status: &str| {
        json!({"trace_id": TRACE, "span_id": id.repeat(16), "parent_span_id": parent, "name": format!("span {id}"), "status": status,
               "start_timestamp": start, "end_timestamp": start + 0.25, "attributes": {"sentry.op": {"type": "string", "value": "gen_ai.chat"}}})
    };
    let items = json!({"items": [span("2", json!("1".repeat(16)), 2.0, "error"), span("1", json!(null), 1.0, "ok")]});
    post(receiver.addr(), &envelope(&json!({}), &[("span", items.to_string().as_bytes())]));
    let trace = read(receiver.addr(), &format!("/api/traces/{}", TRACE.to_uppercase()));
    assert_eq!(trace["trace"]["name"], "span 1");
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!((&spans[0]["name"], &spans[1]["name"]), (&json!("span 1"), &json!("span 2")));
    assert_eq!((&spans[1]["op"], &spans[1]["is_error"]), (&json!("gen_ai.chat"), &json!(true)));
    assert_eq!((&spans[1]["offset_ms"], &spans[1]["duration_ms"]), (&json!(1000.0), &json!(250.0)));
}

#[test]
fn issues_group_count_and_span_their_events() {
    let receiver = start();
    for (at, value) in ["a", "b", "a"].into_iter().enumerate() {
        let event = json!({"event_id": at.to_string().repeat(32), "timestamp": at, "transaction": "t",
            "exception": {"values": [{"type": "Boom", "value": value}]}});
        post(receiver.addr(), &error(&event));
    }
    let issues = read(receiver.addr(), "/api/issues");
    let issues = issues["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 2);
    assert_eq!(
        (&issues[0]["title"], &issues[0]["count"], &issues[0]["culprit"]),
        (&json!("Boom: a"), &json!(2), &json!("t"))
    );
    assert_eq!(issues[0]["first_seen"], "1970-01-01T00:00:00.000Z");
    let issue = read(receiver.addr(), &format!("/api/issues/{}", issues[0]["id"]));
    assert_eq!(issue["events"][0]["event_id"], "2".repeat(32));
}

#[test]
fn what_is_not_there_or_not_understood_is_answered_in_json() {
    let receiver = start();
    let cases = [
        ("/api/sessions/none", 404),
        ("/api/traces/xyz", 404),
        (&*format!("/api/traces/{TRACE}"), 404),
        ("/api/issues/1", 404),
        ("/api/issues/one", 404),
        ("/api/items/99", 404),
        ("/api/nothing", 404),
        ("/api/logs?limit=x", 400),
        ("/api/logs?before=x", 400),
        ("/api/logs?level=loud", 400),
        ("/api/1/envelope/", 405),
    ];
    for (path, status) in cases {
        let answer = get(receiver.addr(), path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["detail"].is_string(), "{path}");
    }
}
