//! An example MCP server built with rmcp: tools that succeed, dawdle, fail in both of MCP's ways and speak many scripts,
//! a resource and a prompt.

use std::{process::ExitCode, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, Implementation, JsonObject, ListPromptsResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, Prompt, PromptArgument, PromptMessage, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities, ServerConfig,
        Tool,
    },
    service::RequestContext,
};
use serde_json::json;

use crate::failure::Failure;

/// How long the slow tool takes.
const SLOW: Duration = Duration::from_millis(120);
const README: &str = "demo://readme";

/// Serves on standard input and output until the input ends.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Failure::Demo(format!("no runtime for the example server: {error}")))?;
    runtime.block_on(async {
        let serving = DemoServer
            .serve((tokio::io::stdin(), tokio::io::stdout()))
            .await
            .map_err(|error| Failure::Demo(format!("the example server did not start: {error}")))?;
        serving.waiting().await.map_err(|error| Failure::Demo(format!("the example server broke: {error}")))?;
        Ok(ExitCode::SUCCESS)
    })
}

struct DemoServer;

fn schema(properties: serde_json::Value, required: &[&str]) -> JsonObject {
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    schema.insert("required".to_owned(), json!(required));
    schema
}

fn text_argument(request: &CallToolRequestParams, name: &str) -> Result<String, ErrorData> {
    request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get(name)?.as_str())
        .map(str::to_owned)
        .ok_or_else(|| ErrorData::invalid_params(format!("`{name}` must be a string"), None))
}

fn success(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

impl ServerHandler for DemoServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("watchpost-demo-server", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let text = json!({"text": {"type": "string"}});
        Ok(ListToolsResult::with_all_items(vec![
            Tool::new("echo", "Says the text back.", schema(text.clone(), &["text"])),
            Tool::new("slow_report", "Takes its time.", schema(json!({}), &[])),
            Tool::new("translate", "Greets in many scripts.", schema(text, &["text"])),
            Tool::new("book_flight", "Refuses: a result with isError.", schema(json!({}), &[])),
            Tool::new("charge_card", "Fails: a JSON-RPC error.", schema(json!({}), &[])),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match request.name.as_ref() {
            "echo" => Ok(success(text_argument(&request, "text")?)),
            "slow_report" => {
                tokio::time::sleep(SLOW).await;
                Ok(success("3 rows, at last"))
            }
            "translate" => {
                let text = text_argument(&request, "text")?;
                Ok(success(format!("{text}: こんにちは · здравствуйте · مرحبا · 👋🏽")))
            }
            "book_flight" => Ok(CallToolResult::error(vec![
                ContentBlock::text("No seats left on flight PR123"),
                ContentBlock::text("Try another day"),
            ])
            .into()),
            "charge_card" => Err(ErrorData::internal_error("payment provider timed out after 3000 ms", None)),
            unknown => Err(ErrorData::invalid_params(format!("Unknown tool: {unknown}"), None)),
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(README, "readme")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match request.uri.as_str() {
            README => Ok(ReadResourceResult::new(vec![ResourceContents::text("Watchpost's demo.", README)]).into()),
            unknown => Err(ErrorData::invalid_params(format!("Resource not found: {unknown}"), None)),
        }
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let topic = PromptArgument::new("topic");
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("haiku", Some("Asks for a haiku."), Some(vec![topic]))]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        match request.name.as_str() {
            "haiku" => {
                let ask = PromptMessage::new_text(Role::User, "Write a haiku about a lighthouse.");
                Ok(GetPromptResult::new(vec![ask]).into())
            }
            unknown => Err(ErrorData::invalid_params(format!("Unknown prompt: {unknown}"), None)),
        }
    }
}
