//! Every attribute of every type has its field, and can be lent and redacted.

use serde_json::{Value, json};

use super::span;
use crate::model::{AttributeMut, AttributeRef, Payload, SpanAttributes, SpanType};

type Attributes = Vec<(String, Value)>;

/// Every attribute of every type, as research and recordings have them: name by name a field, none among the others.
#[test]
fn every_attribute_of_every_type_has_its_field() {
    let counts = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!(3))).collect::<Vec<_>>();
    let texts = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!("text"))).collect::<Vec<_>>();
    let flags = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!(true))).collect::<Vec<_>>();
    let lists = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!(["one"]))).collect::<Vec<_>>();
    let objects = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!({"a": 1}))).collect::<Vec<_>>();
    let usages = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!({"inputTokens": 1}))).collect();
    let dates = |names: &str| names.split(' ').map(|name| (name.to_owned(), json!("2026-11-20T10:00:00Z"))).collect();
    let parameters = vec![("parameters".to_owned(), json!({"temperature": 0.5}))];
    let entry = || [texts("entryId entryDescription"), objects("entryMetadata")].concat();
    #[rustfmt::skip]
    let rows: Vec<(&str, Vec<Attributes>)> = vec![
        ("agent_run", vec![texts("conversationId instructions prompt resolvedVersionId"), lists("availableTools"), counts("maxSteps"), objects("tripwireAbort")]),
        ("model_generation", vec![texts("model provider resultType finishReason responseModel responseId serverAddress"), lists("tools"), usages("usage"), objects("costContext"), parameters.clone(), flags("streaming"), dates("completionStartTime"), counts("serverPort")]),
        ("model_step", vec![counts("stepIndex"), usages("usage"), texts("finishReason messageId"), flags("isContinued"), lists("warnings")]),
        ("model_inference", vec![texts("model provider finishReason responseModel responseId toolChoice responseFormat"), counts("stepIndex"), usages("usage"), flags("streaming"), dates("completionStartTime"), lists("warnings availableTools"), parameters, objects("providerOptions")]),
        ("model_chunk", vec![texts("chunkType"), counts("sequenceNumber")]),
        ("tool_call", vec![texts("toolType toolDescription toolCallId"), flags("success")]),
        ("client_tool_call", vec![texts("toolType toolDescription clientEnvironment")]),
        ("provider_tool_call", vec![texts("toolType toolDescription toolCallId"), flags("success")]),
        ("mcp_tool_call", vec![texts("mcpServer serverVersion toolType toolDescription toolCallId"), flags("success")]),
        ("mcp_server_request", vec![texts("mcpMethod targetName mcpServer serverVersion mcpProtocolVersion clientName clientVersion")]),
        ("workflow_run", vec![texts("status")]),
        ("workflow_step", vec![texts("status"), entry()]),
        ("workflow_conditional", vec![counts("conditionCount"), vec![("truthyIndexes".to_owned(), json!([0, 2]))], lists("selectedSteps"), entry()]),
        ("workflow_conditional_eval", vec![counts("conditionIndex"), flags("result")]),
        ("workflow_parallel", vec![counts("branchCount"), lists("parallelSteps"), entry()]),
        ("workflow_loop", vec![texts("loopType"), counts("iteration totalIterations concurrency"), entry()]),
        ("workflow_sleep", vec![counts("durationMs"), dates("untilDate"), texts("sleepType"), entry()]),
        ("workflow_wait_event", vec![texts("eventName"), counts("timeoutMs waitDurationMs"), flags("eventReceived"), entry()]),
        ("processor_run", vec![texts("processorExecutor processorPhase"), counts("processorIndex hookDurationMs"), lists("messageListMutations"), objects("tripwireAbort")]),
        ("scorer_run", vec![texts("scorerId scorerName scoreSource targetScope targetEntityType scorerDefinition")]),
        ("scorer_step", vec![texts("step stepType prompt judgeModel")]),
        ("classifier_evaluation", vec![texts("classifierId modelId provider errorType"), counts("questionCount maxRetries attemptCount retryCount durationMs"), lists("questionTypes"), usages("usage")]),
        ("memory_operation", vec![texts("operationType selectedModel"), counts("messageCount embeddingTokens vectorResultCount lastMessages inputTokens"), flags("semanticRecallEnabled workingMemoryEnabled multiThread")]),
        ("workspace_action", vec![texts("workspaceId workspaceName category sandboxProvider filesystemProvider"), flags("success")]),
        ("skill_action", vec![texts("operation agentId skillFormat skillName"), counts("skillCount"), flags("success")]),
        ("skill_resolution", vec![texts("agentId phase"), counts("skillCount")]),
        ("agent_signal", vec![texts("stateId mode tagName processorId")]),
        ("mapping", vec![texts("mappingType toolCallId")]),
        ("rag_ingestion", vec![texts("pipelineName vectorStore indexName embeddingModel embeddingProvider"), counts("sourceCount")]),
        ("rag_embedding", vec![texts("model provider mode"), counts("dimensions inputCount"), usages("usage")]),
        ("rag_vector_operation", vec![texts("operation store indexName"), counts("topK dimensions")]),
        ("rag_action", vec![texts("action scorer"), counts("candidateCount topN")]),
        ("graph_action", vec![texts("action"), counts("nodeCount edgeCount threshold startNodes maxDepth")]),
    ];
    let known = SpanType::ALL.iter().filter(|ty| **ty != SpanType::Generic).count();
    assert_eq!(rows.len(), known, "a row for every type");
    for (ty, attributes) in rows {
        let mut given: serde_json::Map<String, Value> = attributes.concat().into_iter().collect();
        given.insert("internalUsage".to_owned(), json!({"outputTokens": 2}));
        let span = span(&json!({"type": ty, "attributes": given}));
        let mut found = Vec::new();
        span.attributes.visit(&mut |name, value| {
            let typed = match (&given[name], value) {
                (Value::Bool(expected), AttributeRef::Bool(value)) => *expected == value,
                (Value::Number(_), AttributeRef::Count(value)) => value == 3,
                (Value::Number(_), AttributeRef::Number(value)) => value == 3.0,
                (Value::String(expected), AttributeRef::Text(value)) => expected == value,
                (Value::String(_), AttributeRef::Time(value)) => value.nanos() == 1_795_168_800_000_000_000,
                (Value::Array(expected), AttributeRef::Texts(value)) => expected.len() == value.len(),
                (Value::Array(_), AttributeRef::Counts(value)) => value == [0, 2],
                (Value::Object(_), AttributeRef::Usage(_) | AttributeRef::Parameters(_)) => true,
                (expected, AttributeRef::Payload(value)) => {
                    let fields = "instructions prompt tools costContext warnings tripwireAbort messageListMutations \
                                  providerOptions toolChoice responseFormat entryMetadata";
                    fields.contains(name) && value.to_value() == *expected
                }
                _ => false,
            };
            assert!(typed, "{ty}.{name} is {value:?}");
            found.push(name.to_owned());
        });
        found.sort_unstable();
        let mut expected: Vec<_> = given.keys().cloned().collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{ty}");
        assert_eq!(span.attributes.internal_usage().and_then(|usage| usage.output_tokens), Some(2), "{ty}");
    }
}

#[test]
fn attributes_of_an_unknown_type_are_kept_by_name() {
    for ty in ["generic", "brand_new"] {
        let span = span(&json!({"type": ty, "attributes": {"a": 1, "b": null, "a b": {"c": 2}}}));
        let mut names = Vec::new();
        span.attributes.visit(&mut |name, value| names.push(format!("{name}={value:?}")));
        assert_eq!(names, ["a=Payload(Json(\"1\"))", "a b=Payload(Json(\"{\\\"c\\\":2}\"))"]);
    }
}

#[test]
fn an_attribute_by_its_name_finds_its_field_where_it_fits() {
    let mut attributes = SpanAttributes::empty(&SpanType::GraphAction);
    attributes.insert("nodeCount", json!(5));
    attributes.insert("edgeCount", "many");
    attributes.insert("mystery", json!({"a": 1}));
    attributes.insert("mystery", "solved");
    let SpanAttributes::GraphAction(graph) = attributes else { panic!("{attributes:?}") };
    assert_eq!((graph.node_count, graph.edge_count), (Some(5), None));
    assert_eq!(graph.other, [("edgeCount".into(), "many".into()), ("mystery".into(), "solved".into())]);

    let mut none = SpanAttributes::empty(&SpanType::Generic);
    none.insert("a", "b");
    assert_eq!(none, SpanAttributes::Other(vec![("a".into(), "b".into())]));
}

#[test]
fn everything_that_can_hold_text_can_be_redacted() {
    let mut span = span(&json!({"type": "model_generation", "attributes": {
        "model": "secret", "tools": ["secret"], "parameters": {"stopSequences": ["secret"], "user": "secret"},
        "mystery": {"secret": 1}, "streaming": true,
    }}));
    span.attributes.visit_mut(&mut |name, value| match value {
        AttributeMut::Text(text) => *text = format!("[{name}]").into(),
        AttributeMut::Texts(texts) => texts.fill(format!("[{name}]").into()),
        AttributeMut::Payload(payload) => *payload = Payload::text(format!("[{name}]")),
    });
    assert!(!format!("{span:?}").contains("secret"), "{span:?}");
    assert_eq!(span.attributes.generation().unwrap().parameters.stop_sequences, ["[stopSequences]"]);
}
