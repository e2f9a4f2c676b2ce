//! Capture in MCP servers made with rmcp: [`track`] wraps a server, and every request becomes an event. Features `rmcp`, and
//! `rmcp-http` for [`TrackedSessions`].
//!
//! ```no_run
//! use rmcp::{ServerHandler, ServiceExt};
//! use watchpost::{exporter::SentryConfig, mcp::{Options, track}};
//!
//! #[derive(Clone)]
//! struct Weather;
//! impl ServerHandler for Weather {}
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let sentry = SentryConfig::default()
//!     .with_dsn("https://key@o123456.ingest.sentry.io/789")
//!     .with_environment("production")
//!     .with_release("1.0.0")
//!     .with_tracing(true);
//! let server = track(Weather, None, Options::default().exporter("sentry", sentry))?;
//! let tracker = server.tracker().clone();
//! server.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
//! println!("{}", tracker.shutdown_async(std::time::Duration::from_secs(2)).await);
//! # Ok(()) }
//! ```
//!
//! Over streamable HTTP, where rmcp makes a server for each session or request, one [`Tracker`] tracks them all:
//!
//! ```
//! # use watchpost::mcp::{Options, Tracker};
//! # #[derive(Clone)] struct Weather;
//! # impl rmcp::ServerHandler for Weather {}
//! let tracker = Tracker::new(None, Options::default())?;
//! let factory = move || Ok::<_, std::io::Error>(tracker.track(Weather));
//! // StreamableHttpService::new(factory, …)
//! # drop(factory);
//! # Ok::<(), watchpost::mcp::TrackError>(())
//! ```
//!
//! # What a call costs
//! The handler's thread reads two clocks, copies names and ids, and puts them into a queue: a few microseconds. Hooks, redaction,
//! mapping and JSON run on the thread `watchpost-track`, hooks on `watchpost-hooks`, which is replaced when one of them hangs.
//! Arguments and results are copied only when they are captured or a hook is set that wants to see them.
//!
//! # Sessions
//! See [`Origin`](super::Origin): the peer's `Mcp-Session-Id`, else the connection, else, over stateless HTTP, the client's name
//! with its credentials and forwarded address. A request that nothing tells from any other has no session; its event is a trace of
//! its own. Two clients of the same name, without credentials, behind one address, without sessions, cannot be told apart:
//! [`Options::resolve_session_id`] can.
//!
//! # Inside a tool
//! [`current_call`] is the call that the code runs in. Spans of a [`Tracer`](crate::ai::Tracer) and `tracing` spans made there
//! nest under it; [`capture_error`] says why it failed; [`CurrentCall::traceparent`] is what to send with outgoing calls.
//!
//! # What no handler sees
//! What the server asks its client (sampling, elicitation, roots), and what rmcp refuses before a handler runs, is seen by
//! [`Tracked::tap`] on any transport and, but for refusals, by [`Tracker::sessions`] on streamable HTTP. [`Tracked::tap_io`] sees on
//! byte streams also how large messages are, and requests that rmcp can't read.

mod answer;
mod batch;
mod call;
mod connection;
mod custom;
mod draft;
mod event;
mod hooks;
#[cfg(feature = "rmcp-http")]
mod http_sessions;
mod identities;
mod json;
mod open_call;
mod options;
mod patience;
mod queue;
mod runner;
mod sender;
mod service;
mod streams;
mod tap;
mod tools;
mod tracked;
mod tracker;
mod wire;
mod worker;

use rmcp::ServerHandler;

#[cfg(feature = "rmcp-http")]
pub use self::http_sessions::TrackedSessions;
pub use self::{
    call::{CurrentCall, capture_error, current_call},
    custom::CustomEvent,
    hooks::{HookError, HookRequest},
    options::{ExporterOption, Options, TrackError},
    service::TrackedService,
    tap::Tap,
    tracked::Tracked,
    tracker::{TrackOutcome, Tracker},
};

/// Tracks a server: every request becomes an event, sent by the exporters of `options`. The server's answers are not touched.
///
/// It is for one server of one connection, such as standard input and output, or for one that is cloned for each connection.
///
/// # Errors
/// When an exporter's configuration is wrong. Nothing else fails: without a network, or a disk, the server runs as it would.
pub fn track<H: ServerHandler>(
    server: H,
    project_id: Option<&str>,
    options: Options,
) -> Result<Tracked<H>, TrackError> {
    Ok(Tracker::new(project_id, options)?.track(server))
}
