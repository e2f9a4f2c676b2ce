//! Where to and as whom: what both exporters are configured with, checked and read in one place.

use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig, SpoolConfig},
    wire::{Dsn, SdkInfo},
};

use super::ExporterError;
use crate::mapping::Deployment;

const RATE: &str = "SENTRY_TRACES_SAMPLE_RATE";

/// What the environment says; an empty variable counts as not set.
pub(super) struct Variables {
    pub(super) dsn: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) release: Option<String>,
    pub(super) traces_sample_rate: Option<f64>,
}

impl Variables {
    /// Reads `SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE` and, unless it is decided already, the sample rate.
    pub(super) fn read(
        variable: impl Fn(&str) -> Option<String>,
        rate_is_decided: bool,
    ) -> Result<Self, ExporterError> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let invalid = |_| ExporterError::InvalidVariable { name: RATE, expected: "a number between 0 and 1" };
        let rate = given(RATE).filter(|_| !rate_is_decided);
        Ok(Self {
            dsn: given("SENTRY_DSN"),
            environment: given("SENTRY_ENVIRONMENT"),
            release: given("SENTRY_RELEASE"),
            traces_sample_rate: rate.map(|rate| rate.trim().parse().map_err(invalid)).transpose()?,
        })
    }
}

/// The process's environment variable of that name.
pub(super) fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The DSN, read; `None` when there is none.
pub(super) fn read_dsn(dsn: Option<&str>) -> Result<Option<Dsn>, ExporterError> {
    let given = dsn.map(str::trim).filter(|dsn| !dsn.is_empty());
    Ok(given.map(str::parse).transpose()?)
}

/// The sample rate, which is 1 unless one is given.
pub(super) fn read_rate(rate: Option<f64>) -> Result<f64, ExporterError> {
    let rate = rate.unwrap_or(1.0);
    if (0.0..=1.0).contains(&rate) { Ok(rate) } else { Err(ExporterError::InvalidSampleRate { rate }) }
}

/// What every item says of where it comes from. What Relay would throw away is said once, here.
pub(super) fn deployment(dsn: &Dsn, environment: Option<&str>, release: Option<&str>) -> Deployment {
    let mut deployment = Deployment::default();
    deployment.set_project(dsn.public_key(), dsn.org_id());
    if let Some(environment) = environment {
        deployment.set_environment(environment);
        if deployment.environment() != environment {
            tracing::warn!(
                target: "watchpost",
                environment,
                sent = deployment.environment(),
                "Sentry would discard this environment"
            );
        }
    }
    if let Some(release) = release.filter(|release| !release.trim().is_empty()) {
        deployment.set_release(release);
        if deployment.accepted_release().is_none() {
            tracing::warn!(target: "watchpost", release, "Sentry would discard this release: it is not sent as one");
        }
    }
    deployment
}

/// Starts the delivery; `None` when the user turned exporting off. The DSN is checked either way.
pub(super) fn deliver(
    dsn: Dsn,
    sdk: SdkInfo,
    spool: Option<SpoolConfig>,
    off: bool,
) -> Result<Option<Delivery>, ExporterError> {
    let mut config = DeliveryConfig::new(dsn).with_sdk(sdk);
    // Who exports nothing takes nothing over either.
    if let Some(spool) = spool.filter(|_| !off) {
        config = config.with_spool(spool);
    }
    Ok(Some(Delivery::start(config)?).filter(|_| !off))
}

/// The setters of both configurations.
macro_rules! destination_setters {
    () => {
        /// Sets the DSN.
        #[must_use]
        pub fn with_dsn(mut self, dsn: impl Into<String>) -> Self {
            self.dsn = Some(dsn.into());
            self
        }

        /// Sets the environment.
        #[must_use]
        pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
            self.environment = Some(environment.into());
            self
        }

        /// Sets the release.
        #[must_use]
        pub fn with_release(mut self, release: impl Into<String>) -> Self {
            self.release = Some(release.into());
            self
        }

        /// Sets which share of the traces is sent, 0 to 1.
        #[must_use]
        pub const fn with_traces_sample_rate(mut self, rate: f64) -> Self {
            self.traces_sample_rate = Some(rate);
            self
        }

        /// Sets which content leaves the process.
        #[must_use]
        pub const fn with_capture(mut self, capture: $crate::redact::Capture) -> Self {
            self.capture = Some(capture);
            self
        }

        /// Keeps what is to be sent on disk until it is sent: through outages, rate limits and the end of the process. What a
        /// process that is gone left in the folder for the same DSN, this exporter sends. Secrets are taken out before.
        #[must_use]
        pub fn with_spool(mut self, spool: watchpost_sentry::delivery::SpoolConfig) -> Self {
            self.spool = Some(spool);
            self
        }
    };
}
pub(super) use destination_setters;
