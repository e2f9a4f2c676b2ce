//! Seed 000, row by row: each row of each of its tables is a row here, and a failure names it.

use serde_json::{Value, json};
use watchpost::{exporter::SentryConfig, mapping::Settings, model::McpEvent};

use crate::support::{self, error_event, failed_call, good_call, log, settings, text, transaction};

/// A row of the seed: its table and name, what is sent, and what the seed says.
type Row = (&'static str, Value, Value);

fn check(rows: &[Row]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(_, actual, expected)| actual != expected)
        .map(|(name, actual, expected)| format!("{name}: sent {actual}, the seed says {expected}"))
        .collect();
    assert!(wrong.is_empty(), "rows of seed 000 that do not hold:\n{}", wrong.join("\n"));
}

fn attribute(log: &Value, key: &str) -> Value {
    log["attributes"][key]["value"].clone()
}

#[test]
fn configuration_fields() {
    let read = |json: Value| serde_json::from_value::<SentryConfig>(json).unwrap();
    let unset = read(json!({"dsn": "https://key@o123456.ingest.sentry.io/789"}));
    let dsn = "https://key@o123456.ingest.sentry.io/789";
    check(&[
        ("`dsn`", json!(unset.dsn), json!(dsn)),
        ("`environment`", json!(read(json!({"environment": "e"})).environment), json!("e")),
        ("`environment`: default", json!(Settings::default().environment()), json!("production")),
        ("`release`", json!(read(json!({"release": "r"})).release), json!("r")),
        ("`release`: not required", json!(unset.release), json!(null)),
        ("`enableTracing`", json!(read(json!({"enableTracing": true})).enable_tracing), json!(true)),
        ("`enable_tracing`", json!(read(json!({"enable_tracing": true})).enable_tracing), json!(true)),
        ("`enable_tracing`: not required", json!(Settings::default().tracing_enabled()), json!(false)),
    ]);
}

#[test]
fn trace_and_event_ids() {
    let (event, settings) = (failed_call(), settings());
    let log = log(&event, &settings);
    let transaction = transaction(&event, &settings);
    let error = error_event(&event, &settings);
    let vectors: Value = serde_json::from_str(include_str!("../fixtures/agentcat/ids.json")).unwrap();
    let trace = vectors["trace_id"].as_array().unwrap().iter().find(|v| v["session_id"] == support::SESSION).unwrap();
    let ids = vectors["span_id"].as_array().unwrap().iter().find(|v| v["event_id"] == support::EVENT).unwrap();
    let starts_with_span = |id: &Value| json!(id.as_str().unwrap().starts_with(ids["span_id"].as_str().unwrap()));
    check(&[
        ("`session_id` -> `trace_id` of the log", log["trace_id"].clone(), trace["trace_id"].clone()),
        (
            "`session_id` -> `trace_id` of the transaction",
            transaction["contexts"]["trace"]["trace_id"].clone(),
            trace["trace_id"].clone(),
        ),
        (
            "`session_id` -> `trace_id` of the error",
            error["contexts"]["trace"]["trace_id"].clone(),
            trace["trace_id"].clone(),
        ),
        ("`event_id` -> `event_id` of the log", log["event_id"].clone(), ids["log_event_id"].clone()),
        (
            "`event_id` -> `span_id` of the transaction",
            transaction["contexts"]["trace"]["span_id"].clone(),
            ids["span_id"].clone(),
        ),
        ("`event_id` -> `event_id` of the transaction", starts_with_span(&transaction["event_id"]), json!(true)),
        ("`event_id` -> `event_id` of the error", starts_with_span(&error["event_id"]), json!(true)),
    ]);
    let ids = [&log["event_id"], &transaction["event_id"], &error["event_id"]];
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "the three items of an event have ids of their own"
    );
}

#[test]
fn log_events() {
    let settings = settings();
    let (failed, good) = (log(&failed_call(), &settings), log(&good_call(), &settings));
    let list = McpEvent { event_type: "tools/list".into(), resource_name: None, ..good_call() };
    check(&[
        ("`timestamp`", good["timestamp"].clone(), json!(1_795_210_796.591_25)),
        ("`level`: is_error", failed["level"].clone(), json!("error")),
        ("`level`: not is_error", good["level"].clone(), json!("info")),
        ("`body`", good["body"].clone(), json!("MCP tools/call: echo")),
        ("`body` without a resource", log(&list, &settings)["body"].clone(), json!("MCP tools/list")),
    ]);
}

#[test]
fn log_events_carry_the_seeds_fields() {
    let log = log(&failed_call(), &settings());
    let rows = [
        ("event_type", json!("tools/call")),
        ("resource", json!("echo")),
        ("server_name", json!("golden-server")),
        ("client_name", json!("golden-client")),
        ("actor_id", json!("user-42")),
        ("environment", json!("staging")),
        ("release", json!("golden-server@1.2.3")),
        ("session_id", json!(support::SESSION)),
        ("project_id", json!("proj_123")),
        ("user_intent", json!("Checking how errors are recorded")),
        ("duration_ms", json!(120.5)),
        ("actor_name", json!("Ada Lovelace")),
        ("actor_data", json!(r#"{"plan":"pro","seats":3}"#)),
        ("client_version", json!("9.8.7")),
        ("server_version", json!("1.2.3")),
        ("is_error", json!(true)),
        ("event_id", json!(support::EVENT)),
    ];
    check(&rows.map(|(key, expected)| (key, attribute(&log, key), expected)));
}

#[test]
fn transaction_events() {
    let settings = settings();
    let (failed, good) = (transaction(&failed_call(), &settings), transaction(&good_call(), &settings));
    let list = McpEvent { event_type: "tools/list".into(), resource_name: None, ..good_call() };
    let trace = |transaction: &Value, key: &str| transaction["contexts"]["trace"][key].clone();
    check(&[
        ("`transaction`", good["transaction"].clone(), json!("tools/call - echo")),
        ("`transaction` without a resource", transaction(&list, &settings)["transaction"].clone(), json!("tools/list")),
        ("`start_timestamp`", good["start_timestamp"].clone(), json!(1_795_210_796.470_75)),
        ("`end_timestamp`, named `timestamp`", good["timestamp"].clone(), json!(1_795_210_796.591_25)),
        ("`op`", trace(&good, "op"), json!("tools/call")),
        ("`status`: is_error", trace(&failed, "status"), json!("internal_error")),
        ("`status`: not is_error", trace(&good, "status"), json!("ok")),
    ]);
}

#[test]
fn tags() {
    let expected = json!({
        "environment": "staging",
        "release": "golden-server@1.2.3",
        "event_type": "tools/call",
        "resource": "echo",
        "server_name": "golden-server",
        "client_name": "golden-client",
        "actor_id": "user-42",
    });
    let (event, settings) = (failed_call(), settings());
    let (transaction, mut error) = (transaction(&event, &settings), error_event(&event, &settings));
    let error_type = error["tags"].as_object_mut().unwrap().remove("error_type");
    assert_eq!(error_type, Some(json!("tool_execution")), "the one tag an error event has beside the seed's");
    let rows = ["environment", "release", "event_type", "resource", "server_name", "client_name", "actor_id"];
    check(&rows.map(|tag| (tag, transaction["tags"][tag].clone(), expected[tag].clone())));
    check(&rows.map(|tag| (tag, error["tags"][tag].clone(), expected[tag].clone())));
    assert_eq!(transaction["tags"], expected, "no tag beyond the seed's");
    assert_eq!(error["tags"], expected, "no tag beyond the seed's");
}

#[test]
fn tags_by_their_conditions() {
    let bare = McpEvent { event_type: "tools/list".into(), is_error: true, ..McpEvent::default() };
    let expected = json!({"environment": "production", "event_type": "tools/list"});
    let tags = transaction(&bare, &Settings::default())["tags"].clone();
    assert_eq!(tags, expected, "`environment` and `event_type` always, the others only if available");
    assert_eq!(error_event(&bare, &Settings::default())["tags"]["environment"], "production");
}

#[test]
fn extra_data() {
    let expected = json!({
        "session_id": support::SESSION,
        "project_id": "proj_123",
        "user_intent": "Checking how errors are recorded",
        "duration_ms": 120.5,
        "actor_name": "Ada Lovelace",
        "actor_data": {"plan": "pro", "seats": 3},
        "client_version": "9.8.7",
        "server_version": "1.2.3",
    });
    let settings = settings();
    let (good, error) = (transaction(&good_call(), &settings), error_event(&failed_call(), &settings));
    let rows = [
        "session_id",
        "project_id",
        "user_intent",
        "duration_ms",
        "actor_name",
        "actor_data",
        "client_version",
        "server_version",
    ];
    check(&rows.map(|extra| (extra, good["extra"][extra].clone(), expected[extra].clone())));
    check(&rows.map(|extra| (extra, error["extra"][extra].clone(), expected[extra].clone())));
    assert_eq!(good["extra"], expected, "no extra beyond the seed's");
    assert_eq!(error["extra"]["error"], json!({"message": "backend offline"}), "and the error itself");

    let bare = McpEvent { event_type: "tools/list".into(), ..McpEvent::default() };
    assert_eq!(transaction(&bare, &Settings::default())["extra"], json!(null), "none of them without its field");
}

#[test]
fn error_events() {
    let error = error_event(&failed_call(), &settings());
    let exception = &error["exception"]["values"][0];
    check(&[
        ("a separate error event: level", error["level"].clone(), json!("error")),
        ("a separate error event: what failed", error["transaction"].clone(), json!("tools/call - echo")),
        ("a separate error event: exception", exception["type"].clone(), json!("ToolCallError")),
        ("a separate error event: message", exception["value"].clone(), json!("backend offline")),
        (
            "a separate error event: in the trace",
            error["contexts"]["trace"]["trace_id"].clone(),
            json!(support::TRACE_ID),
        ),
    ]);
    let unknown = McpEvent { error: None, ..failed_call() };
    let value = error_event(&unknown, &settings())["exception"]["values"][0]["value"].clone();
    assert_eq!(value, "tools/call echo failed", "an error without a message still says what failed");
}

#[test]
fn identify_and_custom_events_are_mapped_like_any_other() {
    let identify = McpEvent { event_type: "identify".into(), resource_name: text("Unknown"), ..good_call() };
    let settings = settings();
    check(&[
        ("`body`", log(&identify, &settings)["body"].clone(), json!("MCP identify: Unknown")),
        ("`transaction`", transaction(&identify, &settings)["transaction"].clone(), json!("identify - Unknown")),
        ("`op`", transaction(&identify, &settings)["contexts"]["trace"]["op"].clone(), json!("identify")),
    ]);
}
