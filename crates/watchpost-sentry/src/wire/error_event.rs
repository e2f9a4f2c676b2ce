//! Error events: what becomes an issue.

use std::borrow::Cow;

use super::{EventId, Level, SdkInfo, SpanId, SpanStatus, Timestamp, TraceId, User, Value};

/// An event with exceptions (`{"type":"event"}`).
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
    /// Further contexts beside `trace`.
    pub contexts: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Tags.
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
    /// The platform; Relay turns an unlisted one into `other`.
    pub platform: Cow<'a, str>,
}

/// One exception of an [`ErrorEvent`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exception<'a> {
    /// The type, for example `ToolCallError`.
    pub ty: Cow<'a, str>,
    /// The message. Relay cuts it at 8192 characters.
    pub value: Cow<'a, str>,
    /// The module.
    pub module: Option<Cow<'a, str>>,
    /// How it was caught.
    pub mechanism: Option<Mechanism<'a>>,
    /// Stack frames, oldest call first; empty leaves `stacktrace` out.
    pub frames: Vec<Frame<'a>>,
}

/// How an exception was caught.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mechanism<'a> {
    /// The type, unique per integration, for example `auto.ai.mcp_server`.
    pub ty: Cow<'a, str>,
    /// Whether the program went on.
    pub handled: Option<bool>,
    /// Whether the exception was made up by the integration (its type is then ignored in grouping).
    pub synthetic: Option<bool>,
    /// `exception_id`, for chains.
    pub exception_id: Option<u32>,
    /// `parent_id`, for chains.
    pub parent_id: Option<u32>,
    /// Not searchable details.
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// One stack frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame<'a> {
    /// `filename`.
    pub filename: Option<Cow<'a, str>>,
    /// `abs_path`.
    pub abs_path: Option<Cow<'a, str>>,
    /// `function`.
    pub function: Option<Cow<'a, str>>,
    /// `module`.
    pub module: Option<Cow<'a, str>>,
    /// `lineno`, from 1.
    pub lineno: Option<u32>,
    /// `colno`, from 1.
    pub colno: Option<u32>,
    /// `in_app`.
    pub in_app: Option<bool>,
    /// `context_line`: the source line.
    pub context_line: Option<Cow<'a, str>>,
}
