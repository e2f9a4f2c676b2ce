//! What is sent to the receiver: envelopes as senders make them, over a few connections that do not wait for each answer.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::Failure;

/// Connections, as of so many senders.
const CONNECTIONS: u64 = 4;
/// Requests on their way at once on a connection.
const PIPELINED: u64 = 32;
/// A receiver that is silent for so long is broken.
const SILENCE: Duration = Duration::from_secs(60);
/// Sessions that events are spread over.
const SESSION_EVENTS: u64 = 50;
/// The tools that are called.
const TOOLS: [&str; 8] =
    ["search", "read_file", "write_file", "query", "list_tables", "create_issue", "get_page", "send_mail"];

/// Sends `events` MCP events, the first with number `first`, `per_envelope` in each, and waits until all are answered with 200.
pub(super) fn send(to: SocketAddr, first: u64, events: u64, per_envelope: u64, until: f64) -> Result<(), Failure> {
    let share = events / CONNECTIONS;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let first = first + worker * share;
            thread::spawn(move || send_share(to, first, share, per_envelope, until))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a sender panicked")??;
    }
    Ok(())
}

fn send_share(to: SocketAddr, first: u64, events: u64, per_envelope: u64, until: f64) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let (mut at, end) = (first, first + events);
    let mut out = String::new();
    while at < end {
        out.clear();
        let mut requests = 0;
        while at < end && requests < PIPELINED {
            let next = (at + per_envelope).min(end);
            write_request(&mut out, at..next, until);
            (at, requests) = (next, requests + 1);
        }
        stream.write_all(out.as_bytes())?;
        read_answers(&mut stream, requests)?;
    }
    Ok(())
}

/// One request: the logs of `events`; beside them, for every fourth event a transaction, for every twentieth an error event.
fn write_request(out: &mut String, events: std::ops::Range<u64>, until: f64) {
    let mut body = String::from("{\"sdk\":{\"name\":\"watchpost.rust\",\"version\":\"0.1.0\"}}\n");
    let mut logs = String::from("{\"items\":[");
    let mut beside = String::new();
    for event in events {
        let session = event / SESSION_EVENTS;
        let trace = format!("{session:032x}");
        let span = format!("{:016x}", event + 1);
        let tool = TOOLS[(event % TOOLS.len() as u64) as usize];
        let failed = event % 20 == 7;
        // A day of events, whatever their number.
        let at = until - (event.wrapping_mul(7919) % 86_400) as f64;
        let took = 1.0 + (event.wrapping_mul(2_654_435_761) % 4096) as f64 / 8.0;
        // Writing to a String cannot fail.
        let _ = write!(
            logs,
            "{}{{\"timestamp\":{at:.3},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\",\"level\":\"{}\",\"body\":\"MCP tools/call: {tool}\",\"attributes\":{{\
             \"event_type\":{{\"value\":\"tools/call\",\"type\":\"string\"}},\"resource_name\":{{\"value\":\"{tool}\",\"type\":\"string\"}},\
             \"session_id\":{{\"value\":\"ses_{session}\",\"type\":\"string\"}},\"server_name\":{{\"value\":\"bench\",\"type\":\"string\"}},\
             \"client_name\":{{\"value\":\"client\",\"type\":\"string\"}},\"duration_ms\":{{\"value\":{took:.3},\"type\":\"double\"}},\
             \"is_error\":{{\"value\":{failed},\"type\":\"boolean\"}},\"event_id\":{{\"value\":\"{span}{span}\",\"type\":\"string\"}}}}}}",
            if logs.ends_with('[') { "" } else { "," },
            if failed { "error" } else { "info" },
        );
        let facts = format!("\"event_type\":\"tools/call\",\"resource\":\"{tool}\",\"server_name\":\"bench\"");
        let context = format!(
            "\"contexts\":{{\"trace\":{{\"trace_id\":\"{trace}\",\"span_id\":\"{span}\",\"op\":\"tools/call\",\"status\":\"{}\"}}}}",
            if failed { "internal_error" } else { "ok" }
        );
        if event % 4 == 3 {
            item(
                &mut beside,
                "transaction",
                &format!(
                    "{{\"event_id\":\"{span}{:016x}\",\"timestamp\":{at:.3},\"start_timestamp\":{:.3},\"transaction\":\"tools/call - {tool}\",{context},\"tags\":{{{facts}}},\"extra\":{{\"session_id\":\"ses_{session}\"}},\"spans\":[]}}",
                    event ^ 0xffff,
                    at - took / 1000.0
                ),
            );
        }
        if failed {
            item(
                &mut beside,
                "event",
                &format!(
                    "{{\"event_id\":\"{span}{:016x}\",\"timestamp\":{at:.3},\"level\":\"error\",\"transaction\":\"tools/call - {tool}\",\"fingerprint\":[\"bench\",\"{tool}\",\"{}\"],\"exception\":{{\"values\":[{{\"type\":\"ToolCallError\",\"value\":\"it did not work\"}}]}},{context},\"tags\":{{{facts}}}}}",
                    event ^ 0xfffe,
                    event % 997
                ),
            );
        }
    }
    logs.push_str("]}");
    item(&mut body, "log", &logs);
    body.push_str(&beside);
    let _ = write!(
        out,
        "POST /api/1/envelope/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn item(out: &mut String, ty: &str, payload: &str) {
    let _ = write!(out, "{{\"type\":\"{ty}\",\"length\":{}}}\n{payload}\n", payload.len());
}

/// Reads as many answers; each must be a 200.
fn read_answers(stream: &mut TcpStream, mut left: u64) -> Result<(), Failure> {
    let mut buffer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while left > 0 {
        while let Some((length, is_good)) = answer(&buffer) {
            if !is_good {
                return Err(format!("the receiver answered {}", String::from_utf8_lossy(&buffer)).into());
            }
            buffer.drain(..length);
            left -= 1;
        }
        if left > 0 {
            match stream.read(&mut chunk)? {
                0 => return Err("the receiver closed the connection".into()),
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }
    Ok(())
}

/// The length of the first whole answer in `buffer` and whether it is a 200.
fn answer(buffer: &[u8]) -> Option<(usize, bool)> {
    let head = memchr::memmem::find(buffer, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    })?;
    let end = head + 4 + length;
    (buffer.len() >= end).then(|| (end, text.starts_with("HTTP/1.1 200")))
}
