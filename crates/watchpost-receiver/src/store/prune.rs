//! Keeps the database below its cap: the oldest items go, with all rows made of them.
//! Sessions, traces and issues go when their last item went; until then they keep their counts.

use rusqlite::{Connection, TransactionBehavior};

use super::sessions::MAX_EVENTS;

/// How far below the cap a pruning goes, in percent of it, so that not every batch has to prune.
const KEEP_PERCENT: u64 = 90;

/// Steps a pruning takes at most; the rest waits for the next batch.
const MAX_STEPS: usize = 50;

/// The share of items a step deletes: small, so that the write-ahead log stays small.
const STEP_SHARE: i64 = 25;

/// Deletes the oldest items while more than `max_bytes` are used; gives how many went.
pub(super) fn prune(connection: &mut Connection, max_bytes: u64) -> rusqlite::Result<u64> {
    if used_bytes(connection)? <= max_bytes {
        return Ok(0);
    }
    let aim = max_bytes / 100 * KEEP_PERCENT;
    let mut pruned = 0;
    for _ in 0..MAX_STEPS {
        if used_bytes(connection)? <= aim {
            break;
        }
        let step = delete_oldest(connection)?;
        if step == 0 {
            break;
        }
        pruned += step;
    }
    // Gives all freed pages back, however large the batch was that went over the cap: the file keeps to it too.
    connection.execute_batch("PRAGMA incremental_vacuum")?;
    tracing::info!(pruned, "the oldest items were pruned to stay below the size cap");
    Ok(pruned)
}

/// The bytes of the pages in use.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0))
}

fn delete_oldest(connection: &mut Connection) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let range: (Option<i64>, Option<i64>) =
        transaction.query_row("SELECT (SELECT min(id) FROM items), (SELECT max(id) FROM items)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (Some(first), Some(last)) = range else { return Ok(0) };
    let cut = first + (last - first) / STEP_SHARE;
    transaction.execute(
        "INSERT INTO item_counts (kind, received, duplicates, unreadable, pruned)
         SELECT kind, 0, 0, 0, count(*) FROM items WHERE id <= ?1 GROUP BY kind
         ON CONFLICT (kind) DO UPDATE SET pruned = pruned + excluded.pruned",
        [cut],
    )?;
    for table in ["logs", "spans", "error_events"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE item <= ?1"), [cut])?;
    }
    transaction.execute("DELETE FROM mcp_events WHERE id < ?1 AND last_item <= ?2", [(cut + 1) * MAX_EVENTS, cut])?;
    for table in ["sessions", "traces", "issues"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE last_item <= ?1"), [cut])?;
    }
    let pruned = transaction.execute("DELETE FROM items WHERE id <= ?1", [cut])?;
    transaction.commit()?;
    Ok(pruned as u64)
}
