//! The scan over a text: one pass from one telling byte to the next, asking only the rules that such a byte can begin.
//! Hot path: it runs over every string of every event; `tests/redact.rs` and the `mcp` benchmark guard its cost.

use std::{borrow::Cow, ops::Range};

use super::{MARKER, pair, token, url};

/// Shorter texts hold no secret that a rule could find (`pwd=ab`).
const SHORTEST: usize = 6;

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
    let Some(first) = next_secret(text, 0) else { return Cow::Borrowed(text) };
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    let mut finding = Some(first);
    while let Some(Finding { range, quote }) = finding {
        clean.push_str(text.get(copied..range.start).unwrap_or_default());
        clean.push_str(quote);
        clean.push_str(MARKER);
        clean.push_str(quote);
        copied = range.end;
        finding = next_secret(text, copied);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Whether `text` holds a secret.
pub(super) fn holds_secret(text: &str) -> bool {
    next_secret(text, 0).is_some()
}

/// The first secret that begins at `from` or later.
fn next_secret(text: &str, from: usize) -> Option<Finding<'_>> {
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST {
        return None;
    }
    let mut next = from;
    loop {
        let at = next_telling_byte(bytes, next)?;
        next = at + 1;
        let finding = match bytes[at] {
            b':' => url::user_information(text, at).map(Finding::from).or_else(|| pair::value(text, at)),
            b'=' => pair::value(text, at),
            b'-' => token::vendor_token(bytes, at)
                .or_else(|| token::private_key(text, at))
                .or_else(|| pair::flag_value(text, at))
                .map(Finding::from),
            b'_' | b'.' | b'I' => token::vendor_token(bytes, at).map(Finding::from),
            b'J' => token::json_web_token(bytes, at).map(Finding::from),
            _ => token::scheme_credential(bytes, at).map(Finding::from),
        };
        if let Some(finding) = finding.filter(|finding| finding.range.start >= from) {
            return Some(finding);
        }
    }
}

/// Where the next byte stands that can be part of a secret's beginning.
fn next_telling_byte(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // Sixteen bytes at a time: the compiler makes vector comparisons of this.
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        if block.iter().fold(false, |any, byte| any | is_telling(*byte)) {
            break;
        }
        at += block.len();
    }
    bytes.get(at..)?.iter().position(|byte| is_telling(*byte)).map(|offset| at + offset)
}

const fn is_telling(byte: u8) -> bool {
    matches!(byte, b':' | b'=' | b'-' | b'_' | b'.' | b'I' | b'J' | b'b' | b'B')
}
