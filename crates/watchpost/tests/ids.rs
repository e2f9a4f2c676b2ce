//! The ids of AgentCat's recorded vectors: session and event ids, and what Sentry's ids become of them.

use serde_json::Value;
use watchpost::model::{derive_session_id, ksuid};

fn vectors(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/agentcat/ids.json")).unwrap();
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
