//! A server under test over streamable HTTP, which says on standard error where it listens and ends with its standard input.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{process::Running, rig::Rig};
use crate::Failure;

/// A server is ready, and gone, in far less.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The running server.
pub(super) struct HttpServer {
    running: Running,
    url: String,
}

impl HttpServer {
    /// Starts it, tracked with this DSN, else untracked.
    pub(super) fn start(rig: &Rig, name: &str, mut command: Command, dsn: Option<String>) -> Result<Self, Failure> {
        command.stdin(Stdio::piped());
        match dsn {
            Some(dsn) => command.env("SENTRY_DSN", dsn),
            None => command.arg("--untracked"),
        };
        let log = rig.runs().join(format!("{name}-server"));
        let running = Running::start(name, &mut command, &log)?;
        let started = Instant::now();
        loop {
            let said = fs::read_to_string(log.with_extension("err"))?;
            // A line without its end may be the first half of one.
            let mut whole = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(url) = whole.find_map(|line| line.strip_prefix("listening on ")) {
                return Ok(Self { running, url: url.to_owned() });
            }
            if started.elapsed() > LIMIT {
                return Err(format!("{name}: the server does not listen: {said}").into());
            }
            thread::sleep(POLL);
        }
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it; what it said on standard error.
    pub(super) fn stop(&mut self) -> Result<String, Failure> {
        drop(self.running.take_stdin());
        let started = Instant::now();
        while !self.running.ended()? {
            if started.elapsed() > LIMIT {
                return Err("the server does not end".into());
            }
            thread::sleep(POLL);
        }
        Ok(self.running.stderr())
    }
}
