//! Which session events belong to, on connections of their own.

use serde_json::json;
use watchpost::mcp::Options;

use crate::support::{Client, TIMEOUT, tracked};

#[tokio::test]
async fn each_connection_is_a_session_of_its_own_client() {
    let (server, exporter) = tracked(Options::default());
    let tracker = server.tracker().clone();
    let mut one = Client::connect(server.clone());
    let mut two = Client::connect(server);
    one.introduce("one").await;
    two.introduce("two").await;
    one.call("echo", json!({})).await;
    two.call("echo", json!({})).await;
    one.call("echo", json!({})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let events = exporter.events();
    let of = |name: &str| -> Vec<_> {
        let own = events.iter().filter(|event| event.client.name.as_deref() == Some(name));
        own.map(|event| event.session_id.clone().unwrap()).collect()
    };
    let (of_one, of_two) = (of("one"), of("two"));
    assert_eq!((of_one.len(), of_two.len(), events.len()), (3, 2, 5));
    assert!(of_one.iter().all(|id| *id == of_one[0]) && of_two.iter().all(|id| *id == of_two[0]));
    assert_ne!(of_one[0], of_two[0]);
}

#[tokio::test]
async fn the_stateless_revision_is_one_session_on_one_connection() {
    let (server, exporter) = tracked(Options::default());
    let tracker = server.tracker().clone();
    let mut client = Client::connect(server);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "2.0"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    client.request("server/discover", json!({"_meta": meta})).await;
    client.request("tools/call", json!({"name": "echo", "arguments": {}, "_meta": meta})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let events = exporter.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].session_id, events[1].session_id);
    for event in &events {
        assert_eq!(event.client.name.as_deref(), Some("modern"));
        assert_eq!(event.protocol_version.as_deref(), Some("2026-07-28"));
    }
}
