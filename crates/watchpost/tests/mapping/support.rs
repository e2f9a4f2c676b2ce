//! What the mapping's tests share: an event with everything, and items as the JSON that goes over the wire.

use std::time::Duration;

use serde_json::{Value, json};
use watchpost::{
    mapping::{Settings, mcp},
    model::{Actor, ErrorInfo, Implementation, McpEvent, Transport},
};
use watchpost_sentry::wire::Timestamp;

pub(crate) const SESSION: &str = "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv";
pub(crate) const EVENT: &str = "evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv";
/// `e963ce26…` and `37ff3815…` are recorded in `fixtures/agentcat/ids.json`.
pub(crate) const TRACE_ID: &str = "e963ce26acda858c7625c30b83f6b9b0";
pub(crate) const SPAN_ID: &str = "37ff3815d766debc";

/// A failed call with every field of the seed.
pub(crate) fn failed_call() -> McpEvent {
    McpEvent {
        event_id: EVENT.to_owned(),
        session_id: text(SESSION),
        project_id: text("proj_123"),
        event_type: "tools/call".into(),
        resource_name: text("echo"),
        timestamp: Timestamp::from_nanos(1_795_210_796_591_250_000),
        duration: Some(Duration::from_micros(120_500)),
        is_error: true,
        error: Some(ErrorInfo { message: "backend offline".to_owned(), ..ErrorInfo::default() }),
        user_intent: text("Checking how errors are recorded"),
        actor: Some(Actor {
            id: text("user-42"),
            name: text("Ada Lovelace"),
            data: Some(json!({"plan": "pro", "seats": 3})),
        }),
        server: implementation("golden-server", "1.2.3"),
        client: implementation("golden-client", "9.8.7"),
        protocol_version: text("2025-11-25"),
        transport: Some(Transport::Stdio),
        request_id: text("7"),
        ..McpEvent::default()
    }
}

/// The same call, gone well.
pub(crate) fn good_call() -> McpEvent {
    McpEvent { is_error: false, error: None, ..failed_call() }
}

pub(crate) fn settings() -> Settings {
    Settings::default().with_environment("staging").with_release("golden-server@1.2.3").with_tracing(true)
}

pub(crate) fn text<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    Some(text.into())
}

fn implementation(name: &str, version: &str) -> Implementation {
    Implementation { name: text(name), title: None, version: text(version) }
}

pub(crate) fn log(event: &McpEvent, settings: &Settings) -> Value {
    json_of(|out| mcp::log(event, settings).write_json(out))
}

pub(crate) fn transaction(event: &McpEvent, settings: &Settings) -> Value {
    json_of(|out| mcp::transaction(event, settings).write_json(out))
}

pub(crate) fn error_event(event: &McpEvent, settings: &Settings) -> Value {
    json_of(|out| mcp::error_event(event, settings).write_json(out))
}

/// The attributes of the transaction's one child span.
pub(crate) fn span_data(event: &McpEvent, settings: &Settings) -> Value {
    transaction(event, settings)["spans"][0]["data"].clone()
}

fn json_of(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}
