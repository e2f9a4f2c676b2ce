//! One issue for each failure, at the deepest span that tells of it.

use super::support::*;
use crate::model::{ErrorInfo, FinishedSpan, ModelStepAttributes, Span, SpanType::*};

fn reporting(spans: &[FinishedSpan]) -> Vec<u64> {
    let mut numbers: Vec<_> = spans.iter().filter(|span| span.reports_error).map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_failure_that_bubbles_is_reported_once_at_the_deepest() {
    let mut bench = Bench::new();
    bench.nest(&[
        &failed(span(1, 0, WorkflowRun), "step failed: tool failed: db down"),
        &failed(span(2, 1, WorkflowStep), "tool failed: db down"),
        &span(3, 2, AgentRun),
        &failed(span(4, 3, ModelGeneration), "db down"),
        &failed(span(5, 4, ToolCall), "db down"),
    ]);
    assert_eq!(reporting(&bench.spans()), [5]);
}

#[test]
fn different_failures_each_report() {
    let mut bench = Bench::new();
    bench.nest(&[
        &failed(span(1, 0, AgentRun), "gave up"),
        &failed(span(2, 1, ToolCall), "db down"),
        &failed(span(3, 1, ToolCall), "no route"),
        &failed(span(4, 1, ToolCall), "db down"),
    ]);
    assert_eq!(reporting(&bench.spans()), [1, 2, 3, 4], "siblings failed each on its own");
}

#[test]
fn within_a_release_the_order_of_the_ends_does_not_matter() {
    let mut bench = Bench::new();
    let (agent, tool) = (failed(span(1, 0, AgentRun), "db down"), failed(span(2, 1, ToolCall), "db down"));
    bench.start(&agent);
    bench.start(&tool);
    bench.end(&agent, 5);
    bench.end(&tool, 6);
    assert_eq!(reporting(&bench.spans()), [2]);
}

#[test]
fn what_a_released_span_has_reported_is_not_reported_again_below_it() {
    let mut bench = Bench::new();
    let (agent, tool) = (failed(span(1, 0, AgentRun), "db down"), failed(span(2, 1, ToolCall), "db down"));
    bench.start(&agent);
    bench.start(&tool);
    bench.end(&agent, 5);
    bench.wait(6);
    assert_eq!(reporting(&bench.spans()), [1]);
    bench.end(&tool, 9);
    bench.end(&failed(span(3, 1, ToolCall), "another"), 9);
    bench.flush();
    assert_eq!(reporting(&bench.spans()), [3]);
}

#[test]
fn the_failure_of_the_last_step_is_its_generations() {
    let step = |number: u64, error: Option<&str>| {
        let attributes = ModelStepAttributes::default().into();
        let span = Span { attributes, ..span(number, 2, ModelStep) };
        error.map_or(span.clone(), |error| failed(span, error))
    };
    let mut bench = Bench::new();
    bench.nest(&[
        &failed(span(1, 0, AgentRun), "overloaded"),
        &span(2, 1, ModelGeneration),
        &step(3, None),
        &step(4, Some("overloaded")),
    ]);
    let spans = bench.spans();
    assert_eq!((reporting(&spans), &*of(&spans, 2).span.error.as_ref().unwrap().message), (vec![2], "overloaded"));

    let mut bench = Bench::new();
    bench.nest(&[&span(1, 0, AgentRun), &span(2, 1, ModelGeneration), &step(3, Some("overloaded")), &step(4, None)]);
    assert_eq!(reporting(&bench.spans()), Vec::<u64>::new(), "it was tried again and succeeded");
}

#[test]
fn in_a_stream_a_parent_does_not_repeat_what_its_child_has_reported() {
    let mut bench = Bench::stream();
    bench.nest(&[
        &failed(span(1, 0, WorkflowRun), "db down"),
        &failed(span(2, 1, AgentRun), "db down"),
        &failed(span(3, 2, ToolCall), "db down"),
    ]);
    assert_eq!(reporting(&bench.spans()), [3]);
}

#[test]
fn in_a_stream_the_failure_of_the_last_step_is_reported_once_too() {
    let mut bench = Bench::stream();
    let step = Span { attributes: ModelStepAttributes::default().into(), ..span(3, 2, ModelStep) };
    bench.nest(&[
        &failed(span(1, 0, AgentRun), "overloaded"),
        &span(2, 1, ModelGeneration),
        &failed(step, "overloaded"),
    ]);
    assert_eq!(reporting(&bench.spans()), [2]);
}

/// A failure in words of Mastra's own.
fn wrapped(span: Span, message: &str) -> Span {
    categorized(span, message, "SYSTEM")
}

fn categorized(span: Span, message: &str, category: &str) -> Span {
    let mut span = failed(span, message);
    let (id, category) = (Some("AGENT_PREPARE_STREAM_FAILED".into()), Some(category.into()));
    span.error = span.error.map(|error| Box::new(ErrorInfo { id, category, ..*error }));
    span
}

#[test]
fn a_failure_that_another_one_below_brought_about_is_not_reported_beside_it() {
    for bench in [Bench::new, Bench::stream] {
        let mut bench = bench();
        let agent = wrapped(span(1, 0, AgentRun), "[Agent:Clerk] - Input processor error");
        let (first, second) = (span(2, 1, ProcessorRun), failed(span(3, 1, ProcessorRun), "no such list"));
        [&agent, &first].into_iter().for_each(|span| bench.start(span));
        bench.end(&first, 3);
        bench.start(&second);
        bench.end(&second, 4);
        bench.end(&agent, 5);
        assert_eq!(reporting(&bench.spans()), [3]);
    }
}

#[test]
fn a_failure_reports_beside_an_earlier_one_that_the_run_went_on_from() {
    let mut bench = Bench::new();
    let agent = wrapped(span(1, 0, AgentRun), "no answer");
    let (tool, generation) = (failed(span(2, 1, ToolCall), "db down"), span(4, 1, ModelGeneration));
    [&agent, &tool].into_iter().for_each(|span| bench.start(span));
    bench.end(&tool, 3);
    bench.start(&generation);
    bench.end(&generation, 5);
    bench.end(&agent, 6);
    assert_eq!(reporting(&bench.spans()), [1, 2]);

    let mut bench = Bench::new();
    bench.nest(&[
        &wrapped(span(1, 0, AgentRun), "no answer"),
        &span(2, 1, ModelGeneration),
        &failed(span(3, 2, ToolCall), "db down"),
    ]);
    assert_eq!(reporting(&bench.spans()), [1, 3], "the generation between them was well");

    let mut bench = Bench::new();
    let thrown = categorized(span(1, 0, WorkflowStep), "no answer", "USER");
    bench.nest(&[&thrown, &failed(span(2, 1, ToolCall), "db down")]);
    assert_eq!(reporting(&bench.spans()), [1, 2], "what the host threw is in its own words");
}
