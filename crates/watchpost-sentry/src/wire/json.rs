//! A JSON writer for the wire: appends to a byte buffer, never fails, never writes an invalid token.
//! Commas are its business; the nesting of `begin_*` and `end_*` is the caller's.

use std::io::Write;

use super::Value;

/// Nested deeper than this, an array or object is replaced by [`TOO_DEEP`]: hostile input must not overflow the stack,
/// and readers (`serde_json` among them) stop at 128.
pub const MAX_DEPTH: usize = 64;

/// What stands for an array or object nested deeper than [`MAX_DEPTH`].
pub const TOO_DEEP: &str = "[nested too deeply]";

/// Writes JSON into a buffer it borrows.
///
/// ```
/// use watchpost_sentry::wire::json::JsonWriter;
///
/// let mut out = Vec::new();
/// let mut json = JsonWriter::new(&mut out);
/// json.begin_object();
/// json.key("name");
/// json.string("search \"docs\"");
/// json.key("count");
/// json.integer(3);
/// json.end_object();
/// assert_eq!(out, br#"{"name":"search \"docs\"","count":3}"#);
/// ```
#[derive(Debug)]
pub struct JsonWriter<'b> {
    out: &'b mut Vec<u8>,
    comma: bool,
}

impl<'b> JsonWriter<'b> {
    /// A writer that appends to `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) {
        self.separate();
        self.out.push(b'{');
        self.comma = false;
    }

    /// Closes an object.
    pub fn end_object(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    /// Opens an array.
    pub fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
        self.comma = false;
    }

    /// Closes an array.
    pub fn end_array(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    /// A member's key; its value is what is written next.
    pub fn key(&mut self, key: &str) {
        self.separate();
        write_string(self.out, key);
        self.out.push(b':');
        self.comma = false;
    }

    /// A string, escaped where JSON demands it.
    pub fn string(&mut self, text: &str) {
        self.raw_value(|out| write_string(out, text));
    }

    /// A whole number.
    pub fn integer(&mut self, number: i64) {
        self.raw_value(|out| write_integer(out, number));
    }

    /// A whole number that is not negative.
    pub fn unsigned(&mut self, number: u64) {
        self.raw_value(|out| out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()));
    }

    /// A number in its shortest form that reads back the same; not finite is written as `null`.
    pub fn double(&mut self, number: f64) {
        self.raw_value(|out| write_double(out, number));
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, yes: bool) {
        self.raw_value(|out| write_boolean(out, yes));
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw_value(|out| out.extend_from_slice(b"null"));
    }

    /// Any value, to [`MAX_DEPTH`] levels.
    pub fn value(&mut self, value: &Value<'_>) {
        self.raw_value(|out| value.write_json(out));
    }

    /// One value that `write` appends as valid JSON.
    pub(super) fn raw_value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.separate();
        write(self.out);
        self.comma = true;
    }

    /// A member whose value is a string.
    pub(super) fn member(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// A member whose value is a string; `None` leaves it out.
    pub(super) fn member_some(&mut self, key: &str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.member(key, text.as_ref());
        }
    }

    /// A member whose value is a string; an empty one leaves it out.
    pub(super) fn member_filled(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.member(key, text);
        }
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
    }
}

/// Appends a JSON string with its quotes.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

pub(super) fn write_integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

pub(super) fn write_boolean(out: &mut Vec<u8>, yes: bool) {
    out.extend_from_slice(if yes { b"true" } else { b"false" });
}

/// Appends a value of `serde_json`, at most `depth` levels of arrays and objects.
pub(super) fn write_serde(out: &mut Vec<u8>, value: &serde_json::Value, depth: usize) {
    match value {
        serde_json::Value::Null => out.extend_from_slice(b"null"),
        serde_json::Value::Bool(yes) => write_boolean(out, *yes),
        // Writing to a `Vec` cannot fail. `Display` keeps any number, whatever features `serde_json` is built with.
        serde_json::Value::Number(number) => drop(write!(out, "{number}")),
        serde_json::Value::String(text) => write_string(out, text),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) if depth == 0 => write_string(out, TOO_DEEP),
        serde_json::Value::Array(values) => {
            write_array(out, values.iter(), |out, value| write_serde(out, value, depth - 1));
        }
        serde_json::Value::Object(members) => {
            out.push(b'{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_serde(out, value, depth - 1);
            }
            out.push(b'}');
        }
    }
}

/// Appends `[…]`, each element written by `write`.
pub(super) fn write_array<T>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (i, element) in elements.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, element);
    }
    out.push(b']');
}

/// Appends the inside of a JSON string, for callers that have the quotes in the constants around it. Almost all text needs no
/// escape and is copied whole. JSON inside a string has one every few bytes: it is copied word by word, and what a word's first
/// escape makes wrong is taken back (4 instructions a byte; copying up to each escape took five times that).
pub(super) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    if rest.len() < 2 * BLOCK && !has_escape(rest) {
        out.extend_from_slice(rest);
        return;
    }
    out.reserve(rest.len() + rest.len() / 8);
    while rest.len() >= WORD {
        let plain = plain_blocks(rest);
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        // As long as there are escapes: blocks are asked again once a block's worth of words had none.
        let mut plain_words = 0;
        while plain_words < BLOCK / WORD
            && let Some((word, behind)) = rest.split_first_chunk::<WORD>()
        {
            out.extend_from_slice(word);
            let found = escapes(*word);
            if found == 0 {
                plain_words += 1;
                rest = behind;
            } else {
                let plain = found.trailing_zeros() as usize / 8;
                out.truncate(out.len() - WORD + plain);
                write_escape(out, word[plain]);
                plain_words = 0;
                rest = &rest[plain + 1..];
            }
        }
    }
    for &byte in rest {
        if must_escape(byte) { write_escape(out, byte) } else { out.push(byte) }
    }
}

/// Text is looked at in blocks of so many bytes, and in words of so many.
const BLOCK: usize = 32;
const WORD: usize = 8;

/// How many bytes at the beginning are whole blocks without any escape.
fn plain_blocks(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    // A vector comparison.
    let is_plain = |block: &&[u8; BLOCK]| !block.iter().fold(false, |any, byte| any | must_escape(*byte));
    blocks.iter().take_while(is_plain).count() * BLOCK
}

/// Whether any byte must be escaped, a word at a time. The last word overlaps the one before it, so that only text
/// shorter than four bytes is looked at byte by byte.
fn has_escape(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk() {
        let (words, _) = text.as_chunks();
        return words.iter().fold(escapes(*last), |found, word| found | escapes(*word)) != 0;
    }
    if let (Some(&[a, b, c, d]), Some(&[e, f, g, h])) = (text.first_chunk(), text.last_chunk()) {
        return escapes([a, b, c, d, e, f, g, h]) != 0;
    }
    text.iter().any(|&byte| must_escape(byte))
}

/// Not zero if one of eight bytes must be escaped: is below 0x20, `"` or `\\`. The lowest bit set is the high bit of the first
/// of them; those above it say nothing. Source: "Bit Twiddling Hacks" ("Determine if a word has a zero byte").
const fn escapes(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let word = u64::from_le_bytes(bytes);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    (below | zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64))) & (ONES * 0x80)
}

const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends a byte that must be escaped.
fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match short_escape(byte) {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

/// What stands behind the backslash of a byte that has an escape of two bytes.
const fn short_escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        0x08 => Some(b'b'),
        0x0c => Some(b'f'),
        _ => None,
    }
}
