//! AI spans beyond seed 004: what Sentry's own views need, names, statuses, spans of version 2, transactions, error events.

use std::sync::Arc;

use serde_json::{Value, json};
use watchpost::{
    mapping::ai::{operation, span_name},
    model::{
        AgentIdentity, Breadcrumb, McpServerRequestAttributes, Payload, SpanAttributes, SpanCompletion, SpanType, Text,
    },
};
use watchpost_sentry::wire::SpanId;

use crate::{
    ai_support::{
        agent_run, data, error, error_event, generation, payload, settings, span, span_json, start, tool, transaction,
        v2,
    },
    support::text,
};

fn has(data: &Value, rows: &[(&str, Value)]) {
    for (key, expected) in rows {
        assert_eq!(data[key], *expected, "{key} in {data:#}");
    }
}

#[test]
fn metadata_has_its_current_names_beside_the_seeds() {
    let data = data(&generation());
    has(
        &data,
        &[
            ("gen_ai.provider.name", json!("openai")),
            ("gen_ai.response.streaming", json!(true)),
            ("gen_ai.response.time_to_first_token", json!(0.25)),
            ("gen_ai.response.time_to_first_chunk", json!(0.25)),
            ("gen_ai.usage.cache_read.input_tokens", json!(40)),
            ("gen_ai.usage.input_tokens.cached", json!(40)),
            ("gen_ai.usage.cache_creation.input_tokens", json!(10)),
            ("gen_ai.usage.input_tokens.cache_write", json!(10)),
            ("gen_ai.usage.reasoning.output_tokens", json!(12)),
            ("gen_ai.usage.output_tokens.reasoning", json!(12)),
            ("gen_ai.response.finish_reasons", json!(r#"["stop"]"#)),
            ("gen_ai.response.id", json!("resp_1")),
            ("gen_ai.request.max_tokens", json!(99)),
            ("gen_ai.request.seed", json!("7")),
            ("gen_ai.request.stop_sequences", json!(r#"["END"]"#)),
            ("server.address", json!("api.openai.com")),
            ("server.port", json!(443)),
            ("gen_ai.agent.name", json!("Support Agent")),
            ("gen_ai.agent.id", json!("support")),
            ("gen_ai.conversation.id", json!("thread-1")),
        ],
    );
}

#[test]
fn content_is_carried_once() {
    for finished in [generation(), tool(SpanType::ToolCall), agent_run()] {
        let json = span_json(&finished).to_string();
        for content in ["The answer", "found", "Be helpful"] {
            assert!(json.matches(content).count() <= 1, "{content} in {json}");
        }
    }
}

#[test]
fn an_agents_prompt_stands_where_sentrys_views_look_for_messages() {
    let messages = json!(r#"[{"role":"user","content":"Hi"}]"#);
    has(
        &data(&agent_run()),
        &[("gen_ai.request.messages", messages.clone()), ("gen_ai.tool.definitions", json!(r#"["search"]"#))],
    );
    let mut bare = agent_run();
    bare.span.attributes = SpanAttributes::None;
    bare.span.input = Some("Hi".into());
    has(&data(&bare), &[("gen_ai.request.messages", messages)]);
}

#[test]
fn the_hosts_metadata_tags_and_user_are_kept() {
    let mut root = agent_run();
    root.span.tags = ["vip", "team:support", "release:9"].map(Text::from).into();
    root.span.metadata = vec![
        ("runId".into(), "r1".into()),
        ("userId".into(), "u1".into()),
        ("n".into(), Payload::from(json!(7))),
        ("deep".into(), Payload::from(json!({"a": 1}))),
        ("none".into(), Payload::from(json!(null))),
    ];
    let transaction = transaction(&root);
    let data = &transaction["contexts"]["trace"]["data"];
    has(
        data,
        &[
            ("metadata.runId", json!("r1")),
            ("metadata.n", json!(7)),
            ("metadata.deep", json!(r#"{"a":1}"#)),
            ("metadata.none", json!(null)),
            ("tags", json!("vip,team:support,release:9")),
            ("user.id", json!("u1")),
        ],
    );
    assert_eq!(transaction["tags"], json!({"vip": "true", "team": "support"}));
    assert_eq!(transaction["user"], json!({"id": "u1"}));
}

#[test]
fn the_user_of_the_run_is_that_of_each_span_that_names_none() {
    let mut call = tool(SpanType::ToolCall);
    call.agent = call.agent.map(|agent| Arc::new(AgentIdentity { user_id: text("u1"), ..(*agent).clone() }));
    assert_eq!(data(&call)["user.id"], "u1");
    assert_eq!(transaction(&call)["user"], json!({"id": "u1"}));
    call.span.metadata = vec![("resourceId".into(), "u2".into())];
    assert_eq!(data(&call)["user.id"], "u2");
}

#[test]
fn a_transaction_has_the_top_level_fields_that_sentry_reads() {
    let transaction = transaction(&agent_run());
    has(
        &transaction,
        &[
            ("type", json!("transaction")),
            ("transaction", json!("invoke_agent Support Agent")),
            ("environment", json!("staging")),
            ("release", json!("app@1.2.3")),
            ("platform", json!("other")),
            ("transaction_info", json!({"source": "custom"})),
        ],
    );
    let trace = &transaction["contexts"]["trace"];
    has(trace, &[("op", json!("gen_ai.invoke_agent")), ("origin", json!("auto.ai.mastra")), ("status", json!("ok"))]);
    assert_eq!(trace["trace_id"], "ab".repeat(16));
    assert_ne!(transaction["event_id"], error_event(&agent_run())["event_id"]);
}

#[test]
fn names_are_low_in_cardinality() {
    let named = |ty, name: &str, id: Option<&str>, entity: Option<&str>| {
        let mut span = span(ty, name);
        span.span.entity_id = id.map(Text::from);
        span.span.entity_name = entity.map(Text::from);
        span_name(&span).into_owned()
    };
    for (ty, name, id, entity, expected) in [
        (SpanType::AgentRun, "agent run: 'boss'", Some("boss"), Some("Boss"), "invoke_agent Boss"),
        (SpanType::AgentRun, "agent run: 'boss'", None, None, "invoke_agent boss"),
        (SpanType::McpToolCall, "mcp_tool: 'echo' on 'demo'", None, None, "execute_tool echo"),
        (SpanType::WorkflowRun, "workflow run: 'flow' (resumed)", Some("flow"), Some("flow"), "invoke_workflow flow"),
        (SpanType::WorkflowStep, "workflow step: 'ask'", Some("ask"), Some("flow"), "workflow_step ask"),
        (SpanType::WorkflowSleep, "sleep: 15ms", None, Some("flow"), "workflow_sleep"),
        (SpanType::WorkflowParallel, "parallel: '2 branches'", None, Some("flow"), "workflow_parallel"),
        (SpanType::ModelGeneration, "llm: 'gpt'", None, Some("Boss"), "chat"),
        (SpanType::Generic, "load documents", None, Some("Boss"), "load documents"),
        (SpanType::Generic, "job 9f8b3c21d4e5 of 15ms", None, None, "job <id> of <number>"),
        (SpanType::Generic, "", None, None, "generic"),
        (SpanType::Other("brand_new".into()), "brand_new: 'x'", None, None, "brand_new: x"),
    ] {
        assert_eq!(named(ty.clone(), name, id, entity), expected, "{ty} {name}");
    }
    assert_eq!(span_name(&generation()), "chat gpt-4o");
}

#[test]
fn a_status_says_how_the_span_ended() {
    let status = |completion, failed: bool| {
        let mut span = agent_run();
        span.completion = completion;
        span.span.error = failed.then(|| Box::new(error("boom")));
        (span_json(&span)["status"].clone(), v2(&span, &span)["status"].clone())
    };
    for (completion, failed, v1, v2) in [
        (SpanCompletion::Ended, false, "ok", "ok"),
        (SpanCompletion::Ended, true, "internal_error", "error"),
        (SpanCompletion::Aborted, false, "aborted", "error"),
        (SpanCompletion::DeadlineExceeded, false, "deadline_exceeded", "error"),
        (SpanCompletion::ShutDown, false, "cancelled", "ok"),
        (SpanCompletion::Aborted, true, "internal_error", "error"),
    ] {
        assert_eq!(status(completion, failed), (json!(v1), json!(v2)), "{completion:?}, failed: {failed}");
    }
}

#[test]
fn a_span_of_version_2_says_everything_itself() {
    let (mut generation, root) = (generation(), agent_run());
    generation.span.error = Some(Box::new(error("boom")));
    let span = v2(&generation, &root);
    let value = |key: &str| span["attributes"][key]["value"].clone();
    for (key, expected) in [
        ("sentry.op", json!("gen_ai.chat")),
        ("sentry.origin", json!("auto.ai.mastra")),
        ("sentry.environment", json!("staging")),
        ("sentry.release", json!("app@1.2.3")),
        ("sentry.sdk.name", json!("watchpost.rust")),
        ("sentry.segment.id", json!(root.span.id.to_string())),
        ("sentry.segment.name", json!("invoke_agent Support Agent")),
        ("sentry.description", json!("chat gpt-4o")),
        ("sentry.status.message", json!("boom")),
        ("error.type", json!("TypeError")),
        ("gen_ai.usage.total_tokens", json!(165)),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert_eq!(span["attributes"]["gen_ai.usage.input_tokens"]["type"], "integer");
    let root_span = v2(&root, &root);
    assert_eq!(
        (&root_span["is_segment"], &root_span["attributes"]["sentry.segment.name.source"]["value"]),
        (&json!(true), &json!("custom"))
    );
}

#[test]
fn an_mcp_servers_request_lights_sentrys_mcp_views() {
    let mut request = span(SpanType::McpServerRequest, "tools/call get_weather");
    request.span.attributes = SpanAttributes::McpServerRequest(Box::new(McpServerRequestAttributes {
        mcp_method: text("tools/call"),
        target_name: text("get_weather"),
        mcp_server: text("Golden Server"),
        client_name: text("remote"),
        mcp_protocol_version: text("2026-07-28"),
        ..McpServerRequestAttributes::default()
    }));
    request.span.input = payload(json!({"name": "get_weather", "arguments": {"city": "Vienna"}}));
    request.span.output = payload(json!({"isError": true, "content": []}));
    let json = span_json(&request);
    has(
        &json,
        &[
            ("op", json!("mcp.server")),
            ("description", json!("tools/call get_weather")),
            ("status", json!("internal_error")),
        ],
    );
    has(
        &json["data"],
        &[
            ("mcp.method.name", json!("tools/call")),
            ("mcp.tool.name", json!("get_weather")),
            ("gen_ai.tool.name", json!("get_weather")),
            ("mcp.server.name", json!("Golden Server")),
            ("mcp.client.name", json!("remote")),
            ("mcp.protocol.version", json!("2026-07-28")),
            ("mcp.tool.result.is_error", json!(true)),
            ("gen_ai.tool.call.arguments", json!(r#"{"city":"Vienna"}"#)),
            ("gen_ai.operation.name", json!(null)),
        ],
    );
}

#[test]
fn newer_types_have_a_sensible_operation() {
    for (ty, expected) in [
        ("client_tool_call", "gen_ai.execute_tool"),
        ("provider_tool_call", "gen_ai.execute_tool"),
        ("rag_embedding", "gen_ai.embeddings"),
        ("classifier_evaluation", "gen_ai.decide"),
        ("mcp_server_request", "mcp.server"),
        ("memory_operation", "ai.memory"),
        ("scorer_run", "workflow.run"),
        ("scorer_step", "workflow.step"),
        ("skill_action", "ai.skill"),
        ("workspace_action", "ai.workspace"),
        ("rag_ingestion", "ai.span"),
        ("never_heard_of", "ai.span"),
    ] {
        assert_eq!(operation(&SpanType::from(ty)), Some(expected), "{ty}");
    }
}

#[test]
fn an_error_event_says_what_failed_where_and_why() {
    let mut failed = tool(SpanType::ToolCall);
    failed.span.error = Some(Box::new(error("boom 42")));
    failed.breadcrumbs = vec![Arc::new(Breadcrumb {
        at: start(),
        ty: SpanType::AgentSignal,
        message: "signal".into(),
        output: payload(json!({"a": 1})),
        is_error: false,
    })];
    let event = error_event(&failed);
    let exception = &event["exception"]["values"][0];
    has(exception, &[("type", json!("TypeError")), ("value", json!("boom 42"))]);
    has(&exception["mechanism"], &[("type", json!("auto.ai.mastra")), ("handled", json!(false))]);
    assert_eq!(exception["stacktrace"]["frames"][1]["function"], "execute");
    let trace = &event["contexts"]["trace"];
    assert_eq!((&trace["span_id"], &trace["trace_id"]), (&json!(SpanId([2; 8]).to_string()), &json!("ab".repeat(16))));
    has(
        &event["tags"],
        &[("span_type", json!("tool_call")), ("agent", json!("Support Agent")), ("tool", json!("search"))],
    );
    let crumb = &event["breadcrumbs"]["values"][0];
    has(crumb, &[("category", json!("agent.signal")), ("message", json!("signal")), ("level", json!("info"))]);
    assert_eq!(crumb["data"]["output"], r#"{"a":1}"#);

    let mut again = failed.clone();
    again.span.error = Some(Box::new(error("boom 43")));
    assert_eq!(event["fingerprint"], error_event(&again)["fingerprint"], "a number splits no issue");
    let of_server = |message: &str| {
        let told = json!({"message": message, "domain": "TOOL", "details": {"argsJson": "{}"}}).to_string();
        let mut failed = failed.clone();
        failed.span.error = Some(Box::new(error(&told)));
        error_event(&failed)["fingerprint"].clone()
    };
    assert_eq!(of_server("no list 4"), of_server("no list 5"), "an MCP server's failure groups by its message");
    assert_ne!(of_server("no list 4"), of_server("list is full"));
    assert_eq!(event["event_id"], error_event(&failed)["event_id"], "a resend is recognised");
    assert_eq!(settings().origin(), "auto.ai.mastra");
}
