//! Secrets in the text of a JSON value, which escapes can hide from a scan over the text: `"pass\u0077ord"`, `"password:\t…"`.
//! Source: RFC 8259, §7 (strings).

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{
    json::{is_secret_member, is_secret_text},
    redact_json, redact_text,
    text::holds_secret,
};

/// The longest text that is parsed, in bytes: what an observer captures of a value by default.
const MAX_PARSED: usize = 1 << 20;

/// `text`, the JSON of a value, without any secret; as it was written when there is none.
///
/// What is no JSON, because it was cut for example, and what is longer than 1 MiB is scanned as text, its `\u` escapes read.
pub(super) fn redact_json_text(text: &str) -> Cow<'_, str> {
    match scan(text) {
        Some(false) => return Cow::Borrowed(text),
        Some(true) => {
            if let Ok(mut value) = serde_json::from_str::<Value>(text) {
                redact_json(&mut value);
                return Cow::Owned(value.to_string());
            }
        }
        None => {}
    }
    match read_escapes(text) {
        Some(read) if holds_secret(&read) => Cow::Owned(redact_text(&read).into_owned()),
        _ => redact_text(text),
    }
}

/// Whether [`redact_json_text`] would change `text`.
pub(super) fn json_text_holds_secret(text: &str) -> bool {
    scan(text).unwrap_or_else(|| holds_secret(text) || read_escapes(text).is_some_and(|read| holds_secret(&read)))
}

/// Whether the JSON `text` holds a secret; `None` if it is no JSON.
fn scan(text: &str) -> Option<bool> {
    if text.len() > MAX_PARSED {
        return None;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let found = Scan { key: "" }.deserialize(&mut json).ok()?;
    json.end().ok().map(|()| found)
}

/// Looks at a value without building it, each member of each object: of two of one name a [`Value`] keeps but one.
struct Scan<'k> {
    /// The key the value stands under; empty when there is none.
    key: &'k str,
}

impl Scan<'_> {
    fn is_secret(&self, value: &Value) -> bool {
        is_secret_member(self.key, value)
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        Ok(self.is_secret(&number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        Ok(self.is_secret(&number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        Ok(self.is_secret(&number.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        Ok(is_secret_text(self.key, text) || holds_secret(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut found = self.is_secret(&Value::Array(Vec::new()));
        while let Some(is_secret) = items.next_element_seed(Scan { key: "" })? {
            found |= is_secret;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut found = self.is_secret(&Value::Object(serde_json::Map::new()));
        while let Some(key) = members.next_key::<String>()? {
            found |= holds_secret(&key) | members.next_value_seed(Scan { key: &key })?;
        }
        Ok(found)
    }
}

/// `text` with the `\uXXXX` escapes of ASCII letters, digits and signs read, and `\/` too; `None` if there are none. Quotes
/// and backslashes stay escaped, or strings would end where they do not.
pub(super) fn read_escapes(text: &str) -> Option<String> {
    let mut read = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\\', &text.as_bytes()[from..]).map(|offset| from + offset) {
        let escape = text.as_bytes().get(at + 1);
        let (character, end) = match escape {
            Some(b'u') => (text.get(at + 2..at + 6).and_then(printable), at + 6),
            Some(b'/') => (Some('/'), at + 2),
            _ => (None, at),
        };
        if let Some(character) = character {
            read.push_str(&text[copied..at]);
            read.push(character);
            (copied, from) = (end, end);
        } else {
            // An escaped backslash begins no escape.
            from = at + 1 + usize::from(escape == Some(&b'\\'));
        }
    }
    (copied > 0).then(|| read + &text[copied..])
}

fn printable(digits: &str) -> Option<char> {
    let code = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())??;
    let character = char::from(code);
    matches!(character, ' '..='~').then_some(character).filter(|character| !matches!(character, '"' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_hide_no_secret_in_json() {
        for (text, expected) in [
            (r#"{"log":"password:\thunter4secret"}"#, r#"{"log":"password:\t[Filtered]"}"#),
            (r#"{"pass\u0077ord":"hunter4secret"}"#, r#"{"password":"[Filtered]"}"#),
            (r#"["gh\u0070_CANARYcanary0123456789"]"#, r#"["[Filtered]"]"#),
            (r#""line\npassword=hunter4secret\nline""#, r#""line\npassword=[Filtered]\nline""#),
            (r#"{"a":{"api\u005fkey":[1,{"b":2}]},"n":1.50}"#, r#"{"a":{"api_key":"[Filtered]"},"n":1.5}"#),
            (r#"{"pass\u0077ord":"hunter4secret","password":null}"#, r#"{"password":null}"#),
            (r#"{"log":"{\"password\":\"hunter4\\tsecret\"}"}"#, r#"{"log":"{\"password\":\"[Filtered]\"}"}"#),
        ] {
            assert!(json_text_holds_secret(text), "{text}");
            assert_eq!(redact_json_text(text), expected);
        }
    }

    #[test]
    fn escapes_hide_no_secret_in_json_that_was_cut() {
        for (text, expected) in [
            (r#"{"log":"password:\thunter4secret","n":…"#, r#"{"log":"password:\t[Filtered]","n":…"#),
            (r#"{"log":"line\npassword=hunter4secret\nline…"#, r#"{"log":"line\npassword=[Filtered]\nline…"#),
            (r#"{"log":"line\nsk-CANARY0123\nline…"#, r#"{"log":"line\n[Filtered]\nline…"#),
            (r#"{"log":"line\tBearer CANARY0123\nline…"#, r#"{"log":"line\tBearer [Filtered]\nline…"#),
            (r#"{"pass\u0077ord":"hunter4secret","n":…"#, r#"{"password":"[Filtered]","n":…"#),
            (r#"{"a":"gh\u0070_CANARYcanary0123456789…"#, r#"{"a":"[Filtered]…"#),
            (r#"{"u":"https:\/\/user:hunter4@host\/…"#, r#"{"u":"https://[Filtered]@host/…"#),
        ] {
            assert!(json_text_holds_secret(text), "{text}");
            assert_eq!(redact_json_text(text), expected);
        }
    }

    #[test]
    fn clean_json_stays_as_it_was_written() {
        for text in [
            r#"{ "b" : 1.50, "a":[12345678901234567890123, "\u00e9\u0020\/"], "b":null }"#,
            r#"{"log":"password:","next":"x","token":7}"#,
            r#"{"path":"C:\\new\\table","cut":"…"#,
            r#"{"\ud83d\u0020…"#,
            "plain text\\",
            "",
        ] {
            assert!(!json_text_holds_secret(text), "{text}");
            assert!(matches!(redact_json_text(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn json_too_deep_or_too_long_to_parse_is_scanned_as_text() {
        let deep = format!("{}\"password\":\"hunter4secret\"", "{\"a\":".repeat(200));
        assert!(!redact_json_text(&deep).contains("hunter4"));
        let long = format!(r#"["{}","pass\u0077ord=hunter4secret"]"#, "x".repeat(MAX_PARSED));
        assert!(!redact_json_text(&long).contains("hunter4"));
    }
}
