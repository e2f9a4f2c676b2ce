//! JSON as [`serde_json::Value`] writes it: members by their names, no blanks. Without building the value where the text shows what
//! it would be.

use std::borrow::Cow;

use serde_json::Value;

use super::{elements, has_escape, members};

/// Deeper values are read by `serde_json`, which has a limit of its own.
const MAX_DEPTH: usize = 32;
/// Longer whole numbers may be more than an integer holds.
const MAX_DIGITS: usize = 18;

/// `json` with the members of objects sorted, without blanks, numbers and escapes in one way; `None` when no [`Value`] can hold
/// it.
pub(crate) fn sorted(json: &str) -> Option<String> {
    let mut sorted = String::with_capacity(json.len());
    if write(json, MAX_DEPTH, &mut sorted).is_some() {
        return Some(sorted);
    }
    serde_json::from_str::<Value>(json).ok().map(|value| value.to_string())
}

fn write(json: &str, depth: usize, out: &mut String) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match json.as_bytes().first()? {
        b'{' => {
            let mut all: Vec<(&str, &str)> = members(json).collect();
            all.sort_unstable();
            if all.windows(2).any(|two| two[0].0 == two[1].0) {
                return None;
            }
            let mut before = '{';
            for (name, value) in all {
                out.push(before);
                before = ',';
                out.push('"');
                out.push_str(plain(name)?);
                out.push_str("\":");
                write(value, depth, out)?;
            }
            out.push_str(if before == '{' { "{}" } else { "}" });
        }
        b'[' => {
            let mut before = '[';
            for value in elements(json) {
                out.push(before);
                before = ',';
                write(value, depth, out)?;
            }
            out.push_str(if before == '[' { "[]" } else { "]" });
        }
        b'"' => out.push_str(plain(json)?),
        b't' | b'f' | b'n' => out.push_str(json),
        _ => out.push_str(&number(json)?),
    }
    Some(())
}

/// A text without escapes is written as it is.
fn plain(text: &str) -> Option<&str> {
    (!has_escape(text)).then_some(text)
}

fn number(json: &str) -> Option<Cow<'_, str>> {
    if json.len() <= MAX_DIGITS && json.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Cow::Borrowed(json));
    }
    serde_json::from_str::<Value>(json).ok().map(|number| Cow::Owned(number.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::any_json, *};

    proptest! {
        #[test]
        fn it_is_written_as_the_value_is(json in any_json()) {
            let value = serde_json::from_str::<Value>(&json).ok().map(|value| value.to_string());
            prop_assert_eq!(sorted(&json), value, "{}", json);
        }
    }

    #[test]
    fn what_no_value_holds_is_not_written() {
        for json in [r#""\ud800""#, r#"{"a":1e999}"#, &("[".repeat(200) + &"]".repeat(200))] {
            assert_eq!(sorted(json), None);
        }
    }
}
