//! A recording sink: an HTTP server on loopback that keeps every request and answers as the check at hand wants.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use crate::Failure;

/// No envelope of a check is near these.
const MAX_HEAD_BYTES: u64 = 64 * 1024;
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;
/// A client that says nothing for so long has gone.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// How the sink answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// 200 with an id, as Sentry does.
    Accept,
    /// This status and these headers.
    Refuse(u16, &'static [(&'static str, &'static str)]),
    /// 200, this much later.
    Late(Duration),
}

/// One request, its body as sent once unpacked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) received: SystemTime,
}

impl Request {
    /// The header's value, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The listening sink; it ends when dropped.
pub(super) struct Sink {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Answer,
    requests: Mutex<Vec<Request>>,
    ended: AtomicBool,
    end: Condvar,
}

impl Sink {
    /// Listens on a free port of the loopback interface.
    pub(super) fn start(answer: Answer) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            answer,
            requests: Mutex::new(Vec::new()),
            ended: AtomicBool::new(false),
            end: Condvar::new(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Ok(Self { address, state })
    }

    /// A DSN that leads here, for project 1 and `key`.
    pub(super) fn dsn(&self, key: &str) -> String {
        format!("http://{key}@{}/1", self.address)
    }

    /// What arrived so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.requests().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        self.state.end.notify_all();
        // The listening thread looks at the flag when someone calls.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_read_timeout(Some(IDLE_LIMIT));
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader, stream) {
            let keep = request.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
            self.requests().push(request);
            if self.answer(stream).is_none() || !keep || self.ended.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn answer(&self, mut stream: &TcpStream) -> Option<()> {
        let (status, headers): (u16, &[(&str, &str)]) = match self.answer {
            Answer::Accept => (200, &[]),
            Answer::Refuse(status, headers) => (status, headers),
            Answer::Late(delay) => {
                let waited =
                    self.end.wait_timeout_while(self.requests(), delay, |_| !self.ended.load(Ordering::Acquire));
                drop(waited);
                (200, &[])
            }
        };
        let body = if status == 200 { "{}" } else { r#"{"detail":"no"}"# };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).ok()
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address on which nobody listens.
pub(super) fn nobody() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn read(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Option<Request> {
    let mut head = reader.by_ref().take(MAX_HEAD_BYTES);
    let mut line = String::new();
    head.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split_ascii_whitespace().nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        head.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            header => {
                let (name, value) = header.split_once(':')?;
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }
    let mut request = Request { path, headers, body: Vec::new(), received: SystemTime::now() };
    if request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let packed = read_body(reader, &request)?;
    request.received = SystemTime::now();
    request.body = unpack(packed, request.header("content-encoding"))?;
    Some(request)
}

fn read_body(reader: &mut BufReader<&TcpStream>, request: &Request) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = request.header("content-length") {
        let length = length.parse().ok().filter(|length| *length <= MAX_BODY_BYTES)?;
        reader.take(length).read_to_end(&mut body).ok()?;
        return Some(body);
    }
    if request.header("transfer-encoding") != Some("chunked") {
        return Some(body);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size =
            u64::from_str_radix(line.trim().split(';').next()?, 16).ok().filter(|size| *size <= MAX_BODY_BYTES)?;
        reader.by_ref().take(size).read_to_end(&mut body).ok()?;
        line.clear();
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn unpack(packed: Vec<u8>, encoding: Option<&str>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    match encoding {
        None | Some("identity") => return Some(packed),
        Some("gzip") => flate2::read::GzDecoder::new(&packed[..]).take(MAX_BODY_BYTES).read_to_end(&mut body).ok()?,
        Some("deflate") => {
            flate2::read::ZlibDecoder::new(&packed[..]).take(MAX_BODY_BYTES).read_to_end(&mut body).ok()?
        }
        Some("zstd") => {
            zstd::stream::read::Decoder::new(&packed[..]).ok()?.take(MAX_BODY_BYTES).read_to_end(&mut body).ok()?
        }
        Some(_) => return None,
    };
    Some(body)
}
