//! The exporter's configuration: the fields of seed 000 by their own names, and what goes beyond them.

use std::fmt;

use serde::Deserialize;
use watchpost_sentry::{delivery::SpoolConfig, wire::Dsn};

use super::{
    ExporterError,
    destination::{Variables, deployment, destination_setters, process_variable, read_dsn, read_rate},
};
use crate::{
    mapping::{Profile, Settings, TraceMode},
    redact::Capture,
};

/// How to export to Sentry. A field that is `None` has its default.
///
/// Reads from any format serde knows, with the seed's own names; an unknown field is an error:
///
/// ```
/// use watchpost::exporter::SentryConfig;
///
/// let config: SentryConfig = serde_json::from_str(
///     r#"{"type": "sentry", "dsn": "https://key@o123456.ingest.sentry.io/789", "environment": "production",
///         "release": "1.0.0", "enableTracing": true}"#,
/// )?;
/// assert_eq!(config.enable_tracing, Some(true));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SentryConfig {
    /// Only says that this is a Sentry exporter; may be left out.
    #[serde(rename = "type")]
    pub exporter: Option<ExporterType>,
    /// Sentry's Data Source Name. Required by the exporter.
    pub dsn: Option<String>,
    /// The environment. Default: `production`.
    pub environment: Option<String>,
    /// The release. Default: none.
    pub release: Option<String>,
    /// Whether a transaction is sent for each event, in addition to its log. Default: `false`.
    #[serde(alias = "enableTracing")]
    pub enable_tracing: Option<bool>,
    /// Which share of the traces is sent as transactions, 0 to 1. Default: 1. Tracing must be enabled too; logs and error
    /// events are always sent.
    #[serde(alias = "tracesSampleRate")]
    pub traces_sample_rate: Option<f64>,
    /// How closely the items follow Sentry's schemas. Default: [`Profile::Seed`].
    pub profile: Option<Profile>,
    /// Which trace an event belongs to. Default: [`TraceMode::Session`].
    pub trace: Option<TraceMode>,
    /// Which content leaves the process. Default: [`Capture::SEED`].
    pub capture: Option<Capture>,
    /// Where what is to be sent is kept on disk until it is sent. Default: nowhere, in memory only.
    pub spool: Option<SpoolConfig>,
}

/// The one type of exporter that [`SentryConfig`] configures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ExporterType {
    /// `sentry`.
    #[default]
    Sentry,
}

impl SentryConfig {
    /// Reads `SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE` and `SENTRY_TRACES_SAMPLE_RATE`; an empty variable counts as
    /// not set. None of them enables tracing: with this exporter that is a decision of its own.
    ///
    /// # Errors
    /// When the sample rate is no number.
    pub fn from_env() -> Result<Self, ExporterError> {
        Self::from_variables(process_variable)
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ExporterError> {
        let Variables { dsn, environment, release, traces_sample_rate } = Variables::read(variable, false)?;
        Ok(Self { dsn, environment, release, traces_sample_rate, ..Self::default() })
    }

    destination_setters!();

    /// Sets whether transactions are sent.
    #[must_use]
    pub const fn with_tracing(mut self, enabled: bool) -> Self {
        self.enable_tracing = Some(enabled);
        self
    }

    /// Sets the profile.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Sets which trace an event belongs to.
    #[must_use]
    pub const fn with_trace(mut self, trace: TraceMode) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The DSN, read.
    pub(super) fn read_dsn(&self) -> Result<Dsn, ExporterError> {
        read_dsn(self.dsn.as_deref())?.ok_or(ExporterError::MissingDsn)
    }

    /// The mapping's settings.
    pub(super) fn settings(&self, dsn: &Dsn) -> Result<Settings, ExporterError> {
        let rate = read_rate(self.traces_sample_rate)?;
        Ok(Settings::default()
            .with_deployment(deployment(dsn, self.environment.as_deref(), self.release.as_deref()))
            .with_tracing(self.enable_tracing.unwrap_or(false))
            .with_traces_sample_rate(rate)
            .with_profile(self.profile.unwrap_or_default())
            .with_trace(self.trace.unwrap_or_default()))
    }
}

impl fmt::Debug for SentryConfig {
    /// Without the DSN, which holds a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exporter,
            dsn,
            environment,
            release,
            enable_tracing,
            traces_sample_rate,
            profile,
            trace,
            capture,
            spool,
        } = self;
        f.debug_struct("SentryConfig")
            .field("exporter", exporter)
            .field("dsn", &dsn.as_ref().map(|_| crate::redact::MARKER))
            .field("environment", environment)
            .field("release", release)
            .field("enable_tracing", enable_tracing)
            .field("traces_sample_rate", traces_sample_rate)
            .field("profile", profile)
            .field("trace", trace)
            .field("capture", capture)
            .field("spool", spool)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SentryConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn both_spellings_of_the_seed_are_read() {
        let python = r#"{"type": "sentry", "dsn": "d", "environment": "e", "release": "r", "enable_tracing": true}"#;
        let typescript = r#"{"type": "sentry", "dsn": "d", "environment": "e", "release": "r", "enableTracing": true}"#;
        let config = read(python).unwrap();
        assert_eq!(read(typescript).unwrap(), config);
        let same = SentryConfig::default().with_dsn("d").with_environment("e").with_release("r").with_tracing(true);
        assert_eq!(config, SentryConfig { exporter: Some(ExporterType::Sentry), ..same });
    }

    #[test]
    fn what_goes_beyond_the_seed_is_read_by_name() {
        let config =
            read(r#"{"traces_sample_rate": 0.5, "profile": "strict", "trace": "call", "capture": "none"}"#).unwrap();
        let same = SentryConfig::default()
            .with_traces_sample_rate(0.5)
            .with_profile(Profile::Strict)
            .with_trace(TraceMode::Call)
            .with_capture(Capture::NONE);
        assert_eq!(config, same);
    }

    #[test]
    fn unknown_fields_types_and_values_are_errors() {
        for (json, message) in [
            (r#"{"dns": "d"}"#, "unknown field `dns`, expected one of `type`, `dsn`, `environment`"),
            (r#"{"type": "otlp"}"#, "unknown variant `otlp`, expected `sentry`"),
            (r#"{"trace": "calls"}"#, "unknown variant `calls`, expected one of `session`, `propagated`, `call`"),
            (r#"{"capture": "some"}"#, "`some` is no content to capture"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn the_environment_is_read_and_empty_variables_are_not_set() {
        let variable = |name: &str| match name {
            "SENTRY_DSN" => Some("https://key@host/1".to_owned()),
            "SENTRY_ENVIRONMENT" => Some(" ".to_owned()),
            "SENTRY_RELEASE" => Some("1.0.0".to_owned()),
            "SENTRY_TRACES_SAMPLE_RATE" => Some("0.25".to_owned()),
            _ => None,
        };
        let expected =
            SentryConfig::default().with_dsn("https://key@host/1").with_release("1.0.0").with_traces_sample_rate(0.25);
        assert_eq!(SentryConfig::from_variables(variable), Ok(expected));
        let error = SentryConfig::from_variables(|_| Some("x".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "SENTRY_TRACES_SAMPLE_RATE is not a number between 0 and 1");
    }

    #[test]
    fn its_debug_text_holds_no_key() {
        let config = SentryConfig::default().with_dsn("https://topsecret@host/1");
        assert!(!format!("{config:?}").contains("topsecret"));
    }
}
