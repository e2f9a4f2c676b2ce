//! A minimal HTTP client over a real socket, and envelopes to send.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use watchpost_receiver::{Receiver, ReceiverConfig, RunningReceiver};

/// Beyond this a test has failed, not waited.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration with a free port.
pub fn config() -> ReceiverConfig {
    ReceiverConfig::default().with_address(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A receiver in memory on a free port.
pub fn start() -> RunningReceiver {
    start_with(config())
}

pub fn start_with(config: ReceiverConfig) -> RunningReceiver {
    Receiver::bind(config).unwrap().start().unwrap()
}

/// An answer, its header names in lower case.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request on a connection of its own. `Host` is added unless it is among `headers`.
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: {to}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    send(to, &[head.as_bytes(), body].concat())
}

/// Sends bytes and reads the answer to its end.
pub fn send(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A receiver that has seen enough may answer and close before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer with a head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: answer[end + 4..].to_vec() }
}

pub fn get(to: SocketAddr, path: &str) -> Answer {
    request(to, "GET", path, &[], b"")
}

/// Reads the JSON API.
pub fn read(to: SocketAddr, path: &str) -> Value {
    let answer = get(to, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Sends an envelope that must be accepted.
pub fn post(to: SocketAddr, envelope: &[u8]) -> Value {
    let answer = request(to, "POST", "/api/1/envelope/", &[], envelope);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// An envelope of items, each a type and a payload.
pub fn envelope(header: &Value, items: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = header.to_string().into_bytes();
    for (ty, payload) in items {
        bytes.extend_from_slice(format!("\n{}\n", json!({"type": ty, "length": payload.len()})).as_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes.push(b'\n');
    bytes
}

/// An envelope of logs.
pub fn logs(logs: &[Value]) -> Vec<u8> {
    envelope(&json!({}), &[("log", json!({ "items": logs }).to_string().as_bytes())])
}

/// A log without an id.
pub fn log(seconds: f64, level: &str, body: &str) -> Value {
    json!({"timestamp": seconds, "trace_id": "0123456789abcdef0123456789abcdef", "level": level, "body": body, "attributes": {}})
}

/// An envelope of one error event.
pub fn error(event: &Value) -> Vec<u8> {
    envelope(&json!({"event_id": event["event_id"]}), &[("event", event.to_string().as_bytes())])
}

/// How many items of a type were received, stored twice, unreadable and pruned.
pub fn counts(to: SocketAddr, ty: &str) -> (u64, u64, u64, u64) {
    let stats = read(to, "/api/stats");
    let item = stats["items"].as_array().unwrap().iter().find(|item| item["type"] == ty).cloned().unwrap_or_default();
    let count = |name: &str| item[name].as_u64().unwrap_or(0);
    (count("received"), count("duplicates"), count("unreadable"), count("pruned"))
}
