//! Where an object or array ends: 64 bytes are looked at in one go, and of these only the brackets outside of strings one by one.
//! Source: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", §3.1.

use super::string_end;
use crate::lanes::{BLOCK, bits_where};

/// How long the object or array is that begins here, brackets included.
pub(super) fn container_length(json: &[u8]) -> Option<usize> {
    let mut state = State::default();
    let (blocks, _) = json.as_chunks();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(end) = state.pass(block) {
            return Some(number * BLOCK + end);
        }
    }
    state.pass_rest(json, blocks.len() * BLOCK)
}

/// What the bytes before say of those that follow.
#[derive(Default)]
struct State {
    depth: usize,
    /// All bits within a string, else none.
    in_string: u64,
    /// Whether the next byte is escaped.
    is_escaped: bool,
}

impl State {
    /// Goes over a block, up to behind the bracket that closes the first one, if it is in there.
    #[inline(always)]
    fn pass(&mut self, block: &[u8; BLOCK]) -> Option<usize> {
        let mut quotes = bits_where(block, |byte| byte == b'"');
        if self.is_escaped || block.iter().fold(false, |any, byte| any | (*byte == b'\\')) {
            quotes &= !self.escaped(block);
        }
        // From each quote that opens a string up to the one that closes it.
        let strings = parity(quotes) ^ self.in_string;
        self.in_string = if strings >> (BLOCK - 1) == 0 { 0 } else { u64::MAX };
        // `[` and `{`, `]` and `}` differ in one bit.
        let mut brackets = bits_where(block, |byte| (byte | 0x20 == b'{') | (byte | 0x20 == b'}')) & !strings;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            // Of the four, only those that open have this bit.
            self.depth = (self.depth + usize::from(block[at] & 2)).wrapping_sub(1);
            if self.depth == 0 {
                return Some(at + 1);
            }
            brackets &= brackets - 1;
        }
        None
    }

    /// A bit for each byte that a backslash escapes.
    #[inline(never)]
    fn escaped(&mut self, block: &[u8; BLOCK]) -> u64 {
        let mut escaped = u64::from(self.is_escaped);
        let mut backslashes = bits_where(block, |byte| byte == b'\\') & !escaped;
        self.is_escaped = false;
        while backslashes != 0 {
            let next = (backslashes & backslashes.wrapping_neg()) << 1;
            // The last byte of the block escapes the first one of the next.
            self.is_escaped = next == 0;
            escaped |= next;
            backslashes &= backslashes - 1;
            backslashes &= !next;
        }
        escaped
    }

    /// Goes on at `at` to the end, where there is no whole block: byte by byte, as there are few between strings.
    fn pass_rest(self, json: &[u8], mut at: usize) -> Option<usize> {
        let mut depth = self.depth;
        if self.in_string != 0 {
            at = string_end(json, at + usize::from(self.is_escaped))?.0;
        }
        loop {
            let class = CLASSES[usize::from(*json.get(at)?)];
            at += 1;
            match class {
                Class::Other => {}
                Class::Quote => at = string_end(json, at)?.0,
                Class::Open => depth += 1,
                Class::Close if depth == 1 => return Some(at),
                Class::Close => depth -= 1,
            }
        }
    }
}

/// A bit for each place up to which an odd number of bits is set.
const fn parity(bits: u64) -> u64 {
    let mut parity = bits;
    let mut distance = 1;
    while distance < u64::BITS {
        parity ^= parity << distance;
        distance *= 2;
    }
    parity
}

/// What a byte is outside of strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Quote,
    Open,
    Close,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    classes[b'"' as usize] = Class::Quote;
    classes[b'{' as usize] = Class::Open;
    classes[b'[' as usize] = Class::Open;
    classes[b'}' as usize] = Class::Close;
    classes[b']' as usize] = Class::Close;
    classes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::any_json, *};

    /// Said plainly.
    fn plain_length(json: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        for (at, byte) in json.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_string => is_escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_container_ends_where_its_first_bracket_is_closed(
            values in prop::collection::vec((any_json(), "(\\\\\\\\|\\\\\"|[a{}\\[\\]]){0,80}"), 0..8),
            behind in "[\\[\\]{}\",:\\\\ a]{0,80}",
            cut in 0..2_000_usize,
        ) {
            let values: Vec<_> = values.iter().map(|(value, text)| format!("{value},\"{text}\"")).collect();
            let json = format!("[{}]", values.join(","));
            let all = json.clone() + &behind;
            prop_assert_eq!(container_length(all.as_bytes()), Some(json.len()), "{}", all);
            let cut = &all.as_bytes()[..cut.min(all.len())];
            prop_assert_eq!(container_length(cut), plain_length(cut));
        }

        #[test]
        fn of_what_is_no_json_some_length_or_none_is_told(bytes in "[\\[{][\\[\\]{}\",:\\\\ a]{0,200}") {
            prop_assert!(container_length(bytes.as_bytes()).is_none_or(|length| length <= bytes.len()));
        }
    }
}
