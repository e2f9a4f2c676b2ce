//! MCP sessions and their events.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{rfc3339, span_id, timestamp, trace_id};
use crate::error::StoreError;
use crate::store::{Cursor, Page, Store};

/// Traces named with a session; a session that makes one trace a call has many.
const MAX_TRACES: u32 = 20;

/// An MCP session: one client talking to one server.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Under which it is found: the session id, or the trace id when none was sent.
    pub id: String,
    /// The session id, if one was sent.
    pub session_id: Option<String>,
    /// Who calls.
    pub client: Party,
    /// Who answers.
    pub server: Party,
    /// For whom.
    pub actor: Actor,
    /// When its first event happened.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Timestamp,
    /// When its last event happened.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: Timestamp,
    /// MCP events seen, those pruned since included.
    pub events: u64,
    /// How many of them are tool calls (`tools/call`).
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    #[serde(skip)]
    number: i64,
    #[serde(skip)]
    last_nanos: i64,
}

/// A client or a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Party {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// Who a session was for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Actor {
    /// The id.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
}

/// A page of sessions, the latest active first.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionList {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// A session with a page of its events, the first first.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionDetail {
    /// The session.
    pub session: Session,
    /// Its traces, at most 20.
    pub trace_ids: Vec<TraceId>,
    /// The events in the order in which they happened.
    pub events: Vec<SessionEvent>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// One MCP event, joined from what was received for it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SessionEvent {
    /// Its number.
    pub id: i64,
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// The MCP method, for example `tools/call`.
    pub method: String,
    /// The tool, prompt or resource.
    pub resource: Option<String>,
    /// The duration in milliseconds.
    pub duration_ms: Option<f64>,
    /// The transaction's status; `None` when there is no transaction.
    pub status: Option<String>,
    /// Whether it failed.
    pub is_error: bool,
    /// What went wrong, best of what was received.
    pub error: Option<String>,
    /// Why the user wanted it.
    pub user_intent: Option<String>,
    /// Bytes of the request, if told.
    pub request_bytes: Option<u64>,
    /// Bytes of the response, if told.
    pub response_bytes: Option<u64>,
    /// For whom it was.
    pub actor: Option<String>,
    /// Who sent it: `client_to_server` or `server_to_client`, if told.
    pub direction: Option<String>,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
    /// What was received for it.
    pub items: ItemRefs,
}

/// The numbers of the items received for an event; see [`Store::item`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ItemRefs {
    /// The log.
    pub log: Option<i64>,
    /// The transaction, or the v2 span.
    pub transaction: Option<i64>,
    /// The error event.
    pub error: Option<i64>,
}

impl Store {
    /// The sessions, the latest active first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sessions(&self, page: Page) -> Result<SessionList, StoreError> {
        self.read(|connection| {
            let after = page.after.unwrap_or(Cursor { nanos: i64::MAX, id: i64::MAX });
            let mut sessions = connection
                .prepare_cached(
                    "SELECT * FROM sessions WHERE (last_seen, id) < (?1, ?2) ORDER BY last_seen DESC, id DESC LIMIT ?3",
                )?
                .query_map(params![after.nanos, after.id, page.limit + 1], read_session)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = page.cut(&mut sessions, |session| Cursor { nanos: session.last_nanos, id: session.number });
            Ok(SessionList { sessions, next })
        })
    }

    /// The session with this session id, or this trace id, and its events from the first on; `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn session(&self, id: &str, page: Page) -> Result<Option<SessionDetail>, StoreError> {
        self.read(|connection| {
            let Some(session) = find_session(connection, id)? else { return Ok(None) };
            let trace_ids = connection
                .prepare_cached(
                    "SELECT DISTINCT trace_id FROM mcp_events WHERE session = ?1 AND trace_id IS NOT NULL LIMIT ?2",
                )?
                .query_map(params![session.number, MAX_TRACES], |row| row.get(0).map(TraceId))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let after = page.after.unwrap_or(Cursor { nanos: i64::MIN, id: i64::MIN });
            let mut events = connection
                .prepare_cached(
                    "SELECT * FROM mcp_events WHERE session = ?1 AND (timestamp, id) > (?2, ?3)
                     ORDER BY timestamp, id LIMIT ?4",
                )?
                .query_map(params![session.number, after.nanos, after.id, page.limit + 1], read_event)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = page.cut(&mut events, |event| Cursor { nanos: event.timestamp.nanos(), id: event.id });
            Ok(Some(SessionDetail { session, trace_ids, events, next }))
        })
    }
}

/// The row of the session with this session id, or this trace id.
pub(in crate::store) fn find_session_number(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    Ok(find_session(connection, id)?.map(|session| session.number))
}

fn find_session(connection: &Connection, id: &str) -> rusqlite::Result<Option<Session>> {
    let by_key =
        connection.prepare_cached("SELECT * FROM sessions WHERE key = ?1")?.query_row([id], read_session).optional()?;
    match (by_key, id.parse::<TraceId>()) {
        (None, Ok(trace)) => connection
            .prepare_cached("SELECT * FROM sessions WHERE id = (SELECT session FROM traces WHERE trace_id = ?1)")?
            .query_row([trace.0], read_session)
            .optional(),
        (found, _) => Ok(found),
    }
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get("key")?,
        session_id: row.get("session_id")?,
        client: Party { name: row.get("client_name")?, version: row.get("client_version")? },
        server: Party { name: row.get("server_name")?, version: row.get("server_version")? },
        actor: Actor { id: row.get("actor_id")?, name: row.get("actor_name")? },
        first_seen: timestamp(row, "first_seen")?,
        last_seen: timestamp(row, "last_seen")?,
        events: row.get("events")?,
        calls: row.get("calls")?,
        errors: row.get("errors")?,
        number: row.get("id")?,
        last_nanos: row.get("last_seen")?,
    })
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<SessionEvent> {
    Ok(SessionEvent {
        id: row.get("id")?,
        timestamp: timestamp(row, "timestamp")?,
        method: row.get("method")?,
        resource: row.get("resource")?,
        duration_ms: row.get("duration_ms")?,
        status: row.get("status")?,
        is_error: row.get("is_error")?,
        error: row.get("error")?,
        user_intent: row.get("user_intent")?,
        request_bytes: row.get("request_bytes")?,
        response_bytes: row.get("response_bytes")?,
        actor: row.get("actor")?,
        direction: row.get("direction")?,
        trace_id: trace_id(row, "trace_id")?,
        span_id: span_id(row, "span_id")?,
        items: ItemRefs {
            log: row.get("log_item")?,
            transaction: row.get("transaction_item")?,
            error: row.get("error_item")?,
        },
    })
}
