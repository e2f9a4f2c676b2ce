//! JSON strings, decoded piece by piece into a bounded buffer. Source: RFC 8259, §7; lone surrogates and invalid
//! UTF-8 become U+FFFD, as in the decoders of peers.

use std::borrow::Cow;

use crate::json::find::find_quote_or_backslash;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
/// Ends a text that was cut.
const CUT: &str = "…";

/// `bytes` as text of about `limit` bytes: cut at a character, marked with `…`. Invalid UTF-8 becomes U+FFFD.
pub(in crate::mcp) fn bounded_text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    if bytes.len() <= limit {
        return lossy(bytes);
    }
    let mut end = limit.saturating_sub(CUT.len());
    // A character has at most three bytes behind its first.
    while end > limit.saturating_sub(CUT.len() + 3) && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    Cow::Owned(lossy(&bytes[..end]).into_owned() + CUT)
}

/// [`String::from_utf8_lossy`] goes byte by byte, which takes longer than all the rest; the check of valid UTF-8 does not.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Where decoding stands within an escape.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// Behind a backslash.
    Begun,
    /// Behind `\u` and some of its digits.
    Unicode { digits: u8, value: u16 },
}

/// Collects a string's content, or any bytes, up to a limit.
#[derive(Debug, Default)]
pub(super) struct TextBuffer {
    /// One byte more than the limit is kept, so that a longer text is seen to be.
    bytes: Vec<u8>,
    limit: usize,
    escape: Escape,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
}

/// How far decoding came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// The string goes on behind the input.
    Partly,
    /// The string ended, with its quote, after so many bytes.
    Whole(usize),
    /// After so many bytes there are more than the limit; the rest of the string need not be decoded.
    Enough(usize),
}

impl TextBuffer {
    /// Begins a text of which `limit` bytes are kept.
    pub(super) fn begin(&mut self, limit: usize) {
        self.bytes.clear();
        self.limit = limit;
        self.escape = Escape::None;
        self.high = None;
    }

    /// The text so far.
    pub(super) fn text(&self) -> Cow<'_, str> {
        bounded_text(&self.bytes, self.limit)
    }

    /// The bytes so far, at most one more than the limit.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes it holds.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends bytes as they are.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (self.limit + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Decodes a string's content, the text behind its opening quote.
    pub(super) fn decode(&mut self, input: &[u8]) -> Decoded {
        let mut at = 0;
        while at < input.len() {
            if !matches!(self.escape, Escape::None) {
                at += usize::from(self.unescape(input[at]));
                continue;
            }
            // Only between escapes: what skips the rest must not take an escaped quote for the end.
            if self.bytes.len() > self.limit {
                return Decoded::Enough(at);
            }
            let rest = &input[at..];
            let plain = find_quote_or_backslash(rest).unwrap_or(rest.len());
            if plain > 0 {
                self.settle();
                self.push(&rest[..plain]);
            }
            at += plain + 1;
            match rest.get(plain) {
                Some(b'"') => {
                    self.settle();
                    return Decoded::Whole(at);
                }
                Some(_) => self.escape = Escape::Begun,
                None => {}
            }
        }
        Decoded::Partly
    }

    /// Goes on within an escape; whether `byte` belonged to it.
    fn unescape(&mut self, byte: u8) -> bool {
        let Escape::Unicode { digits, value } = self.escape else {
            self.escape = Escape::None;
            let plain = match byte {
                b'u' => {
                    self.escape = Escape::Unicode { digits: 0, value: 0 };
                    return true;
                }
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 0x08,
                b'f' => 0x0c,
                // `"`, `\` and `/`; any other is no JSON, and kept as it is.
                other => other,
            };
            self.settle();
            self.push(&[plain]);
            return true;
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.escape = Escape::None;
            self.settle();
            self.push(REPLACEMENT);
            return false;
        };
        #[expect(clippy::cast_possible_truncation, reason = "a hexadecimal digit")]
        let value = (value << 4) | digit as u16;
        if digits < 3 {
            self.escape = Escape::Unicode { digits: digits + 1, value };
        } else {
            self.escape = Escape::None;
            self.push_unit(value);
        }
        true
    }

    /// Appends a UTF-16 code unit.
    fn push_unit(&mut self, unit: u16) {
        if let (Some(high), 0xdc00..=0xdfff) = (self.high, unit) {
            self.high = None;
            let scalar = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00);
            self.push_char(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            return;
        }
        self.settle();
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
        } else {
            self.push_char(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }

    fn push_char(&mut self, character: char) {
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// A high surrogate whose low one did not come is lone.
    fn settle(&mut self) {
        if self.high.take().is_some() {
            self.push(REPLACEMENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes `content` (what stands behind the opening quote) cut at `cut`.
    fn decode(content: &[u8], cut: usize, limit: usize) -> String {
        let mut buffer = TextBuffer::default();
        buffer.begin(limit);
        let (first, second) = content.split_at(cut.min(content.len()));
        if buffer.decode(first) == Decoded::Partly {
            let decoded = buffer.decode(second);
            assert!(
                matches!(decoded, Decoded::Enough(_)) || decoded == Decoded::Whole(second.len()),
                "the quote ends it"
            );
        }
        buffer.text().into_owned()
    }

    proptest! {
        #[test]
        fn a_string_decodes_as_serde_json_reads_it_wherever_it_is_cut(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>() + "\"";
            for content in [&json[1..], &escaped] {
                for cut in 0..=content.len() {
                    prop_assert_eq!(&decode(content.as_bytes(), cut, 4096), &text);
                }
            }
        }

        #[test]
        fn any_bytes_decode_to_bounded_text(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 0..64_usize) {
            let mut buffer = TextBuffer::default();
            buffer.begin(limit);
            buffer.decode(&bytes);
            // Each invalid byte may become the three of U+FFFD, and the mark has three.
            prop_assert!(buffer.text().len() <= 3 * limit + 3);
        }
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (content, text) in [
            (r#"\ud800""#, "\u{fffd}"),
            (r#"\udc00""#, "\u{fffd}"),
            (r#"a\ud800b""#, "a\u{fffd}b"),
            (r#"\ud800\ud83d\ude00""#, "\u{fffd}😀"),
            (r#"\ud83d\n""#, "\u{fffd}\n"),
            (r#"\ud83dé""#, "\u{fffd}é"),
        ] {
            for cut in 0..content.len() {
                assert_eq!(decode(content.as_bytes(), cut, 100), text, "{content} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_escape_is_kept_as_far_as_it_can_be() {
        assert_eq!(decode(b"\\x-\\u12g4\"", 0, 100), "x-\u{fffd}g4");
        assert_eq!(decode(b"a\xffb\xe2\x82\"", 0, 100), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn enough_is_said_between_escapes_only() {
        for (content, decoded) in [
            (r#"abc\\"rest""#, Decoded::Enough(5)),
            (r#"abc\"d\"e""#, Decoded::Enough(5)),
            (r#"abc\u0022de""#, Decoded::Enough(9)),
            (r#"abcde""#, Decoded::Whole(6)),
        ] {
            let mut buffer = TextBuffer::default();
            buffer.begin(2);
            assert_eq!(buffer.decode(content.as_bytes()), decoded, "{content}");
            assert_eq!(buffer.text(), "…");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_marked() {
        let content = format!("{}\"", "é".repeat(20));
        assert_eq!(decode(content.as_bytes(), 7, 40), "é".repeat(20), "exactly the limit is whole");
        assert_eq!(decode(content.as_bytes(), 7, 39), "é".repeat(18) + "…");
        assert_eq!(decode(content.as_bytes(), 7, 38), "é".repeat(17) + "…");
        assert_eq!(bounded_text(b"abcdef", 0), "…");
    }
}
