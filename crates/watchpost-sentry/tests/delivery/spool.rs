//! The spool: what was accepted survives outages, rate limits and the process.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use watchpost_sentry::{
    delivery::{
        BufferLimits, Compression, Delivery, DeliveryConfig, DropReason, EncodedTransaction, SpoolConfig, SpoolMode,
        SpoolReport,
    },
    wire::{Category, EventId, Timestamp},
};

use crate::{
    items::{LONG, context, error, log, span, transaction},
    sink::{OK, Received, Reply, Sink},
};

pub(crate) fn config(dsn: &str, folder: &Path) -> DeliveryConfig {
    DeliveryConfig::new(dsn.parse().unwrap())
        .with_compression(Compression::None)
        .with_spool(SpoolConfig::new(folder))
        .with_drop_timeout(Duration::ZERO)
}

pub(crate) fn start(dsn: &str, folder: &Path) -> Delivery {
    Delivery::start(config(dsn, folder)).unwrap()
}

/// The numbers in the bodies of the logs that came, in order.
pub(crate) fn numbers(received: &[Received]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for item in received.iter().flat_map(Received::items).filter(|item| item.ty == "log") {
        let payload: serde_json::Value = serde_json::from_slice(&item.payload).unwrap();
        for log in payload["items"].as_array().unwrap() {
            numbers.push(log["attributes"]["number"]["value"].as_u64().unwrap());
        }
    }
    numbers.sort_unstable();
    numbers
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What is in the folder beside the account of what became of everything.
pub(crate) fn items(folder: &Path) -> Vec<PathBuf> {
    let is_account = |path: &PathBuf| path.file_name().is_some_and(|name| name == "ledger" || name == "ledger.lock");
    files(folder).into_iter().filter(|path| !is_account(path)).collect()
}

pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
}

pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_one_process_could_not_send_the_next_one_sends_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    {
        let delivery = start(&outage.sink.dsn(), folder.path());
        for number in 0..250 {
            delivery.log(&log(number));
        }
        delivery.error(&error(0), Some(&context(7)));
        delivery.transaction(&transaction(0), Some(&context(7)));
        delivery.spans(&[span(7, 1, false), span(7, 2, true)], &context(7));
        let mut hybrid = EncodedTransaction { event_id: EventId([9; 16]), spans: 1, ..EncodedTransaction::default() };
        transaction(8).write_json(&mut hybrid.json);
        hybrid.streamed.push_span(&span(7, 3, false));
        delivery.encoded_transaction(hybrid, Some(&context(7)));
        let outcome = delivery.shutdown(Duration::from_millis(200));
        assert_eq!((outcome.accepted(), outcome.held(), outcome.dropped()), (256, 256, 0));
        assert!(outcome.spool_bytes > 0 && !segments(folder.path()).is_empty());
    }
    // Another destination: none of its business.
    let other = start("http://key@127.0.0.1:9/1", folder.path());
    other.log(&log(0));
    assert!(other.sync(LONG));
    assert_eq!(other.outcome().recovered, 0);

    outage.end();
    let delivery = start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered == 256);
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.sent(), outcome.recovered), (256, 256), "{outcome}");
    let received = outage.answered();
    assert_eq!(numbers(&received), (0..250).collect::<Vec<_>>());
    let kinds: Vec<_> = received.iter().flat_map(Received::items).map(|item| item.ty).collect();
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert_eq!((count("event"), count("transaction"), count("span")), (1, 2, 2));
    delivery.shutdown(LONG);
    drop(other);
    let left = segments(folder.path());
    assert_eq!(left.len(), 1, "the other destination's: {left:?}");
}

/// A sink that cuts every connection until it is let up, and what it answered since.
pub(crate) struct Outage {
    pub(crate) sink: Sink,
    up: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Received>>>,
}

impl Outage {
    pub(crate) fn begin() -> Self {
        let (up, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_up, kept) = (up.clone(), answered.clone());
        let sink = Sink::start(move |request| {
            if !is_up.load(Ordering::SeqCst) {
                return Reply::Raw(b"");
            }
            kept.lock().unwrap().push(request.clone());
            OK
        });
        Self { sink, up, answered }
    }

    pub(crate) fn end(&self) {
        self.up.store(true, Ordering::SeqCst);
    }

    pub(crate) fn answered(&self) -> Vec<Received> {
        self.answered.lock().unwrap().clone()
    }
}

#[test]
fn an_outage_that_outgrows_the_memory_loses_nothing_and_repeats_nothing() {
    const LOGS: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let mut limits = BufferLimits::default();
    limits.logs = 128 * 1024;
    let delivery = Delivery::start(config(&sink.dsn(), folder.path()).with_buffer_limits(limits)).unwrap();
    for number in 0..LOGS {
        delivery.log(&log(number));
        if number % 200 == 0 {
            assert!(delivery.sync(LONG));
        }
    }
    let outcome = delivery.outcome();
    assert_eq!((outcome.accepted(), outcome.dropped()), (LOGS, 0));
    sink.open();
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.sent(), outcome.dropped()), (LOGS, 0));
    assert_eq!(numbers(&sink.received()), (0..LOGS).collect::<Vec<_>>());
    delivery.shutdown(LONG);
    assert_eq!(items(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_rate_limit_holds_its_categories_and_lets_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(|request| match request.number {
        0 => Reply::Answer(429, &["x-sentry-rate-limits: 1:transaction:org"], "{}"),
        _ => OK,
    });
    let delivery = start(&sink.dsn(), folder.path());
    delivery.transaction(&transaction(0), None);
    sink.wait_for(1);
    delivery.transaction(&transaction(1), None);
    delivery.error(&error(0), None);
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!((outcome.sent(), outcome.dropped()), (3, 0));
    let items = sink.items();
    assert_eq!((items["event"], items["transaction"]), (1, 3), "the one that was refused came again");
}

#[test]
fn processes_that_share_a_folder_leave_each_other_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let deliveries = [0, 1, 2].map(|_| start(&sink.dsn(), folder.path()));
    for (place, delivery) in deliveries.iter().enumerate() {
        for number in 0..10 {
            delivery.log(&log(place as u64 * 10 + number));
        }
        assert!(delivery.sync(LONG));
    }
    let late = start(&sink.dsn(), folder.path());
    late.log(&log(99));
    assert!(late.sync(LONG));
    assert_eq!(late.outcome().recovered, 0);
    sink.open();
    for delivery in deliveries.iter().chain([&late]) {
        assert!(delivery.shutdown(LONG).complete);
    }
    assert_eq!(numbers(&sink.received()), (0..30).chain([99]).collect::<Vec<_>>());
    assert_eq!(items(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn in_durable_mode_an_item_is_on_disk_when_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let spool = SpoolConfig::new(folder.path()).with_mode(SpoolMode::Durable);
    let delivery = Delivery::start(config(&sink.dsn(), folder.path()).with_spool(spool)).unwrap();
    for number in 0..20 {
        delivery.log(&log(number));
        let content: Vec<u8> = segments(folder.path()).into_iter().flat_map(|path| fs::read(path).unwrap()).collect();
        let body = format!("\"log {number}\"");
        assert!(content.windows(body.len()).any(|window| window == body.as_bytes()), "{number}");
    }
    sink.open();
    assert!(delivery.shutdown(LONG).complete);
}

#[test]
fn only_the_owner_can_read_it_and_the_dsn_is_not_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let dsn = sink.dsn().replace("key@", "0123456789abcdef@");
    let delivery = start(&dsn, &folder.path().join("made"));
    delivery.log(&log(0));
    // Sampling contexts name the key, too.
    let mut context = context(7);
    context.public_key = "0123456789abcdef".into();
    delivery.error(&error(0), Some(&context));
    delivery.transaction(&transaction(0), Some(&context));
    delivery.spans(&[span(7, 1, true)], &context);
    assert!(delivery.sync(LONG));
    #[cfg(unix)]
    for path in files(folder.path()) {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let parent = path.parent().unwrap();
        assert_eq!(fs::metadata(parent).unwrap().permissions().mode() & 0o777, 0o700, "{}", parent.display());
    }
    let found = files(folder.path());
    assert!(!found.is_empty());
    for path in found {
        assert!(!path.to_string_lossy().contains("0123456789abcdef"));
        assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("0123456789abcdef"), "{}", path.display());
    }
    sink.open();
    delivery.shutdown(LONG);
}

#[test]
fn a_folder_that_cannot_be_used_costs_the_spool_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "in the way").unwrap();
    let sink = Sink::ok();
    let delivery = start(&sink.dsn(), &file);
    delivery.log(&log(1));
    assert!(!delivery.sync(LONG), "it is not safe, and said so");
    delivery.log(&log(2));
    let outcome = delivery.shutdown(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!(numbers(&sink.received()), [1, 2]);
    assert_eq!(fs::read_to_string(file).unwrap(), "in the way");
}

#[test]
fn beyond_its_bound_the_oldest_go_and_are_counted() {
    const LOGS: u64 = 6_000;
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::closed();
    let mut limits = BufferLimits::default();
    limits.logs = 64 * 1024;
    let spool = SpoolConfig::new(folder.path()).with_max_bytes(2 * 1024 * 1024);
    let delivery =
        Delivery::start(config(&sink.dsn(), folder.path()).with_buffer_limits(limits).with_spool(spool)).unwrap();
    let mut large = log(0);
    large.body = "x".repeat(2_000).into();
    for number in 0..LOGS {
        large.attributes.0.clear();
        large.attributes.push("number", number as i64);
        delivery.log(&large);
        if number % 100 == 0 {
            assert!(delivery.sync(LONG));
        }
    }
    let on_disk: u64 = segments(folder.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk <= 3 * 1024 * 1024 + 512 * 1024, "{on_disk}");
    sink.open();
    let outcome = delivery.shutdown(LONG);
    assert!(outcome.complete, "{outcome}");
    let logs = outcome.tally(Category::LogItem);
    assert_eq!(logs.accepted, LOGS);
    // Those in memory whose segment went have nothing to fall back on.
    let overflow = logs.dropped_by(DropReason::CacheOverflow) + logs.dropped_by(DropReason::QueueOverflow);
    assert_eq!(logs.sent + overflow, LOGS, "{outcome}");
    assert!(logs.dropped_by(DropReason::CacheOverflow) > 1_000, "{outcome}");
    let numbers = numbers(&sink.received());
    assert_eq!(numbers.len() as u64, logs.sent);
    assert_eq!(numbers.last(), Some(&(LOGS - 1)), "the newest are kept");
}

#[test]
fn damage_on_disk_costs_what_it_hit_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    {
        let delivery = start(&outage.sink.dsn(), folder.path());
        (0..100).for_each(|number| delivery.log(&log(number)));
        assert!(delivery.sync(LONG));
        delivery.shutdown(Duration::from_millis(200));
    }
    let segment = segments(folder.path()).remove(0);
    let mut content = fs::read(&segment).unwrap();
    let hit = content.windows(8).position(|window| window == b"\"log 50\"").unwrap();
    content[hit + 1] ^= 1;
    content.truncate(content.len() - 3);
    fs::write(&segment, &content).unwrap();
    outage.end();
    let delivery = start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered == 98);
    assert!(delivery.shutdown(LONG).complete);
    assert_eq!(numbers(&outage.answered()), (0..99).filter(|number| *number != 50).collect::<Vec<_>>());
}

/// Where a sender in a process of its own sends to, and where it keeps what it could not send.
const SENDER: &str = "WATCHPOST_TEST_SENDER";

/// Not a test: the process that the next one kills. Says of every tenth log that all before it are safe.
#[test]
#[ignore = "what the next test runs in a process of its own"]
fn send_until_killed() {
    let Ok(sender) = std::env::var(SENDER) else { return };
    let mut parts = sender.split(' ');
    let (dsn, folder, first) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let first: u64 = first.parse().unwrap();
    let delivery = start(dsn, Path::new(folder));
    for number in first.. {
        delivery.log(&log(number));
        if number % 10 == 9 {
            assert!(delivery.sync(LONG));
            // The harness captures what tests print; this has to get out.
            writeln!(std::io::stderr(), "safe {number}").unwrap();
        }
    }
}

#[test]
fn what_was_safe_survives_a_kill_whenever_it_comes() {
    const KILLS: u64 = 12;
    const SPAN: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let outage = Outage::begin();
    let mut safe = Vec::new();
    for kill in 0..KILLS {
        let first = kill * SPAN;
        let mut sender = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "spool::send_until_killed"])
            .env(SENDER, format!("{} {} {first}", outage.sink.dsn(), folder.path().display()))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(sender.stderr.take().unwrap()).lines();
        // Some die early, some after they took over what the others left.
        let wanted = 1 + (kill * 7) % 23;
        let said = lines.filter_map(|line| line.unwrap().strip_prefix("safe ")?.parse::<u64>().ok());
        let last = said.take(wanted as usize).last().unwrap();
        sender.kill().unwrap();
        sender.wait().unwrap();
        safe.extend(first..=last);
    }
    let killed = Timestamp::now();
    // Envelopes say when they were sent to the millisecond.
    until("a millisecond passes", || Timestamp::now().duration_since(killed) > Duration::from_millis(1));
    outage.end();
    let delivery = start(&outage.sink.dsn(), folder.path());
    until("it takes over", || delivery.outcome().recovered >= safe.len() as u64);
    let outcome = delivery.shutdown(LONG);
    assert!(outcome.complete, "{outcome}");
    assert_eq!(outcome.dropped(), 0, "{outcome}");
    // What a killed sender had written may still be in a socket, to be read when the outage is over.
    let (_, answered): (Vec<_>, Vec<_>) = outage
        .answered()
        .into_iter()
        .partition(|request| request.envelope().0.sent_at.is_some_and(|sent| sent < killed));
    let arrived = numbers(&answered);
    let missing: Vec<_> = safe.iter().filter(|number| arrived.binary_search(number).is_err()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let mut once = arrived.clone();
    once.dedup();
    assert_eq!(once.len(), arrived.len(), "nothing was answered before a kill, so nothing may come twice");
    let told = SpoolReport::read(folder.path()).unwrap().destinations.remove(0).outcome;
    assert_eq!(told.accepted(), told.sent() + told.dropped(), "{told}");
    assert_eq!((told.sent(), told.held()), (arrived.len() as u64, 0), "{told}");
    assert_eq!(items(folder.path()), Vec::<PathBuf>::new());
}
