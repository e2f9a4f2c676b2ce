//! One transaction's worth of records: inserts each, and sums up what many of them change (counts, traces, sessions) so
//! that it is written once. Hot path: some ten statements an item.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::metrics::{CallDelta, Metrics, ToolKey};
use super::sessions::{MAX_EVENTS, Role, SessionIndex, SessionSums, Source};
use super::statements::Statements;
use super::traces::TraceSums;
use super::{IssueRecord, Record};

/// Item types counted apart; further ones (anyone may invent them) are counted as `other`.
const MAX_KINDS: i64 = 64;

/// Reasons and categories of client reports kept apart.
const MAX_DISCARDS: i64 = 256;

/// What became of a record.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was stored under this number, in this session.
    Stored { item: i64, session: Option<Arc<str>> },
    /// It was there already.
    Duplicate,
}

/// Counts of one item type within a batch.
#[derive(Debug, Default)]
struct KindSums {
    received: i64,
    duplicates: i64,
    unreadable: i64,
}

/// The batch being written.
pub(super) struct Batch<'c> {
    statements: Statements<'c>,
    index: &'c mut SessionIndex,
    next_item: i64,
    kinds: HashMap<Cow<'static, str>, KindSums>,
    traces: TraceSums,
    sessions: SessionSums,
    metrics: Metrics,
}

impl<'c> Batch<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        index: &'c mut SessionIndex,
        next_item: i64,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            statements: Statements::new(connection)?,
            index,
            next_item,
            kinds: HashMap::new(),
            traces: TraceSums::default(),
            sessions: SessionSums::default(),
            metrics: Metrics::default(),
        })
    }

    /// Stores one record unless it is there already.
    pub(super) fn store(&mut self, record: &Record) -> rusqlite::Result<Outcome> {
        let kind = self.kinds.entry(record.kind.clone()).or_default();
        kind.received += 1;
        kind.unreadable += i64::from(record.is_unreadable);
        let item = self.next_item;
        if !insert_item(&mut self.statements, item, record)? {
            kind.duplicates += 1;
            return Ok(Outcome::Duplicate);
        }
        self.next_item += 1;
        self.metrics.add_source(record.sdk.as_ref(), &record.project, record.received_at);
        match &*record.kind {
            "log" if !record.is_unreadable => self.store_log(item, record)?,
            "event" => self.store_error(item, record)?,
            _ => self.store_spans(item, record)?,
        }
        for discard in &record.discards {
            insert_discard(self.statements.connection, &discard.reason, &discard.category, discard.quantity)?;
        }
        let session = self.store_events(item, record)?;
        Ok(Outcome::Stored { item, session })
    }

    /// Writes the sums; gives the number of the next item.
    pub(super) fn finish(self) -> rusqlite::Result<i64> {
        let mut statement = self.statements.connection.prepare_cached(
            "INSERT INTO item_counts (kind, received, duplicates, unreadable, pruned)
             SELECT CASE WHEN (SELECT count(*) FROM item_counts) < ?5
                           OR EXISTS (SELECT 1 FROM item_counts WHERE kind = ?1) THEN ?1 ELSE 'other' END,
                    ?2, ?3, ?4, 0
             WHERE true
             ON CONFLICT (kind) DO UPDATE SET received = received + excluded.received,
                 duplicates = duplicates + excluded.duplicates, unreadable = unreadable + excluded.unreadable",
        )?;
        for (kind, sums) in &self.kinds {
            statement.execute(params![kind, sums.received, sums.duplicates, sums.unreadable, MAX_KINDS])?;
        }
        self.traces.write(self.statements.connection)?;
        self.sessions.write(self.statements.connection)?;
        self.metrics.write(self.statements.connection)?;
        Ok(self.next_item)
    }

    fn store_log(&mut self, item: i64, record: &Record) -> rusqlite::Result<()> {
        self.statements.log.execute(params![
            item,
            record.timestamp.nanos(),
            severity(record.level.as_deref().unwrap_or("info")),
            record.title,
            record.trace_id.map(|id| id.0),
            record.span_id.map(|id| id.0),
        ])?;
        if let Some(trace) = record.trace_id {
            self.traces.add_log(trace, item, record.timestamp);
        }
        Ok(())
    }

    fn store_spans(&mut self, item: i64, record: &Record) -> rusqlite::Result<()> {
        for (position, span) in (0_i64..).zip(&record.spans) {
            self.statements.span.execute(params![
                item,
                position,
                span.trace_id.0,
                span.span_id.0,
                span.parent_id.map(|id| id.0),
                if position > 0 { "span" } else { &*record.kind },
                span.op,
                span.name,
                span.started.nanos(),
                span.ended.nanos(),
                span.status,
                span.is_error,
                span.call.as_ref().map(|call| call.usage.cost).filter(|cost| *cost > 0.0),
            ])?;
            self.traces.add_span(item, span);
            if let Some(call) = &span.call {
                let tool = ToolKey { kind: call.kind, owner: call.owner.clone(), name: call.name.clone() };
                let delta = CallDelta {
                    calls: 1,
                    errors: i64::from(span.is_error),
                    duration_ms: Some(span.ended.duration_since(span.started).as_secs_f64() * 1000.0),
                    sizes: call.sizes,
                    usage: call.usage,
                    error: span.status.clone().filter(|_| span.is_error),
                };
                self.metrics.add(span.ended, call.kind, Some(tool), delta);
            }
        }
        Ok(())
    }

    fn store_error(&mut self, item: i64, record: &Record) -> rusqlite::Result<()> {
        let Some(issue) = &record.issue else { return Ok(()) };
        let issue = upsert_issue(self.statements.connection, item, record, issue)?;
        self.statements.error.execute(params![
            item,
            issue,
            record.timestamp.nanos(),
            record.trace_id.map(|id| id.0),
            record.span_id.map(|id| id.0),
            record.title,
        ])?;
        if let Some(trace) = record.trace_id {
            self.traces.add_error(trace, item, record.timestamp);
        }
        Ok(())
    }

    fn store_events(&mut self, item: i64, record: &Record) -> rusqlite::Result<Option<Arc<str>>> {
        let role = match &*record.kind {
            "log" => Role::Log,
            "event" => Role::Error,
            _ => Role::Transaction,
        };
        let mut session = None;
        for (position, event) in (0..MAX_EVENTS).zip(&record.events) {
            let source = Source { number: item, position, role };
            session = self.index.store_event(
                &mut self.statements,
                &mut self.sessions,
                &mut self.metrics,
                source,
                record.trace_id,
                event,
            )?;
            if let (Some(trace), Some(session)) = (record.trace_id, session) {
                self.traces.set_session(trace, item, event.timestamp, session);
            }
        }
        let session = session.or_else(|| record.trace_id.and_then(|trace| self.index.session_of_trace(trace)));
        session.map(|session| self.index.key(self.statements.connection, session)).transpose()
    }
}

fn insert_item(statements: &mut Statements<'_>, item: i64, record: &Record) -> rusqlite::Result<bool> {
    let inserted = statements.item.execute(params![
        item,
        record.received_at.nanos(),
        record.timestamp.nanos(),
        record.kind,
        &*record.project,
        record.trace_id.map(|id| id.0),
        record.span_id.map(|id| id.0),
        record.event_id.map(|id| id.0),
        record.dedupe,
        record.payload,
    ])?;
    Ok(inserted > 0)
}

fn upsert_issue(connection: &Connection, item: i64, record: &Record, issue: &IssueRecord) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO issues (fingerprint, title, culprit, level, first_seen, last_seen, count, last_item)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, ?6)
             ON CONFLICT (fingerprint) DO UPDATE SET count = count + 1, first_seen = min(first_seen, excluded.first_seen),
                 last_seen = max(last_seen, excluded.last_seen), last_item = excluded.last_item,
                 title = excluded.title, level = excluded.level
             RETURNING id",
        )?
        .query_row(
            params![
                issue.fingerprint,
                record.title,
                issue.culprit,
                record.level.as_deref().unwrap_or("error"),
                record.timestamp.nanos(),
                item
            ],
            |row| row.get(0),
        )
}

fn insert_discard(connection: &Connection, reason: &str, category: &str, quantity: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO discards (reason, category, quantity)
             SELECT ?1, ?2, ?3
             WHERE (SELECT count(*) FROM discards) < ?4 OR EXISTS (SELECT 1 FROM discards WHERE reason = ?1 AND category = ?2)
             ON CONFLICT (reason, category) DO UPDATE SET quantity = quantity + excluded.quantity",
        )?
        .execute(params![reason, category, quantity, MAX_DISCARDS])?;
    Ok(())
}

/// Sentry's severity number of a log level; an unknown level counts as `info`.
pub(super) fn severity(level: &str) -> i64 {
    match level {
        "trace" => 1,
        "debug" => 5,
        "warn" | "warning" => 13,
        "error" => 17,
        "fatal" | "critical" => 21,
        _ => 9,
    }
}
