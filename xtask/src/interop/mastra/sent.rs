//! Spans that reached the sink, whatever carried them: a transaction is its root span, its children are spans, and a container
//! holds spans of the second version.

use serde_json::{Map, Value};

use crate::interop::capture::Capture;

/// What carried a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Transaction,
    /// `spans` of a transaction.
    Child,
    /// A container of spans of the second version.
    Container,
}

/// One span.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) carrier: Carrier,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) op: String,
    pub(super) name: String,
    pub(super) start: f64,
    pub(super) end: f64,
    /// `ok`, or how it failed.
    pub(super) status: String,
    /// Attributes by name.
    pub(super) data: Map<String, Value>,
    /// Whether it says that a trace's part begins with it.
    pub(super) is_segment: bool,
}

/// Every span that arrived.
pub(super) fn spans(capture: &Capture) -> Vec<Sent> {
    let transactions = capture.payloads("transaction").flat_map(|transaction| {
        let trace = &transaction["contexts"]["trace"];
        let root = Sent {
            carrier: Carrier::Transaction,
            name: text(&transaction["transaction"]),
            start: number(&transaction["start_timestamp"]),
            end: number(&transaction["timestamp"]),
            is_segment: true,
            ..span(trace)
        };
        let children = transaction["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        std::iter::once(root).chain(children.iter().map(span))
    });
    let containers = capture
        .payloads("span")
        .flat_map(|container| container["items"].as_array().map(Vec::as_slice).unwrap_or_default())
        .map(item);
    transactions.chain(containers).collect()
}

fn span(value: &Value) -> Sent {
    let mut data = value["data"].as_object().cloned().unwrap_or_default();
    // A field of its own here, an attribute there.
    if value["origin"].is_string() {
        data.insert("sentry.origin".to_owned(), value["origin"].clone());
    }
    Sent {
        carrier: Carrier::Child,
        trace: text(&value["trace_id"]),
        id: text(&value["span_id"]),
        parent: value["parent_span_id"].as_str().map(str::to_owned),
        op: text(&value["op"]),
        name: text(&value["description"]),
        start: number(&value["start_timestamp"]),
        end: number(&value["timestamp"]),
        status: text(&value["status"]),
        data,
        is_segment: value["is_segment"] == true,
    }
}

fn item(value: &Value) -> Sent {
    let attributes = value["attributes"].as_object();
    let data: Map<_, _> =
        attributes.into_iter().flatten().map(|(name, attribute)| (name.clone(), attribute["value"].clone())).collect();
    Sent {
        carrier: Carrier::Container,
        trace: text(&value["trace_id"]),
        id: text(&value["span_id"]),
        parent: value["parent_span_id"].as_str().map(str::to_owned),
        op: data.get("sentry.op").map(text).unwrap_or_default(),
        name: text(&value["name"]),
        start: number(&value["start_timestamp"]),
        end: number(&value["end_timestamp"]),
        status: text(&value["status"]),
        data,
        is_segment: value["is_segment"] == true,
    }
}

impl Sent {
    /// One of its attributes.
    pub(super) fn attribute(&self, name: &str) -> &Value {
        self.data.get(name).unwrap_or(&Value::Null)
    }

    /// One of its attributes that is JSON in a text; `Null` if it is neither.
    pub(super) fn json(&self, name: &str) -> Value {
        match self.attribute(name) {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            other => other.clone(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
