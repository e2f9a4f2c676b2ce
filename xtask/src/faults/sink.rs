//! A sink on loopback that behaves as badly as it is told to, and remembers what arrived.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::arrivals::{Arrivals, Content};
use crate::Failure;

/// A request, to decide by.
#[derive(Debug)]
pub(super) struct Request {
    /// From 0, in the order of arrival.
    pub(super) number: u64,
    /// Items in it.
    pub(super) items: usize,
}

/// What the sink does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// 200.
    Ok,
    /// 200, after so long.
    Slow(Duration),
    /// This status, with these header lines.
    Status(u16, Vec<String>),
    /// No answer, but the connection stays open.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// The beginning of an answer, then the connection is closed.
    HalfAnswer,
    /// Bytes that are no HTTP.
    Garbage,
}

/// What decides.
type Script = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Inner {
    script: Mutex<Script>,
    /// Connections are closed while a request's body is still being written.
    cuts_bodies: AtomicBool,
    ours: bool,
    arrivals: Mutex<Arrivals>,
    hanging: Mutex<Vec<TcpStream>>,
    connections: Mutex<Connections>,
    /// Calls who waits for those to end.
    ended: Condvar,
    closed: AtomicBool,
}

/// The connections that are being served.
#[derive(Debug, Default)]
struct Connections {
    open: usize,
    /// Whose connection was taken last.
    last: Option<SocketAddr>,
}

/// A running sink; it ends with its handle.
pub(super) struct Sink {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Sink {
    /// A sink with this script, for our items.
    pub(super) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Self, Failure> {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, true, Box::new(script))
    }

    /// A sink with this script, for a peer's items, whose bytes are its own business.
    pub(super) fn for_peers(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Self, Failure> {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, false, Box::new(script))
    }

    /// A sink that answers 200 at an address where nobody listened.
    pub(super) fn start_at(address: SocketAddr, ours: bool) -> Result<Self, Failure> {
        Self::listen(TcpListener::bind(address)?, ours, Box::new(|_| Reply::Ok))
    }

    /// An address where nobody listens.
    pub(super) fn nowhere() -> Result<SocketAddr, Failure> {
        Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
    }

    fn listen(listener: TcpListener, ours: bool, script: Script) -> Result<Self, Failure> {
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            script: Mutex::new(script),
            cuts_bodies: AtomicBool::new(false),
            ours,
            arrivals: Mutex::default(),
            hanging: Mutex::default(),
            connections: Mutex::default(),
            ended: Condvar::new(),
            closed: AtomicBool::new(false),
        });
        let server = Arc::clone(&inner);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if server.closed.load(Ordering::SeqCst) {
                    return;
                }
                {
                    let mut connections = lock(&server.connections);
                    connections.open += 1;
                    connections.last = connection.peer_addr().ok().or(connections.last);
                }
                let inner = Arc::clone(&server);
                thread::spawn(move || {
                    inner.serve(&connection);
                    lock(&inner.connections).open -= 1;
                    inner.ended.notify_all();
                });
            }
        });
        Ok(Self { address, inner })
    }

    /// The DSN to send to it; of a form that the peers accept too.
    pub(super) fn dsn(&self) -> String {
        dsn(self.address)
    }

    /// Behaves otherwise from now on.
    pub(super) fn set(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *lock(&self.inner.script) = Box::new(script);
    }

    /// Closes connections while a request's body is still being written, or no longer does.
    pub(super) fn cut_bodies(&self, cut: bool) {
        self.inner.cuts_bodies.store(cut, Ordering::SeqCst);
    }

    /// All is well from now on.
    pub(super) fn heal(&self) {
        self.cut_bodies(false);
        self.set(|_| Reply::Ok);
        for connection in lock(&self.inner.hanging).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Waits until everything that senders which are gone had sent is answered.
    pub(super) fn settle(&self, patience: Duration) -> Result<(), Failure> {
        // What connected before this does is taken before it.
        let own = TcpStream::connect(self.address)?.local_addr()?;
        let is_busy = |connections: &mut Connections| connections.last != Some(own) || connections.open > 0;
        let connections = lock(&self.inner.connections);
        let waited = self.inner.ended.wait_timeout_while(connections, patience, is_busy);
        let is_over = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if is_over { Err("a connection of a sender that is gone does not end".into()) } else { Ok(()) }
    }

    /// What has arrived so far.
    pub(super) fn arrivals(&self) -> Arrivals {
        lock(&self.inner.arrivals).clone()
    }
}

/// The DSN of a sink at this address.
pub(super) fn dsn(address: SocketAddr) -> String {
    format!("http://0123456789abcdef0123456789abcdef@{address}/1")
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        // The listener looks once more.
        let _ = TcpStream::connect(self.address);
        self.heal();
    }
}

impl Inner {
    fn serve(&self, connection: &TcpStream) -> Option<()> {
        connection.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(connection.try_clone().ok()?);
        loop {
            let headers = read_head(&mut reader)?;
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap_or(0));
            if self.cuts_bodies.load(Ordering::SeqCst) {
                let mut part = vec![0; length / 2];
                reader.read_exact(&mut part).ok()?;
                connection.shutdown(Shutdown::Both).ok()?;
                return None;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let encoding = headers.get("content-encoding").map_or("", String::as_str);
            let content = Content::read(&body, encoding, self.ours);
            // Noted before it is answered, so that an answer means "it is here".
            let reply = {
                let mut arrivals = lock(&self.arrivals);
                let request = Request { number: arrivals.requests, items: content.items.len() };
                let reply = (lock(&self.script))(&request);
                arrivals.take(content, matches!(reply, Reply::Ok | Reply::Slow(_)));
                reply
            };
            self.answer(connection, reply)?;
        }
    }

    /// Answers; `None` if the connection ends with that.
    fn answer(&self, mut connection: &TcpStream, reply: Reply) -> Option<()> {
        match reply {
            Reply::Ok => respond(connection, 200, &[]),
            Reply::Slow(delay) => {
                thread::sleep(delay);
                respond(connection, 200, &[])
            }
            Reply::Status(status, headers) => respond(connection, status, &headers),
            Reply::Hang => {
                lock(&self.hanging).push(connection.try_clone().ok()?);
                Some(())
            }
            Reply::Close => end(connection),
            Reply::HalfAnswer => {
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").ok()?;
                end(connection)
            }
            Reply::Garbage => {
                connection.write_all(b"\x00\xff\x16\x03 I am not HTTP\r\n\r\n").ok()?;
                end(connection)
            }
        }
    }
}

fn end(connection: &TcpStream) -> Option<()> {
    connection.shutdown(Shutdown::Both).ok()?;
    None
}

fn respond(mut connection: &TcpStream, status: u16, headers: &[String]) -> Option<()> {
    let mut answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: 2\r\n");
    for header in headers {
        answer.push_str(header);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n{}");
    connection.write_all(answer.as_bytes()).ok()
}

fn read_head(reader: &mut impl std::io::BufRead) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Some(headers) };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
