//! Finds a local receiver (`watchpost view`, or Spotlight, which speaks the same protocol) when no DSN is configured.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use watchpost_receiver::DEFAULT_PORT;

/// Where a local receiver listens unless told otherwise.
pub(crate) const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);

/// A receiver on this machine answers in microseconds; more would delay the first event for nothing.
const PATIENCE: Duration = Duration::from_millis(250);

/// Whether a receiver answers `GET /health` at `address` with 200. A mere open port is not enough: what listens there
/// may be anything.
pub(crate) fn listens(address: SocketAddr) -> bool {
    answers(address).unwrap_or(false)
}

fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.starts_with(b"HTTP/1.") && status.ends_with(b" 200"))
}

/// The DSN of a local receiver at `address`; it takes any key and project.
pub(crate) fn dsn(address: SocketAddr) -> String {
    format!("http://watchpost@{address}/1")
}
