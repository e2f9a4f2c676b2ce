//! Traces: their spans, logs and errors.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::issues::read_error;
use super::logs::read_log;
use super::{ErrorEntry, LogEntry, millis_between, rfc3339, span_id, timestamp};
use crate::error::StoreError;
use crate::store::{Cursor, Page, Store};

/// Spans of a trace that are given at once.
const MAX_SPANS: u32 = 5000;

/// Logs and errors of a trace that are given at once.
const MAX_BESIDE: u32 = 500;

/// A trace in a list.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Trace {
    /// Its id.
    pub trace_id: TraceId,
    /// The name of its first root span.
    pub name: Option<String>,
    /// The operation of its first root span.
    pub op: Option<String>,
    /// The MCP session it belongs to.
    pub session: Option<String>,
    /// When it began.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Timestamp,
    /// When it ended, as far as was seen.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: Timestamp,
    /// From the first to the last moment, in milliseconds.
    pub duration_ms: f64,
    /// Spans seen, those pruned since included.
    pub spans: u64,
    /// Logs seen.
    pub logs: u64,
    /// Error events seen.
    pub errors: u64,
    /// Calls of models seen.
    pub model_calls: u64,
    /// Tokens they used.
    pub tokens: u64,
    /// What they cost in US dollars: as sent, else by list price; 0 when neither is known.
    pub cost: f64,
}

/// A page of traces, the latest active first; traces with logs only are left out.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TraceList {
    /// The traces.
    pub traces: Vec<Trace>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// A trace with what belongs to it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TraceDetail {
    /// The trace.
    pub trace: Trace,
    /// Its spans in the order in which they started, at most 5000.
    pub spans: Vec<SpanEntry>,
    /// Its logs, the first first, at most 500.
    pub logs: Vec<LogEntry>,
    /// Its error events, the first first, at most 500.
    pub errors: Vec<ErrorEntry>,
}

/// A span.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SpanEntry {
    /// The number of the item it came in; see [`Store::item`].
    pub item: i64,
    /// Its place in the item: 0 for a transaction's root or a v2 span, else the child's number from 1.
    pub position: i64,
    /// Its id.
    pub span_id: Option<SpanId>,
    /// Its parent's id.
    pub parent_span_id: Option<SpanId>,
    /// `transaction` for a transaction's root, else `span`.
    pub kind: String,
    /// The operation.
    pub op: Option<String>,
    /// The name.
    pub name: String,
    /// When it started.
    #[serde(serialize_with = "rfc3339")]
    pub started: Timestamp,
    /// From the trace's beginning to its start, in milliseconds.
    pub offset_ms: f64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// How it ended.
    pub status: Option<String>,
    /// Whether it failed.
    pub is_error: bool,
    /// What a model's call cost in US dollars: as sent, else by list price.
    pub cost: Option<f64>,
}

const TRACE: &str = "SELECT traces.*, (SELECT key FROM sessions WHERE id = traces.session) AS session_key FROM traces";

impl Store {
    /// The traces that have spans, the latest active first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn traces(&self, page: Page) -> Result<TraceList, StoreError> {
        self.read(|connection| {
            // Traces have no number; a time in nanoseconds tells them apart well enough for paging.
            let after = page.after.map_or(i64::MAX, |cursor| cursor.nanos);
            let mut traces = connection
                .prepare_cached(&format!(
                    "{TRACE} WHERE spans > 0 AND last_seen < ?1 ORDER BY last_seen DESC LIMIT ?2"
                ))?
                .query_map(params![after, page.limit + 1], read_trace)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = page.cut(&mut traces, |trace| Cursor { nanos: trace.last_seen.nanos(), id: 0 });
            Ok(TraceList { traces, next })
        })
    }

    /// The trace with this id; `None` if nothing of it was received.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn trace(&self, id: TraceId) -> Result<Option<TraceDetail>, StoreError> {
        self.read(|connection| {
            let trace = connection
                .prepare_cached(&format!("{TRACE} WHERE trace_id = ?1"))?
                .query_row([id.0], read_trace)
                .optional()?;
            let Some(trace) = trace else { return Ok(None) };
            let spans = connection
                .prepare_cached("SELECT * FROM spans WHERE trace_id = ?1 ORDER BY started, item, position LIMIT ?2")?
                .query_map(params![id.0, MAX_SPANS], |row| read_span(row, trace.first_seen))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let logs = connection
                .prepare_cached("SELECT * FROM logs WHERE trace_id = ?1 ORDER BY timestamp, item LIMIT ?2")?
                .query_map(params![id.0, MAX_BESIDE], read_log)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let errors = connection
                .prepare_cached(
                    "SELECT error_events.*, NULL AS event_id, NULL AS session_key FROM error_events
                     WHERE trace_id = ?1 ORDER BY timestamp, item LIMIT ?2",
                )?
                .query_map(params![id.0, MAX_BESIDE], read_error)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(Some(TraceDetail { trace, spans, logs, errors }))
        })
    }

    /// The span at a place of an item and the trace it is in, its offset from its own start; `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn span(&self, item: i64, position: i64) -> Result<Option<(TraceId, SpanEntry)>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT * FROM spans WHERE item = ?1 AND position = ?2")?
                .query_row([item, position], |row| {
                    Ok((TraceId(row.get("trace_id")?), read_span(row, timestamp(row, "started")?)?))
                })
                .optional()
        })
    }
}

fn read_trace(row: &Row<'_>) -> rusqlite::Result<Trace> {
    let (first_seen, last_seen) = (timestamp(row, "first_seen")?, timestamp(row, "last_seen")?);
    Ok(Trace {
        trace_id: TraceId(row.get("trace_id")?),
        name: row.get("name")?,
        op: row.get("op")?,
        session: row.get("session_key")?,
        first_seen,
        last_seen,
        duration_ms: millis_between(first_seen, last_seen),
        spans: row.get("spans")?,
        logs: row.get("logs")?,
        errors: row.get("errors")?,
        model_calls: row.get("model_calls")?,
        tokens: row.get("tokens")?,
        cost: row.get("cost")?,
    })
}

fn read_span(row: &Row<'_>, trace_start: Timestamp) -> rusqlite::Result<SpanEntry> {
    let started = timestamp(row, "started")?;
    Ok(SpanEntry {
        item: row.get("item")?,
        position: row.get("position")?,
        span_id: span_id(row, "span_id")?,
        parent_span_id: span_id(row, "parent_id")?,
        kind: row.get("kind")?,
        op: row.get("op")?,
        name: row.get("name")?,
        started,
        offset_ms: millis_between(trace_start, started),
        duration_ms: millis_between(started, timestamp(row, "ended")?),
        status: row.get("status")?,
        is_error: row.get("is_error")?,
        cost: row.get("cost")?,
    })
}
