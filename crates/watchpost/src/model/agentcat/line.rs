//! From a line to a JSON object. JavaScript writes lone surrogates (`"\ud83d"`) which no Rust string can hold; they become
//! U+FFFD instead of costing the event.

use serde_json::{Map, Value};

use super::ParseEventError;

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

/// `json` with every escaped surrogate that has no partner replaced by `\ufffd`; `None` when there is none.
fn replace_lone_surrogates(json: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = json.get(at..)?.find('\\') {
        at += offset;
        match surrogate(json, at) {
            Some(Surrogate::High) if surrogate(json, at + 6) == Some(Surrogate::Low) => at += 12,
            Some(_) => {
                repaired.push_str(&json[copied..at]);
                repaired.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            // The escaped character may be a backslash itself, or anything when the line is not JSON at all.
            None => at += 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    (copied > 0).then(|| repaired + &json[copied..])
}

#[derive(PartialEq, Eq)]
enum Surrogate {
    High,
    Low,
}

/// The escaped surrogate at `at`.
fn surrogate(json: &str, at: usize) -> Option<Surrogate> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}
