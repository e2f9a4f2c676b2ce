//! What is set on a span is told, every attribute of the seed among it.

use serde_json::json;
use watchpost::{
    ai::{LogLevel, Tracer, TracingSink},
    model::{
        AttributeRef, Payload, Span, SpanAttributes, SpanLog, SpanType, TracingEvent, UsageStats,
        WorkflowLoopAttributes,
    },
};

use super::{ended, tracer};

/// The attributes by name, as text.
fn attributes(span: &Span) -> Vec<String> {
    let mut found = Vec::new();
    span.attributes.visit(&mut |name, value| match value {
        AttributeRef::Parameters(parameters) => {
            parameters.visit(&mut |name, value| found.push(format!("{name}={}", show(value))))
        }
        value => found.push(format!("{name}={}", show(value))),
    });
    found
}

fn show(value: AttributeRef<'_>) -> String {
    match value {
        AttributeRef::Text(text) => text.to_owned(),
        AttributeRef::Bool(flag) => flag.to_string(),
        AttributeRef::Count(count) => count.to_string(),
        AttributeRef::Integer(number) => number.to_string(),
        AttributeRef::Number(number) => number.to_string(),
        AttributeRef::Texts(texts) => texts.join(","),
        AttributeRef::Payload(payload) => payload.as_str().to_owned(),
        AttributeRef::Usage(usage) => format!("{:?}", usage.total()),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_agents_run() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("support");
    agent.instructions("Be kind.").conversation_id("thread-7").available_tools(["weather"]).max_steps(5).version("v2");
    agent
        .input("Q")
        .output("A")
        .prompt("P")
        .metadata("plan", "pro")
        .metadata("plan", json!(7))
        .tag("eu")
        .entity_id("a-1");
    agent.end();
    let span = &ended(&events)[0];
    assert_eq!(
        attributes(span),
        [
            "conversationId=thread-7",
            "instructions=Be kind.",
            "prompt=P",
            "availableTools=weather",
            "maxSteps=5",
            "resolvedVersionId=v2"
        ]
    );
    assert_eq!((span.input.as_ref(), span.output.as_ref()), (Some(&"Q".into()), Some(&"A".into())));
    assert_eq!(span.metadata, [("plan".into(), Payload::from(json!(7)))], "the last one counts");
    assert_eq!((span.tags.as_slice(), span.entity_id.as_deref()), (["eu".into()].as_slice(), Some("a-1")));
}

#[test]
fn a_generation() {
    let (tracer, events) = tracer();
    let generation = tracer.model_generation("gpt-5");
    generation.provider("openai").temperature(0.2).top_p(0.9).top_k(40.0).max_output_tokens(100).seed(-7);
    generation.presence_penalty(0.1).frequency_penalty(0.3).stop_sequences(["END"]).streaming(true).first_token();
    generation.input_messages(json!([{"role": "user", "content": "Q"}])).output_text("A");
    generation.requested_tool("call-1", "weather", json!({"city": "Prague"})).requested_tool("call-2", "time", "now");
    generation.usage(UsageStats::new(40, 2)).finish_reason("stop").response_model("gpt-5-2026").response_id("resp-1");
    generation.server_address("api.openai.com").server_port(443).tools(json!(["weather"])).attribute("region", "eu");
    generation.end();
    let span = &ended(&events)[0];
    let SpanAttributes::ModelGeneration(generation) = &span.attributes else { panic!("{span:?}") };
    assert!(generation.completion_start_time.unwrap() >= span.start);
    let found = attributes(span);
    for expected in [
        "model=gpt-5",
        "provider=openai",
        "temperature=0.2",
        "topP=0.9",
        "topK=40",
        "maxOutputTokens=100",
        "seed=-7",
        "presencePenalty=0.1",
        "frequencyPenalty=0.3",
        "stopSequences=END",
        "streaming=true",
        "finishReason=stop",
        "responseModel=gpt-5-2026",
        "responseId=resp-1",
        "serverAddress=api.openai.com",
        "serverPort=443",
        "tools=[\"weather\"]",
        "usage=Some(42)",
        "region=eu",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected}: {found:?}");
    }
    let answer = span.output.as_ref().unwrap().to_value();
    assert_eq!(answer["text"], "A");
    assert_eq!(
        answer["toolCalls"][0],
        json!({"toolCallId": "call-1", "toolName": "weather", "args": {"city": "Prague"}})
    );
    assert_eq!(answer["toolCalls"][1]["args"], "now");
}

#[test]
fn tools_of_every_kind() {
    let (tracer, events) = tracer();
    tracer.tool_call("weather").call_id("1").description("d").arguments(json!({"a": 1})).result("sunny");
    tracer.client_tool_call("click").fail("no such button");
    tracer.provider_tool_call("web_search").tool_type("extension").success(false);
    tracer.mcp_tool_call("files", "read").server_version("1.2.3");
    let spans = ended(&events);
    let types: Vec<_> = spans.iter().map(|span| span.ty.clone()).collect();
    assert_eq!(
        types,
        [SpanType::ToolCall, SpanType::ClientToolCall, SpanType::ProviderToolCall, SpanType::McpToolCall]
    );
    assert_eq!(attributes(&spans[0]), ["toolDescription=d", "toolCallId=1", "success=true"]);
    assert_eq!(
        (spans[0].input.as_ref().unwrap().as_str(), spans[0].output.as_ref().unwrap().as_str()),
        (r#"{"a":1}"#, "sunny")
    );
    assert_eq!(attributes(&spans[1]), ["success=false"], "it failed");
    assert_eq!(attributes(&spans[2]), ["toolType=extension", "success=false"], "it says so");
    assert_eq!(attributes(&spans[3]), ["success=true", "mcpServer=files", "serverVersion=1.2.3"]);
    assert_eq!(
        (spans[3].name.as_str(), spans[3].entity_name.as_deref()),
        ("mcp_tool: 'read' on 'files'", Some("read"))
    );
}

#[test]
fn every_other_type_has_its_method_or_is_had_by_type() {
    let (tracer, events) = tracer();
    tracer.workflow_run("order").status("success");
    tracer.workflow_step("charge").status("failed").set(|step| step.entry_id = Some("e".into()));
    tracer.workflow_loop("items").set(|attributes: &mut WorkflowLoopAttributes| attributes.iteration = Some(3));
    drop(tracer.workflow_conditional("paid?"));
    drop(tracer.workflow_conditional_eval("0"));
    drop(tracer.workflow_parallel("both"));
    drop(tracer.workflow_sleep("15ms"));
    drop(tracer.workflow_wait_event("approval"));
    tracer.processor_run("moderation").phase("input").position(1).executor("workflow");
    drop(tracer.model_step(0));
    drop(tracer.embedding("text-embedding-3"));
    drop(tracer.memory_operation("recall"));
    drop(tracer.scorer_run("length"));
    drop(tracer.generic("cleanup"));
    tracer.span(SpanType::GraphAction, "walk").attribute("nodeCount", json!(5));
    let spans = ended(&events);
    let found: Vec<_> = spans.iter().map(|span| (span.ty.as_str(), attributes(span).join(" "))).collect();
    let expected = [
        ("workflow_run", "status=success"),
        ("workflow_step", "status=failed entryId=e"),
        ("workflow_loop", "iteration=3"),
        ("workflow_conditional", ""),
        ("workflow_conditional_eval", ""),
        ("workflow_parallel", ""),
        ("workflow_sleep", ""),
        ("workflow_wait_event", ""),
        ("processor_run", "processorExecutor=workflow processorIndex=1 processorPhase=input"),
        ("model_step", "stepIndex=0"),
        ("rag_embedding", "model=text-embedding-3"),
        ("memory_operation", ""),
        ("scorer_run", ""),
        ("generic", ""),
        ("graph_action", "nodeCount=5"),
    ];
    assert_eq!(found, expected.map(|(ty, attributes)| (ty, attributes.to_owned())));
}

#[test]
fn a_moment_has_no_length_and_is_told_once() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("support");
    agent.event("cache miss").output("weather:prague").metadata("layer", "l2").ty(SpanType::AgentSignal);
    let told: Vec<_> = events.try_iter().skip(1).collect();
    let [TracingEvent::SpanEnded(moment)] = &told[..] else { panic!("{told:?}") };
    assert!(moment.is_event && moment.end == Some(moment.start));
    assert_eq!((moment.name.as_str(), &moment.ty), ("cache miss", &SpanType::AgentSignal));
    assert_eq!(
        (moment.output.as_ref(), moment.parent_span_id),
        (Some(&"weather:prague".into()), Some(agent.span_id()))
    );
}

#[test]
fn a_log_has_its_spans_place_in_the_trace() {
    struct Logs(std::sync::mpsc::Sender<SpanLog>);
    impl TracingSink for Logs {
        fn export(&self, event: TracingEvent) {
            drop(event);
        }
        fn log(&self, log: SpanLog) {
            self.0.send(log).unwrap();
        }
    }
    let (sender, logs) = std::sync::mpsc::channel();
    let tracer = Tracer::new(Logs(sender));
    let agent = tracer.agent_run("support");
    agent.log_with(LogLevel::Warn, "slow", [("ms", Payload::from(json!(1200)))]);
    let log = logs.recv().unwrap();
    assert_eq!((log.trace_id, log.span_id), (agent.trace_id(), agent.span_id()));
    assert_eq!((log.level, log.body.as_str()), (LogLevel::Warn, "slow"));
    assert_eq!(log.attributes, [("ms".into(), Payload::from(json!(1200)))]);
}
