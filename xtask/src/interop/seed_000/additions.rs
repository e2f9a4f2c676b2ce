//! What Sentry's own views need beyond the seed (DESIGN.md, "What must be true on the wire"), row by row as in
//! [`rows`](super::rows).

use serde_json::{Value, json};

use super::{
    known::Known,
    reported::Reported,
    rows::{Row, Verdict, duration, each, in_transaction, is, moment, optional, row},
};

const TOP: &str = "Top level";
const SPAN: &str = "Span mcp.server";
const LOG: &str = "Log attributes";
const ERROR: &str = "Error event";

/// Every addition.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(TOP, "environment", |known, seen| each(seen, |event| is("event", &event["environment"], &json!(known.settings.environment)))),
    row(TOP, "release", |known, seen| each(seen, |event| optional("event", &event["release"], text(known.settings.release.as_deref())))),
    row(TOP, "user.id", |known, seen| each(seen, |event| optional("event", &event["user"]["id"], text(known.settings.actor_id.as_deref())))),
    row(TOP, "user.username", |known, seen| each(seen, |event| optional("event", &event["user"]["username"], text(known.settings.actor_name.as_deref())))),
    row(TOP, "sdk", |_, seen| each(seen, |event| texts("sdk", &event["sdk"], &["name", "version"]))),
    row(TOP, "platform", |known, seen| [in_transaction(seen, |event| is("transaction", &event["platform"], &json!("other"))), in_error(seen, |event| is("error event", &event["platform"], &json!(known.platform.unwrap_or("other"))))].concat()),
    row(TOP, "transaction_info", |_, seen| in_transaction(seen, |event| texts("transaction_info", &event["transaction_info"], &["source"]))),
    row(TOP, "contexts.trace.origin", |_, seen| in_transaction(seen, |event| is("transaction", &event["contexts"]["trace"]["origin"], &json!("auto.ai.mcp_server")))),
    row(TOP, "the host's own tags", |known, seen| each(seen, |event| own_tags(known, |key| event["tags"][key].clone()))),

    row(SPAN, "one, of op mcp.server", one_span),
    row(SPAN, "place in the trace", |_, seen| in_span(seen, |span| place(seen.transaction, span))),
    row(SPAN, "description", |known, seen| in_span(seen, |span| is("span", &span["description"], &json!(span_name(known))))),
    row(SPAN, "status", |known, seen| in_span(seen, |span| is("span", &span["status"], &json!(span_status(known))))),
    row(SPAN, "mcp.method.name", |known, seen| data(seen, "mcp.method.name", Some(&known.event_type))),
    row(SPAN, "mcp.tool.name, gen_ai.tool.name", |known, seen| both(seen, ["mcp.tool.name", "gen_ai.tool.name"], known.tool())),
    row(SPAN, "mcp.prompt.name, gen_ai.prompt.name", |known, seen| both(seen, ["mcp.prompt.name", "gen_ai.prompt.name"], known.prompt())),
    row(SPAN, "mcp.resource.uri", |known, seen| data(seen, "mcp.resource.uri", known.resource_uri())),
    row(SPAN, "mcp.request.id, jsonrpc.request.id", |known, seen| both(seen, ["mcp.request.id", "jsonrpc.request.id"], known.request_id.as_deref())),
    row(SPAN, "mcp.transport", |known, seen| live(known, data(seen, "mcp.transport", Some("stdio")))),
    row(SPAN, "network.transport", |known, seen| live(known, data(seen, "network.transport", Some("pipe")))),
    row(SPAN, "mcp.client.name, mcp.client.version", |known, seen| [data(seen, "mcp.client.name", known.client.name.as_deref()), data(seen, "mcp.client.version", known.client.version.as_deref())].concat()),
    row(SPAN, "mcp.server.name, mcp.server.version", |known, seen| [data(seen, "mcp.server.name", known.server.name.as_deref()), data(seen, "mcp.server.version", known.server.version.as_deref())].concat()),
    row(SPAN, "mcp.tool.result.is_error", |known, seen| in_span(seen, |span| optional("span", &span["data"]["mcp.tool.result.is_error"], known.tool().map(|_| json!(known.is_error))))),

    row(LOG, "event_type", |known, seen| attribute(seen, "event_type", Some(&known.event_type))),
    row(LOG, "resource", |known, seen| attribute(seen, "resource", known.resource.as_deref())),
    row(LOG, "server_name", |known, seen| attribute(seen, "server_name", known.server.name.as_deref())),
    row(LOG, "client_name", |known, seen| attribute(seen, "client_name", known.client.name.as_deref())),
    row(LOG, "actor_id", |known, seen| attribute(seen, "actor_id", known.settings.actor_id.as_deref())),
    row(LOG, "actor_name", |known, seen| attribute(seen, "actor_name", known.settings.actor_name.as_deref())),
    row(LOG, "actor_data", actor_data),
    row(LOG, "project_id", |known, seen| attribute(seen, "project_id", known.settings.project.as_deref())),
    row(LOG, "user_intent", |known, seen| attribute(seen, "user_intent", known.user_intent.as_deref())),
    row(LOG, "duration_ms", |known, seen| duration("log", seen.attribute("duration_ms"), known.duration)),
    row(LOG, "client_version", |known, seen| attribute(seen, "client_version", known.client.version.as_deref())),
    row(LOG, "server_version", |known, seen| attribute(seen, "server_version", known.server.version.as_deref())),
    row(LOG, "is_error", |known, seen| is("log", seen.attribute("is_error"), &json!(known.is_error))),
    row(LOG, "sentry.environment", |known, seen| attribute(seen, "sentry.environment", Some(&known.settings.environment))),
    row(LOG, "sentry.release", |known, seen| attribute(seen, "sentry.release", known.settings.release.as_deref())),
    row(LOG, "sentry.sdk.*", |_, seen| [seen.attribute("sentry.sdk.name"), seen.attribute("sentry.sdk.version")].into_iter().flat_map(|value| is_text("log", value)).collect()),
    row(LOG, "the host's own tags", |known, seen| own_tags(known, |key| seen.attribute(key).clone())),

    row(ERROR, "moment", |known, seen| in_error(seen, |event| moment("error event", &event["timestamp"], known.ended))),
    row(ERROR, "level", |_, seen| in_error(seen, |event| is("error event", &event["level"], &json!("error")))),
    row(ERROR, "transaction", |known, seen| in_error(seen, |event| is("error event", &event["transaction"], &json!(known.transaction_name())))),
    row(ERROR, "exception", |known, seen| in_error(seen, |event| exception(known, event))),
    row(ERROR, "fingerprint", |_, seen| in_error(seen, |event| fingerprint(&event["fingerprint"]))),
    row(ERROR, "the failing span", failing_span),
];

fn one_span(known: &Known, seen: &Reported<'_>) -> Verdict {
    let ops: Vec<&str> = seen.spans().iter().filter_map(|span| span["op"].as_str()).collect();
    let wanted: &[&str] = if seen.transaction.is_null() || !known.is_request() { &[] } else { &["mcp.server"] };
    if ops == wanted { Vec::new() } else { vec![format!("the spans are {ops:?} instead of {wanted:?}")] }
}

fn place(transaction: &Value, span: &Value) -> Verdict {
    let root = &transaction["contexts"]["trace"];
    let mut wrong = is("span trace", &span["trace_id"], &root["trace_id"]);
    wrong.extend(is("span parent", &span["parent_span_id"], &root["span_id"]));
    wrong.extend(is("span start", &span["start_timestamp"], &transaction["start_timestamp"]));
    wrong.extend(is("span end", &span["timestamp"], &transaction["timestamp"]));
    if span["span_id"] == root["span_id"] {
        wrong.push("the span has its parent's id".to_owned());
    }
    wrong
}

/// Low in cardinality: a tool or prompt is named, a resource is not.
fn span_name(known: &Known) -> String {
    match known.tool().or_else(|| known.prompt()) {
        Some(name) => format!("{} {name}", known.event_type),
        None => known.event_type.clone(),
    }
}

const fn span_status(known: &Known) -> &'static str {
    match (known.is_error, known.is_cancelled) {
        (true, _) => "internal_error",
        (false, true) => "cancelled",
        (false, false) => "ok",
    }
}

fn actor_data(known: &Known, seen: &Reported<'_>) -> Verdict {
    // Attributes hold no objects: the JSON as text.
    let told = seen.attribute("actor_data").as_str().map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
    optional("log", &told.unwrap_or(Value::Null), known.settings.actor_data.clone())
}

fn exception(known: &Known, event: &Value) -> Verdict {
    let exception = event["exception"]["values"].as_array().and_then(|values| values.last()).unwrap_or(&Value::Null);
    let mut wrong = is_text("exception type", &exception["type"]);
    wrong.extend(match &known.message {
        Some(message) => is("exception", &exception["value"], &json!(message)),
        None => is_text("exception value", &exception["value"]),
    });
    wrong.extend(is_text("mechanism", &exception["mechanism"]["type"]));
    if !exception["mechanism"]["handled"].is_boolean() {
        wrong.push(format!("mechanism: handled is {}", exception["mechanism"]["handled"]));
    }
    wrong
}

fn fingerprint(found: &Value) -> Verdict {
    match found.as_array() {
        Some(parts) if !parts.is_empty() && parts.iter().all(Value::is_string) => Vec::new(),
        _ => vec![format!("error event: {found}")],
    }
}

/// The span that failed is the request's own where it is sent, else the event's.
fn failing_span(known: &Known, seen: &Reported<'_>) -> Verdict {
    let wanted = match seen.spans().first() {
        Some(span) if known.is_request() => &span["span_id"],
        _ => &seen.log["span_id"],
    };
    in_error(seen, |event| is("error event", &event["contexts"]["trace"]["span_id"], wanted))
}

fn own_tags(known: &Known, find: impl Fn(&str) -> Value) -> Verdict {
    known.settings.tags.iter().flat_map(|(key, value)| is(&format!("tag {key}"), &find(key), &json!(value))).collect()
}

fn attribute(seen: &Reported<'_>, name: &str, wanted: Option<&str>) -> Verdict {
    optional("log", seen.attribute(name), text(wanted))
}

fn data(seen: &Reported<'_>, name: &str, wanted: Option<&str>) -> Verdict {
    in_span(seen, |span| optional("span", &span["data"][name], text(wanted)))
}

/// The old and the new spelling of the same.
fn both(seen: &Reported<'_>, names: [&str; 2], wanted: Option<&str>) -> Verdict {
    names.map(|name| data(seen, name, wanted)).concat()
}

/// Holds only for what was seen on the wire.
fn live(known: &Known, verdict: Verdict) -> Verdict {
    if known.request_id.is_some() { verdict } else { Vec::new() }
}

fn in_span(seen: &Reported<'_>, check: impl Fn(&Value) -> Verdict) -> Verdict {
    seen.spans().first().map(check).unwrap_or_default()
}

fn in_error(seen: &Reported<'_>, check: impl Fn(&Value) -> Verdict) -> Verdict {
    if seen.error.is_null() { Vec::new() } else { check(seen.error) }
}

fn texts(place: &str, found: &Value, names: &[&str]) -> Verdict {
    names.iter().flat_map(|name| is_text(&format!("{place}.{name}"), &found[*name])).collect()
}

fn is_text(place: &str, found: &Value) -> Verdict {
    if found.as_str().is_some_and(|text| !text.is_empty()) { Vec::new() } else { vec![format!("{place}: {found}")] }
}

fn text(text: Option<&str>) -> Option<Value> {
    text.map(Value::from)
}
