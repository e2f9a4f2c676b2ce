//! Reading from the local receiver's JSON API: a few small requests over loopback, for which a client library would be too much.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use watchpost_sentry::wire::{Dsn, Scheme};

/// More is not read: what answers may be anything.
const MAX_ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// A local receiver.
pub(super) struct LocalApi {
    address: SocketAddr,
    timeout: Duration,
}

impl LocalApi {
    /// The receiver of a DSN, if it is Watchpost's own, on this machine. Spotlight, Bugsink and Sentry are not.
    pub(super) fn find(dsn: &Dsn, timeout: Duration) -> Option<Self> {
        if !dsn.is_loopback() || dsn.scheme() != Scheme::Http {
            return None;
        }
        let host = dsn.host().trim_matches(['[', ']']);
        let addresses = (host, dsn.port()).to_socket_addrs().ok()?;
        let receivers = addresses.map(|address| Self { address, timeout });
        let is_ours = |api: &Self| {
            let stats = api.get("/api/stats").ok();
            stats
                .and_then(|stats| serde_json::from_slice::<serde_json::Value>(&stats).ok())
                .is_some_and(|stats| stats.get("items").is_some() && stats.get("issues").is_some())
        };
        receivers.into_iter().find(is_ours)
    }

    /// The body of what is at `path`.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let answer = self.ask(path).map_err(|error| format!("{path}: {error}"))?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("it does not speak HTTP")?;
        match answer.get(9..12) {
            Some(b"200") => Ok(answer[end + 4..].to_vec()),
            Some(status) => Err(format!("{path} answers {}", String::from_utf8_lossy(status).escape_debug())),
            None => Err("it does not speak HTTP".to_owned()),
        }
    }

    /// HTTP/1.0: the answer ends with the connection.
    fn ask(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    }
}
