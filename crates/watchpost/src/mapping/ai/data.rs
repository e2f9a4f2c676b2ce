//! The attributes of a transaction's span, written into its JSON without being held: for the usual host, which does not ask to
//! see what is sent. What is written is what [`data`] would be written as.

use watchpost_sentry::wire::{AttributeValue, Value, json::JsonWriter};

use super::{
    AiSettings,
    attribute::{NamedKey, Receiver, data, untyped, visit},
};
use crate::{mapping::limit, model::FinishedSpan};

/// Most names of a span's own that are compared with each other.
const MAX_NAMES: usize = 16;

/// Appends the attributes as an object, each key once; there is always a type.
pub(super) fn write_data(out: &mut Vec<u8>, finished: &FinishedSpan, settings: &AiSettings) {
    let start = out.len();
    let mut writer = Writer { json: JsonWriter::new(out), names: [""; MAX_NAMES], count: 0, may_repeat: false };
    writer.json.begin_object();
    visit(finished, settings, &mut writer);
    writer.json.end_object();
    if writer.may_repeat {
        // Of a key set twice the last counts: that is known only when all are there.
        out.truncate(start);
        Value::Object(data(finished, settings)).write_json(out);
    }
}

struct Writer<'w, 'a> {
    json: JsonWriter<'w>,
    /// The names that came, as many as `count`.
    names: [&'a str; MAX_NAMES],
    count: usize,
    may_repeat: bool,
}

impl<'a> Receiver<'a> for Writer<'_, 'a> {
    fn known(&mut self, key: &'static str, value: AttributeValue<'a>) {
        self.json.key(key);
        self.value(value);
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
        self.json.key_of(&[prefix, ty, if ty.is_empty() { "" } else { "." }, name]);
        self.value(value);
    }
}

impl Writer<'_, '_> {
    fn value(&mut self, value: AttributeValue<'_>) {
        match value {
            AttributeValue::String(text) => self.json.string(&text),
            AttributeValue::Integer(number) => self.json.integer(number),
            AttributeValue::Double(number) => self.json.double(number),
            AttributeValue::Boolean(yes) => self.json.boolean(yes),
            other => self.json.value(&untyped(other)),
        }
    }
}
