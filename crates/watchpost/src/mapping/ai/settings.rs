//! What the host configured, as far as the mapping of AI spans needs it. Source: seed 004, "SentryExporterConfig".

use std::{borrow::Cow, str::FromStr};

use serde::Deserialize;

use crate::mapping::deployment::{Deployment, deployment_settings};

/// The origin of spans that Mastra made, as the seed has it.
pub const MASTRA_ORIGIN: &str = "auto.ai.mastra";
/// The origin of other spans.
const DEFAULT_ORIGIN: &str = "auto.ai.watchpost";

/// Which of Sentry's two kinds of spans a trace becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SpanMode {
    /// All spans in a transaction: understood by any Sentry and by Spotlight. A transaction has 1 MiB.
    #[default]
    Transaction,
    /// The root as a transaction with the other spans, those of `gen_ai` beside it as spans of version 2: what Sentry's own
    /// SDKs send. A span of version 2 has megabytes of its own.
    Hybrid,
    /// All spans as spans of version 2, each sent when it has ended.
    Stream,
}

/// A name that is no span mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of transaction, hybrid, stream")]
pub struct UnknownSpanMode(String);

impl FromStr for SpanMode {
    type Err = UnknownSpanMode;

    fn from_str(name: &str) -> Result<Self, UnknownSpanMode> {
        match name {
            "transaction" => Ok(Self::Transaction),
            "hybrid" => Ok(Self::Hybrid),
            "stream" => Ok(Self::Stream),
            _ => Err(UnknownSpanMode(name.to_owned())),
        }
    }
}

/// What the mapping needs to know beside the span.
#[derive(Clone, Debug, PartialEq)]
pub struct AiSettings {
    deployment: Deployment,
    origin: Cow<'static, str>,
}

impl Default for AiSettings {
    /// Environment `production`, no release, origin `auto.ai.watchpost`.
    fn default() -> Self {
        Self { deployment: Deployment::default(), origin: Cow::Borrowed(DEFAULT_ORIGIN) }
    }
}

impl AiSettings {
    deployment_settings!();

    /// Sets who made the spans, by Sentry's grammar `auto.<category>.<integration>`: `auto.ai.mastra`. Also the mechanism of
    /// error events. An empty one changes nothing.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<Cow<'static, str>>) -> Self {
        let origin = origin.into();
        if !origin.trim().is_empty() {
            self.origin = origin;
        }
        self
    }

    /// Who made the spans.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The release as it is sent; `None` when there is none, or one that Relay would throw away.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.deployment.accepted_release()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_modes_are_read_and_others_refused_with_the_known_ones() {
        assert_eq!("hybrid".parse(), Ok(SpanMode::Hybrid));
        assert_eq!(
            "both".parse::<SpanMode>().unwrap_err().to_string(),
            "`both` is none of transaction, hybrid, stream"
        );
    }

    #[test]
    fn the_origin_is_never_empty() {
        assert_eq!(AiSettings::default().origin(), "auto.ai.watchpost");
        assert_eq!(AiSettings::default().with_origin(MASTRA_ORIGIN).origin(), "auto.ai.mastra");
        assert_eq!(AiSettings::default().with_origin(" ").origin(), "auto.ai.watchpost");
    }
}
