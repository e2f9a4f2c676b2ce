//! Issues: error events grouped by fingerprint.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use watchpost_sentry::wire::{EventId, SpanId, Timestamp, TraceId};

use super::{rfc3339, span_id, timestamp, trace_id};
use crate::error::StoreError;
use crate::store::{Cursor, Page, Store};

/// An issue: error events that are one problem.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// Its number.
    pub id: i64,
    /// Type and message of its latest event.
    pub title: String,
    /// What was going on: the transaction.
    pub culprit: Option<String>,
    /// The level of its latest event.
    pub level: String,
    /// When its first event happened.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Timestamp,
    /// When its last event happened.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: Timestamp,
    /// Its events, those pruned since included.
    pub count: u64,
}

/// A page of issues, the latest active first.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IssueList {
    /// The issues.
    pub issues: Vec<Issue>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// An issue with a page of its events, the latest first.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IssueDetail {
    /// The issue.
    pub issue: Issue,
    /// The events.
    pub events: Vec<ErrorEntry>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// An error event.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ErrorEntry {
    /// Its item's number; see [`Store::item`].
    pub item: i64,
    /// The issue it belongs to.
    pub issue: i64,
    /// Its event id.
    pub event_id: Option<EventId>,
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// Type and message.
    pub message: String,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// The span that failed.
    pub span_id: Option<SpanId>,
    /// The MCP session it belongs to.
    pub session: Option<String>,
}

impl Store {
    /// The issues, the latest active first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn issues(&self, page: Page) -> Result<IssueList, StoreError> {
        self.read(|connection| {
            let after = page.after.unwrap_or(Cursor { nanos: i64::MAX, id: i64::MAX });
            let mut issues = connection
                .prepare_cached(
                    "SELECT * FROM issues WHERE (last_seen, id) < (?1, ?2) ORDER BY last_seen DESC, id DESC LIMIT ?3",
                )?
                .query_map(params![after.nanos, after.id, page.limit + 1], read_issue)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = page.cut(&mut issues, |issue| Cursor { nanos: issue.last_seen.nanos(), id: issue.id });
            Ok(IssueList { issues, next })
        })
    }

    /// The issue with this number and its events, the latest first; `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn issue(&self, id: i64, page: Page) -> Result<Option<IssueDetail>, StoreError> {
        self.read(|connection| {
            let issue = connection
                .prepare_cached("SELECT * FROM issues WHERE id = ?1")?
                .query_row([id], read_issue)
                .optional()?;
            let Some(issue) = issue else { return Ok(None) };
            let after = page.after.unwrap_or(Cursor { nanos: i64::MAX, id: i64::MAX });
            let mut events = connection
                .prepare_cached(
                    "SELECT error_events.*, items.event_id,
                         (SELECT key FROM sessions JOIN traces ON sessions.id = traces.session
                          WHERE traces.trace_id = error_events.trace_id) AS session_key
                     FROM error_events JOIN items ON items.id = error_events.item
                     WHERE issue = ?1 AND (error_events.timestamp, item) < (?2, ?3)
                     ORDER BY error_events.timestamp DESC, item DESC LIMIT ?4",
                )?
                .query_map(params![id, after.nanos, after.id, page.limit + 1], read_error)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = page.cut(&mut events, |event| Cursor { nanos: event.timestamp.nanos(), id: event.item });
            Ok(Some(IssueDetail { issue, events, next }))
        })
    }
}

pub(super) fn read_issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    Ok(Issue {
        id: row.get("id")?,
        title: row.get("title")?,
        culprit: row.get("culprit")?,
        level: row.get("level")?,
        first_seen: timestamp(row, "first_seen")?,
        last_seen: timestamp(row, "last_seen")?,
        count: row.get("count")?,
    })
}

pub(super) fn read_error(row: &Row<'_>) -> rusqlite::Result<ErrorEntry> {
    Ok(ErrorEntry {
        item: row.get("item")?,
        issue: row.get("issue")?,
        event_id: row.get::<_, Option<[u8; 16]>>("event_id")?.map(EventId),
        timestamp: timestamp(row, "timestamp")?,
        message: row.get("message")?,
        trace_id: trace_id(row, "trace_id")?,
        span_id: span_id(row, "span_id")?,
        session: row.get("session_key")?,
    })
}
