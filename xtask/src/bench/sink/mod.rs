//! The local sink of the benches: a process of its own that takes envelopes as fast as std allows and counts what is in them.
//! `GET /stats` tells the counts, `GET /sample/<item type>` gives back a request it received, for replaying.

mod http;
mod tally;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

pub(super) use self::tally::Stats;
use self::tally::Tally;
use super::options::{own_program, value};
use crate::Failure;

const VERIFY: &str = "--verify";

/// From where the sink is reached, which decides whether bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// On the loopback address: plain bodies.
    Loopback,
    /// On this machine's address in its network: gzip, as to any Sentry elsewhere.
    Network,
}

impl Reach {
    /// The address; `None` if this machine has none in any network.
    fn ip(self) -> Option<IpAddr> {
        if self == Self::Loopback {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        // Nothing is sent: connecting a datagram socket only chooses the address packets would come from. The target is
        // one of those reserved for documentation.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    }

    /// Whether this machine can be reached so.
    pub(super) fn is_possible(self) -> bool {
        self.ip().is_some()
    }
}

/// Serves on the address given until standard input ends; the first line on standard output is the address.
pub(super) fn run(args: &[String]) -> Result<(), Failure> {
    let tally = Arc::new(Tally::new(args.iter().any(|arg| arg == VERIFY)));
    let ip: IpAddr = value("sink", args.first())?.parse()?;
    let listener = TcpListener::bind((ip, 0))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let tally = Arc::clone(&tally);
            thread::spawn(move || http::serve(connection, &tally));
        }
    });
    // The process that started the sink holds the other end: when it goes, the sink goes.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// A running sink; dropping it ends it.
#[derive(Debug)]
pub(super) struct SinkProcess {
    child: Child,
    address: SocketAddr,
}

impl SinkProcess {
    /// Starts a sink. One that verifies also parses each item and counts distinct ids; it is slower.
    pub(super) fn start(reach: Reach, verify: bool) -> Result<Self, Failure> {
        let ip = reach.ip().ok_or("this machine has no address in a network")?;
        let mut command = Command::new(own_program()?);
        command.args(["bench", "sink", &ip.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if verify {
            command.arg(VERIFY);
        }
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("the sink has no output")?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the sink said {line:?} instead of its address"))?;
        Ok(Self { child, address })
    }

    /// The DSN to send to it; of a form that the peers accept too.
    pub(super) fn dsn(&self) -> String {
        format!("http://0123456789abcdef0123456789abcdef@{}/1", self.address)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it received so far.
    pub(super) fn stats(&self) -> Result<Stats, Failure> {
        Ok(serde_json::from_slice(&self.ask("/stats")?)?)
    }

    /// A whole request it received, head and body, whose envelope has an item of this type.
    pub(super) fn sample(&self, item_type: &str) -> Result<Vec<u8>, Failure> {
        let request = self.ask(&format!("/sample/{item_type}"))?;
        if request.is_empty() { Err(format!("the sink received no {item_type}").into()) } else { Ok(request) }
    }

    fn ask(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut connection = TcpStream::connect(self.address)?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        let body = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or("the sink's answer has no body")? + 4;
        Ok(answer.split_off(body))
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
