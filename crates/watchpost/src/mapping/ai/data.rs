//! The attributes of a span, written into its JSON without being held: for the usual host, which does not ask to see what is
//! sent. What is written is what [`data`] and [`attributes`] would be written as.

use watchpost_sentry::wire::{AttributeValue, AttributesWriter, Value, json::JsonWriter};

use super::{
    AiSettings,
    attribute::{NamedKey, Receiver, attributes, data, untyped, visit},
    item::{Segment, visit_v2},
};
use crate::{mapping::limit, model::FinishedSpan};

/// Most names of a span's own that are compared with each other.
const MAX_NAMES: usize = 16;

/// Appends the attributes of a transaction's span as an object, each key once; there is always a type.
pub(super) fn write_data(out: &mut Vec<u8>, finished: &FinishedSpan, settings: &AiSettings) {
    let start = out.len();
    let mut json = JsonWriter::new(out);
    json.begin_object();
    let mut writer = Writer::new(json);
    visit(finished, settings, &mut writer);
    writer.members.end_object();
    if writer.may_repeat {
        // Of a key set twice the last counts: that is known only when all are there.
        out.truncate(start);
        Value::Object(data(finished, settings)).write_json(out);
    }
}

/// The same of a span of version 2.
pub(super) fn write_attributes(
    out: &mut Vec<u8>,
    finished: &FinishedSpan,
    segment: Option<&Segment<'_>>,
    settings: &AiSettings,
) {
    let start = out.len();
    let mut writer = Writer::new(AttributesWriter::new(out));
    visit_v2(finished, segment.cloned(), settings, &mut writer);
    writer.members.end();
    if writer.may_repeat {
        out.truncate(start);
        attributes(finished, segment.cloned(), settings).write_json(out);
    }
}

/// Writes members, typed or not.
trait Members {
    fn member(&mut self, key: &[&str], value: AttributeValue<'_>);
}

impl Members for JsonWriter<'_> {
    fn member(&mut self, key: &[&str], value: AttributeValue<'_>) {
        self.key_of(key);
        match value {
            AttributeValue::String(text) => self.string(&text),
            AttributeValue::Integer(number) => self.integer(number),
            AttributeValue::Double(number) => self.double(number),
            AttributeValue::Boolean(yes) => self.boolean(yes),
            other => self.value(&untyped(other)),
        }
    }
}

impl Members for AttributesWriter<'_> {
    fn member(&mut self, key: &[&str], value: AttributeValue<'_>) {
        self.attribute(key, &value);
    }
}

struct Writer<'a, M> {
    members: M,
    /// The names that came, as many as `count`.
    names: [&'a str; MAX_NAMES],
    count: usize,
    may_repeat: bool,
}

impl<M> Writer<'_, M> {
    const fn new(members: M) -> Self {
        Self { members, names: [""; MAX_NAMES], count: 0, may_repeat: false }
    }
}

impl<'a, M: Members> Receiver<'a> for Writer<'a, M> {
    fn known(&mut self, key: &'static str, value: AttributeValue<'a>) {
        self.members.member(&[key], value);
    }

    fn named(&mut self, key: NamedKey<'a>, value: AttributeValue<'a>) {
        let NamedKey { prefix, ty, name } = key;
        // A name that is cut can be like another one, and one behind two prefixes is rare.
        self.may_repeat |= name.len() > limit::TAG || self.names[..self.count].contains(&name);
        match self.names.get_mut(self.count) {
            Some(place) => *place = name,
            None => self.may_repeat = true,
        }
        self.count = MAX_NAMES.min(self.count + 1);
        self.members.member(&[prefix, ty, if ty.is_empty() { "" } else { "." }, name], value);
    }
}
