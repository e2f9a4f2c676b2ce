//! Reading what other SDKs write: `null` for absent, numbers for strings, tags as pairs.
//! Relay accepts these forms (`relay-event-schema`), so a receiver of the same events has to.

use std::{borrow::Cow, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{AttributeValue, Value};

/// An object's members in order.
type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Tags in order.
type Tags<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// `null` for absent.
pub(super) fn default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a text (a name of an enum, a number in quotes) stands for; `None` if it stands for nothing.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// A boolean; anything else is `None`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if let Value::Bool(flag) = value { Some(flag) } else { None })
}

/// A whole number that is not negative; anything else is `None`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if let Value::Integer(number) = value { number.try_into().ok() } else { None })
}

/// A string, or a number or boolean as its text; anything else is `None`.
pub(super) fn text<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    Value::deserialize(deserializer).map(as_text)
}

/// As [`text`], empty for absent.
pub(super) fn text_or_empty<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(text(deserializer)?.unwrap_or_default())
}

/// A list of texts; what is none is skipped.
pub(super) fn texts<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cow<'a, str>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(values) => Ok(values.into_iter().filter_map(as_text).collect()),
        other => Ok(as_text(other).into_iter().collect()),
    }
}

/// An object in its order; anything else is empty.
pub(super) fn members<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Vec::new()),
    }
}

/// Tags: an object, or a list of pairs.
pub(super) fn tags<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Tags<'a>, D::Error> {
    let members = match Value::deserialize(deserializer)? {
        Value::Object(members) => members,
        Value::Array(pairs) => pairs.into_iter().filter_map(as_pair).collect(),
        _ => Vec::new(),
    };
    Ok(members.into_iter().filter_map(|(key, value)| Some((key, as_text(value)?))).collect())
}

/// `{"values": […]}` or `[…]`, without its `null`s.
pub(super) fn values<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values<T> {
        Wrapped { values: Option<Vec<Option<T>>> },
        List(Vec<Option<T>>),
    }

    let values = match Option::deserialize(deserializer)? {
        Some(Values::Wrapped { values }) => values.unwrap_or_default(),
        Some(Values::List(values)) => values,
        None => Vec::new(),
    };
    Ok(values.into_iter().flatten().collect())
}

/// As [`values`], but what can't be read is left out instead of costing the rest.
pub(super) fn readable_values<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values<T> {
        Wrapped { values: Vec<Readable<T>> },
        List(Vec<Readable<T>>),
        Other(IgnoredAny),
    }

    let (Values::Wrapped { values } | Values::List(values)) = Values::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    Ok(values.into_iter().filter_map(Readable::read).collect())
}

/// What can be read; anything else is `None`.
pub(super) fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Readable::deserialize(deserializer)?.read())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Readable<T> {
    Read(T),
    Other(IgnoredAny),
}

impl<T> Readable<T> {
    fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

fn as_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        value => Some(as_text_or_json(value)),
    }
}

fn as_pair<'a>(value: Value<'a>) -> Option<(Cow<'a, str>, Value<'a>)> {
    let Value::Array(pair) = value else { return None };
    let [key, value] = <[Value<'a>; 2]>::try_from(pair).ok()?;
    Some((as_text(key)?, value))
}

/// `{"value": …, "type": …}` or a bare value. The value decides where the type does not fit; `null` is no attribute, an
/// object its JSON text.
pub(super) fn attribute_value(member: Value<'_>) -> Option<AttributeValue<'_>> {
    let (value, ty) = match member {
        Value::Object(members) => {
            let (mut value, mut ty) = (Value::Null, None);
            for (key, member) in members {
                match (&*key, member) {
                    ("value", member) => value = member,
                    ("type", Value::String(name)) => ty = Some(name),
                    _ => {}
                }
            }
            (value, ty)
        }
        bare => (bare, None),
    };
    match (value, ty.as_deref()) {
        (Value::Null, _) => None,
        (Value::Integer(number), Some("double")) => Some(AttributeValue::Double(number as f64)),
        (Value::Bool(yes), _) => Some(AttributeValue::Boolean(yes)),
        (Value::Integer(number), _) => Some(AttributeValue::Integer(number)),
        (Value::Double(number), _) => Some(AttributeValue::Double(number)),
        (Value::Array(values), _) => {
            Some(AttributeValue::StringArray(values.into_iter().map(as_text_or_json).collect()))
        }
        (other, _) => Some(AttributeValue::String(as_text_or_json(other))),
    }
}

fn as_text_or_json(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::String(text) => text,
        other => {
            let mut out = Vec::new();
            other.write_json(&mut out);
            Cow::Owned(String::from_utf8_lossy(&out).into_owned())
        }
    }
}
