//! Joins what arrives into MCP events and sessions: a log, a transaction and an error event of one span are one event;
//! events with one session id, or without any but in one trace, are one session (seed 000: one trace per session).

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use watchpost_sentry::wire::{Timestamp, TraceId};

use super::metrics::{CallDelta, Metrics, tool_key};
use super::record::CallKind;
use super::statements::Statements;
use super::{EventRecord, Parties};

/// Sessions and traces remembered between batches; beyond this the memory starts afresh from the database.
const REMEMBERED: usize = 10_000;

/// The session of events that have neither session id nor trace.
const NO_SESSION: &str = "unknown";

/// The method whose events are counted as calls.
pub(super) const CALL: &str = "tools/call";

/// Events an item may hold. An event's number is `item * MAX_EVENTS + position`, so that pruning finds a range.
pub(super) const MAX_EVENTS: i64 = 4096;

/// Which of an event's three items a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Log,
    Transaction,
    Error,
}

/// The item an event is read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) number: i64,
    /// Which of the item's events: below [`MAX_EVENTS`].
    pub(super) position: i64,
    pub(super) role: Role,
}

/// Row numbers of recent sessions, so that most events need no look-up.
#[derive(Debug, Default)]
pub(super) struct SessionIndex {
    by_key: HashMap<Arc<str>, i64>,
    by_trace: HashMap<TraceId, i64>,
    keys: HashMap<i64, Arc<str>>,
}

impl SessionIndex {
    /// Forgets everything, after rows went away.
    pub(super) fn clear(&mut self) {
        self.by_key.clear();
        self.by_trace.clear();
        self.keys.clear();
    }

    /// Keeps the memory bounded; only between transactions, since a trace's session may not be written yet.
    pub(super) fn shrink(&mut self) {
        if self.by_trace.len().max(self.by_key.len()).max(self.keys.len()) > REMEMBERED {
            self.clear();
        }
    }

    /// The session of a trace seen recently.
    pub(super) fn session_of_trace(&self, trace: TraceId) -> Option<i64> {
        self.by_trace.get(&trace).copied()
    }

    /// The public key of a session.
    pub(super) fn key(&mut self, connection: &Connection, session: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(key) = self.keys.get(&session) {
            return Ok(Arc::clone(key));
        }
        let key: Arc<str> = connection
            .prepare_cached("SELECT key FROM sessions WHERE id = ?1")?
            .query_row([session], |row| Ok(Arc::from(row.get_ref(0)?.as_str()?)))?;
        self.keys.insert(session, Arc::clone(&key));
        Ok(key)
    }

    /// Adds what an item says to its event, making the event and its session if they are new. Gives the session; `None`
    /// when the item only adds to an event and there is none.
    pub(super) fn store_event(
        &mut self,
        statements: &mut Statements<'_>,
        sums: &mut SessionSums,
        metrics: &mut Metrics,
        item: Source,
        trace: Option<TraceId>,
        event: &EventRecord,
    ) -> rusqlite::Result<Option<i64>> {
        let known = match (trace, event.span_id) {
            (Some(trace), Some(span)) => {
                statements.known_event.query_row(params![trace.0, span.0], Known::read).optional()?
            }
            _ => None,
        };
        match (known, &event.method) {
            (Some(known), _) => {
                update_event(statements, item, known.id, event)?;
                let is_news = event.is_error && !known.is_error;
                let sum = sums.touch(known.session, item.number, event);
                sum.errors += i64::from(is_news);
                let tool = tool_key(
                    &known.method,
                    known.resource.as_deref().or(event.resource.as_deref()),
                    event.parties.server_name.as_deref().unwrap_or(""),
                );
                let delta = CallDelta {
                    errors: i64::from(is_news),
                    duration_ms: event.duration_ms.filter(|_| known.duration_ms.is_none()),
                    sizes: sizes(event).filter(|_| known.response_bytes.is_none()),
                    error: event.error.clone().filter(|_| event.is_error),
                    ..CallDelta::default()
                };
                metrics.add(known.timestamp, CallKind::Mcp, tool, delta);
                Ok(Some(known.session))
            }
            (None, Some(method)) => {
                let session = self.resolve(statements.connection, item.number, trace, event)?;
                let is_error = insert_event(statements, item, session, trace, method, event)?;
                let sum = sums.touch(session, item.number, event);
                sum.events += 1;
                sum.calls += i64::from(method == CALL);
                sum.errors += i64::from(is_error);
                let server = event.parties.server_name.as_deref().unwrap_or("");
                let delta = CallDelta {
                    calls: 1,
                    errors: i64::from(is_error),
                    duration_ms: event.duration_ms,
                    sizes: sizes(event),
                    error: event.error.clone().filter(|_| is_error),
                    ..CallDelta::default()
                };
                metrics.add(event.timestamp, CallKind::Mcp, tool_key(method, event.resource.as_deref(), server), delta);
                Ok(Some(session))
            }
            (None, None) => Ok(None),
        }
    }

    /// The session an event belongs to, made if it is new.
    fn resolve(
        &mut self,
        connection: &Connection,
        item: i64,
        trace: Option<TraceId>,
        event: &EventRecord,
    ) -> rusqlite::Result<i64> {
        let of_trace = match trace {
            Some(trace) => self.look_up_trace(connection, trace)?,
            None => None,
        };
        let Some(session_id) = event.parties.session_id.as_deref() else {
            if let Some(session) = of_trace {
                return Ok(session);
            }
            let key = trace.map_or_else(|| NO_SESSION.to_owned(), |trace| trace.to_string());
            return self.find_or_insert(connection, item, trace, &key, None, event);
        };
        if let Some(&session) = self.by_key.get(session_id) {
            self.remember_trace(trace, session);
            return Ok(session);
        }
        // A session first seen without its id takes the id as its name.
        if let Some(session) = of_trace {
            let renamed = connection
                .prepare_cached(
                    "UPDATE OR IGNORE sessions SET key = ?2, session_id = ?2 WHERE id = ?1 AND session_id IS NULL",
                )?
                .execute(params![session, session_id])?;
            if renamed > 0 {
                if let Some(old) = self.keys.remove(&session) {
                    self.by_key.remove(&old);
                }
                self.remember(session_id, session);
                return Ok(session);
            }
        }
        self.find_or_insert(connection, item, trace, session_id, Some(session_id), event)
    }

    fn find_or_insert(
        &mut self,
        connection: &Connection,
        item: i64,
        trace: Option<TraceId>,
        key: &str,
        session_id: Option<&str>,
        event: &EventRecord,
    ) -> rusqlite::Result<i64> {
        let found = connection
            .prepare_cached("SELECT id FROM sessions WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let session = match found {
            Some(session) => session,
            None => connection
                .prepare_cached(
                    "INSERT INTO sessions (key, session_id, first_seen, last_seen, events, calls, errors, last_item)
                     VALUES (?1, ?2, ?3, ?3, 0, 0, 0, ?4) RETURNING id",
                )?
                .query_row(params![key, session_id, event.timestamp.nanos(), item], |row| row.get(0))?,
        };
        self.remember(key, session);
        self.remember_trace(trace, session);
        Ok(session)
    }

    fn look_up_trace(&mut self, connection: &Connection, trace: TraceId) -> rusqlite::Result<Option<i64>> {
        if let Some(&session) = self.by_trace.get(&trace) {
            return Ok(Some(session));
        }
        let session: Option<i64> = connection
            .prepare_cached("SELECT session FROM traces WHERE trace_id = ?1")?
            .query_row([trace.0], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(session) = session {
            self.by_trace.insert(trace, session);
        }
        Ok(session)
    }

    fn remember(&mut self, key: &str, session: i64) {
        let key: Arc<str> = Arc::from(key);
        self.by_key.insert(Arc::clone(&key), session);
        self.keys.insert(session, key);
    }

    fn remember_trace(&mut self, trace: Option<TraceId>, session: i64) {
        if let Some(trace) = trace {
            self.by_trace.entry(trace).or_insert(session);
        }
    }
}

/// An event that is there already, as far as a later item may add to it.
struct Known {
    id: i64,
    session: i64,
    is_error: bool,
    timestamp: Timestamp,
    method: String,
    resource: Option<String>,
    duration_ms: Option<f64>,
    response_bytes: Option<i64>,
}

impl Known {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            session: row.get(1)?,
            is_error: row.get(2)?,
            timestamp: Timestamp::from_nanos(row.get(3)?),
            method: row.get(4)?,
            resource: row.get(5)?,
            duration_ms: row.get(6)?,
            response_bytes: row.get(7)?,
        })
    }
}

/// The sizes of request and response, when either is told.
fn sizes(event: &EventRecord) -> Option<(i64, i64)> {
    let told = event.request_bytes.is_some() || event.response_bytes.is_some();
    told.then(|| (event.request_bytes.unwrap_or(0), event.response_bytes.unwrap_or(0)))
}

fn insert_event(
    statements: &mut Statements<'_>,
    item: Source,
    session: i64,
    trace: Option<TraceId>,
    method: &str,
    event: &EventRecord,
) -> rusqlite::Result<bool> {
    // An error event that arrived before its log was not known to be an MCP event's.
    let earlier: Option<(i64, String)> = match (trace, event.span_id, item.role) {
        (Some(trace), Some(span), Role::Log | Role::Transaction) => statements
            .earlier_error
            .query_row(params![trace.0, span.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?,
        _ => None,
    };
    let is_error = event.is_error || earlier.is_some();
    let (error_item, message) = earlier.unzip();
    let error_item = if item.role == Role::Error { Some(item.number) } else { error_item };
    statements.new_event.execute(params![
        item.number * MAX_EVENTS + item.position,
        session,
        trace.map(|id| id.0),
        event.span_id.map(|id| id.0),
        event.timestamp.nanos(),
        method,
        event.resource,
        event.duration_ms,
        event.status,
        is_error,
        message.as_ref().or(event.error.as_ref()),
        event.user_intent,
        (item.role == Role::Log).then_some(item.number),
        (item.role == Role::Transaction).then_some(item.number),
        error_item,
        item.number,
        event.request_bytes,
        event.response_bytes,
        event.parties.actor_name.as_ref().or(event.parties.actor_id.as_ref()),
        event.direction,
    ])?;
    Ok(is_error)
}

fn update_event(statements: &mut Statements<'_>, item: Source, id: i64, event: &EventRecord) -> rusqlite::Result<()> {
    statements.more_of_event.execute(params![
        id,
        event.resource,
        event.duration_ms,
        event.status,
        event.is_error,
        event.error,
        event.user_intent,
        (item.role == Role::Log).then_some(item.number),
        (item.role == Role::Transaction).then_some(item.number),
        (item.role == Role::Error).then_some(item.number),
        item.number,
        event.request_bytes,
        event.response_bytes,
        event.parties.actor_name.as_ref().or(event.parties.actor_id.as_ref()),
        event.direction,
    ])?;
    Ok(())
}

/// What a batch adds to its sessions, written once.
#[derive(Debug, Default)]
pub(super) struct SessionSums {
    sessions: HashMap<i64, SessionSum>,
}

#[derive(Debug)]
struct SessionSum {
    events: i64,
    calls: i64,
    errors: i64,
    first_seen: i64,
    last_seen: i64,
    last_item: i64,
    parties: Parties,
}

impl SessionSums {
    fn touch(&mut self, session: i64, item: i64, event: &EventRecord) -> &mut SessionSum {
        let at = event.timestamp.nanos();
        let sum = self.sessions.entry(session).or_insert(SessionSum {
            events: 0,
            calls: 0,
            errors: 0,
            first_seen: at,
            last_seen: at,
            last_item: item,
            parties: Parties::default(),
        });
        sum.first_seen = sum.first_seen.min(at);
        sum.last_seen = sum.last_seen.max(at);
        sum.last_item = item;
        sum.parties.add(&event.parties);
        sum
    }

    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "UPDATE sessions SET events = events + ?2, calls = calls + ?3, errors = errors + ?4,
                 first_seen = min(first_seen, ?5), last_seen = max(last_seen, ?6), last_item = ?7,
                 client_name = coalesce(client_name, ?8), client_version = coalesce(client_version, ?9),
                 server_name = coalesce(server_name, ?10), server_version = coalesce(server_version, ?11),
                 actor_id = coalesce(?12, actor_id), actor_name = coalesce(?13, actor_name)
             WHERE id = ?1",
        )?;
        for (session, sum) in self.sessions {
            let parties = sum.parties;
            statement.execute(params![
                session,
                sum.events,
                sum.calls,
                sum.errors,
                sum.first_seen,
                sum.last_seen,
                sum.last_item,
                parties.client_name,
                parties.client_version,
                parties.server_name,
                parties.server_version,
                parties.actor_id,
                parties.actor_name,
            ])?;
        }
        Ok(())
    }
}

impl Parties {
    /// Takes over what is not known yet; the actor is the latest that was named, since one may log in during a session.
    fn add(&mut self, other: &Self) {
        let first = |known: &mut Option<String>, new: &Option<String>| {
            if known.is_none() {
                known.clone_from(new);
            }
        };
        first(&mut self.client_name, &other.client_name);
        first(&mut self.client_version, &other.client_version);
        first(&mut self.server_name, &other.server_name);
        first(&mut self.server_version, &other.server_version);
        if other.actor_id.is_some() {
            self.actor_id.clone_from(&other.actor_id);
        }
        if other.actor_name.is_some() {
            self.actor_name.clone_from(&other.actor_name);
        }
    }
}
