//! Percentiles and medians over rounds.
//! Rounds alternate between the routes compared, so a paired difference cancels what the machine did meanwhile.

/// The median: the mean of the middle two of an even number; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The median of `f` over pairs of the same round.
pub(super) fn paired(of: &[f64], beside: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    median(&of.iter().zip(beside).map(|(&of, &beside)| f(of, beside)).collect::<Vec<_>>())
}

/// The percentiles a round trip is judged by, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Percentiles {
    /// Of samples in nanoseconds, by nearest rank; zeros of nothing.
    pub(super) fn of(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let at = |share: f64| {
            let rank = (share * nanos.len() as f64).ceil() as usize;
            nanos.get(rank.saturating_sub(1)).map_or(0.0, |&nanos| nanos as f64 / 1_000.0)
        };
        Self { p50: at(0.50), p90: at(0.90), p99: at(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_percentile_is_a_sample_that_occurred() {
        let percentiles = Percentiles::of((1..=100).rev().map(|micros| micros * 1_000).collect());
        assert_eq!(percentiles, Percentiles { p50: 50.0, p90: 90.0, p99: 99.0 });
        assert_eq!(Percentiles::of(vec![7_000]).p99, 7.0);
    }

    #[test]
    fn a_paired_difference_ignores_what_moves_both_sides() {
        let direct = [10.0, 110.0, 20.0];
        let proxied = [13.0, 113.0, 23.0];
        assert_eq!(paired(&proxied, &direct, |proxied, direct| proxied - direct), 3.0);
    }
}
