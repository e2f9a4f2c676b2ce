//! Sentry's limits, kept by cutting on character boundaries and marking the cut; what fits is borrowed.
//! Source: Relay's schema (`max_chars`, `max_bytes`), tried against `sentry-relay` 0.10.

use std::borrow::Cow;

use watchpost_sentry::wire::Value;

/// A tag's key or value, in characters.
pub(super) const TAG: usize = 200;
/// A transaction's name, in characters.
pub(super) const NAME: usize = 200;
/// An operation, in characters.
pub(super) const OPERATION: usize = 128;
/// An exception's message, a log's body or attribute, in characters.
pub(super) const MESSAGE: usize = 8192;
/// A cause's message, a span's attribute, in characters: there can be many, and an item has 1 MiB.
pub(super) const ATTRIBUTE: usize = 1024;
/// Most tags and most properties of the host's own; AgentCat takes as many.
pub(super) const OWN_ENTRIES: usize = 50;
/// An exception's type, in characters.
pub(super) const EXCEPTION_TYPE: usize = 256;
/// An id or a name of a user, in characters.
pub(super) const USER: usize = 128;
/// One value of `extra`, in bytes of JSON.
pub(super) const EXTRA_BYTES: usize = 16 * 1024 - 64;
/// One context, in bytes of JSON.
pub(super) const CONTEXT_BYTES: usize = 8 * 1024 - 64;

/// Stands where a text was cut.
const CUT: char = '…';

/// `text`, at most `max` characters of it, the last one `…` if it was cut.
pub(super) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    // No text has more characters than bytes, so the usual case costs one comparison.
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let mut starts = text.char_indices().map(|(start, _)| start);
    let last = starts.nth(max.saturating_sub(1));
    match (last, starts.next()) {
        (Some(last), Some(_)) => Cow::Owned(mark(&text[..last])),
        _ => Cow::Borrowed(text),
    }
}

/// [`cut`] of a text that may already be owned.
pub(super) fn cut_cow(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => cut(text, max),
        Cow::Owned(text) => match cut(&text, max) {
            Cow::Owned(cut) => Cow::Owned(cut),
            Cow::Borrowed(_) => Cow::Owned(text),
        },
    }
}

/// `text`, at most `max` bytes of it as they are written in JSON, `…` included if it was cut.
pub(super) fn cut_json(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() * LONGEST_ESCAPE <= max {
        return Cow::Borrowed(text);
    }
    let mut length = 0;
    let mut fits = 0;
    for (at, character) in text.char_indices() {
        if length + CUT.len_utf8() <= max {
            fits = at;
        }
        length += json_length(character);
        if length > max {
            return Cow::Owned(mark(&text[..fits]));
        }
    }
    Cow::Borrowed(text)
}

/// The longest escape of a byte in JSON, `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// How many bytes a character has in JSON.
const fn json_length(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => LONGEST_ESCAPE,
        _ => character.len_utf8(),
    }
}

/// How many bytes a text has in JSON, without the quotes.
pub(super) fn json_length_of(text: &str) -> usize {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => LONGEST_ESCAPE - 1,
        _ => 0,
    };
    text.len() + text.bytes().map(escape).sum::<usize>()
}

/// `value` as it is, or, when its JSON is longer than `max` bytes, the beginning of that JSON as a text.
pub(super) fn fit(value: &serde_json::Value, max: usize) -> Value<'_> {
    match value {
        serde_json::Value::String(text) => Value::String(cut_json(text, max)),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            let json = value.to_string();
            if json.len() <= max {
                Value::Json(Cow::Borrowed(value))
            } else {
                Value::String(Cow::Owned(cut_json(&json, max).into_owned()))
            }
        }
        scalar => Value::Json(Cow::Borrowed(scalar)),
    }
}

fn mark(kept: &str) -> String {
    let mut cut = String::with_capacity(kept.len() + CUT.len_utf8());
    cut.push_str(kept);
    cut.push(CUT);
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_just_the_limit_stays_and_one_character_more_is_cut_and_marked() {
        assert_eq!(cut(&"ž".repeat(5), 5), "žžžžž");
        assert_eq!(cut(&"ž".repeat(6), 5), "žžžž…");
        assert_eq!(cut("abc", 0), "…");
        assert_eq!(cut_json("abcdef", 6), "abcdef");
        assert_eq!(cut_json("abcdefg", 6), "abc…");
        assert_eq!(cut_json("🐈🐈🐈", 9), "🐈…");
        assert_eq!(cut_json("\n\n\n\n", 8), "\n\n\n\n");
        assert_eq!(cut_json("\n\n\n\n\n", 8), "\n\n…");
        assert_eq!(cut_json("\u{1}\u{1}", 11), "\u{1}…");
    }

    #[test]
    fn json_too_large_becomes_the_beginning_of_its_text() {
        let value = json!({"a": "x".repeat(50)});
        assert_eq!(fit(&value, 100), Value::Json(Cow::Borrowed(&value)));
        assert_eq!(fit(&value, 16), Value::String(Cow::Borrowed("{\"a\":\"xxxx…")));
        assert_eq!(fit(&json!(1.5), 1), Value::Json(Cow::Owned(json!(1.5))));
    }

    proptest! {
        #[test]
        fn nothing_is_ever_longer_than_its_limit(text in "(\\PC|[\\x00-\\x1f\"\\\\]){0,40}", max in 1_usize..80) {
            let short = cut(&text, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert_eq!(short == text, text.chars().count() <= max);
            let json = |text: &str| json!(text).to_string().len() - 2;
            prop_assert_eq!(json_length_of(&text), json(&text));
            let short = cut_json(&text, max.max(3));
            prop_assert!(json(&short) <= max.max(3));
            prop_assert_eq!(short == text, json(&text) <= max.max(3));
        }
    }
}
