//! What a batch adds to its traces, summed up by trace and written once.
//! Source of a trace's name: its first root span.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use watchpost_sentry::wire::{Timestamp, TraceId};

use super::SpanRecord;
use super::record::{CallKind, Usage};

/// Sums by trace.
#[derive(Debug, Default)]
pub(super) struct TraceSums {
    traces: HashMap<TraceId, TraceSum>,
}

#[derive(Debug)]
struct TraceSum {
    session: Option<i64>,
    name: Option<(String, Option<String>)>,
    first_seen: i64,
    last_seen: i64,
    spans: i64,
    logs: i64,
    errors: i64,
    last_item: i64,
    model_calls: i64,
    usage: Usage,
}

impl TraceSums {
    pub(super) fn add_log(&mut self, trace: TraceId, item: i64, at: Timestamp) {
        self.touch(trace, item, at).logs += 1;
    }

    pub(super) fn add_error(&mut self, trace: TraceId, item: i64, at: Timestamp) {
        self.touch(trace, item, at).errors += 1;
    }

    pub(super) fn add_span(&mut self, item: i64, span: &SpanRecord) {
        self.touch(span.trace_id, item, span.started);
        let sum = self.touch(span.trace_id, item, span.ended);
        sum.spans += 1;
        if let Some(call) = span.call.as_ref().filter(|call| call.kind == CallKind::Model) {
            sum.model_calls += 1;
            sum.usage.add(&call.usage);
        }
        if span.parent_id.is_none() && sum.name.is_none() {
            sum.name = Some((span.name.clone(), span.op.clone()));
        }
    }

    pub(super) fn set_session(&mut self, trace: TraceId, item: i64, at: Timestamp, session: i64) {
        self.touch(trace, item, at).session.get_or_insert(session);
    }

    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO traces (trace_id, session, name, op, first_seen, last_seen, spans, logs, errors, last_item,
                 model_calls, tokens, cost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (trace_id) DO UPDATE SET session = coalesce(session, excluded.session),
                 name = coalesce(name, excluded.name), op = coalesce(op, excluded.op),
                 first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),
                 spans = spans + excluded.spans, logs = logs + excluded.logs, errors = errors + excluded.errors,
                 last_item = excluded.last_item, model_calls = model_calls + excluded.model_calls,
                 tokens = tokens + excluded.tokens, cost = cost + excluded.cost",
        )?;
        for (trace, sum) in self.traces {
            let (name, op) = sum.name.unzip();
            statement.execute(params![
                trace.0,
                sum.session,
                name,
                op.flatten(),
                sum.first_seen,
                sum.last_seen,
                sum.spans,
                sum.logs,
                sum.errors,
                sum.last_item,
                sum.model_calls,
                sum.usage.input_tokens.saturating_add(sum.usage.output_tokens),
                sum.usage.cost,
            ])?;
        }
        Ok(())
    }

    fn touch(&mut self, trace: TraceId, item: i64, at: Timestamp) -> &mut TraceSum {
        let at = at.nanos();
        let sum = self.traces.entry(trace).or_insert(TraceSum {
            session: None,
            name: None,
            first_seen: at,
            last_seen: at,
            spans: 0,
            logs: 0,
            errors: 0,
            last_item: item,
            model_calls: 0,
            usage: Usage::default(),
        });
        sum.first_seen = sum.first_seen.min(at);
        sum.last_seen = sum.last_seen.max(at);
        sum.last_item = item;
        sum
    }
}
