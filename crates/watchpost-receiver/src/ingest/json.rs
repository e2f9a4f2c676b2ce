//! Reads JSON from senders of any kind: containers without a copy, lone surrogates mended, times in both spellings.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use watchpost_sentry::wire::Timestamp;

/// A container payload, its items untouched.
#[derive(Deserialize)]
struct Container<'p> {
    #[serde(borrow)]
    items: Vec<&'p RawValue>,
}

/// The items of a container; `None` if the payload is none.
pub(super) fn items(payload: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice::<Container<'_>>(payload).ok().map(|container| container.items)
}

/// Parses a payload; `None` if it is not JSON.
pub(super) fn parse(payload: &[u8]) -> Option<Value> {
    match serde_json::from_slice(payload) {
        Ok(value) => Some(value),
        Err(error) if error.is_syntax() || error.is_data() => serde_json::from_str(&mend(payload)).ok(),
        Err(_) => None,
    }
}

/// Replaces what strict JSON refuses but senders write: half a surrogate pair as an escape (Python's `json.dumps` of
/// undecodable bytes) and invalid UTF-8, both by U+FFFD.
fn mend(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let mut mended = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let (kept, length) = match (code_unit(escape), escape.get(6..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (escape.get(..12), 12),
            (Some(0xd800..=0xdfff), _) => (Some("\\ufffd"), 6),
            (Some(_), _) => (escape.get(..6), 6),
            // Any other escape is a backslash and one character.
            (None, _) => {
                let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                (escape.get(..length), length)
            }
        };
        mended.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    mended.push_str(rest);
    mended
}

/// The code unit of a `\uXXXX` escape that `text` starts with.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

/// A time: seconds as a number or in a string, or RFC 3339.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => Timestamp::from_seconds(number.as_f64()?),
        Value::String(text) => Timestamp::parse(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{items, mend, parse, time};

    #[test]
    fn half_a_surrogate_pair_does_not_cost_the_item() {
        assert_eq!(parse(br#"{"a":"x\ud800y","b":"\ud83d\udc08"}"#), Some(json!({"a": "x\u{fffd}y", "b": "🐈"})));
        assert_eq!(parse(br#"{"a":"\\ud800 \" \udc00\ud800"}"#), Some(json!({"a": "\\ud800 \" \u{fffd}\u{fffd}"})));
    }

    #[test]
    fn invalid_utf8_does_not_cost_the_item() {
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Some(json!({"a": "\u{fffd}"})));
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        assert_eq!(parse(b"{\"a\":"), None);
        assert_eq!(parse(&b"[".repeat(100_000)), None);
        assert!(items(br#"{"a":1}"#).is_none());
    }

    #[test]
    fn times_are_read_in_both_spellings() {
        let expected = time(&json!("2026-11-20T21:39:56.5Z"));
        assert!(expected.is_some());
        assert_eq!(time(&json!(1_795_210_796.5)), expected);
        assert_eq!(time(&json!("1795210796.5")), expected);
        assert_eq!(time(&json!([])), None);
    }

    proptest! {
        #[test]
        fn mending_valid_json_changes_nothing(text in ".*") {
            let payload = serde_json::to_vec(&json!({ "a": text })).unwrap();
            let mended = mend(&payload);
            prop_assert_eq!(mended.as_bytes(), &payload[..]);
        }

        #[test]
        fn mending_never_fails(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _: Option<Value> = parse(&payload);
        }
    }
}
