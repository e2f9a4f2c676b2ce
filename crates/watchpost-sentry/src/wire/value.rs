//! A borrowed JSON value, for the places where Sentry takes any JSON (`extra`, `contexts`, span `data`).
//! Written to a bounded depth, read back in the order it was written.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};

use super::{
    distinct::visit_distinct,
    json::{self, MAX_DEPTH, TOO_DEEP},
};

/// Any JSON value, borrowing its strings. Objects keep the order in which they were built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number; not finite is written as `null`.
    Double(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object, in order. A key set twice: the last one counts.
    Object(Vec<(Cow<'a, str>, Self)>),
    /// A value held by `serde_json`, written as it is.
    Json(Cow<'a, serde_json::Value>),
}

impl Value<'_> {
    /// Appends the value as JSON. An array or object nested deeper than [`MAX_DEPTH`] becomes the string [`TOO_DEEP`].
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_within(out, MAX_DEPTH);
    }

    /// The same value, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(yes) => Value::Bool(yes),
            Self::Integer(number) => Value::Integer(number),
            Self::Double(number) => Value::Double(number),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Array(values) => Value::Array(values.into_iter().map(Value::into_owned).collect()),
            Self::Object(members) => Value::Object(super::owned::members(members)),
            Self::Json(value) => Value::Json(Cow::Owned(value.into_owned())),
        }
    }

    fn write_within(&self, out: &mut Vec<u8>, depth: usize) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(yes) => json::write_boolean(out, *yes),
            Self::Integer(number) => json::write_integer(out, *number),
            Self::Double(number) => json::write_double(out, *number),
            Self::String(text) => json::write_string(out, text),
            Self::Json(value) => json::write_serde(out, value, depth),
            Self::Array(_) | Self::Object(_) if depth == 0 => json::write_string(out, TOO_DEEP),
            Self::Array(values) => {
                json::write_array(out, values.iter(), |out, value| value.write_within(out, depth - 1));
            }
            Self::Object(members) => write_members(out, members, depth - 1),
        }
    }
}

/// Appends an object of values, each key once.
pub(super) fn write_object(out: &mut Vec<u8>, members: &[(Cow<'_, str>, Value<'_>)]) {
    write_members(out, members, MAX_DEPTH - 1);
}

fn write_members(out: &mut Vec<u8>, members: &[(Cow<'_, str>, Value<'_>)], depth: usize) {
    out.push(b'{');
    let mut separator: &[u8] = b"";
    visit_distinct(members, |(key, value)| {
        out.extend_from_slice(separator);
        separator = b",";
        json::write_string(out, key);
        out.push(b':');
        value.write_within(out, depth);
    });
    out.push(b'}');
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::Json(Cow::Owned(number.into())), Self::Integer)
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value<'_> {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    /// `None` is `null`.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<&'a serde_json::Value> for Value<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        Self::Json(Cow::Borrowed(value))
    }
}

impl From<serde_json::Value> for Value<'_> {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(Cow::Owned(value))
    }
}

impl<'de> Deserialize<'de> for Value<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> de::Visitor<'de> for ValueVisitor {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Double(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, _>()? {
            members.push((Cow::Owned(key), value));
        }
        Ok(Value::Object(members))
    }
}
