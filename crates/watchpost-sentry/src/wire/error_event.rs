//! Error events: what becomes an issue.
//! Source: Sentry's event payload and breadcrumbs interface.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::{
    EventId, Exception, Level, SdkInfo, SpanId, SpanStatus, Timestamp, TraceId, User, Value,
    event_part::{Common, Contexts, TraceContext},
    json::JsonWriter,
    lenient, owned,
    value::write_object,
};

/// An event with exceptions (`{"type":"event"}`). Read from JSON, a missing or invalid id is all zeros and a missing or
/// unknown level is `error`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorEvent<'a> {
    /// The event id; also the envelope's. Deterministic, so that a resend is recognised.
    pub event_id: EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The level.
    pub level: Level,
    /// `exception.values`, oldest cause first.
    pub exceptions: Vec<Exception<'a>>,
    /// `breadcrumbs`: what happened before, oldest first. Sentry keeps the last 100.
    pub breadcrumbs: Vec<Breadcrumb<'a>>,
    /// The grouping; empty leaves it to Sentry.
    pub fingerprint: Vec<Cow<'a, str>>,
    /// `transaction`: what was going on.
    pub transaction: Option<Cow<'a, str>>,
    /// `contexts.trace.trace_id`.
    pub trace_id: TraceId,
    /// `contexts.trace.span_id`: the failing span.
    pub span_id: SpanId,
    /// `contexts.trace.parent_span_id`.
    pub parent_span_id: Option<SpanId>,
    /// `contexts.trace.op`.
    pub op: Option<Cow<'a, str>>,
    /// `contexts.trace.status`.
    pub status: Option<SpanStatus>,
    /// Further contexts beside `trace`; one of that name is left out.
    pub contexts: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Tags, written as a transaction's: an empty one is left out, a newline becomes a space.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Extra data.
    pub extra: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Who it happened to.
    pub user: Option<User<'a>>,
    /// The release.
    pub release: Option<Cow<'a, str>>,
    /// The environment.
    pub environment: Option<Cow<'a, str>>,
    /// The SDK that made it.
    pub sdk: Option<SdkInfo>,
    /// The platform; Relay turns an unlisted one into `other`, and so does the writer an empty one.
    pub platform: Cow<'a, str>,
}

/// Something that happened before an error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Breadcrumb<'a> {
    /// When. Sentry shows a breadcrumb without a time, too.
    #[serde(default, deserialize_with = "lenient::readable")]
    pub timestamp: Option<Timestamp>,
    /// What kind of thing happened: dotted words, such as `agent.signal`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub category: Option<Cow<'a, str>>,
    /// What happened, for people.
    #[serde(default, deserialize_with = "lenient::text")]
    pub message: Option<Cow<'a, str>>,
    /// How bad it was; `info` where it is not said.
    #[serde(default, deserialize_with = "lenient::parsed")]
    pub level: Option<Level>,
    /// More of it.
    #[serde(default, deserialize_with = "lenient::members")]
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl ErrorEvent<'_> {
    /// Appends the event as JSON. Empty collections are left out; a key set twice is written once, the last time.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        self.common().write(&mut json);
        json.member("level", self.level.as_str());
        if !self.exceptions.is_empty() {
            json.key("exception");
            json.begin_object();
            json.key("values");
            json.begin_array();
            for exception in &self.exceptions {
                exception.write(&mut json);
            }
            json.end_array();
            json.end_object();
        }
        if !self.breadcrumbs.is_empty() {
            json.key("breadcrumbs");
            json.begin_object();
            json.key("values");
            json.begin_array();
            for breadcrumb in &self.breadcrumbs {
                breadcrumb.write(&mut json);
            }
            json.end_array();
            json.end_object();
        }
        if !self.fingerprint.is_empty() {
            json.key("fingerprint");
            json.begin_array();
            for part in &self.fingerprint {
                json.string(part);
            }
            json.end_array();
        }
        json.end_object();
    }

    /// The same event, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> ErrorEvent<'static> {
        ErrorEvent {
            event_id: self.event_id,
            timestamp: self.timestamp,
            level: self.level,
            exceptions: self.exceptions.into_iter().map(Exception::into_owned).collect(),
            breadcrumbs: self.breadcrumbs.into_iter().map(Breadcrumb::into_owned).collect(),
            fingerprint: self.fingerprint.into_iter().map(owned::text).collect(),
            transaction: owned::some(self.transaction),
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            op: owned::some(self.op),
            status: self.status,
            contexts: owned::members(self.contexts),
            tags: owned::tags(self.tags),
            extra: owned::members(self.extra),
            user: self.user.map(User::into_owned),
            release: owned::some(self.release),
            environment: owned::some(self.environment),
            sdk: self.sdk,
            platform: owned::text(self.platform),
        }
    }

    fn common(&self) -> Common<'_, '_> {
        Common {
            event_id: self.event_id,
            timestamp: self.timestamp,
            platform: if self.platform.is_empty() { "other" } else { &self.platform },
            transaction: self.transaction.as_deref().unwrap_or_default(),
            trace: TraceContext {
                trace_id: self.trace_id,
                span_id: self.span_id,
                parent_span_id: self.parent_span_id,
                op: self.op.as_deref().unwrap_or_default(),
                status: self.status,
                ..TraceContext::default()
            },
            contexts: &self.contexts,
            tags: &self.tags,
            extra: &self.extra,
            user: self.user.as_ref(),
            release: self.release.as_deref(),
            environment: self.environment.as_deref(),
            sdk: self.sdk.as_ref(),
        }
    }
}

impl Breadcrumb<'_> {
    /// The same breadcrumb, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Breadcrumb<'static> {
        Breadcrumb {
            timestamp: self.timestamp,
            category: owned::some(self.category),
            message: owned::some(self.message),
            level: self.level,
            data: owned::members(self.data),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        if let Some(timestamp) = self.timestamp {
            json.key("timestamp");
            json.raw_value(|out| timestamp.write_json(out));
        }
        json.member_some("category", self.category.as_deref());
        json.member_some("message", self.message.as_deref());
        json.member_some("level", self.level.map(Level::as_str));
        if !self.data.is_empty() {
            json.key("data");
            json.raw_value(|out| write_object(out, &self.data));
        }
        json.end_object();
    }
}

impl<'de> Deserialize<'de> for ErrorEvent<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = ReadErrorEvent::deserialize(deserializer)?;
        let trace = read.contexts.trace;
        Ok(Self {
            event_id: read.event_id,
            timestamp: read.timestamp,
            level: read.level.unwrap_or(Level::Error),
            exceptions: read.exception,
            breadcrumbs: read.breadcrumbs,
            fingerprint: read.fingerprint,
            transaction: read.transaction,
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent_span_id: trace.parent_span_id,
            op: trace.op,
            status: trace.status,
            contexts: read.contexts.others,
            tags: read.tags,
            extra: read.extra,
            user: read.user,
            release: read.release,
            environment: read.environment,
            sdk: read.sdk,
            platform: read.platform,
        })
    }
}

#[derive(Deserialize)]
struct ReadErrorEvent {
    #[serde(default, deserialize_with = "lenient::default")]
    event_id: EventId,
    timestamp: Timestamp,
    #[serde(default, deserialize_with = "lenient::parsed")]
    level: Option<Level>,
    #[serde(default, deserialize_with = "lenient::values")]
    exception: Vec<Exception<'static>>,
    #[serde(default, deserialize_with = "lenient::readable_values")]
    breadcrumbs: Vec<Breadcrumb<'static>>,
    #[serde(default, deserialize_with = "lenient::texts")]
    fingerprint: Vec<Cow<'static, str>>,
    #[serde(default, deserialize_with = "lenient::text")]
    transaction: Option<Cow<'static, str>>,
    #[serde(default)]
    contexts: Contexts<'static>,
    #[serde(default, deserialize_with = "lenient::tags")]
    tags: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    #[serde(default, deserialize_with = "lenient::members")]
    extra: Vec<(Cow<'static, str>, Value<'static>)>,
    user: Option<User<'static>>,
    #[serde(default, deserialize_with = "lenient::text")]
    release: Option<Cow<'static, str>>,
    #[serde(default, deserialize_with = "lenient::text")]
    environment: Option<Cow<'static, str>>,
    sdk: Option<SdkInfo>,
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    platform: Cow<'static, str>,
}
