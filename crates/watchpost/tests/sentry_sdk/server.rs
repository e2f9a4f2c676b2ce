//! The application under test: one `sentry::init`, and a tracked server whose tools capture.

use std::sync::{Arc, LazyLock};

use rmcp::{
    RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};
use sentry::Hub;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use watchpost::{
    ai::Tracer,
    exporter::SentryConfig,
    mcp::{Options, Tracker, track::current_call},
    sentry_sdk::{DeliveryTransportFactory, TraceIntegration},
};

use crate::sink::{PATIENCE, Sink};

/// The one client of the process, as an application has it, with its default integrations, and where it sends.
static SINK: LazyLock<Sink> = LazyLock::new(|| {
    let sink = Sink::start();
    let options = sentry::ClientOptions::new()
        .traces_sample_rate(1.0)
        .add_integration(TraceIntegration::new())
        .transport(DeliveryTransportFactory::new());
    std::mem::forget(sentry::init((sink.dsn.as_str(), options)));
    // A test's thread is not the first of the process, whose hub new threads take theirs from.
    Hub::main().bind_client(Hub::current().client());
    sink
});

/// The client of the process, on this thread too.
pub(crate) fn init() -> &'static Sink {
    let sink = &*SINK;
    Hub::current().bind_client(Hub::main().client());
    sink
}

/// What the client has captured is at the sink.
pub(crate) fn flush() {
    assert!(Hub::main().client().unwrap().flush(Some(PATIENCE)));
}

/// `trace_id-span_id` of an event.
pub(crate) fn trace_of(event: &Value) -> String {
    let trace = &event["contexts"]["trace"];
    format!("{}-{}", trace["trace_id"].as_str().unwrap(), trace["span_id"].as_str().unwrap())
}

/// A server that is tracked, with tracing, to the same sink.
pub(crate) fn tracker() -> Tracker {
    let sentry = SentryConfig::default().with_dsn(&init().dsn).with_tracing(true);
    Tracker::new(None, Options::default().exporter("sentry", sentry)).unwrap()
}

pub(crate) struct Capturing {
    pub(crate) tracer: Tracer,
}

/// The call's span, as [`trace_of`] has it.
fn own_span() -> String {
    let span = current_call().unwrap().span().unwrap();
    format!("{}-{}", span.trace_id, span.span_id)
}

impl ServerHandler for Capturing {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let id = request.arguments.unwrap_or_default()["id"].as_str().unwrap().to_owned();
        let mut answer = own_span();
        match &*request.name {
            "report" => {
                sentry::configure_scope(|scope| scope.set_tag("caller", &id));
                for _ in 0..5 {
                    tokio::task::yield_now().await;
                    sentry::capture_message(&id, sentry::Level::Error);
                }
            }
            "nested" => {
                let span = self.tracer.tool_call("look up");
                span.instrument(async {
                    tokio::task::yield_now().await;
                    sentry::capture_message(&id, sentry::Level::Error);
                })
                .await;
                answer = format!("{}-{}", span.trace_id(), span.span_id());
            }
            "panic" => panic!("{id} at {answer}"),
            "log" => tracing::error!("{id}"),
            other => panic!("there is no tool {other}"),
        }
        Ok(CallToolResult::success(vec![ContentBlock::text(answer)]).into())
    }
}

/// A client that speaks raw JSON-RPC.
pub(crate) struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

impl Client {
    pub(crate) async fn connect(tracker: &Tracker) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = tracker.track(Capturing { tracer: Tracer::new(|_| {}) });
        tokio::spawn(async move {
            if let Ok(running) = server.serve(split(theirs)).await {
                let _ = running.waiting().await;
            }
        });
        let (reader, writer) = split(ours);
        let mut client = Self { reader: BufReader::new(reader), writer };
        let info = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
        client.send(json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})).await;
        client.receive().await;
        client.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) async fn ask(&mut self, tool: &str, id: &str) {
        let params = json!({"name": tool, "arguments": {"id": id}});
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
    }

    /// The next answer: the id of its call, and what the tool said.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let answer = self.receive().await;
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text(&answer["id"]), text(&answer["result"]["content"][0]["text"]))
    }

    pub(crate) async fn call(&mut self, tool: &str, id: &str) -> String {
        self.ask(tool, id).await;
        self.answer().await.1
    }
}

/// A client of its own, to the same sink.
pub(crate) fn client(options: sentry::ClientOptions) -> Arc<sentry::Client> {
    let options = options.add_integration(TraceIntegration::new()).transport(DeliveryTransportFactory::new());
    Arc::new(sentry::Client::from((init().dsn.as_str(), options)))
}
