//! Logs, searched and filtered.

use rusqlite::{Row, params};
use serde::Serialize;
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{rfc3339, span_id, timestamp, trace_id};
use crate::error::StoreError;
use crate::store::batch::severity;
use crate::store::{Cursor, Page, Store};

/// Severities that are stored.
const SEVERITIES: [i64; 6] = [1, 5, 9, 13, 17, 21];

/// Logs of a level in which a text is looked for; the search page looks through all.
const MAX_SCANNED: u32 = 10_000;

/// A log.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Its item's number; see [`Store::item`].
    pub item: i64,
    /// When it was written.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// The level: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.
    pub level: &'static str,
    /// The message.
    pub body: String,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
}

/// Which logs to read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogQuery {
    /// Text the message must contain, ASCII case aside; empty for any. It is looked for in the latest 10 000 logs of each level.
    pub text: String,
    /// The lowest level wanted, for example `warn`; `None` for all.
    pub min_level: Option<String>,
    /// Which part of the list.
    pub page: Page,
}

/// A page of logs, the latest first.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LogList {
    /// The logs.
    pub logs: Vec<LogEntry>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

impl Store {
    /// The logs that fit `query`, the latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn logs(&self, query: &LogQuery) -> Result<LogList, StoreError> {
        let after = query.page.after.unwrap_or(Cursor { nanos: i64::MAX, id: i64::MAX });
        let lowest = query.min_level.as_deref().map_or(0, severity);
        self.read(|connection| {
            let sql = statement(lowest, !query.text.is_empty());
            let mut logs = connection
                .prepare_cached(&sql)?
                .query_map(
                    params![after.nanos, after.id, contains(&query.text), query.page.limit + 1, MAX_SCANNED],
                    read_log,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let next = query.page.cut(&mut logs, |log| Cursor { nanos: log.timestamp.nanos(), id: log.item });
            Ok(LogList { logs, next })
        })
    }
}

/// The query for logs of at least `lowest`: one range of the index by severity for each level, since SQLite would otherwise
/// walk an index by time past all that do not fit. A text is looked for in the latest [`MAX_SCANNED`] of each.
fn statement(lowest: i64, with_text: bool) -> String {
    let wanted = if with_text { "?5" } else { "?4" };
    let ranges: Vec<String> = SEVERITIES
        .iter()
        .filter(|severity| **severity >= lowest)
        .map(|severity| {
            format!(
                "SELECT * FROM (SELECT * FROM logs WHERE severity = {severity} AND (timestamp, item) < (?1, ?2)
                 ORDER BY timestamp DESC, item DESC LIMIT {wanted})"
            )
        })
        .collect();
    // All parameters appear, so that one list of values fits both.
    format!(
        "SELECT * FROM ({source}) WHERE {text} AND ?5 > 0 ORDER BY timestamp DESC, item DESC LIMIT ?4",
        source = ranges.join(" UNION ALL "),
        text = if with_text { "body LIKE ?3 ESCAPE '\\'" } else { "?3 IS NOT NULL" },
    )
}

/// A LIKE pattern for "contains `text`", its wildcards taken literally.
fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for char in text.chars() {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

pub(super) fn read_log(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    Ok(LogEntry {
        item: row.get("item")?,
        timestamp: timestamp(row, "timestamp")?,
        level: level(row.get("severity")?),
        body: row.get("body")?,
        trace_id: trace_id(row, "trace_id")?,
        span_id: span_id(row, "span_id")?,
    })
}

fn level(severity: i64) -> &'static str {
    match severity {
        ..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        _ => "fatal",
    }
}

#[cfg(test)]
mod tests {
    use super::{contains, level, severity};

    #[test]
    fn wildcards_in_a_search_are_text() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }

    #[test]
    fn a_level_survives_being_stored_as_a_number() {
        for name in ["trace", "debug", "info", "warn", "error", "fatal"] {
            assert_eq!(level(severity(name)), name);
        }
    }
}
