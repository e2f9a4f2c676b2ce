//! What arrived, as far as Sentry's views look at it: logs, transactions, spans of both versions and error events, read out of
//! envelopes.

use serde_json::{Map, Value};
use watchpost_sentry::wire::{EnvelopeReader, ReadLimits};

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) logs: Vec<Value>,
    pub(super) transactions: Vec<Value>,
    pub(super) errors: Vec<Value>,
    pub(super) spans: Vec<SpanFacts>,
}

/// A span, of either version; a transaction is one too.
#[derive(Debug, Default)]
pub(super) struct SpanFacts {
    pub(super) op: String,
    pub(super) name: String,
    pub(super) attributes: Map<String, Value>,
}

impl SpanFacts {
    pub(super) fn has(&self, key: &str) -> bool {
        self.attributes.get(key).is_some_and(|value| !value.is_null() && value != "")
    }
}

impl Evidence {
    /// Adds an envelope's items.
    pub(super) fn read(&mut self, envelope: &[u8]) -> Result<(), String> {
        let broken = |error| format!("what it gives back is no envelope: {error}");
        let mut reader = EnvelopeReader::new(envelope, ReadLimits::default()).map_err(broken)?;
        while let Some(item) = reader.next_item().map_err(broken)? {
            let Ok(payload) = serde_json::from_slice::<Value>(&item.payload) else { continue };
            match item.ty.as_str() {
                "log" => self.logs.extend(members(payload)),
                "span" => self.spans.extend(members(payload).into_iter().map(|span| of_version_2(&span))),
                "transaction" => {
                    self.spans.push(of_transaction(&payload));
                    let children = payload.get("spans").and_then(Value::as_array).into_iter().flatten();
                    self.spans.extend(children.map(of_version_1));
                    self.transactions.push(payload);
                }
                "event" => self.errors.push(payload),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn spans_with_op<'a>(&'a self, op: &'a str) -> impl Iterator<Item = &'a SpanFacts> {
        self.spans.iter().filter(move |span| span.op == op)
    }
}

/// A container's items.
fn members(payload: Value) -> Vec<Value> {
    match payload {
        Value::Object(mut container) => match container.remove("items") {
            Some(Value::Array(items)) => items,
            _ => vec![Value::Object(container)],
        },
        _ => Vec::new(),
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

fn of_transaction(transaction: &Value) -> SpanFacts {
    let trace = transaction.pointer("/contexts/trace").unwrap_or(&Value::Null);
    SpanFacts { op: text(trace, "op"), name: text(transaction, "transaction"), attributes: object(trace.get("data")) }
}

fn of_version_1(span: &Value) -> SpanFacts {
    SpanFacts { op: text(span, "op"), name: text(span, "description"), attributes: object(span.get("data")) }
}

fn of_version_2(span: &Value) -> SpanFacts {
    let typed = object(span.get("attributes"));
    let value = |typed: &Value| typed.get("value").cloned().unwrap_or_default();
    let attributes: Map<String, Value> = typed.iter().map(|(key, typed)| (key.clone(), value(typed))).collect();
    let op = attributes.get("sentry.op").and_then(Value::as_str).unwrap_or_default().to_owned();
    SpanFacts { op, name: text(span, "name"), attributes }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_of_both_versions_say_the_same() {
        let transaction = json!({
            "transaction": "invoke_agent a",
            "contexts": {"trace": {"op": "gen_ai.invoke_agent", "data": {"gen_ai.agent.name": "a"}}},
            "spans": [{"op": "gen_ai.chat", "description": "chat m", "data": {"gen_ai.request.model": "m"}}],
        })
        .to_string();
        let spans = json!({"items": [{"name": "chat m", "attributes": {
            "sentry.op": {"type": "string", "value": "gen_ai.chat"},
            "gen_ai.request.model": {"type": "string", "value": "m"},
        }}]})
        .to_string();
        let mut envelope = b"{}\n".to_vec();
        for (kind, payload) in [("transaction", transaction), ("span", spans), ("unknown", "x".to_owned())] {
            envelope.extend_from_slice(format!("{{\"type\":\"{kind}\"}}\n{payload}\n").as_bytes());
        }
        let mut evidence = Evidence::default();
        evidence.read(&envelope).unwrap();
        assert_eq!((evidence.transactions.len(), evidence.spans.len()), (1, 3));
        let chats: Vec<_> =
            evidence.spans_with_op("gen_ai.chat").map(|span| (&*span.name, span.has("gen_ai.request.model"))).collect();
        assert_eq!(chats, [("chat m", true), ("chat m", true)]);
        assert!(evidence.read(b"").is_err());
    }
}
