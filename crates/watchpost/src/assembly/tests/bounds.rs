//! What never ends, what is too much, and what is left at the end.

use std::time::Duration;

use super::support::*;
use crate::{
    assembly::{Limits, ReleaseWhen},
    model::{Payload, Span, SpanCompletion, SpanType::*},
};

#[test]
fn beyond_the_bound_the_trace_idle_longest_is_released_as_it_stands() {
    let limits = Limits { open_spans: 3, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    for number in 1..=4 {
        let mut agent = span(u64::from(number), 0, AgentRun);
        agent.trace_id = trace(number);
        bench.start(&agent);
        if number == 2 {
            let mut first = span(1, 0, AgentRun);
            first.trace_id = trace(1);
            bench.update(&first);
        }
    }
    let spans = bench.spans();
    assert_eq!(spans.iter().map(number).collect::<Vec<_>>(), [2], "the first was heard of later");
    assert_eq!((spans[0].completion, spans[0].span.end), (SpanCompletion::Aborted, Some(at(2))));
    assert_eq!((bench.assembler.counts().aborted, bench.assembler.open_spans()), (1, 3));
    let mut end = span(2, 0, AgentRun);
    end.trace_id = trace(2);
    bench.end(&end, 50);
    assert!(bench.spans().is_empty(), "it was sent");
}

#[test]
fn bytes_and_traces_are_bounded_too() {
    let limits = Limits { open_bytes: 200_000, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    for number in 1..=50 {
        let mut agent = span(u64::from(number), 0, AgentRun);
        agent.trace_id = trace(number);
        agent.input = Some(Payload::text("x".repeat(10_000)));
        bench.start(&agent);
        let memory = bench.assembler.bytes();
        assert!(memory < 200_000 + 100_000, "{memory}");
    }
    assert!(bench.assembler.counts().aborted >= 30);

    let mut bench = Bench::with(Limits { open_traces: 5, ..Limits::default() }, ReleaseWhen::SpanEnded);
    for number in 1..=20 {
        let mut agent = span(u64::from(number), 0, AgentRun);
        agent.trace_id = trace(number);
        bench.start(&agent);
    }
    assert_eq!((bench.assembler.open_traces(), bench.spans().len()), (5, 15));
}

#[test]
fn a_trace_nothing_is_heard_of_ends_after_its_time() {
    let mut bench = Bench::new();
    let (agent, tool) = (span(1, 0, AgentRun), span(2, 1, ToolCall));
    bench.start(&agent);
    bench.start(&tool);
    bench.end(&tool, 7);
    bench.wait(29 * 60);
    assert!(bench.spans().is_empty());
    assert_eq!(bench.assembler.next_deadline(), Some(bench.now + Duration::from_secs(60)));
    bench.wait(60);
    let spans = bench.spans();
    assert_eq!((of(&spans, 1).completion, of(&spans, 1).span.end), (SpanCompletion::DeadlineExceeded, Some(at(7))));
    assert_eq!(of(&spans, 2).completion, SpanCompletion::Ended);
    assert_eq!(bench.assembler.counts().expired, 1);
}

#[test]
fn a_shutdown_ends_what_is_open_and_leaves_nothing() {
    let mut bench = Bench::new();
    bench.start(&span(1, 0, AgentRun));
    bench.start(&span(2, 1, ToolCall));
    bench.start(&span(9, 8, ToolCall));
    bench.finish();
    let spans = bench.spans();
    assert_eq!(spans.len(), 3);
    for span in &spans {
        assert_eq!((span.completion, span.span.end), (SpanCompletion::ShutDown, Some(at(500))));
    }
    let assembler = &bench.assembler;
    assert_eq!((assembler.bytes(), assembler.open_spans(), assembler.open_traces()), (0, 0, 0));
    assert_eq!((assembler.counts().shut_down, assembler.next_deadline()), (3, None));
}

#[test]
fn a_trace_with_very_many_spans_releases_those_that_are_finished_ahead() {
    let limits = Limits { held_spans: 100, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    let agent = span(1, 0, AgentRun);
    bench.start(&agent);
    (2..=250).for_each(|number| bench.end(&span(number, 1, ToolCall), 900));
    let releases = bench.releases();
    assert_eq!(releases.iter().map(|release| release.spans.len()).collect::<Vec<_>>(), [101, 101]);
    assert!(releases.iter().all(|release| !release.has_root && parent(&release.spans, number(&release.spans[0])) == 1));
    bench.end(&agent, 901);
    let releases = bench.releases();
    assert!(releases[0].has_root);
    assert_eq!(releases[0].spans.len(), 48);
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten_in_time() {
    let limits = Limits { remembered_traces: 10, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    let mut after_ten = 0;
    for number in 1..=100 {
        let mut agent = span(u64::from(number), 0, AgentRun);
        agent.trace_id = trace(number);
        bench.nest(&[&agent]);
        if number == 10 {
            after_ten = bench.assembler.bytes();
        }
    }
    assert_eq!(bench.assembler.bytes(), after_ten);
    assert_eq!(bench.assembler.next_deadline(), Some(bench.now + Duration::from_secs(60)));
    bench.wait(61);
    assert_eq!((bench.assembler.bytes(), bench.assembler.next_deadline()), (0, None));
}

#[test]
fn a_run_that_goes_on_for_ever_is_held_in_bounded_memory() {
    for when in [ReleaseWhen::TraceComplete, ReleaseWhen::SpanEnded] {
        let mut bench = Bench::with(Limits { held_spans: 1_000, ..Limits::default() }, when);
        let agent = span(1, 0, AgentRun);
        bench.start(&agent);
        let mut released = 0;
        for number in 0..20_000_u64 {
            let generation = span(3 * number + 10, 1, ModelGeneration);
            bench.start(&generation);
            bench.end(&span(3 * number + 11, 3 * number + 10, ModelChunk), 900_000);
            bench.end(&span(3 * number + 12, 3 * number + 10, ToolCall), 900_000);
            if number % 3 > 0 {
                bench.end(&generation, 900_000);
            }
            if number % 3 == 1 {
                bench.end(&span(3 * number + 7, 1, ModelGeneration), 900_000);
            }
            released += bench.spans().len();
            // Of a generation, its tokens are kept for as long as the agent's run goes on.
            assert!(bench.assembler.bytes() < 16 << 20, "{when:?} {number}: {}", bench.assembler.bytes());
        }
        bench.end(&agent, 900_001);
        bench.finish();
        released += bench.spans().len();
        assert_eq!((released, bench.assembler.bytes()), (40_001, 0), "{when:?}");
        assert_eq!(bench.assembler.counts().aborted, 0);
    }
}

#[test]
fn a_trace_in_which_run_follows_run_forgets_the_old_ones() {
    let mut bench = Bench::new();
    let runs: Vec<_> = (1..30_000).map(|number| span(number, 0, AgentRun)).collect();
    let mut most = 0;
    for pair in runs.windows(2) {
        bench.start(&pair[1]);
        bench.end(
            &span(100_000 + u64::from_be_bytes(pair[1].id.0), u64::from_be_bytes(pair[1].id.0), ToolCall),
            900_000,
        );
        bench.end(&pair[0], 900_000);
        most = most.max(bench.assembler.bytes());
    }
    assert!(most < 8 << 20, "{most}");
    bench.finish();
    assert_eq!((bench.spans().len(), bench.assembler.counts().aborted), (2 * 29_999 - 1, 0));
}

#[test]
fn what_is_remembered_of_released_traces_is_bounded_whatever_they_said() {
    let mut bench = Bench::new();
    let before = bench.assembler.bytes();
    for number in 0..200 {
        let trace_id = trace(number + 1);
        let answer = format!(r#"{{"text":"{}"}}"#, "x".repeat(15_000));
        let agent = Span { trace_id, ..span(1, 0, AgentRun) };
        let generation = Span { trace_id, output: json(&answer), ..span(2, 1, ModelGeneration) };
        bench.nest(&[&agent, &generation]);
    }
    assert!(bench.assembler.bytes() - before < 200 * 2_000, "{}", bench.assembler.bytes());
}

#[test]
fn long_stacks_of_released_spans_are_forgotten_by_their_bytes() {
    let limits = Limits { remembered_bytes: 1 << 20, ..Limits::default() };
    let mut bench = Bench::with(limits, ReleaseWhen::TraceComplete);
    for number in 0..100 {
        let mut agent = failed(span(1, 0, AgentRun), &"long ".repeat(10_000));
        agent.trace_id = trace(number + 1);
        bench.nest(&[&agent]);
    }
    assert!(bench.assembler.bytes() < 2 << 20, "{}", bench.assembler.bytes());
}
