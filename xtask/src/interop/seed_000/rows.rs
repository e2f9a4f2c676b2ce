//! Seed 000 row by row: a table here is a table there, a line a row. Each line says how to tell that the row holds for one
//! event, given what is known about it.

use serde_json::{Value, json};

use super::{
    envelopes::is_recent,
    ids,
    known::{Between, Known},
    reported::Reported,
};

/// What a row found wrong; empty when it holds.
pub(super) type Verdict = Vec<String>;

/// One row: the seed's table, the row's name, and whether it holds.
pub(super) struct Row {
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) check: fn(&Known, &Reported<'_>) -> Verdict,
}

pub(super) const fn row(table: &'static str, name: &'static str, check: fn(&Known, &Reported<'_>) -> Verdict) -> Row {
    Row { table, name, check }
}

const IDS: &str = "Trace and Event IDs";
const LOGS: &str = "Log Events";
const TRANSACTIONS: &str = "Transaction Events";
const TAGS: &str = "Tags";
const EXTRA: &str = "Extra Data";
const ERRORS: &str = "Error Events";

/// Every row of every table.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(IDS, "session_id → trace_id", trace_ids),
    row(IDS, "event_id → event_id", event_ids),

    row(LOGS, "timestamp", |known, seen| moment("log", &seen.log["timestamp"], known.ended)),
    row(LOGS, "level", |known, seen| is("log", &seen.log["level"], &json!(if known.is_error { "error" } else { "info" }))),
    row(LOGS, "body", |known, seen| is("log", &seen.log["body"], &json!(known.body()))),

    row(TRANSACTIONS, "only with enableTracing", |known, seen| present("transaction", seen.transaction, known.settings.tracing)),
    row(TRANSACTIONS, "transaction", |known, seen| in_transaction(seen, |event| is("transaction", &event["transaction"], &json!(known.transaction_name())))),
    row(TRANSACTIONS, "start_timestamp", |known, seen| in_transaction(seen, |event| moment("transaction", &event["start_timestamp"], known.started))),
    row(TRANSACTIONS, "end_timestamp", |known, seen| in_transaction(seen, |event| end(event, known.ended))),
    row(TRANSACTIONS, "op", |known, seen| in_transaction(seen, |event| is("transaction", &event["contexts"]["trace"]["op"], &json!(known.event_type)))),
    row(TRANSACTIONS, "status", |known, seen| in_transaction(seen, |event| is("transaction", &event["contexts"]["trace"]["status"], &json!(if known.is_error { "internal_error" } else { "ok" })))),

    row(TAGS, "environment", |known, seen| tag(seen, "environment", Some(&known.settings.environment))),
    row(TAGS, "release", |known, seen| tag(seen, "release", known.settings.release.as_deref())),
    row(TAGS, "event_type", |known, seen| tag(seen, "event_type", Some(&known.event_type))),
    row(TAGS, "resource", |known, seen| tag(seen, "resource", known.resource.as_deref())),
    row(TAGS, "server_name", |known, seen| tag(seen, "server_name", known.server.name.as_deref())),
    row(TAGS, "client_name", |known, seen| tag(seen, "client_name", known.client.name.as_deref())),
    row(TAGS, "actor_id", |known, seen| tag(seen, "actor_id", known.settings.actor_id.as_deref())),

    row(EXTRA, "session_id", session_id),
    row(EXTRA, "project_id", |known, seen| extra(seen, "project_id", known.settings.project.as_deref())),
    row(EXTRA, "user_intent", |known, seen| extra(seen, "user_intent", known.user_intent.as_deref())),
    row(EXTRA, "duration_ms", |known, seen| each(seen, |event| duration("extra", &event["extra"]["duration_ms"], known.duration))),
    row(EXTRA, "actor_name", |known, seen| extra(seen, "actor_name", known.settings.actor_name.as_deref())),
    row(EXTRA, "actor_data", |known, seen| each(seen, |event| optional("extra", &event["extra"]["actor_data"], known.settings.actor_data.clone()))),
    row(EXTRA, "client_version", |known, seen| extra(seen, "client_version", known.client.version.as_deref())),
    row(EXTRA, "server_version", |known, seen| extra(seen, "server_version", known.server.version.as_deref())),

    row(ERRORS, "1. a log event", |_, seen| present("log", seen.log, true)),
    row(ERRORS, "2. a transaction event if enableTracing", |known, seen| present("transaction", seen.transaction, known.settings.tracing)),
    row(ERRORS, "3. a separate error event", |known, seen| present("error event", seen.error, known.is_error)),
];

fn trace_ids(known: &Known, seen: &Reported<'_>) -> Verdict {
    let told = seen.attribute("session_id").as_str().unwrap_or_default();
    let session = known.session_id.as_deref().unwrap_or(told);
    let wanted = json!(ids::trace_id(session));
    let mut wrong = is("log", &seen.log["trace_id"], &wanted);
    wrong.extend(each(seen, |event| is("event", &event["contexts"]["trace"]["trace_id"], &wanted)));
    wrong
}

fn event_ids(known: &Known, seen: &Reported<'_>) -> Verdict {
    let told = seen.attribute("event_id").as_str().unwrap_or_default();
    let event_id = known.event_id.as_deref().unwrap_or(told);
    let mut wrong = is("log", &seen.log["event_id"], &json!(ids::log_event_id(event_id)));
    wrong.extend(is("log span", &seen.log["span_id"], &json!(ids::span_id(event_id))));
    for (item, kind) in [(seen.transaction, "transaction"), (seen.error, "error")] {
        if !item.is_null() {
            wrong.extend(is(kind, &item["event_id"], &json!(ids::item_event_id(event_id, kind))));
        }
    }
    wrong
}

fn session_id(known: &Known, seen: &Reported<'_>) -> Verdict {
    let told = seen.attribute("session_id");
    let mut wrong = match &known.session_id {
        Some(session) => is("log", told, &json!(session)),
        None if told.as_str().is_some_and(|session| ids::is_ksuid("ses", session)) => Vec::new(),
        None => vec![format!("log: {told} is not ses_ and a KSUID")],
    };
    wrong.extend(each(seen, |event| is("extra", &event["extra"]["session_id"], told)));
    wrong
}

fn end(transaction: &Value, ended: Between) -> Verdict {
    let mut wrong = moment("transaction", &transaction["timestamp"], ended);
    if transaction.get("end_timestamp").is_some() {
        wrong.push("end_timestamp on the wire is lost: its name is timestamp".to_owned());
    }
    wrong
}

/// Looks at the transaction, if there is one.
pub(super) fn in_transaction(seen: &Reported<'_>, check: impl Fn(&Value) -> Verdict) -> Verdict {
    if seen.transaction.is_null() { Vec::new() } else { check(seen.transaction) }
}

/// Looks at the transaction and the error event.
pub(super) fn each(seen: &Reported<'_>, check: impl Fn(&Value) -> Verdict) -> Verdict {
    seen.events().flat_map(check).collect()
}

fn tag(seen: &Reported<'_>, name: &str, wanted: Option<&str>) -> Verdict {
    each(seen, |event| optional("tag", &event["tags"][name], wanted.map(Value::from)))
}

fn extra(seen: &Reported<'_>, name: &str, wanted: Option<&str>) -> Verdict {
    each(seen, |event| optional("extra", &event["extra"][name], wanted.map(Value::from)))
}

pub(super) fn duration(place: &str, found: &Value, wanted: Between) -> Verdict {
    let seconds = json!(found.as_f64().map(|milliseconds| milliseconds / 1000.0));
    if wanted.holds(&seconds) { Vec::new() } else { vec![format!("{place}: {found} ms is not between {wanted:?}")] }
}

pub(super) fn moment(place: &str, found: &Value, wanted: Between) -> Verdict {
    match found.as_f64() {
        Some(seconds) if wanted.holds(found) && is_recent(seconds) => Vec::new(),
        Some(seconds) => {
            let off = if seconds < wanted.0 { seconds - wanted.0 } else { seconds - wanted.1 };
            vec![format!("{place}: the moment is {:.1} ms off", off * 1000.0)]
        }
        None => vec![format!("{place}: {found} is not a moment")],
    }
}

/// Whether an item is there exactly when it should be.
fn present(item: &str, found: &Value, wanted: bool) -> Verdict {
    match (found.is_null(), wanted) {
        (true, true) => vec![format!("there is no {item}")],
        (false, false) => vec![format!("there should be no {item}")],
        _ => Vec::new(),
    }
}

/// Whether a value is what it should be.
pub(super) fn is(place: &str, found: &Value, wanted: &Value) -> Verdict {
    if found == wanted { Vec::new() } else { vec![format!("{place}: {found} instead of {wanted}")] }
}

/// Whether a value is what it should be, or left out when there is none to tell.
pub(super) fn optional(place: &str, found: &Value, wanted: Option<Value>) -> Verdict {
    match wanted {
        Some(wanted) => is(place, found, &wanted),
        None if found.is_null() => Vec::new(),
        None => vec![format!("{place}: {found} although nothing was given")],
    }
}
