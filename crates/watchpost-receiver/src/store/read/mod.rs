//! What the pages and the API read: one file a subject, one query a list, each bounded and in a fixed order.
//! All text in these types came from outside and is as it was sent, cut to a bounded length when it was stored.

mod issues;
mod logs;
mod overview;
mod search;
mod sessions;
mod stats;
mod tools;
mod traces;

use rusqlite::Row;
use serde::{Serialize, Serializer};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

pub use self::issues::{ErrorEntry, Issue, IssueDetail, IssueList};
pub use self::logs::{LogEntry, LogList, LogQuery};
pub use self::overview::{Calls, Overview, Range, Source, Stretch};
pub use self::search::{Found, SearchList};
pub(super) use self::sessions::find_session_number;
pub use self::sessions::{Actor, ItemRefs, Party, Session, SessionDetail, SessionEvent, SessionList};
pub use self::stats::{Discard, ItemCount, RawItem, Stats, Tally};
pub use self::tools::{Tool, ToolOrder};
pub use self::traces::{SpanEntry, Trace, TraceDetail, TraceList};

/// Reads a time column.
fn timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_nanos(row.get(column)?))
}

/// Reads a trace id column.
fn trace_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<TraceId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(TraceId))
}

/// Reads a span id column.
fn span_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<SpanId>> {
    Ok(row.get::<_, Option<[u8; 8]>>(column)?.map(SpanId))
}

/// Milliseconds between two times, as JSON numbers give durations here.
fn millis_between(started: Timestamp, ended: Timestamp) -> f64 {
    ended.duration_since(started).as_secs_f64() * 1000.0
}

/// Writes a timestamp as RFC 3339 with milliseconds.
fn rfc3339<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    timestamp.to_rfc3339().serialize(serializer)
}
