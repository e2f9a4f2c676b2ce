//! Durations as counts in buckets whose bounds grow by a quarter of an octave: small enough to keep for every minute and every
//! tool, exact to about a tenth.

/// Buckets a doubling is divided into.
const PER_OCTAVE: f64 = 4.0;

/// Where the first bucket ends, in milliseconds.
const FIRST_MS: f64 = 0.01;

/// Buckets: from a hundredth of a millisecond to about three hours.
const BUCKETS: usize = 120;

/// Bytes of an encoded bucket: its number and its count.
const ENCODED: usize = 5;

/// Durations, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// By bucket, as long as the highest one used.
    counts: Vec<u32>,
}

impl Histogram {
    /// Counts a duration.
    pub(crate) fn add(&mut self, millis: f64) {
        let at = bucket(millis);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds all of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// How many durations were counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The duration that `share` (0 to 1) of all do not exceed, in milliseconds; `None` when there are none.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = share.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(*count);
            if below + count >= wanted {
                let (low, high) = bounds(at);
                return Some(low + (high - low) * ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        None
    }

    /// The share of each of `columns` equal stretches of the used buckets, the largest being 1: for a small picture.
    pub(crate) fn shape(&self, columns: usize) -> Vec<f64> {
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        let used = self.counts.get(first..).unwrap_or_default();
        let width = used.len().div_ceil(columns.max(1)).max(1);
        let sums: Vec<f64> =
            used.chunks(width).map(|chunk| chunk.iter().map(|count| f64::from(*count)).sum()).collect();
        let largest = sums.iter().copied().fold(1.0, f64::max);
        sums.into_iter().map(|sum| sum / largest).collect()
    }

    /// As it is kept in the database.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            out.push(u8::try_from(at).unwrap_or(u8::MAX));
            out.extend_from_slice(&count.to_le_bytes());
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; what is damaged is left out.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut counts = Vec::new();
        for pair in bytes.chunks_exact(ENCODED) {
            if let [at, a, b, c, d] = *pair
                && usize::from(at) < BUCKETS
            {
                let at = usize::from(at);
                if counts.len() <= at {
                    counts.resize(at + 1, 0);
                }
                if let Some(count) = counts.get_mut(at) {
                    *count = u32::from_le_bytes([a, b, c, d]);
                }
            }
        }
        Self { counts }
    }
}

fn bucket(millis: f64) -> usize {
    if millis.is_nan() || millis <= FIRST_MS {
        return 0;
    }
    let at = ((millis / FIRST_MS).log2() * PER_OCTAVE).ceil();
    // In range by the clamp.
    at.clamp(0.0, (BUCKETS - 1) as f64) as usize
}

fn bounds(at: usize) -> (f64, f64) {
    let bound = |at: usize| FIRST_MS * (at as f64 / PER_OCTAVE).exp2();
    if at == 0 { (0.0, FIRST_MS) } else { (bound(at - 1), bound(at)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Histogram;

    fn of(durations: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|duration| histogram.add(*duration));
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert!(Histogram::default().shape(8).is_empty());
    }

    #[test]
    fn strange_durations_are_counted_in_the_outer_buckets() {
        let histogram = of(&[-1.0, 0.0, f64::NAN, f64::INFINITY, 1e300]);
        assert_eq!(histogram.total(), 5);
    }

    proptest! {
        #[test]
        fn the_median_is_near_the_real_one(mut durations in proptest::collection::vec(0.1_f64..100_000.0, 1..300)) {
            let histogram = of(&durations);
            durations.sort_by(f64::total_cmp);
            let real = durations[(durations.len() - 1) / 2];
            let near = histogram.quantile(0.5).unwrap();
            prop_assert!(near >= real / 1.2 && near <= durations[durations.len() / 2] * 1.2, "{near} is not {real}");
        }

        #[test]
        fn it_survives_being_kept(durations in proptest::collection::vec(0.0_f64..1e9, 0..100)) {
            let histogram = of(&durations);
            prop_assert_eq!(Histogram::decode(&histogram.encode()), histogram);
        }

        #[test]
        fn merging_is_counting_both(first in proptest::collection::vec(0.0_f64..1e6, 0..50), second in proptest::collection::vec(0.0_f64..1e6, 0..50)) {
            let mut merged = of(&first);
            merged.merge(&of(&second));
            prop_assert_eq!(merged, of(&[first, second].concat()));
        }

        #[test]
        fn damaged_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Histogram::decode(&bytes).quantile(0.9);
        }
    }
}
