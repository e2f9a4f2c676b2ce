//! The server under test: a tool for each way a call can go.

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult, ErrorData,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, JsonObject, ListToolsResult,
        PaginatedRequestParams, PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        ResourceContents, Role, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use watchpost::{
    ai::Tracer,
    mcp::track::{CustomEvent, Tracker, capture_error, current_call},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct TestServer {
    pub(crate) tracker: Option<Tracker>,
    pub(crate) tracer: Option<Tracer>,
}

#[derive(Debug, thiserror::Error)]
#[error("no quota left")]
pub(crate) struct QuotaError(#[source] pub(crate) std::num::ParseIntError);

fn object(value: Value) -> Arc<JsonObject> {
    Arc::new(value.as_object().unwrap().clone())
}

pub(crate) fn tool(name: &'static str, schema: Value) -> Tool {
    Tool::new(name, Cow::Borrowed("A tool."), object(schema))
}

impl ServerHandler for TestServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("test-server", "1.2.3"))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let is_last = request.is_some_and(|request| request.cursor.is_some());
        let mut result = if is_last {
            ListToolsResult::with_all_items(vec![tool(
                "own",
                json!({"type": "object", "properties": {"context": {"type": "string"}}}),
            )])
        } else {
            let closed =
                json!({"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": false});
            let either = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
            ListToolsResult::with_all_items(vec![tool("echo", closed), tool("either", either)])
        };
        result.next_cursor = (!is_last).then(|| "2".to_owned());
        let meta = json!({"example.com/total": 3});
        result.meta = serde_json::from_value(meta).ok();
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == "unlisted").then(|| tool("unlisted", json!({"type": "object"})))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = |text: &str| CallToolResult::success(vec![ContentBlock::text(text)]);
        let result = match &*request.name {
            "fail" => {
                if let Err(error) = "many".parse::<u8>() {
                    capture_error(&QuotaError(error));
                }
                CallToolResult::error(vec![ContentBlock::text("it failed"), ContentBlock::text("twice")])
            }
            "soft" => CallToolResult::error(vec![ContentBlock::text("it failed")]),
            "panic" => panic!("on purpose"),
            "refuse" => return Err(ErrorData::invalid_params("no such thing", Some(json!({"field": "a"})))),
            "wait" => {
                context.ct.cancelled().await;
                text("late")
            }
            "span" => {
                let call = current_call().expect("inside a call");
                if let Some(tracer) = &self.tracer {
                    tracer.tool_call("look up").end();
                }
                tracing::info_span!("look_up").in_scope(|| tracing::info!("looking"));
                text(&call.traceparent().unwrap_or_default())
            }
            "say" => {
                let call = current_call().expect("inside a call");
                call.tag("flavour", "sweet");
                call.property("count", 3);
                if let Some(tracker) = &self.tracker {
                    tracker.publish(CustomEvent::new("checkout").tag("basket", "full"));
                }
                text("said")
            }
            "structured" => {
                let mut result = CallToolResult::structured(json!({"answer": 42, "list": [1.5, null]}));
                result.meta = serde_json::from_value(json!({"example.com/note": "kept"})).ok();
                result
            }
            #[expect(deprecated, reason = "clients still answer it")]
            "ask" => {
                let params = rmcp::model::CreateMessageRequestParams::new(
                    vec![rmcp::model::SamplingMessage::user_text("hello")],
                    16,
                );
                match context.peer.create_message(params).await {
                    Ok(_) => text("asked"),
                    Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
                }
            }
            _ => text(&Value::Object(request.arguments.unwrap_or_default()).to_string()),
        };
        Ok(result.into())
    }

    async fn get_prompt(
        &self,
        _request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let messages = vec![PromptMessage::new_text(Role::User, "a"), PromptMessage::new_text(Role::User, "b")];
        Ok(GetPromptResult::new(messages).into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(ReadResourceResult::new(vec![ResourceContents::text("text", request.uri)]).into())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Ok(CustomResult::new(json!({"method": request.method})))
    }
}
