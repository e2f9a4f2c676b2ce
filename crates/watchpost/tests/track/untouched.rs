//! What a client gets is the same, tracked and not.

use serde_json::{Value, json};
use watchpost::mcp::Options;

use crate::{
    server::TestServer,
    support::{Client, tracked},
};

async fn conversation(mut client: Client) -> Vec<Value> {
    let mut answers = vec![client.introduce("test-client").await];
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/list", json!({"cursor": "2"})),
        ("tools/call", json!({"name": "echo", "arguments": {"context": "mine", "text": "a"}})),
        ("tools/call", json!({"name": "structured", "arguments": {}})),
        ("tools/call", json!({"name": "fail"})),
        ("tools/call", json!({"name": "refuse"})),
        ("tools/call", json!({"name": "get_more_tools", "arguments": {"context": "x"}})),
        ("prompts/get", json!({"name": "greet"})),
        ("resources/read", json!({"uri": "file:///a"})),
        ("resources/subscribe", json!({"uri": "file:///a"})),
        ("logging/setLevel", json!({"level": "info"})),
        ("example.com/own", json!({"a": [1, 2.5, null]})),
        ("server/discover", json!({})),
        ("tasks/get", json!({"taskId": "1"})),
        ("ping", json!({})),
    ] {
        answers.push(client.request(method, params).await);
    }
    answers
}

#[tokio::test]
async fn every_answer_is_the_same_tracked_and_not() {
    let untracked = conversation(Client::connect(TestServer::default())).await;
    let (server, _) = tracked(Options::default());
    assert_eq!(conversation(Client::connect(server)).await, untracked);
    let (server, _) = tracked(Options::default());
    let service = server.tracker().track_service(TestServer::default());
    assert_eq!(conversation(Client::connect(service)).await, untracked);
    assert_eq!(untracked[1]["result"]["nextCursor"], "2");
    assert_eq!(untracked[1]["result"]["_meta"], json!({"example.com/total": 3}));
    assert_eq!(untracked[4]["result"]["_meta"], json!({"example.com/note": "kept"}));
}

#[tokio::test]
async fn hooks_that_fail_panic_or_hang_cost_no_call_anything() {
    let options = Options::default()
        .hook_timeout(std::time::Duration::from_millis(10))
        .identify(|_| std::future::pending::<Result<_, std::io::Error>>())
        .event_tags(|_| panic!("on purpose"))
        .event_properties(|_| Err("no".into()))
        .redact_event(|_| panic!("on purpose"));
    let (server, exporter) = tracked(options);
    let tracker = server.tracker().clone();
    let untracked = conversation(Client::connect(TestServer::default())).await;
    assert_eq!(conversation(Client::connect(server)).await, untracked);
    let outcome = tracker.flush_async(crate::support::TIMEOUT).await;
    assert!(exporter.events().is_empty(), "what can't be redacted is not sent");
    assert_eq!(outcome.dropped_by_hooks, outcome.events);
}
