//! The ids of AgentCat's recorded vectors: session and event ids, and what Sentry's ids become of them.

use serde_json::Value;
use watchpost::{
    mapping::{Settings, mcp::Identity},
    model::{McpEvent, derive_session_id, ksuid},
};

fn vectors(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../fixtures/agentcat/ids.json")).unwrap();
    let vectors = vectors[kind].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    vectors
}

#[test]
fn ksuids_are_as_recorded() {
    for vector in vectors("ksuid") {
        let hex = vector["payload_hex"].as_str().unwrap();
        let payload = std::array::from_fn(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap());
        let id = ksuid(vector["prefix"].as_str().unwrap(), vector["unix_seconds"].as_u64().unwrap(), payload);
        assert_eq!(id, vector["id"], "{vector}");
    }
}

#[test]
fn sessions_are_derived_from_a_peers_session_id_as_recorded() {
    for vector in vectors("derive_session") {
        let derived = derive_session_id(vector["mcp_session_id"].as_str().unwrap(), vector["project_id"].as_str());
        assert_eq!(derived, vector["session_id"], "{vector}");
    }
}

fn identity(event_id: &str, session_id: Option<&str>) -> Identity {
    let session_id = session_id.map(str::to_owned);
    Identity::of(&McpEvent { event_id: event_id.to_owned(), session_id, ..McpEvent::default() }, &Settings::default())
}

#[test]
fn traces_are_as_recorded() {
    for vector in vectors("trace_id").iter().chain(&vectors("derive_session")) {
        let session_id = vector["session_id"].as_str().unwrap();
        let expected = vector["trace_id"].as_str().unwrap();
        let trace_id = identity("evt_1", Some(session_id)).trace_id.to_string();
        if session_id.is_empty() {
            assert!(expected.contains("sha256(event_id)[:32]"), "{vector}");
            assert_eq!(trace_id, identity("evt_1", None).trace_id.to_string(), "an empty session is none");
        } else {
            assert_eq!(trace_id, expected, "{vector}");
        }
    }
}

#[test]
fn without_a_session_the_trace_comes_from_the_event() {
    let identity = identity("evt_1", None);
    assert_eq!(identity.trace_id.to_string(), "7d4e5a76eae6d8c165410ac19fe67565");
    assert!(identity.trace_id.to_string().starts_with(&identity.span_id.to_string()));
}

#[test]
fn spans_and_event_ids_are_as_recorded_with_a_deterministic_second_half() {
    for vector in vectors("span_id") {
        let event_id = vector["event_id"].as_str().unwrap();
        let event = McpEvent { event_id: event_id.to_owned(), ..McpEvent::default() };
        let identity = identity(event_id, None);
        assert_eq!(identity.span_id.to_string(), vector["span_id"], "{vector}");
        assert_eq!(identity.log_event_id().to_string(), vector["log_event_id"], "{vector}");
        let error = vector["error_event_id"].as_str().unwrap().replace("<16 random hex>", "");
        for id in [identity.transaction_event_id(&event), identity.error_event_id(&event)] {
            assert!(id.to_string().starts_with(&error), "{vector}");
        }
        assert_eq!(identity.transaction_event_id(&event), identity.transaction_event_id(&event.clone()));
    }
}

#[test]
fn the_second_halves_are_hashes_of_the_event_id_and_the_items_kind() {
    // printf 'evt_1:transaction' | sha256sum, and so on
    let event = McpEvent { event_id: "evt_1".to_owned(), ..McpEvent::default() };
    let identity = identity("evt_1", None);
    assert_eq!(identity.transaction_event_id(&event).to_string(), "7d4e5a76eae6d8c1ff950d39f43e7824");
    assert_eq!(identity.error_event_id(&event).to_string(), "7d4e5a76eae6d8c1c24304527b7ac185");
    assert_eq!(identity.request_span_id(&event).to_string(), "e94f317858476f63");
}
