use proptest::prelude::*;

use super::*;
use crate::{delivery::envelope::write_envelope, wire::SdkInfo};

/// An envelope of all that the `sentry` crate knows, and of what it does not.
const ALL: &[u8] = b"{\"event_id\":\"22d00b3fd1b14b5d8d2049d138cd8a9c\",\"dsn\":\"https://key@o1.example/1\",\
\"sent_at\":\"2020-01-01T00:00:00Z\",\"sdk\":{\"name\":\"sentry.rust\"},\
\"trace\":{\"trace_id\":\"335e53d614474acc9f89e632b776cc28\",\"public_key\":\"key\",\"sampled\":\"true\"},\"later\":[1, 2]}\n\
{\"type\":\"event\",\"length\":12}\n{\"message\":1\n\
{\"type\":\"attachment\",\"length\":5,\"filename\":\"a\"}\n\n\x00\xff\n\x01\n\
{\"type\":\"session\",\"length\":10}\n{\"sid\":1 }\n\
{\"type\":\"log\",\"item_count\":2,\"content_type\":\"application/vnd.sentry.items.log+json\"}\n{\"items\":[{},{}]}\n\
{\"type\":\"never heard of\",\"length\":3}\n\xf0\x9f\n\n\
{\"type\":\"session\",\"length\":0}\n\n\
{\"type\":\"client_report\"}\n{\"discarded_events\":[]}";

fn written(parcel: &Parcel) -> String {
    let sdk = SdkInfo { name: "ours".into(), version: "1".into() };
    let bytes = write_envelope(Some(parcel), &[], &sdk, Timestamp::from_nanos(1_000_000_000)).join();
    bytes.escape_ascii().to_string()
}

#[test]
fn an_envelope_is_parted_by_what_rate_limits_part_and_no_byte_of_an_item_is_changed() {
    let parcels = parcels(ALL, "key").unwrap();
    let loads: Vec<Load> = parcels.iter().map(|parcel| parcel.load).collect();
    assert_eq!(
        loads,
        [
            Load { streamed: 1, streamed_bytes: 5, ..Load::new(Lane::Error, 1, 12 + 3 + 23) },
            Load::new(Lane::Log, 2, 17),
            Load::new(Lane::Session, 2, 10),
        ]
    );
    let payloads: Vec<String> = parcels.iter().map(|parcel| parcel.payload.escape_ascii().to_string()).collect();
    assert_eq!(
        payloads,
        [
            r#"{\"type\":\"event\",\"length\":12}\n{\"message\":1\n{\"type\":\"attachment\",\"length\":5,\"filename\":\"a\"}\n\n\x00\xff\n\x01\n{\"type\":\"never heard of\",\"length\":3}\n\xf0\x9f\n\n{\"type\":\"client_report\"}\n{\"discarded_events\":[]}\n"#,
            r#"{\"type\":\"log\",\"item_count\":2,\"content_type\":\"application/vnd.sentry.items.log+json\"}\n{\"items\":[{},{}]}\n"#,
            r#"{\"type\":\"session\",\"length\":10}\n{\"sid\":1 }\n{\"type\":\"session\",\"length\":0}\n\n"#,
        ]
    );
}

#[test]
fn the_header_goes_as_it_came_but_for_the_time_of_the_send_and_the_dsn() {
    let parcels = parcels(ALL, "key").unwrap();
    let line = r#"{\"sent_at\":\"1970-01-01T00:00:01.000Z\",\"event_id\":\"22d00b3fd1b14b5d8d2049d138cd8a9c\",\"sdk\":{\"name\":\"sentry.rust\"},\"later\":[1, 2],\"trace\":{\"trace_id\":\"335e53d614474acc9f89e632b776cc28\",\"sampled\":\"true\",\"public_key\":\"key\"}}\n"#;
    for parcel in &parcels {
        let envelope = written(parcel);
        assert!(envelope.starts_with(line), "{envelope}");
        assert_eq!(&envelope[line.len()..], parcel.payload.escape_ascii().to_string());
    }
}

#[test]
fn a_transaction_brings_its_spans_and_what_is_alone_its_own_kind() {
    let load = |envelope: &str| {
        let parcels = parcels(envelope.as_bytes(), "key").unwrap();
        assert_eq!(parcels.len(), 1);
        parcels[0].load
    };
    let transaction = "{}\n{\"type\":\"transaction\"}\n{\"spans\":[{},{\"a\":[]}]}\n";
    assert_eq!(load(transaction), Load { spans: 3, ..Load::new(Lane::Transaction, 1, 23) });
    assert_eq!(load("{}\n{\"type\":\"attachment\",\"length\":2}\nab"), Load::new(Lane::Other, 1, 2));
    assert_eq!(load("{}\n{\"type\":\"client_report\"}\n{}"), Load::new(Lane::Other, 1, 2));
    assert_eq!(
        load("{}\n{\"type\":\"check_in\"}\n{}\n{\"type\":\"client_report\"}\n{}"),
        Load::new(Lane::CheckIn, 1, 2)
    );
    assert_eq!(load("{}\n{\"type\":\"trace_metric\",\"item_count\":9999999}\n{}"), Load::new(Lane::Metric, 2, 2));
    assert!(parcels(b"{}", "key").unwrap().is_empty());
}

#[test]
fn attachments_are_left_behind_and_nothing_else_is() {
    let mut event = parcels(ALL, "key").unwrap().remove(0);
    let left = event.leave_attachments();
    assert_eq!(left, Some(Load { streamed: 1, streamed_bytes: 5, ..Load::new(Lane::Error, 0, 0) }));
    assert_eq!(event.load, Load::new(Lane::Error, 1, 38));
    assert_eq!(
        event.payload.escape_ascii().to_string(),
        r#"{\"type\":\"event\",\"length\":12}\n{\"message\":1\n{\"type\":\"never heard of\",\"length\":3}\n\xf0\x9f\n\n{\"type\":\"client_report\"}\n{\"discarded_events\":[]}\n"#
    );
    assert_eq!(event.leave_attachments(), None);
}

#[test]
fn what_is_no_envelope_is_refused() {
    for (envelope, error) in [
        ("", InvalidEnvelope::Header),
        ("[]\n", InvalidEnvelope::Header),
        ("{\"event_id\":", InvalidEnvelope::Header),
        ("{}\nnonsense", InvalidEnvelope::ItemHeader),
        ("{}\n{\"length\":2}\n{}", InvalidEnvelope::ItemHeader),
        ("{}\n{\"type\":\"event\",\"length\":-1}\n{}", InvalidEnvelope::ItemHeader),
        ("{}\n{\"type\":\"event\",\"length\":3}\n{}", InvalidEnvelope::ItemLength),
        ("{}\n{\"type\":\"event\",\"length\":1}\n{}\n", InvalidEnvelope::ItemLength),
        ("{}\n{\"type\":\"event\",\"length\":18446744073709551615}\n{}", InvalidEnvelope::ItemLength),
    ] {
        assert_eq!(parcels(envelope.as_bytes(), "key").unwrap_err(), error, "{envelope}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..ALL.len()) {
        let _ = parcels(&bytes, "key");
        let _ = parcels(&ALL[..cut], "key");
        let _ = parcels(&[&ALL[..cut], &bytes].concat(), "key");
    }

    #[test]
    fn every_item_is_in_one_parcel_as_it_was(
        items in proptest::collection::vec(
            (
                proptest::sample::select(vec![
                    "event", "transaction", "attachment", "session", "sessions", "check_in", "log", "span",
                    "trace_metric", "client_report", "feedback", "x",
                ]),
                proptest::collection::vec(any::<u8>(), 0..40),
            ),
            0..8,
        ),
    ) {
        let mut envelope = b"{}\n".to_vec();
        let mut expected = Vec::new();
        for (ty, payload) in &items {
            let mut item = format!("{{\"type\":\"{ty}\",\"length\":{}}}\n", payload.len()).into_bytes();
            item.extend_from_slice(payload);
            item.push(b'\n');
            envelope.extend_from_slice(&item);
            expected.push(item);
        }
        let parcels = parcels(&envelope, "key").unwrap();
        let mut found: Vec<Vec<u8>> = parcels
            .iter()
            .flat_map(|parcel| super::items(&parcel.payload).unwrap())
            .map(|item| item.whole.to_vec())
            .collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        let lanes: Vec<usize> = parcels.iter().map(|parcel| parcel.load.lane as usize).collect();
        prop_assert!(lanes.iter().all(|lane| lanes.iter().filter(|other| *other == lane).count() == 1));
    }
}
