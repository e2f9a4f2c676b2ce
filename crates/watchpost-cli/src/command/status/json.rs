//! The status for programs. Times are seconds since 1970; figures are items and bytes of JSON.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use watchpost_sentry::{
    delivery::{Outcome, QueueOwner, SpoolQueue, SpoolReport, SpooledDestination, Tally},
    wire::Category,
};

use super::KINDS;

/// The report on one line.
pub(super) fn status(folder: &Path, report: &SpoolReport) -> Value {
    json!({
        "folder": folder.to_string_lossy(),
        "stuck": report.destinations.iter().any(SpooledDestination::is_stuck),
        "destinations": report.destinations.iter().map(destination).collect::<Vec<_>>(),
    })
}

fn destination(destination: &SpooledDestination) -> Value {
    json!({
        "name": destination.name,
        "since": destination.since.map(seconds),
        "stuck": destination.is_stuck(),
        "spool_bytes": destination.outcome.spool_bytes,
        "tallies": by_category(&destination.outcome, tally),
        "queues": destination.queues.iter().map(queue).collect::<Vec<_>>(),
    })
}

fn queue(queue: &SpoolQueue) -> Value {
    let (state, pid) = match queue.owner {
        QueueOwner::Alive { pid } => ("alive", pid),
        _ => ("left_behind", None),
    };
    let limits = queue
        .limits
        .iter()
        .map(|limit| json!({"category": limit.category.map(Category::as_str), "until": seconds(limit.until)}));
    json!({
        "name": queue.name,
        "state": state,
        "pid": pid,
        "held": by_category(&queue.outcome, |tally| figure(tally.held, tally.held_bytes)),
        "oldest": queue.oldest.map(seconds),
        "spool_bytes": queue.bytes,
        "damaged": queue.damaged,
        "limits": limits.collect::<Vec<_>>(),
    })
}

/// `{"error": …, "transaction": …, "span": …, "log_item": …}`.
pub(super) fn by_category(outcome: &Outcome, value: impl Fn(&Tally) -> Value) -> Value {
    let values = KINDS.iter().map(|(category, _)| (category.as_str().to_owned(), value(outcome.tally(*category))));
    Value::Object(values.collect::<Map<_, _>>())
}

fn tally(tally: &Tally) -> Value {
    let reasons = tally
        .drops()
        .map(|(reason, items)| (reason.as_str().to_owned(), figure(items, tally.dropped_bytes_by(reason))));
    json!({
        "accepted": figure(tally.accepted, tally.accepted_bytes),
        "sent": figure(tally.sent, tally.sent_bytes),
        "held": figure(tally.held, tally.held_bytes),
        "dropped": figure(tally.dropped(), tally.dropped_bytes()),
        "dropped_by": Value::Object(reasons.collect::<Map<_, _>>()),
    })
}

fn figure(items: u64, bytes: u64) -> Value {
    json!({"items": items, "bytes": bytes})
}

fn seconds(moment: SystemTime) -> f64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
