//! Whatever the sizes, no item is over its limit, no span is lost and none is sent twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use watchpost_sentry::wire::{Attributes, SpanV2Status, Timestamp, TraceId};

use super::*;

fn id(number: usize) -> SpanId {
    SpanId((number as u64 + 1).to_be_bytes())
}

/// A span below another one, with so much content.
fn span(number: usize, parent: Option<usize>, content: &str) -> Span<'_> {
    Span {
        trace_id: TraceId([7; 16]),
        span_id: id(number),
        parent_span_id: parent.map(id),
        op: "gen_ai.execute_tool".into(),
        description: Some("execute_tool search".into()),
        start: Timestamp::from_nanos(0),
        end: Timestamp::from_nanos(1),
        status: Some(SpanStatus::Ok),
        origin: None,
        data: vec![
            ("gen_ai.tool.name".into(), "search".into()),
            ("metadata.runId".into(), "r1".into()),
            ("gen_ai.tool.output".into(), content.into()),
        ],
    }
}

fn span_v2(number: usize, content: &str) -> SpanV2<'_> {
    let mut attributes = Attributes::new();
    attributes.push("gen_ai.request.model", "gpt");
    attributes.push("gen_ai.response.text", content);
    SpanV2 {
        trace_id: TraceId([7; 16]),
        span_id: id(number),
        parent_span_id: None,
        name: "chat gpt".into(),
        status: SpanV2Status::Ok,
        is_segment: false,
        start: Timestamp::from_nanos(0),
        end: Timestamp::from_nanos(1),
        attributes,
        links: Vec::new(),
    }
}

/// The ids of a transaction's spans, the root first; checks its limits.
fn ids_of(transaction: &EncodedTransaction) -> Vec<SpanId> {
    assert!(transaction.json.len() <= 1 << 20, "{} bytes", transaction.json.len());
    let read: Transaction<'_> = serde_json::from_slice(&transaction.json).unwrap();
    assert_eq!(read.spans.len() as u64 + 1, transaction.spans);
    assert!(transaction.spans <= 1000);
    let mut bytes = Vec::new();
    read.spans.iter().for_each(|span| span.write_json(&mut bytes));
    assert!(bytes.len() <= 800 << 10, "{} bytes of spans", bytes.len());
    let metadata = |data: &[(Cow<'_, str>, Value<'_>)]| data.contains(&("metadata.runId".into(), "r1".into()));
    assert!(metadata(&read.data) && read.spans.iter().all(|span| metadata(&span.data)), "metadata is never cut");
    [read.span_id].into_iter().chain(read.spans.iter().map(|span| span.span_id)).collect()
}

fn is_within_limits(container: &EncodedSpans) -> bool {
    container.bytes() < 5 << 20 && container.len() <= 1000
}

fn root() -> Transaction<'static> {
    promote(span(0, None, "").into_owned(), Box::leak(Box::default()))
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![20 => 0_usize..2_000, 2 => 0_usize..300_000, 1 => 0_usize..3_000_000];
    prop_oneof![
        prop::collection::vec(size, 0..40),
        (0_usize..3000, 0_usize..1500).prop_map(|(count, size)| vec![size; count]),
    ]
}

/// Content of so many bytes, every tenth of which is escaped in JSON.
fn content(size: usize) -> String {
    let mut content = "abcdefghi\"".repeat(size / 10 + 1);
    content.truncate(size);
    content
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn no_span_is_lost_and_none_is_sent_twice(sizes in sizes(), parents: Vec<u16>, has_root: bool) {
        let contents: Vec<_> = sizes.iter().map(|size| content(*size)).collect();
        let spans: Vec<_> = contents
            .iter()
            .enumerate()
            .map(|(at, content)| {
                let parent = parents.get(at).map(|parent| usize::from(*parent) % (at + 1));
                span(at + 1, parent, content)
            })
            .collect();
        let settings = AiSettings::default();
        let packed = pack(has_root.then(root), spans, Vec::new(), &settings);
        let mut sent: Vec<_> = packed.transactions.iter().flat_map(ids_of).collect();
        sent.sort_unstable();
        let expected: Vec<_> = (usize::from(!has_root)..=sizes.len()).map(id).collect();
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn no_streamed_span_is_lost(sizes in sizes(), has_root: bool) {
        let contents: Vec<_> = sizes.iter().map(|size| content(*size)).collect();
        let spans: Vec<_> = contents.iter().enumerate().map(|(at, content)| span_v2(at + 1, content)).collect();
        let settings = AiSettings::default();
        let packed = pack(has_root.then(root), Vec::new(), spans, &settings);
        let beside: usize = packed.transactions.iter().map(|transaction| transaction.streamed.len()).sum();
        let alone: usize = packed.containers.iter().map(EncodedSpans::len).sum();
        prop_assert_eq!(beside + alone, sizes.len());
        prop_assert_eq!(packed.cut, 0);
        prop_assert!(packed.containers.iter().all(is_within_limits));
        prop_assert!(packed.transactions.iter().all(|transaction| is_within_limits(&transaction.streamed)));
    }
}

#[test]
fn an_ordinary_trace_is_one_transaction_with_its_streamed_spans_beside_it() {
    let settings = AiSettings::default();
    let packed = pack(Some(root()), vec![span(1, Some(0), "a")], vec![span_v2(2, "b")], &settings);
    assert_eq!((packed.transactions.len(), packed.containers.len(), packed.cut), (1, 0, 0));
    assert_eq!((packed.transactions[0].spans, packed.transactions[0].streamed.len()), (2, 1));
}

#[test]
fn what_finds_no_room_is_a_transaction_of_its_own_whose_root_keeps_its_parent() {
    let settings = AiSettings::default().with_environment("staging");
    let spans = (1..=1500).map(|at| span(at, Some(at - 1), "x")).collect();
    let packed = pack(Some(root()), spans, Vec::new(), &settings);
    assert_eq!(packed.transactions.iter().map(|one| one.spans).collect::<Vec<_>>(), [1000, 501]);
    let second: Transaction<'_> = serde_json::from_slice(&packed.transactions[1].json).unwrap();
    assert_eq!((second.span_id, second.parent_span_id), (id(1000), Some(id(999))));
    assert_eq!((second.name.as_ref(), second.environment.as_deref()), ("execute_tool search", Some("staging")));
    assert_ne!(packed.transactions[0].event_id, packed.transactions[1].event_id);
}

#[test]
fn a_release_without_its_root_is_a_transaction_of_its_first_span() {
    let settings = AiSettings::default();
    let packed = pack(None, vec![span(5, Some(4), "a"), span(6, Some(5), "b")], Vec::new(), &settings);
    let read: Transaction<'_> = serde_json::from_slice(&packed.transactions[0].json).unwrap();
    assert_eq!((read.span_id, read.parent_span_id, read.spans.len()), (id(5), Some(id(4)), 1));
    assert!(pack(None, Vec::new(), Vec::new(), &settings).transactions.is_empty());
}

#[test]
fn a_split_keeps_a_branch_together() {
    // Told by start: 1 and 2 under the root, then their children in turn.
    let settings = AiSettings::default();
    let big = content(150_000);
    let spans = [(1, 0), (2, 0), (3, 1), (4, 2), (5, 1), (6, 2)].map(|(at, parent)| span(at, Some(parent), &big));
    let packed = pack(Some(root()), spans.into(), Vec::new(), &settings);
    let sent: Vec<_> = packed.transactions.iter().flat_map(ids_of).collect();
    assert_eq!(sent, [0, 1, 3, 5, 2, 4, 6].map(id));
}

#[test]
fn a_span_that_is_too_large_by_itself_loses_content_and_says_how_much() {
    let settings = AiSettings::default();
    let huge = content(2 << 20);
    let packed = pack(Some(root()), vec![span(1, Some(0), &huge)], Vec::new(), &settings);
    assert_eq!((packed.transactions.len(), packed.cut), (1, 1));
    let read: Transaction<'_> = serde_json::from_slice(&packed.transactions[0].json).unwrap();
    let data: BTreeMap<_, _> = read.spans[0].data.iter().map(|(key, value)| (&**key, value)).collect();
    assert_eq!(data["watchpost.gen_ai.tool.output.original_length"], &Value::Integer(2 << 20));
    let Value::String(output) = &data["gen_ai.tool.output"] else { panic!("{data:?}") };
    assert!(output.ends_with('…') && output.len() > 500_000);
}

#[test]
fn a_streamed_span_beyond_a_megabyte_has_a_container_for_itself() {
    let settings = AiSettings::default();
    let (large, huge) = (content(3 << 20), content(12 << 20));
    let packed =
        pack(Some(root()), Vec::new(), vec![span_v2(1, "a"), span_v2(2, &large), span_v2(3, &huge)], &settings);
    assert_eq!((packed.transactions[0].streamed.len(), packed.containers.len(), packed.cut), (1, 2, 1));
    assert!(packed.containers[0].bytes() > 3 << 20 && packed.containers[1].bytes() < 5 << 20);
}
