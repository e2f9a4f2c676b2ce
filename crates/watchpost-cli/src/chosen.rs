//! Choices whose words mean different things to different exporters, kept as chosen until the exporter is known.

use std::str::FromStr;

use serde::{Deserialize, de};
use watchpost::{
    mapping::ai::SpanMode,
    redact::{Capture, ParseCaptureError},
};

/// Which content to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChosenCapture {
    /// `seed`: what the exporter reports by default.
    Seed,
    /// Anything else, the same for every exporter.
    Listed(Capture),
}

impl ChosenCapture {
    /// `seed` for an exporter whose default it is.
    pub(crate) const fn or_seed(self, seed: Capture) -> Capture {
        match self {
            Self::Seed => seed,
            Self::Listed(capture) => capture,
        }
    }
}

impl FromStr for ChosenCapture {
    type Err = ParseCaptureError;

    fn from_str(text: &str) -> Result<Self, ParseCaptureError> {
        match text.trim() {
            "seed" => Ok(Self::Seed),
            text => text.parse().map(Self::Listed),
        }
    }
}

impl<'de> Deserialize<'de> for ChosenCapture {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = toml::Value::deserialize(deserializer)?;
        if given.as_str() == Some("seed") {
            return Ok(Self::Seed);
        }
        Capture::deserialize(given).map(Self::Listed).map_err(de::Error::custom)
    }
}

/// How agents' spans travel; `auto` leaves it to the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChosenSpanMode(pub(crate) Option<SpanMode>);

impl FromStr for ChosenSpanMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self(None)),
            text => text
                .parse()
                .map(|mode| Self(Some(mode)))
                .map_err(|_| format!("`{text}` is no span mode; use auto, transaction, hybrid or stream")),
        }
    }
}

impl<'de> Deserialize<'de> for ChosenSpanMode {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_content_is_each_exporters_own_and_a_list_is_the_same_for_all() {
        let chosen: ChosenCapture = "seed".parse().unwrap();
        assert_eq!(chosen.or_seed(Capture::ALL), Capture::ALL);
        // The same content as the seed's for MCP events, but by name.
        let listed: ChosenCapture = "intent,user,errors".parse().unwrap();
        assert_eq!(listed.or_seed(Capture::ALL), Capture::SEED);
        assert!("everything".parse::<ChosenCapture>().is_err());
    }

    #[test]
    fn auto_is_a_span_mode_and_a_wrong_one_is_told_the_names() {
        assert_eq!("auto".parse(), Ok(ChosenSpanMode(None)));
        assert_eq!("hybrid".parse(), Ok(ChosenSpanMode(Some(SpanMode::Hybrid))));
        assert!("both".parse::<ChosenSpanMode>().unwrap_err().contains("auto, transaction, hybrid or stream"));
    }
}
