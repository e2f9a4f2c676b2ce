//! What is told as it happens, and how a receiver starts and stops.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use support::{PATIENCE, config, envelope, error, log, logs, post, start};
use watchpost_receiver::{Receiver, ReceiverConfig, ReceiverError, tail};

/// Opens the stream and waits until it is open, so that nothing sent after is missed.
fn listen(to: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0);
    }
    reader
}

/// The next message's data; `None` at the stream's end.
fn next(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        if let Some(data) = line.trim_end().strip_prefix("data: ") {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

#[test]
fn the_stream_tells_each_item_as_it_is_stored() {
    let receiver = start();
    let mut stream = listen(receiver.addr(), "/stream");
    post(receiver.addr(), &logs(&[log(1.0, "info", "first"), log(2.0, "warn", "second")]));
    post(receiver.addr(), &error(&json!({"event_id": "a".repeat(32), "exception": {"values": [{"type": "Boom"}]}})));
    let first = next(&mut stream).unwrap();
    assert_eq!((&first["type"], &first["title"], &first["level"]), (&json!("log"), &json!("first"), &json!("info")));
    assert_eq!(first["payload"]["body"], "first");
    assert_eq!(next(&mut stream).unwrap()["title"], "second");
    let issue = next(&mut stream).unwrap();
    assert_eq!((&issue["type"], &issue["title"]), (&json!("event"), &json!("Boom")));
}

#[test]
fn the_stream_may_be_had_without_payloads() {
    let receiver = start();
    let mut stream = listen(receiver.addr(), "/stream?payload=0");
    post(receiver.addr(), &logs(&[log(1.0, "info", "x")]));
    let message = next(&mut stream).unwrap();
    assert_eq!((message["title"].as_str(), message.get("payload")), (Some("x"), None));
}

#[test]
fn what_was_there_already_is_not_told_again() {
    let receiver = start();
    let event = error(&json!({"event_id": "a".repeat(32), "message": "once"}));
    post(receiver.addr(), &event);
    receiver.store().sync().unwrap();
    let mut items = receiver.subscribe();
    post(receiver.addr(), &event);
    post(receiver.addr(), &logs(&[log(1.0, "info", "new")]));
    assert_eq!(items.recv().unwrap().title, "new");
}

#[test]
fn a_subscriber_gets_lines_for_a_terminal_and_then_the_end() {
    let receiver = start();
    let mut items = receiver.subscribe();
    let mut sent = log(1.0, "error", "MCP tools/call: \u{1b}[2Jecho");
    sent["attributes"] =
        json!({"event_type": {"value": "tools/call"}, "session_id": {"value": "ses_1"}, "duration_ms": {"value": 12}});
    post(receiver.addr(), &logs(&[sent]));
    receiver.stop();
    let item = items.recv().unwrap();
    assert_eq!(
        tail::format_item(&item, false),
        "00:00:01.000Z log   error MCP tools/call: \\u{1b}[2Jecho  12 ms  ses_1"
    );
    assert!(items.recv().is_none());
    assert_eq!(items.missed(), 0);
}

#[test]
fn a_slow_subscriber_is_told_how_much_it_missed() {
    let receiver = start();
    let mut items = receiver.subscribe();
    for _ in 0..50 {
        post(receiver.addr(), &logs(&vec![log(1.0, "info", "x"); 100]));
    }
    receiver.stop();
    let mut got = 0;
    while items.recv().is_some() {
        got += 1;
    }
    assert!(items.missed() > 0);
    assert_eq!(got + items.missed(), 5_000);
}

#[test]
fn stopping_ends_open_streams_and_frees_the_port() {
    let receiver = start();
    let address = receiver.addr();
    let mut stream = listen(address, "/stream");
    let (done, stopped) = mpsc::channel();
    thread::spawn(move || {
        receiver.stop();
        done.send(()).unwrap();
    });
    assert!(next(&mut stream).is_none());
    stopped.recv_timeout(PATIENCE).unwrap();
    let again = Receiver::bind(ReceiverConfig::default().with_address(address)).unwrap();
    assert_eq!(again.local_addr(), address);
}

#[test]
fn dropping_stops_too() {
    let receiver = start();
    let address = receiver.addr();
    drop(receiver);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_taken_port_is_said_to_be_taken() {
    let receiver = start();
    let taken = Receiver::bind(ReceiverConfig::default().with_address(receiver.addr())).unwrap_err();
    assert!(matches!(taken, ReceiverError::AddressInUse { .. }));
    assert!(
        taken.to_string().contains(&receiver.addr().to_string()) && taken.to_string().contains("in use"),
        "{taken}"
    );
}

#[test]
fn an_address_others_reach_needs_a_word() {
    let open = config().with_address("0.0.0.0:0".parse().unwrap());
    assert!(matches!(Receiver::bind(open.clone()), Err(ReceiverError::NotLoopback { .. })));
    let receiver = Receiver::bind(open.with_remote_access(true)).unwrap().start().unwrap();
    assert_eq!(receiver.url(), format!("http://127.0.0.1:{}/", receiver.addr().port()));
    assert_eq!(support::get(SocketAddr::from(([127, 0, 0, 1], receiver.addr().port())), "/health").status, 200);
}

#[test]
fn the_store_answers_from_any_thread_of_any_runtime() {
    let receiver = start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    post(receiver.addr(), &envelope(&json!({}), &[("attachment", b"x")]));
    let kept = runtime.block_on(async { receiver.store().stats().unwrap().kept });
    assert_eq!(kept, 1);
}
