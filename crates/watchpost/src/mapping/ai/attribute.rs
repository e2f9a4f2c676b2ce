//! All attributes of a span: its tables' rows, then what else its type, the host and its tags say. Metadata comes first and
//! content last, so that whoever cuts from the end cuts content.

use std::borrow::Cow;

use watchpost_sentry::wire::{Attribute, AttributeValue, Attributes, Value};

use super::{
    AiSettings,
    facts::Facts,
    table::{COMMON, Row, tables},
};
use crate::{
    mapping::limit::{self, cut},
    model::{AttributeRef, FinishedSpan, Payload, UsageStats},
};

/// Most entries of the host's own metadata, and most labels: Mastra keeps 50 of each.
const MAX_METADATA: usize = 128;
const MAX_TAGS: usize = 50;
/// Most attributes of a type of its own that are not in the tables.
const MAX_OWN: usize = 128;

/// The attributes, each key once, content last. `room` is how many more the caller will add.
pub(super) fn attributes<'a>(finished: &'a FinishedSpan, settings: &'a AiSettings, room: usize) -> Attributes<'a> {
    let facts = Facts::of(finished, settings);
    let span = facts.span;
    let ([rows, more_rows, content_rows], used) = tables(&span.ty);

    let expected = 12 + rows.len() / 2 + span.metadata.len() + content_rows.len() + room;
    let mut attributes = Attributes::with_capacity(expected);
    push_rows(&mut attributes, COMMON, &facts);
    push_rows(&mut attributes, rows, &facts);
    push_rows(&mut attributes, more_rows, &facts);
    push_own(&mut attributes, finished, used);
    if !span.tags.is_empty() {
        attributes.push("tags", span.tags[..span.tags.len().min(MAX_TAGS)].join(","));
    }
    for (key, value) in span.metadata.iter().take(MAX_METADATA) {
        if let Some(value) = plain(value) {
            attributes.push(prefixed("metadata.", "", key), value);
        }
    }
    push_rows(&mut attributes, content_rows, &facts);
    attributes
}

/// The same attributes as a transaction's spans carry them, untyped.
pub(super) fn untyped(attributes: Attributes<'_>) -> Vec<(Cow<'_, str>, Value<'_>)> {
    let untyped = |Attribute { key, value }| {
        let value = match value {
            AttributeValue::String(text) => Value::String(text),
            AttributeValue::Integer(number) => Value::Integer(number),
            AttributeValue::Double(number) => Value::Double(number),
            AttributeValue::Boolean(yes) => Value::Bool(yes),
            AttributeValue::StringArray(texts) => Value::Array(texts.into_iter().map(Value::String).collect()),
            _ => Value::Null,
        };
        (key, value)
    };
    attributes.0.into_iter().map(untyped).collect()
}

fn push_rows<'a>(attributes: &mut Attributes<'a>, rows: &[Row], facts: &Facts<'a>) {
    for (key, value) in rows {
        if let Some(value) = value(facts) {
            attributes.push(*key, value);
        }
    }
}

/// What the span's type says of it beyond the tables: `mastra.<type>.<attribute>`, both by Mastra's names.
fn push_own<'a>(attributes: &mut Attributes<'a>, finished: &'a FinishedSpan, used: &[&str]) {
    let ty = finished.span.ty.as_str();
    let most = attributes.len() + MAX_OWN;
    finished.span.attributes.visit(&mut |name, value| {
        if let AttributeRef::Parameters(parameters) = value {
            parameters.visit(&mut |name, value| {
                if !USED_PARAMETERS.contains(&name)
                    && let Some(value) = typed(value)
                {
                    attributes.push(prefixed("mastra.", ty, name), value);
                }
            });
        } else if attributes.len() < most
            && !used.contains(&name)
            && let Some(value) = typed(value)
        {
            attributes.push(prefixed("mastra.", ty, name), value);
        }
    });
}

/// The parameters that the tables have.
const USED_PARAMETERS: &[&str] =
    &["maxOutputTokens", "temperature", "topP", "topK", "presencePenalty", "frequencyPenalty", "stopSequences", "seed"];

/// `mastra.workflow_loop.iteration`, `metadata.runId`.
fn prefixed<'a>(prefix: &str, ty: &str, name: &str) -> Cow<'a, str> {
    let name = cut(name, limit::TAG);
    let mut key = String::with_capacity(prefix.len() + ty.len() + 1 + name.len());
    key.push_str(prefix);
    if !ty.is_empty() {
        key.push_str(ty);
        key.push('.');
    }
    key.push_str(&name);
    Cow::Owned(key)
}

fn typed(value: AttributeRef<'_>) -> Option<AttributeValue<'_>> {
    Some(match value {
        AttributeRef::Text(text) => text.into(),
        AttributeRef::Bool(yes) => yes.into(),
        AttributeRef::Count(count) => count.into(),
        AttributeRef::Integer(number) => number.into(),
        AttributeRef::Number(number) => number.into(),
        AttributeRef::Time(time) => time.to_rfc3339().into(),
        AttributeRef::Texts(texts) => serde_json::to_string(texts).ok()?.into(),
        AttributeRef::Counts(counts) => serde_json::to_string(counts).ok()?.into(),
        AttributeRef::Payload(payload) => plain(payload)?,
        AttributeRef::Usage(usage) => usage_json(usage).into(),
        _ => return None,
    })
}

/// A text, number or truth value as it is, anything else as JSON; `null` says nothing.
fn plain(payload: &Payload) -> Option<AttributeValue<'_>> {
    let text = payload.as_str();
    if !payload.is_json() {
        return Some(text.into());
    }
    match text.as_bytes().first()? {
        b'n' => None,
        b't' => Some(true.into()),
        b'f' => Some(false.into()),
        b'-' | b'0'..=b'9' => Some(match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) if number.is_finite() && text.contains(['.', 'e', 'E']) => number.into(),
            _ => text.into(),
        }),
        _ => Some(text.into()),
    }
}

fn usage_json(usage: &UsageStats) -> String {
    let counts = [("inputTokens", usage.input_tokens), ("outputTokens", usage.output_tokens)];
    let members: Vec<_> =
        counts.into_iter().filter_map(|(name, count)| Some(format!("\"{name}\":{}", count?))).collect();
    format!("{{{}}}", members.join(","))
}
