//! What the host configured, as far as the mapping of AI spans needs it. Source: seed 004, "SentryExporterConfig".

use std::{borrow::Cow, str::FromStr};

use serde::Deserialize;
use watchpost_sentry::wire::{DynamicSamplingContext, SdkInfo, TraceId};

use crate::mapping::{Sampling, deployment::Deployment};

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
    /// Sets the environment, as [`Settings::with_environment`](crate::mapping::Settings::with_environment) does.
    #[must_use]
    pub fn with_environment(mut self, environment: &str) -> Self {
        self.deployment.set_environment(environment);
        self
    }

    /// Sets the release. One that Relay throws away is not sent.
    #[must_use]
    pub fn with_release(mut self, release: &str) -> Self {
        self.deployment.set_release(release);
        self
    }

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

    /// Sets the SDK named in every item.
    #[must_use]
    pub fn with_sdk(mut self, sdk: SdkInfo) -> Self {
        self.deployment.sdk = sdk;
        self
    }

    /// Sets what the sampling context says of the project: the DSN's public key and organisation.
    #[must_use]
    pub fn with_project(mut self, public_key: &str, org_id: Option<&str>) -> Self {
        self.deployment.set_project(public_key, org_id);
        self
    }

    /// Who made the spans.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The SDK named in every item.
    #[must_use]
    pub const fn sdk(&self) -> &SdkInfo {
        &self.deployment.sdk
    }

    /// The environment as it is sent.
    #[must_use]
    pub fn environment(&self) -> &str {
        self.deployment.environment()
    }

    /// The release as it is sent; `None` when there is none, or one that Relay would throw away.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.deployment.accepted_release()
    }

    /// The sampling context (the envelope's `trace` header) of a trace: the same for all its items.
    #[must_use]
    pub fn sampling_context(&self, trace_id: TraceId, sampling: Sampling) -> DynamicSamplingContext<'_> {
        self.deployment.sampling_context(trace_id, sampling)
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
