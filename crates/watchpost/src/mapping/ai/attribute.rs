//! All attributes of a span: its tables' rows, then what else its type, the host and its tags say. Metadata comes first and
//! content last, so that whoever cuts from the end cuts content.

use std::borrow::Cow;

use watchpost_sentry::wire::{AttributeValue, Attributes, Value};

use super::{
    AiSettings,
    facts::Facts,
    item::{Segment, visit_v2},
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

/// Takes a span's attributes, one after the other.
pub(super) trait Receiver<'a> {
    /// How many there will be, about.
    fn expect(&mut self, _count: usize) {}

    /// One of the tables' attributes: no key of theirs comes twice for one span.
    fn known(&mut self, key: &'static str, value: AttributeValue<'a>);

    /// One whose key ends with a name that the span gives; it can come twice.
    fn named(&mut self, key: NamedKey<'a>, value: AttributeValue<'a>);
}

/// `mastra.workflow_loop.iteration`, `metadata.runId`: a prefix, the span's type or nothing, a name.
pub(super) struct NamedKey<'a> {
    pub(super) prefix: &'static str,
    pub(super) ty: &'a str,
    pub(super) name: &'a str,
}

/// Hands over the attributes, content last.
pub(super) fn visit<'a>(finished: &'a FinishedSpan, settings: &'a AiSettings, receiver: &mut impl Receiver<'a>) {
    let facts = Facts::of(finished, settings);
    let span = facts.span;
    let ([rows, more_rows, content_rows], used) = tables(&span.ty);

    receiver.expect(12 + rows.len() / 2 + span.metadata.len() + content_rows.len());
    visit_rows(COMMON, &facts, receiver);
    visit_rows(rows, &facts, receiver);
    visit_rows(more_rows, &facts, receiver);
    visit_own(finished, used, receiver);
    if !span.tags.is_empty() {
        receiver.known("tags", span.tags[..span.tags.len().min(MAX_TAGS)].join(",").into());
    }
    for (name, value) in span.metadata.iter().take(MAX_METADATA) {
        if let Some(value) = plain(value) {
            receiver.named(NamedKey { prefix: "metadata.", ty: "", name }, value);
        }
    }
    visit_rows(content_rows, &facts, receiver);
}

/// The attributes of a span of version 2.
pub(super) fn attributes<'a>(
    finished: &'a FinishedSpan,
    segment: Option<Segment<'a>>,
    settings: &'a AiSettings,
) -> Attributes<'a> {
    struct Typed<'a>(Attributes<'a>);

    impl<'a> Receiver<'a> for Typed<'a> {
        fn expect(&mut self, count: usize) {
            self.0.0.reserve(count);
        }

        fn known(&mut self, key: &'static str, value: AttributeValue<'a>) {
            self.0.push(key, value);
        }

        fn named(&mut self, key: NamedKey<'a>, value: AttributeValue<'a>) {
            self.0.push(key, value);
        }
    }

    let mut typed = Typed(Attributes::new());
    visit_v2(finished, segment, settings, &mut typed);
    typed.0
}

/// The attributes as a transaction's spans carry them, untyped.
pub(super) fn data<'a>(finished: &'a FinishedSpan, settings: &'a AiSettings) -> Vec<(Cow<'a, str>, Value<'a>)> {
    struct Untyped<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

    impl<'a> Receiver<'a> for Untyped<'a> {
        fn expect(&mut self, count: usize) {
            self.0.reserve(count);
        }

        fn known(&mut self, key: &'static str, value: AttributeValue<'a>) {
            self.0.push((Cow::Borrowed(key), untyped(value)));
        }

        fn named(&mut self, key: NamedKey<'a>, value: AttributeValue<'a>) {
            self.0.push((key.into(), untyped(value)));
        }
    }

    let mut data = Untyped(Vec::new());
    visit(finished, settings, &mut data);
    data.0
}

/// A value without its type.
pub(super) fn untyped(value: AttributeValue<'_>) -> Value<'_> {
    match value {
        AttributeValue::String(text) => Value::String(text),
        AttributeValue::Integer(number) => Value::Integer(number),
        AttributeValue::Double(number) => Value::Double(number),
        AttributeValue::Boolean(yes) => Value::Bool(yes),
        AttributeValue::StringArray(texts) => Value::Array(texts.into_iter().map(Value::String).collect()),
        _ => Value::Null,
    }
}

fn visit_rows<'a>(rows: &[Row], facts: &Facts<'a>, receiver: &mut impl Receiver<'a>) {
    for (key, value) in rows {
        if let Some(value) = value(facts) {
            receiver.known(key, value);
        }
    }
}

/// What the span's type says of it beyond the tables: `mastra.<type>.<attribute>`, both by Mastra's names.
fn visit_own<'a>(finished: &'a FinishedSpan, used: &[&str], receiver: &mut impl Receiver<'a>) {
    let key = |name| NamedKey { prefix: "mastra.", ty: finished.span.ty.as_str(), name };
    let mut room = MAX_OWN;
    finished.span.attributes.visit(&mut |name, value| {
        if let AttributeRef::Parameters(parameters) = value {
            parameters.visit(&mut |name, value| {
                if !USED_PARAMETERS.contains(&name)
                    && let Some(value) = typed(value)
                {
                    room = room.saturating_sub(1);
                    receiver.named(key(name), value);
                }
            });
        } else if room > 0
            && !used.contains(&name)
            && let Some(value) = typed(value)
        {
            room -= 1;
            receiver.named(key(name), value);
        }
    });
}

/// The parameters that the tables have.
const USED_PARAMETERS: &[&str] =
    &["maxOutputTokens", "temperature", "topP", "topK", "presencePenalty", "frequencyPenalty", "stopSequences", "seed"];

impl<'a> From<NamedKey<'a>> for Cow<'a, str> {
    fn from(NamedKey { prefix, ty, name }: NamedKey<'a>) -> Self {
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
