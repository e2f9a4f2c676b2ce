//! The database: kept between runs, after a kill, below its cap; other versions' and programs' files are left alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::json;
use support::{PATIENCE, config, counts, get, log, logs, post, read, start_with};
use watchpost_receiver::{Database, Page, Receiver, ReceiverError, Store, StoreError};

fn mcp_log(at: u32) -> serde_json::Value {
    let mut log = log(f64::from(at), "info", &format!("call {at}"));
    log["span_id"] = json!(format!("{:016x}", at + 1));
    log["attributes"] = json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "ses_kept"}});
    log
}

#[test]
fn what_was_received_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = config().with_file(directory.path().join("w.db"));
    let first = start_with(config.clone());
    post(first.addr(), &logs(&[mcp_log(1)]));
    first.stop();
    let second = start_with(config);
    post(second.addr(), &logs(&[mcp_log(2)]));
    let detail = read(second.addr(), "/api/sessions/ses_kept");
    assert_eq!(detail["events"].as_array().unwrap().len(), 2);
    assert_eq!(detail["session"]["events"], 2);
    assert_eq!(counts(second.addr(), "log").0, 2);
}

#[test]
fn stopping_writes_what_was_queued() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    let receiver = start_with(config().with_file(&file));
    for at in 0..50 {
        post(receiver.addr(), &logs(&[mcp_log(at)]));
    }
    receiver.stop();
    let store = Store::open(&Database::File(file), u64::MAX).unwrap();
    assert_eq!(store.stats().unwrap().kept, 50);
}

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "started by a_killed_receiver_loses_nothing_that_was_read"]
fn serve_until_killed() {
    let Ok(file) = std::env::var("WATCHPOST_TEST_DATABASE") else { return };
    let receiver = start_with(config().with_file(file));
    println!("\naddress {}", receiver.addr());
    // Ends with its parent, should that fail first.
    let _ = std::io::stdin().lines().count();
}

fn serve_in_a_child(file: &Path) -> (Child, std::net::SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve_until_killed", "--ignored", "--nocapture"])
        .env("WATCHPOST_TEST_DATABASE", file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix("address ").map(|text| text.parse().unwrap()));
    (child, address.expect("the child says where it listens"))
}

#[test]
fn a_killed_receiver_loses_nothing_that_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    let (mut child, address) = serve_in_a_child(&file);
    for at in 0..300 {
        post(address, &logs(&[mcp_log(at)]));
    }
    let seen = counts(address, "log").0;
    // Caught in the middle of writing, as far as timing goes.
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = logs(&(300..800).map(mcp_log).collect::<Vec<_>>());
    let head = format!("POST /stream HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, 300);

    let receiver = start_with(config().with_file(&file));
    let events = read(receiver.addr(), "/api/sessions/ses_kept")["session"]["events"].as_u64().unwrap();
    // The last envelope is there whole or not at all.
    assert!(events == 300 || events == 800, "{events}");
    assert_eq!(counts(receiver.addr(), "log").0, events);
    post(receiver.addr(), &logs(&[mcp_log(9_000)]));
    assert_eq!(read(receiver.addr(), "/api/logs?limit=1")["logs"][0]["body"], "call 9000");
}

#[test]
fn the_oldest_go_when_the_cap_is_reached() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    let cap = 4 << 20;
    let receiver = start_with(config().with_file(&file).with_max_bytes(cap));
    let filler = "x".repeat(2_000);
    for batch in 0..60 {
        let items: Vec<_> = (0..100)
            .map(|at| {
                let mut log = mcp_log(batch * 100 + at);
                log["attributes"]["session_id"] = json!({"value": format!("ses_{batch}")});
                log["attributes"]["filler"] = json!({"value": filler});
                log
            })
            .collect();
        post(receiver.addr(), &logs(&items));
    }
    let stats = read(receiver.addr(), "/api/stats");
    let (received, _, _, pruned) = counts(receiver.addr(), "log");
    assert_eq!(received, 6_000);
    assert!(pruned > 3_000, "{pruned}");
    assert_eq!(stats["kept"], received - pruned);
    assert!(stats["database_bytes"].as_u64().unwrap() <= cap);
    assert_eq!(read(receiver.addr(), "/api/logs?limit=1")["logs"][0]["body"], "call 5999");
    assert_eq!(get(receiver.addr(), "/api/items/1").status, 404);
    assert_eq!(get(receiver.addr(), "/api/sessions/ses_0").status, 404);
    assert_eq!(read(receiver.addr(), "/api/sessions/ses_59")["events"].as_array().unwrap().len(), 100);
    receiver.stop();
    // The last checkpoint gives the pages back; on a busy machine it outlives the time that a stop waits for it.
    let end = Instant::now() + PATIENCE;
    let size = || std::fs::metadata(&file).unwrap().len();
    while size() > 2 * cap {
        assert!(Instant::now() < end, "{}", size());
        std::thread::yield_now();
    }
}

#[test]
fn a_newer_database_is_refused_politely_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.db");
    drop(Store::open(&Database::File(file.clone()), u64::MAX).unwrap());
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let refused = Receiver::bind(config().with_file(&file)).unwrap_err();
    assert!(matches!(refused, ReceiverError::Store(StoreError::Newer { found: 99, .. })));
    assert!(refused.to_string().contains("later version of Watchpost"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn another_programs_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("bookmarks.db");
    rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "remember the milk ".repeat(100)).unwrap();
    for file in [database, text] {
        let before = std::fs::read(&file).unwrap();
        let refused = Receiver::bind(config().with_file(&file)).unwrap_err();
        assert!(
            matches!(refused, ReceiverError::Store(StoreError::Foreign { .. } | StoreError::Open { .. })),
            "{refused}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), before, "{refused}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let refused = Receiver::bind(config().with_file("/no/such/folder/w.db")).unwrap_err();
    assert!(refused.to_string().contains("/no/such/folder/w.db"), "{refused}");
}

#[test]
fn receivers_in_memory_do_not_share() {
    let (first, second) = (support::start(), support::start());
    post(first.addr(), &logs(&[mcp_log(1)]));
    assert_eq!(first.store().sessions(Page::default()).unwrap().sessions.len(), 1);
    assert_eq!(second.store().sessions(Page::default()).unwrap().sessions.len(), 0);
}

#[test]
fn readers_and_senders_do_not_disturb_each_other() {
    let receiver = support::start();
    let address = receiver.addr();
    std::thread::scope(|scope| {
        for sender in 0..4 {
            scope.spawn(move || {
                for at in 0..50 {
                    post(address, &logs(&[mcp_log(sender * 1000 + at)]));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                for path in ["/api/sessions", "/api/logs", "/", "/api/stats"].iter().cycle().take(60) {
                    assert_eq!(get(address, path).status, 200, "{path}");
                }
            });
        }
    });
    assert_eq!(read(address, "/api/sessions/ses_kept")["session"]["events"], 200);
}

#[cfg(unix)]
#[test]
fn a_new_database_is_readable_to_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("view.db");
    let store = Store::open(&Database::File(file), 1 << 20).unwrap();
    store.sync().unwrap();
    for entry in folder.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}
