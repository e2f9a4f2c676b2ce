//! From a line to a JSON object. JavaScript writes lone surrogates (`"\ud83d"`) which no Rust string can hold; they become
//! U+FFFD instead of costing the event.

use serde_json::{Map, Value};

use super::ParseEventError;
use crate::model::json::replace_lone_surrogates;

pub(super) fn parse_object(line: &str) -> Result<Map<String, Value>, ParseEventError> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Err(ParseEventError::Blank);
    }
    let value = serde_json::from_str(line).or_else(|error| match replace_lone_surrogates(line) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    });
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ParseEventError::NotAnObject),
        Err(error) => Err(ParseEventError::NotJson(error)),
    }
}
