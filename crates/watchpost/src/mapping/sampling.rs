//! One sampling decision per trace, the same in every process: it follows from the trace id alone.
//! Source: Sentry's dynamic sampling context (`sample_rand < sample_rate` if and only if sampled).

use watchpost_sentry::wire::TraceId;

/// A trace's sampling decision and what it was made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The rate, 0 to 1.
    pub rate: f64,
    /// The trace's random number, 0 (included) to 1 (excluded), with six decimals.
    pub rand: f64,
    /// Whether the trace's transactions are sent.
    pub sampled: bool,
}

impl Sampling {
    /// The decision for a trace; `inherited` is the one its caller made, which binds us.
    #[must_use]
    pub fn decide(trace_id: TraceId, rate: f64, inherited: Option<bool>) -> Self {
        let rand = sample_rand(trace_id);
        // The caller's rate is unknown. With 1 or 0 the context stays true to itself, and nothing is extrapolated.
        let rate = inherited.map_or(rate, |sampled| if sampled { 1.0 } else { 0.0 });
        Self { rate, rand, sampled: rand < rate }
    }
}

/// The random number of a trace: the last eight bytes of its id (the random ones in every id format) as a fraction, cut to
/// six decimals.
#[must_use]
pub fn sample_rand(trace_id: TraceId) -> f64 {
    let [.., a, b, c, d, e, f, g, h] = trace_id.0;
    let millionths = (u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h])) * 1_000_000) >> 64;
    u32::try_from(millionths).map_or(0.0, f64::from) / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_random_number_is_the_end_of_the_trace_id_as_a_fraction() {
        let rand = |last: u64| {
            let mut id = [0xab; 16];
            id[8..].copy_from_slice(&last.to_be_bytes());
            sample_rand(TraceId(id))
        };
        assert_eq!(rand(0), 0.0);
        assert_eq!(rand(u64::MAX), 0.999_999);
        assert_eq!(rand(1 << 63), 0.5);
        assert_eq!(rand(0x4000_0000_0000_0000), 0.25);
    }

    proptest! {
        #[test]
        fn the_context_is_always_true_to_itself(id: [u8; 16], rate in 0.0..=1.0_f64, inherited: Option<bool>) {
            let sampling = Sampling::decide(TraceId(id), rate, inherited);
            prop_assert_eq!(sampling.sampled, sampling.rand < sampling.rate);
            prop_assert!((0.0..1.0).contains(&sampling.rand));
            prop_assert_eq!(format!("{:.6}", sampling.rand).parse::<f64>().unwrap(), sampling.rand, "six decimals say it all");
            if let Some(inherited) = inherited {
                prop_assert_eq!(sampling.sampled, inherited);
            }
        }
    }

    #[test]
    fn a_rate_keeps_about_its_share_of_the_traces() {
        use sha2::{Digest, Sha256};
        let sampled = (0..10_000_u32).filter(|number| {
            let hash: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
            Sampling::decide(TraceId(std::array::from_fn(|at| hash[at])), 0.2, None).sampled
        });
        let count = sampled.count();
        assert!((1_900..2_100).contains(&count), "{count} of 10000");
    }
}
