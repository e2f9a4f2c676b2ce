//! From a line to a JSON object. JavaScript writes lone surrogates (`"\ud83d"`) which no Rust string can hold; they become
//! U+FFFD instead of costing the event. Nor does a member cost it that is nested too deep or has a number too large.

use std::borrow::Cow;

use serde_json::{Map, Value, value::RawValue};

use super::ParseEventError;
use crate::model::json::{read_members, replace_lone_surrogates};

pub(super) fn parse_object(line: &str) -> Result<Map<String, Value>, ParseEventError> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Err(ParseEventError::Blank);
    }
    let (value, line) = match serde_json::from_str(line) {
        Ok(value) => (Ok(value), Cow::Borrowed(line)),
        Err(error) => match replace_lone_surrogates(line) {
            Some(repaired) => (serde_json::from_str(&repaired), Cow::Owned(repaired)),
            None => (Err(error), Cow::Borrowed(line)),
        },
    };
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ParseEventError::NotAnObject),
        Err(error) => readable_members(&line).ok_or(ParseEventError::NotJson(error)),
    }
}

/// The members that can be read, of a line that is JSON all the same.
fn readable_members(line: &str) -> Option<Map<String, Value>> {
    let json: &RawValue = serde_json::from_str(line).ok()?;
    let readable =
        |(name, value): (Cow<'_, str>, &RawValue)| Some((name.into_owned(), serde_json::from_str(value.get()).ok()?));
    Some(read_members(json)?.into_iter().filter_map(readable).collect())
}
