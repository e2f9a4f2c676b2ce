//! A session or a trace as a file: one envelope with all its items as they came, which any receiver takes in again.

use rusqlite::{Connection, params};
use serde_json::json;
use watchpost_sentry::wire::TraceId;

use super::{Store, read};
use crate::error::StoreError;

/// Items exported at most; later ones are left out.
const MAX_ITEMS: u32 = 50_000;

/// What an export holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Export {
    /// The envelope.
    pub envelope: Vec<u8>,
    /// How many items are in it.
    pub items: u64,
}

impl Store {
    /// The items of the session with this session id, or this trace id, and of its traces, as one envelope, the first received
    /// first, 50 000 at most; `None` if there is no such session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn export_session(&self, id: &str) -> Result<Option<Export>, StoreError> {
        self.read(|connection| {
            let Some(session) = read::find_session_number(connection, id)? else { return Ok(None) };
            let items = numbers(
                connection,
                "WITH ours AS (SELECT DISTINCT trace_id FROM mcp_events WHERE session = ?1 AND trace_id IS NOT NULL)
                 SELECT log_item FROM mcp_events WHERE session = ?1
                 UNION SELECT transaction_item FROM mcp_events WHERE session = ?1
                 UNION SELECT error_item FROM mcp_events WHERE session = ?1
                 UNION SELECT item FROM logs JOIN ours USING (trace_id)
                 UNION SELECT item FROM spans JOIN ours USING (trace_id)
                 UNION SELECT item FROM error_events JOIN ours USING (trace_id)
                 ORDER BY 1 LIMIT ?2",
                params![session, MAX_ITEMS],
            )?;
            Ok(Some(envelope(connection, &items)?))
        })
    }

    /// The items of a trace as one envelope, the first received first, 50 000 at most; `None` if nothing of it was received.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn export_trace(&self, id: TraceId) -> Result<Option<Export>, StoreError> {
        self.read(|connection| {
            let items = numbers(
                connection,
                "SELECT item FROM logs WHERE trace_id = ?1 UNION SELECT item FROM spans WHERE trace_id = ?1
                 UNION SELECT item FROM error_events WHERE trace_id = ?1 ORDER BY 1 LIMIT ?2",
                params![id.0, MAX_ITEMS],
            )?;
            if items.is_empty() { Ok(None) } else { Ok(Some(envelope(connection, &items)?)) }
        })
    }

    /// One item as an envelope; `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn export_item(&self, id: i64) -> Result<Option<Export>, StoreError> {
        self.read(|connection| {
            let export = envelope(connection, &[id])?;
            Ok((export.items > 0).then_some(export))
        })
    }
}

fn numbers(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Vec<i64>> {
    let rows = connection
        .prepare_cached(sql)?
        .query_map(parameters, |row| row.get::<_, Option<i64>>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// An envelope without an id of its own: each event and transaction brings its own.
fn envelope(connection: &Connection, items: &[i64]) -> rusqlite::Result<Export> {
    let mut export = Export { envelope: b"{}\n".to_vec(), items: 0 };
    let mut read = connection.prepare_cached("SELECT kind, payload FROM items WHERE id = ?1")?;
    for item in items {
        let mut rows = read.query([item])?;
        let Some(row) = rows.next()? else { continue };
        let (kind, payload) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_blob()?);
        let is_contained =
            matches!(kind, "log" | "span") && serde_json::from_slice::<&serde_json::value::RawValue>(payload).is_ok();
        let payload = if is_contained { [b"{\"items\":[", payload, b"]}"].concat() } else { payload.to_vec() };
        let mut header = json!({ "type": kind, "length": payload.len() });
        if is_contained {
            let content_type = if kind == "log" {
                "application/vnd.sentry.items.log+json"
            } else {
                "application/vnd.sentry.items.span.v2+json"
            };
            header["item_count"] = json!(1);
            header["content_type"] = json!(content_type);
        }
        export.envelope.extend_from_slice(header.to_string().as_bytes());
        export.envelope.push(b'\n');
        export.envelope.extend_from_slice(&payload);
        export.envelope.push(b'\n');
        export.items += 1;
    }
    Ok(export)
}
