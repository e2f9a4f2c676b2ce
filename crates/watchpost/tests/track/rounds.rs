//! What goes to and fro while a call is open passes a tracked server untouched, however it is tracked: progress, sampling,
//! elicitation, roots, tasks and cancellation.

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult, DetailedTask,
        ElicitRequest, GetTaskParams, GetTaskResult, ProgressNotificationParam, ServerCapabilities, ServerConfig,
        ServerRequest, Task, TaskPayload, TaskStatus,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::io::{DuplexStream, split};
use watchpost::{
    mcp::{Options, Tracker},
    model::{Direction, McpEvent},
    testing::InMemoryExporter,
};

use crate::support::{Client, TIMEOUT};

const TIME: &str = "2026-07-28T12:00:00Z";

#[derive(Clone, Debug)]
struct Rounds;

fn task() -> Task {
    Task::new("task-1", TaskStatus::Working, TIME, TIME)
}

/// What the tool says of an answer of the client.
fn said(answer: Result<String, impl std::fmt::Display>) -> CallToolResult {
    match answer {
        Ok(answer) => CallToolResult::success(vec![ContentBlock::text(answer)]),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
    }
}

impl ServerHandler for Rounds {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }

    #[expect(deprecated, reason = "clients still answer it")]
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let peer = &context.peer;
        let result = match &*request.name {
            "progress" => {
                let token = context.meta.get_progress_token().ok_or(ErrorData::invalid_params("no token", None))?;
                for step in 1..=3_u8 {
                    let progress = ProgressNotificationParam::new(token.clone(), f64::from(step));
                    let _ = peer.notify_progress(progress).await;
                }
                said(Ok::<_, String>("made progress".to_owned()))
            }
            "sample" => {
                let question = vec![rmcp::model::SamplingMessage::user_text("Is rye good?")];
                let answer = peer.create_message(rmcp::model::CreateMessageRequestParams::new(question, 16)).await;
                said(answer.map(|answer| answer.model))
            }
            "elicit" => {
                let params = json!({"mode": "form", "message": "How many?", "requestedSchema":
                    {"type": "object", "properties": {"loaves": {"type": "integer"}}, "required": ["loaves"]}});
                let params = serde_json::from_value(params).map_err(|error| said_no(&error))?;
                let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
                said(peer.send_request(request).await.map(|answer| json!(answer).to_string()))
            }
            "roots" => said(peer.list_roots().await.map(|roots| json!(roots.roots).to_string())),
            "task" => return Ok(CallToolResponse::Task(CreateTaskResult::new(task()))),
            _ => {
                context.ct.cancelled().await;
                said(Ok::<_, String>("stopped".to_owned()))
            }
        };
        Ok(result.into())
    }

    async fn get_task(
        &self,
        _request: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(DetailedTask::new(task(), TaskPayload::Working)))
    }
}

fn said_no(error: &impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// Everything that the server sends, in its order.
async fn conversation(mut client: Client) -> Vec<Value> {
    let params = json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "test-client", "version": "0.9"},
        "capabilities": {"sampling": {}, "elicitation": {}, "roots": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let mut heard = vec![client.request("initialize", params).await];
    client.notify("notifications/initialized", json!({})).await;

    let meta = json!({"progressToken": "token-1"});
    let id = client.ask("tools/call", json!({"name": "progress", "_meta": meta})).await;
    hear(&mut client, id, Value::Null, &mut heard).await;
    for (tool, result) in [
        ("sample", json!({"role": "assistant", "model": "small", "content": {"type": "text", "text": "Yes."}})),
        ("elicit", json!({"action": "accept", "content": {"loaves": 3}})),
        ("elicit", json!({"action": "decline"})),
        ("roots", json!({"roots": [{"uri": "file:///a", "name": "a"}]})),
    ] {
        let id = client.ask("tools/call", json!({"name": tool})).await;
        hear(&mut client, id, result, &mut heard).await;
    }
    let meta =
        json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    heard.push(client.request("tools/call", json!({"name": "task", "task": {}, "_meta": meta})).await);
    heard.push(client.request("tasks/get", json!({"taskId": "task-1"})).await);

    let id = client.ask("tools/call", json!({"name": "wait"})).await;
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "bored"})).await;
    heard.push(client.request("ping", json!({})).await);
    heard
}

/// Listens until the request `id` is answered, and answers what the server asks with `result`.
async fn hear(client: &mut Client, id: u64, result: Value, heard: &mut Vec<Value>) {
    loop {
        let message = client.receive().await;
        heard.push(message.clone());
        if message.get("method").is_none() {
            assert_eq!(message["id"], json!(id), "{message}");
            return;
        }
        if message.get("id").is_some() {
            client.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).await;
        }
    }
}

/// How a server is tracked.
#[derive(Clone, Copy, Debug)]
enum Way {
    Handler,
    Messages,
    Bytes,
    Service,
}

async fn tracked(way: Way) -> (Vec<Value>, Vec<McpEvent>) {
    let exporter = InMemoryExporter::default();
    let options = Options::default().exporter("memory", std::sync::Arc::new(exporter.clone()));
    let tracker = Tracker::new(None, options).unwrap();
    let (ours, theirs): (DuplexStream, _) = tokio::io::duplex(1 << 20);
    let server = tracker.track(Rounds);
    let (read, write) = split(theirs);
    let serving = match way {
        Way::Handler => tokio::spawn(async move { server.serve((read, write)).await.unwrap().waiting().await }),
        Way::Messages => {
            let transport = server.tap((read, write));
            tokio::spawn(async move { server.serve(transport).await.unwrap().waiting().await })
        }
        Way::Bytes => {
            let transport = server.tap_io(read, write);
            tokio::spawn(async move { server.serve(transport).await.unwrap().waiting().await })
        }
        Way::Service => {
            let service = tracker.track_service(Rounds);
            tokio::spawn(async move { service.serve((read, write)).await.unwrap().waiting().await })
        }
    };
    let heard = conversation(Client::over(ours)).await;
    serving.await.unwrap().unwrap();
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    (heard, exporter.events())
}

#[tokio::test]
async fn all_rounds_are_the_same_tracked_and_not() {
    let untracked = conversation(Client::connect(Rounds)).await;
    let texts: Vec<_> =
        untracked.iter().filter_map(|message| message["result"]["content"][0]["text"].as_str()).collect();
    let accepted = r#"{"action":"accept","content":{"loaves":3}}"#;
    let roots = r#"[{"name":"a","uri":"file:///a"}]"#;
    assert_eq!(texts, ["made progress", "small", accepted, r#"{"action":"decline"}"#, roots]);
    let progress = untracked.iter().filter(|message| message["method"] == "notifications/progress").count();
    assert_eq!(progress, 3);

    for way in [Way::Handler, Way::Messages, Way::Bytes, Way::Service] {
        let (heard, events) = tracked(way).await;
        assert_eq!(heard, untracked, "{way:?}");
        let asked: Vec<_> = events
            .iter()
            .filter(|event| event.direction == Direction::ServerToClient)
            .map(|event| &*event.event_type)
            .collect();
        let seen = matches!(way, Way::Messages | Way::Bytes);
        let all = ["sampling/createMessage", "elicitation/create", "elicitation/create", "roots/list"];
        assert_eq!(asked, if seen { &all[..] } else { &[] }, "{way:?}");
        let calls = events.iter().filter(|event| event.event_type == "tools/call").count();
        assert_eq!(calls, 7, "{way:?}: {events:#?}");
        assert_eq!(events.iter().filter(|event| event.event_type == "tasks/get").count(), 1, "{way:?}");
        assert!(events.iter().all(|event| event.session_id == events[0].session_id), "{way:?}");
    }
}
