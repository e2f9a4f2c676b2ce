//! Stream mode: each span as it ends, with what is known by then.

use super::support::*;
use crate::model::{
    ModelGenerationAttributes, ModelStepAttributes, ProcessorRunAttributes, Span, SpanAttributes, SpanType::*,
    ToolCallAttributes, UsageStats,
};

#[test]
fn each_span_is_released_as_it_ends_with_its_parent_and_its_segment() {
    let mut bench = Bench::stream();
    let mut agent = span(1, 0, AgentRun);
    agent.entity_name = Some("Boss".into());
    let (generation, step, tool) = (span(2, 1, ModelGeneration), span(3, 2, ModelStep), span(4, 3, ToolCall));
    for span in [&agent, &generation, &step, &tool] {
        bench.start(span);
    }
    bench.end(&tool, 5);
    let releases = bench.releases();
    assert_eq!((releases.len(), releases[0].has_root), (1, false));
    assert_eq!(parent(&releases[0].spans, 4), 2);
    assert_eq!(releases[0].segment.as_ref().unwrap().finished().span.id, id(1));
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
    let model = ModelGenerationAttributes { model: Some("m".into()), ..ModelGenerationAttributes::default() };
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
        let attributes = ToolCallAttributes { tool_call_id: Some(id.into()), ..ToolCallAttributes::default() };
        let attributes = SpanAttributes::ToolCall(Box::new(attributes));
        Span { attributes, entity_name: Some(id.into()), input: json(r#"{"a":1}"#), ..span(number, parent, ty) }
    };
    let (generation, step) = (span(2, 1, ModelGeneration), span(3, 2, ModelStep));
    let (tool, mcp) = (tool(4, 3, ToolCall, "c1"), tool(5, 3, McpToolCall, "c2"));
    bench.nest(&[&span(1, 0, AgentRun), &generation, &step, &tool, &mcp]);
    let spans = bench.spans();
    let calls = &of(&spans, 2).gathered.tool_calls;
    let told: Vec<_> = calls.iter().map(|call| (call.id.as_deref().unwrap(), call.arguments.is_some())).collect();
    assert_eq!(told, [("c1", true), ("c2", true)]);
}

#[test]
fn a_span_waits_until_the_span_above_it_that_is_sent_is_known() {
    let types = [AgentRun, ModelGeneration, ModelStep, ToolCall];
    let spans: Vec<_> = (1_u64..).zip(types).map(|(number, ty)| span(number, number - 1, ty)).collect();
    for order in [[3, 2, 1, 0], [3, 0, 2, 1], [2, 3, 0, 1], [3, 1, 2, 0], [0, 1, 3, 2]] {
        let mut bench = Bench::stream();
        order.into_iter().for_each(|place| bench.end(&spans[place], 20));
        let released = bench.spans();
        assert_eq!((parent(&released, 4), parent(&released, 2), released.len()), (2, 1, 3), "{order:?}");
        assert_eq!(bench.assembler.open_spans(), 0, "{order:?}");
        bench.wait(5);
        assert_eq!((bench.spans().len(), bench.assembler.open_traces()), (0, 0), "{order:?}");
    }
}

#[test]
fn a_start_makes_the_parent_of_a_finished_span_known_too() {
    let mut bench = Bench::stream();
    let (agent, step, tool) = (span(1, 0, AgentRun), span(2, 1, ModelStep), span(3, 2, ToolCall));
    bench.start(&agent);
    bench.end(&failed(tool, "db down"), 5);
    assert!(bench.spans().is_empty());
    bench.start(&step);
    let released = bench.spans();
    assert_eq!((parent(&released, 3), released.len()), (1, 1));
    bench.end(&step, 6);
    bench.end(&failed(agent, "db down"), 7);
    assert!(!bench.spans()[0].reports_error, "its tool did");
}

#[test]
fn a_span_whose_parent_never_comes_goes_after_a_moment() {
    let mut bench = Bench::stream();
    bench.nest(&[&span(2, 77, ModelStep), &span(3, 2, ToolCall)]);
    assert!(bench.spans().is_empty());
    bench.wait(5);
    let released = bench.spans();
    assert_eq!((parent(&released, 3), released.len(), bench.assembler.open_traces()), (77, 1, 0));
}

#[test]
fn what_the_source_rolled_up_of_hidden_spans_still_counts_for_the_agent() {
    for bench in [Bench::new, Bench::stream] {
        let mut bench = bench();
        let usage = ProcessorRunAttributes { internal_usage: Some(UsageStats::new(7, 1)), ..Default::default() };
        let processor = Span { attributes: usage.into(), ..span(2, 1, ProcessorRun) };
        bench.nest(&[&span(1, 0, AgentRun), &processor]);
        assert_eq!(of(&bench.spans(), 1).gathered.usage, Some(UsageStats::new(7, 1)));
    }
}

#[test]
fn with_the_ends_alone_a_generation_still_tells_of_its_tools() {
    let mut bench = Bench::stream();
    let tool = Span { entity_name: Some("search".into()), input: json(r#"{"q":1}"#), ..span(3, 2, ToolCall) };
    bench.end(&tool, 4);
    bench.end(&span(2, 1, ModelGeneration), 5);
    bench.end(&span(1, 0, AgentRun), 6);
    let spans = bench.spans();
    let calls = &of(&spans, 2).gathered.tool_calls;
    assert_eq!(calls.iter().map(|call| &*call.name).collect::<Vec<_>>(), ["search"]);
}
