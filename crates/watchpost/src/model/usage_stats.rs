//! Tokens used: [`UsageStats`]. Source: Mastra's `UsageStats` (both generations) and Sentry's `gen_ai.usage.*`, which agree that
//! cached tokens are part of the input and reasoning is part of the output.

use std::{
    iter::Sum,
    ops::{Add, AddAssign},
};

/// Tokens used. A count that is not given is `None`, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageStats {
    /// All input tokens, cached ones included.
    pub input_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Input tokens of text.
    pub input_text: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the provider's cache.
    pub cache_write: Option<u64>,
    /// Input tokens of audio.
    pub input_audio: Option<u64>,
    /// Input tokens of images.
    pub input_image: Option<u64>,
    /// Output tokens of text.
    pub output_text: Option<u64>,
    /// Output tokens of reasoning.
    pub reasoning: Option<u64>,
    /// Output tokens of audio.
    pub output_audio: Option<u64>,
    /// Output tokens of images.
    pub output_image: Option<u64>,
}

impl UsageStats {
    /// Input and output tokens.
    #[must_use]
    pub const fn new(input_tokens: u64, output_tokens: u64) -> Self {
        let mut usage = Self::EMPTY;
        usage.input_tokens = Some(input_tokens);
        usage.output_tokens = Some(output_tokens);
        usage
    }

    /// No count given.
    pub const EMPTY: Self = Self {
        input_tokens: None,
        output_tokens: None,
        input_text: None,
        cache_read: None,
        cache_write: None,
        input_audio: None,
        input_image: None,
        output_text: None,
        reasoning: None,
        output_audio: None,
        output_image: None,
    };

    /// Input and output tokens together; what is not given counts as 0. `None` when neither is given.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        sum(self.input_tokens, self.output_tokens)
    }

    /// Some providers count cached tokens beside the input and reasoning beside the output: where a part is larger than the
    /// whole, the whole does not have it yet.
    pub(crate) fn include_parts(&mut self) {
        let cached = sum(self.cache_read, self.cache_write);
        for (whole, part) in [(&mut self.input_tokens, cached), (&mut self.output_tokens, self.reasoning)] {
            if let (Some(count), Some(part)) = (*whole, part)
                && part > count
            {
                *whole = Some(count.saturating_add(part).min(i64::MAX.unsigned_abs()));
            }
        }
    }

    /// Whether no count is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl Add for UsageStats {
    type Output = Self;

    /// Count by count: `None + Some(n)` is `Some(n)`, `None + None` stays `None`.
    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: sum(self.input_tokens, other.input_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
            input_text: sum(self.input_text, other.input_text),
            cache_read: sum(self.cache_read, other.cache_read),
            cache_write: sum(self.cache_write, other.cache_write),
            input_audio: sum(self.input_audio, other.input_audio),
            input_image: sum(self.input_image, other.input_image),
            output_text: sum(self.output_text, other.output_text),
            reasoning: sum(self.reasoning, other.reasoning),
            output_audio: sum(self.output_audio, other.output_audio),
            output_image: sum(self.output_image, other.output_image),
        }
    }
}

impl AddAssign for UsageStats {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for UsageStats {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::EMPTY, Self::add)
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_not_given_adds_nothing_and_stays_unknown() {
        let generation = UsageStats { input_tokens: Some(3), reasoning: Some(1), ..UsageStats::EMPTY };
        let sum: UsageStats = [generation, UsageStats::new(4, 5), UsageStats::EMPTY].into_iter().sum();
        let expected = UsageStats { reasoning: Some(1), ..UsageStats::new(7, 5) };
        assert_eq!(sum, expected);
        assert_eq!(sum.cache_read, None);
    }

    #[test]
    fn the_total_is_input_and_output_and_nothing_that_is_part_of_them() {
        let usage = UsageStats { cache_read: Some(100), reasoning: Some(50), ..UsageStats::new(120, 60) };
        assert_eq!(usage.total(), Some(180));
        assert_eq!(UsageStats { output_tokens: Some(2), ..UsageStats::EMPTY }.total(), Some(2));
        assert_eq!(UsageStats::EMPTY.total(), None);
        assert_eq!((usage + UsageStats::new(u64::MAX, 0)).input_tokens, Some(u64::MAX));
    }

    #[test]
    fn zero_tokens_are_a_count() {
        assert!(UsageStats::EMPTY.is_empty());
        assert!(!UsageStats::new(0, 0).is_empty());
    }
}
