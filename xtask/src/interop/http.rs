//! As much of an HTTP client as talking to a server on loopback takes: one request a connection.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::Failure;

/// A local server that says nothing for so long is broken.
const LIMIT: Duration = Duration::from_secs(20);

/// The end of an answer in chunks.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// The answer's status and body. `headers` are whole lines without their end.
pub(super) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> Result<(u16, Vec<u8>), Failure> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    // HTTP/1.0: the answer is neither chunked nor followed by another.
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    // Some chunk it and keep the connection even so.
    while !answer.ends_with(LAST_CHUNK) {
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("the answer has no end of headers")?;
    let status =
        std::str::from_utf8(&answer[..end])?.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or("the answer has no status")?, answer.split_off(end + 4)))
}
