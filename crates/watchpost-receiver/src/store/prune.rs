//! Keeps the database below its cap: the oldest items go, with all rows made of them.
//! Sessions, traces and issues go when their last item went; until then they keep their counts.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::sessions::MAX_EVENTS;

/// How far below the cap a pruning goes, in percent of it, so that not every batch has to prune.
const KEEP_PERCENT: u64 = 90;

/// Steps a pruning takes at most; the rest waits for the next batch.
const MAX_STEPS: usize = 50;

/// The share of items a step deletes: small, so that the write-ahead log stays small.
const STEP_SHARE: i64 = 25;

/// The share of the cap that may be free pages: the index of the search frees some as it merges its parts.
const FREE_SHARE: u64 = 10;

/// Items that a step by age deletes.
const AGED_STEP: i64 = 20_000;

/// Deletes the items received before `oldest`, and the oldest while more than `max_bytes` are used; gives how many went.
pub(super) fn prune(connection: &mut Connection, max_bytes: u64, oldest: Option<i64>) -> rusqlite::Result<u64> {
    let mut pruned = match oldest {
        Some(oldest) => prune_aged(connection, oldest)?,
        None => 0,
    };
    if used_bytes(connection)? <= max_bytes {
        if free_bytes(connection)? > max_bytes / FREE_SHARE {
            vacuum(connection)?;
        }
        return Ok(pruned);
    }
    let aim = max_bytes / 100 * KEEP_PERCENT;
    for _ in 0..MAX_STEPS {
        if used_bytes(connection)? <= aim {
            break;
        }
        let Some((first, last)) = range(connection)? else { break };
        let step = delete_until(connection, first + (last - first) / STEP_SHARE)?;
        if step == 0 {
            break;
        }
        pruned += step;
    }
    // Gives all freed pages back, however large the batch was that went over the cap: the file keeps to it too.
    vacuum(connection)?;
    tracing::info!(pruned, "the oldest items were pruned to stay below the size cap");
    Ok(pruned)
}

/// Gives the free pages back to the file system. The statement gives one page back for each row that is read of it.
pub(super) fn vacuum(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// The bytes of the pages in use.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0))
}

/// Deletes what was received before `oldest` and the sums of that time.
fn prune_aged(connection: &mut Connection, oldest: i64) -> rusqlite::Result<u64> {
    let mut pruned = 0;
    for _ in 0..MAX_STEPS {
        // Items are numbered as they come, so the first that is young enough ends the search.
        let young: Option<i64> = connection
            .prepare_cached("SELECT id FROM items WHERE received_at >= ?1 ORDER BY id LIMIT 1")?
            .query_row([oldest], |row| row.get(0))
            .optional()?;
        let Some((first, last)) = range(connection)? else { break };
        let cut = young.map_or(last, |young| young - 1).min(first + AGED_STEP);
        if cut < first {
            break;
        }
        pruned += delete_until(connection, cut)?;
    }
    connection.execute("DELETE FROM metrics WHERE at < ?1", [oldest / 1_000_000_000])?;
    connection.execute("DELETE FROM tools WHERE last_seen < ?1", [oldest])?;
    connection.execute("DELETE FROM sources WHERE last_seen < ?1", [oldest])?;
    Ok(pruned)
}

/// The numbers of the first and the last item.
fn range(connection: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    let range = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
    let (first, last) =
        connection.query_row("SELECT (SELECT min(id) FROM items), (SELECT max(id) FROM items)", [], range)?;
    Ok(first.zip(last))
}

/// The bytes of the pages that are kept and not in use.
fn free_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(u64::try_from(pragma("freelist_count")? * pragma("page_size")?).unwrap_or(0))
}

fn delete_until(connection: &mut Connection, cut: i64) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
    transaction.execute("DELETE FROM search WHERE rowid <= ?1", [cut])?;
    let pruned = transaction.execute("DELETE FROM items WHERE id <= ?1", [cut])?;
    transaction.commit()?;
    Ok(pruned as u64)
}
