//! Every item read: what any one writes reads back the same, and what other SDKs write is understood.
//! Source: the forms Relay accepts (`relay-event-schema`).

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;
use watchpost_sentry::wire::{
    Breadcrumb, Category, ClientReport, DiscardReason, DiscardedItems, DynamicSamplingContext, ErrorEvent, Exception,
    Log, LogLevel, SdkInfo, Span, SpanId, SpanV2, Timestamp, TraceId, Transaction, User, Value,
};

use crate::{
    arbitrary,
    items::{error_event, written},
};

#[test]
fn what_other_sdks_write_is_understood() {
    let event: ErrorEvent<'_> = serde_json::from_value(json!({
        "event_id": "12121212-1212-1212-1212-121212121212",
        "timestamp": "2023-11-14T22:13:21Z",
        "level": "sample",
        "platform": "node",
        "exception": [{"type": "Error", "value": null, "stacktrace": {"frames": null}, "mechanism": null}, null],
        "tags": [["a", 1], ["b", null], ["c"], null],
        "user": {"id": 7, "ip_address": "{{auto}}"},
        "release": null,
        "contexts": {"trace": {"trace_id": "nonsense", "status": "weird"}, "os": null},
        "fingerprint": "one",
        "sdk": {"name": "sentry.javascript.node", "version": "10.0.0", "packages": []},
        "breadcrumbs": [{"message": "clicked", "type": "ui", "level": "loud", "timestamp": "never"}, null],
    }))
    .unwrap();
    let expected = ErrorEvent {
        exceptions: vec![Exception { ty: "Error".into(), ..Exception::default() }],
        tags: vec![("a".into(), "1".into())],
        user: Some(User { id: Some("7".into()), ..User::default() }),
        breadcrumbs: vec![Breadcrumb { message: Some("clicked".into()), ..Breadcrumb::default() }],
        fingerprint: vec!["one".into()],
        sdk: Some(SdkInfo { name: "sentry.javascript.node".into(), version: "10.0.0".into() }),
        platform: "node".into(),
        trace_id: TraceId::default(),
        span_id: SpanId::default(),
        ..error_event()
    };
    assert_eq!(event, expected);

    let log: Log<'_> = serde_json::from_value(json!({
        "timestamp": 1_700_000_000.250_001,
        "trace_id": null,
        "level": "warning",
        "body": 5,
        "severity_number": 13,
        "attributes": {
            "whole": {"value": 3, "type": "double"},
            "mixed": {"value": [1, "a", {"b": 2}], "type": "array"},
            "object": {"value": {"a": 1}, "type": "string"},
            "huge": {"value": 18_446_744_073_709_551_615_u64, "type": "integer"},
            "bare": true,
            "none": {"value": null, "type": "string"},
        },
    }))
    .unwrap();
    assert_eq!((log.level, log.body), (LogLevel::Info, Cow::Borrowed("5")));
    assert_eq!(log.timestamp, Timestamp::from_nanos(1_700_000_000_250_001_000));
    assert_eq!(log.attributes.get("whole"), Some(&3.0.into()));
    assert_eq!(log.attributes.get("mixed"), Some(&vec!["1", "a", r#"{"b":2}"#].into()));
    assert_eq!(log.attributes.get("object"), Some(&r#"{"a":1}"#.into()));
    assert_eq!(log.attributes.get("huge"), Some(&"18446744073709551615".into()));
    assert_eq!(log.attributes.get("bare"), Some(&true.into()));
    assert_eq!(log.attributes.len(), 5);

    let report: ClientReport = serde_json::from_value(json!({
        "discarded_events": [
            {"reason": "no_parent_span", "category": "span", "quantity": 1},
            {"reason": "sample_rate", "category": "span", "quantity": 2},
        ],
    }))
    .unwrap();
    let known = DiscardedItems { reason: DiscardReason::SampleRate, category: Category::Span, quantity: 2 };
    assert_eq!(report, ClientReport { timestamp: Timestamp::default(), discarded: vec![known] });
}

macro_rules! reads_back {
    ($($name:ident: $item:ident, $type:ty;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]

            $(
                #[test]
                fn $name(item in arbitrary::$item()) {
                    let json = written(|out| item.write_json(out));
                    let read: $type = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(&read, &item);
                    prop_assert_eq!(read, item.into_owned());
                }
            )+
        }
    };
}

reads_back! {
    any_log_reads_back_the_same: log, Log<'static>;
    any_span_reads_back_the_same: span, Span<'static>;
    any_v2_span_reads_back_the_same: span_v2, SpanV2<'static>;
    any_transaction_reads_back_the_same: transaction, Transaction<'static>;
    any_error_event_reads_back_the_same: error_event, ErrorEvent<'static>;
    any_client_report_reads_back_the_same: client_report, ClientReport;
    any_sampling_context_reads_back_the_same: sampling_context, DynamicSamplingContext<'static>;
}

proptest! {
    #[test]
    fn any_json_is_read_as_an_item_or_refused_without_panic(members in arbitrary::members()) {
        let json = written(|out| Value::Object(members).write_json(out));
        let _ = serde_json::from_str::<Log<'_>>(&json);
        let _ = serde_json::from_str::<SpanV2<'_>>(&json);
        let _ = serde_json::from_str::<Transaction<'_>>(&json);
        let _ = serde_json::from_str::<ErrorEvent<'_>>(&json);
        let _ = serde_json::from_str::<ClientReport>(&json);
        let _ = serde_json::from_str::<DynamicSamplingContext<'_>>(&json);
    }
}
