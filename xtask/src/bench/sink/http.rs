//! One connection: HTTP/1.1 with keep-alive, `Content-Length` or chunks, as much of RFC 9112 as the senders use.
//! A request is answered only after its envelope is counted, so an answer means "everything is here".

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use super::tally::{Encoding, Tally};

const CHUNK: usize = 256 * 1024;

/// Serves a connection until it ends, envelopes after a delay.
pub(super) fn serve(mut connection: TcpStream, tally: &Tally, delay: Duration) {
    // Errors end the connection; the sender sees it, and the counts show what is missing.
    let _ = connection.set_nodelay(true);
    let mut bytes = Vec::with_capacity(CHUNK);
    let mut chunk = vec![0; CHUNK];
    loop {
        while let Some(head) = Head::parse(&bytes) {
            let chunked = if head.chunked {
                let Some(body) = read_chunks(&bytes[head.length..]) else { break };
                Some(body)
            } else {
                None
            };
            let end = head.length + chunked.as_ref().map_or(head.body, |(_, length)| *length);
            if bytes.len() < end {
                break;
            }
            let response = match head.get.as_deref() {
                Some("/stats") => answer("200 OK", tally.stats().to_json().as_bytes()),
                Some(path) => {
                    answer("200 OK", &path.strip_prefix("/sample/").map_or(Vec::new(), |ty| tally.sample(ty)))
                }
                None => {
                    let body = chunked.as_ref().map_or(&bytes[head.length..end], |(body, _)| body);
                    tally.count(&bytes[..end], body, head.encoding);
                    if !delay.is_zero() {
                        thread::sleep(delay);
                    }
                    answer("200 OK", b"{}")
                }
            };
            bytes.drain(..end);
            if connection.write_all(&response).is_err() || head.close {
                return;
            }
        }
        match connection.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A body in chunks and its length on the wire; `None` until its last chunk is there.
fn read_chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = memchr::memmem::find(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let start = at + line + 2;
        let chunk = bytes.get(start..start.checked_add(size)?)?;
        // Each chunk ends with an empty line, the last one too.
        at = start + size + 2;
        bytes.get(..at)?;
        if size == 0 {
            return Some((body, at));
        }
        body.extend_from_slice(chunk);
    }
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// What matters of a request's head.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    /// Bytes of the head, with its empty line.
    length: usize,
    /// Bytes of the body.
    body: usize,
    /// The path of a GET.
    get: Option<String>,
    encoding: Encoding,
    chunked: bool,
    close: bool,
}

impl Head {
    /// `None` until the head is complete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let length = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let mut lines = text.split("\r\n");
        let request = lines.next().unwrap_or_default();
        let get = request.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        let mut head = Self { length, get, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.body = value.parse().unwrap_or(0);
            } else if name.eq_ignore_ascii_case("content-encoding") {
                head.encoding = Encoding::parse(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.eq_ignore_ascii_case("close");
            }
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_the_case_of_its_names_and_only_when_it_is_complete() {
        let head = b"POST /api/1/envelope/ HTTP/1.1\r\nCONTENT-length: 12\r\ncontent-Encoding: gzip\r\n\r\n";
        assert_eq!(
            Head::parse(head),
            Some(Head { length: head.len(), body: 12, encoding: Encoding::Gzip, ..Head::default() })
        );
        assert_eq!(Head::parse(&head[..head.len() - 1]), None);
    }

    #[test]
    fn chunks_are_joined_once_the_last_one_is_there() {
        let wire = b"4\r\nabcd\r\n2;x=y\r\nef\r\n0\r\n\r\nGET";
        assert_eq!(read_chunks(wire), Some((b"abcdef".to_vec(), wire.len() - 3)));
        for length in 0..wire.len() - 3 {
            assert_eq!(read_chunks(&wire[..length]), None, "{length}");
        }
    }
}
