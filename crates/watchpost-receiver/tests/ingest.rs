//! What arrives: encodings, damage, bombs, repeats, items of every kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;
use support::{PATIENCE, counts, envelope, error, get, log, logs, post, read, request, start, start_with};

const ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"POST /stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn every_encoding_is_undone() {
    let receiver = start();
    let plain = include_bytes!("fixtures/hello.envelope");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(plain).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(plain).unwrap();
    let bodies: [(&str, Vec<u8>); 9] = [
        ("", plain.to_vec()),
        ("identity", plain.to_vec()),
        ("gzip", gzip(plain)),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("br", include_bytes!("fixtures/hello.envelope.br").to_vec()),
        ("zstd", zstd::encode_all(&plain[..], 3).unwrap()),
        ("gzip, zstd", zstd::encode_all(&gzip(plain)[..], 3).unwrap()),
        ("zstd, identity, gzip", gzip(&zstd::encode_all(&plain[..], 3).unwrap())),
    ];
    for (at, (encoding, body)) in bodies.iter().enumerate() {
        let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &[("content-encoding", encoding)], body);
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
        let listed = read(receiver.addr(), "/api/logs");
        assert_eq!(listed["logs"].as_array().unwrap().len(), at + 1, "{encoding}");
        assert_eq!(listed["logs"][0]["body"], "hello");
    }
}

#[test]
fn all_routes_of_sentry_and_spotlight_take_envelopes() {
    let receiver = start();
    for path in ["/api/1/envelope/", "/api/any-project/envelope", "/stream", "/api/42/envelope/?sentry_key=x"] {
        let answer = request(receiver.addr(), "POST", path, &[], &logs(&[log(1.0, "info", path)]));
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(counts(receiver.addr(), "log").0, 4);
}

#[test]
fn the_answer_names_the_envelope() {
    let receiver = start();
    assert_eq!(post(receiver.addr(), &error(&json!({"event_id": ID, "message": "x"}))), json!({ "id": ID }));
    assert_eq!(post(receiver.addr(), &logs(&[log(1.0, "info", "x")])), json!({}));
}

#[test]
fn damage_costs_only_what_is_behind_it() {
    let receiver = start();
    let mut bytes = logs(&[log(1.0, "info", "before")]);
    bytes.extend_from_slice(b"{\"type\":\"event\",\"length\":9999}\n{\"message\":\"cut");
    let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &[], &bytes);
    assert_eq!(answer.status, 400);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("item 2") && detail.contains("1 item before it was kept"), "{detail}");
    assert_eq!(read(receiver.addr(), "/api/logs")["logs"][0]["body"], "before");
    assert_eq!(read(receiver.addr(), "/api/stats")["rejected_envelopes"], 1);
}

#[test]
fn what_is_no_envelope_is_refused_with_a_reason() {
    let receiver = start();
    for body in [&b""[..], b"hello", b"[]\n", b"{}\nnot json\n", b"{}\n{}\n{}"] {
        let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &[], body);
        assert_eq!(answer.status, 400, "{body:?}");
        assert!(answer.json()["detail"].is_string());
    }
    let cut = gzip(&logs(&[log(1.0, "info", "x")]));
    let headers = [("content-encoding", "gzip")];
    let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &headers, &cut[..cut.len() / 2]);
    assert_eq!(answer.status, 400);
    let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &[("content-encoding", "snappy")], &cut);
    assert_eq!(answer.status, 415);
}

#[test]
fn a_bomb_is_refused_and_the_receiver_lives() {
    let receiver = start_with(support::config().with_max_envelope_bytes(1 << 20));
    // 16 MiB of one item, and the same packed again.
    let bomb = gzip(&envelope(&json!({}), &[("attachment", &vec![0; 16 << 20])]));
    let packed = gzip(&bomb);
    assert!(packed.len() < bomb.len() && bomb.len() < 500_000);
    for (encoding, body) in [("gzip", &bomb), ("gzip, gzip", &packed)] {
        let answer = request(receiver.addr(), "POST", "/api/1/envelope/", &[("content-encoding", encoding)], body);
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    assert_eq!(get(receiver.addr(), "/health").text(), "ok");
}

#[test]
fn an_envelope_over_the_limit_is_too_large_in_every_form() {
    let receiver = start_with(support::config().with_max_envelope_bytes(10_000));
    let large = logs(&[log(1.0, "info", &"x".repeat(20_000))]);
    let packed = gzip(&large);
    for (encoding, body) in [("identity", &large), ("gzip", &packed)] {
        let headers = [("content-encoding", encoding)];
        assert_eq!(request(receiver.addr(), "POST", "/api/1/envelope/", &headers, body).status, 413, "{encoding}");
    }
    assert_eq!(support::send(receiver.addr(), &chunked(&large)).status, 413);
    assert_eq!(counts(receiver.addr(), "log").0, 0);
}

#[test]
fn a_chunked_body_is_taken() {
    let receiver = start();
    let body = logs(&[log(1.0, "info", &"x".repeat(100_000))]);
    assert_eq!(support::send(receiver.addr(), &chunked(&body)).status, 200);
    assert_eq!(counts(receiver.addr(), "log").0, 1);
}

#[test]
fn items_of_any_type_are_kept_as_they_came() {
    let receiver = start();
    let binary: Vec<u8> = (0..=255).collect();
    let items: [(&str, &[u8]); 3] =
        [("attachment", &binary), ("replay_event", b"{ \"a\" : 1.10 }"), ("Odd Type!", b"x")];
    post(receiver.addr(), &envelope(&json!({}), &items));
    for (at, (_, payload)) in items.iter().enumerate() {
        let answer = get(receiver.addr(), &format!("/api/items/{}", at + 1));
        assert_eq!(answer.body, *payload);
        let is_json = at == 1;
        assert_eq!(answer.header("content-type") == Some("application/json"), is_json);
        assert_eq!(answer.header("content-disposition") == Some("attachment"), !is_json);
    }
    assert_eq!(counts(receiver.addr(), "attachment"), (1, 0, 0, 0));
    assert_eq!(counts(receiver.addr(), "other"), (1, 0, 0, 0));
}

#[test]
fn an_unreadable_payload_is_kept_raw_and_counted() {
    let receiver = start();
    let deep = "[".repeat(10_000);
    let items: [(&str, &[u8]); 5] = [
        ("event", b"{nonsense"),
        ("transaction", b"{}"),
        ("log", b"[1]"),
        ("span", b"{\"items\":[3]}"),
        ("event", deep.as_bytes()),
    ];
    post(receiver.addr(), &envelope(&json!({}), &items));
    assert_eq!(counts(receiver.addr(), "event"), (2, 0, 2, 0));
    assert_eq!(counts(receiver.addr(), "transaction"), (1, 0, 1, 0));
    assert_eq!(counts(receiver.addr(), "log"), (1, 0, 1, 0));
    assert_eq!(counts(receiver.addr(), "span"), (1, 0, 1, 0));
    assert_eq!(get(receiver.addr(), "/api/items/1").body, b"{nonsense");
}

#[test]
fn what_is_sent_twice_is_stored_once_and_counted() {
    let receiver = start();
    let trace = json!({"trace_id": ID, "span_id": "8353589fcb2e04dc"});
    let transaction = json!({"type": "transaction", "event_id": ID, "timestamp": 2, "start_timestamp": 1, "contexts": {"trace": trace}});
    let mut with_id = log(1.0, "info", "x");
    with_id["event_id"] = json!(ID);
    let mut with_attribute = log(1.0, "info", "x");
    with_attribute["attributes"] = json!({"event_id": {"value": "evt_3MPhOUoro9COQ2wfNAKVnKdGna6", "type": "string"}});
    let span =
        json!({"trace_id": ID, "span_id": "8353589fcb2e04dc", "name": "n", "start_timestamp": 1, "end_timestamp": 2});
    let event = error(&json!({"event_id": ID, "message": "x"}));
    let transaction = envelope(&json!({ "event_id": ID }), &[("transaction", transaction.to_string().as_bytes())]);
    let spans = envelope(&json!({}), &[("span", json!({ "items": [span] }).to_string().as_bytes())]);
    for _ in 0..2 {
        for body in [&event, &transaction, &spans, &logs(&[with_id.clone()]), &logs(&[with_attribute.clone()])] {
            post(receiver.addr(), body);
        }
    }
    for ty in ["event", "transaction", "span"] {
        assert_eq!(counts(receiver.addr(), ty), (2, 1, 0, 0), "{ty}");
    }
    assert_eq!(counts(receiver.addr(), "log"), (4, 2, 0, 0));
    assert_eq!(read(receiver.addr(), "/api/issues")["issues"][0]["count"], 1);
    assert_eq!(read(receiver.addr(), "/api/stats")["kept"], 5);
}

#[test]
fn logs_without_an_id_are_never_taken_for_repeats() {
    let receiver = start();
    let same = log(1.0, "info", "tick");
    post(receiver.addr(), &logs(&[same.clone(), same.clone()]));
    post(receiver.addr(), &logs(&[same]));
    assert_eq!(counts(receiver.addr(), "log"), (3, 0, 0, 0));
}

#[test]
fn client_reports_are_summed_up() {
    let receiver = start();
    let report = json!({"timestamp": 1, "discarded_events": [
        {"reason": "queue_overflow", "category": "log_item", "quantity": 3},
        {"reason": "ratelimit_backoff", "category": "error", "quantity": 1}]});
    let body = envelope(&json!({}), &[("client_report", report.to_string().as_bytes())]);
    post(receiver.addr(), &body);
    post(receiver.addr(), &body);
    let expected = json!([
        {"reason": "queue_overflow", "category": "log_item", "quantity": 6},
        {"reason": "ratelimit_backoff", "category": "error", "quantity": 2}]);
    assert_eq!(read(receiver.addr(), "/api/stats")["discarded_by_senders"], expected);
}

#[test]
fn invented_item_types_are_counted_within_bounds() {
    let receiver = start();
    for batch in 0..20 {
        let types: Vec<String> = (0..10).map(|at| format!("kind_{batch}_{at}")).collect();
        let items: Vec<(&str, &[u8])> = types.iter().map(|ty| (ty.as_str(), &b"{}"[..])).collect();
        post(receiver.addr(), &envelope(&json!({}), &items));
    }
    let stats = read(receiver.addr(), "/api/stats");
    let items = stats["items"].as_array().unwrap();
    assert!(items.len() <= 65, "{}", items.len());
    assert_eq!(items.iter().map(|item| item["received"].as_u64().unwrap()).sum::<u64>(), 200);
    assert_eq!(stats["kept"], 200);
}

#[test]
fn requests_that_do_not_wait_for_each_other_are_answered_in_order() {
    let receiver = start();
    let mut bytes = Vec::new();
    for at in 0..60 {
        // Some that are refused, and pages that are larger than what is held back of answers.
        let (head, body) = match at % 3 {
            0 => ("POST /api/1/envelope/", logs(&[log(1.0, "info", "pipelined")])),
            1 => ("POST /api/1/envelope/", b"damaged".to_vec()),
            _ => ("GET /assets/style.css", Vec::new()),
        };
        bytes.extend_from_slice(
            format!("{head} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len()).as_bytes(),
        );
        bytes.extend_from_slice(if at == 59 { b"connection: close\r\n\r\n" } else { b"\r\n" });
        bytes.extend_from_slice(&body);
    }
    let mut stream = TcpStream::connect(receiver.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || sender.write_all(&bytes));
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    sending.join().unwrap().unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "400", "200"].repeat(20));
    assert_eq!(counts(receiver.addr(), "log"), (20, 0, 0, 0));
}

#[test]
fn an_event_by_itself_is_taken_as_old_sdks_send_it() {
    let receiver = start();
    let to = receiver.addr();
    let event = json!({"event_id": ID, "timestamp": 1.0, "level": "error", "exception": {"values": [{"type": "Old", "value": "SDK"}]}});
    let body = gzip(event.to_string().as_bytes());
    let answer = request(to, "POST", "/api/1/store/", &[("content-encoding", "gzip")], &body);
    assert_eq!((answer.status, answer.json()), (200, json!({ "id": ID })));
    assert_eq!(read(to, "/api/issues")["issues"][0]["title"], "Old: SDK");
    let trace = json!({"trace_id": "1".repeat(32), "span_id": "2".repeat(16), "op": "task"});
    let transaction = json!({"type": "transaction", "event_id": "3".repeat(32), "transaction": "old", "timestamp": 2.0, "start_timestamp": 1.0, "contexts": {"trace": trace}, "spans": []});
    assert_eq!(request(to, "POST", "/api/1/store", &[], transaction.to_string().as_bytes()).status, 200);
    assert_eq!(read(to, "/api/traces")["traces"][0]["name"], "old");
    for damaged in [&b""[..], b"[]", b"{\"a\":", &body[..20]] {
        let answer = request(to, "POST", "/api/1/store/", &[], damaged);
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let cut = request(to, "POST", "/api/1/store/", &[("content-encoding", "gzip")], &body[..20]);
    assert_eq!(cut.status, 400, "{}", cut.text());
}
