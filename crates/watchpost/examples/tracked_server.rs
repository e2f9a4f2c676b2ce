//! An MCP server made with rmcp and tracked with the configuration of Sentry's page in AgentCat's documentation:
//!
//! ```text
//! SENTRY_DSN=http://key@127.0.0.1:8969/1 cargo run -p watchpost --example tracked_server --features rmcp-http
//! SENTRY_DSN=… cargo run -p watchpost --example tracked_server --features rmcp-http -- --http 127.0.0.1:8000 [--stateless]
//! ```
//!
//! With `--untracked` it is the same server, untracked.
#![allow(clippy::print_stderr, reason = "standard output belongs to MCP")]

use std::{error::Error, io, num::ParseIntError, sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, Implementation, JsonObject, ListPromptsResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptMessage,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use watchpost::{
    exporter::SentryConfig,
    mcp::{
        Options, Tracker,
        track::{capture_error, current_call},
    },
};

type Failure = Box<dyn Error + Send + Sync>;

const MENU: &str = "shop://menu";
/// The seed's own timeout.
const SHUTDOWN: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_set = |flag: &str| args.iter().any(|arg| arg == flag);
    let http = args.iter().position(|arg| arg == "--http").and_then(|at| args.get(at + 1));

    if is_set("--untracked") {
        return match http {
            Some(address) => serve_http(address, is_set("--stateless"), || Ok(Shop)).await,
            None => serve_stdio(Shop).await,
        };
    }

    let dsn = std::env::var("SENTRY_DSN").unwrap_or_else(|_| "https://key@o123456.ingest.sentry.io/789".to_owned());
    let tracker = Tracker::new(
        None,
        Options::default().exporter(
            "sentry",
            SentryConfig::default()
                .with_dsn(dsn)
                .with_environment("production")
                .with_release("1.0.0")
                .with_tracing(true),
        ),
    )?;
    let tracking = tracker.clone();
    match http {
        Some(address) => serve_http(address, is_set("--stateless"), move || Ok(tracking.track(Shop))).await?,
        None => {
            let server = tracking.track(Shop);
            // What the server asks its client becomes events too, and events say how large requests and answers were.
            let transport = server.tap_io(tokio::io::stdin(), tokio::io::stdout());
            server.serve(transport).await?.waiting().await?;
        }
    }
    let outcome = tracker.shutdown_async(SHUTDOWN).await;
    if !outcome.complete {
        eprintln!("not everything reached Sentry: {outcome}");
    }
    Ok(())
}

async fn serve_stdio(server: impl ServerHandler) -> Result<(), Failure> {
    server.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
    Ok(())
}

/// Serves until standard input closes.
async fn serve_http<H: ServerHandler>(
    address: &str,
    stateless: bool,
    factory: impl Fn() -> Result<H, io::Error> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(!stateless);
    let service = StreamableHttpService::new(factory, Arc::new(LocalSessionManager::default()), config);
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    let router = axum::Router::new().nest_service("/mcp", service);
    let closed = async {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    };
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = closed => {}
    }
    Ok(())
}

/// The server.
#[derive(Clone)]
struct Shop;

/// An error of the shop's own.
#[derive(Debug, thiserror::Error)]
#[error("`{amount}` is no number of loaves")]
struct OrderError {
    amount: String,
    source: ParseIntError,
}

fn tool(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> Tool {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name, description, Arc::new(schema))
}

fn order(amount: &str) -> Result<u32, OrderError> {
    amount.parse().map_err(|source| OrderError { amount: amount.to_owned(), source })
}

impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("tracked-shop", "2.3.4"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let text = json!({"type": "string"});
        Ok(ListToolsResult::with_all_items(vec![
            tool("price", "Says what a bread costs.", json!({"bread": text}), &["bread"]),
            tool("order", "Orders loaves.", json!({"loaves": text}), &["loaves"]),
            tool("bake", "Takes its time.", json!({"milliseconds": {"type": "integer"}}), &["milliseconds"]),
            tool("taste", "Asks the client's model.", json!({}), &[]),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let argument = |name: &str| request.arguments.as_ref().and_then(|arguments| arguments.get(name));
        let text = |name: &str| argument(name).and_then(Value::as_str).unwrap_or_default();
        let success = |text: &str| CallToolResult::success(vec![ContentBlock::text(text)]);
        let result = match &*request.name {
            "price" => {
                if let Some(call) = current_call() {
                    call.tag("aisle", "bread");
                }
                success(&format!("{}: 3.20", text("bread")))
            }
            "order" => match order(text("loaves")) {
                Ok(loaves) => CallToolResult::structured(json!({"loaves": loaves})),
                Err(error) => {
                    capture_error(&error);
                    CallToolResult::error(vec![ContentBlock::text(error.to_string())])
                }
            },
            "bake" => {
                if let Some(token) = context.meta.get_progress_token() {
                    let begun = ProgressNotificationParam::new(token, 0.0);
                    context
                        .peer
                        .notify_progress(begun)
                        .await
                        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                }
                let time = Duration::from_millis(argument("milliseconds").and_then(Value::as_u64).unwrap_or(0));
                tokio::select! {
                    () = tokio::time::sleep(time) => success("baked"),
                    () = context.ct.cancelled() => success("stopped"),
                }
            }
            #[expect(deprecated, reason = "clients still answer it")]
            "taste" => {
                let question = vec![rmcp::model::SamplingMessage::user_text("Is rye good?")];
                let params = rmcp::model::CreateMessageRequestParams::new(question, 16);
                match context.peer.create_message(params).await {
                    Ok(_) => success("tasted"),
                    Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
                }
            }
            name => return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(MENU, "menu")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != MENU {
            return Err(ErrorData::resource_not_found(format!("there is no {}", request.uri), None));
        }
        Ok(ReadResourceResult::new(vec![ResourceContents::text("rye, spelt", request.uri)]).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("recipe", Some("How to bake."), None)]))
    }

    async fn get_prompt(
        &self,
        _request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, "How is rye bread baked?")]).into())
    }
}
