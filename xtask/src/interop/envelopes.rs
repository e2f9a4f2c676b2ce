//! What holds for every request and envelope, whatever it carries: Sentry answers 200 to most mistakes and drops the data
//! later.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use watchpost_sentry::wire::Timestamp;

use super::{
    capture::{Capture, Envelope},
    findings::Findings,
    peers::KEY,
};

/// Sentry takes at most so many logs in a container.
const MAX_LOGS: usize = 100;
/// `sent_at` is the moment of sending: nearly an hour off, and Relay moves every timestamp.
const SENT_AT_SLACK: Duration = Duration::from_secs(3);

/// Checks the requests and the envelopes of one run.
pub(super) fn check(name: &str, capture: &Capture, findings: &mut Findings) {
    for problem in &capture.unreadable {
        findings.add_at(format!("unreadable envelope: {problem}"), name);
    }
    for request in &capture.requests {
        let header = |key: &str| request.header(key).unwrap_or_default();
        let mut expect = |right: bool, what: String| {
            if !right {
                findings.add_at(what, name);
            }
        };
        expect(request.path == "/api/1/envelope/", format!("the request's path is {}", request.path));
        let auth = header("x-sentry-auth");
        expect(auth.starts_with("Sentry ") && auth.contains("sentry_version=7"), format!("x-sentry-auth is {auth:?}"));
        expect(auth.contains(&format!("sentry_key={KEY}")), format!("x-sentry-auth has not the DSN's key: {auth:?}"));
        expect(
            header("content-type") == "application/x-sentry-envelope",
            format!("content-type is {:?}", header("content-type")),
        );
        // Relay reads a browser's name out of a User-Agent, so it must be plain.
        let agent = header("user-agent");
        expect(agent.starts_with("watchpost") && !agent.contains(' '), format!("user-agent is {agent:?}"));
    }
    for envelope in &capture.envelopes {
        check_envelope(envelope, &mut |what| findings.add_at(what, name));
    }
}

fn check_envelope(envelope: &Envelope, wrong: &mut impl FnMut(String)) {
    match envelope.header["sent_at"].as_str().and_then(Timestamp::parse) {
        Some(sent_at) => {
            let received = Timestamp::from(envelope.received);
            let (late, early) = (received.duration_since(sent_at), sent_at.duration_since(received));
            if late.max(early) > SENT_AT_SLACK {
                wrong(format!("sent_at is {:.1?} off the moment of arrival", late.max(early)));
            }
        }
        None => wrong(format!("sent_at is {}", envelope.header["sent_at"])),
    }
    for ty in ["log", "span"] {
        let containers: Vec<_> = envelope.items.iter().filter(|item| item.ty == ty).collect();
        if containers.len() > 1 {
            wrong(format!("{} {ty} containers in an envelope: Relay loses them all", containers.len()));
        }
        for container in containers {
            let items = container.payload["items"].as_array().map_or(0, Vec::len);
            if container.header.get("item_count").and_then(Value::as_u64) != Some(items as u64) {
                wrong(format!("item_count is {:?} for {items} items of type {ty}", container.header.get("item_count")));
            }
            if ty == "log" && items > MAX_LOGS {
                wrong(format!("{items} logs in an envelope"));
            }
        }
    }
    for item in &envelope.items {
        if item.header.get("length").and_then(Value::as_u64).is_none() {
            wrong(format!("a {} item without length", item.ty));
        }
        match item.ty.as_str() {
            "event" | "transaction" => check_event_header(&envelope.header, &item.payload, wrong),
            "client_report" => {
                wrong(format!("something was discarded although the sink took everything: {}", item.payload))
            }
            _ => {}
        }
    }
}

/// Sentry takes the id from the envelope, and samples by its trace header.
fn check_event_header(header: &Value, event: &Value, wrong: &mut impl FnMut(String)) {
    if header["event_id"] != event["event_id"] {
        wrong(format!("the envelope's event_id is {}, the event's {}", header["event_id"], event["event_id"]));
    }
    let trace = &header["trace"];
    if trace["trace_id"] != event["contexts"]["trace"]["trace_id"] {
        wrong(format!(
            "the envelope's trace is {}, the event's {}",
            trace["trace_id"], event["contexts"]["trace"]["trace_id"]
        ));
    }
    if trace["public_key"] != KEY {
        wrong(format!("the envelope's trace header has the key {}", trace["public_key"]));
    }
}

/// Whether a moment in seconds is within the last ten minutes, as every moment of a run is.
pub(super) fn is_recent(seconds: f64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (now - 600.0..now + 5.0).contains(&seconds)
}
