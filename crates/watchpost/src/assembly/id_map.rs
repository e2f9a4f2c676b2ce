//! Maps by ids of traces and spans. Ids are random already, or made by a hostile peer: multiplications with what only this process
//! knows serve both, and take less time than the standard library's hash.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
};

pub(super) type IdMap<K, V> = HashMap<K, V, IdHash>;

/// Makes hashers, each with the process's own two numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdHash {
    seed: u64,
    factor: u64,
}

#[derive(Debug)]
pub(super) struct IdHasher {
    state: u64,
    factor: u64,
}

impl Default for IdHash {
    fn default() -> Self {
        static OWN: OnceLock<IdHash> = OnceLock::new();
        *OWN.get_or_init(Self::random)
    }
}

impl IdHash {
    fn random() -> Self {
        let random = RandomState::new();
        Self { seed: random.hash_one(1), factor: random.hash_one(2) | 1 }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.seed, factor: self.factor }
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for half in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..half.len()].copy_from_slice(half);
            // Which ids meet depends on every bit of the id and of the factor. A factor may spread numbers in a row badly; the
            // second multiplication, by one that does not, spreads what came of it.
            self.state = fold(fold(self.state ^ u64::from_le_bytes(word), self.factor), GOLDEN);
        }
    }

    /// The length before an id, the same for all.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}

/// 2^64 divided by the golden ratio: the factor that spreads numbers in a row best.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of the product.
fn fold(number: u64, factor: u64) -> u64 {
    let product = u128::from(number) * u128::from(factor);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use watchpost_sentry::wire::{SpanId, TraceId};

    use super::*;

    #[test]
    fn ids_that_differ_little_or_only_in_one_half_spread_over_low_and_high_bits() {
        for _ in 0..200 {
            spreads(IdHash::random());
        }
    }

    fn spreads(hash: IdHash) {
        let numbers = || 0..4096_u64;
        let trace = |high: u64, low: u64| TraceId((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        for hashes in [
            numbers().map(|number| hash.hash_one(SpanId(number.to_be_bytes()))).collect::<Vec<_>>(),
            numbers().map(|number| hash.hash_one(SpanId((number << 48).to_be_bytes()))).collect(),
            numbers().map(|number| hash.hash_one(trace(number, 1))).collect(),
            numbers().map(|number| hash.hash_one(trace(1, number))).collect(),
        ] {
            let distinct = |part: fn(u64) -> u64| hashes.iter().map(|hash| part(*hash)).collect::<HashSet<_>>().len();
            // Of 4096 thrown at random into as many places, 2589 are hit.
            assert!(distinct(|hash| hash % 4096) > 1500, "low bits: {}", distinct(|hash| hash % 4096));
            assert!(distinct(|hash| hash >> 52) > 1500, "high bits: {}", distinct(|hash| hash >> 52));
        }
    }
}
