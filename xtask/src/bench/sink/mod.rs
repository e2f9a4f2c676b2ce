//! The local sink of the benches: a process of its own that takes envelopes as fast as std allows and counts what is in them.
//! `GET /stats` tells the counts, `GET /sample/<item type>` gives back a request it received, for replaying.

mod http;
mod tally;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

pub(super) use self::tally::Stats;
use self::tally::Tally;
use super::options::own_program;
use crate::Failure;

const VERIFY: &str = "--verify";
const DELAY: &str = "--delay-ms";
const PORT: &str = "--port";
const ASIDE: &str = "--aside";
/// How much nicer a sink is that stands aside.
const NICER: i32 = 10;

/// Serves on loopback until standard input ends; the first line on standard output is the address.
pub(super) fn run(args: &[String]) -> Result<(), Failure> {
    let number = |name: &str| {
        let value = args.iter().skip_while(|arg| *arg != name).nth(1);
        value.map_or(Ok(0), |value| value.parse::<u64>())
    };
    let tally = Arc::new(Tally::new(args.iter().any(|arg| arg == VERIFY)));
    let delay = Duration::from_millis(number(DELAY)?);
    if args.iter().any(|arg| arg == ASIDE) {
        rustix::process::setpriority_process(None, NICER)?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, u16::try_from(number(PORT)?)?))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let tally = Arc::clone(&tally);
            thread::spawn(move || http::serve(connection, &tally, delay));
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
    pub(super) fn start(verify: bool) -> Result<Self, Failure> {
        Self::start_with(if verify { &[VERIFY] } else { &[] })
    }

    /// Starts a sink that takes so long to answer.
    pub(super) fn start_slow(delay: Duration) -> Result<Self, Failure> {
        Self::start_with(&[DELAY, &delay.as_millis().to_string()])
    }

    /// Starts a sink to which what is measured goes before: a sink elsewhere takes none of this machine's processors.
    pub(super) fn start_aside() -> Result<Self, Failure> {
        Self::start_with(&[ASIDE])
    }

    /// Starts a sink at a port that is free.
    pub(super) fn start_at(port: u16) -> Result<Self, Failure> {
        Self::start_with(&[PORT, &port.to_string()])
    }

    fn start_with(args: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(own_program()?);
        command.args(["bench", "sink"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
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
