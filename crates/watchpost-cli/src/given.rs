//! Values from flags and the environment: an empty one counts as not set, as everywhere in Sentry's SDKs (clients pass
//! `"${VAR}"` for variables that are not there).

use std::str::FromStr;

/// A value that may have been given empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given<T>(Option<T>);

impl<T: Clone> Given<T> {
    /// The value, if one was given that is not empty.
    pub(crate) fn of(given: &Option<Self>) -> Option<T> {
        given.as_ref().and_then(|Self(value)| value.clone())
    }
}

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text.trim() {
            "" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))),
        }
    }
}

/// `true` or `false`, in the spellings environment variables come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "off" => Ok(Self(false)),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

/// Any JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json(pub(crate) serde_json::Value);

impl FromStr for Json {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("not JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_not_set_and_a_wrong_one_is_an_error() {
        assert_eq!(Given::of(&Some("".parse::<Given<f64>>().unwrap())), None);
        assert_eq!(Given::of(&Some(" 0.5 ".parse::<Given<f64>>().unwrap())), Some(0.5));
        assert!("half".parse::<Given<f64>>().is_err());
        assert_eq!(Given::<f64>::of(&None), None);
    }

    #[test]
    fn switches_come_in_the_usual_spellings() {
        for (text, expected) in [("1", true), ("TRUE", true), ("on", true), ("0", false), ("no", false)] {
            assert_eq!(text.parse(), Ok(Switch(expected)), "{text}");
        }
        assert!("maybe".parse::<Switch>().is_err());
    }
}
