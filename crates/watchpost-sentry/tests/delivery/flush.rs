//! Flushing, shutting down and letting go, from sync code and from a runtime.

use std::{
    thread,
    time::{Duration, Instant},
};

use watchpost_sentry::delivery::{Delivery, DeliveryConfig, DropReason};

use crate::{
    items::{LONG, TOLERANCE, error, log, start},
    sink::{Reply, Sink},
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn a_flush_of_nothing_returns_at_once_without_a_thread() {
    let delivery = start("http://key@127.0.0.1:9/1");
    let start = Instant::now();
    assert!(delivery.flush(LONG).complete);
    assert!(delivery.shutdown(LONG).complete);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_flush_works_inside_a_runtime_of_one_thread() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    let outcome = runtime().block_on(async { delivery.flush(LONG) });
    assert!(outcome.complete);
    assert_eq!(sink.items()["log"], 1);
}

#[test]
fn an_async_flush_needs_no_clock_of_the_runtime_it_runs_on() {
    let sink = Sink::closed();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    let runtime = runtime();
    let (start, timeout) = (Instant::now(), Duration::from_millis(300));
    let outcome = runtime.block_on(delivery.flush_async(timeout));
    assert!(!outcome.complete && start.elapsed() >= timeout);
    sink.open();
    assert!(runtime.block_on(delivery.flush_async(LONG)).complete);
    assert!(runtime.block_on(delivery.shutdown_async(LONG)).complete);
    assert!(start.elapsed() < LONG);
}

#[test]
fn flushes_from_many_threads_all_end() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    thread::scope(|scope| {
        for thread in 0..8 {
            let delivery = &delivery;
            scope.spawn(move || {
                for number in 0..20 {
                    delivery.log(&log(thread * 100 + number));
                    assert!(delivery.flush(LONG).complete);
                }
            });
        }
    });
    assert_eq!(sink.items()["log"], 160);
}

#[test]
fn after_a_shutdown_items_are_counted_as_dropped_and_nothing_is_sent() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    assert!(delivery.shutdown(LONG).complete);
    delivery.log(&log(1));
    delivery.error(&error(1), None);
    let outcome = delivery.shutdown(LONG);
    assert_eq!((outcome.sent(), outcome.dropped_by(DropReason::AfterShutdown)), (1, 2));
    assert_eq!(sink.received().len(), 1);
    assert!(!delivery.wait_for_room(LONG));
}

#[test]
fn letting_the_last_handle_go_sends_what_is_held() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    let clone = delivery.clone();
    drop(delivery);
    assert!(sink.received().is_empty(), "a clone is left");
    drop(clone);
    assert_eq!(sink.items()["log"], 1);
}

#[test]
fn letting_the_last_handle_go_waits_no_longer_than_it_may() {
    let sink = Sink::start(|_| Reply::Hang);
    for timeout in [Duration::ZERO, Duration::from_millis(300)] {
        let config = DeliveryConfig::new(sink.dsn().parse().unwrap()).with_drop_timeout(timeout);
        let delivery = Delivery::start(config).unwrap();
        delivery.log(&log(0));
        let start = Instant::now();
        drop(delivery);
        assert!(start.elapsed() < timeout + TOLERANCE, "{:?}", start.elapsed());
    }
}

#[test]
fn an_absurdly_long_timeout_is_taken() {
    let sink = Sink::ok();
    let delivery = start(&sink.dsn());
    delivery.log(&log(0));
    assert!(delivery.flush(Duration::MAX).complete);
    assert!(delivery.wait_for_room(Duration::MAX));
    assert!(delivery.shutdown(Duration::MAX).complete);
}

#[test]
fn neither_the_handle_nor_its_config_shows_the_key() {
    let config = DeliveryConfig::new("http://5ec7e7@127.0.0.1:9/1".parse().unwrap());
    let shown = format!("{config:?}");
    let shown = shown + &format!("{:?}", Delivery::start(config).unwrap());
    assert!(!shown.contains("5ec7e7"), "{shown}");
}
