//! When things go wrong on the way: what is held, what is dropped, and that nobody waits longer than told.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig, DropReason},
    wire::Category,
};

use crate::{
    items::{LONG, TOLERANCE, error, log, start, transaction},
    sink::{OK, Received, Reply, Sink},
};

/// Fails a request and its followers a few times, then is well.
fn ailing(failures: usize, reply: Reply) -> Sink {
    let left = AtomicUsize::new(failures);
    Sink::start(move |_| {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { reply } else { OK }
    })
}

#[test]
fn what_fails_for_a_while_is_held_and_then_sent() {
    for (name, reply) in [
        ("500", Reply::Answer(500, &[], "oops")),
        ("503", Reply::Answer(503, &["retry-after: 1"], "")),
        ("408", Reply::Answer(408, &[], "")),
        ("cut off", Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-le")),
        ("closed without a word", Reply::Raw(b"")),
        ("garbage", Reply::Raw(b"\x00\xff\x16\x03 I am not HTTP\r\n\r\n")),
    ] {
        let sink = ailing(5, reply);
        let delivery = start(&sink.dsn());
        for number in 0..4 {
            delivery.error(&error(number), None);
        }
        let outcome = delivery.flush(LONG);
        assert!(outcome.complete, "{name}: {outcome}");
        assert_eq!((outcome.sent(), outcome.dropped()), (4, 0), "{name}");
        assert_eq!(sink.received().len(), 9, "{name}");
    }
}

#[test]
fn a_connection_cut_while_the_body_is_written_is_held_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let delivery = start(&format!("http://key@{}/1", listener.local_addr().unwrap()));
    // Larger than what sockets buffer, so that the rest cannot be written when the peer is gone.
    let mut event = error(0);
    event.extra.push(("filler".into(), "x".repeat(1 << 20).into()));
    delivery.error(&event, None);
    drop(listener.accept().unwrap());
    let (again, _) = listener.accept().unwrap();
    assert_eq!((delivery.outcome().held(), delivery.outcome().dropped()), (1, 0));
    drop(again);
}

#[test]
fn a_server_that_is_not_there_yet_gets_everything_once_it_is() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let delivery = start(&format!("http://key@{address}/1"));
    for number in 0..10 {
        delivery.error(&error(number), None);
        delivery.log(&log(number));
    }
    let outcome = delivery.flush(Duration::from_millis(300));
    assert!(!outcome.complete);
    assert_eq!((outcome.held(), outcome.dropped()), (20, 0));
    let sink = Sink::at(address);
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((sink.items()["event"], sink.items()["log"]), (10, 10));
}

#[test]
fn a_broken_connection_does_not_spin() {
    let sink = Sink::start(|_| Reply::Raw(b""));
    let delivery = start(&sink.dsn());
    for number in 0..1_000 {
        delivery.error(&error(number), None);
    }
    delivery.flush(Duration::from_secs(2));
    let tries = sink.received().len();
    assert!((3..30).contains(&tries), "{tries} tries in two seconds");
}

#[test]
fn a_batch_of_logs_that_is_too_large_arrives_in_two_halves() {
    let sink =
        Sink::start(|request| if request.items()[0].item_count > Some(50) { Reply::Answer(413, &[], "") } else { OK });
    let delivery = start(&sink.dsn());
    for number in 0..100 {
        delivery.log(&log(number));
    }
    let outcome = delivery.flush(LONG);
    assert_eq!((outcome.sent(), outcome.dropped()), (100, 0));
    let counts: Vec<_> = sink.received().iter().map(|request| request.items()[0].item_count).collect();
    assert_eq!(counts, [Some(100), Some(50), Some(50)]);
}

#[test]
fn what_is_refused_is_dropped_and_reported() {
    for status in [400, 403, 404, 413] {
        let refuses = move |request: &Received| {
            let is_transaction = request.items()[0].ty == "transaction";
            if is_transaction { Reply::Answer(status, &["x-sentry-error: no"], "{}") } else { OK }
        };
        let sink = Sink::start(refuses);
        let delivery = start(&sink.dsn());
        delivery.transaction(&transaction(0), None);
        let outcome = delivery.flush(LONG);
        assert!(outcome.complete);
        assert_eq!(outcome.tally(Category::Transaction).dropped_by(DropReason::SendError), 1, "{status}");
        let reported: Vec<_> = sink.received().iter().flat_map(Received::reported).collect();
        let entry = |category: &str| ("send_error".to_owned(), category.to_owned(), 1);
        assert_eq!(reported, [entry("transaction"), entry("span")], "the flush has sent the report");
    }
}

#[test]
fn without_client_reports_nothing_is_reported() {
    let sink = Sink::start(|_| Reply::Answer(400, &[], ""));
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_client_reports(false);
    let delivery = Delivery::start(config).unwrap();
    delivery.error(&error(0), None);
    assert_eq!(delivery.flush(LONG).dropped_by(DropReason::SendError), 1);
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn with_a_server_that_hangs_flush_and_shutdown_return_in_time_and_say_what_is_held_or_lost() {
    let sink = Sink::start(|_| Reply::Hang);
    let delivery = start(&sink.dsn());
    delivery.error(&error(0), None);
    delivery.log(&log(0));
    sink.wait_for(1);
    for (call, name, held) in
        [(Delivery::flush as fn(&Delivery, Duration) -> _, "flush", 2), (Delivery::shutdown, "shutdown", 0)]
    {
        let (start, timeout) = (Instant::now(), Duration::from_millis(400));
        let outcome = call(&delivery, timeout);
        let elapsed = start.elapsed();
        assert!(elapsed < timeout + TOLERANCE, "{name} took {elapsed:?}");
        assert!(!outcome.complete);
        assert_eq!((outcome.accepted(), outcome.held(), outcome.sent()), (2, held, 0), "{name}");
        assert_eq!(outcome.dropped_by(DropReason::Shutdown), 2 - held, "{name}: {outcome}");
    }
}

#[test]
fn a_request_that_hangs_is_given_up_in_its_time_and_tried_again() {
    let sink = Sink::start(|request| if request.number == 0 { Reply::Hang } else { OK });
    let timeout = Duration::from_millis(200);
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_request_timeout(timeout);
    let delivery = Delivery::start(config).unwrap();
    delivery.error(&error(0), None);
    assert!(delivery.flush(LONG).complete);
    assert_eq!((sink.received().len(), sink.connections()), (2, 2));
}

#[test]
fn a_request_that_hangs_does_not_hold_up_the_others() {
    let sink = Sink::start(|request| if request.number == 0 { Reply::Hang } else { OK });
    let delivery = start(&sink.dsn());
    for number in 0..50 {
        delivery.error(&error(number), None);
    }
    sink.wait_for(50);
    assert_eq!(delivery.flush(Duration::from_millis(300)).sent(), 49);
}

#[test]
fn an_endless_answer_is_an_answer_and_its_connection_is_given_up() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    static ANSWER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        [ENDLESS, &chunk.repeat(20)].concat().into_bytes()
    });
    let sink = Sink::start(|_| Reply::Raw(&ANSWER));
    let delivery = start(&sink.dsn());
    delivery.error(&error(0), None);
    delivery.error(&error(1), None);
    assert_eq!(delivery.flush(LONG).sent(), 2);
}
