//! A local Sentry-compatible receiver: takes in what Sentry would, keeps it in SQLite, shows it on a web page.
//!
//! No account, no network: point any Sentry SDK (or `watchpost mcp`) at it and see what Sentry would have received. MCP
//! sessions come first: a log, a transaction and an error event of one call are shown as one event.
//!
//! ```
//! use watchpost_receiver::{Page, Receiver, ReceiverConfig};
//!
//! # let config = ReceiverConfig::default().with_address("127.0.0.1:0".parse()?);
//! # stringify!(
//! let config = ReceiverConfig::default().with_file("watchpost.db");
//! # );
//! let receiver = Receiver::bind(config)?.start()?;
//! println!("look at {}, send to {}", receiver.url(), receiver.dsn());
//! for session in receiver.store().sessions(Page::default())?.sessions {
//!     println!("{}: {} events, {} failed", session.id, session.events, session.errors);
//! }
//! receiver.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sending
//!
//! - `POST /api/{project}/envelope/` (the last slash may be missing): an envelope of any items, from any SDK, with any key.
//!   Answers `{"id":"…"}` (`{}` if the envelope has no id) once it is queued; a full queue makes the sender wait.
//! - `POST /stream`: the same, where Spotlight's SDK option sends.
//! - `POST /api/{project}/store/`: an event or a transaction by itself, as SDKs sent before there were envelopes.
//! - `Content-Encoding`: gzip, deflate (zlib or raw), br, zstd, also stacked. At most
//!   [`max_envelope_bytes`](ReceiverConfig::max_envelope_bytes) once decompressed, else 413.
//! - A damaged envelope is answered with 400 and `{"detail":"…"}`; the items before the damage are kept.
//! - With [`faults`](ReceiverConfig::faults) it answers as a failing or limiting Sentry does.
//! - Browser SDKs may send from pages on loopback origins (CORS).
//!
//! # Reading: the JSON API
//!
//! Every read sees everything whose POST was answered before. Times are RFC 3339 (UTC, milliseconds), durations
//! milliseconds, ids lowercase hex. Lists take `limit` (1 to 1000, default 100) and give `next`, `null` at the end; it is
//! passed as `before` (lists that begin with the latest) or `after` (a session's events). A failure is `{"detail":"…"}`.
//!
//! | `GET` | gives |
//! | --- | --- |
//! | `/api/sessions?limit&before` | [`SessionList`]: MCP sessions, the latest active first |
//! | `/api/sessions/{id}?limit&after` | [`SessionDetail`]: by session id or trace id; its events in time order |
//! | `/api/logs?query&level&limit&before` | [`LogList`]: `query` is contained in the body, `level` is the lowest wanted |
//! | `/api/traces?limit&before` | [`TraceList`]: traces that have spans |
//! | `/api/traces/{trace_id}` | [`TraceDetail`]: spans, logs and errors |
//! | `/api/issues?limit&before` | [`IssueList`] |
//! | `/api/issues/{id}?limit&before` | [`IssueDetail`]: with its error events |
//! | `/api/items/{id}` | an item's payload as it came |
//! | `/api/items/{id}/envelope`, `/api/sessions/{id}/export`, `/api/traces/{id}/export` | the same as an envelope, to be sent to any receiver |
//! | `/api/overview?range` | [`Overview`]: calls over time in the last `1h`, `24h`, `7d` or `60d` |
//! | `/api/tools?order` | a list of [`Tool`]s by `calls`, `errors`, `slowest` or `name` |
//! | `/api/search?query&limit&before` | [`SearchList`]: items with all words of `query` in their values |
//! | `/api/stats` | [`Stats`]: counts by item type, duplicates, pruned, refused, size |
//! | `/stream?payload` | server-sent events: a message for each item stored, a [`StoredItem`] with its `payload` |
//! | `/health` | `ok` |
//!
//! The pages are `/`, `/sessions`, `/sessions/{id}`, `/traces`, `/traces/{id}`, `/traces/{id}/spans/{item}-{position}`,
//! `/issues`, `/issues/{id}`, `/tools`, `/logs`, `/search` and `/items/{id}`; each address stays what it is.
//!
//! # What is kept, what is lost
//!
//! - Every item is kept as it came, of any type. Logs and v2 spans are kept one by one, not as containers.
//! - An error event or transaction with the event id of an earlier one, a log with the event id and time of an earlier one and
//!   a v2 span with the trace and span id of an earlier one are counted as duplicates and not stored again.
//! - The oldest items go when the database reaches [`max_bytes`](ReceiverConfig::max_bytes) or they reach
//!   [`max_age`](ReceiverConfig::max_age); they are counted as pruned. The sums of the overview and the tools keep counting them
//!   until they are too old themselves.
//! - Costs are as sent, else estimated by a built-in table of 2025 that was not checked and may be out of date.
//! - What was answered is in memory for a few milliseconds before it is committed; a `kill -9` loses that and no more. A
//!   power cut may lose the last seconds, since commits do not wait for the disk.
//! - A subscriber that is more than 4096 items behind misses some, and is told how many.
//!
//! # Safety
//!
//! Only loopback addresses are bound unless told otherwise; requests whose `Host` is not this receiver's and writes from
//! pages of other origins are refused; pages load nothing from elsewhere and run no script but their own; everything from
//! outside is escaped, made inert and bounded in length.
//!
//! Other addresses are bound only with a [`token`](ReceiverConfig::token), which every request then needs. It travels in the
//! clear: put TLS in front of what leaves the machine.
//!
//! # Missing
//!
//! Attachments are kept but not shown, replays and profiles are kept raw.

mod block_on;
mod config;
mod encoding;
mod error;
mod fault;
mod http;
mod inert;
mod ingest;
mod pages;
mod receiver;
mod store;
pub mod tail;

pub use self::{
    config::{DEFAULT_MAX_BYTES, DEFAULT_MAX_ENVELOPE_BYTES, DEFAULT_PORT, Database, ReceiverConfig},
    error::{ImportError, ReceiverError, StoreError},
    fault::{Fault, FaultError},
    receiver::{Receiver, RunningReceiver},
    store::{
        Actor, Calls, Cursor, CursorError, Discard, ErrorEntry, Export, Found, Issue, IssueDetail, IssueList,
        ItemCount, ItemRefs, LogEntry, LogList, LogQuery, Overview, Page, Party, Range, RawItem, SearchList, Session,
        SessionDetail, SessionEvent, SessionList, Source, SpanEntry, Stats, Store, StoredItem, Stretch, Subscription,
        Tally, Tool, ToolOrder, Trace, TraceDetail, TraceList,
    },
};
