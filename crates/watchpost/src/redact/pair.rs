//! Secrets announced by a name beside them: `password=…`, `"api_key": "…"`, `Authorization: …`, `--token …`.
//! JSON inside strings is understood too, so that `{\"password\":\"…\"}` stays valid when its value is replaced.

use std::ops::Range;

use super::{
    MARKER,
    key::{KeyClass, classify_key, seconds_of},
    run::{Run, Runs},
    text::Finding,
    token::looks_random,
};

/// Longest key looked back for, in bytes.
const MAX_KEY: usize = 64;
/// Most spaces and signs between a key and its separator.
const MAX_GAP: usize = 16;

/// Unquoted values that say something about the secret instead of being it.
#[rustfmt::skip]
const PROSE: &[&str] = &[
    "a", "an", "any", "bool", "boolean", "can", "cannot", "does", "empty", "expired", "false", "field", "has", "incorrect", "int",
    "integer", "invalid", "is", "missing", "must", "nil", "no", "none", "not", "null", "number", "optional", "required", "should", "str",
    "string", "the", "too", "true", "undefined", "unknown", "value", "was", "wrong", "yes",
];

/// The value beside the `:` or `=` at `at`, when the key before it names a secret.
pub(super) fn value<'a>(text: &'a str, at: usize, runs: &mut Runs) -> Option<Finding<'a>> {
    let bytes = text.as_bytes();
    let key = Key::before(text, at)?;
    let class = key.class(bytes[at] == b'=')?;
    let start = skip_to_value(bytes, at + 1, bytes[at])?;
    let is_filtered = |value: &[u8]| value.starts_with(MARKER.as_bytes());
    if is_filtered(&bytes[start..]) {
        return None;
    }

    if let Some(quote) = opening_quote(text, start) {
        let inner_start = start + quote.len();
        let inner = inner_start..closing_quote(bytes, inner_start, quote).unwrap_or(bytes.len());
        let content = &bytes[inner.clone()];
        let is_secret = match class {
            KeyClass::Strong | KeyClass::Header => true,
            KeyClass::Weak => !key.quote.is_empty() || bytes[at] == b'=' || looks_random(content),
        };
        return (is_secret && !content.is_empty() && !is_filtered(content)).then(|| inner.into());
    }
    let is_json = !key.quote.is_empty();
    let end = if is_json && matches!(bytes[start], b'{' | b'[') {
        runs.end(Run::Structure, start, || end_of_structure(bytes, start, key.quote))
    } else {
        end_of_plain(bytes, start, class, runs)
    };
    let range = trim_end(bytes, start..end);
    let content = &text[range.clone()];
    let is_number = content.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let is_secret = match class {
        KeyClass::Strong | KeyClass::Header => true,
        KeyClass::Weak if bytes[at] == b'=' => true,
        KeyClass::Weak if is_json => !is_number,
        KeyClass::Weak => looks_random(content.as_bytes()),
    };
    let is_prose = PROSE.iter().any(|word| word.eq_ignore_ascii_case(content));
    (is_secret && !range.is_empty() && !is_prose).then_some(Finding { range, quote: key.quote })
}

/// No key has such a byte; never the second letter of a pair.
const NO_KEY_BYTE: u32 = 1;
/// The second letters of the pairs by each byte, as bits by their last five bits, or [`NO_KEY_BYTE`].
const SECONDS: [u32; 256] = {
    let mut seconds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        seconds[byte] = if is_key_byte(byte as u8) { seconds_of(byte as u8) } else { NO_KEY_BYTE };
        byte += 1;
    }
    seconds
};

/// Whether what stands before the `:` at `at` is a key that surely names no secret, so that [`value`] has nothing to find: by
/// far the most are, and are told by their letters in one pass backwards.
#[inline(always)]
pub(super) fn follows_harmless_key(bytes: &[u8], at: usize) -> bool {
    let floor = at.saturating_sub(MAX_KEY);
    let mut end = at;
    if end > floor && matches!(bytes[end - 1], b'"' | b'\'' | b'`') {
        end -= 1;
        while end > floor && bytes[end - 1] == b'\\' {
            end -= 1;
        }
    }
    let (mut has_pair, mut after) = (0, 0);
    for &byte in bytes[floor..end].iter().rev() {
        let seconds = SECONDS[usize::from(byte)];
        if seconds & NO_KEY_BYTE != 0 {
            // Behind a gap or an index there may be a key yet.
            return has_pair & 1 == 0 && (after != 0 || !matches!(byte, b' ' | b']'));
        }
        has_pair |= seconds.wrapping_shr(after);
        after = u32::from(byte);
    }
    // A key that goes on before the floor is for `value` to judge.
    has_pair & 1 == 0 && floor == 0
}

/// The value of a command line flag, `--password VALUE`, whose second dash stands at `at`.
pub(super) fn flag_value(text: &str, at: usize, runs: &mut Runs) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if at == 0 || bytes[at - 1] != b'-' {
        return None;
    }
    let name = bytes[at + 1..].iter().take(MAX_KEY).take_while(|byte| is_key_byte(**byte)).count();
    let start = at + 1 + name + 1;
    if bytes.get(start - 1) != Some(&b' ') || classify_key(text.get(at + 1..start - 1)?).is_none() {
        return None;
    }
    let end = end_of_plain(bytes, start, KeyClass::Strong, runs);
    let content = &bytes[start..end];
    (!content.is_empty() && !content.starts_with(b"-") && !bytes[start..].starts_with(MARKER.as_bytes()))
        .then_some(start..end)
}

/// What stands before a separator.
struct Key<'a> {
    /// The last word; of `API key` and `access token` both words.
    words: &'a str,
    /// Whether its first letter may be the end of an escape: `\npassword`.
    follows_backslash: bool,
    /// The quotes around the key, with their backslashes; empty when there are none.
    quote: &'a str,
}

impl<'a> Key<'a> {
    fn before(text: &'a str, at: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut end = at;
        while end > at.saturating_sub(MAX_GAP)
            && (bytes[end - 1] == b' ' || bytes[at] == b'=' && matches!(bytes[end - 1], b':' | b'='))
        {
            end -= 1;
        }
        // `headers["authorization"] = …`
        end -= usize::from(end > 0 && bytes[end - 1] == b']');
        let quote_end = end;
        if end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'`') {
            end -= 1;
            while end > at.saturating_sub(MAX_KEY) && bytes[end - 1] == b'\\' {
                end -= 1;
            }
        }
        let quote = text.get(end..quote_end)?;
        let floor = end.saturating_sub(MAX_KEY);
        let word_start =
            |end: usize| end - bytes[floor..end].iter().rev().take_while(|byte| is_key_byte(**byte)).count();
        let mut start = word_start(end);
        if start == end {
            return None;
        }
        // The user of a URL is no key: `https://x-token-auth:…@host`.
        if bytes[..start].ends_with(b"//") || bytes[..start].ends_with(b"\\/") {
            return None;
        }
        let is_qualified = ["key", "keys", "token", "tokens"]
            .iter()
            .any(|word| bytes[start..end].eq_ignore_ascii_case(word.as_bytes()));
        if is_qualified && start > floor && bytes[start - 1] == b' ' {
            start = word_start(start - 1);
        }
        let follows_backslash = start > 0 && bytes[start - 1] == b'\\';
        Some(Self { words: text.get(start..end)?, follows_backslash, quote })
    }

    fn class(&self, is_assignment: bool) -> Option<KeyClass> {
        let behind_escape = || self.words.strip_prefix(['n', 'r', 't']).filter(|_| self.follows_backslash);
        classify_key(self.words).or_else(|| behind_escape().and_then(classify_key)).or_else(|| {
            // The signature of a presigned URL is a credential; a "signature:" in prose is not.
            let is_signature = self.words == "sig" || self.words.ends_with("Signature");
            (is_assignment && is_signature).then_some(KeyClass::Weak)
        })
    }
}

pub(super) const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// From behind the separator to the value: spaces, the rest of `==` and `=>`, and a line break before a quoted value; all of
/// them as JSON escapes too.
fn skip_to_value(bytes: &[u8], from: usize, separator: u8) -> Option<usize> {
    let mut at = from;
    let rest = &bytes[at..];
    // `a::b`, `a := b` (the `=` has its turn) and `scheme://…` (the URL rule has).
    if separator == b':' && [&b":"[..], b"=", b"//", b"\\/"].iter().any(|no_value| rest.starts_with(no_value)) {
        return None;
    }
    while matches!(bytes.get(at), Some(b'=' | b'>')) {
        at += 1;
    }
    at = skip_space(bytes, at, b" \t", b"t");
    let line_end = at;
    at = skip_space(bytes, at, b" \t\r\n", b"trn");
    let value = *bytes.get(at)?;
    (at == line_end || matches!(value, b'"' | b'{' | b'[')).then_some(at)
}

/// From `at` to behind the bytes of `plain` and those of `escaped` behind backslashes.
fn skip_space(bytes: &[u8], mut at: usize, plain: &[u8], escaped: &[u8]) -> usize {
    loop {
        let backslashes = bytes[at..].iter().take(MAX_GAP).take_while(|byte| **byte == b'\\').count();
        let set = if backslashes == 0 { plain } else { escaped };
        if !bytes.get(at + backslashes).is_some_and(|byte| set.contains(byte)) {
            return at;
        }
        at += backslashes + 1;
    }
}

/// The quote at `start` with its backslashes, if there is one.
fn opening_quote(text: &str, start: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let backslashes = bytes[start..].iter().take_while(|byte| **byte == b'\\').count();
    let quote = start + backslashes;
    matches!(bytes.get(quote), Some(b'"' | b'\'' | b'`')).then(|| text.get(start..=quote)).flatten()
}

/// How a quote behind a run of backslashes reads to a string whose own quotes have `level` backslashes (0 in JSON, 1 in
/// JSON inside a JSON string, 3 inside two).
#[derive(PartialEq, Eq)]
enum QuoteSign {
    /// An escaped quote: part of the string.
    Inside,
    /// The string's own quote.
    Own,
    /// A quote of a string around this one, with so many backslashes of its own.
    Outer(usize),
}

impl QuoteSign {
    const fn of(run: usize, level: usize) -> Self {
        let rest = run % (2 * level + 2);
        if rest == 2 * level + 1 {
            Self::Inside
        } else if rest == level {
            Self::Own
        } else {
            Self::Outer(run % 2)
        }
    }
}

/// Where the quote that closes `quote` begins: its own kind, or that of a string around it.
fn closing_quote(bytes: &[u8], from: usize, quote: &str) -> Option<usize> {
    let (&sign, backslashes) = quote.as_bytes().split_last()?;
    let level = backslashes.len();
    let mut run = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        if *byte == sign {
            match QuoteSign::of(run, level) {
                QuoteSign::Inside => {}
                QuoteSign::Own => return Some(at - level),
                QuoteSign::Outer(own) => return Some(at - own),
            }
        }
        run = if *byte == b'\\' { run + 1 } else { 0 };
    }
    None
}

/// Where the object or array that begins at `start` ends, in JSON whose strings have `quote`; the end of the text, or of
/// the string around it, when it is cut off.
fn end_of_structure(bytes: &[u8], start: usize, quote: &str) -> usize {
    let level = quote.len() - 1;
    let (mut depth, mut in_string, mut run) = (0_usize, false, 0);
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'"' => match QuoteSign::of(run, level) {
                QuoteSign::Inside if in_string => {}
                QuoteSign::Inside | QuoteSign::Own => in_string = !in_string,
                QuoteSign::Outer(own) => return at - own,
            },
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        run = if *byte == b'\\' { run + 1 } else { 0 };
    }
    bytes.len()
}

/// Where an unquoted value ends: at a separator, or for a header at the end of its line or quotes.
fn end_of_plain(bytes: &[u8], start: usize, class: KeyClass, runs: &mut Runs) -> usize {
    let mut from = start;
    // `token=Bearer …`: the scheme's credential belongs to the value.
    let scheme = bytes[from..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if is_scheme(&bytes[from..from + scheme]) && bytes.get(from + scheme) == Some(&b' ') {
        from += scheme + 1;
    }
    let ends = |at: usize| match bytes[at] {
        b'\n' | b'\r' | b'"' | b'\'' | b'`' => true,
        b'\\' => matches!(bytes.get(at + 1), Some(b'"' | b'\'' | b'n' | b'r' | b't')),
        byte if class == KeyClass::Header => matches!(byte, b'}' | b'<'),
        byte => {
            byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'&' | b')' | b'}' | b']' | b'<' | b'>' | b'|')
        }
    };
    let run = if class == KeyClass::Header { Run::Line } else { Run::Plain };
    runs.end(run, from, || (from..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len()))
}

fn is_scheme(word: &[u8]) -> bool {
    [&b"bearer"[..], b"basic", b"token", b"apikey"].iter().any(|scheme| scheme.eq_ignore_ascii_case(word))
}

fn trim_end(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let length = bytes[range.clone()].trim_ascii_end().len();
    range.start..range.start + length
}
