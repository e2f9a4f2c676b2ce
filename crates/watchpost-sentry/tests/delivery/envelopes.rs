//! Envelopes that another SDK has written: their bytes, their kinds, and what is left behind of them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use watchpost_sentry::{
    delivery::{BufferLimits, Delivery, DeliveryConfig, DropReason, InvalidEnvelope, SpoolConfig, SpoolReport},
    wire::Category,
};

use crate::{
    items::{LONG, start},
    sink::{OK, Received, Reply, Sink},
    spool::{self, Outage, until},
};

/// An event with an attachment of so many bytes, a session and something that nobody knows.
fn envelope(attachment: usize) -> Vec<u8> {
    let mut envelope =
        b"{\"event_id\":\"22d00b3fd1b14b5d8d2049d138cd8a9c\",\"trace\":{\"trace_id\":\"t\",\"public_key\":\"key\"}}\n\
        {\"type\":\"event\",\"length\":9}\n{ \"a\":1 }\n{\"type\":\"later\",\"length\":3}\n\n\xff\n\n\
        {\"type\":\"session\",\"length\":2}\n{}\n"
            .to_vec();
    envelope.extend_from_slice(format!("{{\"type\":\"attachment\",\"length\":{attachment},\"x\":1}}\n").as_bytes());
    envelope.resize(envelope.len() + attachment, b'\n');
    envelope.push(b'\n');
    envelope
}

/// The types and payloads that came, of each request.
fn arrived(sink: &Sink) -> Vec<Vec<(String, Vec<u8>)>> {
    let items = |received: &Received| {
        received.items().into_iter().map(|item| (item.ty, item.payload.to_vec())).collect::<Vec<_>>()
    };
    let mut arrived: Vec<_> = sink.received().iter().map(items).collect();
    arrived.sort();
    arrived
}

fn item(ty: &str, payload: &[u8]) -> (String, Vec<u8>) {
    (ty.to_owned(), payload.to_vec())
}

#[test]
fn every_items_bytes_arrive_and_what_rate_limits_part_arrives_apart() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.envelope(&envelope(5)).unwrap();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete);
    assert_eq!(
        arrived(&sink),
        [
            vec![item("event", b"{ \"a\":1 }"), item("later", b"\n\xff\n"), item("attachment", b"\n\n\n\n\n")],
            vec![item("session", b"{}")],
        ]
    );
    for received in sink.received() {
        let plain = String::from_utf8_lossy(&received.plain()).into_owned();
        let (line, _) = plain.split_once('\n').unwrap();
        let (sent_at, rest) = line.split_once(",\"event_id\"").unwrap();
        assert!(sent_at.starts_with("{\"sent_at\":\"20"), "{line}");
        let expected = ":\"22d00b3fd1b14b5d8d2049d138cd8a9c\",\"trace\":{\"trace_id\":\"t\",\"public_key\":\"key\"}}";
        assert_eq!(rest, expected);
    }
    let sent = |category| outcome.tally(category).sent;
    assert_eq!([Category::Error, Category::Attachment, Category::Session].map(sent), [1, 1, 1]);
    assert_eq!((outcome.accepted(), outcome.sent()), (3, 3));
}

#[test]
fn a_limit_on_attachments_or_sessions_stops_those_alone_and_they_are_reported_in_their_own_figures() {
    let limits = &["x-sentry-rate-limits: 60:attachment;session:org"];
    let sink = Sink::start(move |request| if request.number == 0 { Reply::Answer(200, limits, "{}") } else { OK });
    let delivery = start(&sink.dsn());
    delivery.envelope(b"{}\n{\"type\":\"check_in\"}\n{}\n").unwrap();
    assert!(delivery.flush(LONG).complete);
    delivery.envelope(&envelope(700)).unwrap();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete);
    let came = sink.items();
    assert_eq!(
        ["event", "later", "attachment", "session", "check_in"].map(|ty| came.get(ty).copied()),
        [Some(1), Some(1), None, None, Some(1)]
    );
    let mut reported: Vec<_> = sink.received().iter().flat_map(Received::reported).collect();
    reported.sort();
    let backed_off = |category: &str, quantity| ("ratelimit_backoff".to_owned(), category.to_owned(), quantity);
    assert_eq!(reported, [backed_off("attachment", 700), backed_off("session", 1)]);
    assert_eq!(outcome.dropped_by(DropReason::RatelimitBackoff), 2);
}

#[test]
fn an_event_goes_without_attachments_that_are_too_large_for_the_buffer_or_for_sentry() {
    let sink =
        Sink::start(|request| if request.plain().len() > 5_000 { Reply::Answer(413, &[], "too large") } else { OK });
    let mut limits = BufferLimits::default();
    limits.errors = 20_000;
    let delivery =
        Delivery::start(DeliveryConfig::new(sink.dsn().parse().unwrap()).with_buffer_limits(limits)).unwrap();
    delivery.envelope(&envelope(9_000)).unwrap();
    delivery.envelope(&envelope(90_000)).unwrap();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete);
    let attachments = outcome.tally(Category::Attachment);
    assert_eq!((outcome.tally(Category::Error).sent, attachments.sent), (2, 0));
    assert_eq!(attachments.dropped_by(DropReason::SendError), 1);
    assert_eq!(attachments.dropped_by(DropReason::QueueOverflow), 1);
    assert_eq!((attachments.accepted, attachments.held), (2, 0));
}

#[test]
fn after_a_429_for_something_else_an_item_is_tried_again_from_the_spool_and_dropped_without_one() {
    for has_spool in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let asked = AtomicUsize::new(0);
        let sink = Sink::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0..3 => Reply::Answer(429, &["x-sentry-rate-limits: 60:feedback:org"], "{}"),
            _ => OK,
        });
        let mut config = DeliveryConfig::new(sink.dsn().parse().unwrap());
        if has_spool {
            config = config.with_spool(SpoolConfig::new(folder.path()));
        }
        let delivery = Delivery::start(config).unwrap();
        delivery.envelope(b"{}\n{\"type\":\"feedback\"}\n{}\n").unwrap();
        let outcome = delivery.flush(LONG);
        assert!(outcome.complete);
        let (sent, dropped) = (outcome.sent(), outcome.dropped_by(DropReason::RateLimited));
        assert_eq!((sent, dropped, sink.received().len()), if has_spool { (1, 0, 4) } else { (0, 1, 1) });
    }
}

#[test]
fn what_a_process_could_not_send_the_next_one_sends_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    {
        let delivery = spool::start(&outage.sink.dsn(), folder.path());
        delivery.envelope(&envelope(40)).unwrap();
        let outcome = delivery.shutdown(Duration::from_millis(200));
        assert_eq!((outcome.held(), outcome.dropped()), (3, 0));
    }
    let report = SpoolReport::read(folder.path()).unwrap();
    let held = [Category::Error, Category::Attachment, Category::Session]
        .map(|category| report.destinations[0].queues[0].outcome.tally(category).held);
    assert_eq!(held, [1, 1, 1]);

    outage.end();
    let delivery = spool::start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered == 3);
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete);
    let mut items: Vec<_> = outage.answered().iter().flat_map(Received::items).collect();
    items.sort_by(|one, other| one.ty.cmp(&other.ty));
    let items: Vec<_> = items.iter().map(|found| item(&found.ty, &found.payload)).collect();
    let attachment = [b'\n'; 40];
    assert_eq!(
        items,
        [
            item("attachment", &attachment),
            item("event", b"{ \"a\":1 }"),
            item("later", b"\n\xff\n"),
            item("session", b"{}")
        ]
    );
    for received in outage.answered() {
        assert!(String::from_utf8_lossy(&received.plain()).contains("\"trace_id\":\"t\",\"public_key\":\"key\""));
    }
}

#[test]
fn what_is_no_envelope_is_counted_as_invalid() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    assert_eq!(delivery.envelope(b"nonsense"), Err(InvalidEnvelope::Header));
    let outcome = delivery.flush(LONG);
    assert_eq!((outcome.accepted(), outcome.dropped_by(DropReason::Invalid)), (1, 1));
}
