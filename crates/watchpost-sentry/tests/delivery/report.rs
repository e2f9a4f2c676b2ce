//! What a spool's folder tells of the processes that use it and of what became of everything.

use std::{fs, path::Path, time::Duration};

use watchpost_sentry::{
    delivery::{Delivery, DropReason, QueueOwner, SpoolConfig, SpoolReport, SpooledDestination},
    wire::{Category, Dsn},
};

use crate::{
    items::{LONG, context, error, log, transaction},
    sink::{Reply, Sink},
    spool::{Outage, config, files, items, numbers, segments, start, until},
};

/// Long enough for the thread to end, so that no request of it is still under way when Sentry comes back.
const SHORT: Duration = Duration::from_millis(300);

/// The only destination in a folder.
fn told(folder: &Path) -> SpooledDestination {
    let mut destinations = SpoolReport::read(folder).unwrap().destinations;
    assert_eq!(destinations.len(), 1, "{destinations:?}");
    let told = destinations.remove(0);
    let outcome = &told.outcome;
    assert_eq!(outcome.accepted(), outcome.sent() + outcome.held() + outcome.dropped(), "{outcome}");
    assert_eq!(
        outcome.accepted_bytes(),
        outcome.sent_bytes() + outcome.held_bytes() + outcome.dropped_bytes(),
        "{outcome:?}"
    );
    told
}

#[test]
fn a_folder_that_is_not_there_or_nobodys_tells_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SpoolReport::read(&folder.path().join("none")).unwrap().destinations.is_empty());
    fs::create_dir_all(folder.path().join("something else/inside")).unwrap();
    fs::write(folder.path().join("a file"), "text").unwrap();
    let report = SpoolReport::read(folder.path()).unwrap();
    assert!(
        report.destinations.iter().all(|destination| destination.outcome.accepted() == 0 && !destination.is_stuck())
    );
}

#[test]
fn the_living_and_the_left_behind_are_told_apart_and_the_sum_outlives_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let dsn = outage.sink.dsn();
    let gone = {
        let delivery = start(&dsn, folder.path());
        (0..10).for_each(|number| delivery.log(&log(number)));
        delivery.error(&error(0), Some(&context(1)));
        delivery.shutdown(SHORT)
    };
    assert_eq!((gone.held(), gone.dropped()), (11, 0));
    let left = told(folder.path());
    assert!(left.is_stuck());
    assert_eq!((left.outcome.accepted(), left.outcome.held()), (11, 11));
    assert_eq!(left.outcome.held_bytes(), gone.held_bytes());
    assert_eq!(left.outcome.tally(Category::LogItem).held_bytes, gone.tally(Category::LogByte).held);
    let [queue] = &left.queues[..] else { panic!("{:?}", left.queues) };
    assert_eq!((queue.owner, queue.outcome.held(), queue.damaged), (QueueOwner::LeftBehind, 11, 0));
    assert!(queue.oldest.is_some() && queue.bytes > 0 && queue.limits.is_empty());

    let delivery = start(&dsn, folder.path());
    until("it takes over", || delivery.outcome().recovered == 11);
    delivery.transaction(&transaction(0), Some(&context(2)));
    assert!(delivery.sync(LONG));
    let alive = told(folder.path());
    assert!(!alive.is_stuck());
    assert_eq!((alive.outcome.accepted(), alive.outcome.held()), (12, 12));
    let us = QueueOwner::Alive { pid: Some(std::process::id()) };
    assert_eq!(alive.queues.iter().map(|queue| queue.owner).collect::<Vec<_>>(), [us, us]);
    outage.end();
    assert!(delivery.shutdown(LONG).complete);

    let after = told(folder.path());
    assert!(after.queues.is_empty() && items(folder.path()).is_empty());
    assert_eq!((after.outcome.accepted(), after.outcome.sent()), (12, 12));
    assert!(after.outcome.sent_bytes() > gone.held_bytes() && after.since.is_some());
    assert!(SpoolReport::read(folder.path()).unwrap().destination(&dsn.parse::<Dsn>().unwrap()).is_some());
}

#[test]
fn what_is_dropped_is_told_with_its_reason_and_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(|_| Reply::Answer(400, &[], "{}"));
    let delivery = start(&sink.dsn(), folder.path());
    delivery.error(&error(0), None);
    delivery.discard_transaction(watchpost_sentry::wire::DiscardReason::SampleRate, 3);
    let outcome = delivery.shutdown(LONG);
    let told = told(folder.path()).outcome;
    assert_eq!((told.dropped_by(DropReason::SendError), told.dropped_by(DropReason::SampleRate)), (1, 1));
    let errors = told.tally(Category::Error);
    assert_eq!(errors.dropped_bytes_by(DropReason::SendError), errors.accepted_bytes);
    assert!(errors.accepted_bytes > 0 && told.dropped_bytes() == outcome.dropped_bytes());
}

#[test]
fn the_limits_in_force_are_told_while_their_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(|_| Reply::Answer(429, &["x-sentry-rate-limits: 600:log_item:org"], "{}"));
    let delivery = start(&sink.dsn(), folder.path());
    delivery.log(&log(0));
    delivery.flush(Duration::ZERO);
    until("the limit is told", || {
        assert!(delivery.sync(LONG));
        told(folder.path()).queues.iter().any(|queue| !queue.limits.is_empty())
    });
    let queue = told(folder.path()).queues.remove(0);
    assert_eq!(queue.limits[0].category, Some(Category::LogItem));
    delivery.shutdown(SHORT);
    assert!(told(folder.path()).queues.remove(0).limits.is_empty());
}

#[test]
fn a_shutdown_does_not_wait_for_a_limit_that_ends_later() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(|_| Reply::Answer(429, &["x-sentry-rate-limits: 600:log_item:org"], "{}"));
    let delivery = start(&sink.dsn(), folder.path());
    delivery.log(&log(0));
    // As long as the limit is longer than that, no clock has to decide.
    let outcome = delivery.shutdown(Duration::from_secs(500));
    assert_eq!((outcome.held(), outcome.complete), (1, false), "{outcome}");
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn keys_that_differ_are_destinations_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let (one, other) = (outage.sink.dsn(), outage.sink.dsn().replace("key@", "another@"));
    let delivery = start(&one, folder.path());
    delivery.log(&log(1));
    delivery.shutdown(SHORT);
    drop(delivery);
    outage.end();
    let delivery = start(&other, folder.path());
    delivery.log(&log(2));
    assert!(delivery.shutdown(LONG).complete);
    assert_eq!(numbers(&outage.answered()), [2]);
    let report = SpoolReport::read(folder.path()).unwrap();
    assert_eq!(report.destinations.len(), 2);
    assert_eq!(report.destination(&one.parse().unwrap()).unwrap().outcome.held(), 1);
}

#[test]
fn dropping_without_a_shutdown_leaves_everything_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    {
        let config = config(&outage.sink.dsn(), folder.path()).with_drop_timeout(SHORT);
        let delivery = Delivery::start(config).unwrap();
        (0..30).for_each(|number| delivery.log(&log(number)));
    }
    assert_eq!(told(folder.path()).outcome.held(), 30);
    outage.end();
    let delivery = start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered == 30);
    assert!(delivery.shutdown(LONG).complete);
    assert_eq!(numbers(&outage.answered()), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_shutdown_right_after_the_start_sends_what_was_left_behind() {
    for times in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let outage = Outage::begin();
        let delivery = start(&outage.sink.dsn(), folder.path());
        (0..3).for_each(|number| delivery.log(&log(number)));
        delivery.shutdown(SHORT);
        outage.end();
        let outcome = start(&outage.sink.dsn(), folder.path()).shutdown(LONG);
        assert_eq!((outcome.recovered, outcome.sent(), outcome.complete), (3, 3, true), "{times}: {outcome}");
    }
}

#[test]
fn a_folder_that_vanishes_is_noticed_and_what_is_lost_at_the_end_is_dropped_not_held() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let delivery = start(&sink.dsn(), folder.path());
    delivery.log(&log(1));
    assert!(delivery.sync(LONG));
    fs::remove_dir_all(folder.path()).unwrap();
    // It looks once a second at most.
    until("it notices", || {
        delivery.log(&log(2));
        !delivery.sync(LONG)
    });
    let outcome = delivery.shutdown(Duration::from_millis(50));
    assert!(!outcome.complete);
    assert_eq!((outcome.held(), outcome.dropped_by(DropReason::Shutdown)), (0, outcome.accepted()), "{outcome}");
}

#[test]
fn what_the_disk_does_not_take_is_sent_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let delivery = start(&outage.sink.dsn(), folder.path());
    delivery.log(&log(1));
    assert!(delivery.sync(LONG));
    // In the place of the next segment: not even root can append to a folder.
    let queue = segments(folder.path()).remove(0).parent().unwrap().to_owned();
    fs::create_dir(queue.join("00000002.seg")).unwrap();
    delivery.error(&error(0), None);
    assert!(!delivery.sync(LONG), "it is not safe");
    let outcome = delivery.outcome();
    assert_eq!((outcome.held(), outcome.dropped()), (2, 0));
    outage.end();
    let outcome = delivery.shutdown(LONG);
    assert!(outcome.complete && outcome.sent() == 2, "{outcome}");
}

#[test]
fn after_the_disk_failed_the_end_tells_what_is_on_it_from_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let delivery = start(&outage.sink.dsn(), folder.path());
    (0..5).for_each(|number| delivery.log(&log(number)));
    assert!(delivery.sync(LONG));
    let queue = segments(folder.path()).remove(0).parent().unwrap().to_owned();
    fs::create_dir(queue.join("00000002.seg")).unwrap();
    delivery.error(&error(0), None);
    assert!(!delivery.sync(LONG));
    delivery.log(&log(5));
    let outcome = delivery.shutdown(SHORT);
    assert_eq!((outcome.held(), outcome.dropped_by(DropReason::Shutdown)), (5, 2), "{outcome}");
    let told = told(folder.path()).outcome;
    assert_eq!((told.held(), told.dropped_by(DropReason::Shutdown)), (5, 2), "{told}");
    drop(delivery);
    fs::remove_dir(queue.join("00000002.seg")).unwrap();
    outage.end();
    let delivery = start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered == 5);
    assert!(delivery.shutdown(LONG).complete);
    assert_eq!(numbers(&outage.answered()), (0..5).collect::<Vec<_>>());
}

#[test]
fn broken_ledgers_cost_themselves_only() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let delivery = start(&outage.sink.dsn(), folder.path());
    delivery.log(&log(0));
    delivery.shutdown(SHORT);
    drop(delivery);
    for path in files(folder.path()).iter().filter(|path| path.ends_with("ledger")) {
        fs::write(path, vec![0xff; 70_000]).unwrap();
    }
    assert_eq!(SpoolReport::read(folder.path()).unwrap().destinations.remove(0).outcome.held(), 1);
    outage.end();
    let delivery = Delivery::start(config(&outage.sink.dsn(), folder.path())).unwrap();
    until("it takes over", || delivery.outcome().recovered == 1);
    assert!(delivery.shutdown(LONG).complete);
    assert_eq!(SpoolReport::read(folder.path()).unwrap().destinations.remove(0).outcome.sent(), 1);
}

#[test]
fn a_spools_configuration_is_read_by_name() {
    let read = |json: &str| serde_json::from_str::<SpoolConfig>(json).map_err(|error| error.to_string());
    assert_eq!(read(r#"{"folder": "x"}"#), Ok(SpoolConfig::new("x")));
    let config = read(r#"{"folder": "x", "mode": "durable", "max_bytes": 5, "maxAge": 60}"#).unwrap();
    assert_eq!((config.max_bytes, config.max_age), (5, Duration::from_secs(60)));
    assert!(read(r#"{"folder": "x", "size": 5}"#).unwrap_err().contains("unknown field `size`"));
}
