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
pub(crate) struct Deployment {
    environment: Cow<'static, str>,
    release: Option<String>,
    release_is_accepted: bool,
    sdk: SdkInfo,
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
    pub(crate) fn set_environment(&mut self, environment: &str) {
        self.environment = accepted_environment(environment);
    }

    pub(crate) fn set_release(&mut self, release: &str) {
        let release = release.trim();
        self.release = Some(release.to_owned()).filter(|release| !release.is_empty());
        self.release_is_accepted = is_accepted_release(release);
    }

    pub(crate) fn set_sdk(&mut self, sdk: SdkInfo) {
        self.sdk = sdk;
    }

    pub(crate) fn set_project(&mut self, public_key: &str, org_id: Option<&str>) {
        public_key.clone_into(&mut self.public_key);
        self.org_id = org_id.map(str::to_owned);
    }

    pub(crate) const fn sdk(&self) -> &SdkInfo {
        &self.sdk
    }

    /// The environment as it is sent.
    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    /// The release as configured.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The release where Sentry reads it; `None` when Relay would throw it away.
    pub(crate) fn accepted_release(&self) -> Option<&str> {
        self.release.as_deref().filter(|_| self.release_is_accepted)
    }

    /// The sampling context of a trace. It names no transaction: the context must be the same in all envelopes of the trace,
    /// and a trace can have several.
    pub(crate) fn sampling_context(&self, trace_id: TraceId, sampling: Sampling) -> DynamicSamplingContext<'_> {
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

/// What the settings of both seeds let be set and asked of their deployment.
macro_rules! deployment_settings {
    () => {
        /// Sets the environment. Relay throws one away that is empty, `none`, `.`, longer than 64 characters or has a slash or a
        /// control character in it: what can be saved is (`feature/x` becomes `feature-x`), the rest becomes `production`.
        #[must_use]
        pub fn with_environment(mut self, environment: &str) -> Self {
            self.deployment.set_environment(environment);
            self
        }

        /// Sets the release. One that Relay throws away (`latest`, `.`, `..`, longer than 249 bytes, with a slash, a backslash
        /// or a control character) is left out where Sentry would read a release; MCP events keep it as the seed's tag.
        #[must_use]
        pub fn with_release(mut self, release: &str) -> Self {
            self.deployment.set_release(release);
            self
        }

        /// Sets the SDK named in every item.
        #[must_use]
        pub fn with_sdk(mut self, sdk: watchpost_sentry::wire::SdkInfo) -> Self {
            self.deployment.set_sdk(sdk);
            self
        }

        /// Sets what the sampling context says of the project: the DSN's public key and organisation.
        #[must_use]
        pub fn with_project(mut self, public_key: &str, org_id: Option<&str>) -> Self {
            self.deployment.set_project(public_key, org_id);
            self
        }

        /// Sets all of these.
        pub(crate) fn with_deployment(mut self, deployment: $crate::mapping::Deployment) -> Self {
            self.deployment = deployment;
            self
        }

        /// The SDK named in every item.
        #[must_use]
        pub const fn sdk(&self) -> &watchpost_sentry::wire::SdkInfo {
            self.deployment.sdk()
        }

        /// The environment as it is sent.
        #[must_use]
        pub fn environment(&self) -> &str {
            self.deployment.environment()
        }

        /// The sampling context (the envelope's `trace` header) of a trace.
        ///
        /// It names no transaction: the context must be the same in all envelopes of a trace, and a trace can have several.
        #[must_use]
        pub fn sampling_context(
            &self,
            trace_id: watchpost_sentry::wire::TraceId,
            sampling: $crate::mapping::Sampling,
        ) -> watchpost_sentry::wire::DynamicSamplingContext<'_> {
            self.deployment.sampling_context(trace_id, sampling)
        }
    };
}
pub(super) use deployment_settings;

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
