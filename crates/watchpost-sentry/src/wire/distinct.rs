//! Keys set twice: the last one counts and each key is written once, whatever a reader would make of duplicates.
//! On the hot path of logs, so the usual case of no duplicate is decided without a hash map.

use std::{borrow::Cow, collections::HashMap};

/// Something with a key that must be unique among its neighbours.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

impl<T> Keyed for (Cow<'_, str>, T) {
    fn key(&self) -> &str {
        &self.0
    }
}

/// Up to here, comparing is cheaper than hashing.
const MAX_COMPARED: usize = 64;

/// Calls `visit` with each entry that no later entry replaces, in order.
pub(super) fn visit_distinct<T: Keyed>(entries: &[T], mut visit: impl FnMut(&T)) {
    if entries.len() <= MAX_COMPARED && !has_repeats(entries) {
        entries.iter().for_each(visit);
        return;
    }
    let last: HashMap<&str, usize> = entries.iter().enumerate().map(|(i, entry)| (entry.key(), i)).collect();
    for (i, entry) in entries.iter().enumerate() {
        if last.get(entry.key()) == Some(&i) {
            visit(entry);
        }
    }
}

/// Whether a key occurs twice. A Bloom filter of one hash spares comparing each key with all others.
fn has_repeats<T: Keyed>(entries: &[T]) -> bool {
    let mut seen = [0_u64; 16];
    for (i, entry) in entries.iter().enumerate() {
        let hash = hash(entry.key().as_bytes());
        let (word, bit) = (usize::from(hash >> 6), 1 << (hash & 63));
        if seen[word] & bit != 0 && entries[..i].iter().any(|earlier| earlier.key() == entry.key()) {
            return true;
        }
        seen[word] |= bit;
    }
    false
}

/// Ten bits from a key's length, start and end.
fn hash(key: &[u8]) -> u16 {
    let (start, end) = match (key.first_chunk(), key.last_chunk()) {
        (Some(start), Some(end)) => (u32::from_le_bytes(*start), u32::from_le_bytes(*end)),
        _ => (key.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)), 0),
    };
    let both = u64::from(start) << 32 | u64::from(end);
    let mixed = (both ^ (key.len() as u64) << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 54) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn visited(entries: &[(Cow<'_, str>, usize)]) -> Vec<usize> {
        let mut visited = Vec::new();
        visit_distinct(entries, |entry| visited.push(entry.1));
        visited
    }

    #[test]
    fn the_last_of_a_key_counts() {
        let entries = ["a", "b", "a", "c", "b"].into_iter().map(Cow::Borrowed).zip(0..);
        assert_eq!(visited(&entries.collect::<Vec<_>>()), [2, 3, 4]);
    }

    proptest! {
        #[test]
        fn what_is_visited_is_what_a_map_would_hold(keys in prop::collection::vec("[ab]{0,3}|[a-z]{7,10}", 0..150)) {
            let entries: Vec<_> = keys.iter().map(|key| Cow::Borrowed(key.as_str())).zip(0..).collect();
            let mut expected: Vec<usize> = HashMap::<_, _>::from_iter(entries.clone()).into_values().collect();
            expected.sort_unstable();
            prop_assert_eq!(visited(&entries), expected);
        }
    }
}
