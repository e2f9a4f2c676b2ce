//! The scan over a text: one pass from one telling byte to the next, asking only the rules that such a byte can begin.
//! Hot path: it runs over every string of every event, at about 0.3 ns a byte; measured by `examples/export_cost.rs`.

use std::{borrow::Cow, ops::Range};

use super::{MARKER, key::follows_whole_key, pair, run::Runs, token, url};

/// Shorter texts hold no secret that a rule could find (`pwd=ab`).
const SHORTEST: usize = 6;

/// Passes over a text that held a secret until it must be clean; each pass ends more words.
const MAX_REPEATS: usize = 8;

/// A secret: where it stands, and the quotes the marker needs to take its place in JSON.
pub(super) struct Finding<'a> {
    pub(super) range: Range<usize>,
    pub(super) quote: &'a str,
}

impl From<Range<usize>> for Finding<'_> {
    fn from(range: Range<usize>) -> Self {
        Self { range, quote: "" }
    }
}

/// `text` with every secret replaced by [`MARKER`]; borrowed when there is none.
///
/// Running it again changes nothing.
#[must_use]
pub fn redact_text(text: &str) -> Cow<'_, str> {
    let Some(mut clean) = replace_secrets(text) else { return Cow::Borrowed(text) };
    // A marker ends the word it stands in, which can bring out a key glued to a secret: `AKIA…password=…`.
    for _ in 0..MAX_REPEATS {
        let Some(cleaner) = replace_secrets(&clean) else { break };
        clean = cleaner;
    }
    Cow::Owned(clean)
}

/// One pass; `None` when there is no secret.
fn replace_secrets(text: &str) -> Option<String> {
    let mut findings = Findings::of(text);
    let mut current = findings.next()?;
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    for finding in findings {
        // A secret may begin inside another (`token=Bearer …`, `secret=-----BEGIN …`): both go, to the later end.
        if finding.range.start <= current.range.end {
            current.range.start = current.range.start.min(finding.range.start);
            current.range.end = current.range.end.max(finding.range.end);
        } else {
            copied = replace(text, copied, &current, &mut clean);
            current = finding;
        }
    }
    copied = replace(text, copied, &current, &mut clean);
    clean.push_str(text.get(copied..).unwrap_or_default());
    Some(clean)
}

fn replace(text: &str, copied: usize, finding: &Finding<'_>, clean: &mut String) -> usize {
    clean.push_str(text.get(copied..finding.range.start).unwrap_or_default());
    clean.push_str(finding.quote);
    clean.push_str(MARKER);
    clean.push_str(finding.quote);
    finding.range.end
}

/// Whether `text` holds a secret.
pub(super) fn holds_secret(text: &str) -> bool {
    Findings::of(text).next().is_some()
}

/// What one pass over the text of a JSON value tells.
pub(super) struct Scan {
    pub(super) holds_secret: bool,
    /// Whether one of the keys stands in it that are secrets as a whole; not known when it holds another secret.
    pub(super) has_whole_key: bool,
}

/// Looks through the text of a JSON value.
pub(super) fn scan_json(text: &str) -> Scan {
    let mut findings = Findings::of(text);
    Scan { holds_secret: findings.next().is_some(), has_whole_key: findings.has_whole_key }
}

/// All findings of a text, in the order of their telling bytes; they may overlap.
struct Findings<'a> {
    text: &'a str,
    telling: TellingBytes<'a>,
    runs: Runs,
    has_whole_key: bool,
}

impl<'a> Findings<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, telling: TellingBytes::of(text.as_bytes()), runs: Runs::default(), has_whole_key: false }
    }
}

impl<'a> Iterator for Findings<'a> {
    type Item = Finding<'a>;

    fn next(&mut self) -> Option<Finding<'a>> {
        let Self { text, telling, runs, has_whole_key } = self;
        let bytes = text.as_bytes();
        if bytes.len() < SHORTEST {
            return None;
        }
        loop {
            let at = telling.next()?;
            let next = bytes.get(at + 1).copied().unwrap_or_default();
            let finding = match bytes[at] {
                // `://` and, escaped, `:\/\/` may begin a URL.
                b':' if !matches!(next, b'/' | b'\\') && pair::follows_harmless_key(bytes, at) => None,
                b':' => {
                    *has_whole_key |= follows_whole_key(bytes, at);
                    url::user_information(text, at).map(Finding::from).or_else(|| pair::value(text, at, runs))
                }
                b'=' => pair::value(text, at, runs),
                b'-' => token::vendor_token(bytes, at, runs)
                    .or_else(|| if next == b'-' { token::private_key(text, at, runs) } else { None })
                    .or_else(|| pair::flag_value(text, at, runs))
                    .map(Finding::from),
                b'_' | b'.' | b'I' => token::vendor_token(bytes, at, runs).map(Finding::from),
                b'J' => token::json_web_token(bytes, at, runs).map(Finding::from),
                // `Bearer`, `Basic`
                _ if !matches!(next, b'e' | b'E' | b'a' | b'A') => None,
                _ => token::scheme_credential(bytes, at).map(Finding::from),
            };
            if finding.is_some() {
                return finding;
            }
        }
    }
}

/// How many bytes are compared at once: the compiler makes vector comparisons of this, at 2 instructions a byte.
const BLOCK: usize = 16;

/// Where the bytes stand that can be part of a secret's beginning.
struct TellingBytes<'a> {
    rest: &'a [u8],
    /// Where the block stands that is looked at, and a byte that is not zero for each of its telling bytes not yet told.
    block: usize,
    pending: u128,
    /// Where `rest` begins.
    next: usize,
}

impl<'a> TellingBytes<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, block: 0, pending: 0, next: 0 }
    }

    fn look_at(block: &[u8; BLOCK]) -> u128 {
        let mut telling = [0; BLOCK];
        for (telling, byte) in telling.iter_mut().zip(block) {
            *telling = u8::from(is_telling(*byte));
        }
        u128::from_le_bytes(telling)
    }
}

impl Iterator for TellingBytes<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.pending == 0 {
            self.block = self.next;
            if let Some((block, rest)) = self.rest.split_first_chunk() {
                self.pending = Self::look_at(block);
                self.rest = rest;
                self.next += BLOCK;
            } else if self.rest.is_empty() {
                return None;
            } else {
                let mut block = [0; BLOCK];
                block[..self.rest.len()].copy_from_slice(self.rest);
                self.pending = Self::look_at(&block);
                self.rest = &[];
            }
        }
        let at = self.block + self.pending.trailing_zeros() as usize / 8;
        self.pending &= self.pending - 1;
        Some(at)
    }
}

/// Without a branch: of a `matches!` the compiler makes no vector comparisons.
const fn is_telling(byte: u8) -> bool {
    (byte == b':')
        | (byte == b'=')
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'.')
        | (byte == b'I')
        | (byte == b'J')
        | (byte | 0x20 == b'b')
}
