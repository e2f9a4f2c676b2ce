//! The configuration of [`SentryExporter`](super::SentryExporter): the fields of seed 004 (`SentryExporterConfig`) by their own
//! names, and what goes beyond them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};
use watchpost_sentry::{delivery::SpoolConfig, wire::Dsn};

use super::{ExporterOptions, LogLevel};
use crate::{
    assembly::Limits,
    exporter::{
        ExporterError,
        destination::{Variables, deployment, destination_setters, process_variable, read_dsn, read_rate},
    },
    mapping::ai::{AiSettings, SpanMode},
    redact::{Capture, Rules},
};

/// Bytes of released traces that may wait for the exporter's thread.
const QUEUE_BYTES: usize = 24 * 1024 * 1024;

/// How to export agents' spans to Sentry. A field that is `None` has its default.
///
/// Reads from any format serde knows, with the seed's own names; an unknown field is an error:
///
/// ```
/// use watchpost::exporter::SentryExporterConfig;
///
/// let config: SentryExporterConfig = serde_json::from_str(
///     r#"{"dsn": "https://key@o123456.ingest.sentry.io/789", "environment": "production", "tracesSampleRate": 0.1}"#,
/// )?;
/// assert_eq!(config.traces_sample_rate, Some(0.1));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SentryExporterConfig {
    /// Sentry's Data Source Name. Without one the exporter is disabled, with a warning.
    pub dsn: Option<String>,
    /// The environment. Default: `production`.
    pub environment: Option<String>,
    /// The release. Default: none.
    pub release: Option<String>,
    /// Which share of the traces is sent, 0 to 1. Default: 1. Error events are always sent.
    #[serde(alias = "tracesSampleRate")]
    pub traces_sample_rate: Option<f64>,
    /// The least level of what the exporter says of itself. Default: `info`.
    #[serde(alias = "logLevel")]
    pub log_level: Option<LogLevel>,
    /// Who made the spans (`sentry.origin`). Default: `auto.ai.watchpost`; for Mastra's events
    /// [`MASTRA_ORIGIN`](crate::mapping::ai::MASTRA_ORIGIN).
    pub origin: Option<String>,
    /// How spans travel. Default (`auto`): [`SpanMode::Hybrid`] to `*.sentry.io`, else [`SpanMode::Transaction`].
    #[serde(alias = "spanMode", deserialize_with = "span_mode", default)]
    pub span_mode: Option<SpanMode>,
    /// Which content leaves the process. Default: [`Capture::ALL`], as in the seed.
    pub capture: Option<Capture>,
    /// The host's own redaction, beside the [built-in rules](crate::redact). Default: none. Applied to every span and log after
    /// the hooks that form them, before sampling, mapping and everything that is kept.
    #[serde(default)]
    pub redact: Rules,
    /// Most spans that may be open. Beyond, the trace idle longest is sent as it stands, its open spans as `aborted`. Default:
    /// 10 000.
    #[serde(alias = "maxOpenSpans")]
    pub max_open_spans: Option<usize>,
    /// Most bytes of spans that may be held until their trace is complete. Beyond likewise. Default: 16 MiB.
    #[serde(alias = "maxOpenBytes")]
    pub max_open_bytes: Option<usize>,
    /// How many seconds nothing may be heard of a trace before its open spans are sent as `deadline_exceeded`. Default: 1800.
    #[serde(alias = "openSpanTtl", deserialize_with = "seconds", default)]
    pub open_span_ttl: Option<Duration>,
    /// Bytes of complete traces that may wait to be mapped. Beyond, the oldest are dropped, counted as `queue_overflow`.
    /// Default: 24 MiB, in which a burst of a thousand ordinary traces fits beside what the delivery holds.
    #[serde(alias = "maxQueueBytes")]
    pub max_queue_bytes: Option<usize>,
    /// Whether the events are a recording that is played back: their order means nothing. Then whatever ended waits for up to five
    /// seconds, or until [`shutdown`](super::SentryExporter::shutdown), for the rest of its trace, within the bounds above; and a
    /// span that never ended ends when its trace was last heard of, not now. Default: false.
    #[serde(alias = "isRecording")]
    pub is_recording: Option<bool>,
    /// Where what is to be sent is kept on disk until it is sent. Default: nowhere, in memory only.
    pub spool: Option<SpoolConfig>,
    /// Hooks.
    #[serde(skip)]
    pub options: ExporterOptions,
}

impl SentryExporterConfig {
    /// Reads `SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE` and `SENTRY_TRACES_SAMPLE_RATE`; an empty variable counts as
    /// not set.
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

    /// This configuration, with the environment's variables where it says nothing (seed 004: "Zero-Config").
    ///
    /// # Errors
    /// When the sample rate is needed and no number.
    pub fn or_env(mut self) -> Result<Self, ExporterError> {
        let env = Variables::read(process_variable, self.traces_sample_rate.is_some())?;
        self.dsn = self.dsn.or(env.dsn);
        self.environment = self.environment.or(env.environment);
        self.release = self.release.or(env.release);
        self.traces_sample_rate = self.traces_sample_rate.or(env.traces_sample_rate);
        Ok(self)
    }

    destination_setters!();

    /// Sets the least level of what the exporter says of itself.
    #[must_use]
    pub const fn with_log_level(mut self, level: LogLevel) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Sets who made the spans.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets how spans travel.
    #[must_use]
    pub const fn with_span_mode(mut self, mode: SpanMode) -> Self {
        self.span_mode = Some(mode);
        self
    }

    /// Sets the host's own redaction: `["key:customer_*".parse()?].into_iter().collect()`.
    #[must_use]
    pub fn with_redact(mut self, rules: Rules) -> Self {
        self.redact = rules;
        self
    }

    /// Sets how many spans may be open.
    #[must_use]
    pub const fn with_max_open_spans(mut self, spans: usize) -> Self {
        self.max_open_spans = Some(spans);
        self
    }

    /// Sets how many bytes of spans may be held until their trace is complete.
    #[must_use]
    pub const fn with_max_open_bytes(mut self, bytes: usize) -> Self {
        self.max_open_bytes = Some(bytes);
        self
    }

    /// Sets how long nothing may be heard of a trace.
    #[must_use]
    pub const fn with_open_span_ttl(mut self, ttl: Duration) -> Self {
        self.open_span_ttl = Some(ttl);
        self
    }

    /// Sets how many bytes of complete traces may wait to be mapped.
    #[must_use]
    pub const fn with_max_queue_bytes(mut self, bytes: usize) -> Self {
        self.max_queue_bytes = Some(bytes);
        self
    }

    /// Sets whether the events are a recording.
    #[must_use]
    pub const fn with_recording(mut self, is_recording: bool) -> Self {
        self.is_recording = Some(is_recording);
        self
    }

    /// Sets the hooks.
    #[must_use]
    pub fn with_options(mut self, options: ExporterOptions) -> Self {
        self.options = options;
        self
    }

    /// The DSN, read; `None` when there is none.
    pub(super) fn read_dsn(&self) -> Result<Option<Dsn>, ExporterError> {
        read_dsn(self.dsn.as_deref())
    }

    pub(super) fn read_rate(&self) -> Result<f64, ExporterError> {
        read_rate(self.traces_sample_rate)
    }

    pub(super) fn mode(&self, dsn: &Dsn) -> SpanMode {
        self.span_mode.unwrap_or(if dsn.is_sentry_io() { SpanMode::Hybrid } else { SpanMode::Transaction })
    }

    pub(super) fn capture(&self) -> Capture {
        self.capture.unwrap_or(Capture::ALL)
    }

    pub(super) fn queue_bytes(&self) -> usize {
        self.max_queue_bytes.unwrap_or(QUEUE_BYTES)
    }

    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        let open_spans = self.max_open_spans.unwrap_or(default.open_spans);
        Limits {
            open_spans,
            open_traces: default.open_traces.max(open_spans),
            open_bytes: self.max_open_bytes.unwrap_or(default.open_bytes),
            idle: self.open_span_ttl.unwrap_or(default.idle),
            is_recording: self.is_recording.unwrap_or(default.is_recording),
            ..default
        }
    }

    /// The mapping's settings.
    pub(super) fn settings(&self, dsn: &Dsn) -> AiSettings {
        let deployment = deployment(dsn, self.environment.as_deref(), self.release.as_deref());
        let settings = AiSettings::default().with_deployment(deployment);
        match &self.origin {
            Some(origin) => settings.with_origin(origin.clone()),
            None => settings,
        }
    }
}

impl fmt::Debug for SentryExporterConfig {
    /// Without the DSN, which holds a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentryExporterConfig")
            .field("dsn", &self.dsn.as_ref().map(|_| crate::redact::MARKER))
            .field("environment", &self.environment)
            .field("release", &self.release)
            .field("traces_sample_rate", &self.traces_sample_rate)
            .field("log_level", &self.log_level)
            .field("origin", &self.origin)
            .field("span_mode", &self.span_mode)
            .field("capture", &self.capture)
            .field("redact", &self.redact.len())
            .field("max_open_spans", &self.max_open_spans)
            .field("max_open_bytes", &self.max_open_bytes)
            .field("open_span_ttl", &self.open_span_ttl)
            .field("max_queue_bytes", &self.max_queue_bytes)
            .field("is_recording", &self.is_recording)
            .field("spool", &self.spool)
            .field("options", &self.options)
            .finish()
    }
}

/// A mode's name, or `auto`.
fn span_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SpanMode>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("auto") => Ok(None),
        Some(name) => name
            .parse()
            .map(Some)
            .map_err(|_| de::Error::unknown_variant(name, &["auto", "transaction", "hybrid", "stream"])),
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(seconds) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    Duration::try_from_secs_f64(seconds).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SentryExporterConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_seeds_names_are_read_in_both_spellings() {
        for json in [
            r#"{"dsn": "d", "environment": "e", "tracesSampleRate": 0.5, "release": "r", "logLevel": "debug"}"#,
            r#"{"dsn": "d", "environment": "e", "traces_sample_rate": 0.5, "release": "r", "log_level": "debug"}"#,
        ] {
            let config = read(json).unwrap();
            assert_eq!((config.dsn.as_deref(), config.environment.as_deref()), (Some("d"), Some("e")));
            assert_eq!((config.release.as_deref(), config.traces_sample_rate), (Some("r"), Some(0.5)));
            assert_eq!(config.log_level, Some(LogLevel::Debug));
        }
    }

    #[test]
    fn what_goes_beyond_the_seed_is_read_by_name_and_auto_leaves_the_mode_to_the_dsn() {
        let config = read(
            r#"{"spanMode": "stream", "capture": "none", "maxOpenSpans": 5, "maxOpenBytes": 6, "openSpanTtl": 1.5,
                "maxQueueBytes": 7, "origin": "auto.ai.x"}"#,
        );
        let config = config.unwrap();
        assert_eq!((config.span_mode, config.capture), (Some(SpanMode::Stream), Some(Capture::NONE)));
        let limits = config.limits();
        assert_eq!((limits.open_spans, limits.open_bytes, config.queue_bytes()), (5, 6, 7));
        assert_eq!(limits.idle, Duration::from_millis(1500));

        let config = read(r#"{"span_mode": "auto"}"#).unwrap();
        let mode = |dsn: &str| config.mode(&dsn.parse().unwrap());
        assert_eq!(mode("https://key@o1.ingest.us.sentry.io/1"), SpanMode::Hybrid);
        assert_eq!(mode("https://key@sentry.example.com/1"), SpanMode::Transaction);
    }

    #[test]
    fn unknown_fields_and_values_are_errors() {
        for (json, message) in [
            (r#"{"dns": "d"}"#, "unknown field `dns`, expected one of `dsn`"),
            (r#"{"spanMode": "both"}"#, "unknown variant `both`, expected one of `auto`"),
            (r#"{"logLevel": "loud"}"#, "unknown variant `loud`, expected one of `debug`"),
            (r#"{"capture": "some"}"#, "`some` is no content to capture"),
            (r#"{"openSpanTtl": -1}"#, "cannot convert float seconds to Duration"),
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
            "SENTRY_TRACES_SAMPLE_RATE" => Some("0.25".to_owned()),
            _ => None,
        };
        let config = SentryExporterConfig::from_variables(variable).unwrap();
        assert_eq!((config.dsn.as_deref(), config.environment), (Some("https://key@host/1"), None));
        assert_eq!(config.traces_sample_rate, Some(0.25));
        let error = SentryExporterConfig::from_variables(|_| Some("x".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "SENTRY_TRACES_SAMPLE_RATE is not a number between 0 and 1");
    }

    #[test]
    fn its_debug_text_holds_no_key() {
        let config = SentryExporterConfig::default().with_dsn("https://topsecret@host/1");
        assert!(!format!("{config:?}").contains("topsecret"));
    }
}
