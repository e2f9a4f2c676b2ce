//! Single values out of the text of JSON that was checked before: what is not asked for is passed over, neither read nor copied.
//! Of a text that is no JSON after all something is found or nothing. Source: RFC 8259. Hot path: most of a trace's bytes are
//! content (`cargo xtask bench spans`).

mod container;
pub(crate) mod find;
mod sorted;

use std::borrow::Cow;

pub(crate) use self::sorted::sorted;
use self::{
    container::container_length,
    find::{find_quote_or_backslash, quote_or_backslash_in},
};

/// The members of an object in their order, each its name between the quotes and its value; none of any other value.
pub(crate) fn members(json: &str) -> impl Iterator<Item = (&str, &str)> {
    named(json).map(|(name, value)| (name.inner, value))
}

fn named(json: &str) -> impl Iterator<Item = (Name<'_>, &str)> {
    let mut reader = Reader::within(json, b'{');
    std::iter::from_fn(move || {
        let name = reader.name()?;
        reader.pass(b':')?;
        let value = reader.value()?;
        reader.pass(b',');
        Some((name, value))
    })
}

/// The elements of an array in their order; none of any other value.
pub(crate) fn elements(json: &str) -> impl Iterator<Item = &str> {
    let mut reader = Reader::within(json, b'[');
    std::iter::from_fn(move || {
        let value = reader.value()?;
        reader.pass(b',');
        Some(value)
    })
}

/// The members of these names, where they are there and not `null`; `None` when `json` is no object, has one of them twice, or a
/// name that no Rust string can hold.
pub(crate) fn pick<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut picked = [None; N];
    if !json.trim_start().starts_with('{') {
        return None;
    }
    for (name, value) in named(json) {
        let name = name.read()?;
        if let Some(at) = names.iter().position(|wanted| *wanted == name)
            && picked[at].replace(value).is_some()
        {
            return None;
        }
    }
    Some(picked.map(|value| value.filter(|value| *value != "null")))
}

/// The members of these names, where they are there, of two of one name the last.
pub(crate) fn last<'a, const N: usize>(json: &'a str, names: [&str; N]) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    for (name, value) in named(json) {
        let Some(name) = name.read() else { continue };
        if let Some(at) = names.iter().position(|wanted| *wanted == name) {
            found[at] = Some(value);
        }
    }
    found
}

/// The text of a string; `None` for any other value, and when no Rust string can hold it.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if has_escape(inner) { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A member's name.
#[derive(Clone, Copy)]
struct Name<'a> {
    /// What stands between its quotes.
    inner: &'a str,
    has_escape: bool,
}

impl<'a> Name<'a> {
    fn read(self) -> Option<Cow<'a, str>> {
        if self.has_escape {
            return serde_json::from_str(&format!("\"{}\"", self.inner)).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(self.inner))
    }
}

fn has_escape(inner: &str) -> bool {
    memchr::memchr(b'\\', inner.as_bytes()).is_some()
}

/// Goes from value to value within a container.
struct Reader<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Behind the bracket; at the end when there is none.
    fn within(json: &'a str, bracket: u8) -> Self {
        let mut reader = Self { json, at: 0 };
        if reader.pass(bracket).is_none() {
            reader.at = json.len();
        }
        reader
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.json.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn pass(&mut self, sign: u8) -> Option<()> {
        self.skip_blanks();
        (self.json.as_bytes().get(self.at) == Some(&sign)).then(|| self.at += 1)
    }

    /// The name that begins here, if one does.
    fn name(&mut self) -> Option<Name<'a>> {
        self.pass(b'"')?;
        let (end, has_escape) = string_end(self.json.as_bytes(), self.at)?;
        let inner = self.json.get(self.at..end - 1)?;
        self.at = end;
        Some(Name { inner, has_escape })
    }

    /// The value that begins here, if one does.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let rest = &self.json.as_bytes()[self.at..];
        let length = match rest.first()? {
            b'"' => string_end(rest, 1)?.0,
            b'{' | b'[' => container_length(rest)?,
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t');
                rest.iter().position(is_end).unwrap_or(rest.len())
            }
        };
        let value = self.json.get(self.at..self.at + length).filter(|value| !value.is_empty());
        self.at += length;
        value
    }
}

/// Where the string ends whose inside begins at `at`: behind its quote; and whether it has an escape. Most are a few bytes long,
/// and found without a call.
#[inline]
fn string_end(json: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut has_escape = false;
    loop {
        let rest = json.get(at..)?;
        at += match rest.split_first_chunk() {
            Some((word, rest)) => match quote_or_backslash_in(*word) {
                Some(found) => found,
                None => word.len() + find_quote_or_backslash(rest)?,
            },
            None => find_quote_or_backslash(rest)?,
        };
        if json[at] == b'"' {
            return Some((at + 1, has_escape));
        }
        has_escape = true;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Any JSON, as some writer may have written it: with blanks, escapes and names that come twice.
    pub(super) fn any_json() -> impl Strategy<Value = String> {
        let text = r#"([a-z{}\[\]:, é🐈]|\\[nt"\\/]|\\u00[46][1-9a-f]){0,6}"#;
        let scalar = prop_oneof![
            text.prop_map(|text| format!("\"{text}\"")),
            "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
        ];
        scalar.prop_recursive(4, 24, 4, move |inner| {
            let name = prop_oneof![
                "[a-c]{1,2}",
                Just(text.to_owned()).prop_flat_map(|text| proptest::string::string_regex(&text).unwrap())
            ];
            let blank = "[ \n\t]{0,1}";
            let elements =
                prop::collection::vec((blank, inner.clone(), blank).prop_map(|(a, json, b)| a + &json + &b), 0..4);
            let members = prop::collection::vec((blank, name, blank, inner, blank), 0..4);
            prop_oneof![
                (blank, elements).prop_map(|(blank, all)| if all.is_empty() {
                    format!("[{blank}]")
                } else {
                    format!("[{}]", all.join(","))
                }),
                (blank, members).prop_map(|(blank, all)| {
                    let all: Vec<_> =
                        all.into_iter().map(|(a, name, b, json, c)| format!("{a}\"{name}\"{b}:{json}{c}")).collect();
                    if all.is_empty() { format!("{{{blank}}}") } else { format!("{{{}}}", all.join(",")) }
                }),
            ]
        })
    }

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    proptest! {
        #[test]
        fn members_and_elements_are_those_of_the_value(json in any_json(), before in "[ \n]{0,2}") {
            let found = format!("{before}{json}");
            let parsed = value(&json);
            let mut object = serde_json::Map::new();
            for (name, member) in named(&found) {
                prop_assert_eq!(name.has_escape, has_escape(name.inner));
                object.insert(name.read().unwrap().into_owned(), value(member));
            }
            prop_assert_eq!(object, parsed.as_object().cloned().unwrap_or_default());
            let array: Vec<Value> = elements(&found).map(value).collect();
            prop_assert_eq!(array, parsed.as_array().cloned().unwrap_or_default());
            prop_assert_eq!(text(json.as_str()), parsed.as_str().map(Cow::Borrowed));
        }

        #[test]
        fn of_what_is_no_json_something_or_nothing_is_found(json in "[\\[\\]{}\",:\\\\ a1é]{0,24}") {
            prop_assert!(members(&json).count() <= json.len());
            prop_assert!(elements(&json).count() <= json.len());
            let _ = pick(&json, ["a"]);
        }
    }

    #[test]
    fn a_member_is_picked_by_its_whole_name_and_only_if_it_is_the_only_one() {
        for (json, expected) in [
            (r#"{"a":1}"#, Some(Some("1"))),
            (r#" { "b" : {"a":2} , "a" : [ 1 , "]" ] } "#, Some(Some(r#"[ 1 , "]" ]"#))),
            (r#"{"\u0061":"x\"}"}"#, Some(Some(r#""x\"}""#))),
            (r#"{"aa":1,"b":"a"}"#, Some(None)),
            (r#"{"a":null}"#, Some(None)),
            (r#"{"a":1,"a":1}"#, None),
            (r#"{"\ud800":1,"a":1}"#, None),
            (r#"["a",1]"#, None),
        ] {
            assert_eq!(pick(json, ["a"]).map(|[a]| a), expected, "{json}");
        }
    }
}
