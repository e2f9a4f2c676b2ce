//! What an agent's run takes from its generations, and what the spans below take from it.

use super::support::*;
use crate::{
    assembly::{Limits, ReleaseWhen},
    model::{
        AgentRunAttributes, ModelGenerationAttributes, ModelStepAttributes, Span, SpanAttributes, SpanType::*,
        UsageStats,
    },
};

fn generation(number: u64, parent: u64, input: u64, model: &str, text: &str) -> Span {
    let attributes = ModelGenerationAttributes {
        usage: Some(UsageStats::new(input, 1)).filter(|_| input > 0),
        model: Some(model.into()),
        response_model: Some(format!("{model}-2025").into()),
        provider: Some("openai".into()),
        ..ModelGenerationAttributes::default()
    };
    Span {
        attributes: SpanAttributes::ModelGeneration(Box::new(attributes)),
        output: json(&serde_json::json!({ "text": text }).to_string()),
        ..span(number, parent, ModelGeneration)
    }
}

fn agent(number: u64, parent: u64, internal_usage: Option<UsageStats>) -> Span {
    let attributes = AgentRunAttributes { internal_usage, ..AgentRunAttributes::default() };
    Span { attributes: SpanAttributes::AgentRun(Box::new(attributes)), ..span(number, parent, AgentRun) }
}

#[test]
fn an_agent_sums_its_generations_at_any_depth_and_takes_the_rest_from_the_last() {
    let mut bench = Bench::new();
    bench.nest(&[
        &agent(1, 0, None),
        &generation(6, 1, 3, "last", "the end"),
        &span(2, 1, ProcessorRun),
        &generation(3, 2, 1, "first", "a"),
        &span(4, 1, WorkflowStep),
        &generation(5, 4, 2, "second", "b"),
    ]);
    let spans = bench.spans();
    let gathered = &of(&spans, 1).gathered;
    assert_eq!(gathered.usage, Some(UsageStats::new(6, 3)));
    assert_eq!(gathered.request_model.as_deref(), Some("last"));
    assert_eq!(gathered.response_model.as_deref(), Some("last-2025"));
    assert_eq!((gathered.provider.as_deref(), gathered.text.as_deref()), (Some("openai"), Some("the end")));
}

#[test]
fn what_a_nested_agent_used_is_its_own() {
    let mut bench = Bench::new();
    bench.nest(&[
        &agent(1, 0, None),
        &generation(2, 1, 10, "outer", "o"),
        &span(3, 2, ToolCall),
        &agent(4, 3, None),
        &generation(5, 4, 100, "inner", "i"),
    ]);
    let spans = bench.spans();
    assert_eq!(of(&spans, 1).gathered.usage, Some(UsageStats::new(10, 1)));
    assert_eq!(of(&spans, 4).gathered.usage, Some(UsageStats::new(100, 1)));
}

#[test]
fn usage_of_hidden_descendants_is_added_unless_they_are_there() {
    let mut bench = Bench::new();
    let hidden = Some(UsageStats::new(1000, 100));
    bench.nest(&[&agent(1, 0, hidden), &generation(2, 1, 10, "m", "t")]);
    assert_eq!(of(&bench.spans(), 1).gathered.usage, Some(UsageStats::new(1010, 101)));

    let step = ModelStepAttributes { usage: hidden, ..ModelStepAttributes::default() };
    let step = Span { attributes: SpanAttributes::ModelStep(Box::new(step)), ..span(2, 1, ModelStep) };
    let mut bench = Bench::new();
    bench.nest(&[&agent(1, 0, hidden), &step]);
    assert_eq!(of(&bench.spans(), 1).gathered.usage, hidden, "no generation, but its step");
}

#[test]
fn a_last_generation_without_usage_takes_none_from_the_others() {
    let mut bench = Bench::new();
    bench.nest(&[&agent(1, 0, None), &generation(3, 1, 0, "b", ""), &generation(2, 1, 7, "a", "said")]);
    let spans = bench.spans();
    let gathered = &of(&spans, 1).gathered;
    assert_eq!((gathered.usage, gathered.text.as_deref()), (Some(UsageStats::new(7, 1)), Some("said")));
    assert_eq!(gathered.request_model.as_deref(), Some("b"));
}

#[test]
fn ignored_generations_are_counted_all_the_same() {
    let mut bench = Bench::ignoring(Limits::default(), ReleaseWhen::TraceComplete, |span| span.ty != ModelGeneration);
    bench.nest(&[&agent(1, 0, None), &generation(2, 1, 7, "a", "said")]);
    let spans = bench.spans();
    assert_eq!(spans.len(), 1);
    let gathered = &spans[0].gathered;
    assert_eq!((gathered.usage, gathered.text.as_deref()), (Some(UsageStats::new(7, 1)), Some("said")));
}

#[test]
fn generations_that_went_ahead_are_counted_when_the_agent_follows() {
    let limits = Limits { held_spans: 2, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    let agent = agent(1, 0, None);
    bench.start(&agent);
    (2..8).for_each(|number| bench.end(&generation(number, 1, 1, "m", "t"), 20));
    assert!(bench.assembler.counts().early_releases > 0);
    assert_eq!(bench.spans().len(), 6);
    bench.end(&agent, 30);
    let spans = bench.spans();
    assert_eq!((spans.len(), spans[0].gathered.usage), (1, Some(UsageStats::new(6, 6))));
}

#[test]
fn every_span_knows_the_agent_it_runs_in() {
    let mut outer = agent(1, 0, None);
    outer.entity_name = Some("Boss".into());
    outer.entity_id = Some("boss".into());
    outer.metadata = vec![("threadId".into(), "t-1".into())];
    let mut inner = agent(4, 3, None);
    inner.entity_id = Some("sub".into());
    let mut bench = Bench::new();
    bench.nest(&[&outer, &span(2, 1, ModelGeneration), &span(3, 2, ToolCall), &inner, &span(5, 4, ToolCall)]);
    let spans = bench.spans();
    let name = |number| of(&spans, number).agent.as_ref().unwrap().name.clone().unwrap();
    assert_eq!((2..=3).map(name).collect::<Vec<_>>(), ["Boss", "Boss"]);
    assert_eq!([name(4), name(5)], ["sub", "sub"]);
    for number in 1..=5 {
        assert_eq!(of(&spans, number).agent.as_ref().unwrap().conversation_id.as_deref(), Some("t-1"));
    }
}

#[test]
fn a_span_outside_any_agent_has_none() {
    let mut bench = Bench::new();
    bench.nest(&[&span(1, 0, WorkflowRun), &span(2, 1, AgentRun)]);
    let spans = bench.spans();
    assert_eq!((of(&spans, 1).agent.is_none(), of(&spans, 2).agent.is_some()), (true, true));
}

#[test]
fn every_span_knows_who_it_is_done_for() {
    for stream in [false, true] {
        let mut outer = span(1, 0, WorkflowRun);
        outer.metadata = vec![("userId".into(), "u-1".into())];
        let mut inner = agent(4, 3, None);
        inner.metadata = vec![("resourceId".into(), "u-2".into())];
        let mut bench = if stream { Bench::stream() } else { Bench::new() };
        bench.nest(&[&outer, &span(2, 1, WorkflowStep), &agent(3, 2, None), &inner, &span(5, 4, ToolCall)]);
        let spans = bench.spans();
        let user = |number| of(&spans, number).agent.as_ref().and_then(|agent| agent.user_id.clone()).unwrap();
        assert_eq!([1, 2, 3, 4, 5].map(user), ["u-1", "u-1", "u-1", "u-2", "u-2"]);
    }
}
