//! Opens a database: recognises its own, migrates an older one step by step, refuses a newer or a foreign one untouched.
//! The version is SQLite's `user_version`, the owner its `application_id`.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::metrics;
use crate::error::StoreError;

/// The schema this version writes: the number of [`MIGRATIONS`].
pub(crate) const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// Steps from nothing to the present schema. A released step never changes; a new one is added at the end.
pub(crate) const MIGRATIONS: &[Step] = &[
    Step::sql(include_str!("schema.sql")),
    Step { sql: include_str!("schema_2.sql"), then: Some(metrics::rebuild) },
    Step::sql(include_str!("schema_3.sql")),
];

/// One step: statements, and what they cannot say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    sql: &'static str,
    then: Option<fn(&Connection) -> rusqlite::Result<()>>,
}

impl Step {
    const fn sql(sql: &'static str) -> Self {
        Self { sql, then: None }
    }
}

/// `application_id` of a receiver's database: "wpst".
const APPLICATION_ID: i64 = 0x7770_7374;

/// Bytes the write-ahead log is cut back to after a checkpoint.
const WAL_KEPT_BYTES: i64 = 16 * 1024 * 1024;

/// Pages of the write-ahead log after which it is written back: 16 000 of 4 KiB, so that a page changed by many batches is
/// written once. Times out of order change most of the pages of an index by time in each batch.
const WAL_CHECKPOINT_PAGES: i64 = 16_000;

/// Memory for the writer's pages, in KiB: the inner pages of all indexes, and the leaves that a batch changes.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// Settings that live in a connection, not in the file.
pub(crate) fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    // An in-memory database answers "memory" here and needs no log.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", WAL_CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings the database to the last of `migrations` in one transaction: all steps, or none.
pub(crate) fn migrate(connection: &mut Connection, location: &str, migrations: &[Step]) -> Result<(), StoreError> {
    let open = |source| StoreError::Open { location: location.to_owned(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(open)?;
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(open)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(open)?;
    if owner != APPLICATION_ID && (tables > 0 || found != 0) {
        return Err(StoreError::Foreign { location: location.to_owned() });
    }
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    if done > migrations.len() {
        return Err(StoreError::Newer { location: location.to_owned(), found });
    }
    if tables == 0 {
        // Only possible before the first table: lets pruned space go back to the file system.
        connection.pragma_update(None, "auto_vacuum", "incremental").map_err(open)?;
    }
    if done == migrations.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(open)?;
    let failed = |version, source| StoreError::Migrate { location: location.to_owned(), version, source };
    for (version, step) in migrations.iter().enumerate().skip(done).map(|(at, step)| (at + 1, step)) {
        apply(&transaction, version, step).map_err(|source| failed(version, source))?;
    }
    transaction.commit().map_err(|source| failed(migrations.len(), source))
}

fn apply(transaction: &Transaction<'_>, version: usize, step: &Step) -> rusqlite::Result<()> {
    transaction.execute_batch(step.sql)?;
    if let Some(then) = step.then {
        then(transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{MIGRATIONS, SCHEMA_VERSION, Step, migrate};
    use crate::error::StoreError;

    const NEXT: Step = Step::sql("ALTER TABLE issues ADD COLUMN assignee TEXT;");

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_database_is_migrated_with_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        connection.execute("INSERT INTO issues VALUES (1, x'00', 'Boom', NULL, 'error', 1, 2, 3, 4)", []).unwrap();
        let steps = [MIGRATIONS, &[NEXT]].concat();
        migrate(&mut connection, "x", &steps).unwrap();
        let (title, assignee): (String, Option<String>) = connection
            .query_row("SELECT title, assignee FROM issues", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!((title.as_str(), assignee), ("Boom", None));
        assert_eq!(version(&connection), SCHEMA_VERSION as i64 + 1);
    }

    #[test]
    fn a_database_of_the_first_schema_gets_its_sums() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "x", &MIGRATIONS[..1]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO sessions VALUES (1, 's', 's', NULL, NULL, 'weather', NULL, NULL, NULL, 1, 2, 1, 1, 1, 1);
                 INSERT INTO mcp_events VALUES (4096, 1, NULL, NULL, 61000000000, 'tools/call', 'forecast', 12.5, NULL, 1,
                     'boom', NULL, 1, NULL, NULL, 1);",
            )
            .unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        let tool: (String, String, i64, i64) = connection
            .query_row("SELECT owner, name, calls, errors FROM tools", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        assert_eq!(tool, ("weather".to_owned(), "forecast".to_owned(), 1, 1));
        let minute: i64 = connection.query_row("SELECT at FROM metrics WHERE step = 60", [], |row| row.get(0)).unwrap();
        assert_eq!(minute, 60);
    }

    #[test]
    fn a_database_of_the_second_schema_keeps_its_logs_without_their_index_by_time() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "x", &MIGRATIONS[..2]).unwrap();
        connection.execute("INSERT INTO logs VALUES (1, 61000000000, 9, 'hello', NULL, NULL)", []).unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        let body: String = connection.query_row("SELECT body FROM logs", [], |row| row.get(0)).unwrap();
        assert_eq!(body, "hello");
        let indexes: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'logs' ORDER BY name")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(indexes, ["logs_by_severity", "logs_by_trace"]);
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        assert_eq!(version(&connection), SCHEMA_VERSION as i64);
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "x", MIGRATIONS).unwrap();
        let broken = [MIGRATIONS, &[Step::sql("CREATE TABLE half (a); SELECT nonsense;")]].concat();
        assert!(matches!(migrate(&mut connection, "x", &broken), Err(StoreError::Migrate { .. })));
        let half: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .unwrap();
        assert_eq!((half, version(&connection)), (0, SCHEMA_VERSION as i64));
    }

    #[test]
    fn a_newer_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = [MIGRATIONS, &[NEXT]].concat();
        migrate(&mut connection, "x", &steps).unwrap();
        let refused = migrate(&mut connection, "x", MIGRATIONS);
        assert!(matches!(refused, Err(StoreError::Newer { found, .. }) if found == SCHEMA_VERSION as i64 + 1));
    }

    #[test]
    fn another_programs_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
        assert!(matches!(migrate(&mut connection, "x", MIGRATIONS), Err(StoreError::Foreign { .. })));
    }
}
