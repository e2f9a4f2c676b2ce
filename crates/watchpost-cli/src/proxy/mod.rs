//! The transparent stdio proxy: the client on our standard input and output, the server as our child.
//! Source: MCP specification, "Transports: stdio" and "Lifecycle: Shutdown"; POSIX for everything a process can do to another.
//!
//! ```text
//!                    ┌────────── Pump (to the server) ─────────┐
//! client ── stdin ───┤               │ copy                    ├── stdin ─── server,
//!                    │            Backlog ──> Tap              │             in a process
//! client ── stdout ──┤               │ copy                    ├── stdout ── group of its own
//!                    └────────── Pump (to the client) ─────────┘
//!          signals ──> Lifecycle (when to close, signal, kill, go) <── the server's end
//! ```
//!
//! Bytes go on the moment they are read (with a [`ToolContext`] the lines that may be messages go on when they are whole). The copy for the [`Tap`] is bounded; when the tap is slow, stuck or broken, the copy
//! is dropped and counted, and the bytes go on. What the client and the server would see of each other directly (an end of
//! input, a broken pipe, an exit code, a signal) they see through the proxy.
//!
//! Should we be killed ourselves, the [`guard`] ends the server. Known limit: the server runs in a background process group, so one that
//! asks for a password on the controlling terminal (`/dev/tty`) is stopped by the terminal.

mod backlog;
mod client;
mod error;
mod guard;
mod lifecycle;
mod observe;
mod pump;
mod server;
mod signals;
mod supervisor;
mod tool_context;

use std::{ffi::OsString, time::Duration};

use self::{client::ClientPipes, guard::Guard, server::Server, signals::SignalStream, supervisor::Supervisor};
pub(crate) use self::{
    error::ProxyError,
    observe::{ObserverEnd, Tap},
    signals::is_ignored,
    tool_context::ToolContext,
};

/// What to run, and how patient to be with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub(crate) struct ProxyOptions {
    /// The server's command, looked up in `PATH` unless it has a slash.
    pub(crate) command: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// How long the server has to end once the client has closed our input or we were signalled. Default: 5 s.
    pub(crate) shutdown_grace: Duration,
    /// How long it has after the `SIGTERM` that follows. Default: 1.5 s, as the official MCP SDKs kill us (and can't
    /// kill the server) 2 s after their `SIGTERM`.
    pub(crate) kill_grace: Duration,
    /// How long the output of a server that has ended may be silent (some other process holds it open) before it is
    /// taken as ended. Default: 500 ms.
    pub(crate) drain_grace: Duration,
    /// Bytes of traffic kept for the tap at most. Default: 8 MiB.
    pub(crate) backlog_bytes: usize,
    /// How long the tap has at the end to look at what is left. Default: 500 ms.
    pub(crate) observer_grace: Duration,
    /// Asks models why they call a tool, which changes what client and server see. Default: `None`.
    pub(crate) tool_context: Option<ToolContext>,
}

impl ProxyOptions {
    /// The defaults, for this command.
    pub(crate) fn new(command: impl Into<OsString>, args: Vec<OsString>) -> Self {
        Self {
            command: command.into(),
            args,
            shutdown_grace: Duration::from_secs(5),
            kill_grace: Duration::from_millis(1500),
            drain_grace: Duration::from_millis(500),
            backlog_bytes: 8 * 1024 * 1024,
            observer_grace: Duration::from_millis(500),
            tool_context: None,
        }
    }
}

/// How the proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct ProxyExit {
    /// The server's exit code, 128 + n when signal n ended it.
    pub(crate) code: u8,
    /// Bytes the server was given.
    pub(crate) bytes_to_server: u64,
    /// Bytes the client was given.
    pub(crate) bytes_to_client: u64,
    /// Bytes of both that the tap did not see.
    pub(crate) bytes_unobserved: u64,
    /// What became of the tap.
    pub(crate) observer: ObserverEnd,
}

/// Runs the server behind the proxy until it has ended, and returns what the process has to exit with.
///
/// Standard input and output are taken over for good (`/dev/null` takes their place). `make_tap` is called on the observer's
/// thread once the server runs, so whatever it sets up delays no byte. The tap's `close` has been called on return, unless
/// [`ProxyExit::observer`] says otherwise. A thread may still be blocked in a read of standard input or a write to a client that
/// does not read: leave with [`std::process::exit`].
///
/// # Errors
/// The server could not be started; [`ProxyError::exit_code`] is the exit code to leave with.
pub(crate) fn run<T: Tap>(
    options: &ProxyOptions,
    make_tap: impl FnOnce() -> T + Send + 'static,
) -> Result<ProxyExit, ProxyError> {
    let setup = |part| move |source| ProxyError::Setup { part, source };
    let signals = SignalStream::open().map_err(setup("signal handlers"))?;
    let client = ClientPipes::take_stdio().map_err(setup("standard input and output"))?;
    let (server, pipes) = Server::spawn(&options.command, &options.args)?;
    let group = server.group();
    let supervisor = Supervisor::start(options, client, server, pipes, make_tap).map_err(setup("threads"))?;
    supervisor.listen_to(signals).map_err(setup("threads"))?;
    // After everything that moves bytes: the guard is for the end.
    let guard = Guard::post(group);
    if let Err(error) = &guard {
        tracing::debug!(%error, "no guard: should the proxy be killed, the server may outlive it");
    }
    Ok(supervisor.supervise())
}

#[cfg(test)]
mod tests;
