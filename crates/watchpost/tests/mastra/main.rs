//! Every recorded event of Mastra is read, and nothing of it is lost.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use serde_json::{Value, json};
use watchpost::model::{AttributeRef, Payload, Span, SpanType, TracingEvent, mastra::parse_line};

/// The lines of every recording, with its folder's name.
fn recordings() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mastra");
    let mut recordings = Vec::new();
    for group in fs::read_dir(root).unwrap() {
        for case in fs::read_dir(group.unwrap().path()).unwrap() {
            let folder = case.unwrap().path();
            let lines = fs::read_to_string(folder.join("events.jsonl")).unwrap();
            recordings.push((folder.display().to_string(), lines));
        }
    }
    assert!(recordings.len() >= 18, "{}", recordings.len());
    recordings
}

fn events() -> impl Iterator<Item = (String, TracingEvent)> {
    recordings().into_iter().flat_map(|(case, lines)| {
        let events = lines.lines().filter(|line| !line.contains("\"ctl\""));
        let read =
            |line: &str| (line.to_owned(), parse_line(line).unwrap_or_else(|error| panic!("{case}: {error}: {line}")));
        events.map(read).collect::<Vec<_>>()
    })
}

#[test]
fn every_recorded_event_is_read() {
    assert!(events().count() >= 470);
}

#[test]
fn nothing_of_a_recorded_span_is_lost() {
    for (line, event) in events() {
        // What Rust's strings cannot hold has a test of its own.
        let Ok(recorded) = serde_json::from_str::<Value>(&line) else { continue };
        let (recorded, span) = (&recorded["exportedSpan"], event.span());
        // A host may have given short ids.
        let id = |name: &str, digits: usize| recorded[name].as_str().map(|id| format!("{id:0>digits$}"));
        assert_eq!(Some(span.id.to_string()), id("id", 16));
        assert_eq!(Some(span.trace_id.to_string()), id("traceId", 32));
        assert_eq!(span.ty.as_str(), recorded["type"].as_str().unwrap());
        assert_eq!(span.parent_span_id.map(|id| id.to_string()), id("parentSpanId", 16));
        assert_eq!(Some(span.name.as_str()), recorded["name"].as_str());
        assert_eq!(span.entity_name.as_deref(), recorded["entityName"].as_str());
        assert_eq!(span.input.as_ref().map(Payload::to_value).unwrap_or_default(), recorded["input"]);
        assert_eq!(span.output.as_ref().map(Payload::to_value).unwrap_or_default(), recorded["output"]);
        assert_eq!(span.metadata.len(), recorded["metadata"].as_object().map_or(0, |metadata| metadata.len()));
        assert_eq!(span.tags.len(), recorded["tags"].as_array().map_or(0, Vec::len));
        assert_eq!(span.error.is_some(), recorded["errorInfo"].is_object());
        // A durable agent calls spans within its run roots.
        let is_root = recorded["isRootSpan"].as_bool().unwrap();
        assert!(span.is_root == is_root || (is_root && span.parent_span_id.is_some()), "{line}");
        assert_eq!(span.is_event, recorded["isEvent"].as_bool().unwrap());
        assert_attributes(span, &recorded["attributes"], &line);
    }
}

/// Every recorded attribute has its field, and only what is empty may be missing.
fn assert_attributes(span: &Span, recorded: &Value, line: &str) {
    let mut names = Vec::new();
    span.attributes.visit(&mut |name, value| {
        let is_typed = !matches!(value, AttributeRef::Payload(value) if value.is_json() && is_scalar(value));
        assert!(is_typed || matches!(span.ty, SpanType::Generic), "{name} has no field: {line}");
        names.push(name);
    });
    for (name, value) in recorded.as_object().into_iter().flatten() {
        let is_empty = [json!(""), json!([]), json!({})].contains(value);
        assert!(is_empty || names.contains(&name.as_str()), "{name} is lost: {line}");
    }
}

fn is_scalar(payload: &Payload) -> bool {
    !payload.as_str().starts_with(['{', '['])
}
