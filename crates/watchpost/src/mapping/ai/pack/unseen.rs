//! What is written without being held is what would be packed of the held items, byte for byte.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::select};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{AiSettings, pack, pack_unseen, stream_unseen};
use crate::{
    mapping::ai,
    model::{
        AgentIdentity, ErrorInfo, FinishedSpan, Gathered, GatheredToolCall, Payload, Span, SpanAttributes,
        SpanCompletion, SpanType, Text, UsageStats, Withheld,
    },
};

/// Few names, so that some come twice; one is too long to be sent whole, and there are two that begin like it.
fn name() -> impl Strategy<Value = String> {
    let long = |end: &str| "n".repeat(220) + end;
    prop_oneof![
        4 => "[a-c]{1,2}",
        2 => select(vec!["userId", "threadId", "maxSteps", "say \"a\"", ""]).prop_map(str::to_owned),
        1 => select(vec![long("1"), long("2"), long("")]),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    let json = vec![
        "null",
        "true",
        "7",
        "1.50",
        "18446744073709551616",
        r#""a \"text\"""#,
        r#"{"text":"four","toolCalls":[{"toolName":"sum","args":{"n":[1,"\\"]}}]}"#,
        r#"[{"role":"user","content":"Add \"1\" and \n 2"}]"#,
    ];
    prop_oneof!["\\PC{0,80}".prop_map(Payload::text), select(json).prop_map(|json| Payload::from_json(json).unwrap())]
}

fn members() -> impl Strategy<Value = Vec<(Text, Payload)>> {
    let member = || (name().prop_map(Text::from), payload());
    prop_oneof![9 => vec(member(), 0..5), 1 => vec(member(), 10..150)]
}

prop_compose! {
    fn finished()(
        ty in prop_oneof![
            9 => select(SpanType::ALL.to_vec()),
            1 => Just(SpanType::Other("brand \"new\"".into())),
        ],
        attributes in vec((name(), payload()), 0..5),
        others in members(),
        metadata in members(),
        tags in vec("[a-z:=\"]{0,6}", 0..3),
        (input, output) in (option::of(payload()), option::of(payload())),
        error in option::of("\\PC{0,40}"),
        agent in option::of("[a-z]{0,6}"),
        (steps, id) in (0_u64..3, 2_u8..),
    ) -> FinishedSpan {
        let parent_span_id = Some(SpanId([1; 8]));
        let start = Timestamp::from_nanos(1_795_210_796_000_000_000);
        let mut all = SpanAttributes::empty(&ty);
        attributes.into_iter().for_each(|(name, value)| all.insert(&name, value));
        if let Some(kept) = all.others_mut() {
            kept.extend(others);
        }
        let span = Span {
            attributes: all,
            end: Some(start),
            parent_span_id,
            tags: tags.into_iter().map(Text::from).collect(),
            metadata,
            input,
            output,
            error: error.map(|message| Box::new(ErrorInfo { message, ..ErrorInfo::default() })),
            ..Span::new(TraceId([7; 16]), SpanId([id; 8]), ty, "tool: 'search'", start)
        };
        FinishedSpan {
            span: Box::new(span),
            parent_span_id,
            completion: SpanCompletion::Ended,
            agent: agent.map(|name| Arc::new(AgentIdentity { name: Some(name.into()), ..AgentIdentity::default() })),
            gathered: Gathered {
                usage: (steps > 0).then(|| UsageStats::new(steps, 2)),
                tool_calls: (0..steps)
                    .map(|_| GatheredToolCall { id: None, name: "a\"b".into(), arguments: Some(Payload::text("t")) })
                    .collect(),
                steps,
                ..Gathered::default()
            },
            reports_error: false,
            breadcrumbs: Vec::new(),
            withheld: Withheld { input_bytes: Some(steps), ..Withheld::default() },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_unseen_is_what_would_be_packed(root in finished(), spans in vec(finished(), 0..4)) {
        let settings = AiSettings::default();
        let inside = spans.iter().map(|span| ai::span(span, &settings)).collect();
        let transaction = ai::transaction(&root, inside, &settings);
        let packed = pack(Some(transaction), Vec::new(), Vec::new(), &settings);
        let unseen = pack_unseen(Vec::new, &root, &spans.iter().collect::<Vec<_>>(), 0, &settings).unwrap();
        let of = |packed: super::Packed| {
            let [transaction] = &packed.transactions[..] else { panic!("{packed:?}") };
            (transaction.event_id, transaction.spans, String::from_utf8(transaction.json.clone()).unwrap())
        };
        prop_assert_eq!(of(unseen), of(packed));
    }

    #[test]
    fn what_is_streamed_unseen_is_what_would_be_packed(
        root in finished(),
        spans in vec(finished(), 1..4),
        knows_root in any::<bool>(),
    ) {
        let settings = AiSettings::default().with_release("app@1");
        let segment = || knows_root.then(|| ai::Segment::of(&root));
        let all: Vec<_> = spans.iter().chain([&root]).collect();
        let held = all.iter().map(|span| ai::span_v2_in(span, segment(), &settings)).collect();
        let packed = pack(None, Vec::new(), held, &settings);
        let [container] = &packed.containers[..] else { panic!("{packed:?}") };
        let unseen = stream_unseen(Vec::new(), &all, segment().as_ref(), &settings).unwrap();
        prop_assert_eq!(format!("{unseen:?}"), format!("{container:?}"));
    }
}

#[test]
fn what_may_be_too_much_for_one_transaction_is_not_written() {
    let start = Timestamp::from_nanos(0);
    let span = Span::new(TraceId([7; 16]), SpanId([2; 8]), SpanType::ToolCall, "search", start);
    let finished = |output: &str| FinishedSpan {
        span: Box::new(Span { output: Some(Payload::text(output)), ..span.clone() }),
        parent_span_id: None,
        completion: SpanCompletion::Ended,
        agent: None,
        gathered: Gathered::default(),
        reports_error: false,
        breadcrumbs: Vec::new(),
        withheld: Withheld::default(),
    };
    let settings = AiSettings::default();
    let small = finished("4");
    assert!(pack_unseen(Vec::new, &small, &[&small; 999], 0, &settings).is_some());
    assert!(pack_unseen(Vec::new, &small, &[&small; 1000], 0, &settings).is_none());
    assert!(pack_unseen(Vec::new, &small, &[&finished(&"x".repeat(900 << 10))], 0, &settings).is_none());
    assert_eq!(stream_unseen(Vec::new(), &[&small; 1000], None, &settings).unwrap().len(), 1000);
    assert!(stream_unseen(Vec::new(), &[&small; 1001], None, &settings).is_none());
    assert!(stream_unseen(Vec::new(), &[&small, &finished(&"x".repeat(1 << 20))], None, &settings).is_none());
}
