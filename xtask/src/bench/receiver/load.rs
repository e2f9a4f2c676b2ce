//! What is sent to the receiver: envelopes as senders make them, over a few connections that do not wait for each answer.
//! Requests are written before the clock starts, so that what sends costs little beside what receives.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
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
/// Events of a session; each connection sends its own sessions, one after the other.
const SESSION_EVENTS: u64 = 50;
/// Seconds that all events of a run are spread over.
const DAY: u64 = 86_400;
/// The tools that are called.
const TOOLS: [&str; 8] =
    ["search", "read_file", "write_file", "query", "list_tables", "create_issue", "get_page", "send_mail"];

/// When events happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    /// A day of events, one after the other, as programs send what happens.
    InOrder {
        /// The end of the day, in seconds since the Unix epoch.
        until: f64,
        /// Events of the day.
        of: u64,
    },
    /// The same day in no order at all: each event changes another part of what is kept by time.
    Shuffled {
        /// The end of the day, in seconds since the Unix epoch.
        until: f64,
    },
}

impl Times {
    fn of(self, event: u64) -> f64 {
        match self {
            Self::InOrder { until, of } => until - DAY as f64 * (1.0 - event as f64 / of.max(1) as f64),
            Self::Shuffled { until } => until - (event.wrapping_mul(7919) % DAY) as f64,
        }
    }
}

/// Requests, written and ready to be sent.
#[derive(Debug)]
pub(super) struct Load {
    /// By connection.
    shares: Vec<Vec<Burst>>,
}

/// Requests that are sent at once.
#[derive(Debug)]
struct Burst {
    bytes: Vec<u8>,
    requests: u64,
}

impl Load {
    /// Writes the requests for the MCP events numbered `events`, `per_envelope` in each.
    pub(super) fn new(events: Range<u64>, per_envelope: u64, times: Times) -> Self {
        let shares = (0..CONNECTIONS)
            .map(|connection| {
                let mut bursts = Vec::new();
                let mut text = String::new();
                let mut requests = 0;
                for envelope in envelopes(events.clone(), per_envelope, connection) {
                    write_request(&mut text, envelope, times);
                    requests += 1;
                    if requests == PIPELINED {
                        bursts.push(Burst { bytes: std::mem::take(&mut text).into_bytes(), requests });
                        requests = 0;
                    }
                }
                if requests > 0 {
                    bursts.push(Burst { bytes: text.into_bytes(), requests });
                }
                bursts
            })
            .collect();
        Self { shares }
    }

    /// Sends everything and waits until all is answered with 200.
    pub(super) fn send(self, to: SocketAddr) -> Result<(), Failure> {
        let senders: Vec<_> =
            self.shares.into_iter().map(|bursts| thread::spawn(move || send_bursts(to, &bursts))).collect();
        for sender in senders {
            sender.join().map_err(|_| "a sender panicked")??;
        }
        Ok(())
    }
}

/// The events of each envelope that a connection sends: those of every fourth session.
fn envelopes(events: Range<u64>, per_envelope: u64, connection: u64) -> impl Iterator<Item = Range<u64>> {
    let sessions = events.start / SESSION_EVENTS..events.end.div_ceil(SESSION_EVENTS);
    sessions.filter(move |session| session % CONNECTIONS == connection).flat_map(move |session| {
        let first = (session * SESSION_EVENTS).max(events.start);
        let end = ((session + 1) * SESSION_EVENTS).min(events.end);
        let starts = (first..end).step_by(usize::try_from(per_envelope).unwrap_or(usize::MAX));
        starts.map(move |at| at..(at + per_envelope).min(end))
    })
}

fn send_bursts(to: SocketAddr, bursts: &[Burst]) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    for burst in bursts {
        stream.write_all(&burst.bytes)?;
        read_answers(&mut stream, burst.requests, &mut buffer)?;
    }
    Ok(())
}

/// One request: the logs of `events`; beside them, for every fourth event a transaction, for every twentieth an error event.
fn write_request(out: &mut String, events: Range<u64>, times: Times) {
    let mut body = String::from("{\"sdk\":{\"name\":\"watchpost.rust\",\"version\":\"0.1.0\"}}\n");
    let mut logs = String::from("{\"items\":[");
    let mut beside = String::new();
    for event in events {
        let session = event / SESSION_EVENTS;
        let trace = format!("{session:032x}");
        let span = format!("{:016x}", event + 1);
        let tool = TOOLS[(event % TOOLS.len() as u64) as usize];
        let failed = event % 20 == 7;
        let at = times.of(event);
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

/// Reads as many answers; each must be a 200. `buffer` is empty before and after.
fn read_answers(stream: &mut TcpStream, mut left: u64, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    let mut chunk = [0; 16 * 1024];
    while left > 0 {
        match stream.read(&mut chunk)? {
            0 => return Err("the receiver closed the connection".into()),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
        let mut done = 0;
        while let Some((length, is_good)) = answer(&buffer[done..]) {
            if !is_good || left == 0 {
                return Err(format!("the receiver answered {}", String::from_utf8_lossy(&buffer[done..])).into());
            }
            (done, left) = (done + length, left - 1);
        }
        buffer.drain(..done);
    }
    if buffer.is_empty() { Ok(()) } else { Err("the receiver answered more than was asked".into()) }
}

/// The length of the first whole answer in `buffer` and whether it is a 200.
fn answer(buffer: &[u8]) -> Option<(usize, bool)> {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let head = memchr::memmem::find(buffer, b"\r\n\r\n")?;
    let at = memchr::memmem::find(&buffer[..head], LENGTH)? + LENGTH.len();
    let digits = buffer[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    let end = head + 4 + length;
    (buffer.len() >= end).then(|| (end, buffer.starts_with(b"HTTP/1.1 200")))
}
