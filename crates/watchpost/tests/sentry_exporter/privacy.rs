//! Secrets never leave; content leaves as captured; metadata always does.

use serde_json::json;
use watchpost::{
    exporter::SentryExporter,
    mapping::ai::SpanMode,
    model::{AgentRunAttributes, ErrorInfo, Payload, Span, SpanLog, SpanType},
    redact::Capture,
};
use watchpost_sentry::wire::{LogLevel, Timestamp};

use crate::support::*;

/// A trace with a text in every place that a host can put one.
fn everywhere(text: &str) -> Vec<Span> {
    let content = json!({"password": text, "text": format!("before {text} after"), "deep": [{"api_key": text}]});
    let payload = || Some(Payload::from(&content));
    let mut agent = span(1, 0, SpanType::AgentRun);
    agent.attributes = AgentRunAttributes {
        instructions: Some(Payload::text(format!("be nice {text}"))),
        prompt: payload(),
        other: vec![("token".into(), text.into()), ("note".into(), format!("x {text}").into())],
        ..AgentRunAttributes::default()
    }
    .into();
    agent.metadata = vec![("authorization".into(), text.into()), ("m".into(), format!("m {text}").into())];
    agent.tags = vec![format!("tag {text}").into()];
    agent.entity_name = Some(format!("Agent {text}").into());
    let mut generation = span(2, 1, SpanType::ModelGeneration);
    let mut tool = span(4, 2, SpanType::ToolCall);
    let mut signal = span(5, 4, SpanType::AgentSignal);
    signal.is_event = true;
    tool.error = Some(Box::new(ErrorInfo {
        message: format!("it failed: {text}"),
        stack: Some(format!("Error: it failed: {text}\n    at f (/srv/a.js:1:1)")),
        data: Some(json!({"secret": text, "t": text}).to_string()),
        ..ErrorInfo::default()
    }));
    for span in [&mut agent, &mut generation, &mut tool, &mut signal] {
        span.input = payload();
        span.output = payload();
    }
    let mut chunk = span(3, 2, SpanType::ModelChunk);
    chunk.output = Some(Payload::from(&json!({"text": format!("chunk {text}")})));
    vec![agent, generation, chunk, tool, signal]
}

#[test]
fn secrets_never_reach_the_wire() {
    let canary = "ghp_CANARYcanary0123456789";
    for mode in [SpanMode::Transaction, SpanMode::Hybrid, SpanMode::Stream] {
        let sink = Sink::start();
        let exporter = sink.with_mode(mode);
        nest(&exporter, &everywhere(canary));
        exporter.log(SpanLog {
            trace_id: trace(1),
            span_id: id(1),
            at: Timestamp::now(),
            level: LogLevel::Info,
            body: format!("log {canary}"),
            attributes: vec![("a".into(), canary.into()), ("b".into(), Payload::from(&json!({"c": canary})))],
        });
        assert!(exporter.shutdown_within(PATIENCE).complete);
        let everything = sink.everything();
        assert!(!everything.contains("CANARY"), "{mode:?}: {everything}");
        assert!(everything.contains("[Filtered]"));
        assert_eq!(sink.payloads("event").len(), 1);
    }
}

#[test]
fn content_flows_by_default_and_capture_turns_it_off() {
    for (capture, flows) in [(None, true), (Some(Capture::ALL), true), (Some(Capture::NONE), false)] {
        let sink = Sink::start();
        let mut config = sink.config();
        config.capture = capture;
        let exporter = SentryExporter::new(config).unwrap();
        let mut spans = agent_trace();
        for span in &mut spans {
            span.input = Some("INPUT".into());
            span.output = Some("OUTPUT".into());
        }
        spans[3] = failed(spans[3].clone(), "MESSAGE");
        nest(&exporter, &spans);
        assert!(exporter.shutdown_within(PATIENCE).complete);
        let everything = sink.everything();
        for content in ["INPUT", "OUTPUT", "MESSAGE"] {
            assert_eq!(everything.contains(content), flows, "{content} with {capture:?}: {everything}");
        }
        assert!(everything.contains("gen_ai.execute_tool"), "metadata always flows");
        assert_eq!(sink.payloads("event").len(), 1);
    }
}
