//! What the tests of AI spans share: spans with everything, and what they become as the JSON that goes over the wire.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use watchpost::{
    mapping::ai::{self, AiSettings, MASTRA_ORIGIN},
    model::{
        AgentIdentity, AgentRunAttributes, ErrorInfo, ErrorKind, FinishedSpan, Gathered, GatheredToolCall,
        ModelGenerationAttributes, ModelParameters, Payload, Span, SpanAttributes, SpanCompletion, SpanType,
        ToolCallAttributes, UsageStats, Withheld,
    },
};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use crate::support::text;

pub(crate) const TRACE_ID: TraceId = TraceId([0xab; 16]);

pub(crate) fn settings() -> AiSettings {
    AiSettings::default().with_origin(MASTRA_ORIGIN).with_environment("staging").with_release("app@1.2.3")
}

pub(crate) fn start() -> Timestamp {
    Timestamp::from_nanos(1_795_210_796_000_000_000)
}

/// A span of this type that took a second.
pub(crate) fn span(ty: SpanType, name: &str) -> FinishedSpan {
    let attributes = SpanAttributes::empty(&ty);
    let end = Some(start().saturating_add(Duration::from_secs(1)));
    let span = Span {
        attributes,
        end,
        parent_span_id: Some(SpanId([1; 8])),
        is_root: false,
        ..Span::new(TRACE_ID, SpanId([2; 8]), ty, name, start())
    };
    FinishedSpan {
        span: Box::new(span),
        parent_span_id: Some(SpanId([1; 8])),
        completion: SpanCompletion::Ended,
        agent: None,
        gathered: Gathered::default(),
        reports_error: false,
        breadcrumbs: Vec::new(),
        withheld: Withheld::default(),
    }
}

pub(crate) fn payload(value: Value) -> Option<Payload> {
    Some(Payload::from(value))
}

pub(crate) fn usage() -> UsageStats {
    UsageStats { cache_read: Some(40), cache_write: Some(10), reasoning: Some(12), ..UsageStats::new(120, 45) }
}

/// A generation with everything the seed lists.
pub(crate) fn generation() -> FinishedSpan {
    let mut generation = span(SpanType::ModelGeneration, "llm: 'gpt-4o'");
    generation.agent = agent();
    generation.span.attributes = SpanAttributes::ModelGeneration(Box::new(ModelGenerationAttributes {
        model: text("gpt-4o"),
        provider: text("openai"),
        usage: Some(usage()),
        streaming: Some(true),
        parameters: ModelParameters {
            temperature: Some(0.5),
            max_output_tokens: Some(99),
            seed: Some(7),
            stop_sequences: vec!["END".into()],
            ..ModelParameters::default()
        },
        finish_reason: text("stop"),
        completion_start_time: Some(start().saturating_add(Duration::from_millis(250))),
        response_model: text("gpt-4o-2024-08-06"),
        response_id: text("resp_1"),
        server_address: text("api.openai.com"),
        server_port: Some(443),
        tools: payload(json!([{"type": "function", "name": "search"}])),
        ..ModelGenerationAttributes::default()
    }));
    generation.span.input = payload(json!({"messages": [{"role": "user", "content": "Q"}], "schema": null}));
    generation.span.output = payload(json!({"text": "The answer", "files": []}));
    generation.gathered.tool_calls =
        vec![GatheredToolCall { id: text("call-1"), name: "search".into(), arguments: payload(json!({"q": 1})) }];
    generation
}

/// A tool's call of whatever kind, with everything the seed lists.
pub(crate) fn tool(ty: SpanType) -> FinishedSpan {
    let mut tool = span(ty, "tool: 'search'");
    tool.agent = agent();
    tool.span.entity_name = text("search");
    tool.span.attributes = SpanAttributes::ToolCall(Box::new(ToolCallAttributes {
        tool_type: text("tool"),
        tool_call_id: text("call-1"),
        tool_description: text("Searches"),
        success: Some(true),
        ..ToolCallAttributes::default()
    }));
    tool.span.input = payload(json!({"q": 1}));
    tool.span.output = payload(json!("found"));
    tool
}

/// An agent's run with everything the seed lists.
pub(crate) fn agent_run() -> FinishedSpan {
    let mut run = span(SpanType::AgentRun, "agent run: 'support'");
    run.parent_span_id = None;
    run.agent = agent();
    run.span.entity_id = text("support");
    run.span.entity_name = text("Support Agent");
    run.span.attributes = SpanAttributes::AgentRun(Box::new(AgentRunAttributes {
        instructions: Some("Be helpful".into()),
        available_tools: vec!["search".into()],
        ..AgentRunAttributes::default()
    }));
    run.span.input = Some("Hi".into());
    run.span.output = payload(json!({"text": "The answer", "files": []}));
    run.gathered = Gathered {
        usage: Some(UsageStats::new(600, 60)),
        request_model: text("gpt-4o"),
        response_model: text("gpt-4o-2024-08-06"),
        provider: text("openai"),
        text: text("The answer"),
        ..Gathered::default()
    };
    run
}

pub(crate) fn agent() -> Option<Arc<AgentIdentity>> {
    let agent = AgentIdentity {
        name: text("Support Agent"),
        id: text("support"),
        conversation_id: text("thread-1"),
        user_id: None,
    };
    Some(Arc::new(agent))
}

pub(crate) fn error(message: &str) -> ErrorInfo {
    ErrorInfo {
        kind: ErrorKind::Span,
        message: message.to_owned(),
        ty: text("Error"),
        stack: text("TypeError: boom 42\n    at execute (/srv/app.mjs:28:39)\n    at run (/srv/app.mjs:7:1)"),
        ..ErrorInfo::default()
    }
}

/// The attributes of a span of a transaction.
pub(crate) fn data(finished: &FinishedSpan) -> Value {
    let settings = settings();
    json_of(|out| ai::span(finished, &settings).write_json(out))["data"].clone()
}

/// A span of a transaction.
pub(crate) fn span_json(finished: &FinishedSpan) -> Value {
    let settings = settings();
    json_of(|out| ai::span(finished, &settings).write_json(out))
}

/// A span of version 2, in the segment of `root`.
pub(crate) fn v2(finished: &FinishedSpan, root: &FinishedSpan) -> Value {
    let settings = settings();
    json_of(|out| ai::span_v2(finished, root, &settings).write_json(out))
}

pub(crate) fn transaction(root: &FinishedSpan) -> Value {
    let settings = settings();
    json_of(|out| ai::transaction(root, Vec::new(), &settings).write_json(out))
}

pub(crate) fn error_event(finished: &FinishedSpan) -> Value {
    let settings = settings();
    json_of(|out| ai::error_event(finished, &settings).write_json(out))
}

fn json_of(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}
