//! Redaction of spans: no field keeps a secret, and only the content that is captured leaves.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::sync::Arc;

use serde_json::json;
use watchpost::{
    model::{
        AgentIdentity, AgentRunAttributes, Breadcrumb, ErrorInfo, FinishedSpan, Gathered, GatheredToolCall,
        ModelGenerationAttributes, Payload, Span, SpanAttributes, SpanCompletion, SpanType, Text, Withheld,
    },
    redact::{Capture, redact_span},
};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

const CANARY: &str = "ghp_CANARYCANARYCANARY";

/// A span with `text` in every string it has.
fn span_full_of(text: &str, ty: SpanType) -> FinishedSpan {
    let some = || Some(Text::from(text));
    let owned = || Some(text.to_owned());
    let payload = || Some(Payload::from(json!({"messages": [{"role": "user", "content": text}], text: 1})));
    let mut span = Span::new(TraceId([1; 16]), SpanId([2; 8]), ty, text, Timestamp::from_nanos(1));
    (span.entity_type, span.entity_id, span.entity_name) = (some(), some(), some());
    span.attributes = match span.ty {
        SpanType::AgentRun => SpanAttributes::AgentRun(Box::new(AgentRunAttributes {
            conversation_id: some(),
            instructions: Some(text.into()),
            prompt: payload(),
            available_tools: vec![text.into()],
            tripwire_abort: payload(),
            other: vec![("x".into(), text.into()), (text.into(), "x".into())],
            ..AgentRunAttributes::default()
        })),
        _ => SpanAttributes::ModelGeneration(Box::new(ModelGenerationAttributes {
            model: some(),
            provider: some(),
            tools: payload(),
            finish_reason: some(),
            response_model: some(),
            ..ModelGenerationAttributes::default()
        })),
    };
    span.metadata = vec![(text.into(), "x".into()), ("runId".into(), text.into()), ("userId".into(), text.into())];
    span.tags = vec![text.into()];
    (span.input, span.output) = (payload(), payload());
    span.error = Some(Box::new(ErrorInfo {
        message: text.to_owned(),
        ty: owned(),
        id: owned(),
        stack: owned(),
        ..ErrorInfo::default()
    }));
    FinishedSpan {
        span: Box::new(span),
        parent_span_id: None,
        completion: SpanCompletion::Ended,
        agent: Some(Arc::new(AgentIdentity { name: some(), id: some(), conversation_id: some(), user_id: some() })),
        gathered: Gathered {
            request_model: some(),
            response_model: some(),
            provider: some(),
            text: some(),
            finish_reasons: vec![text.into()],
            tool_calls: vec![GatheredToolCall { id: some(), name: text.into(), arguments: payload() }],
            ..Gathered::default()
        },
        reports_error: true,
        breadcrumbs: vec![Arc::new(Breadcrumb {
            at: Timestamp::from_nanos(1),
            ty: SpanType::Other(text.into()),
            message: text.into(),
            output: payload(),
            is_error: false,
        })],
        withheld: Withheld::default(),
    }
}

#[test]
fn no_string_of_a_span_keeps_a_secret() {
    for ty in [SpanType::AgentRun, SpanType::ModelGeneration, SpanType::Other(CANARY.into())] {
        let mut span = span_full_of(CANARY, ty);
        redact_span(&mut span, Capture::ALL);
        let dump = format!("{span:?}");
        assert!(!dump.contains("CANARY"), "{dump}");
        assert!(dump.matches("[Filtered]").count() > 25, "{dump}");
    }
}

#[test]
fn metadata_is_filtered_by_its_keys() {
    let mut span = span_full_of("plain", SpanType::AgentRun);
    span.span.metadata = vec![
        ("apiKey".into(), "plainword".into()),
        ("token".into(), Payload::from(json!(7))),
        ("credentials".into(), Payload::from(json!({"user": "u"}))),
        ("runId".into(), "r1".into()),
    ];
    redact_span(&mut span, Capture::ALL);
    let values: Vec<_> = span.span.metadata.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["[Filtered]", "7", "[Filtered]", "r1"]);
}

#[test]
fn a_clean_span_stays_as_it_was_and_shares_what_it_shared() {
    let mut span = span_full_of("some text", SpanType::AgentRun);
    let (before, agent, crumb) = (span.clone(), span.agent.clone().unwrap(), Arc::clone(&span.breadcrumbs[0]));
    redact_span(&mut span, Capture::ALL);
    assert_eq!(span, before);
    assert!(Arc::ptr_eq(&agent, span.agent.as_ref().unwrap()) && Arc::ptr_eq(&crumb, &span.breadcrumbs[0]));
}

#[test]
fn without_content_metadata_sizes_and_counts_stay() {
    let mut span = span_full_of("private words", SpanType::AgentRun);
    span.span.name = "agent run".into();
    span.span.metadata.push(("deep".into(), Payload::from(json!({"a": "private words"}))));
    span.span.attributes.insert("deep", Payload::from(json!({"a": "private words"})));
    span.span.attributes.insert("long", Payload::text("private words".repeat(20)));
    let bytes = span.span.input.as_ref().unwrap().len() as u64;
    redact_span(&mut span, Capture::NONE);
    assert_eq!(span.withheld, Withheld { input_bytes: Some(bytes), output_bytes: Some(bytes), messages: Some(1) });
    let FinishedSpan { span: inner, gathered, .. } = &span;
    assert_eq!(
        (&inner.input, &inner.output, &gathered.text, &gathered.tool_calls[0].arguments),
        (&None, &None, &None, &None)
    );
    let run = inner.attributes.agent_run().unwrap();
    assert_eq!((&run.instructions, &run.prompt, &run.tripwire_abort), (&None, &None, &None));
    let others: Vec<_> = run.other.iter().map(|(name, _)| &**name).collect();
    assert_eq!(others, ["x", "private words"], "not what is long or an object");
    assert_eq!((run.available_tools.len(), gathered.tool_calls[0].name.as_str()), (1, "private words"));
    let keys: Vec<_> = inner.metadata.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["private words", "runId"]);
    assert_eq!(inner.error.as_ref().unwrap().message, "");
    assert_eq!(span.breadcrumbs[0].output, None);
}

#[test]
fn inputs_and_outputs_are_switched_apart() {
    let mut span = span_full_of("words", SpanType::ModelGeneration);
    redact_span(&mut span, "outputs,user".parse().unwrap());
    assert_eq!((span.span.input.is_some(), span.span.output.is_some()), (false, true));
    assert_eq!((span.withheld.input_bytes.is_some(), span.withheld.output_bytes), (true, None));
    assert!(span.span.metadata.iter().any(|(key, _)| &**key == "userId"));
    assert_eq!(span.agent.as_ref().unwrap().user_id.as_deref(), Some("words"));

    let mut span = span_full_of("words", SpanType::ModelGeneration);
    redact_span(&mut span, "inputs".parse().unwrap());
    assert_eq!((span.span.input.is_some(), span.span.output.is_some(), span.gathered.text), (true, false, None));
    assert!(!span.span.metadata.iter().any(|(key, _)| &**key == "userId"));
    let agent = span.agent.as_ref().unwrap();
    assert_eq!((agent.user_id.as_deref(), agent.name.as_deref()), (None, Some("words")));
}

#[test]
fn without_inputs_the_arguments_in_an_answer_go_too() {
    let mut span = span_full_of("words", SpanType::ModelGeneration);
    span.span.output =
        Some(Payload::from(json!({"text": "t", "toolCalls": [{"toolName": "x", "args": {"city": "Linz"}}]})));
    redact_span(&mut span, "outputs".parse().unwrap());
    assert_eq!(span.span.output.unwrap().to_value(), json!({"text": "t", "toolCalls": [{"toolName": "x"}]}));
}
