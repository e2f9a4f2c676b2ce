//! Reads a transaction: its root span, its children, and the MCP events among them.
//! Source: Sentry's transaction payload; seed 000 for tags and extra.

use serde_json::Value;
use watchpost_sentry::wire::EventId;

use super::call;
use super::facts::Facts;
use super::span::{millis, read_event, read_fields};
use super::{TITLE_CHARS, dedupe_key, json};
use crate::inert::clip;
use crate::store::Record;

/// Child spans kept as rows; the payload keeps all. Sentry's SDKs send at most 1000.
const MAX_SPANS: usize = 10_000;

/// Reads a transaction into `record`; `false` if it is none.
pub(super) fn read(record: &mut Record, transaction: &Value, envelope_id: Option<EventId>) -> bool {
    let contexts = &transaction["contexts"];
    let own_id = transaction["event_id"].as_str().and_then(|id| id.parse().ok());
    // Sentry takes the envelope's id when they differ.
    record.event_id = envelope_id.or(own_id);
    record.timestamp = json::time(&transaction["timestamp"]).unwrap_or(record.timestamp);
    let Some(mut root) = read_fields(&contexts["trace"], None, record.received_at) else { return false };
    root.ended = record.timestamp;
    root.started = json::time(&transaction["start_timestamp"]).unwrap_or(root.ended);
    root.name = clip(transaction["transaction"].as_str().unwrap_or(""), TITLE_CHARS).to_owned();

    record.trace_id = Some(root.trace_id);
    record.span_id = Some(root.span_id);
    record.dedupe = record.event_id.map(|id| dedupe_key(b't', &[&id.0]));
    record.title.clone_from(&root.name);
    record.status.clone_from(&root.status);
    record.duration_ms = Some(millis(&root));
    record.is_error = root.is_error;

    let facts =
        Facts::new(&[&transaction["tags"], &transaction["extra"], &contexts["trace"]["data"], &contexts["mcp"]]);
    root.call = call::read(root.op.as_deref(), &facts);
    record.events.extend(read_event(&root, &facts));
    let root_is_event = !record.events.is_empty();
    let (trace, root_span) = (root.trace_id, root.span_id);
    record.spans.push(root);
    for child in transaction["spans"].as_array().into_iter().flatten().take(MAX_SPANS) {
        let Some(mut span) = read_fields(child, Some(trace), record.received_at) else { continue };
        let facts = Facts::new(&[&child["data"], &child["tags"]]);
        span.call = call::read(span.op.as_deref(), &facts);
        let event = read_event(&span, &facts);
        if !root_is_event || span.parent_id != Some(root_span) {
            record.events.extend(event);
        } else if let (Some(event), Some(root_event)) = (event, record.events.first_mut()) {
            // Watchpost repeats the event in a child for Sentry's MCP dashboards, and is more exact there: seed 000 knows
            // only ok and internal_error.
            root_event.status = event.status.filter(|status| status != "ok").or(root_event.status.take());
            root_event.request_bytes = event.request_bytes.or(root_event.request_bytes);
            root_event.response_bytes = event.response_bytes.or(root_event.response_bytes);
            root_event.direction = event.direction.or(root_event.direction.take());
        }
        record.spans.push(span);
    }
    true
}
