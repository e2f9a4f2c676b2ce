//! What an item that is too large by itself loses: the oldest messages first, then the longest content, marked with `…`, its
//! original length kept. Metadata stays; only what the host made enormous of its own is cut when nothing else is left.
//! Source: Sentry's `sentry.sdk_meta.gen_ai.input.messages.original_length`, which its "history truncated" banner reads.

use std::borrow::Cow;

use watchpost_sentry::wire::{AttributeValue, Span, SpanV2, Transaction, Value};

use super::table::is_content;
use crate::mapping::limit::{cut_json, json_length_of};

/// The messages, and how many there were.
const MESSAGES: &str = "gen_ai.request.messages";
const MESSAGES_LENGTH: &str = "sentry.sdk_meta.gen_ai.input.messages.original_length";
/// No text is cut to less, in bytes of JSON.
const SHORTEST: usize = 512;
/// What is cut off beyond the excess, in bytes: room for the original length.
const NOTE_BYTES: usize = 256;

/// An item whose attributes can be cut.
pub(super) trait Cuttable<'a> {
    /// Its JSON's length.
    fn size(&self) -> usize;
    /// How many attributes it has.
    fn count(&self) -> usize;
    /// The attribute at `at`, if it is a text.
    fn text(&mut self, at: usize) -> Option<(&str, &mut Cow<'a, str>)>;
    /// Adds an attribute.
    fn note(&mut self, key: Cow<'a, str>, number: i64);
}

/// Makes `item` at most `max` bytes long, and says whether it had to be cut.
pub(super) fn fit<'a>(item: &mut impl Cuttable<'a>, max: usize) -> bool {
    if item.size() <= max {
        return false;
    }
    cut_messages(item, max);
    for cuts_all in [false, true] {
        while let Some(excess) = item.size().checked_sub(max + 1) {
            if !cut_longest(item, excess + 1, cuts_all) {
                break;
            }
        }
    }
    true
}

fn cut_messages<'a>(item: &mut impl Cuttable<'a>, max: usize) {
    let excess = item.size().saturating_sub(max) + NOTE_BYTES;
    let shortened = (0..item.count()).find_map(|at| {
        let (_, messages) = item.text(at).filter(|(key, _)| *key == MESSAGES)?;
        let (shorter, original) = shorten_messages(messages, excess)?;
        *messages = Cow::Owned(shorter);
        Some(original)
    });
    if let Some(original) = shortened {
        item.note(Cow::Borrowed(MESSAGES_LENGTH), original);
    }
}

/// Cuts the longest text by `excess`. False when none is long enough to be cut.
fn cut_longest<'a>(item: &mut impl Cuttable<'a>, excess: usize, cuts_all: bool) -> bool {
    let longest = (0..item.count())
        .filter_map(|at| {
            let (key, text) = item.text(at).filter(|(key, _)| cuts_all || is_content(key))?;
            // No key of a cut text is cut twice: what is left of it is the shortest that is left.
            let _ = key;
            Some((json_length_of(text), at)).filter(|(length, _)| *length > SHORTEST)
        })
        .max();
    let Some((length, at)) = longest else { return false };
    let Some((key, text)) = item.text(at) else { return false };
    let note = format!("watchpost.{key}.original_length");
    let original = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let kept = length.saturating_sub(excess + NOTE_BYTES + note.len()).max(SHORTEST);
    *text = Cow::Owned(cut_json(text, kept).into_owned());
    item.note(Cow::Owned(note), original);
    true
}

/// The messages without the oldest, so many that `excess` bytes of JSON inside JSON are saved, and how many there were. The
/// system's and the newest always stay; where that is not enough, their long texts are cut. `None` if it is no array.
fn shorten_messages(messages: &str, excess: usize) -> Option<(String, i64)> {
    let mut messages: Vec<serde_json::Value> = serde_json::from_str(messages).ok()?;
    let original = i64::try_from(messages.len()).ok()?;
    let newest = messages.len().checked_sub(1)?;
    let mut saved = 0;
    let mut at = 0;
    messages.retain(|message| {
        let is_system = message.get("role").and_then(serde_json::Value::as_str) == Some("system");
        let stays = saved >= excess || is_system || at == newest;
        at += 1;
        if !stays {
            saved += json_length_of(&message.to_string()) + 1;
        }
        stays
    });
    if saved < excess {
        let mut lengths = Vec::new();
        messages.iter_mut().for_each(|message| each_text(message, &mut |text| lengths.push(text_length(text))));
        let total: usize = lengths.iter().sum();
        let longest = longest_that_fits(&lengths, total.saturating_sub(excess - saved));
        messages.iter_mut().for_each(|message| each_text(message, &mut |text| cut_text(text, longest)));
    }
    Some((serde_json::Value::Array(messages).to_string(), original))
}

/// How long a text is in JSON inside JSON.
fn text_length(text: &str) -> usize {
    json_length_of(&serde_json::Value::from(text).to_string())
}

fn cut_text(text: &mut String, longest: usize) {
    let length = text_length(text);
    if length > longest {
        // Escapes count by their share of the text.
        let kept = (json_length_of(text) as f64 * longest as f64 / length as f64) as usize;
        *text = cut_json(text, kept.max(64)).into_owned();
    }
}

/// The longest that each text may be so that all together are no longer than `room`.
fn longest_that_fits(lengths: &[usize], room: usize) -> usize {
    let (mut low, mut high) = (0, lengths.iter().copied().max().unwrap_or_default());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if lengths.iter().map(|length| (*length).min(middle)).sum::<usize>() <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn each_text(value: &mut serde_json::Value, each: &mut dyn FnMut(&mut String)) {
    match value {
        serde_json::Value::String(text) => each(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, each)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|value| each_text(value, each)),
        _ => {}
    }
}

impl<'a> Cuttable<'a> for Vec<(Cow<'a, str>, Value<'a>)> {
    fn size(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn text(&mut self, at: usize) -> Option<(&str, &mut Cow<'a, str>)> {
        match self.get_mut(at)? {
            (key, Value::String(text)) => Some((key, text)),
            _ => None,
        }
    }

    fn note(&mut self, key: Cow<'a, str>, number: i64) {
        self.push((key, Value::Integer(number)));
    }
}

macro_rules! cuttable_by_data {
    ($($item:ident),*) => {$(
        impl<'a> Cuttable<'a> for $item<'a> {
            fn size(&self) -> usize {
                let mut json = Vec::new();
                self.write_json(&mut json);
                json.len()
            }

            fn count(&self) -> usize {
                self.data.len()
            }

            fn text(&mut self, at: usize) -> Option<(&str, &mut Cow<'a, str>)> {
                self.data.text(at)
            }

            fn note(&mut self, key: Cow<'a, str>, number: i64) {
                self.data.note(key, number);
            }
        }
    )*};
}

cuttable_by_data!(Span, Transaction);

impl<'a> Cuttable<'a> for SpanV2<'a> {
    fn size(&self) -> usize {
        let mut json = Vec::new();
        self.write_json(&mut json);
        json.len()
    }

    fn count(&self) -> usize {
        self.attributes.len()
    }

    fn text(&mut self, at: usize) -> Option<(&str, &mut Cow<'a, str>)> {
        let attribute = self.attributes.0.get_mut(at)?;
        match &mut attribute.value {
            AttributeValue::String(text) => Some((&attribute.key, text)),
            _ => None,
        }
    }

    fn note(&mut self, key: Cow<'a, str>, number: i64) {
        self.attributes.push(key, number);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_messages_go_first_and_the_systems_and_the_newest_stay() {
        let message = |role: &str, text: &str| json!({"role": role, "content": text.repeat(1000)});
        let messages =
            json!([message("system", "s"), message("user", "a"), message("assistant", "b"), message("user", "c")]);
        let (shorter, original) = shorten_messages(&messages.to_string(), 500).unwrap();
        assert_eq!(original, 4);
        let shorter: Vec<serde_json::Value> = serde_json::from_str(&shorter).unwrap();
        let roles: Vec<_> = shorter.iter().map(|message| &message["content"].as_str().unwrap()[..1]).collect();
        assert_eq!(roles, ["s", "b", "c"]);
    }

    #[test]
    fn where_that_is_not_enough_their_texts_are_cut_and_marked() {
        let messages = json!([
            {"role": "system", "content": "short"},
            {"role": "user", "content": [{"type": "text", "text": "\"x\"".repeat(1000)}]},
        ]);
        let text = messages.to_string();
        let (shorter, _) = shorten_messages(&text, 4000).unwrap();
        assert!(json_length_of(&text) - json_length_of(&shorter) >= 4000 - 16, "{}", shorter.len());
        let shorter: Vec<serde_json::Value> = serde_json::from_str(&shorter).unwrap();
        assert_eq!(shorter[0]["content"], "short");
        assert!(shorter[1]["content"][0]["text"].as_str().unwrap().ends_with('…'));
    }
}
