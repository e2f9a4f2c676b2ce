//! Reads a log. Source: Sentry's log protocol; seed 000 for the attributes of an MCP event.

use std::borrow::Cow;

use serde_json::Value;
use watchpost_sentry::wire::{EventId, SpanId};

use super::facts::Facts;
use super::{NAME_CHARS, TITLE_CHARS, dedupe_key, json};
use crate::inert::clip;
use crate::store::{EventRecord, Record};

/// Bytes of an event id in any spelling; what is longer is something else.
const MAX_ID_BYTES: usize = 64;

/// Reads one log of a container into `record`; `false` if it is none.
pub(super) fn read(record: &mut Record, log: &Value) -> bool {
    let Value::Object(fields) = log else { return false };
    let facts = Facts::new(&[&log["attributes"]]);
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    record.timestamp = json::time(&log["timestamp"]).unwrap_or(record.timestamp);
    record.trace_id = text("trace_id").and_then(|id| id.parse().ok());
    record.level = Some(level(text("level").unwrap_or("info")));
    record.title = match &log["body"] {
        Value::String(body) => clip(body, TITLE_CHARS).to_owned(),
        Value::Null => String::new(),
        // OpenTelemetry bodies may be structured.
        other => clip(&other.to_string(), TITLE_CHARS).to_owned(),
    };
    let event_id = text("event_id").or_else(|| facts.find(&["event_id"]).and_then(Value::as_str));
    let event_id = event_id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    record.event_id = event_id.and_then(|id| id.parse().ok());
    record.span_id = text("span_id")
        .or_else(|| facts.find(&["sentry.trace.parent_span_id"]).and_then(Value::as_str))
        .and_then(|id| id.parse().ok())
        .or_else(|| record.event_id.and_then(doubled_span_id));
    // With the time, since an attribute of this name may mean something else and repeat.
    record.dedupe = event_id.map(|id| dedupe_key(b'l', &[&record.timestamp.nanos().to_be_bytes(), id.as_bytes()]));
    record.duration_ms = facts.duration_ms();
    record.is_error = facts.is_error() || matches!(record.level.as_deref(), Some("error" | "fatal"));
    if let Some(method) = facts.method() {
        record.events.push(EventRecord {
            span_id: record.span_id,
            timestamp: record.timestamp,
            method: Some(method),
            resource: facts.resource(),
            duration_ms: record.duration_ms,
            status: facts.completion(),
            is_error: record.is_error,
            error: facts.error(),
            user_intent: facts.user_intent(),
            request_bytes: None,
            response_bytes: None,
            direction: facts.direction(),
            parties: facts.parties(),
        });
    }
    true
}

fn level(level: &str) -> Cow<'static, str> {
    for known in ["info", "error", "warn", "debug", "trace", "fatal"] {
        if level == known {
            return Cow::Borrowed(known);
        }
    }
    Cow::Owned(clip(level, NAME_CHARS).to_owned())
}

/// Seed 000 makes a log's event id of its span id twice.
fn doubled_span_id(id: EventId) -> Option<SpanId> {
    let (first, second) = id.0.split_at(8);
    let span: [u8; 8] = first.try_into().ok()?;
    (first == second).then_some(SpanId(span))
}
