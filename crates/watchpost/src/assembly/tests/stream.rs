//! Stream mode: each span as it ends, with what is known by then.

use super::support::*;
use crate::model::{
    ModelGenerationAttributes, ModelStepAttributes, Span, SpanAttributes, SpanType::*, ToolCallAttributes, UsageStats,
};

#[test]
fn each_span_is_released_as_it_ends_with_its_parent_and_its_segment() {
    let mut bench = Bench::stream();
    let mut agent = span(1, 0, AgentRun);
    agent.entity_name = Some("Boss".to_owned());
    let (generation, step, tool) = (span(2, 1, ModelGeneration), span(3, 2, ModelStep), span(4, 3, ToolCall));
    for span in [&agent, &generation, &step, &tool] {
        bench.start(span);
    }
    bench.end(&tool, 5);
    let releases = bench.releases();
    assert_eq!((releases.len(), releases[0].has_root), (1, false));
    assert_eq!(parent(&releases[0].spans, 4), 2);
    assert_eq!(releases[0].segment.as_ref().unwrap().span.id, id(1));
    assert_eq!(releases[0].spans[0].agent.as_ref().unwrap().name.as_deref(), Some("Boss"));
    bench.end(&step, 6);
    assert!(bench.releases().is_empty());
    bench.end(&generation, 7);
    assert_eq!(bench.numbers(), [[2]]);
    bench.end(&agent, 8);
    let releases = bench.releases();
    assert!(releases[0].has_root && releases[0].segment.is_none());
    assert_eq!(bench.assembler.open_traces(), 0);
}

#[test]
fn what_was_released_still_counts_for_the_agent() {
    let mut bench = Bench::stream();
    let step = ModelStepAttributes { usage: Some(UsageStats::new(5, 2)), ..ModelStepAttributes::default() };
    let step = Span { attributes: SpanAttributes::ModelStep(Box::new(step)), ..span(3, 2, ModelStep) };
    let model = ModelGenerationAttributes { model: Some("m".to_owned()), ..ModelGenerationAttributes::default() };
    let generation = Span {
        attributes: SpanAttributes::ModelGeneration(Box::new(model)),
        output: json(r#"{"text":"hi"}"#),
        ..span(2, 1, ModelGeneration)
    };
    bench.nest(&[&span(1, 0, AgentRun), &generation, &step]);
    let spans = bench.spans();
    assert_eq!(of(&spans, 2).gathered.usage, Some(UsageStats::new(5, 2)));
    let gathered = &of(&spans, 1).gathered;
    assert_eq!(gathered.usage, Some(UsageStats::new(5, 2)));
    assert_eq!((gathered.request_model.as_deref(), gathered.text.as_deref()), (Some("m"), Some("hi")));
}

#[test]
fn a_generation_tells_of_the_tools_that_were_released_before_it() {
    let mut bench = Bench::stream();
    let tool = |number, parent, ty, id: &str| {
        let attributes = ToolCallAttributes { tool_call_id: Some(id.to_owned()), ..ToolCallAttributes::default() };
        let attributes = SpanAttributes::ToolCall(Box::new(attributes));
        Span { attributes, entity_name: Some(id.to_owned()), input: json(r#"{"a":1}"#), ..span(number, parent, ty) }
    };
    let (generation, step) = (span(2, 1, ModelGeneration), span(3, 2, ModelStep));
    let (tool, mcp) = (tool(4, 3, ToolCall, "c1"), tool(5, 3, McpToolCall, "c2"));
    bench.nest(&[&span(1, 0, AgentRun), &generation, &step, &tool, &mcp]);
    let spans = bench.spans();
    let calls = &of(&spans, 2).gathered.tool_calls;
    let told: Vec<_> = calls.iter().map(|call| (call.id.as_deref().unwrap(), call.arguments.is_some())).collect();
    assert_eq!(told, [("c1", true), ("c2", true)]);
}
