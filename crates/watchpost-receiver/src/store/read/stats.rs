//! What the receiver counted, and single items as they came.

use std::sync::atomic::Ordering;

use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use watchpost_sentry::wire::Timestamp;

use super::timestamp;
use crate::error::StoreError;
use crate::store::prune::used_bytes;
use crate::store::{SCHEMA_VERSION, Store};

/// What was counted. Counts by type last as long as the database; those of refused envelopes and failed writes start
/// with the receiver.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// By item type, in alphabetical order.
    pub items: Vec<ItemCount>,
    /// Items kept now.
    pub kept: u64,
    /// MCP sessions kept.
    pub sessions: u64,
    /// MCP events kept.
    pub events: u64,
    /// MCP events kept that failed.
    pub failed_events: u64,
    /// Issues kept.
    pub issues: u64,
    /// Traces with spans kept.
    pub traces: u64,
    /// What senders said they dropped, from their client reports.
    pub discarded_by_senders: Vec<Discard>,
    /// Envelopes refused or damaged since the receiver started.
    pub rejected_envelopes: u64,
    /// Items lost because the database could not be written, since the receiver started.
    pub failed_writes: u64,
    /// Why the last of them was lost.
    pub last_failure: Option<String>,
    /// Bytes the database uses.
    pub database_bytes: u64,
    /// Bytes it may use.
    pub max_database_bytes: u64,
    /// The database's schema.
    pub schema: usize,
}

/// Counts of one item type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ItemCount {
    /// The type as in the envelope; a log or v2 span container counts its items.
    #[serde(rename = "type")]
    pub kind: String,
    /// Received, duplicates included.
    pub received: u64,
    /// Received again, and not stored again.
    pub duplicates: u64,
    /// Kept raw because they could not be read as their type.
    pub unreadable: u64,
    /// Deleted to stay below the size cap.
    pub pruned: u64,
}

/// A line of the client reports, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Discard {
    /// Why it was dropped.
    pub reason: String,
    /// What was dropped.
    pub category: String,
    /// How many.
    pub quantity: u64,
}

/// An item as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RawItem {
    /// Its number.
    pub id: i64,
    /// Its type.
    pub kind: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Its payload; JSON except for attachments and the like.
    pub payload: Vec<u8>,
}

/// What every page's foot says: the counts that cost nothing to read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Received, duplicates included.
    pub received: u64,
    /// Received again, and not stored again.
    pub duplicates: u64,
    /// Kept raw only.
    pub unreadable: u64,
    /// Deleted to stay below the limits of size and age.
    pub pruned: u64,
    /// What senders said they dropped.
    pub discarded: u64,
    /// Envelopes refused or damaged since the receiver started.
    pub rejected_envelopes: u64,
    /// Items lost because the database could not be written, since the receiver started.
    pub failed_writes: u64,
    /// Bytes the database uses.
    pub database_bytes: u64,
    /// Bytes it may use.
    pub max_database_bytes: u64,
}

impl Store {
    /// The counts of every page's foot.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tally(&self) -> Result<Tally, StoreError> {
        let (failed_writes, _) = self.inner.progress.failures();
        self.read(|connection| {
            let discarded = connection
                .prepare_cached("SELECT coalesce(sum(quantity), 0) FROM discards")?
                .query_row([], |row| row.get(0))?;
            connection
                .prepare_cached(
                    "SELECT coalesce(sum(received), 0), coalesce(sum(duplicates), 0), coalesce(sum(unreadable), 0),
                         coalesce(sum(pruned), 0) FROM item_counts",
                )?
                .query_row([], |row| {
                    Ok(Tally {
                        received: row.get(0)?,
                        duplicates: row.get(1)?,
                        unreadable: row.get(2)?,
                        pruned: row.get(3)?,
                        discarded,
                        rejected_envelopes: self.inner.rejected.load(Ordering::Relaxed),
                        failed_writes,
                        database_bytes: used_bytes(connection)?,
                        max_database_bytes: self.inner.max_bytes,
                    })
                })
        })
    }

    /// What was counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let (failed_writes, last_failure) = self.inner.progress.failures();
        self.read(|connection| {
            let items = connection
                .prepare_cached("SELECT * FROM item_counts ORDER BY kind")?
                .query_map([], read_count)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let discarded_by_senders = connection
                .prepare_cached("SELECT * FROM discards ORDER BY reason, category")?
                .query_map([], read_discard)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let count = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
            Ok(Stats {
                kept: kept(&items),
                items,
                sessions: count("SELECT count(*) FROM sessions")?,
                events: count("SELECT coalesce(sum(events), 0) FROM sessions")?,
                failed_events: count("SELECT coalesce(sum(errors), 0) FROM sessions")?,
                issues: count("SELECT count(*) FROM issues")?,
                traces: count("SELECT count(*) FROM traces WHERE spans > 0")?,
                discarded_by_senders,
                rejected_envelopes: self.inner.rejected.load(Ordering::Relaxed),
                failed_writes,
                last_failure,
                database_bytes: used_bytes(connection)?,
                max_database_bytes: self.inner.max_bytes,
                schema: SCHEMA_VERSION,
            })
        })
    }

    /// The item with this number as it came; `None` if there is none, or none any more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn item(&self, id: i64) -> Result<Option<RawItem>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT id, kind, received_at, payload FROM items WHERE id = ?1")?
                .query_row([id], |row| {
                    Ok(RawItem {
                        id: row.get("id")?,
                        kind: row.get("kind")?,
                        received_at: timestamp(row, "received_at")?,
                        payload: row.get("payload")?,
                    })
                })
                .optional()
        })
    }
}

fn read_count(row: &Row<'_>) -> rusqlite::Result<ItemCount> {
    Ok(ItemCount {
        kind: row.get("kind")?,
        received: row.get("received")?,
        duplicates: row.get("duplicates")?,
        unreadable: row.get("unreadable")?,
        pruned: row.get("pruned")?,
    })
}

fn read_discard(row: &Row<'_>) -> rusqlite::Result<Discard> {
    Ok(Discard { reason: row.get("reason")?, category: row.get("category")?, quantity: row.get("quantity")? })
}

/// Summed up first: types beyond those counted apart are received as `other` but pruned under their own names.
fn kept(items: &[ItemCount]) -> u64 {
    let sum = |count: fn(&ItemCount) -> u64| items.iter().map(count).sum::<u64>();
    sum(|item| item.received).saturating_sub(sum(|item| item.duplicates + item.pruned))
}
