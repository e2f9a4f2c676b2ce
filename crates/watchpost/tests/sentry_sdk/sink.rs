//! A server that keeps what it is sent and answers as its script says.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use watchpost_sentry::wire::{EnvelopeReader, RawItem, ReadLimits};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the server does with an envelope.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    Ok,
    /// This status, and this `X-Sentry-Rate-Limits`.
    Limit(u16, &'static str),
    /// Closes the connection without an answer.
    Cut,
    /// Says nothing and keeps the connection open.
    Hang,
}

pub(crate) struct Sink {
    pub(crate) dsn: String,
    kept: Arc<(Mutex<Vec<Vec<u8>>>, Condvar)>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        Self::scripted(|_| Reply::Ok)
    }

    /// The script sees an envelope; only those that are answered with `Ok` are kept.
    pub(crate) fn scripted(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://0123abc@{}/42", listener.local_addr().unwrap());
        let kept = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (keeping, script) = (Arc::clone(&kept), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, script) = (Arc::clone(&keeping), Arc::clone(&script));
                thread::spawn(move || serve(&stream, &kept, &*script));
            }
        });
        Self { dsn, kept }
    }

    pub(crate) fn envelopes(&self) -> Vec<Vec<u8>> {
        self.kept.0.lock().unwrap().clone()
    }

    pub(crate) fn items(&self) -> Vec<RawItem> {
        self.envelopes().iter().flat_map(|envelope| items(envelope)).collect()
    }

    /// The payloads of a type.
    pub(crate) fn payloads(&self, ty: &str) -> Vec<Value> {
        let of_type = self.items().into_iter().filter(|item| item.ty == ty);
        of_type.map(|item| serde_json::from_slice(&item.payload).unwrap()).collect()
    }

    /// The events with this message, once there are so many.
    pub(crate) fn wait_for_events(&self, is_it: impl Fn(&Value) -> bool, count: usize) -> Vec<Value> {
        let (kept, arrived) = &*self.kept;
        let find = |envelopes: &[Vec<u8>]| {
            let items = envelopes.iter().flat_map(|envelope| items(envelope)).filter(|item| item.ty == "event");
            let events = items.map(|item| serde_json::from_slice::<Value>(&item.payload).unwrap());
            events.filter(|event| is_it(event)).collect::<Vec<_>>()
        };
        let waited = arrived.wait_timeout_while(kept.lock().unwrap(), PATIENCE, |kept| find(kept).len() < count);
        let (kept, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "they did not come");
        find(&kept)
    }
}

pub(crate) fn items(envelope: &[u8]) -> Vec<RawItem> {
    let mut reader = EnvelopeReader::new(envelope, ReadLimits::default()).unwrap();
    std::iter::from_fn(|| reader.next_item().unwrap()).collect()
}

fn serve(stream: &TcpStream, kept: &(Mutex<Vec<Vec<u8>>>, Condvar), script: &dyn Fn(&str) -> Reply) {
    while let Some(body) = read_request(stream) {
        let answer = match script(&String::from_utf8_lossy(&body)) {
            Reply::Ok => {
                // Kept before it is answered: whoever has the answer finds the envelope here.
                kept.0.lock().unwrap().push(body);
                kept.1.notify_all();
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()
            }
            Reply::Limit(status, limits) => {
                format!("HTTP/1.1 {status} X\r\nx-sentry-rate-limits: {limits}\r\ncontent-length: 2\r\n\r\n{{}}")
            }
            Reply::Cut => return,
            // Until the other side has had enough.
            Reply::Hang => continue,
        };
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
