//! What `track()` is asked to do: the exporters and the peer's whole set of options. Source: seed 000 ("Configuration") and
//! AgentCat's options.

use std::{collections::BTreeMap, error::Error, fmt, future::Future, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use watchpost_sentry::delivery::Outcome;

use super::hooks::{HookError, HookRequest, Hooks};
use crate::{
    exporter::{EventExporter, ExporterError, McpExporter, SentryConfig},
    mcp::{CONTEXT_DESCRIPTION, EventFilter},
    model::{Actor, McpEvent},
};

/// How long a hook may take, unless the options say otherwise.
const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What `track()` is asked to do. Everything has a default; without an exporter nothing is sent.
///
/// By builder, as in the seed:
///
/// ```
/// use watchpost::{exporter::SentryConfig, mcp::Options};
///
/// let options = Options::default().exporter(
///     "sentry",
///     SentryConfig::default()
///         .with_dsn("https://key@o123456.ingest.sentry.io/789")
///         .with_environment("production")
///         .with_release("1.0.0")
///         .with_tracing(true),
/// );
/// ```
///
/// Or read from any format serde knows, TOML say, in either spelling of the seed's names; a key or an exporter's type that is
/// not known is an error:
///
/// ```
/// let options: watchpost::mcp::Options = serde_json::from_str(
///     r#"{
///         "exporters": {
///             "sentry": {
///                 "type": "sentry",
///                 "dsn": "https://key@o123456.ingest.sentry.io/789",
///                 "environment": "production",
///                 "release": "1.0.0",
///                 "enableTracing": true
///             }
///         }
///     }"#,
/// )?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub(super) exporters: BTreeMap<String, ExporterOption>,
    #[serde(alias = "enableToolCallContext")]
    pub(super) enable_tool_call_context: bool,
    #[serde(alias = "customContextDescription")]
    pub(super) custom_context_description: Option<String>,
    #[serde(alias = "enableReportMissing")]
    pub(super) enable_report_missing: bool,
    #[serde(deserialize_with = "event_filter")]
    pub(super) events: EventFilter,
    pub(super) tags: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) hook_timeout: Duration,
    #[serde(skip)]
    pub(super) hooks: Hooks,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            exporters: BTreeMap::new(),
            enable_tool_call_context: false,
            custom_context_description: None,
            enable_report_missing: false,
            events: EventFilter::default(),
            tags: BTreeMap::new(),
            hook_timeout: HOOK_TIMEOUT,
            hooks: Hooks::default(),
        }
    }
}

fn event_filter<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<EventFilter, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// An exporter: its configuration, or one that exists already.
#[derive(Clone, Deserialize)]
#[serde(from = "SentryConfig")]
pub struct ExporterOption(Kind);

#[derive(Clone)]
enum Kind {
    Sentry(Box<SentryConfig>),
    Made(Arc<dyn EventExporter>),
}

/// An exporter at work.
pub(super) struct Exporter {
    pub(super) exporter: Arc<dyn EventExporter>,
    /// Whether nobody else has it: then it is shut down with the tracker, else only flushed.
    pub(super) owned: bool,
}

impl Exporter {
    pub(super) fn shutdown(&self, timeout: Duration) -> Outcome {
        if self.owned { self.exporter.shutdown(timeout) } else { self.exporter.flush(timeout) }
    }
}

impl From<SentryConfig> for ExporterOption {
    fn from(config: SentryConfig) -> Self {
        Self(Kind::Sentry(Box::new(config)))
    }
}

impl<E: EventExporter + 'static> From<Arc<E>> for ExporterOption {
    fn from(exporter: Arc<E>) -> Self {
        Self(Kind::Made(exporter))
    }
}

impl From<McpExporter> for ExporterOption {
    fn from(exporter: McpExporter) -> Self {
        Self(Kind::Made(Arc::new(exporter)))
    }
}

impl fmt::Debug for ExporterOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sentry(config) => config.fmt(f),
            Kind::Made(_) => f.write_str("EventExporter"),
        }
    }
}

/// Why a server can't be tracked as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// An exporter's configuration is wrong.
    #[error("exporter `{name}`: {error}")]
    Exporter {
        /// The name it was given.
        name: String,
        /// What is wrong.
        #[source]
        error: ExporterError,
    },
    /// The environment's configuration is wrong.
    #[error("{0}")]
    Environment(#[source] ExporterError),
}

impl Options {
    /// One exporter named `sentry`, from `SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE` and `SENTRY_TRACES_SAMPLE_RATE`,
    /// with transactions; no exporter without `SENTRY_DSN`.
    ///
    /// # Errors
    /// When the sample rate is no number.
    pub fn from_env() -> Result<Self, TrackError> {
        let config = SentryConfig::from_env().map_err(TrackError::Environment)?;
        let options = Self::default();
        Ok(if config.dsn.is_some() { options.exporter("sentry", config.with_tracing(true)) } else { options })
    }

    /// Adds an exporter: a [`SentryConfig`], an [`McpExporter`] that exists already, or an `Arc` of any [`EventExporter`]. One that
    /// exists already is flushed when the tracker is shut down, not shut down itself. The name is only for messages.
    #[must_use]
    pub fn exporter(mut self, name: impl Into<String>, exporter: impl Into<ExporterOption>) -> Self {
        self.exporters.insert(name.into(), exporter.into());
        self
    }

    /// Asks models why they call a tool: each tool gets a further argument `context`, which becomes the event's `user_intent` and
    /// is taken off before the tool sees it. Tools that have a `context` of their own, or a schema that the argument could
    /// break, stay as they are. Default: off, because it changes what clients see.
    #[must_use]
    pub fn enable_tool_call_context(mut self, enabled: bool) -> Self {
        self.enable_tool_call_context = enabled;
        self
    }

    /// What the argument `context` asks for. Default: [`CONTEXT_DESCRIPTION`].
    #[must_use]
    pub fn custom_context_description(mut self, description: impl Into<String>) -> Self {
        self.custom_context_description = Some(description.into());
        self
    }

    /// Adds a tool `get_more_tools`, by which models say what they miss; its calls are events like any other. Default: off,
    /// because it changes what clients see.
    #[must_use]
    pub fn enable_report_missing(mut self, enabled: bool) -> Self {
        self.enable_report_missing = enabled;
        self
    }

    /// Which messages become events besides requests. Default: neither pings nor notifications.
    #[must_use]
    pub fn events(mut self, events: EventFilter) -> Self {
        self.events = events;
        self
    }

    /// Adds a tag to every event.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// How long a hook may take for one event, counted for hooks that decorate from the call's end. Default: 5 s. One that takes
    /// longer is not called again until it is back. It is waited for less long, but 100 ms, while half of the queue is full, and no
    /// longer than half the time of a flush or shutdown.
    #[must_use]
    pub fn hook_timeout(mut self, timeout: Duration) -> Self {
        self.hook_timeout = timeout;
        self
    }

    /// Says who a request is made for; `None` for nobody in particular. Asked for a session's first request, when the request's
    /// credentials are others than before, and every minute; what it said last holds for the session. A new actor is an event
    /// `identify`.
    #[must_use]
    pub fn identify<F, R, E>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<HookRequest>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Actor>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        self.hooks.identify = Some(Arc::new(move |request| {
            let answer = hook(request);
            Box::pin(async move { answer.await.map_err(Into::into) })
        }));
        self
    }

    /// Tags for the event of a request.
    #[must_use]
    pub fn event_tags<F>(mut self, hook: F) -> Self
    where
        F: Fn(&HookRequest) -> Result<Vec<(String, String)>, HookError> + Send + Sync + 'static,
    {
        self.hooks.event_tags = Some(Arc::new(hook));
        self
    }

    /// Properties, which are any JSON, for the event of a request.
    #[must_use]
    pub fn event_properties<F>(mut self, hook: F) -> Self
    where
        F: Fn(&HookRequest) -> Result<Vec<(String, Value)>, HookError> + Send + Sync + 'static,
    {
        self.hooks.event_properties = Some(Arc::new(hook));
        self
    }

    /// The session of a request, by the host's own handle, the same for the same handle; `None` leaves it as it is. Spans made
    /// within the call stay in the trace of the session that was known when it began.
    #[must_use]
    pub fn resolve_session_id<F>(mut self, hook: F) -> Self
    where
        F: Fn(&HookRequest) -> Result<Option<String>, HookError> + Send + Sync + 'static,
    {
        self.hooks.resolve_session_id = Some(Arc::new(hook));
        self
    }

    /// Redacts every string of an event but its ids and its type: `Some` replaces it. Should it fail, the event is dropped. The
    /// rules of [`redact`](crate::redact) run in any case.
    #[must_use]
    pub fn redact<F>(mut self, hook: F) -> Self
    where
        F: Fn(&str) -> Result<Option<String>, HookError> + Send + Sync + 'static,
    {
        self.hooks.redact = Some(Arc::new(hook));
        self
    }

    /// Changes an event, or drops it by `None`; before [`redact`](Self::redact). Should it fail, the event is dropped.
    #[must_use]
    pub fn redact_event<F>(mut self, hook: F) -> Self
    where
        F: Fn(McpEvent) -> Result<Option<McpEvent>, HookError> + Send + Sync + 'static,
    {
        self.hooks.redact_event = Some(Arc::new(hook));
        self
    }

    /// The exporters, made.
    pub(super) fn make_exporters(&self) -> Result<Vec<Exporter>, TrackError> {
        let make = |(name, option): (&String, &ExporterOption)| match &option.0 {
            Kind::Sentry(config) => {
                let exporter = McpExporter::new((**config).clone())
                    .map_err(|error| TrackError::Exporter { name: name.clone(), error })?;
                Ok(Exporter { exporter: Arc::new(exporter), owned: true })
            }
            Kind::Made(exporter) => Ok(Exporter { exporter: Arc::clone(exporter), owned: false }),
        };
        self.exporters.iter().map(make).collect()
    }

    pub(super) fn context_description(&self) -> &str {
        self.custom_context_description.as_deref().unwrap_or(CONTEXT_DESCRIPTION)
    }
}
