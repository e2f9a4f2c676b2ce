//! What the host configured, as far as the mapping of MCP events needs it. Source: seed 000, "Configuration".

use std::str::FromStr;

use serde::Deserialize;

use super::deployment::{Deployment, deployment_settings};

/// How closely the items follow Sentry's own schemas where the seed says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// Everything seed 000 lists, also a log's `event_id`, which Sentry's log schema does not have.
    #[default]
    Seed,
    /// Only what Sentry's schemas have; a log's event id stays as an attribute.
    Strict,
}

/// Which trace an event belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TraceMode {
    /// One trace per session, from a hash of the session id (seed 000). An incoming trace parent is kept as attributes.
    #[default]
    Session,
    /// The caller's trace when a valid trace parent came in: its trace id, its span as parent, its sampling decision.
    /// Otherwise as [`Session`](Self::Session).
    Propagated,
    /// One trace per event, from a hash of the event id; for sessions that last for days. An incoming trace parent is kept as
    /// attributes.
    Call,
}

/// What the mapping needs to know beside the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    deployment: Deployment,
    pub(super) profile: Profile,
    pub(super) trace: TraceMode,
    pub(super) tracing_enabled: bool,
    pub(super) traces_sample_rate: f64,
}

/// A name that is none of an enum's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is none of {expected}")]
pub struct UnknownSetting {
    name: String,
    expected: &'static str,
}

impl FromStr for Profile {
    type Err = UnknownSetting;

    fn from_str(name: &str) -> Result<Self, UnknownSetting> {
        match name {
            "seed" => Ok(Self::Seed),
            "strict" => Ok(Self::Strict),
            _ => Err(UnknownSetting { name: name.to_owned(), expected: "seed, strict" }),
        }
    }
}

impl FromStr for TraceMode {
    type Err = UnknownSetting;

    fn from_str(name: &str) -> Result<Self, UnknownSetting> {
        match name {
            "session" => Ok(Self::Session),
            "propagated" => Ok(Self::Propagated),
            "call" => Ok(Self::Call),
            _ => Err(UnknownSetting { name: name.to_owned(), expected: "session, propagated, call" }),
        }
    }
}

impl Default for Settings {
    /// Environment `production`, no release, no tracing, every trace sampled once tracing is on.
    fn default() -> Self {
        Self {
            deployment: Deployment::default(),
            profile: Profile::default(),
            trace: TraceMode::default(),
            tracing_enabled: false,
            traces_sample_rate: 1.0,
        }
    }
}

impl Settings {
    deployment_settings!();

    /// Sets whether transactions are sent. Off by default, as in the seed.
    #[must_use]
    pub const fn with_tracing(mut self, enabled: bool) -> Self {
        self.tracing_enabled = enabled;
        self
    }

    /// Sets which share of the traces is sent as transactions, 0 to 1; a number outside is moved to the nearer end and one
    /// that is none counts as 1. Logs and error events are never sampled.
    #[must_use]
    pub const fn with_traces_sample_rate(mut self, rate: f64) -> Self {
        self.traces_sample_rate = if rate.is_nan() { 1.0 } else { rate.clamp(0.0, 1.0) };
        self
    }

    /// Sets the profile.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets which trace an event belongs to.
    #[must_use]
    pub const fn with_trace(mut self, trace: TraceMode) -> Self {
        self.trace = trace;
        self
    }

    /// Whether transactions are sent.
    #[must_use]
    pub const fn tracing_enabled(&self) -> bool {
        self.tracing_enabled
    }

    /// The release as configured; the seed's tag.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.deployment.release()
    }

    /// The release where Sentry reads it; `None` when Relay would throw it away.
    #[must_use]
    pub fn accepted_release(&self) -> Option<&str> {
        self.deployment.accepted_release()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_relay_would_drop_are_saved_or_become_the_default() {
        let sent = |environment: &str| Settings::default().with_environment(environment).environment().to_owned();
        assert_eq!(Settings::default().environment(), "production");
        for (configured, expected) in [
            ("staging", "staging"),
            (" staging ", "staging"),
            ("feature/x", "feature-x"),
            ("a\\b\tc", "a-b-c"),
            ("None", "production"),
            (".", "production"),
            ("", "production"),
        ] {
            assert_eq!(sent(configured), expected);
        }
        assert_eq!(sent(&"ž".repeat(65)).chars().count(), 64);
    }

    #[test]
    fn releases_relay_would_drop_stay_a_tag_only() {
        for release in ["1.0.0", "golden-server@1.2.3", "a b", "ž"] {
            let settings = Settings::default().with_release(release);
            assert_eq!((settings.release(), settings.accepted_release()), (Some(release), Some(release)));
        }
        for release in ["latest", "LATEST", ".", "..", "@scope/a@1", "a\\b", "a\tb", &"x".repeat(250)] {
            let settings = Settings::default().with_release(release);
            assert_eq!((settings.release(), settings.accepted_release()), (Some(release), None));
        }
        assert_eq!(Settings::default().with_release("  ").release(), None);
    }

    #[test]
    fn names_are_read_and_others_refused_with_the_known_ones() {
        assert_eq!("propagated".parse(), Ok(TraceMode::Propagated));
        assert_eq!("strict".parse(), Ok(Profile::Strict));
        assert_eq!(
            "calls".parse::<TraceMode>().unwrap_err().to_string(),
            "`calls` is none of session, propagated, call"
        );
        assert_eq!("".parse::<Profile>().unwrap_err().to_string(), "`` is none of seed, strict");
    }

    #[test]
    fn sample_rates_outside_the_range_are_moved_into_it() {
        for (rate, expected) in [(0.25, 0.25), (-1.0, 0.0), (7.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
            assert_eq!(Settings::default().with_traces_sample_rate(rate).traces_sample_rate, expected);
        }
    }
}
