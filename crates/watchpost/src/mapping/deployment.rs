//! Where the items come from, as every item says it: environment, release, SDK and project. Names that Relay would throw away
//! are recognised here, once. Source: Relay's release and environment rules, tried against `sentry-relay` 0.10.

use std::borrow::Cow;

use watchpost_sentry::wire::{DynamicSamplingContext, SdkInfo, TraceId};

use super::{Sampling, limit::cut};

/// The environment when none is configured, as in both seeds.
const DEFAULT_ENVIRONMENT: &str = "production";
/// Longest environment Relay keeps, in characters.
const MAX_ENVIRONMENT: usize = 64;
/// Longest release Relay keeps, in bytes.
const MAX_RELEASE: usize = 249;

/// What the settings of both seeds have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deployment {
    environment: Cow<'static, str>,
    release: Option<String>,
    release_is_accepted: bool,
    pub(super) sdk: SdkInfo,
    public_key: String,
    org_id: Option<String>,
}

impl Default for Deployment {
    /// Environment `production`, no release.
    fn default() -> Self {
        Self {
            environment: Cow::Borrowed(DEFAULT_ENVIRONMENT),
            release: None,
            release_is_accepted: false,
            sdk: SdkInfo { name: Cow::Borrowed("watchpost.rust"), version: Cow::Borrowed(env!("CARGO_PKG_VERSION")) },
            public_key: String::new(),
            org_id: None,
        }
    }
}

impl Deployment {
    pub(super) fn set_environment(&mut self, environment: &str) {
        self.environment = accepted_environment(environment);
    }

    pub(super) fn set_release(&mut self, release: &str) {
        let release = release.trim();
        self.release = Some(release.to_owned()).filter(|release| !release.is_empty());
        self.release_is_accepted = is_accepted_release(release);
    }

    pub(super) fn set_project(&mut self, public_key: &str, org_id: Option<&str>) {
        public_key.clone_into(&mut self.public_key);
        self.org_id = org_id.map(str::to_owned);
    }

    /// The environment as it is sent.
    pub(super) fn environment(&self) -> &str {
        &self.environment
    }

    /// The release as configured.
    pub(super) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The release where Sentry reads it; `None` when Relay would throw it away.
    pub(super) fn accepted_release(&self) -> Option<&str> {
        self.release.as_deref().filter(|_| self.release_is_accepted)
    }

    /// The sampling context of a trace. It names no transaction: the context must be the same in all envelopes of the trace,
    /// and a trace can have several.
    pub(super) fn sampling_context(&self, trace_id: TraceId, sampling: Sampling) -> DynamicSamplingContext<'_> {
        DynamicSamplingContext {
            trace_id,
            public_key: Cow::Borrowed(&self.public_key),
            sample_rate: Some(sampling.rate),
            sample_rand: Some(sampling.rand),
            sampled: Some(sampling.sampled),
            release: self.accepted_release().map(Cow::Borrowed),
            environment: Some(Cow::Borrowed(&self.environment)),
            transaction: None,
            org_id: self.org_id.as_deref().map(Cow::Borrowed),
        }
    }
}

fn accepted_environment(environment: &str) -> Cow<'static, str> {
    let saved =
        environment.trim().replace(|character: char| matches!(character, '/' | '\\') || character.is_control(), "-");
    if saved.is_empty() || saved == "." || saved == ".." || saved.eq_ignore_ascii_case("none") {
        return Cow::Borrowed(DEFAULT_ENVIRONMENT);
    }
    Cow::Owned(cut(&saved, MAX_ENVIRONMENT).into_owned())
}

fn is_accepted_release(release: &str) -> bool {
    let is_reserved = release == "." || release == ".." || release.eq_ignore_ascii_case("latest");
    let has_bad_character = release.chars().any(|character| matches!(character, '/' | '\\') || character.is_control());
    !release.is_empty() && release.len() <= MAX_RELEASE && !is_reserved && !has_bad_character
}
