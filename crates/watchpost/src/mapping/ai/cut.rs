//! What an item that is too large by itself loses: of other content what is above a quarter of the limit, then the oldest
//! messages down to as much, then the longest content, marked with `…`, its original length kept. Metadata stays; only what the host made enormous of its own is cut when nothing else is left.
//! Source: Sentry's `sentry.sdk_meta.gen_ai.input.messages.original_length`, which its "history truncated" banner reads.

use std::borrow::Cow;

use watchpost_sentry::wire::{AttributeValue, Span, SpanV2, Transaction, Value};

use super::table::is_content;
use crate::mapping::limit::{cut_json, json_length_of};

/// The messages, and how many there were.
const MESSAGES: &str = "gen_ai.request.messages";
const MESSAGES_LENGTH: &str = "sentry.sdk_meta.gen_ai.input.messages.original_length";
/// Lists whose items' names and ids stay.
const LISTS: &[&str] = &["gen_ai.response.tool_calls", "gen_ai.tool.definitions"];
/// What names an item of a list.
const NAMING: &[&str] = &["id", "name", "type"];
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
    let quarter = max / 4;
    let mut noted = Vec::new();
    cut_texts(item, max, quarter, &mut noted, |key| is_content(key) && key != MESSAGES);
    cut_messages(item, max, quarter, &mut noted);
    cut_texts(item, max, SHORTEST, &mut noted, |key| is_content(key) && key != MESSAGES);
    cut_messages(item, max, 0, &mut noted);
    cut_texts(item, max, SHORTEST, &mut noted, is_content);
    cut_texts(item, max, SHORTEST, &mut noted, |_| true);
    true
}

fn cut_texts<'a>(
    item: &mut impl Cuttable<'a>,
    max: usize,
    least: usize,
    noted: &mut Vec<String>,
    is_cut: impl Fn(&str) -> bool,
) {
    while let Some(excess) = item.size().checked_sub(max + 1) {
        if !cut_longest(item, excess + 1, least.max(SHORTEST), noted, &is_cut) {
            break;
        }
    }
}

/// Shortens the messages to no less than `least`.
fn cut_messages<'a>(item: &mut impl Cuttable<'a>, max: usize, least: usize, noted: &mut Vec<String>) {
    let Some(excess) = item.size().checked_sub(max + 1) else { return };
    let shortened = (0..item.count()).find_map(|at| {
        let (_, messages) = item.text(at).filter(|(key, _)| *key == MESSAGES)?;
        let excess = (excess + NOTE_BYTES).min(json_length_of(messages).checked_sub(least)?);
        let (shorter, original) = shorten_messages(messages, excess)?;
        *messages = Cow::Owned(shorter);
        Some(original)
    });
    if let Some(original) = shortened
        && is_first(noted, MESSAGES_LENGTH)
    {
        item.note(Cow::Borrowed(MESSAGES_LENGTH), original);
    }
}

/// Notes a key. False when it was noted before: the first cut knows the original length.
fn is_first(noted: &mut Vec<String>, key: &str) -> bool {
    let is_first = noted.iter().all(|known| known != key);
    if is_first {
        noted.push(key.to_owned());
    }
    is_first
}

/// Cuts the longest text by `excess`, to no less than `least`. False when none is long enough to be cut.
fn cut_longest<'a>(
    item: &mut impl Cuttable<'a>,
    excess: usize,
    least: usize,
    noted: &mut Vec<String>,
    is_cut: &impl Fn(&str) -> bool,
) -> bool {
    let longest = (0..item.count())
        .filter_map(|at| {
            let (_, text) = item.text(at).filter(|(key, _)| is_cut(key))?;
            Some((json_length_of(text), at)).filter(|(length, _)| *length > least)
        })
        .max();
    let Some((length, at)) = longest else { return false };
    let Some((key, text)) = item.text(at) else { return false };
    let note = format!("watchpost.{key}.original_length");
    let original = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let kept = length.saturating_sub(excess + NOTE_BYTES + note.len()).max(least);
    let shorter = if LISTS.contains(&key) { shorten_list(text, kept) } else { None };
    *text = Cow::Owned(shorter.unwrap_or_else(|| cut_json(text, kept).into_owned()));
    if is_first(noted, &note) {
        item.note(Cow::Owned(note), original);
    }
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

/// A list of tools or their calls as JSON of at most `max` bytes inside JSON: the texts of what does not name an item are cut,
/// then all of that, then there are fewer items. `None` if it is no array.
fn shorten_list(list: &str, max: usize) -> Option<String> {
    let mut items: Vec<serde_json::Value> = serde_json::from_str(list).ok()?;
    let write = |items: &[serde_json::Value]| serde_json::to_string(items).ok();
    let mut lengths = Vec::new();
    let mut details = 0;
    each_detail(&mut items, &mut |detail| {
        details += 1;
        each_text(detail, &mut |text| lengths.push(text_length(text)));
    });
    // Each text is cut about to its length: some room is left.
    let excess = json_length_of(&write(&items)?).saturating_sub(max - max / 32);
    let longest = longest_that_fits(&lengths, lengths.iter().sum::<usize>().saturating_sub(excess));
    each_detail(&mut items, &mut |detail| each_text(detail, &mut |text| cut_text(text, longest)));
    let mut written = write(&items)?;
    if json_length_of(&written) > max {
        let share = max / (2 * details.max(1));
        each_detail(&mut items, &mut |detail| {
            let mut text = detail.as_str().map_or_else(|| detail.to_string(), str::to_owned);
            if text_length(&text) > share {
                cut_text(&mut text, share);
                *detail = text.into();
            }
        });
        written = write(&items)?;
    }
    while json_length_of(&written) > max && !items.is_empty() {
        let fitting = items.len() as f64 * max as f64 / json_length_of(&written) as f64 * 0.9;
        items.truncate((fitting as usize).min(items.len() - 1));
        written = write(&items)?;
    }
    Some(written)
}

/// What does not name the items of a list; a definition's name may be one level down, in its `function`.
fn each_detail(items: &mut [serde_json::Value], each: &mut dyn FnMut(&mut serde_json::Value)) {
    for item in items {
        let Some(members) = item.as_object_mut() else { continue };
        for (key, member) in members {
            match (key.as_str(), member) {
                ("function", serde_json::Value::Object(function)) => {
                    function
                        .iter_mut()
                        .filter(|(key, _)| !NAMING.contains(&key.as_str()))
                        .for_each(|(_, member)| each(member));
                }
                (key, _) if NAMING.contains(&key) => {}
                (_, member) => each(member),
            }
        }
    }
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
    use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

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

    type Attributes = Vec<(Cow<'static, str>, Value<'static>)>;

    fn span_of(data: &[(&'static str, String)]) -> Span<'static> {
        let data: Attributes =
            data.iter().map(|(key, text)| (Cow::Borrowed(*key), Value::String(Cow::Owned(text.clone())))).collect();
        Span {
            trace_id: TraceId([7; 16]),
            span_id: SpanId([1; 8]),
            parent_span_id: None,
            op: "gen_ai.chat".into(),
            description: None,
            start: Timestamp::from_nanos(0),
            end: Timestamp::from_nanos(1),
            status: None,
            origin: None,
            data,
        }
    }

    fn text_of<'a>(span: &'a Span<'static>, key: &str) -> &'a str {
        match span.data.iter().find(|(name, _)| name == key) {
            Some((_, Value::String(text))) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tool_calls_stay_json_with_their_names_and_ids() {
        let deep = json!({"a": (0..50_000).collect::<Vec<_>>()});
        for arguments in [json!({"text": "\"x\"\n".repeat(75_000), "short": "y"}), json!("z".repeat(300_000)), deep] {
            for key in LISTS {
                let calls = json!([
                    {"id": "c1", "name": "write", "type": "function", "arguments": arguments},
                    {"id": "c2", "name": "read", "type": "function", "arguments": {"path": "/tmp"}},
                ]);
                let mut span = span_of(&[(key, calls.to_string())]);
                assert!(fit(&mut span, 125_000));
                assert!(span.size() <= 125_000);
                let cut: serde_json::Value = serde_json::from_str(text_of(&span, key)).unwrap();
                assert_eq!(
                    (&cut[0]["id"], &cut[0]["name"], &cut[1]["id"]),
                    (&json!("c1"), &json!("write"), &json!("c2"))
                );
                assert!(cut[0]["arguments"].to_string().contains('…'));
                let length = i64::try_from(calls.to_string().len()).unwrap();
                let note = format!("watchpost.{key}.original_length");
                let notes: Vec<_> = span.data.iter().filter(|(name, _)| **name == note).collect();
                assert_eq!(notes, [&(Cow::Owned(note.clone()), Value::Integer(length))]);
            }
        }
    }

    #[test]
    fn a_list_of_very_many_is_shortened_and_stays_json() {
        let calls: Vec<_> = (0..50_000).map(|at| json!({"id": at.to_string(), "name": "x"})).collect();
        let shorter = shorten_list(&json!(calls).to_string(), 10_000).unwrap();
        assert!(json_length_of(&shorter) <= 10_000);
        let shorter: Vec<serde_json::Value> = serde_json::from_str(&shorter).unwrap();
        assert!(shorter.len() > 100 && shorter[..] == calls[..shorter.len()]);
    }

    #[test]
    fn messages_do_not_make_room_for_what_is_larger() {
        let messages = json!([{"role": "user", "content": "a".repeat(100_000)}, {"role": "user", "content": "b"}]);
        let mut span = span_of(&[(MESSAGES, messages.to_string()), ("gen_ai.response.text", "x".repeat(2_000_000))]);
        assert!(fit(&mut span, 1_000_000));
        assert_eq!(text_of(&span, MESSAGES), messages.to_string());
        assert!(text_of(&span, "gen_ai.response.text").len() > 850_000);
        let mut span =
            span_of(&[("gen_ai.request.messages", "[{}]".to_owned()), ("gen_ai.response.text", "x".repeat(900_000))]);
        span.data.push((Cow::Borrowed("gen_ai.response.reasoning"), Value::String(Cow::Owned("y".repeat(900_000)))));
        assert!(fit(&mut span, 1_000_000));
        assert!(span.size() <= 1_000_000 && span.size() > 990_000, "{}", span.size());
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
