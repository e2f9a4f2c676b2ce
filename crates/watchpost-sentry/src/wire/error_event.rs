//! Error events: what becomes an issue.
//! Source: Sentry's event payload, exception interface and stack trace interface.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::{
    EventId, Level, SdkInfo, SpanId, SpanStatus, Timestamp, TraceId, User, Value,
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

/// One exception of an [`ErrorEvent`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Exception<'a> {
    /// The type, for example `ToolCallError`.
    #[serde(rename = "type", default, deserialize_with = "lenient::text_or_empty")]
    pub ty: Cow<'a, str>,
    /// The message. Relay cuts it at 8192 characters.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub value: Cow<'a, str>,
    /// The module.
    #[serde(default, deserialize_with = "lenient::text")]
    pub module: Option<Cow<'a, str>>,
    /// How it was caught.
    pub mechanism: Option<Mechanism<'a>>,
    /// Stack frames, oldest call first; empty leaves `stacktrace` out.
    #[serde(rename = "stacktrace", default, deserialize_with = "read_frames")]
    pub frames: Vec<Frame<'a>>,
}

/// How an exception was caught.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Mechanism<'a> {
    /// The type, unique per integration, for example `auto.ai.mcp_server`.
    #[serde(rename = "type", default, deserialize_with = "lenient::text_or_empty")]
    pub ty: Cow<'a, str>,
    /// Whether the program went on.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub handled: Option<bool>,
    /// Whether the exception was made up by the integration (its type is then ignored in grouping).
    #[serde(default, deserialize_with = "lenient::flag")]
    pub synthetic: Option<bool>,
    /// `exception_id`, for chains.
    #[serde(default, deserialize_with = "lenient::number")]
    pub exception_id: Option<u32>,
    /// `parent_id`, for chains.
    #[serde(default, deserialize_with = "lenient::number")]
    pub parent_id: Option<u32>,
    /// Not searchable details.
    #[serde(default, deserialize_with = "lenient::members")]
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// One stack frame.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Frame<'a> {
    /// `filename`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub filename: Option<Cow<'a, str>>,
    /// `abs_path`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub abs_path: Option<Cow<'a, str>>,
    /// `function`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub function: Option<Cow<'a, str>>,
    /// `module`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub module: Option<Cow<'a, str>>,
    /// `lineno`, from 1.
    #[serde(default, deserialize_with = "lenient::number")]
    pub lineno: Option<u32>,
    /// `colno`, from 1.
    #[serde(default, deserialize_with = "lenient::number")]
    pub colno: Option<u32>,
    /// `in_app`.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub in_app: Option<bool>,
    /// `context_line`: the source line.
    #[serde(default, deserialize_with = "lenient::text")]
    pub context_line: Option<Cow<'a, str>>,
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

impl Exception<'_> {
    /// The same exception, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Exception<'static> {
        Exception {
            ty: owned::text(self.ty),
            value: owned::text(self.value),
            module: owned::some(self.module),
            mechanism: self.mechanism.map(Mechanism::into_owned),
            frames: self.frames.into_iter().map(Frame::into_owned).collect(),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member_filled("type", &self.ty);
        json.member_filled("value", &self.value);
        json.member_some("module", self.module.as_deref());
        if let Some(mechanism) = &self.mechanism {
            json.key("mechanism");
            mechanism.write(json);
        }
        if !self.frames.is_empty() {
            json.key("stacktrace");
            json.begin_object();
            json.key("frames");
            json.begin_array();
            for frame in &self.frames {
                frame.write(json);
            }
            json.end_array();
            json.end_object();
        }
        json.end_object();
    }
}

impl Mechanism<'_> {
    /// The same mechanism, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Mechanism<'static> {
        Mechanism {
            ty: owned::text(self.ty),
            handled: self.handled,
            synthetic: self.synthetic,
            exception_id: self.exception_id,
            parent_id: self.parent_id,
            data: owned::members(self.data),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member("type", &self.ty);
        write_flag(json, "handled", self.handled);
        write_flag(json, "synthetic", self.synthetic);
        write_number(json, "exception_id", self.exception_id);
        write_number(json, "parent_id", self.parent_id);
        if !self.data.is_empty() {
            json.key("data");
            json.raw_value(|out| write_object(out, &self.data));
        }
        json.end_object();
    }
}

impl Frame<'_> {
    /// The same frame, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Frame<'static> {
        Frame {
            filename: owned::some(self.filename),
            abs_path: owned::some(self.abs_path),
            function: owned::some(self.function),
            module: owned::some(self.module),
            lineno: self.lineno,
            colno: self.colno,
            in_app: self.in_app,
            context_line: owned::some(self.context_line),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member_some("filename", self.filename.as_deref());
        json.member_some("abs_path", self.abs_path.as_deref());
        json.member_some("function", self.function.as_deref());
        json.member_some("module", self.module.as_deref());
        write_number(json, "lineno", self.lineno);
        write_number(json, "colno", self.colno);
        write_flag(json, "in_app", self.in_app);
        json.member_some("context_line", self.context_line.as_deref());
        json.end_object();
    }
}

fn write_flag(json: &mut JsonWriter<'_>, key: &str, flag: Option<bool>) {
    if let Some(flag) = flag {
        json.key(key);
        json.boolean(flag);
    }
}

fn write_number(json: &mut JsonWriter<'_>, key: &str, number: Option<u32>) {
    if let Some(number) = number {
        json.key(key);
        json.unsigned(number.into());
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

fn read_frames<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Frame<'a>>, D::Error> {
    #[derive(Deserialize)]
    struct Stacktrace<'a> {
        #[serde(default = "Vec::new", deserialize_with = "lenient::default")]
        frames: Vec<Frame<'a>>,
    }

    let stacktrace: Option<Stacktrace<'a>> = Option::deserialize(deserializer)?;
    Ok(stacktrace.map(|stacktrace| stacktrace.frames).unwrap_or_default())
}
