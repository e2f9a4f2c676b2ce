//! The statements that nearly every item needs, looked up once a batch instead of once an item.

use rusqlite::{CachedStatement, Connection};

/// Statements of a batch, ready to be given their values.
pub(super) struct Statements<'c> {
    /// For the statements that few items need.
    pub(super) connection: &'c Connection,
    /// Adds an item, unless it is there already.
    pub(super) item: CachedStatement<'c>,
    pub(super) log: CachedStatement<'c>,
    pub(super) span: CachedStatement<'c>,
    pub(super) error: CachedStatement<'c>,
    /// The MCP event of a span.
    pub(super) known_event: CachedStatement<'c>,
    /// The error event of a span.
    pub(super) earlier_error: CachedStatement<'c>,
    pub(super) new_event: CachedStatement<'c>,
    /// Adds to an MCP event what it does not have yet.
    pub(super) more_of_event: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            item: connection.prepare_cached(
                "INSERT INTO items (id, received_at, timestamp, kind, project, trace_id, span_id, event_id, dedupe, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (dedupe) WHERE dedupe IS NOT NULL DO NOTHING",
            )?,
            log: connection.prepare_cached(
                "INSERT INTO logs (item, timestamp, severity, body, trace_id, span_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            span: connection.prepare_cached(
                "INSERT INTO spans (item, position, trace_id, span_id, parent_id, kind, op, name, started, ended, status,
                     is_error, cost)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            error: connection.prepare_cached(
                "INSERT INTO error_events (item, issue, timestamp, trace_id, span_id, message)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            known_event: connection.prepare_cached(
                "SELECT id, session, is_error, timestamp, method, resource, duration_ms, response_bytes
                 FROM mcp_events WHERE trace_id = ?1 AND span_id = ?2",
            )?,
            earlier_error: connection.prepare_cached(
                "SELECT item, message FROM error_events WHERE trace_id = ?1 AND span_id = ?2 LIMIT 1",
            )?,
            new_event: connection.prepare_cached(
                "INSERT INTO mcp_events (id, session, trace_id, span_id, timestamp, method, resource, duration_ms, status,
                     is_error, error, user_intent, log_item, transaction_item, error_item, last_item, request_bytes,
                     response_bytes, actor, direction)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?,
            more_of_event: connection.prepare_cached(
                "UPDATE mcp_events SET resource = coalesce(resource, ?2), duration_ms = coalesce(duration_ms, ?3),
                     status = coalesce(status, ?4), is_error = max(is_error, ?5),
                     error = CASE WHEN ?10 IS NULL THEN coalesce(error, ?6) ELSE coalesce(?6, error) END,
                     user_intent = coalesce(user_intent, ?7), log_item = coalesce(log_item, ?8),
                     transaction_item = coalesce(transaction_item, ?9), error_item = coalesce(error_item, ?10),
                     last_item = ?11, request_bytes = coalesce(request_bytes, ?12),
                     response_bytes = coalesce(response_bytes, ?13), actor = coalesce(actor, ?14),
                     direction = coalesce(direction, ?15)
                 WHERE id = ?1",
            )?,
        })
    }
}
