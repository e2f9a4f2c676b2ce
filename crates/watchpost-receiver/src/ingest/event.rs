//! Reads an error event, or a message event, and says which issue it belongs to.
//! Source: Sentry's event payload and grouping; the fingerprint, or else type, value and transaction.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use watchpost_sentry::wire::EventId;

use super::facts::Facts;
use super::span::shared_span;
use super::{NAME_CHARS, TITLE_CHARS, dedupe_key, json};
use crate::inert::clip;
use crate::store::{EventRecord, IssueRecord, Record};

/// The part of a fingerprint that stands for Sentry's own grouping.
const DEFAULT: [&str; 2] = ["{{ default }}", "{{default}}"];

/// Reads an event into `record`; `false` if it is none.
pub(super) fn read(record: &mut Record, event: &Value, envelope_id: Option<EventId>) -> bool {
    if !event.is_object() {
        return false;
    }
    let contexts = &event["contexts"];
    let trace = &contexts["trace"];
    let own_id = event["event_id"].as_str().and_then(|id| id.parse().ok());
    record.event_id = envelope_id.or(own_id);
    record.timestamp = json::time(&event["timestamp"]).unwrap_or(record.timestamp);
    record.trace_id = trace["trace_id"].as_str().and_then(|id| id.parse().ok());
    record.span_id = trace["span_id"].as_str().and_then(|id| id.parse().ok());
    record.dedupe = record.event_id.map(|id| dedupe_key(b'e', &[&id.0]));
    record.level = Some(Cow::Owned(clip(event["level"].as_str().unwrap_or("error"), NAME_CHARS).to_owned()));
    record.is_error = true;

    let problem = Problem::read(event);
    record.title = problem.title();
    let culprit = event["transaction"].as_str().or_else(|| event["culprit"].as_str());
    let culprit = culprit.map(|culprit| clip(culprit, NAME_CHARS).to_owned());
    record.issue = Some(IssueRecord { fingerprint: fingerprint(event, &problem, culprit.as_deref()), culprit });

    let facts = Facts::new(&[&event["tags"], &event["extra"], &contexts["mcp"]]);
    let parent = trace["parent_span_id"].as_str().and_then(|id| id.parse().ok());
    record.events.push(EventRecord {
        span_id: shared_span(record.event_id.as_ref().map(|id| &id.0), record.span_id, parent),
        timestamp: record.timestamp,
        method: facts.method(),
        resource: facts.resource(),
        duration_ms: facts.duration_ms(),
        status: None,
        is_error: true,
        error: Some(problem.message().to_owned()).filter(|message| !message.is_empty()).or_else(|| facts.error()),
        user_intent: facts.user_intent(),
        request_bytes: None,
        response_bytes: None,
        direction: facts.direction(),
        parties: facts.parties(),
    });
    true
}

/// What happened: an exception's type and value, or a message.
struct Problem<'e> {
    ty: &'e str,
    value: &'e str,
}

impl<'e> Problem<'e> {
    fn read(event: &'e Value) -> Self {
        let exceptions =
            if event["exception"].is_array() { &event["exception"] } else { &event["exception"]["values"] };
        // Exceptions are listed oldest cause first; the last is the one that was caught.
        if let Some(exception) = exceptions.as_array().and_then(|list| list.last()) {
            return Self {
                ty: exception["type"].as_str().unwrap_or(""),
                value: exception["value"].as_str().unwrap_or(""),
            };
        }
        let message = [&event["logentry"]["formatted"], &event["logentry"]["message"], &event["message"]];
        Self { ty: "", value: message.into_iter().find_map(Value::as_str).unwrap_or("") }
    }

    fn title(&self) -> String {
        let title = match (self.ty, self.value) {
            ("", "") => Cow::Borrowed("(no message)"),
            ("", value) => Cow::Borrowed(value),
            (ty, "") => Cow::Borrowed(ty),
            (ty, value) => Cow::Owned(format!("{ty}: {value}")),
        };
        clip(&title, TITLE_CHARS).to_owned()
    }

    fn message(&self) -> &'e str {
        clip(if self.value.is_empty() { self.ty } else { self.value }, TITLE_CHARS)
    }
}

fn fingerprint(event: &Value, problem: &Problem<'_>, culprit: Option<&str>) -> [u8; 16] {
    let own = [problem.ty, problem.value, culprit.unwrap_or("")];
    let given: Vec<&str> = event["fingerprint"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    if given.is_empty() {
        own.into_iter().for_each(&mut add);
    }
    for part in given {
        if DEFAULT.contains(&part) { own.into_iter().for_each(&mut add) } else { add(part) }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest[..16]);
    fingerprint
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Problem, fingerprint};

    fn group(event: &Value) -> [u8; 16] {
        fingerprint(event, &Problem::read(event), event["transaction"].as_str())
    }

    fn boom(value: &str) -> Value {
        json!({"exception": {"values": [{"type": "Cause"}, {"type": "Boom", "value": value}]}})
    }

    #[test]
    fn an_issue_is_its_type_value_and_transaction() {
        assert_eq!(group(&boom("a")), group(&boom("a")));
        assert_ne!(group(&boom("a")), group(&boom("b")));
        let mut elsewhere = boom("a");
        elsewhere["transaction"] = json!("tools/call - echo");
        assert_ne!(group(&boom("a")), group(&elsewhere));
    }

    #[test]
    fn a_fingerprint_overrides_and_its_default_part_does_not() {
        let (mut first, mut second) = (boom("a"), boom("b"));
        first["fingerprint"] = json!(["server", "tool"]);
        second["fingerprint"] = json!(["server", "tool"]);
        assert_eq!(group(&first), group(&second));
        first["fingerprint"] = json!(["{{ default }}"]);
        assert_eq!(group(&first), group(&boom("a")));
    }

    #[test]
    fn a_title_is_what_was_caught_or_said() {
        assert_eq!(Problem::read(&boom("a")).title(), "Boom: a");
        assert_eq!(Problem::read(&json!({"logentry": {"formatted": "hi"}})).title(), "hi");
        assert_eq!(Problem::read(&json!({"message": "hi"})).title(), "hi");
        assert_eq!(Problem::read(&json!({})).title(), "(no message)");
    }
}
