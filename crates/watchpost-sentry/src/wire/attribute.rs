//! Typed attributes of logs and v2 spans: `{"key": {"value": …, "type": "string|integer|double|boolean|array"}}`.
//! Source: Sentry's log and span-v2 protocols.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::{
    Value,
    distinct::{Keyed, visit_distinct},
    escape::write_escaped,
    json::{self, write_string},
    lenient, owned,
};

/// The attributes of a log or a v2 span, in order. A key set twice: the last one counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes<'a>(pub Vec<Attribute<'a>>);

/// One attribute: its key and its typed value.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// The key, for example `mcp.tool.name`.
    pub key: Cow<'a, str>,
    /// The value; its variant is the attribute's `type` on the wire.
    pub value: AttributeValue<'a>,
}

/// An attribute's value. Relay removes an attribute whose value and type disagree, so the type follows the value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// `"type": "string"`.
    String(Cow<'a, str>),
    /// `"type": "integer"`, 64 bits signed. A larger unsigned number must be sent as a string.
    Integer(i64),
    /// `"type": "double"`. Not finite: the attribute is written as a string (`"NaN"`), which JSON can carry.
    Double(f64),
    /// `"type": "boolean"`.
    Boolean(bool),
    /// `"type": "array"` of strings (arrays must be of one primitive type).
    StringArray(Vec<Cow<'a, str>>),
}

impl<'a> Attributes<'a> {
    /// No attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No attributes, with room for `capacity`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds an attribute.
    pub fn push(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<AttributeValue<'a>>) {
        self.0.push(Attribute { key: key.into(), value: value.into() });
    }

    /// Adds an attribute if there is a value.
    pub fn push_some(&mut self, key: impl Into<Cow<'a, str>>, value: Option<impl Into<AttributeValue<'a>>>) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }

    /// The value that counts for `key`: the last one pushed.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&AttributeValue<'a>> {
        self.0.iter().rev().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
    }

    /// The number of attributes, counting a key set twice twice.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute<'a>> {
        self.0.iter()
    }

    /// Appends the attributes as a JSON object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut writer = AttributesWriter::new(out);
        visit_distinct(&self.0, |attribute| writer.attribute(&[&attribute.key], &attribute.value));
        writer.end();
    }

    /// The same attributes, owning their strings.
    #[must_use]
    pub fn into_owned(self) -> Attributes<'static> {
        let owned = |attribute: Attribute<'_>| Attribute {
            key: owned::text(attribute.key),
            value: attribute.value.into_owned(),
        };
        Attributes(self.0.into_iter().map(owned).collect())
    }
}

/// Writes attributes as a JSON object, for a caller that need not hold them. Each key is to be given once.
///
/// ```
/// use watchpost_sentry::wire::AttributesWriter;
///
/// let mut out = Vec::new();
/// let mut attributes = AttributesWriter::new(&mut out);
/// attributes.attribute(&["metadata.", "tries"], &3.into());
/// attributes.end();
/// assert_eq!(out, br#"{"metadata.tries":{"value":3,"type":"integer"}}"#);
/// ```
#[derive(Debug)]
pub struct AttributesWriter<'b> {
    out: &'b mut Vec<u8>,
    opening: &'static [u8],
}

impl<'b> AttributesWriter<'b> {
    /// A writer that appends to `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, opening: b"{\"" }
    }

    /// Adds an attribute, whose key may be made of several texts.
    pub fn attribute(&mut self, key: &[&str], value: &AttributeValue<'_>) {
        self.out.extend_from_slice(std::mem::replace(&mut self.opening, b",\""));
        key.iter().for_each(|text| write_escaped(self.out, text));
        value.write_member(self.out);
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.extend_from_slice(if self.opening.starts_with(b"{") { b"{}" } else { b"}" });
    }
}

impl<'s, 'a> IntoIterator for &'s Attributes<'a> {
    type Item = &'s Attribute<'a>;
    type IntoIter = std::slice::Iter<'s, Attribute<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Keyed for Attribute<'_> {
    fn key(&self) -> &str {
        &self.key
    }
}

impl AttributeValue<'_> {
    /// The same value, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> AttributeValue<'static> {
        match self {
            Self::String(text) => AttributeValue::String(owned::text(text)),
            Self::Integer(number) => AttributeValue::Integer(number),
            Self::Double(number) => AttributeValue::Double(number),
            Self::Boolean(yes) => AttributeValue::Boolean(yes),
            Self::StringArray(texts) => AttributeValue::StringArray(texts.into_iter().map(owned::text).collect()),
        }
    }

    /// Appends what follows the key, its closing quote first. Hot: punctuation is written in as few pieces as possible.
    fn write_member(&self, out: &mut Vec<u8>) {
        match self {
            Self::String(text) => {
                out.extend_from_slice(b"\":{\"value\":\"");
                write_escaped(out, text);
                out.extend_from_slice(b"\",\"type\":\"string\"}");
            }
            Self::Integer(number) => {
                out.extend_from_slice(b"\":{\"value\":");
                json::write_integer(out, *number);
                out.extend_from_slice(b",\"type\":\"integer\"}");
            }
            Self::Double(number) if number.is_finite() => {
                out.extend_from_slice(b"\":{\"value\":");
                json::write_double(out, *number);
                out.extend_from_slice(b",\"type\":\"double\"}");
            }
            Self::Double(number) => {
                out.extend_from_slice(b"\":{\"value\":");
                write_string(out, &number.to_string());
                out.extend_from_slice(b",\"type\":\"string\"}");
            }
            Self::Boolean(yes) => {
                out.extend_from_slice(b"\":{\"value\":");
                json::write_boolean(out, *yes);
                out.extend_from_slice(b",\"type\":\"boolean\"}");
            }
            Self::StringArray(texts) => {
                out.extend_from_slice(b"\":{\"value\":");
                json::write_array(out, texts.iter(), |out, text| write_string(out, text));
                out.extend_from_slice(b",\"type\":\"array\"}");
            }
        }
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(text: &'a String) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for AttributeValue<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for AttributeValue<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl From<i32> for AttributeValue<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for AttributeValue<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u64> for AttributeValue<'_> {
    /// Above `i64::MAX` it becomes a string, as Sentry's protocol asks.
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::String(Cow::Owned(number.to_string())), Self::Integer)
    }
}

impl From<usize> for AttributeValue<'_> {
    /// Above `i64::MAX` it becomes a string, as Sentry's protocol asks.
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(yes: bool) -> Self {
        Self::Boolean(yes)
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<Vec<T>> for AttributeValue<'a> {
    fn from(texts: Vec<T>) -> Self {
        Self::StringArray(texts.into_iter().map(Into::into).collect())
    }
}

impl<'de> Deserialize<'de> for Attributes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = lenient::members(deserializer)?;
        let read = |(key, member): (Cow<'static, str>, Value<'static>)| {
            Some(Attribute { key, value: lenient::attribute_value(member)? })
        };
        Ok(Self(members.into_iter().filter_map(read).collect()))
    }
}
