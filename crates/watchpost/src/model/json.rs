//! Reading JSON that others wrote, tolerantly: one value of a known kind out of its text, `None` when it is something else.
//! Shared by the readers of AgentCat's and of Mastra's lines.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use watchpost_sentry::wire::Timestamp;

use super::{Text, UsageStats};

/// Most members of an object, and elements of an array, that are looked at one by one.
const MAX_MEMBERS: usize = 1024;

/// `json` with every escaped surrogate that has no partner replaced by `\ufffd`; `None` when there is none. JavaScript writes
/// them (`"\ud83d"`), and no Rust string can hold them.
pub(super) fn replace_lone_surrogates(json: &str) -> Option<String> {
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

/// A number since the Unix epoch in the unit that makes it a date of our time: seconds below 10¹¹ (the year 5138), then
/// milli-, micro- and nanoseconds.
pub(super) fn timestamp_of_number(whole: Option<i64>, number: Option<f64>) -> Option<Timestamp> {
    const UNITS: [(u64, i64); 3] =
        [(100_000_000_000, 1_000_000_000), (100_000_000_000_000, 1_000_000), (100_000_000_000_000_000, 1_000)];
    if let Some(whole) = whole {
        let nanos = UNITS.iter().find(|(below, _)| whole.unsigned_abs() < *below).map_or(1, |(_, nanos)| *nanos);
        return whole.checked_mul(nanos).map(Timestamp::from_nanos);
    }
    let number = number?;
    #[expect(clippy::cast_precision_loss, reason = "the units are powers of ten that an f64 holds exactly")]
    let nanos = UNITS.iter().find(|(below, _)| number.abs() < *below as f64).map_or(1.0, |(_, nanos)| *nanos as f64);
    Timestamp::from_seconds(number * (nanos / 1e9))
}

/// A date: RFC 3339, or a number since the Unix epoch in seconds, milli-, micro- or nanoseconds, by its size.
pub(super) fn read_timestamp(json: &RawValue) -> Option<Timestamp> {
    let text = read_scalar(json)?;
    let text = text.trim();
    timestamp_of_number(text.parse().ok(), text.parse().ok()).or_else(|| Timestamp::parse(text))
}

/// A text that is not empty; a number or a truth value as its text.
pub(super) fn read_text(json: &RawValue) -> Option<Text> {
    read_scalar(json).filter(|text| !text.is_empty()).map(Text::from)
}

/// A text, a number or a truth value, as text.
fn read_scalar(json: &RawValue) -> Option<Cow<'_, str>> {
    let json = json.get();
    match json.as_bytes().first()? {
        b'"' => match json[1..json.len() - 1].contains('\\') {
            false => Some(Cow::Borrowed(&json[1..json.len() - 1])),
            true => serde_json::from_str(json).ok().map(Cow::Owned),
        },
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// A truth value, also as a text.
pub(super) fn read_flag(json: &RawValue) -> Option<bool> {
    match json.get() {
        "true" | "\"true\"" => Some(true),
        "false" | "\"false\"" => Some(false),
        _ => None,
    }
}

/// A number that counts: whole and not negative, also as a text or with a fraction of zero.
pub(super) fn read_count(json: &RawValue) -> Option<u64> {
    let digits = unquoted(json.get());
    digits.parse().ok().or_else(|| whole(digits).and_then(|whole| u64::try_from(whole).ok()))
}

/// The number of `12.0` or `1e3`, where it is a whole one.
pub(super) fn whole(digits: &str) -> Option<i64> {
    /// Up to 2⁵³ every whole number is an `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = digits.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// The text between the quotes; a number has none.
pub(super) fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(json).trim()
}

/// Texts, of an object among them its `name` or `id`; a single text is one of them.
pub(super) fn read_texts(json: &RawValue) -> Option<Vec<Text>> {
    if json.get().starts_with('"') {
        return read_text(json).map(|text| vec![text]);
    }
    let texts = read_elements(json)?.into_iter().filter_map(|element| {
        read_text(element).or_else(|| {
            let members = read_members(element)?;
            ["name", "id"].iter().find_map(|key| read_text(find(&members, key)?))
        })
    });
    Some(texts.collect())
}

/// Tokens used, as Mastra writes them, or with the names of the AI SDK that older versions pass on.
pub(super) fn read_usage(json: &RawValue) -> Option<UsageStats> {
    let members = read_members(json)?;
    let count = |names: &[&str]| names.iter().find_map(|name| read_tokens(find(&members, name)?));
    let details = |name: &str| find(&members, name).and_then(read_members).unwrap_or_default();
    let (input, output) = (details("inputDetails"), details("outputDetails"));
    let detail = |details: &Members<'_>, name: &str| read_tokens(find(details, name)?);
    let mut usage = UsageStats {
        input_tokens: count(&["inputTokens", "promptTokens"]),
        output_tokens: count(&["outputTokens", "completionTokens"]),
        input_text: detail(&input, "text"),
        cache_read: detail(&input, "cacheRead").or_else(|| count(&["cachedInputTokens", "promptCacheHitTokens"])),
        cache_write: cache_write(&input),
        input_audio: detail(&input, "audio"),
        input_image: detail(&input, "image"),
        output_text: detail(&output, "text"),
        reasoning: detail(&output, "reasoning").or_else(|| count(&["reasoningTokens"])),
        output_audio: detail(&output, "audio"),
        output_image: detail(&output, "image"),
    };
    usage.include_parts();
    (!usage.is_empty()).then_some(usage)
}

/// A number of tokens that Sentry can hold too.
fn read_tokens(json: &RawValue) -> Option<u64> {
    read_count(json).filter(|count| i64::try_from(*count).is_ok())
}

/// All that was written to the cache, where only its parts by time to live are given too.
fn cache_write(input: &Members<'_>) -> Option<u64> {
    let count = |name| read_tokens(find(input, name)?);
    count("cacheWrite").or_else(|| match (count("cacheWrite5m"), count("cacheWrite1h")) {
        (None, None) => None,
        (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
    })
}

/// The members of an object, each as the text it is; of a name that comes twice both.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The first member of that name that is not `null`.
pub(super) fn find<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.iter().find(|(key, value)| key == name && value.get() != "null").map(|(_, value)| *value)
}

/// The members of an object, at most 1024; `None` when it is no object.
pub(super) fn read_members(json: &RawValue) -> Option<Members<'_>> {
    if json.get().starts_with('{') {
        serde_json::from_str::<Object<'_>>(json.get()).ok().map(|object| object.0)
    } else {
        None
    }
}

/// The elements of an array, at most 1024; `None` when it is no array.
pub(super) fn read_elements(json: &RawValue) -> Option<Vec<&RawValue>> {
    if json.get().starts_with('[') {
        serde_json::from_str::<Array<'_>>(json.get()).ok().map(|array| array.0)
    } else {
        None
    }
}

pub(super) struct Object<'a>(pub(super) Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if members.len() < MAX_MEMBERS {
                        members.push((name, value));
                    }
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct Array<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;

        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = Array<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Array<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = array.next_element::<&'de RawValue>()? {
                    if elements.len() < MAX_MEMBERS {
                        elements.push(element);
                    }
                }
                Ok(Array(elements))
            }
        }

        deserializer.deserialize_seq(ArrayVisitor)
    }
}

/// A member's name, borrowed where it has no escapes: `Cow` by itself never borrows.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}
