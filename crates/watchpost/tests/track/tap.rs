//! What no handler sees: the server's own requests, and rmcp's refusals.

use rmcp::{RoleServer, ServiceExt, transport::Transport};
use serde_json::{Value, json};
use tokio::io::{DuplexStream, split};
use watchpost::{
    mcp::{Options, Tracked, Tracker},
    model::{Completion, Direction, ErrorKind, McpEvent},
    testing::InMemoryExporter,
};

use crate::{
    server::TestServer,
    support::{Client, TIMEOUT, tracked},
};

async fn with_tap(talk: impl AsyncFnOnce(&mut Client)) -> Vec<McpEvent> {
    let (events, outcome) = tapped(Options::default(), false, talk).await;
    assert_eq!(outcome.unreadable, 0);
    events
}

/// With a tap, of messages or also of bytes.
async fn tapped(
    options: Options,
    bytes: bool,
    talk: impl AsyncFnOnce(&mut Client),
) -> (Vec<McpEvent>, watchpost::mcp::track::TrackOutcome) {
    let (server, exporter) = tracked(options);
    let tracker = server.tracker().clone();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    if bytes {
        let (read, write) = split(theirs);
        let transport = server.tap_io(read, write);
        return serve(server, transport, tracker, exporter, ours, talk).await;
    }
    let transport = server.tap(split(theirs));
    serve(server, transport, tracker, exporter, ours, talk).await
}

async fn serve(
    server: Tracked<TestServer>,
    transport: impl Transport<RoleServer, Error = std::io::Error> + 'static,
    tracker: Tracker,
    exporter: InMemoryExporter,
    ours: DuplexStream,
    talk: impl AsyncFnOnce(&mut Client),
) -> (Vec<McpEvent>, watchpost::mcp::track::TrackOutcome) {
    let serving = tokio::spawn(async move { server.serve(transport).await.unwrap().waiting().await });
    let mut client = Client::over(ours);
    client.introduce("test-client").await;
    talk(&mut client).await;
    drop(client);
    serving.await.unwrap().unwrap();
    let outcome = tracker.flush_async(TIMEOUT).await;
    assert!(outcome.complete);
    (exporter.events(), outcome)
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

#[tokio::test]
async fn a_tap_of_bytes_knows_the_sizes_of_what_passed() {
    let mut sizes = Vec::new();
    let (events, _) = tapped(Options::default(), true, async |client| {
        for text in ["short", "Brötchen ☃ 𝄞", &"long ".repeat(10_000)] {
            let request = json!({"jsonrpc": "2.0", "id": text, "method": "tools/call",
                "params": {"name": "echo", "arguments": {"text": text}}});
            client.send(&request).await;
            let answer = client.receive_line().await;
            sizes.push((Some(request.to_string().len() as u64), Some(answer.trim_end().len() as u64)));
        }
    })
    .await;
    let calls = events.iter().filter(|event| event.event_type == "tools/call");
    let seen: Vec<_> = calls.map(|event| (event.request_bytes, event.response_bytes)).collect();
    assert_eq!(seen, sizes);
    let handshake = &events[0];
    assert_eq!(&*handshake.event_type, "initialize");
    assert!(handshake.request_bytes.is_some() && handshake.response_bytes.is_some());
}

#[tokio::test]
async fn what_rmcp_cannot_read_is_an_event_and_what_is_no_message_is_counted() {
    let (events, outcome) = tapped(Options::default(), true, async |client| {
        // Ids that rmcp knows nothing of, and a batch: it answers each without an id.
        for message in [
            json!({"jsonrpc": "2.0", "id": 1.5, "method": "tools/call", "params": {"name": "add"}}),
            json!([{"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": "file:///a"}}]),
        ] {
            client.send(&message).await;
            let answer = client.receive().await;
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32600)), "{answer}");
        }
        client.send_line("{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":").await;
        client.send_line("").await;
        client.call("echo", json!({})).await;
        // Nothing comes behind this one.
        client.send(&json!({"jsonrpc": "2.0", "id": true, "method": "tools/list"})).await;
        client.receive().await;
        client.send(&json!({"jsonrpc": "2.0", "id": 2.5, "method": "tools/list"})).await;
        client.receive().await;
    })
    .await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| (&*event.event_type, event.resource_name.as_deref(), event.is_error))
        .filter(|(method, ..)| *method != "initialize")
        .collect();
    let refused = [("tools/call", Some("add"), true), ("resources/read", Some("file:///a"), true)];
    assert_eq!(seen, [refused[0], refused[1], ("tools/call", Some("echo"), false), ("tools/list", None, true)]);
    let error = events.iter().find_map(|event| event.error.as_ref()).unwrap();
    assert_eq!((error.kind, error.code), (ErrorKind::Protocol, Some(-32600)));
    assert!(events.iter().all(|event| event.session_id == events[0].session_id && event.request_bytes.is_some()));
    assert_eq!(outcome.unreadable, 2, "half a message, and one whose id is none");
}

#[tokio::test]
async fn a_tap_of_bytes_counts_nothing_twice() {
    async fn talk(client: &mut Client) {
        client.call("fail", json!({})).await;
        client.request("tools/call", json!({"name": "refuse"})).await;
        client.request("tasks/get", json!({"taskId": "1"})).await;
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "1999-01-01"});
        client.request("tools/call", json!({"name": "echo", "_meta": meta})).await;
        client.ask("tools/call", json!({"name": "ask"})).await;
        let question = client.receive().await;
        let error = json!({"code": -1, "message": "User rejected"});
        client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": error})).await;
        client.receive().await;
        // Never answered.
        client.ask("tools/call", json!({"name": "panic"})).await;
        let id = client.ask("tools/call", json!({"name": "wait"})).await;
        client.notify("notifications/cancelled", json!({"requestId": id, "reason": "bored"})).await;
        client.call("echo", json!({})).await;
    }
    let facts = |events: Vec<McpEvent>| {
        let fact = |event: McpEvent| {
            let error = event.error.map(|error| (error.kind, error.code, error.message));
            format!("{} {:?} {:?} {error:?}", event.event_type, event.resource_name, event.completion)
        };
        let mut facts: Vec<_> = events.into_iter().map(fact).collect();
        facts.sort();
        facts
    };
    let of_messages = facts(tapped(Options::default(), false, talk).await.0);
    let (events, outcome) = tapped(Options::default(), true, talk).await;
    assert_eq!(facts(events), of_messages);
    assert_eq!(outcome.unreadable, 0);
}
