//! An HTTP server on loopback, made of threads, that records what it gets and answers as its script says.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use watchpost_sentry::wire::{EnvelopeReader, RawHeader, RawItem, ReadLimits};

/// Nothing that a test waits for takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Sink {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    script: Box<dyn Fn(&Received) -> Reply + Send + Sync>,
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
    connections: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
    /// Connections that are kept open without an answer.
    hanging: Mutex<Vec<TcpStream>>,
}

/// A request, as received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// From 0, in the order of arrival.
    pub(crate) number: usize,
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// As it came.
    pub(crate) body: Vec<u8>,
}

/// What the server does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// Answers with this status, these header lines and this body.
    Answer(u16, &'static [&'static str], &'static str),
    /// Writes these bytes and closes.
    Raw(&'static [u8]),
    /// Keeps the connection open and says nothing.
    Hang,
}

pub(crate) const OK: Reply = Reply::Answer(200, &["content-type: application/json"], "{\"id\":\"0\"}");

impl Sink {
    /// A server with this script; the script sees a request once its body was read.
    pub(crate) fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), true, script)
    }

    pub(crate) fn ok() -> Self {
        Self::start(|_| OK)
    }

    /// A server that answers nothing before [`open`](Self::open).
    pub(crate) fn closed() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), false, |_| OK)
    }

    /// A server at an address that was free until now.
    pub(crate) fn at(address: SocketAddr) -> Self {
        // The port was ours a moment ago, so a short contest with the kernel's clean-up is all there can be.
        let end = Instant::now() + PATIENCE;
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return Self::listen(listener, true, |_| OK),
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            thread::yield_now();
        }
    }

    fn listen(listener: TcpListener, open: bool, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            script: Box::new(script),
            received: Mutex::default(),
            arrived: Condvar::new(),
            connections: AtomicUsize::new(0),
            open: Mutex::new(open),
            opened: Condvar::new(),
            hanging: Mutex::default(),
        });
        let server = inner.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let inner = server.clone();
                inner.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || inner.serve(stream));
            }
        });
        Self { address, inner }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn dsn(&self) -> String {
        format!("http://key@{}/1", self.address)
    }

    /// Lets answers through.
    pub(crate) fn open(&self) {
        *self.inner.open.lock().unwrap() = true;
        self.inner.opened.notify_all();
    }

    pub(crate) fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(|received| received.len() >= count)
    }

    pub(crate) fn wait_until(&self, is_so: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let received = self.inner.received.lock().unwrap();
        let (received, timeout) =
            self.inner.arrived.wait_timeout_while(received, PATIENCE, |received| !is_so(received)).unwrap();
        assert!(!timeout.timed_out(), "it did not come: {} requests", received.len());
        received.clone()
    }

    /// How many items of each type came, by `item_count` for containers.
    pub(crate) fn items(&self) -> HashMap<String, u64> {
        let mut items = HashMap::new();
        for item in self.received().iter().flat_map(Received::items) {
            *items.entry(item.ty).or_default() += item.item_count.unwrap_or(1);
        }
        items
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut received = Received::read(&mut reader).ok()?;
            {
                let mut all = self.received.lock().unwrap();
                received.number = all.len();
                all.push(received.clone());
            }
            self.arrived.notify_all();
            let open = self.open.lock().unwrap();
            drop(self.opened.wait_while(open, |open| !*open).unwrap());
            match (self.script)(&received) {
                Reply::Answer(status, headers, body) => {
                    let mut answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len());
                    for header in headers {
                        answer.push_str(header);
                        answer.push_str("\r\n");
                    }
                    answer.push_str("\r\n");
                    answer.push_str(body);
                    (&stream).write_all(answer.as_bytes()).ok()?;
                }
                Reply::Raw(bytes) => {
                    (&stream).write_all(bytes).ok()?;
                    stream.shutdown(Shutdown::Both).ok()?;
                    return None;
                }
                Reply::Hang => self.hanging.lock().unwrap().push(stream.try_clone().ok()?),
            }
        }
    }
}

impl Received {
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { number: 0, line: line.trim_end().to_owned(), headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body without its encoding.
    pub(crate) fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        match self.header("content-encoding") {
            None => plain.extend_from_slice(&self.body),
            Some("gzip") => {
                flate2::read::GzDecoder::new(&self.body[..]).read_to_end(&mut plain).unwrap();
            }
            Some("zstd") => plain = zstd::decode_all(&self.body[..]).unwrap(),
            Some(other) => panic!("encoding {other}"),
        }
        plain
    }

    pub(crate) fn envelope(&self) -> (RawHeader, Vec<RawItem>) {
        let plain = self.plain();
        let mut reader = EnvelopeReader::new(&plain[..], ReadLimits::default()).unwrap();
        let header = reader.header().clone();
        let items = std::iter::from_fn(|| reader.next_item().unwrap()).collect();
        (header, items)
    }

    pub(crate) fn items(&self) -> Vec<RawItem> {
        self.envelope().1
    }

    /// The drops that this envelope reports: reason, category and quantity.
    pub(crate) fn reported(&self) -> Vec<(String, String, u64)> {
        let reports = self.items().into_iter().filter(|item| item.ty == "client_report");
        let entries = reports.flat_map(|item| {
            let report: serde_json::Value = serde_json::from_slice(&item.payload).unwrap();
            report["discarded_events"].as_array().unwrap().clone()
        });
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        entries
            .map(|entry| (text(&entry["reason"]), text(&entry["category"]), entry["quantity"].as_u64().unwrap()))
            .collect()
    }
}
