//! Search across everything: ids exactly, words anywhere in an item.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use watchpost_sentry::wire::{Timestamp, TraceId};

use super::{rfc3339, timestamp, trace_id};
use crate::block_on::block_on;
use crate::error::StoreError;
use crate::store::{Cursor, Page, Store, search};

/// An item that was found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// Its number; see [`Store::item`].
    pub item: i64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// A log's body, a span's name or an error's message.
    pub title: Option<String>,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// The MCP session it belongs to.
    pub session: Option<String>,
    /// Its issue.
    pub issue: Option<i64>,
}

/// What was found, the last received first.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct SearchList {
    /// The trace with this id.
    pub trace: Option<TraceId>,
    /// The session with this id.
    pub session: Option<String>,
    /// The items.
    pub items: Vec<Found>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

const FOUND: &str = "SELECT items.id AS item, items.kind AS kind, items.timestamp AS timestamp, items.trace_id AS trace_id,
    coalesce(logs.body, error_events.message, spans.name) AS title, error_events.issue AS issue,
    (SELECT key FROM sessions JOIN traces ON sessions.id = traces.session WHERE traces.trace_id = items.trace_id) AS session_key
    FROM items LEFT JOIN logs ON logs.item = items.id LEFT JOIN error_events ON error_events.item = items.id
    LEFT JOIN spans ON spans.item = items.id AND spans.position = 0";

impl Store {
    /// The items in whose values all words of `text` are (the first 4 KiB of each; the last word as a beginning, case and
    /// accents aside), and the trace or session with this id. Waits until what arrived before can be found.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn search(&self, text: &str, page: Page) -> Result<SearchList, StoreError> {
        let text = text.trim();
        let last: i64 = self.read(|connection| {
            connection.prepare_cached("SELECT coalesce(max(id), 0) FROM items")?.query_row([], |row| row.get(0))
        })?;
        block_on(self.inner.progress.indexed(last))?;
        self.read(|connection| {
            let mut list = SearchList::default();
            if let Ok(id) = text.parse::<TraceId>() {
                list.trace = connection
                    .prepare_cached("SELECT trace_id FROM traces WHERE trace_id = ?1")?
                    .query_row([id.0], |row| row.get(0).map(TraceId))
                    .optional()?;
            }
            list.session = connection
                .prepare_cached("SELECT key FROM sessions WHERE key = ?1")?
                .query_row([text], |row| row.get(0))
                .optional()?;
            let Some(words) = search::query(text) else { return Ok(list) };
            let before = page.after.map_or(i64::MAX, |cursor| cursor.id);
            list.items = connection
                .prepare_cached(&format!(
                    "{FOUND} WHERE items.id IN
                         (SELECT rowid FROM search WHERE search MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3)
                     ORDER BY items.id DESC"
                ))?
                .query_map(params![words, before, page.limit + 1], read_found)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            list.next = page.cut(&mut list.items, |found| Cursor { nanos: 0, id: found.item });
            Ok(list)
        })
    }

    /// One item and what it belongs to; `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn found(&self, item: i64) -> Result<Option<Found>, StoreError> {
        self.read(|connection| {
            connection.prepare_cached(&format!("{FOUND} WHERE items.id = ?1"))?.query_row([item], read_found).optional()
        })
    }
}

fn read_found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        item: row.get("item")?,
        kind: row.get("kind")?,
        timestamp: timestamp(row, "timestamp")?,
        title: row.get("title")?,
        trace_id: trace_id(row, "trace_id")?,
        session: row.get("session_key")?,
        issue: row.get("issue")?,
    })
}
