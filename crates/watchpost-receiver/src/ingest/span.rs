//! Reads a v2 span of a container. Source: Sentry's span protocol; also the older standalone span, whose fields are those
//! of a transaction's child.

use serde_json::Value;
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::call;
use super::facts::Facts;
use super::{NAME_CHARS, TITLE_CHARS, dedupe_key, json};
use crate::inert::clip;
use crate::store::{EventRecord, Record, SpanRecord};

/// The operation of a span that is an MCP server's answer to a request.
pub(super) const MCP_SERVER: &str = "mcp.server";

/// Reads one span into `record`; `false` if it is none.
pub(super) fn read(record: &mut Record, span: &Value) -> bool {
    let attributes = if span["attributes"].is_object() { &span["attributes"] } else { &span["data"] };
    let facts = Facts::new(&[attributes]);
    let Some(mut read) = read_fields(span, None, record.received_at) else { return false };
    if read.op.is_none() {
        read.op = facts.find(&["sentry.op"]).and_then(Value::as_str).map(|op| clip(op, NAME_CHARS).to_owned());
    }
    read.call = call::read(read.op.as_deref(), &facts);
    record.timestamp = read.ended;
    record.trace_id = Some(read.trace_id);
    record.span_id = Some(read.span_id);
    record.dedupe = Some(dedupe_key(b's', &[&read.trace_id.0, &read.span_id.0]));
    record.title.clone_from(&read.name);
    record.status.clone_from(&read.status);
    record.duration_ms = Some(millis(&read));
    record.is_error = read.is_error;
    record.events.extend(read_event(&read, &facts));
    record.spans.push(read);
    true
}

/// Reads the fields that a v2 span and a transaction's child have in common.
pub(super) fn read_fields(span: &Value, trace: Option<TraceId>, received_at: Timestamp) -> Option<SpanRecord> {
    let text = |name: &str| span.get(name).and_then(Value::as_str);
    let trace_id = text("trace_id").and_then(|id| id.parse().ok()).or(trace)?;
    let ended = json::time(&span["timestamp"]).or_else(|| json::time(&span["end_timestamp"]));
    let started = json::time(&span["start_timestamp"]).or(ended).unwrap_or(received_at);
    let status = text("status").map(|status| clip(status, NAME_CHARS).to_owned());
    Some(SpanRecord {
        trace_id,
        span_id: text("span_id")?.parse().ok()?,
        parent_id: text("parent_span_id").and_then(|id| id.parse().ok()),
        op: text("op").map(|op| clip(op, NAME_CHARS).to_owned()),
        name: clip(text("name").or_else(|| text("description")).or_else(|| text("op")).unwrap_or(""), TITLE_CHARS)
            .to_owned(),
        started,
        ended: ended.unwrap_or(started),
        is_error: is_failure(status.as_deref()),
        status,
        call: None,
    })
}

/// The MCP event a span is, if it is one.
pub(super) fn read_event(span: &SpanRecord, facts: &Facts<'_>) -> Option<EventRecord> {
    let method = facts.method();
    if span.op.as_deref() != Some(MCP_SERVER) && method.is_none() {
        return None;
    }
    let (request_bytes, response_bytes) = call::told_sizes(facts);
    Some(EventRecord {
        span_id: Some(span.span_id),
        timestamp: span.ended,
        // A span's name is its method and resource, should nothing else say.
        method: method.or_else(|| span.name.split_whitespace().next().map(str::to_owned)),
        resource: facts.resource(),
        duration_ms: Some(millis(span)),
        status: facts.completion().or_else(|| span.status.clone()),
        is_error: span.is_error || facts.is_error(),
        error: facts.error(),
        user_intent: facts.user_intent(),
        request_bytes,
        response_bytes,
        direction: facts.direction(),
        parties: facts.parties(),
    })
}

/// Whether a status tells of a failure; a cancelled call is none.
pub(super) fn is_failure(status: Option<&str>) -> bool {
    !matches!(status, None | Some("" | "ok" | "unset" | "unknown" | "cancelled"))
}

pub(super) fn millis(span: &SpanRecord) -> f64 {
    span.ended.duration_since(span.started).as_secs_f64() * 1000.0
}

/// The span that an error event's ids point to, as the log and the transaction of the same MCP event name it: Watchpost
/// and AgentCat begin the event id with it, also where the failing span is its child.
pub(super) fn shared_span(event_id: Option<&[u8; 16]>, span: Option<SpanId>, parent: Option<SpanId>) -> Option<SpanId> {
    let named = event_id.and_then(|id| id.first_chunk::<8>()).map(|id| SpanId(*id));
    if named.is_some() && named == parent { parent } else { span }
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::SpanId;

    use super::{is_failure, shared_span};

    #[test]
    fn only_failures_are_failures() {
        assert!(is_failure(Some("internal_error")) && is_failure(Some("error")));
        assert!(!is_failure(None) && !is_failure(Some("ok")) && !is_failure(Some("cancelled")));
    }

    #[test]
    fn an_error_of_the_child_span_belongs_to_the_event_it_is_named_after() {
        let (event, child) = (SpanId([1; 8]), SpanId([2; 8]));
        assert_eq!(shared_span(Some(&[1; 16]), Some(child), Some(event)), Some(event));
        assert_eq!(shared_span(Some(&[3; 16]), Some(child), Some(event)), Some(child));
        assert_eq!(shared_span(None, Some(child), None), Some(child));
    }
}
