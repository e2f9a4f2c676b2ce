//! A client that speaks raw JSON-RPC, so that what comes back is seen as it is.

use std::{sync::Arc, time::Duration};

use rmcp::{RoleServer, Service, ServiceExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use watchpost::{
    mcp::{Options, Tracked, track},
    model::McpEvent,
    testing::InMemoryExporter,
};

use crate::server::TestServer;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    next_id: u64,
}

impl Client {
    /// A client of `service`, connected and not yet introduced.
    pub(crate) fn connect(service: impl Service<RoleServer>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            if let Ok(running) = service.serve(split(theirs)).await {
                let _ = running.waiting().await;
            }
        });
        let (reader, writer) = split(ours);
        Self { reader: BufReader::new(reader), writer, next_id: 1 }
    }

    /// Of a transport that the test made.
    pub(crate) fn over(ours: DuplexStream) -> Self {
        let (reader, writer) = split(ours);
        Self { reader: BufReader::new(reader), writer, next_id: 1 }
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn send_line(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn receive_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        line
    }

    pub(crate) async fn receive(&mut self) -> Value {
        let line = self.receive_line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Sends a request and returns its id.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], json!(id), "{answer}");
        answer
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Shakes hands as `name`.
    pub(crate) async fn introduce(&mut self, name: &str) -> Value {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}},
            "clientInfo": {"name": name, "title": "A client", "version": "0.9"}});
        let answer = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        answer
    }
}

/// A tracked server and where its events go.
pub(crate) fn tracked(options: Options) -> (Tracked<TestServer>, InMemoryExporter) {
    let exporter = InMemoryExporter::default();
    let options = options.exporter("memory", Arc::new(exporter.clone()));
    (track(TestServer::default(), Some("proj_1"), options).unwrap(), exporter)
}

/// A tracked server's client, and what it takes to see the events.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) exporter: InMemoryExporter,
    pub(crate) tracker: watchpost::mcp::Tracker,
}

impl Rig {
    pub(crate) async fn new(options: Options) -> Self {
        let (server, exporter) = tracked(options);
        let tracker = server.tracker().clone();
        let mut client = Client::connect(server);
        client.introduce("test-client").await;
        Self { client, exporter, tracker }
    }

    /// All events so far.
    pub(crate) async fn events(&self) -> Vec<McpEvent> {
        let outcome = self.tracker.flush_async(TIMEOUT).await;
        assert!(outcome.complete, "{outcome}");
        self.exporter.events()
    }

    /// The last event so far.
    pub(crate) async fn last(&self) -> McpEvent {
        self.events().await.pop().expect("an event")
    }

    /// The last event of a call that no answer was seen for.
    pub(crate) async fn until(&self, is_it: impl Fn(&McpEvent) -> bool) -> McpEvent {
        loop {
            if let Some(event) = self.events().await.into_iter().find(|event| is_it(event)) {
                return event;
            }
            tokio::task::yield_now().await;
        }
    }
}
