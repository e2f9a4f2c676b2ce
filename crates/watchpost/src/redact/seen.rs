//! What of a trace was looked through before: a model is told the whole conversation with every call, so that most of its input
//! stands in the input of the call before. Of what two texts have in common from their beginning on, it is known which bytes may
//! begin a secret; only these are judged again, with what follows them now.

use super::text::{Scan, scan_json, scan_json_from};
use crate::model::Payload;

/// Shorter texts are looked through sooner than found.
const SHORTEST: usize = 128;
/// Most texts that are remembered.
const MAX_TEXTS: usize = 8;
/// A text with more bytes that may begin a secret is not remembered.
const MAX_TELLING: usize = 64;
/// More than the bytes behind one that say whether it may begin a secret.
const BEHIND: usize = 8;
/// How many bytes are compared at once.
const LANES: usize = 32;

/// JSON in which no secret was found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    texts: Vec<SeenText>,
    /// The place of the one that is forgotten next.
    oldest: usize,
}

#[derive(Debug)]
struct SeenText {
    json: Payload,
    /// Where the bytes stand that may begin a secret.
    telling: Vec<usize>,
}

impl Seen {
    /// Looks through the text of a JSON value.
    pub(super) fn scan_json(&mut self, json: &Payload) -> Scan {
        let text = json.as_str();
        if text.len() < SHORTEST {
            return scan_json(text);
        }
        let common = self.texts.iter().map(|seen| common_length(seen.json.as_str(), text));
        let (place, common) = common.enumerate().max_by_key(|(_, common)| *common).unwrap_or_default();
        let from = common.saturating_sub(BEHIND);
        let known = self.texts.get(place).map_or(&[][..], |seen| &seen.telling);
        let known = &known[..known.partition_point(|at| *at < from)];
        let mut telling = Vec::new();
        let scan = scan_json_from(text, from, known, |at| {
            if telling.len() <= MAX_TELLING {
                telling.push(at);
            }
        });
        if !scan.holds_secret && telling.len() <= MAX_TELLING {
            self.remember(SeenText { json: json.clone(), telling }, place, common);
        }
        scan
    }

    /// In the place of the text that this one goes on with, if that is what it does.
    fn remember(&mut self, text: SeenText, place: usize, common: usize) {
        let goes_on = self.texts.get(place).is_some_and(|seen| common + 2 * LANES > seen.json.len());
        if goes_on {
            self.texts[place] = text;
        } else if self.texts.len() < MAX_TEXTS {
            self.texts.push(text);
        } else {
            self.texts[self.oldest] = text;
            self.oldest = (self.oldest + 1) % MAX_TEXTS;
        }
    }
}

/// How many bytes two texts have in common from their beginning on, or a few less.
fn common_length(a: &str, b: &str) -> usize {
    let (a, _) = a.as_bytes().as_chunks::<LANES>();
    let (b, _) = b.as_bytes().as_chunks::<LANES>();
    a.iter().zip(b).take_while(|(a, b)| a == b).count() * LANES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::text::tests::text, *};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Conversations that go on, begin anew and branch.
        #[test]
        fn what_was_seen_before_changes_nothing(
            pieces in prop::collection::vec((text(), 0..400_usize), 1..24),
            filler in prop::sample::select(vec!["", "{\"role\":\"user\",\"content\":\"https://example.com/a and token: two\"},"]),
        ) {
            let mut seen = Seen::default();
            let mut json = filler.repeat(4);
            for (piece, kept) in pieces {
                let kept = (0..=json.len().saturating_sub(kept)).rev().find(|kept| json.is_char_boundary(*kept)).unwrap_or(0);
                json.truncate(kept);
                json.push_str(&piece);
                json.push_str(filler);
                let payload = Payload::text(json.as_str());
                prop_assert_eq!(seen.scan_json(&payload), scan_json(&json), "{}", json);
            }
        }
    }

    #[test]
    fn what_is_said_again_is_not_looked_through_again() {
        let json = |last: &str| {
            Payload::text(format!("[{}\"{last}\"]", "{\"role\":\"user\",\"url\":\"https://example.com\"},".repeat(10)))
        };
        let mut seen = Seen::default();
        for last in ["one", "two", "three"] {
            assert!(!seen.scan_json(&json(last)).holds_secret);
            assert_eq!((seen.texts.len(), seen.texts[0].telling.len()), (1, 10), "{last}");
        }
        assert!(seen.scan_json(&json("password=hunter4secret")).holds_secret);
        for number in 0..2 * MAX_TEXTS {
            seen.scan_json(&Payload::text(format!("{number} {}", json("one").as_str())));
        }
        assert_eq!(seen.texts.len(), MAX_TEXTS);
    }
}
