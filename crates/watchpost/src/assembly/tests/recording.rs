//! Events of a recording: their order means nothing, and they happened in the past.

use std::time::Duration;

use super::support::*;
use crate::{
    assembly::{Limits, ReleaseWhen},
    model::{SpanCompletion, SpanType::*, UsageStats},
};

const BOTH: [ReleaseWhen; 2] = [ReleaseWhen::TraceComplete, ReleaseWhen::SpanEnded];

fn recording(when: ReleaseWhen) -> Bench {
    Bench::with(Limits { is_recording: true, ..Limits::default() }, when)
}

#[test]
fn a_run_is_the_same_whether_its_root_is_heard_of_first_or_last() {
    let mut generation = span(2, 1, ModelGeneration);
    generation.attributes = crate::model::ModelGenerationAttributes {
        model: Some("m".into()),
        usage: Some(UsageStats::new(3, 4)),
        ..Default::default()
    }
    .into();
    let agent = span(1, 0, AgentRun);
    for when in BOTH {
        for root_first in [true, false] {
            let mut bench = recording(when);
            let spans = if root_first { [&agent, &generation] } else { [&generation, &agent] };
            for span in spans {
                bench.start(span);
                bench.end(span, 9);
            }
            assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new(), "{when:?}: the rest of it may come");
            bench.flush();
            let spans = bench.spans();
            assert_eq!((spans.len(), parent(&spans, 2)), (2, 1), "{when:?}");
            let gathered = &of(&spans, 1).gathered;
            assert_eq!((gathered.usage, gathered.request_model.as_deref()), (Some(UsageStats::new(3, 4)), Some("m")));
        }
    }
}

#[test]
fn what_ended_waits_for_five_seconds() {
    for when in BOTH {
        let mut bench = recording(when);
        bench.nest(&[&span(1, 0, AgentRun), &span(2, 1, ToolCall)]);
        bench.wait(4);
        assert_eq!(bench.numbers(), Vec::<Vec<u64>>::new(), "{when:?}");
        bench.wait(1);
        assert_eq!(bench.numbers(), [[1, 2]], "{when:?}");
        assert_eq!(bench.assembler.open_traces(), 0);
    }
}

#[test]
fn a_span_that_is_sent_by_itself_does_not_wait_for_its_root() {
    let mut bench = recording(ReleaseWhen::SpanEnded);
    bench.start(&span(1, 0, AgentRun));
    let tool = span(2, 1, ToolCall);
    bench.start(&tool);
    bench.end(&tool, 3);
    bench.wait(5);
    assert_eq!(bench.numbers(), [[2]]);
}

#[test]
fn what_never_ended_ends_when_its_trace_was_last_heard_of() {
    for when in BOTH {
        let mut bench = recording(when);
        let (agent, tool) = (span(1, 0, AgentRun), span(2, 1, ToolCall));
        bench.start(&agent);
        bench.start(&tool);
        bench.end(&tool, 7);
        // Second 500 of the clock.
        bench.finish();
        let spans = bench.spans();
        let agent = of(&spans, 1);
        assert_eq!((agent.span.end, agent.completion), (Some(at(7)), SpanCompletion::ShutDown), "{when:?}");
    }
}

#[test]
fn where_there_is_no_room_what_waited_goes_before_what_is_open() {
    for when in BOTH {
        let limits = Limits { is_recording: true, open_traces: 3, ..Limits::default() };
        let mut bench = Bench::with(limits, when);
        let run = |number: u8| {
            let mut span = span(u64::from(number), 0, AgentRun);
            span.trace_id = trace(number);
            span
        };
        bench.start(&run(1));
        for number in 2..=9 {
            bench.start(&run(number));
            bench.end(&run(number), 20);
            bench.now += Duration::from_millis(1);
        }
        assert_eq!(bench.numbers(), [[2], [3], [4], [5], [6], [7]], "{when:?}");
        assert_eq!(bench.assembler.counts().aborted, 0, "the one that is open stays");
        bench.end(&run(1), 30);
        bench.flush();
        assert!(bench.spans().iter().any(|span| number(span) == 1 && span.completion == SpanCompletion::Ended));
    }
}

#[test]
fn a_span_of_a_large_trace_is_sent_once_though_its_start_comes_long_after_its_end() {
    const SPANS: u64 = 9_000;
    for when in BOTH {
        let mut bench = recording(when);
        let step = |number: u64| span(number + 2, 1, WorkflowStep);
        (0..SPANS).for_each(|number| bench.end(&step(number), 20_000));
        (0..SPANS).for_each(|number| bench.start(&step(number)));
        bench.nest(&[&span(1, 0, WorkflowRun)]);
        bench.finish();
        let mut numbers: Vec<_> = bench.spans().iter().map(number).collect();
        let sent = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((sent, numbers.len()), (SPANS as usize + 1, SPANS as usize + 1), "{when:?}");
    }
}
