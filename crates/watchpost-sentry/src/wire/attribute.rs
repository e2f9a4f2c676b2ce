//! Typed attributes of logs and v2 spans: `{"key": {"value": …, "type": "string|integer|double|boolean|array"}}`.

use std::borrow::Cow;

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
