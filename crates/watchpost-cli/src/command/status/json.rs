//! The status for programs. Times are seconds since 1970; figures are items and bytes of JSON.

use std::{
    fmt::Write as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use watchpost_sentry::{
    delivery::{Outcome, QueueOwner, SpoolQueue, SpoolReport, SpooledDestination, Tally},
    wire::Category,
};

use super::kinds_in;

/// The report on one line.
pub(super) fn status(folder: &Path, report: &SpoolReport) -> Value {
    json!({
        "folder": folder.to_string_lossy(),
        "stuck": report.destinations.iter().any(SpooledDestination::is_stuck),
        "destinations": report.destinations.iter().map(destination).collect::<Vec<_>>(),
    })
}

/// The JSON's text, with what would act on a terminal written as JSON's escapes: names of folders are anybody's.
pub(super) fn inert(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        let is_plain = character.is_ascii_graphic() || character == ' ' || character.escape_debug().len() == 1;
        if is_plain {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
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

/// `{"error": …, "transaction": …, "span": …, "log_item": …}`, and further kinds where there are any.
pub(super) fn by_category(outcome: &Outcome, value: impl Fn(&Tally) -> Value) -> Value {
    let values = kinds_in(outcome).map(|(category, _)| (category.as_str().to_owned(), value(outcome.tally(category))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_can_act_on_a_terminal_and_it_reads_back_the_same() {
        let value = json!({"name": "a\u{9b}2J \u{1b}[2J \u{7f} \u{202e} \u{e0001} „é“ 漢 \" \\"});
        let text = inert(&value);
        assert!(!text.chars().any(char::is_control), "{text}");
        assert!(!text.contains('\u{202e}') && text.contains("„é“ 漢"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
