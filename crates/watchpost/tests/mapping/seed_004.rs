//! Seed 004, row by row: each row of its span mapping and of its attribute lists is a row here, and a failure names it.

use serde_json::{Value, json};
use watchpost::{
    mapping::ai::{AiSettings, MASTRA_ORIGIN, operation},
    model::SpanType,
};

use crate::ai_support::{agent_run, data, generation, span, tool};

/// "Span Mapping": type, operation.
const SPAN_MAPPING: &[(&str, Option<&str>)] = &[
    ("AGENT_RUN", Some("gen_ai.invoke_agent")),
    ("MODEL_GENERATION", Some("gen_ai.chat")),
    ("MODEL_STEP", None),
    ("MODEL_CHUNK", None),
    ("TOOL_CALL", Some("gen_ai.execute_tool")),
    ("MCP_TOOL_CALL", Some("gen_ai.execute_tool")),
    ("WORKFLOW_RUN", Some("workflow.run")),
    ("WORKFLOW_STEP", Some("workflow.step")),
    ("WORKFLOW_CONDITIONAL", Some("workflow.conditional")),
    ("WORKFLOW_CONDITIONAL_EVAL", Some("workflow.conditional")),
    ("WORKFLOW_PARALLEL", Some("workflow.parallel")),
    ("WORKFLOW_LOOP", Some("workflow.loop")),
    ("WORKFLOW_SLEEP", Some("workflow.sleep")),
    ("WORKFLOW_WAIT_EVENT", Some("workflow.wait")),
    ("PROCESSOR_RUN", Some("ai.processor")),
    ("GENERIC", Some("ai.span")),
];

/// The rows of a list that do not hold, by name.
fn check(list: &str, data: &Value, rows: &[(&str, Value)]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(key, expected)| data[key] != *expected)
        .map(|(key, expected)| format!("{key}: sent {}, the seed says {expected}", data[key]))
        .collect();
    assert!(wrong.is_empty(), "rows of seed 004, {list}, that do not hold:\n{}", wrong.join("\n"));
}

#[test]
fn span_mapping() {
    assert_eq!(SPAN_MAPPING.len(), 16);
    for (ty, expected) in SPAN_MAPPING {
        let ty = SpanType::from(*ty);
        assert_eq!(operation(&ty), *expected, "{ty}");
    }
}

#[test]
fn common_attributes() {
    for ty in SpanType::ALL.iter().filter(|ty| !ty.is_skipped()) {
        let data = data(&span(ty.clone(), "name"));
        check("all spans", &data, &[("sentry.origin", json!("auto.ai.mastra")), ("ai.span.type", json!(ty.as_str()))]);
    }
    assert_eq!(AiSettings::default().with_origin(MASTRA_ORIGIN).origin(), "auto.ai.mastra");
}

#[test]
fn model_generation_attributes() {
    let rows = [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.system", json!("openai")),
        ("gen_ai.request.model", json!("gpt-4o")),
        ("gen_ai.request.messages", json!(r#"[{"content":"Q","role":"user"}]"#)),
        ("gen_ai.response.model", json!("gpt-4o-2024-08-06")),
        ("gen_ai.response.text", json!("The answer")),
        (
            "gen_ai.response.tool_calls",
            json!(r#"[{"id":"call-1","name":"search","type":"function","arguments":{"q":1}}]"#),
        ),
        ("gen_ai.usage.input_tokens", json!(120)),
        ("gen_ai.usage.output_tokens", json!(45)),
        ("gen_ai.usage.total_tokens", json!(165)),
        ("gen_ai.request.stream", json!(true)),
        ("gen_ai.request.temperature", json!(0.5)),
        ("gen_ai.completion_start_time", json!("2026-11-20T21:39:56.250Z")),
    ];
    check("MODEL_GENERATION", &data(&generation()), &rows);
    let bare = data(&span(SpanType::ModelGeneration, "llm"));
    for (key, _) in rows.iter().skip(1) {
        assert_eq!(bare.get(*key), None, "{key} without a value");
    }
}

#[test]
fn tool_call_attributes() {
    for ty in SpanType::ALL.iter().filter(|ty| ty.is_tool()) {
        let rows = [
            ("gen_ai.operation.name", json!("execute_tool")),
            ("gen_ai.tool.name", json!("search")),
            ("gen_ai.tool.type", json!("function")),
            ("gen_ai.tool.call.id", json!("call-1")),
            ("gen_ai.tool.input", json!(r#"{"q":1}"#)),
            ("gen_ai.tool.output", json!("found")),
            ("tool.success", json!(true)),
        ];
        check("TOOL_CALL", &data(&tool(ty.clone())), &rows);
    }
}

#[test]
fn agent_run_attributes() {
    let rows = [
        ("gen_ai.operation.name", json!("invoke_agent")),
        ("gen_ai.agent.name", json!("Support Agent")),
        ("gen_ai.pipeline.name", json!("Support Agent")),
        ("gen_ai.agent.instructions", json!("Be helpful")),
        ("gen_ai.response.model", json!("gpt-4o-2024-08-06")),
        ("gen_ai.response.text", json!("The answer")),
        ("gen_ai.usage.input_tokens", json!(600)),
        ("gen_ai.usage.output_tokens", json!(60)),
        ("gen_ai.usage.total_tokens", json!(660)),
    ];
    check("AGENT_RUN", &data(&agent_run()), &rows);
}
