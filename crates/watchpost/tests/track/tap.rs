//! What no handler sees: the server's own requests, and rmcp's refusals.

use rmcp::ServiceExt;
use serde_json::json;
use tokio::io::split;
use watchpost::{
    mcp::Options,
    model::{Completion, Direction, ErrorKind, McpEvent},
};

use crate::support::{Client, TIMEOUT, tracked};

async fn with_tap(talk: impl AsyncFnOnce(&mut Client)) -> Vec<McpEvent> {
    let (server, exporter) = tracked(Options::default());
    let tracker = server.tracker().clone();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let transport = server.tap(split(theirs));
    let serving = tokio::spawn(async move { server.serve(transport).await.unwrap().waiting().await });
    let mut client = Client::over(ours);
    client.introduce("test-client").await;
    talk(&mut client).await;
    drop(client);
    serving.await.unwrap().unwrap();
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    exporter.events()
}

#[tokio::test]
async fn a_question_to_the_client_is_an_event_of_the_same_session() {
    let events = with_tap(async |client| {
        client.ask("tools/call", json!({"name": "ask"})).await;
        let question = client.receive().await;
        assert_eq!(question["method"], "sampling/createMessage");
        let result = json!({"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"});
        client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result})).await;
        assert_eq!(client.receive().await["result"]["content"][0]["text"], "asked");
    })
    .await;
    let question = events.iter().find(|event| event.event_type == "sampling/createMessage").unwrap();
    assert_eq!((question.direction, question.is_error), (Direction::ServerToClient, false));
    assert_eq!(question.session_id, events[0].session_id);
    assert_eq!(question.client.name.as_deref(), Some("test-client"));
    assert_eq!(events.len(), 3, "{events:#?}");
}

// rmcp waits 5 s for open calls of a connection that closed.
#[tokio::test(start_paused = true)]
async fn a_question_refused_or_never_answered_is_a_failure() {
    let events = with_tap(async |client| {
        client.ask("tools/call", json!({"name": "ask"})).await;
        let question = client.receive().await;
        let error = json!({"code": -1, "message": "User rejected"});
        client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": error})).await;
        client.receive().await;
        client.ask("tools/call", json!({"name": "ask"})).await;
        client.receive().await;
    })
    .await;
    let asked: Vec<_> = events.iter().filter(|event| event.event_type == "sampling/createMessage").collect();
    assert_eq!(asked.len(), 2);
    let refused = asked[0].error.as_ref().unwrap();
    assert_eq!(
        (refused.kind, refused.code, refused.message.as_str()),
        (ErrorKind::Protocol, Some(-1), "User rejected")
    );
    assert_eq!((asked[1].completion, asked[1].is_error), (Completion::ConnectionClosed, true));
}

#[tokio::test]
async fn what_rmcp_refuses_by_itself_is_an_event() {
    let events = with_tap(async |client| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "1999-01-01"});
        let answer = client.request("tools/call", json!({"name": "echo", "_meta": meta})).await;
        assert!(answer["error"].is_object(), "{answer}");
        client.call("echo", json!({})).await;
    })
    .await;
    let calls: Vec<_> = events.iter().filter(|event| event.event_type == "tools/call").collect();
    assert_eq!(calls.len(), 2, "{events:#?}");
    assert_eq!((calls[0].is_error, calls[1].is_error), (true, false));
    assert_eq!(calls[0].error.as_ref().unwrap().kind, ErrorKind::Protocol);
}
