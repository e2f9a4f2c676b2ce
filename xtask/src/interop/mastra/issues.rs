//! One failure, one issue, and the issue leads to the span that failed.

use serde_json::Value;

use super::{
    known::{Forest, Known},
    sent::Sent,
};
use crate::interop::{capture::Capture, findings::Findings};

/// Holds the error events against the failures in the events.
pub(super) fn check(run: &str, forest: &Forest, spans: &[Sent], capture: &Capture, findings: &mut Findings) {
    let mut events: Vec<&Value> = capture.payloads("event").collect();
    for failure in forest.failures() {
        let trace = |event: &Value| event["contexts"]["trace"].clone();
        let is_its = |event: &&Value| trace(event)["span_id"] == failure.id();
        match events.iter().position(is_its) {
            Some(at) => check_event(run, failure, events.swap_remove(at), spans, findings),
            None => findings.add_at("a failure without an issue", format!("{run}: {}", failure.title())),
        }
    }
    for event in events {
        let exception = &event["exception"]["values"][0];
        findings.add_at("an issue too many", format!("{run}: {} {}", exception["type"], exception["value"]));
    }
}

fn check_event(run: &str, failure: &Known, event: &Value, spans: &[Sent], findings: &mut Findings) {
    let place = format!("{run}: {}", failure.title());
    let mut expect = |right: bool, what: String| {
        if !right {
            findings.add_at(what, place.clone());
        }
    };
    let trace = &event["contexts"]["trace"];
    let is_sent = spans.iter().any(|span| trace["trace_id"] == *span.trace && trace["span_id"] == *span.id);
    expect(is_sent, format!("the issue's span {} was not sent", trace["span_id"]));
    let values = event["exception"]["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Causes come first, the exception itself last.
    let exception = values.last().unwrap_or(&Value::Null);
    expect(exception["value"].as_str() == failure.failure(), format!("the message is {}", exception["value"]));
    let wanted = exception_type(failure);
    expect(exception["type"] == *wanted, format!("the type is {} instead of {wanted}", exception["type"]));
    let frames = exception["stacktrace"]["frames"].as_array().map_or(0, Vec::len);
    let given = failure.get("errorInfo")["stack"].as_str().map_or(0, |stack| stack.lines().skip(1).count());
    expect(frames == given, format!("{frames} stack frames of {given}"));
    expect(event["tags"]["span_type"] == *failure.ty() || event["tags"]["ai.span.type"] == *failure.ty(), {
        format!("no tag says the span's type: {}", event["tags"])
    });
}

/// What was thrown: a wrapper keeps it at the head of its stack and is itself only an `Error`.
fn exception_type(failure: &Known) -> &str {
    let error = failure.get("errorInfo");
    let name = error["name"].as_str().unwrap_or("Error");
    let head = error["stack"].as_str().and_then(|stack| stack.split(':').next()).unwrap_or(name);
    if name == "Error" { head } else { name }
}
