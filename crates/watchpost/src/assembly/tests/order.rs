//! Events in any order: what is merged, what is ignored, and when a run is released.

use super::support::*;
use crate::{
    assembly::{Limits, ReleaseWhen},
    model::{Payload, SpanAttributes, SpanCompletion, SpanType::*},
};

#[test]
fn a_run_is_released_at_once_when_its_root_and_all_below_it_ended() {
    let mut bench = Bench::new();
    let (agent, tool) = (span(1, 0, AgentRun), span(2, 1, ToolCall));
    bench.start(&agent);
    bench.start(&tool);
    bench.end(&tool, 3);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.end(&agent, 4);
    let releases = bench.releases();
    assert_eq!(releases.len(), 1);
    assert!(releases[0].has_root);
    assert_eq!(releases[0].spans.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((releases[0].spans[0].span.end, releases[0].spans[0].completion), (Some(at(4)), SpanCompletion::Ended));
    assert_eq!(bench.assembler.open_traces(), 0);
}

#[test]
fn updates_and_the_end_replace_what_they_say_and_keep_the_rest() {
    let mut bench = Bench::new();
    let mut agent = span(1, 0, AgentRun);
    agent.entity_name = Some("first".into());
    agent.input = Some("question".into());
    agent.metadata = vec![("a".into(), "1".into()), ("b".into(), "1".into())];
    bench.start(&agent);
    let mut update = span(1, 0, AgentRun);
    update.entity_name = Some("second".into());
    update.metadata = vec![("b".into(), "2".into())];
    bench.update(&update);
    let mut end = span(1, 0, AgentRun);
    end.output = Some("answer".into());
    bench.end(&end, 9);
    let spans = bench.spans();
    let seen = &spans[0].span;
    assert_eq!(seen.entity_name.as_deref(), Some("second"));
    assert_eq!((seen.input.as_ref(), seen.output.as_ref()), (Some(&"question".into()), Some(&"answer".into())));
    let metadata = |key: &str| seen.metadata.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.as_str());
    assert_eq!((metadata("a"), metadata("b")), (Some("1"), Some("2")));
}

#[test]
fn an_end_without_a_start_is_a_whole_span_and_nothing_comes_after_an_end() {
    let mut bench = Bench::new();
    let tool = span(1, 0, ToolCall);
    bench.end(&tool, 5);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new(), "its children may come later too");
    bench.wait(5);
    assert_eq!(bench.numbers(), [[1]]);
    bench.start(&tool);
    bench.update(&tool);
    bench.end(&tool, 6);
    bench.finish();
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    assert_eq!(bench.assembler.counts().repeated, 3);
}

#[test]
fn a_second_start_and_an_update_first_change_nothing_in_the_number_of_spans() {
    let mut bench = Bench::new();
    let agent = span(1, 0, AgentRun);
    bench.update(&agent);
    bench.start(&agent);
    bench.start(&agent);
    assert_eq!(bench.assembler.open_spans(), 1);
    bench.end(&agent, 2);
    assert_eq!(bench.numbers(), [[1]]);
}

#[test]
fn children_of_skipped_spans_go_to_the_nearest_kept_one_whenever_that_comes() {
    // Agent > generation > step > chunk > step > tool.
    let types = [AgentRun, ModelGeneration, ModelStep, ModelChunk, ModelStep, ToolCall];
    let spans: Vec<_> = (1_u64..).zip(types).map(|(number, ty)| span(number, number - 1, ty)).collect();
    for order in [[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [5, 3, 4, 2, 1, 0], [2, 5, 3, 1, 4, 0], [4, 3, 2, 5, 1, 0]] {
        let mut bench = Bench::new();
        for place in order {
            bench.end(&spans[place], 20);
        }
        bench.flush();
        let released = bench.spans();
        assert_eq!(parent(&released, 6), 2, "{order:?}");
        assert_eq!((parent(&released, 2), released.len()), (1, 3), "{order:?}");
    }
}

#[test]
fn ignored_spans_are_not_sent_and_their_children_go_one_up() {
    let mut bench = Bench::ignoring(Limits::default(), ReleaseWhen::TraceComplete, |span| span.ty != WorkflowStep);
    bench.nest(&[
        &span(1, 0, WorkflowRun),
        &span(2, 1, WorkflowStep),
        &span(3, 2, WorkflowStep),
        &span(4, 3, ToolCall),
    ]);
    let spans = bench.spans();
    assert_eq!(spans.iter().map(number).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(parent(&spans, 4), 1);
}

#[test]
fn below_an_ignored_root_there_is_no_root() {
    let mut bench = Bench::ignoring(Limits::default(), ReleaseWhen::TraceComplete, |span| span.ty != WorkflowRun);
    bench.nest(&[&span(1, 0, WorkflowRun), &span(2, 1, ToolCall)]);
    let releases = bench.releases();
    assert_eq!((releases.len(), releases[0].has_root, parent(&releases[0].spans, 2)), (1, false, 0));
}

#[test]
fn a_parent_never_seen_stays_as_given_and_its_children_wait_a_moment_for_it() {
    let mut bench = Bench::new();
    bench.nest(&[&span(2, 77, WorkflowStep), &span(3, 2, ToolCall)]);
    bench.wait(4);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.wait(2);
    let releases = bench.releases();
    assert_eq!((releases.len(), releases[0].has_root), (1, false));
    assert_eq!((parent(&releases[0].spans, 2), parent(&releases[0].spans, 3)), (77, 2));
    assert_eq!(bench.assembler.open_traces(), 0);
}

#[test]
fn an_ended_root_waits_for_the_missing_parents_of_spans_of_its_trace() {
    let mut bench = Bench::new();
    let (agent, generation, tool) = (span(1, 0, AgentRun), span(2, 1, ModelGeneration), span(3, 2, ToolCall));
    bench.start(&agent);
    bench.start(&tool);
    bench.end(&tool, 5);
    bench.end(&agent, 6);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.wait(4);
    bench.start(&generation);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.end(&generation, 6);
    assert_eq!(bench.numbers(), [[1, 2, 3]], "at once when it is whole");
    assert_eq!(bench.assembler.open_traces(), 0);
}

#[test]
fn an_ended_root_does_not_wait_for_longer_than_a_moment_nor_for_what_was_released() {
    let mut bench = Bench::new();
    let (agent, lost) = (span(1, 0, AgentRun), span(3, 77, ToolCall));
    bench.start(&agent);
    bench.start(&lost);
    bench.end(&lost, 5);
    bench.wait(5);
    assert_eq!(bench.numbers(), [[3]]);
    bench.end(&agent, 6);
    assert_eq!(bench.numbers(), [[1]]);
}

#[test]
fn with_the_ends_alone_in_any_order_everything_is_one_release() {
    let types = [AgentRun, ModelGeneration, ModelStep, ToolCall];
    let spans: Vec<_> = (1_u64..).zip(types).map(|(number, ty)| span(number, number - 1, ty)).collect();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [0, 3, 1, 2]] {
        let mut bench = Bench::new();
        order.into_iter().for_each(|place| bench.end(&spans[place], 20));
        bench.wait(5);
        assert_eq!(bench.numbers(), [[1, 2, 4]], "{order:?}");
    }
}

#[test]
fn several_runs_in_a_trace_are_released_each_on_its_own() {
    let mut bench = Bench::new();
    let (first, below_first) = (span(1, 0, WorkflowRun), span(2, 1, WorkflowStep));
    let mut resumed = span(3, 2, WorkflowRun);
    resumed.is_root = true;
    let below_resumed = span(4, 3, WorkflowStep);
    bench.start(&first);
    bench.start(&below_first);
    bench.end(&below_first, 5);
    bench.start(&resumed);
    bench.start(&below_resumed);
    bench.end(&first, 6);
    assert_eq!(bench.numbers(), [[1, 2]]);
    bench.end(&below_resumed, 7);
    bench.end(&resumed, 8);
    let releases = bench.releases();
    assert!(releases[0].has_root);
    assert_eq!(releases[0].spans.iter().map(number).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(parent(&releases[0].spans, 3), 2);
    assert_eq!(bench.assembler.open_traces(), 0);
}

#[test]
fn a_resumed_run_goes_on_from_the_nearest_kept_span() {
    let mut bench = Bench::new();
    let (agent, generation, step) = (span(1, 0, AgentRun), span(2, 1, ModelGeneration), span(3, 2, ModelStep));
    let mut resumed = span(4, 3, WorkflowRun);
    resumed.is_root = true;
    for span in [&agent, &generation, &step, &resumed] {
        bench.start(span);
    }
    bench.end(&resumed, 9);
    let spans = bench.spans();
    assert_eq!((spans.len(), parent(&spans, 4)), (1, 2));
}

#[test]
fn a_root_waits_a_moment_for_open_children_and_goes_with_what_is_finished() {
    let mut bench = Bench::new();
    let (agent, done, open) = (span(1, 0, AgentRun), span(2, 1, ToolCall), span(3, 1, ToolCall));
    for span in [&agent, &done, &open] {
        bench.start(span);
    }
    bench.end(&done, 5);
    bench.end(&agent, 6);
    bench.wait(4);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.wait(1);
    assert_eq!(bench.numbers(), [[1, 2]]);
    bench.end(&open, 9);
    let releases = bench.releases();
    assert_eq!((releases.len(), releases[0].has_root, parent(&releases[0].spans, 3)), (1, false, 1));
    assert_eq!(releases[0].segment.as_ref().unwrap().finished().span.id, id(1));
}

#[test]
fn a_late_child_finds_its_parent_through_the_skipped_ones_after_the_release() {
    let mut bench = Bench::new();
    bench.nest(&[&span(1, 0, AgentRun), &span(2, 1, ModelGeneration), &span(3, 2, ModelStep)]);
    assert_eq!(bench.numbers(), [[1, 2]]);
    bench.wait(30);
    bench.end(&span(4, 3, ToolCall), 200);
    bench.end(&span(5, 3, ToolCall), 200);
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new(), "others like it may come");
    bench.wait(5);
    let releases = bench.releases();
    assert_eq!(releases.len(), 1);
    let spans = &releases[0].spans;
    assert_eq!((parent(spans, 4), parent(spans, 5)), (2, 2));
    assert_eq!(spans[0].agent.as_ref().unwrap().name, None, "the agent had no name");
    bench.wait(70);
    bench.end(&span(6, 3, ToolCall), 300);
    bench.flush();
    assert_eq!(parent(&bench.spans(), 6), 3, "after a minute the trace is forgotten");
}

#[test]
fn a_flush_releases_what_is_finished_but_not_what_an_open_root_is_awaited_for() {
    let mut bench = Bench::new();
    let (agent, tool, late) = (span(1, 0, AgentRun), span(2, 1, ToolCall), span(3, 1, ToolCall));
    for span in [&agent, &tool, &late] {
        bench.start(span);
    }
    bench.end(&tool, 5);
    bench.flush();
    assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new());
    bench.end(&agent, 6);
    bench.flush();
    assert_eq!(bench.numbers(), [[1, 2]]);
}

#[test]
fn an_event_span_is_a_span_without_length_and_a_breadcrumb_of_its_own_trace() {
    let mut bench = Bench::new();
    let agent = failed(span(1, 0, AgentRun), "out of luck");
    let mut signal = span(2, 1, AgentSignal);
    signal.is_event = true;
    signal.output = Some("ping".into());
    let mut chunk = span(3, 1, ModelChunk);
    chunk.is_event = true;
    let mut other = failed(span(4, 0, AgentRun), "elsewhere");
    other.trace_id = trace(2);
    bench.start(&agent);
    bench.end(&signal, 2);
    bench.end(&chunk, 3);
    bench.nest(&[&other]);
    bench.end(&agent, 10);
    let spans = bench.spans();
    assert_eq!(of(&spans, 2).span.end, Some(at(2)));
    let crumbs = &of(&spans, 1).breadcrumbs;
    assert_eq!(crumbs.iter().map(|crumb| (crumb.at, &*crumb.message)).collect::<Vec<_>>(), [(at(2), "agent_signal 2")]);
    assert_eq!(crumbs[0].output, Some(Payload::text("ping")));
    assert!(of(&spans, 4).breadcrumbs.is_empty() && spans.len() == 3);
}

#[test]
fn parents_in_a_circle_are_released_all_the_same() {
    let mut bench = Bench::new();
    bench.end(&span(1, 2, ToolCall), 5);
    bench.end(&span(2, 1, ModelGeneration), 5);
    bench.end(&span(3, 3, ToolCall), 5);
    let (step, chunk) = (span(4, 5, ModelStep), span(5, 4, ModelStep));
    bench.end(&step, 6);
    bench.end(&chunk, 6);
    bench.end(&span(6, 5, ToolCall), 7);
    bench.finish();
    let mut numbers: Vec<_> = bench.spans().iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 6]);
    assert_eq!(bench.assembler.bytes(), 0);
}

#[test]
fn the_decision_of_an_outside_caller_and_missing_ends_are_kept() {
    let mut bench = Bench::new();
    let mut agent = span(1, 0, AgentRun);
    agent.sampled = Some(false);
    agent.external_parent_span_id = Some(id(99));
    bench.start(&agent);
    let tool = span(50, 1, ToolCall);
    bench.start(&tool);
    bench.assembler.apply(crate::model::TracingEvent::SpanEnded(Box::new(tool)), bench.now, &mut Vec::new());
    bench.end(&agent, 60);
    let releases = bench.releases();
    assert_eq!(releases[0].sampled, Some(false));
    assert_eq!(of(&releases[0].spans, 50).span.end, Some(at(50)));
    assert_eq!(parent(&releases[0].spans, 1), 99);
    assert_eq!(of(&releases[0].spans, 1).span.attributes, SpanAttributes::None);
}
