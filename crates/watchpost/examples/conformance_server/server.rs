//! The server's methods.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams,
        CompleteResult, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
        InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, ServerCapabilities, ServerConfig, ServerNotification, ServerRequest,
        SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, broadcast};

use crate::{
    fixtures,
    inputs::{self, Given},
};

#[expect(deprecated, reason = "clients still ask for it")]
use rmcp::model::SetLevelRequestParams;

/// Between the steps of what takes a while.
const STEP: Duration = Duration::from_millis(50);

/// What changed, for those who listen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// Where changes are told.
#[derive(Clone, Debug)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::channel(16).0)
    }
}

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct Conformance {
    changes: Changes,
    watched: Arc<Mutex<BTreeSet<String>>>,
}

impl Conformance {
    pub(crate) fn new(changes: Changes) -> Self {
        Self { changes, watched: Arc::default() }
    }
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// A whole result; peers of older revisions are not shown its type.
fn complete<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    result["resultType"] = "complete".into();
    parsed(result)
}

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn text(text: impl Into<String>) -> Result<CallToolResult, ErrorData> {
    complete(json!({"content": [{"type": "text", "text": text.into()}]}))
}

/// Asks the client something; what it answered.
async fn ask(context: &RequestContext<RoleServer>, request: Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = parsed(request)?;
    let answer = context.peer.send_request(request).await.map_err(failed)?;
    serde_json::to_value(answer).map_err(failed)
}

async fn log(context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
    let params = json!({"level": "info", "logger": "conformance", "data": message});
    let notification: ServerNotification = parsed(json!({"method": "notifications/message", "params": params}))?;
    context.peer.send_notification(notification).await.map_err(failed)
}

impl Conformance {
    /// The tools that work with the client while they run.
    async fn work(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let argument = |name: &str| {
            let arguments = request.arguments.as_ref();
            arguments.and_then(|arguments| arguments.get(name)).and_then(Value::as_str).unwrap_or_default()
        };
        match &*request.name {
            "test_tool_with_logging" => {
                log(context, "Tool execution started").await?;
                tokio::time::sleep(STEP).await;
                log(context, "Tool processing data").await?;
                tokio::time::sleep(STEP).await;
                log(context, "Tool execution completed").await?;
                text("logged")
            }
            "test_logging_tool" => {
                if context.meta.log_level().is_some() {
                    log(context, "as the client wishes").await?;
                }
                text("done")
            }
            "test_tool_with_progress" => {
                for progress in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let told = ProgressNotificationParam::new(token, progress).with_total(100.0);
                        context.peer.notify_progress(told).await.map_err(failed)?;
                    }
                    tokio::time::sleep(STEP).await;
                }
                text("done")
            }
            "test_reconnection" => {
                tokio::time::sleep(4 * STEP).await;
                text("Reconnection test completed successfully")
            }
            "test_sampling" => {
                let message = json!({"role": "user", "content": {"type": "text", "text": argument("prompt")}});
                let params = json!({"messages": [message], "maxTokens": 100});
                let answer = ask(context, json!({"method": "sampling/createMessage", "params": params})).await?;
                text(format!("LLM response: {}", answer["content"]["text"].as_str().unwrap_or_default()))
            }
            "test_missing_capability" => {
                let can_sample = context.client_capabilities().is_some_and(|can| can.sampling.is_some());
                if can_sample {
                    return text("the client can sample");
                }
                let required: ClientCapabilities = parsed(json!({"sampling": {}}))?;
                Err(ErrorData::missing_required_client_capability(required))
            }
            "test_trigger_tool_change" => {
                let _ = self.changes.0.send(Change::Tools);
                text("told")
            }
            "test_trigger_prompt_change" => {
                let _ = self.changes.0.send(Change::Prompts);
                text("told")
            }
            name => match fixtures::elicitation(name, argument("message")) {
                Some(request) => {
                    let answer = ask(context, request).await?;
                    let action = answer["action"].as_str().unwrap_or_default();
                    let begun = if name == "test_elicitation" { "User response" } else { "Elicitation completed" };
                    text(format!("{begun}: action={action}, content={}", answer["content"]))
                }
                None => Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
            },
        }
    }
}

/// A result, or what is needed first.
fn or_input_required<T: DeserializeOwned, R: From<T> + From<InputRequiredResult>>(
    answer: Value,
) -> Result<R, ErrorData> {
    if answer["resultType"] == "input_required" {
        parsed::<InputRequiredResult>(answer).map(R::from)
    } else {
        complete::<T>(answer).map(R::from)
    }
}

impl ServerHandler for Conformance {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_completions();
        #[expect(deprecated, reason = "clients still want it")]
        let capabilities = capabilities.enable_logging();
        ServerConfig::new(capabilities.build()).with_server_info(Implementation::new("conformance", "1.0.0"))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        fixtures::tools().into_iter().find(|tool| tool["name"] == name).and_then(|tool| parsed(tool).ok())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        complete(json!({"tools": fixtures::tools(), "ttlMs": 0, "cacheScope": "private"}))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(answer) = fixtures::answer(&request.name) {
            return complete::<CallToolResult>(answer).map(Into::into);
        }
        let given = Given {
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: context.client_capabilities(),
        };
        match inputs::step(&request.name, &given)? {
            Some(answer) => or_input_required::<CallToolResult, _>(answer),
            None => self.work(&request, &context).await.map(Into::into),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        complete(json!({"resources": fixtures::resources(), "ttlMs": 0, "cacheScope": "private"}))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        complete(json!({"resourceTemplates": fixtures::resource_templates(), "ttlMs": 0, "cacheScope": "private"}))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match fixtures::contents(&request.uri) {
            Some(contents) => {
                let result = json!({"contents": contents, "ttlMs": 0, "cacheScope": "private"});
                complete::<ReadResourceResult>(result).map(Into::into)
            }
            None => Err(ErrorData::invalid_params("Resource not found", Some(json!({"uri": request.uri})))),
        }
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.watched.lock().await.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched.lock().await.remove(&request.uri);
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        complete(json!({"prompts": fixtures::prompts(), "ttlMs": 0, "cacheScope": "private"}))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            let given = Given {
                responses: request.input_responses.as_ref(),
                state: request.request_state.as_deref(),
                capabilities: context.client_capabilities(),
            };
            return or_input_required::<GetPromptResult, _>(inputs::prompt(&given));
        }
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        match fixtures::messages(&request.name, &arguments) {
            Some(messages) => complete::<GetPromptResult>(json!({"messages": messages})).map(Into::into),
            None => Err(ErrorData::invalid_params(format!("there is no prompt `{}`", request.name), None)),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let begun = &request.argument.value;
        let values: Vec<_> = ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(begun)).collect();
        complete(json!({"completion": {"values": values, "total": values.len(), "hasMore": false}}))
    }

    #[expect(deprecated, reason = "clients still ask for it")]
    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.0.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            let (sink, accepted) = (context.sink(), context.accepted());
            match change {
                Ok(Change::Tools) if accepted.tools_list_changed == Some(true) => {
                    sink.notify_tool_list_changed().await.map_err(failed)?;
                }
                Ok(Change::Prompts) if accepted.prompts_list_changed == Some(true) => {
                    sink.notify_prompt_list_changed().await.map_err(failed)?;
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    }
}
