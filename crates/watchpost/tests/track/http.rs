//! Streamable HTTP, with sessions and without, in process.

use std::{io, sync::Arc};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService,
    session::{SessionManager, local::LocalSessionManager},
};
use serde_json::{Value, json};
use tower_service::Service;
use watchpost::{
    mcp::{Options, Tracked, Tracker},
    model::{McpEvent, Transport, derive_session_id},
    testing::InMemoryExporter,
};

use crate::{server::TestServer, support::TIMEOUT};

type Body = Full<bytes::Bytes>;

struct Site<M: SessionManager> {
    service: StreamableHttpService<Tracked<TestServer>, M>,
    tracker: Tracker,
    exporter: InMemoryExporter,
}

fn site(stateful: bool) -> Site<impl SessionManager> {
    site_with(stateful, Options::default())
}

fn site_with(stateful: bool, options: Options) -> Site<impl SessionManager> {
    let exporter = InMemoryExporter::default();
    let tracker = Tracker::new(None, options.exporter("memory", Arc::new(exporter.clone()))).unwrap();
    let factory = {
        let tracker = tracker.clone();
        move || Ok::<_, io::Error>(tracker.track(TestServer::default()))
    };
    let sessions = tracker.sessions(LocalSessionManager::default(), "test-server", "1.2.3");
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(stateful);
    Site { service: StreamableHttpService::new(factory, Arc::new(sessions), config), tracker, exporter }
}

impl<M: SessionManager> Site<M> {
    async fn post(&mut self, headers: &[(&str, &str)], message: Value) -> (Option<String>, Value) {
        let mut request = Request::post("http://localhost/mcp")
            .header("host", "localhost")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(message.to_string())).unwrap();
        let response: Response<_> = self.service.call(request).await.unwrap();
        let session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        let json =
            text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|line| !line.is_empty());
        (session, serde_json::from_str(json.unwrap_or(&text)).unwrap_or(Value::Null))
    }

    async fn introduce(&mut self, name: &str) -> Option<String> {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": name, "version": "0.9"}});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let (session, answer) = self.post(&[], message).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "test-server", "{answer}");
        if let Some(session) = &session {
            let message = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            self.post(&[("mcp-session-id", session)], message).await;
        }
        session
    }

    async fn call(&mut self, headers: &[(&str, &str)], meta: Value) -> Value {
        let params = json!({"name": "echo", "arguments": {"text": "a"}, "_meta": meta});
        self.post(headers, json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})).await.1
    }

    /// The events, once there are as many.
    async fn events(&self, count: usize) -> Vec<McpEvent> {
        loop {
            assert!(self.tracker.flush_async(TIMEOUT).await.complete);
            let events = self.exporter.events();
            if events.len() >= count {
                return events;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_peers_session_is_the_session_also_of_its_initialize() {
    let mut site = site(true);
    let one = site.introduce("one").await.unwrap();
    let two = site.introduce("two").await.unwrap();
    for session in [&one, &two, &one] {
        let answer = site.call(&[("mcp-session-id", session), ("mcp-protocol-version", "2025-06-18")], json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], r#"{"text":"a"}"#);
    }
    let events = site.events(5).await;
    assert_eq!(events.len(), 5, "{events:#?}");
    for (session, name, count) in [(&one, "one", 3), (&two, "two", 2)] {
        let own: Vec<_> = events.iter().filter(|event| event.client.name.as_deref() == Some(name)).collect();
        assert_eq!(own.len(), count, "{events:#?}");
        for event in own {
            assert_eq!(event.session_id, Some(derive_session_id(session, None)));
            assert_eq!((event.mcp_session_id.as_ref(), event.transport), (Some(session), Some(Transport::Http)));
        }
    }
}

#[tokio::test]
async fn without_sessions_clients_are_told_apart_by_who_they_are() {
    let mut site = site(false);
    let meta = |name: &str| {
        json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": name, "version": "2.0"},
            "io.modelcontextprotocol/clientCapabilities": {}})
    };
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
    for (name, token) in [("one", "a"), ("two", "a"), ("one", "b"), ("one", "a")] {
        let mut headers = modern.to_vec();
        headers.push(("authorization", token));
        let answer = site.call(&headers, meta(name)).await;
        assert_eq!(answer["result"]["content"][0]["text"], r#"{"text":"a"}"#, "{answer}");
    }
    let events = site.events(4).await;
    let sessions: Vec<_> = events.iter().map(|event| event.session_id.clone().unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event.client.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["one", "two", "one", "one"]);
    assert_eq!(sessions[0], sessions[3]);
    assert!(sessions[1] != sessions[0] && sessions[2] != sessions[0] && sessions[1] != sessions[2]);
}

#[tokio::test]
async fn a_request_that_nobody_in_particular_sent_has_no_session_and_no_client() {
    let mut site = site(false);
    for _ in 0..2 {
        site.call(&[("mcp-protocol-version", "2025-06-18")], json!({})).await;
    }
    let events = site.events(2).await;
    assert!(events.iter().all(|event| event.session_id.is_none() && event.client.name.is_none()), "{events:#?}");
}

#[tokio::test]
async fn who_a_request_without_a_session_is_for_is_no_news_each_time() {
    let ada = || watchpost::model::Actor { id: Some("ada".to_owned()), name: None, data: None };
    let mut site =
        site_with(false, Options::default().identify(move |_| async move { Ok::<_, io::Error>(Some(ada())) }));
    for _ in 0..3 {
        site.call(&[("mcp-protocol-version", "2025-06-18")], json!({})).await;
    }
    let events = site.events(3).await;
    assert!(events.iter().all(|event| event.event_type == "tools/call" && event.actor == Some(ada())), "{events:#?}");
}
