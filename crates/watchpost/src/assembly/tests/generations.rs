//! What a generation takes from its steps, inferences, chunks and tools.

use super::support::*;
use crate::model::{
    Gathered, ModelChunkAttributes, ModelGenerationAttributes, ModelInferenceAttributes, ModelStepAttributes, Span,
    SpanAttributes, SpanType::*, Text, ToolCallAttributes, UsageStats,
};

fn generation(usage: Option<UsageStats>) -> Span {
    let attributes = ModelGenerationAttributes { usage, ..ModelGenerationAttributes::default() };
    Span { attributes: SpanAttributes::ModelGeneration(Box::new(attributes)), ..span(1, 0, ModelGeneration) }
}

fn step(number: u64, usage: Option<UsageStats>, reason: &str) -> Span {
    let finish_reason = Some(Text::from(reason)).filter(|reason| !reason.is_empty());
    let attributes = ModelStepAttributes { usage, finish_reason, ..ModelStepAttributes::default() };
    Span { attributes: SpanAttributes::ModelStep(Box::new(attributes)), ..span(number, 1, ModelStep) }
}

fn inference(number: u64, parent: u64, usage: Option<UsageStats>, model: &str) -> Span {
    let attributes = ModelInferenceAttributes {
        usage,
        model: Some(model.into()),
        completion_start_time: Some(at(number as u32 + 1)),
        ..ModelInferenceAttributes::default()
    };
    Span { attributes: SpanAttributes::ModelInference(Box::new(attributes)), ..span(number, parent, ModelInference) }
}

fn chunk(number: u64, parent: u64, kind: &str, output: &str) -> Span {
    let attributes = ModelChunkAttributes { chunk_type: Some(kind.into()), ..ModelChunkAttributes::default() };
    let attributes = SpanAttributes::ModelChunk(Box::new(attributes));
    Span { attributes, output: json(output), ..span(number, parent, ModelChunk) }
}

fn tool(number: u64, name: &str, id: Option<&str>) -> Span {
    let attributes = ToolCallAttributes { tool_call_id: id.map(Text::from), ..ToolCallAttributes::default() };
    let attributes = SpanAttributes::ToolCall(Box::new(attributes));
    Span { attributes, entity_name: Some(name.into()), input: json(r#"{"a":1}"#), ..span(number, 1, ToolCall) }
}

/// What the generation (the first span) gathers.
fn gathered(spans: &[&Span]) -> Gathered {
    let mut bench = Bench::new();
    bench.nest(spans);
    of(&bench.spans(), 1).gathered.clone()
}

#[test]
fn usage_is_its_own_else_its_inferences_else_its_steps_and_never_two_of_them() {
    let tokens = |input| Some(UsageStats::new(input, 1));
    let (first, second) = (step(2, tokens(10), ""), step(4, tokens(20), ""));
    let in_first = inference(3, 2, tokens(11), "m");
    let used = |own, spans: &[&Span]| {
        let generation = generation(own);
        let all: Vec<_> = std::iter::once(&generation).chain(spans.iter().copied()).collect();
        gathered(&all).usage
    };
    assert_eq!(used(tokens(100), &[&first, &in_first]), tokens(100));
    assert_eq!(used(None, &[&first, &in_first]), tokens(11));
    assert_eq!(used(None, &[&first, &second]), Some(UsageStats::new(30, 2)));
    assert_eq!(used(None, &[&first, &in_first, &second]), Some(UsageStats::new(31, 2)), "a step without inference");
    assert_eq!(used(None, &[]), None);
}

#[test]
fn finish_reasons_are_told_step_by_step_else_by_the_generation() {
    let mut own = generation(None);
    let SpanAttributes::ModelGeneration(attributes) = &mut own.attributes else { unreachable!() };
    attributes.finish_reason = Some("stop".into());
    assert_eq!(gathered(&[&own]).finish_reasons, ["stop"]);
    let seen = gathered(&[&own, &step(2, None, "tool-calls")]);
    assert_eq!(seen.finish_reasons, ["tool-calls", "stop"], "its last step was not recorded");
    let seen = gathered(&[&own, &step(2, None, "tool-calls"), &step(3, None, "stop")]);
    assert_eq!((seen.finish_reasons, seen.steps), (vec!["tool-calls".into(), "stop".into()], 2));
}

#[test]
fn the_first_token_came_when_the_generation_an_inference_or_a_chunk_says() {
    let mut own = generation(None);
    let (step, inference) = (step(2, None, ""), inference(5, 2, None, "m"));
    let piece = chunk(9, 5, "text", r#"{"text":"x"}"#);
    assert_eq!(gathered(&[&own, &step, &piece]).first_token_at, None, "its inference is not known");
    assert_eq!(gathered(&[&own, &step, &inference, &piece]).first_token_at, Some(at(6)));
    let piece = chunk(9, 2, "text", r#"{"text":"x"}"#);
    assert_eq!(gathered(&[&own, &step, &piece]).first_token_at, Some(at(9)));
    let SpanAttributes::ModelGeneration(attributes) = &mut own.attributes else { unreachable!() };
    attributes.completion_start_time = Some(at(3));
    assert_eq!(gathered(&[&own, &step, &piece]).first_token_at, Some(at(3)));
}

#[test]
fn text_comes_from_the_chunks_only_when_the_generation_has_none() {
    let mut own = generation(None);
    let pieces = [
        chunk(3, 1, "text", r#"{"text":"Hello"}"#),
        chunk(4, 1, "reasoning", r#"{"text":"hm"}"#),
        chunk(5, 1, "text", r#"{"text":", world"}"#),
    ];
    fn all<'a>(own: &'a Span, pieces: &'a [Span; 3]) -> [&'a Span; 4] {
        [own, &pieces[0], &pieces[1], &pieces[2]]
    }
    assert_eq!(gathered(&all(&own, &pieces)).text.as_deref(), Some("Hello, world"));
    own.output = json(r#"{"text":"own"}"#);
    assert_eq!(gathered(&all(&own, &pieces)).text, None);
    own.output = json(r#"{"text":""}"#);
    assert_eq!(gathered(&all(&own, &pieces)).text.as_deref(), Some("Hello, world"));
}

#[test]
fn text_of_chunks_is_bounded() {
    let long = format!(r#"{{"text":"{}"}}"#, "ž".repeat(5_000));
    let pieces: Vec<_> = (3..9).map(|number| chunk(number, 1, "text", &long)).collect();
    let own = generation(None);
    let all: Vec<_> = std::iter::once(&own).chain(&pieces).collect();
    assert_eq!(gathered(&all).text.unwrap().len(), 16 * 1024);
}

#[test]
fn tools_of_every_kind_are_called_by_the_generation_each_once() {
    let mut own = generation(None);
    own.output = json(
        r#"{"text":"","toolCalls":[{"toolCallId":"c1","toolName":"search","args":{"q":1}},
            {"toolCallId":"c2","toolName":"sum"},{"toolCallId":"c3","toolName":"late","input":{"x":2}},{"toolCallId":"x"}]}"#,
    );
    let mut by_metadata = tool(6, "meta", None);
    by_metadata.metadata = vec![("toolCallId".into(), "m1".into())];
    let mut mcp = tool(7, "echo", Some("mcp-1"));
    mcp.ty = McpToolCall;
    let mut unnamed = tool(8, "", None);
    unnamed.entity_name = None;
    unnamed.name = "tool: 'plain'".into();
    let piece = chunk(3, 2, "tool-call", r#"{"toolName":"search","toolCallId":"c1","toolInput":{"q":1}}"#);
    let spans = [
        &own,
        &step(2, None, ""),
        &piece,
        &tool(4, "search", Some("c1")),
        &tool(5, "sum", None),
        &by_metadata,
        &mcp,
        &unnamed,
    ];
    let calls = gathered(&spans).tool_calls;
    let seen: Vec<_> = calls.iter().map(|call| (call.id.as_deref(), &*call.name)).collect();
    assert_eq!(
        seen,
        [
            (Some("c1"), "search"),
            (Some("c2"), "sum"),
            (Some("m1"), "meta"),
            (Some("mcp-1"), "echo"),
            (None, "plain"),
            (Some("c3"), "late")
        ]
    );
    assert_eq!(calls[0].arguments, json(r#"{"q":1}"#));
    assert_eq!((&calls[1].arguments, &calls[5].arguments), (&json(r#"{"a":1}"#), &json(r#"{"x":2}"#)));
}

#[test]
fn a_tools_span_without_an_id_gets_that_of_its_call() {
    let mut own = generation(None);
    own.output = json(
        r#"{"text":"","toolCalls":[{"toolCallId":"c1","toolName":"sum"},{"toolCallId":"c2","toolName":"sum"},
            {"toolCallId":"c3","toolName":"search"},{"toolCallId":"c4","toolName":"plain"}]}"#,
    );
    let plain = Span { attributes: SpanAttributes::None, ..tool(6, "plain", None) };
    let mut bench = Bench::new();
    bench.nest(&[
        &own,
        &tool(2, "sum", None),
        &tool(3, "sum", None),
        &tool(4, "search", Some("c3")),
        &tool(5, "other", None),
        &plain,
    ]);
    let spans = bench.spans();
    let id = |number| of(&spans, number).span.attributes.tool().and_then(|tool| tool.tool_call_id.as_deref());
    assert_eq!([2, 3, 4, 5, 6].map(id), [Some("c1"), Some("c2"), Some("c3"), None, Some("c4")]);
}

#[test]
fn two_calls_of_one_tool_without_ids_are_two() {
    let calls = gathered(&[&generation(None), &tool(2, "search", None), &tool(3, "search", None)]).tool_calls;
    assert_eq!(calls.len(), 2);
}

#[test]
fn a_tool_called_by_a_tool_or_by_another_agent_is_not_the_generations() {
    let own = generation(None);
    let outer = tool(2, "outer", None);
    let mut inner = tool(3, "inner", None);
    inner.parent_span_id = Some(id(2));
    let agent = span(4, 1, AgentRun);
    let mut theirs = tool(5, "theirs", None);
    theirs.parent_span_id = Some(id(4));
    let calls = gathered(&[&own, &outer, &inner, &agent, &theirs]).tool_calls;
    assert_eq!(calls.iter().map(|call| &*call.name).collect::<Vec<_>>(), ["outer"]);
}

#[test]
fn models_come_from_the_last_inference_when_the_generation_names_none() {
    let seen =
        gathered(&[&generation(None), &step(2, None, ""), &inference(3, 2, None, "a"), &inference(4, 2, None, "b")]);
    assert_eq!(seen.request_model.as_deref(), Some("b"));
}
