//! Capture of MCP traffic, without I/O: bytes in, [`McpEvent`](crate::model::McpEvent)s out.
//! Source: the MCP specification, revisions 2024-11-05 to 2026-07-28, and JSON-RPC 2.0.
//!
//! ```text
//! bytes ──> Scanner ──> &Message ──> Session ──> McpEvent
//!           (JSON)      (facts)      (correlation)
//! └──────────────── StdioObserver ─────────────┘
//!                (framing by newline)
//! ```
//!
//! * [`Scanner`] reads one JSON frame of any size in constant memory and keeps the few facts that matter: a [`Message`].
//! * [`Session`] is the state machine of one connection: it matches answers to requests and makes the events. It knows
//!   nothing of framing, so an HTTP proxy or an in-process tap feeds it the same messages.
//! * [`Sessions`] says which session a request belongs to.
//! * [`StdioObserver`] is only framing: newline-delimited JSON in two directions, as on a server's stdin and stdout.
//!
//! None of them reads a clock or waits: time comes in as a [`Moment`]. None fails or panics, whatever the bytes are.
//!
//! ```
//! use watchpost::{mcp::{Moment, ObserverOptions, StdioObserver}, model::Direction};
//!
//! let mut observer = StdioObserver::new(ObserverOptions::default());
//! let request = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}"#;
//! let answer = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"boom"}],"isError":true}}"#;
//! for (direction, frame) in [(Direction::ClientToServer, &request[..]), (Direction::ServerToClient, &answer[..])] {
//!     observer.feed(direction, frame, Moment::now());
//!     observer.feed(direction, b"\n", Moment::now());
//! }
//!
//! let event = observer.drain_events().next().unwrap();
//! assert_eq!((event.event_type.as_ref(), event.resource_name.as_deref()), ("tools/call", Some("add")));
//! assert_eq!(event.error.unwrap().message, "boom");
//! ```

mod content;
mod message;
mod moment;
mod options;
mod request_id;
mod scanner;
mod session;
mod sessions;
mod stdio;
mod tool_context;
#[cfg(feature = "rmcp")]
pub mod track;

#[cfg(feature = "rmcp")]
pub use self::track::{Options, TrackError, Tracked, Tracker, track};
pub use self::{
    content::Content,
    message::{Field, Message, MessageKind},
    moment::Moment,
    options::{Capture, EventFilter, ObserverOptions, UnknownEvents},
    request_id::RequestId,
    scanner::{Frame, Scanner},
    session::{Session, SessionCounters},
    sessions::{ClientInfo, KnownSession, Origin, Sessions, connection_session_id},
    stdio::{StdioCounters, StdioObserver},
    tool_context::{CONTEXT_ARGUMENT, CONTEXT_DESCRIPTION, add_context_argument},
};
