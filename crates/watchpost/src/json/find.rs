//! Searches for the few bytes that structure JSON: eight bytes at a time in a `u64`, without `unsafe`.
//! Source: the classic "has a zero byte" trick (Bit Twiddling Hacks); its lowest hit is exact.

use memchr::memchr2;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Bytes searched by hand before `memchr` takes over: its set-up costs more than this search, and most strings, and
/// most stretches between escapes, are shorter.
const SHORT: usize = 32;

/// Marks the high bit of each byte that equals `needle`; above the lowest such byte there may be false marks.
const fn marks(word: u64, needle: u8) -> u64 {
    let difference = word ^ (ONES * needle as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The first quote or backslash of a few bytes.
#[inline]
pub(crate) fn quote_or_backslash_in(bytes: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(bytes);
    let found = marks(word, b'"') | marks(word, b'\\');
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The first quote or backslash.
#[inline]
pub(crate) fn find_quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < SHORT {
        let Some(word) = word(&bytes[at..]) else {
            let rest = bytes[at..].iter().position(|&byte| byte == b'"' || byte == b'\\');
            return rest.map(|found| at + found);
        };
        let found = marks(word, b'"') | marks(word, b'\\');
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', &bytes[at..]).map(|found| at + found)
}

/// The first quote or bracket.
#[inline]
pub(crate) fn find_quote_or_bracket(bytes: &[u8]) -> Option<usize> {
    const LOWER: u64 = ONES * 0x20;
    let mut at = 0;
    while let Some(word) = word(&bytes[at..]) {
        // `[` and `{`, `]` and `}` differ in one bit.
        let folded = word | LOWER;
        let found = marks(word, b'"') | marks(folded, b'{') | marks(folded, b'}');
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
    rest.map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_bytes_is_found(bytes in prop::collection::vec(prop_oneof![9 => any::<u8>(), 1 => prop::sample::select(&b"\"\\[]{}!#\x7b\xdb\xa2\x02"[..])], 0..100)) {
            prop_assert_eq!(find_quote_or_backslash(&bytes), bytes.iter().position(|byte| b"\"\\".contains(byte)));
            prop_assert_eq!(find_quote_or_bracket(&bytes), bytes.iter().position(|byte| b"\"[]{}".contains(byte)));
        }
    }
}
