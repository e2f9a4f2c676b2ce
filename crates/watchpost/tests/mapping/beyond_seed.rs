//! What the seed does not say and Sentry's own views need: spans, releases, users, traces, sampling.

use std::time::Duration;

use serde_json::{Value, json};
use watchpost::{
    mapping::{Profile, Sampling, Settings, TraceMode, mcp, sample_rand},
    model::{Completion, Direction, McpEvent, TraceParent, Transport},
};

use crate::support::{
    SPAN_ID, TRACE_ID, error_event, failed_call, good_call, log, settings, span_data, text, transaction,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_transaction_has_what_sentry_reads_at_the_top() {
    let sent = transaction(&good_call(), &settings());
    assert_eq!(sent["type"], "transaction");
    assert_eq!(sent["environment"], "staging");
    assert_eq!(sent["release"], "golden-server@1.2.3");
    assert_eq!(sent["platform"], "other");
    assert_eq!(sent["transaction_info"], json!({"source": "custom"}));
    assert_eq!(sent["user"], json!({"id": "user-42", "username": "Ada Lovelace"}));
    assert_eq!(sent["sdk"], json!({"name": "watchpost.rust", "version": env!("CARGO_PKG_VERSION")}));
    assert_eq!(sent["contexts"]["trace"]["origin"], "auto.ai.mcp_server");
}

#[test]
fn one_child_span_carries_the_call_in_both_spellings() {
    let event = McpEvent {
        mcp_session_id: text("11111111-2222"),
        tool_call_id: text("toolu_1"),
        request_bytes: Some(312),
        response_bytes: Some(2048),
        content_count: Some(2),
        ..good_call()
    };
    let sent = transaction(&event, &settings());
    let spans = sent["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!((&span["op"], &span["description"]), (&json!("mcp.server"), &json!("tools/call echo")));
    assert_eq!((&span["status"], &span["origin"]), (&json!("ok"), &json!("auto.ai.mcp_server")));
    assert_eq!((&span["trace_id"], &span["parent_span_id"]), (&json!(TRACE_ID), &json!(SPAN_ID)));
    assert_eq!((&span["start_timestamp"], &span["timestamp"]), (&sent["start_timestamp"], &sent["timestamp"]));
    assert_eq!(
        span["data"],
        json!({
            "mcp.method.name": "tools/call",
            "mcp.tool.name": "echo",
            "gen_ai.tool.name": "echo",
            "mcp.transport": "stdio",
            "network.transport": "pipe",
            "mcp.request.id": "7",
            "jsonrpc.request.id": "7",
            "jsonrpc.protocol.version": "2.0",
            "mcp.protocol.version": "2025-11-25",
            "mcp.session.id": "11111111-2222",
            "watchpost.session.id": "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv",
            "mcp.client.name": "golden-client",
            "mcp.client.version": "9.8.7",
            "mcp.server.name": "golden-server",
            "mcp.server.version": "1.2.3",
            "user.id": "user-42",
            "gen_ai.tool.call.id": "toolu_1",
            "mcp.tool.result.is_error": false,
            "mcp.tool.result.content_count": 2,
            "watchpost.request.size": 312,
            "watchpost.response.size": 2048,
        })
    );
}

#[test]
fn each_method_has_its_name_and_attributes() {
    let span = |event_type: &'static str, resource: Option<&str>| {
        let event = McpEvent {
            event_type: event_type.into(),
            resource_name: resource.map(str::to_owned),
            content_count: Some(3),
            ..good_call()
        };
        transaction(&event, &settings())["spans"][0].clone()
    };
    let prompt = span("prompts/get", Some("greet"));
    assert_eq!(prompt["description"], "prompts/get greet");
    assert_eq!(
        (&prompt["data"]["mcp.prompt.name"], &prompt["data"]["gen_ai.prompt.name"]),
        (&json!("greet"), &json!("greet"))
    );
    assert_eq!(prompt["data"]["mcp.prompt.result.message_count"], 3);
    assert_eq!(
        (&prompt["data"]["mcp.tool.name"], &prompt["data"]["mcp.tool.result.is_error"]),
        (&Value::Null, &Value::Null)
    );

    let resource = span("resources/read", Some("file:///a/b.txt"));
    assert_eq!(resource["description"], "resources/read", "a URI would make too many names");
    assert_eq!(resource["data"]["mcp.resource.uri"], "file:///a/b.txt");

    let list = span("tools/list", None);
    assert_eq!((&list["description"], &list["data"]["mcp.tool.name"]), (&json!("tools/list"), &Value::Null));
}

#[test]
fn notifications_have_operations_of_their_own() {
    for (direction, op) in [
        (Direction::ClientToServer, "mcp.notification.client_to_server"),
        (Direction::ServerToClient, "mcp.notification.server_to_client"),
    ] {
        let event = McpEvent {
            event_type: "notifications/progress".into(),
            resource_name: None,
            is_notification: true,
            duration: None,
            direction,
            ..good_call()
        };
        let sent = transaction(&event, &settings());
        assert_eq!(
            (&sent["spans"][0]["op"], &sent["spans"][0]["description"]),
            (&json!(op), &json!("notifications/progress"))
        );
        assert_eq!(sent["start_timestamp"], sent["timestamp"], "without a duration it starts when it ends");
    }
    let sampling =
        McpEvent { event_type: "sampling/createMessage".into(), direction: Direction::ServerToClient, ..good_call() };
    let span = transaction(&sampling, &settings())["spans"][0].clone();
    assert_eq!((&span["op"], &span["data"]["watchpost.direction"]), (&json!("mcp.server"), &json!("server_to_client")));
}

#[test]
fn what_is_no_mcp_message_is_not_counted_as_one() {
    for event_type in ["identify", "custom"] {
        let event = McpEvent { event_type: event_type.into(), ..failed_call() };
        assert_eq!(transaction(&event, &settings())["spans"], json!([]));
        assert_eq!(error_event(&event, &settings())["contexts"]["trace"]["span_id"], SPAN_ID, "its own span failed");
    }
}

#[test]
fn transports_have_two_names() {
    for (transport, mcp, network) in [
        (Some(Transport::Stdio), "stdio", json!("pipe")),
        (Some(Transport::Http), "http", json!("tcp")),
        (Some(Transport::Sse), "sse", json!("tcp")),
        (None, "unknown", Value::Null),
    ] {
        let data = span_data(&McpEvent { transport, ..good_call() }, &settings());
        assert_eq!((&data["mcp.transport"], &data["network.transport"]), (&json!(mcp), &network));
    }
}

#[test]
fn content_is_in_the_span_only_when_the_event_has_it() {
    let data = span_data(&good_call(), &settings());
    assert!(!data.as_object().unwrap().keys().any(|key| key.contains("argument") || key.contains("tool.call.result")));
    let event =
        McpEvent { arguments: text(r#"{"Text":"hi","n":{"a":1}}"#), result: text(r#"{"content":[]}"#), ..good_call() };
    let data = span_data(&event, &settings());
    assert_eq!(data["gen_ai.tool.call.arguments"], r#"{"Text":"hi","n":{"a":1}}"#);
    assert_eq!(data["gen_ai.tool.call.result"], r#"{"content":[]}"#);
    assert_eq!(
        (&data["mcp.request.argument.text"], &data["mcp.request.argument.n"]),
        (&json!("\"hi\""), &json!("{\"a\":1}"))
    );

    let read = McpEvent { event_type: "prompts/get".into(), ..event };
    let data = span_data(&read, &settings());
    assert_eq!(data["watchpost.request.params"], r#"{"Text":"hi","n":{"a":1}}"#);
    assert_eq!(
        (&data["watchpost.response.result"], &data["gen_ai.tool.call.result"]),
        (&json!(r#"{"content":[]}"#), &Value::Null)
    );
}

#[test]
fn a_cancelled_call_says_why() {
    let event = McpEvent { completion: Completion::Cancelled, cancel_reason: text("changed my mind"), ..good_call() };
    let (data, log) = (span_data(&event, &settings()), log(&event, &settings()));
    assert_eq!(data["watchpost.cancel.reason"], "changed my mind");
    assert_eq!(log["attributes"]["watchpost.cancel.reason"], json!({"type": "string", "value": "changed my mind"}));
    assert_eq!(data["watchpost.completion"], "cancelled");
    assert_eq!(transaction(&event, &settings())["spans"][0]["status"], "cancelled");
}

#[test]
fn logs_have_sentrys_own_attributes_and_their_types() {
    let log = log(&failed_call(), &settings());
    assert_eq!((&log["span_id"], &log["trace_id"]), (&json!(SPAN_ID), &json!(TRACE_ID)));
    for (key, ty, value) in [
        ("sentry.environment", "string", json!("staging")),
        ("sentry.release", "string", json!("golden-server@1.2.3")),
        ("sentry.sdk.name", "string", json!("watchpost.rust")),
        ("sentry.sdk.version", "string", json!(env!("CARGO_PKG_VERSION"))),
        ("sentry.origin", "string", json!("auto.log.mcp_server")),
        ("user.id", "string", json!("user-42")),
        ("mcp.method.name", "string", json!("tools/call")),
        ("mcp.tool.name", "string", json!("echo")),
        ("mcp.transport", "string", json!("stdio")),
        ("resource_name", "string", json!("echo")),
        ("error.type", "string", json!("tool_error")),
        ("error.message", "string", json!("backend offline")),
        ("duration_ms", "double", json!(120.5)),
        ("is_error", "boolean", json!(true)),
    ] {
        assert_eq!(log["attributes"][key], json!({"type": ty, "value": value}), "{key}");
    }
}

#[test]
fn the_strict_profile_leaves_the_event_id_of_logs_to_an_attribute() {
    let strict = settings().with_profile(Profile::Strict);
    let log = log(&good_call(), &strict);
    assert_eq!(log["event_id"], Value::Null);
    assert_eq!(log["attributes"]["event_id"]["value"], crate::support::EVENT);
}

#[test]
fn the_hosts_tags_and_properties_go_along_but_never_replace_the_seeds() {
    let event = McpEvent {
        tags: [
            ("region", "eu"),
            ("event_type", "mine"),
            ("release", "mine"),
            ("error_type", "mine"),
            ("odd key/$", "v"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
        properties: vec![("flags".to_owned(), json!(["dark"])), ("deep".to_owned(), json!({"a": {"b": 1.5}}))],
        ..failed_call()
    };
    let (settings, properties) = (settings(), json!({"flags": ["dark"], "deep": {"a": {"b": 1.5}}}));
    for item in [transaction(&event, &settings), error_event(&event, &settings)] {
        assert_eq!((&item["tags"]["region"], &item["tags"]["odd_key__"]), (&json!("eu"), &json!("v")));
        assert_eq!(
            (&item["tags"]["event_type"], &item["tags"]["release"]),
            (&json!("tools/call"), &json!("golden-server@1.2.3"))
        );
        assert_eq!(item["contexts"]["properties"], properties);
    }
    assert_eq!(transaction(&event, &settings)["tags"]["error_type"], Value::Null);
    let tags = error_event(&event, &settings)["tags"].to_string();
    assert!(tags.contains(r#""error_type":"tool_execution""#) && !tags.contains("mine"), "{tags}");
    let attributes = &log(&event, &settings)["attributes"];
    assert_eq!(attributes["error_type"], Value::Null);
    assert_eq!(
        (&attributes["region"]["value"], &attributes["event_type"]["value"]),
        (&json!("eu"), &json!("tools/call"))
    );
}

#[test]
fn a_release_relay_would_drop_is_a_tag_only() {
    let settings = Settings::default().with_release("@scope/server@1.0.0");
    let (event, log) = (transaction(&good_call(), &settings), log(&good_call(), &settings));
    assert_eq!((&event["tags"]["release"], &event["release"]), (&json!("@scope/server@1.0.0"), &Value::Null));
    assert_eq!(log["attributes"]["release"]["value"], "@scope/server@1.0.0");
    assert_eq!(log["attributes"]["sentry.release"], Value::Null);
}

#[test]
fn the_trace_mode_decides_what_a_trace_parent_does() {
    let event = McpEvent { trace_parent: TraceParent::parse_traceparent(PARENT), ..good_call() };
    let (caller_trace, caller_span) = (json!(&PARENT[3..35]), json!(&PARENT[36..52]));
    let trace = |mode| transaction(&event, &settings().with_trace(mode));

    let session = trace(TraceMode::Session);
    assert_eq!(
        (&session["contexts"]["trace"]["trace_id"], &session["contexts"]["trace"]["parent_span_id"]),
        (&json!(TRACE_ID), &Value::Null)
    );
    assert_eq!(session["spans"][0]["data"]["watchpost.parent.trace_id"], caller_trace, "it is not forgotten");
    assert_eq!(session["spans"][0]["data"]["watchpost.parent.span_id"], caller_span);

    let propagated = trace(TraceMode::Propagated);
    assert_eq!(propagated["contexts"]["trace"]["trace_id"], caller_trace);
    assert_eq!(propagated["contexts"]["trace"]["parent_span_id"], caller_span);
    assert_eq!(propagated["spans"][0]["trace_id"], caller_trace);
    assert_eq!(propagated["spans"][0]["data"]["watchpost.parent.trace_id"], Value::Null);
    assert_eq!(log(&event, &settings().with_trace(TraceMode::Propagated))["trace_id"], caller_trace);

    let call = trace(TraceMode::Call);
    assert!(call["contexts"]["trace"]["trace_id"].as_str().unwrap().starts_with(SPAN_ID), "from the event id");

    let without = transaction(&good_call(), &settings().with_trace(TraceMode::Propagated));
    assert_eq!(without["contexts"]["trace"]["trace_id"], TRACE_ID, "without a parent it is the session's");
}

#[test]
fn sampling_follows_the_trace_and_a_continued_trace_its_caller() {
    let identity = |event: &McpEvent, settings: &Settings| mcp::Identity::of(event, settings);
    let (event, half) = (good_call(), settings().with_traces_sample_rate(0.5));
    let sampling = identity(&event, &half).sampling;
    let rand = sample_rand(identity(&event, &half).trace_id);
    assert_eq!(sampling, Sampling { rate: 0.5, rand, sampled: rand < 0.5 });

    let other_event = McpEvent { event_id: "evt_2".to_owned(), ..good_call() };
    assert_eq!(identity(&other_event, &half).sampling, sampling, "one decision a session");

    let propagated = settings().with_trace(TraceMode::Propagated).with_traces_sample_rate(0.0);
    let parent = |flags: &str| McpEvent {
        trace_parent: TraceParent::parse_traceparent(&(PARENT[..53].to_owned() + flags)),
        ..good_call()
    };
    assert!(identity(&parent("01"), &propagated).sampling.sampled);
    assert!(!identity(&parent("00"), &propagated.clone().with_traces_sample_rate(1.0)).sampling.sampled);
    assert!(!identity(&parent("01"), &propagated.with_trace(TraceMode::Session)).sampling.sampled);
}

#[test]
fn the_sampling_context_says_what_was_decided() {
    let settings = settings().with_project("abc", Some("123")).with_traces_sample_rate(0.25);
    let identity = mcp::Identity::of(&good_call(), &settings);
    let mut out = Vec::new();
    settings.sampling_context(identity.trace_id, identity.sampling).write_json(&mut out);
    let context: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        context,
        json!({
            "trace_id": TRACE_ID,
            "public_key": "abc",
            "sample_rate": "0.25",
            "sample_rand": format!("{:.6}", identity.sampling.rand),
            "sampled": identity.sampling.sampled.to_string(),
            "release": "golden-server@1.2.3",
            "environment": "staging",
            "org_id": "123",
        })
    );
}

#[test]
fn a_duration_longer_than_time_itself_does_no_harm() {
    let event = McpEvent { duration: Some(Duration::MAX), ..good_call() };
    let sent = transaction(&event, &settings());
    assert!(sent["start_timestamp"].as_f64() <= sent["timestamp"].as_f64());
}
