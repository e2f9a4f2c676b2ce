//! Any order, any loss, any repetition: nothing panics, nothing is released twice, nothing that ended is kept back.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::support::*;
use crate::{
    assembly::{Limits, ReleaseWhen},
    model::{Span, SpanType},
};

/// A trace of spans with parents among those before them; now and then an unknown one, or a root amidst.
fn forest() -> impl Strategy<Value = Vec<Span>> {
    let types = prop::sample::select(SpanType::ALL.to_vec());
    prop::collection::vec((types, any::<prop::sample::Index>(), 0..20_u8, 1..4_u8, any::<bool>()), 1..40).prop_map(
        |parts| {
            (1_u64..)
                .zip(parts)
                .map(|(number, (ty, parent, special, trace_number, fails))| {
                    let parent = match special {
                        0 => 999,
                        1 => 0,
                        _ => parent.index(number as usize) as u64,
                    };
                    let mut span = span(number, parent, ty);
                    span.is_root |= special == 2;
                    span.is_event = special == 3;
                    // Two of three in one trace: the same ids in others are other spans.
                    span.trace_id = trace(trace_number.max(2));
                    if fails { failed(span, "it failed") } else { span }
                })
                .collect()
        },
    )
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Start(prop::sample::Index),
    Update(prop::sample::Index),
    End(prop::sample::Index),
    Wait(u16),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Step::Start),
        1 => any::<prop::sample::Index>().prop_map(Step::Update),
        6 => any::<prop::sample::Index>().prop_map(Step::End),
        1 => (0..3_000_u16).prop_map(Step::Wait),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn every_kept_span_is_released_once_and_nothing_is_left(
        spans in forest(),
        steps in steps(),
        stream: bool,
        open_spans in 1..60_usize,
        held_spans in 1..60_usize,
    ) {
        // So few are remembered for so long that what is forgotten cannot come again.
        let limits = Limits { open_spans, held_spans, memory: std::time::Duration::from_secs(u32::MAX.into()), ..Limits::default() };
        let when = if stream { ReleaseWhen::SpanEnded } else { ReleaseWhen::TraceComplete };
        let mut bench = Bench::with(limits, when);
        let (mut ended, mut seen) = (HashSet::new(), HashSet::new());
        let mut released = HashMap::new();
        let mut tally = |bench: &mut Bench| {
            for release in bench.releases() {
                assert!(!release.spans.is_empty());
                for span in release.spans {
                    *released.entry((span.span.trace_id, span.span.id)).or_insert(0) += 1;
                    assert!(span.span.end.unwrap() >= span.span.start);
                    assert!(!span.span.ty.is_skipped());
                }
            }
        };
        for step in steps {
            match step {
                Step::Start(place) | Step::Update(place) | Step::End(place) => {
                    let span = place.get(&spans);
                    let key = (span.trace_id, span.id);
                    match step {
                        Step::Start(_) => bench.start(span),
                        Step::Update(_) => bench.update(span),
                        _ => bench.end(span, 900),
                    }
                    if !span.ty.is_skipped() {
                        seen.insert(key);
                        if span.is_event || matches!(step, Step::End(_)) {
                            ended.insert(key);
                        }
                    }
                }
                Step::Wait(seconds) => bench.wait(seconds.into()),
                Step::Flush => bench.flush(),
            }
            tally(&mut bench);
        }
        bench.finish();
        tally(&mut bench);
        prop_assert!(released.values().all(|times| *times == 1), "{:?}", released);
        let released: HashSet<_> = released.into_keys().collect();
        prop_assert!(ended.is_subset(&released));
        prop_assert_eq!(released, seen);
        prop_assert_eq!((bench.assembler.bytes(), bench.assembler.open_spans()), (0, 0));
        prop_assert_eq!((bench.assembler.open_traces(), bench.assembler.next_deadline()), (0, None));
    }
}
