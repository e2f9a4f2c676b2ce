//! Folders as they should not be: full of what others put there, of what hundreds of processes left, and looked at meanwhile.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use tracing::{Event, Metadata, Subscriber, span};
use watchpost_sentry::delivery::{Delivery, SpoolConfig, SpoolMode, SpoolReport};

use crate::{
    items::{LONG, log},
    sink::Sink,
    spool::{Outage, config, items, numbers, segments, start, until},
};

/// Leaves a queue with one log behind.
fn leave(dsn: &str, folder: &Path, number: u64) {
    let delivery = start(dsn, folder);
    delivery.log(&log(number));
    assert_eq!(delivery.shutdown(Duration::ZERO).dropped(), 0);
}

/// Leaves that many queues behind, which nobody has taken over from each other.
fn leave_many(dsn: &str, folder: &Path, count: u64) {
    let aside = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
    for number in 0..count {
        let own = aside.path().join(number.to_string());
        leave(dsn, &own, number);
        let destination = fs::read_dir(&own).unwrap().next().unwrap().unwrap();
        let common = folder.join(destination.file_name());
        fs::create_dir_all(&common).unwrap();
        let queue = segments(&own).remove(0).parent().unwrap().to_owned();
        fs::rename(&queue, common.join(queue.file_name().unwrap())).unwrap();
    }
}

#[test]
fn hundreds_of_queues_are_taken_over_a_few_at_a_time_and_all_of_them_before_a_flush_is_complete() {
    const QUEUES: u64 = 300;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("spool");
    let outage = Outage::begin();
    leave_many(&outage.sink.dsn(), &folder, QUEUES);
    let is_locked = |path: &PathBuf| {
        let lock = File::open(path.parent().unwrap().join("lock")).unwrap();
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    };
    let delivery = start(&outage.sink.dsn(), &folder);
    assert!(delivery.sync(LONG));
    let held = segments(&folder).iter().filter(|segment| is_locked(segment)).count();
    assert!((1..=64).contains(&held), "{held} files are kept open in somebody else's process");
    outage.end();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.recovered, outcome.sent()), (QUEUES, QUEUES));
    assert_eq!(numbers(&outage.answered()), (0..QUEUES).collect::<Vec<_>>());
    delivery.shutdown(LONG);
    assert_eq!(items(&folder), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn what_others_put_into_the_folder_is_not_followed_waited_for_or_read_without_bound() {
    use std::os::unix::fs::symlink;

    let root = tempfile::tempdir().unwrap();
    let (folder, outage) = (root.path().join("spool"), Outage::begin());
    leave(&outage.sink.dsn(), &folder, 7);
    let segment = segments(&folder).remove(0);
    let queue = segment.parent().unwrap();
    let destination = queue.parent().unwrap();
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    // The same records under a second name.
    fs::copy(&segment, queue.join("1.seg")).unwrap();
    pipe(&queue.join("00000002.seg"));
    symlink("/dev/zero", queue.join("00000003.seg")).unwrap();
    // Larger than all memory, on paper.
    File::create(queue.join("00000004.seg")).unwrap().set_len(1 << 42).unwrap();
    File::create(queue.join("acks")).unwrap().set_len(1 << 42).unwrap();
    for number in 0..2_000 {
        fs::write(queue.join(format!("garbage {number}.seg")), "WPR1").unwrap();
    }
    // A queue that would have somebody's file emptied, one that would never open, and one that is elsewhere.
    let victim = root.path().join("precious");
    fs::write(&victim, "untouched").unwrap();
    fs::create_dir(destination.join("0000000000001-1-0")).unwrap();
    symlink(&victim, destination.join("0000000000001-1-0/lock")).unwrap();
    fs::create_dir(destination.join("0000000000002-1-0")).unwrap();
    pipe(&destination.join("0000000000002-1-0/lock"));
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("lock"), "untouched").unwrap();
    symlink(&elsewhere, destination.join("0000000000003-1-0")).unwrap();

    let report = SpoolReport::read(&folder).unwrap();
    assert_eq!(report.destinations.iter().map(|destination| destination.outcome.held()).sum::<u64>(), 1);
    outage.end();
    let delivery = start(&outage.sink.dsn(), &folder);
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!(numbers(&outage.answered()), [7]);
    delivery.shutdown(LONG);
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    assert_eq!(fs::read_to_string(elsewhere.join("lock")).unwrap(), "untouched");
}

/// Where everything goes that this process logs, once it is set.
static LOGS_OF_LOGS: OnceLock<Delivery> = OnceLock::new();

struct Forward;

impl Subscriber for Forward {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "watchpost"
            && let Some(delivery) = LOGS_OF_LOGS.get()
        {
            delivery.log(&log(1_000));
        }
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn in_durable_mode_the_deliverys_own_logs_can_be_delivered_by_it() {
    let root = tempfile::tempdir().unwrap();
    let (folder, sink) = (root.path().join("spool"), Sink::closed());
    leave(&sink.dsn(), &folder, 1);
    tracing::subscriber::set_global_default(Forward).unwrap();
    let spool = SpoolConfig::new(&folder).with_mode(SpoolMode::Durable);
    // It says on its own thread that it took something over, at the latest when it is asked to do something.
    let lock = File::open(segments(&folder).remove(0).parent().unwrap().join("lock")).unwrap();
    lock.lock_shared().unwrap();
    let delivery = Delivery::start(config(&sink.dsn(), &folder).with_spool(spool)).unwrap();
    LOGS_OF_LOGS.set(delivery.clone()).unwrap();
    drop(lock);
    until("it took over", || delivery.outcome().recovered == 1);
    delivery.log(&log(2));
    assert!(delivery.sync(LONG), "the spool's thread waits for itself");
    sink.open();
    assert!(delivery.shutdown(LONG).complete);
    assert!(numbers(&sink.received()).contains(&1_000));
}
