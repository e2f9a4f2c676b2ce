//! What reached the sink about one event, joined by the ids: its log, its transaction, its error event.

use serde_json::Value;

use crate::interop::capture::Capture;

/// The items of one event. A missing item is `Null`.
#[derive(Debug)]
pub(super) struct Reported<'a> {
    pub(super) log: &'a Value,
    pub(super) transaction: &'a Value,
    pub(super) error: &'a Value,
}

/// Every event that reached the sink, in the order of the logs' time, and the items that belong to none.
pub(super) fn events(capture: &Capture) -> (Vec<Reported<'_>>, Vec<String>) {
    let (mut transactions, mut errors): (Vec<_>, Vec<_>) =
        (capture.payloads("transaction").collect(), capture.payloads("event").collect());
    let mut events: Vec<_> = capture
        .logs()
        .map(|log| Reported {
            log,
            transaction: take(&mut transactions, span_of(log)),
            error: take(&mut errors, span_of(log)),
        })
        .collect();
    events.sort_by(|a, b| seconds(a.log).total_cmp(&seconds(b.log)));
    let strays = transactions.iter().chain(&errors).map(|item| format!("{} {}", item["transaction"], item["event_id"]));
    (events, strays.collect())
}

/// The ids of an event's items all begin with its span's.
fn span_of(item: &Value) -> &str {
    item["event_id"].as_str().and_then(|id| id.get(..16)).unwrap_or_default()
}

fn take<'a>(items: &mut Vec<&'a Value>, span: &str) -> &'a Value {
    match items.iter().position(|item| !span.is_empty() && span_of(item) == span) {
        Some(at) => items.swap_remove(at),
        None => &Value::Null,
    }
}

fn seconds(log: &Value) -> f64 {
    log["timestamp"].as_f64().unwrap_or_default()
}

impl Reported<'_> {
    /// The value of one of the log's attributes.
    pub(super) fn attribute(&self, name: &str) -> &Value {
        &self.log["attributes"][name]["value"]
    }

    /// The transaction and the error event, as far as there are any.
    pub(super) fn events(&self) -> impl Iterator<Item = &Value> {
        [self.transaction, self.error].into_iter().filter(|item| !item.is_null())
    }

    /// The transaction's spans.
    pub(super) fn spans(&self) -> &[Value] {
        self.transaction["spans"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}
