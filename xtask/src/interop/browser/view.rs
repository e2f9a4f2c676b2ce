//! A receiver of `watchpost`, started for a check and ended with it.

use std::{
    net::SocketAddr,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Failure,
    interop::{
        http,
        process::{self, Running},
        rig::Rig,
        sink,
    },
};

/// The demo plays for a second.
const START_LIMIT: Duration = Duration::from_secs(40);

/// A running receiver.
pub(super) struct View {
    pub(super) address: SocketAddr,
    process: Running,
}

impl View {
    /// `watchpost demo`, once all it plays has arrived.
    pub(super) fn demo(rig: &Rig) -> Result<Self, Failure> {
        let mut view = Self::start(rig, "demo", &[])?;
        let started = Instant::now();
        // It says so at the end.
        while !String::from_utf8_lossy(&view.process.stdout()?).contains("stays open") {
            if view.process.ended()? || started.elapsed() > START_LIMIT {
                return Err(format!("the demo does not end{}", process::last_words(&view.process.stderr())).into());
            }
            thread::sleep(process::POLL);
        }
        Ok(view)
    }

    /// `watchpost view` with an empty database.
    pub(super) fn empty(rig: &Rig, name: &str) -> Result<Self, Failure> {
        let database = rig.runs().join(format!("{name}.db"));
        Self::start(rig, "view", &["--db".to_owned(), database.display().to_string()])
    }

    fn start(rig: &Rig, verb: &str, options: &[String]) -> Result<Self, Failure> {
        // A port that was free a moment ago.
        let address = sink::nobody()?;
        let mut command = rig.watchpost();
        command.arg(verb).args(["--listen", &address.to_string()]).args(options).stdin(Stdio::null());
        let started = Instant::now();
        let mut process = Running::start(verb, &mut command, &rig.runs().join(format!("receiver-{verb}")))?;
        while !http::request(address, "GET", "/health", &[], b"").is_ok_and(|(status, _)| status == 200) {
            if process.ended()? || started.elapsed() > START_LIMIT {
                return Err(format!("watchpost {verb} does not start{}", process::last_words(&process.stderr())).into());
            }
            thread::sleep(process::POLL);
        }
        Ok(Self { address, process })
    }

    /// Reads the API.
    pub(super) fn read(&self, path: &str) -> Result<Value, Failure> {
        let (status, body) = http::request(self.address, "GET", path, &[], b"")?;
        if status == 200 {
            Ok(serde_json::from_slice(&body)?)
        } else {
            Err(format!("{path} is answered with {status}").into())
        }
    }
}
