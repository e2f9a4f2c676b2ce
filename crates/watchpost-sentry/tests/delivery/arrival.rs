//! What arrives: envelopes as Sentry wants them, over connections that are kept.

use std::time::Duration;

use watchpost_sentry::{
    delivery::{Compression, Delivery, DeliveryConfig, DropReason, EncodedSpans, EncodedTransaction},
    wire::{Category, EventId, Timestamp},
};

use crate::{
    items::{LONG, context, error, large_error, log, span, start, transaction},
    sink::{OK, Reply, Sink},
};

#[test]
fn a_request_names_the_project_the_key_and_the_client() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.error(&error(0), None);
    let request = sink.wait_for(1).remove(0);
    assert_eq!(request.line, "POST /api/1/envelope/ HTTP/1.1");
    assert_eq!(request.header("host"), Some(sink.address().to_string().as_str()));
    assert_eq!(request.header("content-type"), Some("application/x-sentry-envelope"));
    let (agent, client) = (request.header("user-agent").unwrap(), request.header("x-sentry-auth").unwrap());
    assert!(agent.starts_with("watchpost/") && agent.split('.').count() == 2, "{agent}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(client, format!("Sentry sentry_version=7, sentry_client=watchpost/{version}, sentry_key=key"));
}

#[test]
fn an_error_event_is_sent_at_once_alone_with_its_id_and_its_trace_in_the_header() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.error(&error(41), Some(&context(7)));
    let (header, items) = sink.wait_for(1)[0].envelope();
    assert_eq!(header.event_id, Some(EventId(42_u128.to_be_bytes())));
    assert_eq!(header.trace.unwrap()["public_key"], "key");
    assert_eq!(header.sdk.unwrap().name, "watchpost.rust");
    assert!(Timestamp::now().duration_since(header.sent_at.unwrap()) < LONG);
    assert_eq!(items.iter().map(|item| item.ty.as_str()).collect::<Vec<_>>(), ["event"]);
}

#[test]
fn each_transaction_is_an_envelope_of_its_own() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    for number in 0..10 {
        delivery.transaction(&transaction(number), None);
    }
    assert!(delivery.flush(LONG).complete);
    let mut ids: Vec<_> = sink.received().iter().map(|request| request.envelope().0.event_id.unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=10_u128).map(|id| EventId(id.to_be_bytes())).collect::<Vec<_>>());
    assert_eq!(sink.items()["transaction"], 10);
}

#[test]
fn spans_beside_a_transaction_travel_in_its_envelope_and_are_counted_as_items() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    let mut encoded = EncodedTransaction { event_id: EventId([9; 16]), spans: 1, ..EncodedTransaction::default() };
    transaction(8).write_json(&mut encoded.json);
    encoded.streamed.push_span(&span(7, 1, false));
    encoded.streamed.push_span(&span(7, 2, false));
    delivery.encoded_transaction(encoded.clone(), Some(&context(7)));
    // Without a trace header Sentry would reject the spans.
    delivery.encoded_transaction(encoded, None);
    let mut alone = EncodedSpans::new();
    alone.push_span(&span(7, 3, false));
    delivery.encoded_spans(alone, &context(7));
    delivery.encoded_spans(EncodedSpans::new(), &context(7));

    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    let mut envelopes: Vec<Vec<_>> = sink
        .received()
        .iter()
        .map(|request| request.items().into_iter().map(|item| (item.ty, item.item_count)).collect())
        .collect();
    envelopes.sort();
    envelopes.iter_mut().for_each(|items| items.retain(|(ty, _)| ty != "client_report"));
    let item = |ty: &str, count| (ty.to_owned(), count);
    assert_eq!(
        envelopes,
        [
            vec![item("span", Some(1))],
            vec![item("transaction", None)],
            vec![item("transaction", None), item("span", Some(2))],
        ]
    );
    let spans = outcome.tally(Category::Span);
    assert_eq!((spans.accepted, spans.sent, spans.dropped_by(DropReason::Invalid)), (5, 3, 2));
    assert_eq!(outcome.tally(Category::Transaction).sent, 2);
}

#[test]
fn a_hundred_logs_are_sent_in_one_container_without_a_flush_and_without_a_trace_header() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    for number in 0..100 {
        delivery.log(&log(number));
    }
    let (header, items) = sink.wait_for(1)[0].envelope();
    assert_eq!((header.event_id, header.trace), (None, None));
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].ty.as_str(), items[0].item_count), ("log", Some(100)));
    let payload: serde_json::Value = serde_json::from_slice(&items[0].payload).unwrap();
    let bodies: Vec<_> = payload["items"].as_array().unwrap().iter().map(|log| log["body"].clone()).collect();
    assert_eq!(bodies, (0..100).map(|number| format!("log {number}")).collect::<Vec<_>>());
}

#[test]
fn a_lone_log_is_sent_after_five_seconds_without_a_flush() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    sink.wait_for(1);
    assert_eq!(sink.items()["log"], 1);
}

#[test]
fn spans_of_a_trace_travel_together_under_its_sampling_context() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.spans(&[span(1, 1, false), span(1, 2, false)], &context(1));
    delivery.spans(&[span(2, 1, false)], &context(2));
    delivery.spans(&[span(1, 3, true), span(9, 4, true)], &context(1));
    let (header, items) = sink.wait_for(1)[0].envelope();
    assert_eq!(header.trace.unwrap()["trace_id"], "01".repeat(16));
    assert_eq!((items[0].ty.as_str(), items[0].item_count), ("span", Some(3)));
    let outcome = delivery.flush(LONG);
    assert_eq!(outcome.tally(Category::Span).sent, 4);
    assert_eq!(outcome.dropped_by(DropReason::Invalid), 1, "the span of another trace");
}

#[test]
fn one_connection_serves_request_after_request() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    for number in 0..50 {
        delivery.error(&error(number), None);
        assert!(delivery.flush(LONG).complete);
    }
    assert_eq!((sink.received().len(), sink.connections()), (50, 1));
}

#[test]
fn there_are_never_more_connections_than_sends_in_flight() {
    let sink = Sink::closed();
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_max_in_flight(3);
    let delivery = Delivery::start(config).unwrap();
    for number in 0..100 {
        delivery.error(&error(number), None);
    }
    assert_eq!(sink.wait_for(3).len(), 3);
    sink.open();
    assert!(delivery.flush(LONG).complete);
    assert_eq!((sink.items()["event"], sink.connections()), (100, 3));
}

#[test]
fn a_connection_that_the_server_closes_after_each_answer_is_replaced_without_a_failure() {
    let sink = Sink::start(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"));
    let delivery = start(&sink.dsn());
    for number in 0..20 {
        delivery.error(&error(number), None);
        assert!(delivery.flush(LONG).complete);
    }
    assert_eq!((sink.received().len(), sink.connections()), (20, 20));
}

#[test]
fn gzip_and_zstd_bodies_decode_to_the_same_envelopes() {
    for (compression, encoding) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let sink = Sink::ok();
        let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_compression(compression);
        let delivery = Delivery::start(config).unwrap();
        delivery.error(&large_error(0, 50_000), None);
        delivery.error(&large_error(1, 60_000), None);
        assert!(delivery.flush(LONG).complete);
        for request in sink.received() {
            assert_eq!(request.header("content-encoding"), Some(encoding));
            assert!(request.body.len() < 1_000 && request.plain().len() > 50_000);
        }
        assert_eq!(sink.items()["event"], 2);
    }
}

#[test]
fn on_loopback_bodies_are_plain_by_default() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.error(&large_error(0, 50_000), None);
    assert_eq!(sink.wait_for(1)[0].header("content-encoding"), None);
}

#[test]
fn a_server_that_refuses_an_encoding_gets_the_next_simpler_one_at_once() {
    let sink = Sink::start(|request| match request.header("content-encoding") {
        Some("zstd") => Reply::Answer(415, &[], ""),
        Some(_) => Reply::Answer(400, &["x-sentry-error: unknown content-encoding gzip"], ""),
        None => OK,
    });
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_compression(Compression::Zstd);
    let delivery = Delivery::start(config).unwrap();
    for number in 0..3 {
        delivery.error(&large_error(number, 5_000), None);
        assert_eq!(delivery.flush(LONG).sent(), number + 1);
    }
    let encodings: Vec<_> =
        sink.received().iter().map(|request| request.header("content-encoding").map(str::to_owned)).collect();
    assert_eq!(encodings, [Some("zstd".to_owned()), Some("gzip".to_owned()), None, None, None]);
}

#[test]
fn the_moment_of_sending_is_that_of_the_try_that_succeeds() {
    let sink = Sink::start(|request| if request.number == 0 { Reply::Answer(503, &[], "") } else { OK });
    let delivery = start(&sink.dsn());
    delivery.error(&error(0), None);
    let sent_at: Vec<_> = sink.wait_for(2).iter().map(|request| request.envelope().0.sent_at.unwrap()).collect();
    assert!(sent_at[1].duration_since(sent_at[0]) >= Duration::from_millis(50), "{sent_at:?}");
}
