//! One attribute of a span: how it is lent to whoever exports or redacts it without knowing its struct, and how it is read.
//! A group of attributes is declared with `attributes!`, one field a line with its JSON name.

use serde_json::value::RawValue;
use watchpost_sentry::wire::Timestamp;

use super::{
    ModelParameters, Payload, Text, UsageStats,
    json::{read_count, read_flag, read_members, read_text, read_texts, read_timestamp, read_usage, unquoted, whole},
};

/// Most attributes of a span that are kept without being known, and most of its metadata: more than twice what Mastra writes at
/// most (50 keys an object).
pub(super) const MAX_OTHERS: usize = 128;

/// The value of an attribute that is set.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeRef<'a> {
    /// A text.
    Text(&'a str),
    /// A truth value.
    Bool(bool),
    /// A count, a size or an index.
    Count(u64),
    /// A whole number that may be negative.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A moment.
    Time(Timestamp),
    /// Texts, at least one.
    Texts(&'a [Text]),
    /// Indexes, at least one.
    Counts(&'a [u64]),
    /// Any JSON.
    Payload(&'a Payload),
    /// Tokens used, at least one count given.
    Usage(&'a UsageStats),
    /// A request's parameters, at least one given; they have a `visit` of their own.
    Parameters(&'a ModelParameters),
}

/// The place of an attribute that is set and can hold text: what redaction has to look at.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttributeMut<'a> {
    /// A text.
    Text(&'a mut Text),
    /// Texts.
    Texts(&'a mut Vec<Text>),
    /// Any JSON.
    Payload(&'a mut Payload),
}

/// A field of a group of attributes.
pub(super) trait Field: Sized + Default {
    /// Reads it from JSON; `None` when the JSON is of another type.
    fn read(json: &RawValue) -> Option<Self>;
    /// Its value if it is set.
    fn lend(&self) -> Option<AttributeRef<'_>>;
    /// Lends it for writing if it is set and can hold text.
    fn lend_mut<'a>(&'a mut self, name: &'a str, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        let _ = (name, each);
    }
    /// Whether it is set.
    fn is_set(&self) -> bool {
        self.lend().is_some()
    }
    /// Takes `older`'s value where it has none itself.
    fn fill_from(&mut self, older: Self) {
        if !self.is_set() {
            *self = older;
        }
    }
    /// About how many bytes it holds outside its struct.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A group of attributes, as `attributes!` declares it.
pub(super) trait Group {
    /// About how many bytes it holds, itself included.
    fn approximate_bytes(&self) -> usize;
    /// Calls `each` for every attribute that is set.
    fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a str, AttributeRef<'a>));
    /// Calls `each` for every attribute that is set and can hold text.
    fn visit_mut(&mut self, each: &mut dyn FnMut(&str, AttributeMut<'_>));
    /// Sets an attribute from JSON; one that is not known goes to the others. False for one of the wrong type, which is left
    /// out.
    fn set(&mut self, name: &str, json: &RawValue) -> bool;
    /// The attributes that no field stands for.
    fn others_mut(&mut self) -> &mut Vec<(Text, Payload)>;
    /// Takes from `older` what is not set here.
    fn fill_from(&mut self, older: Self)
    where
        Self: Sized;
}

/// Declares groups of attributes: `field "jsonName": Type => "What it is.";`.
macro_rules! attributes {
    ($($(#[$meta:meta])* $group:ident { $($field:ident $json:literal: $ty:ty => $doc:literal;)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $group {
            $(#[doc = $doc] pub $field: $ty,)*
            /// What else was given, by name.
            pub other: Vec<($crate::model::Text, $crate::model::Payload)>,
        }

        impl $crate::model::attribute::Group for $group {
            fn approximate_bytes(&self) -> usize {
                use $crate::model::attribute::Field;
                size_of::<Self>() + $(Field::heap_bytes(&self.$field) +)* Field::heap_bytes(&self.other)
            }

            fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a str, $crate::model::AttributeRef<'a>)) {
                $(if let Some(value) = $crate::model::attribute::Field::lend(&self.$field) {
                    each($json, value);
                })*
                for (name, value) in &self.other {
                    each(name, $crate::model::AttributeRef::Payload(value));
                }
            }

            fn visit_mut(&mut self, each: &mut dyn FnMut(&str, $crate::model::AttributeMut<'_>)) {
                $($crate::model::attribute::Field::lend_mut(&mut self.$field, $json, each);)*
                for (name, value) in &mut self.other {
                    each(name, $crate::model::AttributeMut::Payload(value));
                }
            }

            fn set(&mut self, name: &str, json: &serde_json::value::RawValue) -> bool {
                match name {
                    $($json => match $crate::model::attribute::Field::read(json) {
                        Some(value) => self.$field = value,
                        None => return false,
                    },)*
                    _ => $crate::model::attribute::set_other(&mut self.other, name, json),
                }
                true
            }

            fn others_mut(&mut self) -> &mut Vec<($crate::model::Text, $crate::model::Payload)> {
                &mut self.other
            }

            fn fill_from(&mut self, older: Self) {
                $($crate::model::attribute::Field::fill_from(&mut self.$field, older.$field);)*
                $crate::model::attribute::Field::fill_from(&mut self.other, older.other);
            }
        }
    )*};
}

pub(super) use attributes;

/// Keeps an attribute that no field stands for; the last one of a name counts.
pub(super) fn set_other(others: &mut Vec<(Text, Payload)>, name: &str, json: &RawValue) {
    if json.get() == "null" {
        return;
    }
    if let Some(value) = Payload::from_raw(json) {
        insert_other(others, name.into(), value);
    }
}

pub(super) fn insert_other(others: &mut Vec<(Text, Payload)>, name: Text, value: Payload) {
    match others.iter().position(|(other, _)| *other == name) {
        Some(at) => others[at].1 = value,
        None if others.len() < MAX_OTHERS => others.push((name, value)),
        None => {}
    }
}

/// A text that is not empty; a number or a truth value as its text.
impl Field for Option<Text> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Some(read_text(json)?))
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.as_deref().map(AttributeRef::Text)
    }

    fn lend_mut<'a>(&'a mut self, name: &'a str, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        if let Some(text) = self {
            each(name, AttributeMut::Text(text));
        }
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Text::heap_bytes)
    }
}

impl Field for Option<bool> {
    fn read(json: &RawValue) -> Option<Self> {
        read_flag(json).map(Some)
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.map(AttributeRef::Bool)
    }
}

/// A whole number, also as a text or with a fraction of zero.
impl Field for Option<u64> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Some(read_count(json)?))
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.map(AttributeRef::Count)
    }
}

impl Field for Option<i64> {
    fn read(json: &RawValue) -> Option<Self> {
        let digits = unquoted(json.get());
        let whole = digits.parse().ok().or_else(|| whole(digits));
        whole.map(Some)
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.map(AttributeRef::Integer)
    }
}

impl Field for Option<f64> {
    fn read(json: &RawValue) -> Option<Self> {
        let number: f64 = unquoted(json.get()).parse().ok()?;
        number.is_finite().then_some(Some(number))
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.map(AttributeRef::Number)
    }
}

impl Field for Option<Timestamp> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Some(read_timestamp(json)?))
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.map(AttributeRef::Time)
    }
}

/// Any JSON but `null`.
impl Field for Option<Payload> {
    fn read(json: &RawValue) -> Option<Self> {
        if json.get() == "null" { None } else { Some(Some(Payload::from_raw(json)?)) }
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.as_ref().map(AttributeRef::Payload)
    }

    fn lend_mut<'a>(&'a mut self, name: &'a str, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        if let Some(payload) = self {
            each(name, AttributeMut::Payload(payload));
        }
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Payload::len)
    }
}

impl Field for Option<UsageStats> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Some(read_usage(json)?))
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        self.as_ref().filter(|usage| !usage.is_empty()).map(AttributeRef::Usage)
    }
}

/// Texts; of an object among them its `name` or `id`.
impl Field for Vec<Text> {
    fn read(json: &RawValue) -> Option<Self> {
        read_texts(json)
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        (!self.is_empty()).then_some(AttributeRef::Texts(self))
    }

    fn lend_mut<'a>(&'a mut self, name: &'a str, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        if !self.is_empty() {
            each(name, AttributeMut::Texts(self));
        }
    }

    fn heap_bytes(&self) -> usize {
        self.iter().map(|text| size_of::<Text>() + text.heap_bytes()).sum()
    }
}

impl Field for Vec<u64> {
    fn read(json: &RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        (!self.is_empty()).then_some(AttributeRef::Counts(self))
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(self.as_slice())
    }
}

/// Never the headers, which hold credentials, nor the signal to abort, which says nothing.
impl Field for ModelParameters {
    fn read(json: &RawValue) -> Option<Self> {
        let mut parameters = Self::default();
        for (name, value) in read_members(json)? {
            if !matches!(&*name, "headers" | "abortSignal") {
                parameters.set(&name, value);
            }
        }
        Some(parameters)
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        (*self != Self::default()).then_some(AttributeRef::Parameters(self))
    }

    fn lend_mut<'a>(&'a mut self, _: &'a str, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        self.visit_mut(each);
    }

    fn fill_from(&mut self, older: Self) {
        Group::fill_from(self, older);
    }

    fn heap_bytes(&self) -> usize {
        self.approximate_bytes().saturating_sub(size_of::<Self>())
    }
}

/// Attributes without a field.
impl Field for Vec<(Text, Payload)> {
    fn read(_: &RawValue) -> Option<Self> {
        None
    }

    fn lend(&self) -> Option<AttributeRef<'_>> {
        None
    }

    fn fill_from(&mut self, older: Self) {
        for (name, value) in older {
            if self.len() < MAX_OTHERS && !self.iter().any(|(known, _)| *known == name) {
                self.push((name, value));
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        self.iter().map(|(name, value)| size_of::<(Text, Payload)>() + name.len() + value.len()).sum()
    }
}
