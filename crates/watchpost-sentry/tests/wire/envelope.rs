//! Envelopes as written, and that the reader finds in them what was put in.

use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use watchpost_sentry::wire::{
    ClientReport, DynamicSamplingContext, Envelope, EnvelopeHeader, EnvelopeItems, EnvelopeReader, ErrorEvent, EventId,
    ItemKind, Log, RawItem, ReadLimits, SdkInfo, SpanV2, Timestamp, TraceId, Transaction,
};

use crate::arbitrary;

fn read(bytes: &[u8]) -> Vec<RawItem> {
    let mut reader = EnvelopeReader::new(bytes, ReadLimits::default()).unwrap();
    std::iter::from_fn(|| reader.next_item().unwrap()).collect()
}

fn container<T: DeserializeOwned>(item: &RawItem) -> Vec<T> {
    #[derive(Deserialize)]
    struct Container<T> {
        version: u32,
        items: Vec<T>,
    }

    let container: Container<T> = serde_json::from_slice(&item.payload).unwrap();
    assert_eq!(container.version, 2);
    container.items
}

#[test]
fn a_header_has_only_what_is_set() {
    assert_eq!(Envelope::new(&EnvelopeHeader::default()).as_bytes(), b"{}\n");
    let header = EnvelopeHeader {
        event_id: Some(EventId([0x12; 16])),
        sent_at: Some(Timestamp::from_nanos(1_700_000_000_123_456_789)),
        sdk: Some(SdkInfo { name: "watchpost.rust".into(), version: "0.1.0".into() }),
        trace: Some(DynamicSamplingContext {
            trace_id: TraceId([0xab; 16]),
            public_key: "k".into(),
            sample_rate: None,
            sample_rand: None,
            sampled: None,
            release: None,
            environment: None,
            transaction: None,
            org_id: None,
        }),
    };
    let expected = concat!(
        r#"{"event_id":"12121212121212121212121212121212","sent_at":"2023-11-14T22:13:20.123Z","#,
        r#""sdk":{"name":"watchpost.rust","version":"0.1.0"},"#,
        r#""trace":{"trace_id":"abababababababababababababababab","public_key":"k"}}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(Envelope::new(&header).into_bytes()).unwrap(), expected);
}

#[test]
fn containers_carry_count_type_and_length() {
    let mut envelope = Envelope::new(&EnvelopeHeader::default());
    envelope.push_container(ItemKind::Log, 2, b"1,2");
    envelope.push_item(ItemKind::ClientReport, b"{}");
    let expected = concat!(
        "{}\n",
        r#"{"type":"log","item_count":2,"content_type":"application/vnd.sentry.items.log+json","length":27}"#,
        "\n{\"version\":2,\"items\":[1,2]}\n",
        "{\"type\":\"client_report\",\"length\":2}\n{}\n",
    );
    assert_eq!(std::str::from_utf8(envelope.as_bytes()).unwrap(), expected);
}

#[test]
fn an_empty_container_is_not_written() {
    let mut items = EnvelopeItems::new();
    items.push_logs(&[]);
    items.push_spans(&[]);
    items.push_container(ItemKind::Log, 0, b"");
    assert!(items.is_empty());
}

#[test]
fn the_same_items_take_a_new_header_at_each_attempt() {
    let mut items = EnvelopeItems::new();
    items.push_item(ItemKind::Event, b"{}");
    let at = |nanos| EnvelopeHeader { sent_at: Some(Timestamp::from_nanos(nanos)), ..EnvelopeHeader::default() };
    let (first, second) = (items.to_envelope(&at(0)), items.to_envelope(&at(1_000_000)));
    assert_ne!(first, second);
    assert!(first.as_bytes().ends_with(items.as_bytes()) && second.as_bytes().ends_with(items.as_bytes()));

    let mut by_hand = Vec::new();
    at(0).write_line(&mut by_hand);
    by_hand.extend_from_slice(items.as_bytes());
    assert_eq!(by_hand, first.into_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn logs_and_spans_are_found_in_their_containers(
        logs in prop::collection::vec(arbitrary::log(), 1..6),
        spans in prop::collection::vec(arbitrary::span_v2(), 1..6),
    ) {
        let mut envelope = Envelope::new(&EnvelopeHeader::default());
        envelope.push_logs(&logs);
        envelope.push_spans(&spans);
        let items = read(envelope.as_bytes());
        let counts: Vec<_> = items.iter().map(|item| (item.ty.as_str(), item.item_count)).collect();
        prop_assert_eq!(counts, [("log", Some(logs.len() as u64)), ("span", Some(spans.len() as u64))]);
        prop_assert_eq!(items[0].content_type.as_deref(), ItemKind::Log.container_content_type());
        prop_assert_eq!(items[1].content_type.as_deref(), ItemKind::Span.container_content_type());
        prop_assert_eq!(container::<Log<'_>>(&items[0]), logs);
        prop_assert_eq!(container::<SpanV2<'_>>(&items[1]), spans);
    }

    #[test]
    fn events_transactions_and_reports_are_found_as_items(
        event in arbitrary::error_event(),
        transaction in arbitrary::transaction(),
        report in arbitrary::client_report(),
    ) {
        let mut items = EnvelopeItems::new();
        items.push_event(&event);
        items.push_transaction(&transaction);
        items.push_client_report(&report);
        let items = read(items.to_envelope(&EnvelopeHeader::default()).as_bytes());
        let types: Vec<_> = items.iter().map(|item| item.ty.as_str()).collect();
        prop_assert_eq!(types, ["event", "transaction", "client_report"]);
        prop_assert_eq!(serde_json::from_slice::<ErrorEvent<'_>>(&items[0].payload).unwrap(), event);
        prop_assert_eq!(serde_json::from_slice::<Transaction<'_>>(&items[1].payload).unwrap(), transaction);
        prop_assert_eq!(serde_json::from_slice::<ClientReport>(&items[2].payload).unwrap(), report);
    }

    #[test]
    fn a_header_reads_back_the_same(
        event_id in prop::option::of(arbitrary::event_id()),
        millis in prop::option::of(0_i64..4_000_000_000_000),
        sdk in prop::option::of(arbitrary::sdk()),
        trace in prop::option::of(arbitrary::sampling_context()),
    ) {
        let sent_at = millis.map(|millis| Timestamp::from_nanos(millis * 1_000_000));
        let header = EnvelopeHeader { event_id, sent_at, sdk, trace };
        let envelope = Envelope::new(&header);
        prop_assert_eq!(envelope.as_bytes().iter().filter(|&&byte| byte == b'\n').count(), 1);
        let reader = EnvelopeReader::new(envelope.as_bytes(), ReadLimits::default()).unwrap();
        let read = reader.header().clone();
        prop_assert_eq!(read.event_id, header.event_id);
        prop_assert_eq!(read.sent_at, header.sent_at);
        prop_assert_eq!(read.sdk, header.sdk);
        let trace: Option<DynamicSamplingContext<'_>> = read.trace.map(|trace| serde_json::from_value(trace).unwrap());
        prop_assert_eq!(trace, header.trace);
        prop_assert!(read.other.is_empty() && read.dsn.is_none());
    }
}
