//! Content of a span: a text, or any other JSON value as text. Kept as text because most of it is only ever copied; a tree of
//! values would cost several times the memory and the time.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::Text;

/// A JSON value: either a string, kept without quotes and escapes, or any other value, kept as its JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    text: Text,
    is_json: bool,
}

impl Payload {
    /// A string.
    #[must_use]
    pub fn text(text: impl Into<Text>) -> Self {
        Self { text: text.into(), is_json: false }
    }

    /// A JSON value by its text.
    ///
    /// # Errors
    /// When `json` is not valid JSON.
    pub fn from_json(json: impl Into<Text>) -> Result<Self, serde_json::Error> {
        let json = json.into();
        if json.trim_start().starts_with('"') {
            return Ok(Self::text(serde_json::from_str::<String>(&json)?));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&json)?;
        Ok(Self { text: json, is_json: true })
    }

    /// A JSON value by its checked text, which is kept as it stands; `None` for a text that no Rust string can hold (half of a
    /// surrogate pair, escaped).
    #[must_use]
    pub fn from_raw(json: &RawValue) -> Option<Self> {
        let json = json.get();
        let Some(text) = json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
            return Some(Self { text: json.into(), is_json: true });
        };
        if text.contains('\\') {
            serde_json::from_str::<String>(json).ok().map(Self::text)
        } else {
            Some(Self::text(text))
        }
    }

    /// A JSON value that is no string, by its text, which is known to be JSON.
    pub(crate) fn of_checked(json: impl Into<Text>) -> Self {
        Self { text: json.into(), is_json: true }
    }

    /// Anything that can be serialised.
    ///
    /// # Errors
    /// When `value` can't be JSON, such as a map whose keys are no strings.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        match serde_json::to_value(value)? {
            Value::String(text) => Ok(Self::text(text)),
            other => Ok(Self { text: other.to_string().into(), is_json: true }),
        }
    }

    /// The string itself, or the JSON of any other value: how an attribute carries it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is another value than a string, and [`as_str`](Self::as_str) therefore JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.is_json
    }

    /// The JSON, also of a string.
    #[must_use]
    pub fn to_json(&self) -> Cow<'_, str> {
        if self.is_json { Cow::Borrowed(&self.text) } else { Cow::Owned(Value::from(&*self.text).to_string()) }
    }

    /// The value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        if self.is_json {
            // Valid when it was made; a value nested too deep for the parser stays a text.
            serde_json::from_str(&self.text).unwrap_or_else(|_| Value::from(&*self.text))
        } else {
            Value::from(&*self.text)
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it is the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(if self.is_json { "Json" } else { "Text" }).field(&self.text).finish()
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&Value> for Payload {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::text(text.as_str()),
            other => Self { text: other.to_string().into(), is_json: true },
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::text(text),
            other => (&other).into(),
        }
    }
}
