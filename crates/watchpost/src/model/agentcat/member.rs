//! Tolerant access to the members of a JSON object: by several names, with `null` and the wrong type as good as missing.

use serde_json::{Map, Value};

/// The members of an object; none when there is no object.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(Option<&'a Map<String, Value>>);

impl<'a> Members<'a> {
    pub(super) const fn of(object: &'a Map<String, Value>) -> Self {
        Self(Some(object))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_none_or(Map::is_empty)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.0.into_iter().flatten()
    }

    /// The first of `names` that is there and not `null`.
    pub(super) fn find(self, names: &[&str]) -> Option<&'a Value> {
        let object = self.0?;
        names.iter().find_map(|name| object.get(*name).filter(|value| !value.is_null()))
    }

    /// A text that is not empty; a number or a truth value as its text.
    pub(super) fn text(self, names: &[&str]) -> Option<String> {
        match self.find(names)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            _ => None,
        }
    }

    /// A number, or a text that is one.
    pub(super) fn number(self, names: &[&str]) -> Option<f64> {
        match self.find(names)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn integer<T: TryFrom<i64>>(self, names: &[&str]) -> Option<T> {
        self.find(names)?.as_i64().and_then(|number| T::try_from(number).ok())
    }

    /// A truth value, also as a text or a number.
    pub(super) fn flag(self, names: &[&str]) -> Option<bool> {
        match self.find(names)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Value::Number(number) => number.as_i64().map(|number| number != 0),
            _ => None,
        }
    }

    pub(super) fn object(self, names: &[&str]) -> Self {
        Self(self.find(names).and_then(Value::as_object))
    }

    pub(super) fn array(self, names: &[&str]) -> impl Iterator<Item = &'a Value> {
        self.find(names).and_then(Value::as_array).into_iter().flatten()
    }
}
