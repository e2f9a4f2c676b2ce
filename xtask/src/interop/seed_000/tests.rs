//! The rows hold for an event as it should be, and no field of it can be changed or left out without a row that tells.

use serde_json::{Value, json};

use super::{
    additions,
    envelopes::is_recent,
    ids,
    known::{Between, Configured, Known},
    reported::Reported,
    rows::ROWS,
};
use crate::interop::{peers::FULL, recording::Party};

const EVENT: &str = "evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv";
const SESSION: &str = "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv";

fn now() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(is_recent(now));
    now.floor()
}

fn known(now: f64) -> Known {
    let party = |name: &str| Party { name: Some(name.to_owned()), version: Some(format!("{name} 1")) };
    Known {
        event_type: "tools/call".to_owned(),
        request_id: Some("7".to_owned()),
        resource: Some("bake".to_owned()),
        is_error: true,
        is_cancelled: false,
        message: Some("burnt".to_owned()),
        platform: None,
        started: Between(now - 0.25, now - 0.25),
        ended: Between(now, now),
        duration: Between(0.25, 0.25),
        server: party("server"),
        client: party("client"),
        session_id: None,
        event_id: None,
        user_intent: Some("eat".to_owned()),
        settings: Configured::by(&FULL),
    }
}

/// The log, the transaction and the error event of [`known`].
fn items(now: f64) -> [Value; 3] {
    let (span, trace) = (ids::span_id(EVENT), ids::trace_id(SESSION));
    let string = |value: &str| json!({ "value": value, "type": "string" });
    let tags = json!({
        "environment": "interop", "release": "bakery@7.5.3", "event_type": "tools/call", "resource": "bake", "server_name": "server",
        "client_name": "client", "actor_id": "user-42", "region": "eu-north",
    });
    let actor_data = json!({ "plan": "pro", "seats": 3 });
    let extra = json!({
        "session_id": SESSION, "project_id": "proj_interop", "user_intent": "eat", "duration_ms": 250.0, "actor_name": "Ada Lovelace",
        "actor_data": actor_data, "client_version": "client 1", "server_version": "server 1",
    });
    let top = json!({
        "platform": "other", "environment": "interop", "release": "bakery@7.5.3", "user": { "id": "user-42", "username": "Ada Lovelace" },
        "sdk": { "name": "watchpost.rust", "version": "0" }, "tags": tags, "extra": extra, "transaction": "tools/call - bake",
    });
    let with_top = |own: Value| {
        let mut whole = top.as_object().unwrap().clone();
        whole.extend(own.as_object().unwrap().clone());
        Value::Object(whole)
    };
    let log = json!({
        "timestamp": now, "trace_id": trace, "span_id": span, "event_id": ids::log_event_id(EVENT), "level": "error",
        "body": "MCP tools/call: bake",
        "attributes": {
            "event_type": string("tools/call"), "resource": string("bake"), "server_name": string("server"), "client_name": string("client"),
            "session_id": string(SESSION), "event_id": string(EVENT), "project_id": string("proj_interop"), "user_intent": string("eat"),
            "duration_ms": { "value": 250.0, "type": "double" }, "actor_id": string("user-42"), "actor_name": string("Ada Lovelace"),
            "actor_data": string(&actor_data.to_string()), "client_version": string("client 1"), "server_version": string("server 1"),
            "is_error": { "value": true, "type": "boolean" }, "sentry.environment": string("interop"),
            "sentry.release": string("bakery@7.5.3"), "sentry.sdk.name": string("watchpost.rust"), "sentry.sdk.version": string("0"),
            "region": string("eu-north"),
        },
    });
    let transaction = with_top(json!({
        "event_id": ids::item_event_id(EVENT, "transaction"), "start_timestamp": now - 0.25, "timestamp": now,
        "transaction_info": { "source": "custom" },
        "contexts": { "trace": { "trace_id": trace, "span_id": span, "op": "tools/call", "status": "internal_error", "origin": "auto.ai.mcp_server" } },
        "spans": [{
            "trace_id": trace, "span_id": "00000000000000ab", "parent_span_id": span, "op": "mcp.server", "description": "tools/call bake",
            "start_timestamp": now - 0.25, "timestamp": now, "status": "internal_error",
            "data": {
                "mcp.method.name": "tools/call", "mcp.tool.name": "bake", "gen_ai.tool.name": "bake", "mcp.request.id": "7",
                "jsonrpc.request.id": "7", "mcp.transport": "stdio", "network.transport": "pipe", "mcp.client.name": "client",
                "mcp.client.version": "client 1", "mcp.server.name": "server", "mcp.server.version": "server 1",
                "mcp.tool.result.is_error": true,
            },
        }],
    }));
    let error = with_top(json!({
        "event_id": ids::item_event_id(EVENT, "error"), "timestamp": now, "level": "error", "fingerprint": ["a"],
        "contexts": { "trace": { "trace_id": trace, "span_id": "00000000000000ab" } },
        "exception": { "values": [{ "type": "ToolCallError", "value": "burnt", "mechanism": { "type": "mcp", "handled": true } }] },
    }));
    [log, transaction, error]
}

fn wrong(known: &Known, [log, transaction, error]: &[Value; 3]) -> Vec<String> {
    let seen = Reported { log, transaction, error };
    let rows = ROWS.iter().chain(additions::ROWS);
    rows.flat_map(|row| (row.check)(known, &seen).into_iter().map(|wrong| format!("{}: {wrong}", row.name))).collect()
}

/// Every leaf of a JSON value as a pointer.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{}", escaped(key)), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &format!("{path}/{at}"), found))
        }
        _ => found.push(path.to_owned()),
    }
}

/// What is only asked to be there, so that another text of it passes; and what the normaliser's own check looks at.
fn may_change(path: &str) -> bool {
    let free =
        ["/sdk/", "/transaction_info/source", "/fingerprint/", "/mechanism/", "/exception/values/0/type", "sentry.sdk"];
    free.iter().any(|part| path.contains(part)) || path.ends_with("/type")
}

#[test]
fn every_row_holds_for_an_event_as_it_should_be() {
    let now = now();
    assert_eq!(wrong(&known(now), &items(now)), Vec::<String>::new());
}

#[test]
fn no_field_can_be_changed_without_a_row_that_tells() {
    let now = now();
    for which in 0..3 {
        let mut paths = Vec::new();
        leaves(&items(now)[which], "", &mut paths);
        for path in paths.iter().filter(|path| !may_change(path)) {
            for change in [Value::Null, json!("changed")] {
                let mut items = items(now);
                *items[which].pointer_mut(path).unwrap() = change.clone();
                assert!(!wrong(&known(now), &items).is_empty(), "item {which}: {path} may be {change}");
            }
        }
    }
}

#[test]
fn no_item_can_be_left_out_or_added_without_a_row_that_tells() {
    let now = now();
    for which in 1..3 {
        let mut items = items(now);
        items[which] = Value::Null;
        assert!(!wrong(&known(now), &items).is_empty());
    }
    let well = Known { is_error: false, message: None, ..known(now) };
    assert!(wrong(&well, &items(now)).iter().any(|wrong| wrong.contains("there should be no error event")));
    let mut untraced = known(now);
    untraced.settings.tracing = false;
    assert!(wrong(&untraced, &items(now)).iter().any(|wrong| wrong.contains("there should be no transaction")));
}

#[test]
fn what_was_not_given_may_not_be_told() {
    let now = now();
    let mut bare = known(now);
    bare.settings = Configured { tracing: true, ..Configured::by(&crate::interop::peers::BARE) };
    let told = wrong(&bare, &items(now)).join("\n");
    for name in ["environment", "release", "actor_id", "project_id", "actor_name", "actor_data"] {
        assert!(told.contains(&format!("{name}: ")), "{name} may be told: {told}");
    }
}
