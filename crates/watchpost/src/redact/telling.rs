//! Where in a text a secret can begin: a few rare bytes, compared many at once, and of these only the ones that what stands
//! beside them does not clear. Hot path: of clean JSON nearly all is cleared here; measured by `examples/span_cost.rs`.

use super::{key::follows_harmless_word, pair, token, url};
use crate::lanes::{BLOCK, bits_of};

/// Shorter texts hold no secret that a rule could find (`pwd=ab`).
pub(super) const SHORTEST: usize = 6;
/// Up to this length, comparing many bytes at once takes longer than one after the other.
const SHORT: usize = 16;

/// Where the bytes stand that can be part of a secret's beginning, by themselves and by what stands beside them.
#[derive(Clone, Copy, Default)]
pub(super) struct TellingBytes<'a> {
    all: &'a [u8],
    /// Up to where was looked.
    end: usize,
    /// A bit for each byte that is telling by itself and not yet told, of the bytes that begin at `at`.
    pending: u64,
    at: usize,
}

impl<'a> TellingBytes<'a> {
    /// The first such byte of a text and an iterator over the others; `None` for most texts.
    #[inline]
    pub(super) fn first_of(text: &'a str) -> Option<(usize, Self)> {
        let bytes = text.as_bytes();
        if bytes.len() < SHORTEST || bytes.len() <= SHORT && is_short_and_clean(bytes) {
            return None;
        }
        let mut telling = Self { all: bytes, ..Self::default() };
        telling.next().map(|first| (first, telling))
    }

    /// Those at `from` and behind it.
    pub(super) fn from(text: &'a str, from: usize) -> Self {
        Self { all: text.as_bytes(), end: from, ..Self::default() }
    }
}

impl Iterator for TellingBytes<'_> {
    type Item = usize;

    /// Works on copies, which stay in registers.
    #[inline(never)]
    fn next(&mut self) -> Option<usize> {
        let Self { all, mut end, mut pending, mut at } = *self;
        loop {
            while pending != 0 {
                let here = at + pending.trailing_zeros() as usize;
                pending &= pending - 1;
                if may_tell(all, here) {
                    *self = Self { all, end, pending, at };
                    return Some(here);
                }
            }
            at = end;
            let rest = &all[at..];
            if let Some(block) = rest.first_chunk() {
                pending = telling_of_block(block);
                end += BLOCK;
            } else if rest.is_empty() {
                *self = Self { all, end, pending, at };
                return None;
            } else {
                pending = telling_of_rest(rest);
                end = all.len();
            }
        }
    }
}

/// Whether a short text has no telling byte, as most names and ids.
#[inline(never)]
fn is_short_and_clean(bytes: &[u8]) -> bool {
    // Apart, so that the loop over what is not telling by itself stays short.
    #[inline(never)]
    fn tells(bytes: &[u8], at: usize) -> bool {
        may_tell(bytes, at)
    }
    bytes.iter().enumerate().all(|(at, byte)| TELLING[usize::from(*byte)] == 0 || !tells(bytes, at))
}

/// A bit for each telling byte of a block, given with the byte behind it.
fn telling_of_block(block: &[u8; BLOCK + 1]) -> u64 {
    let ([here @ .., _], [_, after @ ..]) = (block, block);
    let mut telling = [0; BLOCK];
    for (telling, (here, after)) in telling.iter_mut().zip(here.iter().zip(after)) {
        *telling = u8::from(is_telling(*here, *after));
    }
    bits_of(&telling)
}

/// The same of the last bytes of a text, at most a block.
#[inline(never)]
fn telling_of_rest(rest: &[u8]) -> u64 {
    let mut block = [0; BLOCK + 1];
    block[..rest.len()].copy_from_slice(rest);
    telling_of_block(&block)
}

/// Without a branch: of a `matches!` the compiler makes no vector comparisons. A `b` tells only before an `e` or `a`; `-` and `=`
/// are compared at once, and `I` and `J`, with their neighbours.
const fn is_telling(byte: u8, after: u8) -> bool {
    (byte == b':')
        | (byte == b'.')
        | (byte == b'_')
        | (byte | 0x10 == b'=')
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
