//! The account under load: every item that was handed over is received, held or counted as dropped.

use std::{collections::HashSet, thread, time::Duration};

use watchpost_sentry::{
    delivery::{BufferLimits, Delivery, DeliveryConfig, DropReason},
    wire::Category,
};

use crate::{
    items::{LONG, error, log, start, transaction},
    sink::{OK, Received, Reply, Sink},
};

#[test]
fn eight_threads_hand_over_everything_and_all_of_it_arrives_once() {
    const EACH: u64 = 2_000;
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    thread::scope(|scope| {
        for thread in 0..8 {
            let delivery = delivery.clone();
            scope.spawn(move || {
                for number in thread * EACH..(thread + 1) * EACH {
                    assert!(delivery.wait_for_room(LONG));
                    delivery.log(&log(number));
                    if number % 20 == 0 {
                        delivery.transaction(&transaction(number), None);
                    }
                }
            });
        }
    });
    let outcome = delivery.shutdown(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.accepted(), outcome.dropped()), (8 * EACH + 8 * EACH / 20, 0));
    let mut bodies = HashSet::new();
    for item in sink.received().iter().flat_map(Received::items).filter(|item| item.ty == "log") {
        let payload: serde_json::Value = serde_json::from_slice(&item.payload).unwrap();
        for log in payload["items"].as_array().unwrap() {
            assert!(bodies.insert(log["body"].as_str().unwrap().to_owned()), "twice: {log}");
        }
    }
    assert_eq!(bodies.len() as u64, 8 * EACH);
    assert_eq!(sink.items()["transaction"], 8 * EACH / 20);
}

#[test]
fn what_overflows_is_counted_exactly_and_reported_and_errors_are_spared() {
    const EACH: u64 = 5_000;
    let sink = Sink::closed();
    let mut limits = BufferLimits::default();
    limits.logs = 600 * 1024;
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_buffer_limits(limits);
    let delivery = Delivery::start(config).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let delivery = &delivery;
            scope.spawn(move || {
                for number in 0..EACH {
                    delivery.log(&log(thread * EACH + number));
                    if number % 1_000 == 0 {
                        delivery.error(&error(thread * EACH + number), None);
                    }
                }
            });
        }
    });
    sink.open();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    let logs = outcome.tally(Category::LogItem);
    let dropped = logs.dropped_by(DropReason::QueueOverflow);
    assert!(dropped > 0, "the test has filled no buffer");
    assert_eq!((logs.accepted, logs.sent + dropped), (4 * EACH, 4 * EACH));
    assert_eq!(outcome.tally(Category::Error).sent, 20);
    assert_eq!((sink.items()["log"], sink.items()["event"]), (logs.sent, 20));
    let reported: u64 = sink
        .received()
        .iter()
        .flat_map(Received::reported)
        .filter(|(reason, category, _)| reason == "queue_overflow" && category == "log_item")
        .map(|(.., quantity)| quantity)
        .sum();
    assert_eq!(reported, dropped);
}

#[test]
fn a_server_that_does_everything_wrong_in_turn_leaves_no_gap_in_the_account() {
    const ITEMS: u64 = 3_000;
    // 429 would stop all, so it comes late; the rest takes turns.
    let sink = Sink::start(|request| match request.number % 11 {
        1 => Reply::Answer(500, &[], ""),
        3 => Reply::Answer(413, &[], ""),
        5 => Reply::Raw(b"HTTP/1.1 20"),
        7 => Reply::Answer(400, &[], "{\"detail\":\"no\"}"),
        _ => OK,
    });
    let delivery = start(&sink.dsn());
    thread::scope(|scope| {
        for thread in 0..4 {
            let delivery = &delivery;
            scope.spawn(move || {
                for number in 0..ITEMS {
                    delivery.log(&log(thread * ITEMS + number));
                    if number % 100 == 0 {
                        delivery.transaction(&transaction(thread * ITEMS + number), None);
                    }
                }
            });
        }
    });
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    for category in [Category::LogItem, Category::LogByte, Category::Transaction] {
        let tally = outcome.tally(category);
        assert!(tally.accepted > 0);
        assert_eq!(tally.accepted, tally.sent + tally.dropped(), "{category}");
    }
    let received = sink.received();
    let taken = received.iter().filter(|request| ![1, 3, 5, 7].contains(&(request.number % 11)));
    let logs: u64 =
        taken.flat_map(Received::items).filter(|item| item.ty == "log").filter_map(|item| item.item_count).sum();
    assert_eq!(logs, outcome.tally(Category::LogItem).sent);
}

#[test]
fn waiting_for_room_ends_when_there_is_room_and_gives_up_in_time() {
    let sink = Sink::closed();
    let mut limits = BufferLimits::default();
    limits.transactions = 64 * 1024;
    let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_buffer_limits(limits);
    let delivery = Delivery::start(config).unwrap();
    let mut number = 0;
    while delivery.wait_for_room(Duration::ZERO) {
        delivery.transaction(&transaction(number), None);
        number += 1;
    }
    assert!(!delivery.wait_for_room(Duration::from_millis(50)));
    let waits = thread::spawn({
        let delivery = delivery.clone();
        move || delivery.wait_for_room(LONG)
    });
    sink.open();
    assert!(waits.join().unwrap());
    assert_eq!((delivery.flush(LONG).sent(), delivery.outcome().dropped()), (number, 0));
}

#[test]
fn a_discard_by_the_caller_is_counted_and_reported() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.discard(watchpost_sentry::wire::DiscardReason::SampleRate, Category::Transaction, 5);
    let outcome = delivery.flush(LONG);
    assert_eq!((outcome.accepted(), outcome.dropped_by(DropReason::SampleRate)), (5, 5));
    let reported = sink.wait_for(1)[0].reported();
    assert_eq!(reported, [("sample_rate".to_owned(), "transaction".to_owned(), 5)]);
}

#[test]
fn a_discarded_transaction_is_one_item_and_its_spans_are_reported() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    for _ in 0..4 {
        delivery.discard_transaction(watchpost_sentry::wire::DiscardReason::SampleRate, 2);
    }
    let outcome = delivery.flush(LONG);
    assert_eq!((outcome.accepted(), outcome.dropped_by(DropReason::SampleRate)), (4, 4));
    assert_eq!(outcome.tally(Category::Span).accepted, 0);
    let mut reported = sink.wait_for(1)[0].reported();
    reported.sort();
    let expected = [("span", 8), ("transaction", 4)];
    assert_eq!(reported, expected.map(|(category, count)| ("sample_rate".to_owned(), category.to_owned(), count)));
}
