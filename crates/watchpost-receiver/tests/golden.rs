//! Real envelopes of AgentCat's exporters, taken in and read back as sessions and events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use support::{counts, get, post, read, start};
use watchpost_receiver::RunningReceiver;

const TYPESCRIPT: &str = include_str!("fixtures/agentcat-typescript.envelopes.jsonl");
const PYTHON: &str = include_str!("fixtures/agentcat-python.envelopes.jsonl");

fn bodies(recording: &str) -> Vec<String> {
    recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn receive(recording: &str) -> RunningReceiver {
    let receiver = start();
    for body in bodies(recording) {
        post(receiver.addr(), body.as_bytes());
    }
    receiver
}

/// The logs of a recording by session: what the sessions must show.
fn logs_by_session(recording: &str) -> HashMap<String, Vec<Value>> {
    let mut sessions: HashMap<String, Vec<Value>> = HashMap::new();
    for body in bodies(recording) {
        let lines: Vec<&str> = body.lines().collect();
        let header: Value = serde_json::from_str(lines[1]).unwrap();
        if header["type"] == "log" {
            let payload: Value = serde_json::from_str(lines[2]).unwrap();
            let log = payload["items"][0].clone();
            let session = log["attributes"]["sessionId"]["value"].as_str().unwrap_or("none").to_owned();
            sessions.entry(session).or_default().push(log);
        }
    }
    for logs in sessions.values_mut() {
        logs.sort_by(|a, b| a["timestamp"].as_f64().unwrap().total_cmp(&b["timestamp"].as_f64().unwrap()));
    }
    sessions
}

#[test]
fn each_session_shows_its_events_in_order_with_all_that_was_received() {
    for recording in [TYPESCRIPT, PYTHON] {
        let receiver = receive(recording);
        let sessions = logs_by_session(recording);
        for (id, logs) in sessions.iter().filter(|(id, _)| *id != "none") {
            let detail = read(receiver.addr(), &format!("/api/sessions/{id}"));
            let session = &detail["session"];
            assert_eq!(session["client"], json!({"name": "golden-client", "version": "9.8.7"}));
            assert_eq!(session["server"], json!({"name": "golden-server", "version": "1.2.3"}));
            assert_eq!(session["actor"], json!({"id": "user-42", "name": "Ada Lovelace"}));
            assert_eq!(session["events"], logs.len());

            let events = detail["events"].as_array().unwrap();
            let expected: Vec<(Value, Value, bool)> = logs
                .iter()
                .map(|log| {
                    let attribute = |name: &str| log["attributes"][name]["value"].clone();
                    let method = attribute("eventType").as_str().unwrap().replace("mcp:", "").replace("agentcat:", "");
                    (json!(method), attribute("resourceName"), attribute("isError") == json!(true))
                })
                .collect();
            let shown: Vec<(Value, Value, bool)> = events
                .iter()
                .map(|event| (event["method"].clone(), event["resource"].clone(), event["is_error"].as_bool().unwrap()))
                .collect();
            assert_eq!(shown, expected, "{id}");
            for event in events {
                assert!(event["items"]["log"].is_i64() && event["items"]["transaction"].is_i64(), "{event}");
                assert_eq!(event["items"]["error"].is_i64(), event["is_error"] == true, "{event}");
                assert_eq!(event["error"].is_string(), event["is_error"] == true, "{event}");
                assert!(event["duration_ms"].is_f64(), "{event}");
            }
            let failed = events.iter().filter(|event| event["is_error"] == true).count();
            assert_eq!(session["errors"], failed);
            let calls = events.iter().filter(|event| event["method"] == "tools/call").count();
            assert_eq!(session["calls"], calls);
        }
    }
}

#[test]
fn a_failed_call_has_its_message_its_issue_and_what_was_sent() {
    let receiver = receive(TYPESCRIPT);
    let detail = read(receiver.addr(), "/api/sessions/ses_3MO9YjAl6bXzQIu3bxdyNVKfhBT");
    let events = detail["events"].as_array().unwrap();
    let failed = events.iter().find(|event| event["resource"] == "soft_fail").unwrap();
    assert_eq!(failed["error"], "first: backend offline second: try later");
    assert_eq!(failed["status"], "internal_error");
    assert_eq!(failed["user_intent"], "Checking isError results");
    let sent = read(receiver.addr(), &format!("/api/items/{}", failed["items"]["error"]));
    assert_eq!(sent["exception"]["values"][0]["value"], failed["error"]);
    let issues = read(receiver.addr(), "/api/issues");
    let issue = issues["issues"]
        .as_array()
        .unwrap()
        .iter()
        .find(|issue| issue["title"] == "ToolCallError: first: backend offline second: try later");
    let issue = read(receiver.addr(), &format!("/api/issues/{}", issue.unwrap()["id"]));
    assert_eq!(issue["events"][0]["session"], "ses_3MO9YjAl6bXzQIu3bxdyNVKfhBT");
    assert_eq!(issue["events"][0]["trace_id"], failed["trace_id"]);
}

#[test]
fn a_session_is_found_by_its_trace_and_its_trace_has_all_its_spans() {
    let receiver = receive(TYPESCRIPT);
    let by_id = read(receiver.addr(), "/api/sessions/ses_3MO9YjAl6bXzQIu3bxdyNVKfhBT");
    let trace = by_id["trace_ids"][0].as_str().unwrap().to_owned();
    assert_eq!(read(receiver.addr(), &format!("/api/sessions/{trace}"))["session"], by_id["session"]);
    let trace = read(receiver.addr(), &format!("/api/traces/{trace}"));
    assert_eq!(trace["spans"].as_array().unwrap().len(), by_id["events"].as_array().unwrap().len());
    assert_eq!(trace["trace"]["session"], "ses_3MO9YjAl6bXzQIu3bxdyNVKfhBT");
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let forwards = receive(TYPESCRIPT);
    let backwards = start();
    for body in bodies(TYPESCRIPT).iter().rev() {
        post(backwards.addr(), body.as_bytes());
    }
    let path = "/api/sessions/ses_3MO9YjAl6bXzQIu3bxdyNVKfhBT";
    let view = |to| {
        let mut detail = read(to, path);
        for event in detail["events"].as_array_mut().unwrap() {
            // Numbers differ; that there is one must not.
            for item in ["log", "transaction", "error"] {
                event["items"][item] = json!(event["items"][item].is_i64());
            }
            event["id"] = json!(null);
        }
        detail
    };
    let key = |event: &Value| (event["timestamp"].to_string(), event["span_id"].to_string());
    let (mut first, mut second) = (view(forwards.addr()), view(backwards.addr()));
    for detail in [&mut first, &mut second] {
        detail["events"].as_array_mut().unwrap().sort_by_key(key);
    }
    assert_eq!(first, second);
}

#[test]
fn a_resent_recording_changes_no_session() {
    let receiver = receive(TYPESCRIPT);
    let before = read(receiver.addr(), "/api/sessions");
    for body in bodies(TYPESCRIPT) {
        post(receiver.addr(), body.as_bytes());
    }
    assert_eq!(read(receiver.addr(), "/api/sessions"), before);
    let (received, duplicates, ..) = counts(receiver.addr(), "log");
    assert_eq!(received, 2 * duplicates);
}

#[test]
fn every_page_of_a_recording_renders() {
    let receiver = receive(PYTHON);
    let mut paths = vec![
        "/".to_owned(),
        "/traces".to_owned(),
        "/issues".to_owned(),
        "/logs".to_owned(),
        "/sessions".to_owned(),
        "/tools".to_owned(),
    ];
    for (list, field, page) in
        [("sessions", "id", "sessions"), ("traces", "trace_id", "traces"), ("issues", "id", "issues")]
    {
        for row in read(receiver.addr(), &format!("/api/{list}"))[list].as_array().unwrap() {
            let id = row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned);
            paths.push(format!("/{page}/{id}"));
        }
    }
    assert!(paths.len() > 10);
    for path in paths {
        let answer = get(receiver.addr(), &path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.text().ends_with("</html>"), "{path}");
    }
}
