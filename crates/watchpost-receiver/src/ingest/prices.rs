//! An estimate of what models cost, for spans that bring no cost of their own: a built-in table of 2025, not checked against the
//! makers' price lists and perhaps out of date. Contracts differ, and cache writes are taken as plain input. A model that is not
//! listed costs nothing here.

use super::call::plain_model;

/// The beginning of a model's name, and US dollars for a million tokens: input, cached input, output. Written down in 2025.
const PRICES: &[(&str, f64, f64, f64)] = &[
    ("claude-3-5-haiku", 0.8, 0.08, 4.0),
    ("claude-3-5-sonnet", 3.0, 0.3, 15.0),
    ("claude-3-7-sonnet", 3.0, 0.3, 15.0),
    ("claude-3-haiku", 0.25, 0.03, 1.25),
    ("claude-3-opus", 15.0, 1.5, 75.0),
    ("claude-haiku-4", 1.0, 0.1, 5.0),
    ("claude-opus-4", 15.0, 1.5, 75.0),
    ("claude-opus-4-5", 5.0, 0.5, 25.0),
    ("claude-sonnet-4", 3.0, 0.3, 15.0),
    ("deepseek-chat", 0.27, 0.07, 1.1),
    ("deepseek-reasoner", 0.55, 0.14, 2.19),
    ("gemini-1.5-flash", 0.075, 0.019, 0.3),
    ("gemini-1.5-pro", 1.25, 0.3125, 5.0),
    ("gemini-2.0-flash", 0.1, 0.025, 0.4),
    ("gemini-2.5-flash", 0.3, 0.075, 2.5),
    ("gemini-2.5-flash-lite", 0.1, 0.025, 0.4),
    ("gemini-2.5-pro", 1.25, 0.31, 10.0),
    ("gpt-3.5-turbo", 0.5, 0.5, 1.5),
    ("gpt-4-turbo", 10.0, 10.0, 30.0),
    ("gpt-4.1", 2.0, 0.5, 8.0),
    ("gpt-4.1-mini", 0.4, 0.1, 1.6),
    ("gpt-4.1-nano", 0.1, 0.025, 0.4),
    ("gpt-4o", 2.5, 1.25, 10.0),
    ("gpt-4o-mini", 0.15, 0.075, 0.6),
    ("gpt-5", 1.25, 0.125, 10.0),
    ("gpt-5-mini", 0.25, 0.025, 2.0),
    ("gpt-5-nano", 0.05, 0.005, 0.4),
    ("mistral-large", 2.0, 2.0, 6.0),
    ("o1", 15.0, 7.5, 60.0),
    ("o1-mini", 1.1, 0.55, 4.4),
    ("o3", 2.0, 0.5, 8.0),
    ("o3-mini", 1.1, 0.55, 4.4),
    ("o4-mini", 1.1, 0.275, 4.4),
    ("text-embedding-3-large", 0.13, 0.13, 0.0),
    ("text-embedding-3-small", 0.02, 0.02, 0.0),
];

/// The cost of a call in US dollars; `cached` is part of `input`. `None` for a model that is not listed.
pub(super) fn estimate(model: &str, input: i64, cached: i64, output: i64) -> Option<f64> {
    let model = plain_model(model);
    let fits = |name: &str| {
        // `o1` is not the price of `o100`: the name ends there, or a version follows.
        model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '@', ':', '.']))
    };
    let (_, per_input, per_cached, per_output) =
        PRICES.iter().filter(|(name, ..)| fits(name)).max_by_key(|(name, ..)| name.len())?;
    let (input, cached, output) = (input.max(0), cached.clamp(0, input.max(0)), output.max(0));
    Some(((input - cached) as f64 * per_input + cached as f64 * per_cached + output as f64 * per_output) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::estimate;

    #[test]
    fn the_longest_name_that_fits_is_the_price() {
        let price = |model| estimate(model, 1_000_000, 0, 0);
        assert_eq!(price("gpt-4o-mini-2024-07-18"), Some(0.15));
        assert_eq!(price("openai/gpt-4o"), Some(2.5));
        assert_eq!(price("o100"), None);
        assert_eq!(price("my-own-model"), None);
    }

    #[test]
    fn cached_input_is_cheaper_and_never_more_than_all() {
        assert_eq!(estimate("gpt-4o", 1_000_000, 1_000_000, 0), Some(1.25));
        assert_eq!(estimate("gpt-4o", 1_000_000, i64::MAX, -5), Some(1.25));
    }
}
