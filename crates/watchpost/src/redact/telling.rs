//! Where in a text a secret can begin: a few rare bytes, compared sixteen at once, and of these only the ones that what stands
//! beside them does not clear. Hot path: of clean JSON nearly all is cleared here; measured by `examples/span_cost.rs`.

use super::{key::follows_harmless_word, pair, token, url};

/// Shorter texts hold no secret that a rule could find (`pwd=ab`).
pub(super) const SHORTEST: usize = 6;
/// How many bytes are compared at once: the compiler makes vector comparisons of this, at 2 instructions a byte.
const BLOCK: usize = 16;

/// Where the bytes stand that can be part of a secret's beginning, by themselves and by what stands beside them.
#[derive(Clone, Copy, Default)]
pub(super) struct TellingBytes<'a> {
    all: &'a [u8],
    /// What is not yet looked at.
    rest: &'a [u8],
    /// A byte that is not zero for each byte, not yet told, that is telling by itself, of the eight bytes that begin at `at`.
    pending: u64,
    at: usize,
    /// The same of the eight bytes behind them.
    later: u64,
}

impl<'a> TellingBytes<'a> {
    /// The first such byte of a text and an iterator over the others; `None` for most texts.
    #[inline]
    pub(super) fn first_of(text: &'a str) -> Option<(usize, Self)> {
        let bytes = text.as_bytes();
        if bytes.len() < SHORTEST || bytes.len() <= BLOCK && is_short_and_clean(bytes) {
            return None;
        }
        let mut telling = Self { all: bytes, rest: bytes, ..Self::default() };
        telling.next().map(|first| (first, telling))
    }
}

impl Iterator for TellingBytes<'_> {
    type Item = usize;

    /// Works on copies, which stay in registers.
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a block")]
    fn next(&mut self) -> Option<usize> {
        let Self { all, mut rest, mut pending, mut at, mut later } = *self;
        loop {
            while pending != 0 {
                let here = at + pending.trailing_zeros() as usize / 8;
                pending &= pending - 1;
                if may_tell(all, here) {
                    *self = Self { all, rest, pending, at, later };
                    return Some(here);
                }
            }
            if later != 0 {
                (pending, later) = (later, 0);
                at += BLOCK / 2;
                continue;
            }
            at = all.len() - rest.len();
            let telling = if let Some(window) = rest.first_chunk::<{ BLOCK + 1 }>() {
                let ([here @ .., _], [_, after @ ..]) = (window, window);
                rest = &rest[BLOCK..];
                telling(here, after)
            } else if rest.is_empty() {
                *self = Self { all, rest, pending, at, later };
                return None;
            } else {
                let count = rest.len();
                rest = &[];
                telling_of_last(all, count)
            };
            (pending, later) = (telling as u64, (telling >> 64) as u64);
        }
    }
}

/// Whether a text of 1 to 16 bytes has no telling byte, as most names and ids: told without an iterator's state.
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a block")]
fn is_short_and_clean(bytes: &[u8]) -> bool {
    let telling = telling_of_last(bytes, bytes.len());
    let tells = |mut telling: u64, at: usize| {
        while telling != 0 {
            if may_tell(bytes, at + telling.trailing_zeros() as usize / 8) {
                return true;
            }
            telling &= telling - 1;
        }
        false
    };
    !tells(telling as u64, 0) && !tells((telling >> 64) as u64, BLOCK / 2)
}

/// [`telling`] of the last `count` of `bytes`, 1 to 16.
fn telling_of_last(bytes: &[u8], count: usize) -> u128 {
    let last = last_bytes(bytes, count);
    telling(&last.to_le_bytes(), &(last >> 8).to_le_bytes())
}

/// The last `count` of `bytes`, 1 to 16, or all when they are less than 16, and zeros behind them.
fn last_bytes(bytes: &[u8], count: usize) -> u128 {
    let unused = 8 * (BLOCK - count);
    if let Some(last) = bytes.last_chunk() {
        return u128::from_le_bytes(*last) >> unused;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | (u128::from(last) << 64) >> unused;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(u64::from(first) | (u64::from(last) << 32) >> (unused - 64));
    }
    bytes.iter().rev().fold(0, |last, byte| last << 8 | u128::from(*byte))
}

/// A byte that is not zero for each byte of `here` that is telling, followed by the byte of `after`.
fn telling(here: &[u8; BLOCK], after: &[u8; BLOCK]) -> u128 {
    let mut telling = [0; BLOCK];
    for (telling, (here, after)) in telling.iter_mut().zip(here.iter().zip(after)) {
        *telling = u8::from(is_telling(*here, *after));
    }
    u128::from_le_bytes(telling)
}

/// Without a branch: of a `matches!` the compiler makes no vector comparisons. A `b` tells only before an `e` or `a`; `I` and `J`
/// are compared at once, with their neighbours.
const fn is_telling(byte: u8, after: u8) -> bool {
    (byte == b':')
        | (byte == b'=')
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'.')
        | (byte | 0x03 == b'K')
        | (byte | 0x20 == b'b') & (after | 0x24 == b'e')
}

/// Whether what stands beside a telling byte is such that it may begin a secret; most is not.
#[inline(always)]
fn may_tell(bytes: &[u8], at: usize) -> bool {
    if bytes[at] == b':' {
        return !(follows_harmless_word(bytes, at) || pair::follows_harmless_key(bytes, at))
            || url::has_slashes(bytes, at);
    }
    let before = if at == 0 { 0 } else { bytes[at - 1] };
    let after = bytes.get(at + 1).copied().unwrap_or_default();
    let parts = TELLING[usize::from(bytes[at])] & BEFORE[usize::from(before)] & AFTER[usize::from(after)];
    if parts == 0 {
        return false;
    }
    match parts {
        UNDERSCORE => token::UNDERSCORE.may_end(bytes, at),
        DOT => token::DOT.may_end(bytes, at),
        DASH => before == b'-' || token::DASH.may_end(bytes, at),
        _ => true,
    }
}

/// What a telling byte can be part of.
const PAIR: u8 = 1;
/// A vendor's prefix, or the two dashes of a flag.
const DASH: u8 = 1 << 1;
/// A line of dashes.
const DASHES: u8 = 1 << 2;
const UNDERSCORE: u8 = 1 << 3;
const DOT: u8 = 1 << 4;
const CAPITAL_I: u8 = 1 << 5;
const WEB_TOKEN: u8 = 1 << 6;
const SCHEME: u8 = 1 << 7;

/// What each byte can be part of as a telling one.
const TELLING: [u8; 256] = table(&[
    (b":=", PAIR),
    (b"-", DASH | DASHES),
    (b"_", UNDERSCORE),
    (b".", DOT),
    (b"I", CAPITAL_I),
    (b"J", WEB_TOKEN),
    (b"Bb", SCHEME),
]);
/// What each byte can stand before the telling byte of.
const BEFORE: [u8; 256] = {
    let mut before = table(&[(b"-", DASH), (b"KSA", CAPITAL_I), (b"y", WEB_TOKEN), (b"nrt", SCHEME)]);
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte as u8;
        before[byte] |= PAIR | DASHES;
        if !ascii.is_ascii_alphanumeric() {
            before[byte] |= SCHEME;
        }
        if byte < 128 {
            let ends = [(&token::DASH, DASH), (&token::UNDERSCORE, UNDERSCORE), (&token::DOT, DOT)];
            let mut end = 0;
            while end < ends.len() {
                let (prefixes, part) = ends[end];
                if prefixes.second_last[byte] != 0 {
                    before[byte] |= part;
                }
                end += 1;
            }
        }
        byte += 1;
    }
    before
};
/// What each byte can stand behind the telling byte of.
const AFTER: [u8; 256] = {
    let mut after = table(&[(b"-", DASHES), (b"Az", CAPITAL_I), (b"eEaA", SCHEME)]);
    let mut byte = 0;
    while byte < 256 {
        after[byte] |= PAIR;
        if pair::is_key_byte(byte as u8) {
            after[byte] |= DASH | UNDERSCORE | DOT | WEB_TOKEN;
        }
        byte += 1;
    }
    after
};

/// The parts of each byte, from rows of bytes and their parts.
const fn table(rows: &[(&[u8], u8)]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut row = 0;
    while row < rows.len() {
        let (bytes, parts) = rows[row];
        let mut at = 0;
        while at < bytes.len() {
            table[bytes[at] as usize] |= parts;
            at += 1;
        }
        row += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_those_at_the_end_and_then_zeros() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 1..=bytes.len() {
            let text = &bytes[..length];
            for count in 1..=length.min(BLOCK) {
                // A text of less than a block is looked at as a whole.
                if length >= BLOCK || count == length {
                    let mut expected = [0; BLOCK];
                    expected[..count].copy_from_slice(&text[length - count..]);
                    assert_eq!(last_bytes(text, count).to_le_bytes(), expected, "{count} of {length}");
                }
            }
        }
    }
}
