//! Transactions (version 1): the root span, its children and the event around them.
//! Source: Sentry's transaction payload (`event-payloads/transaction.mdx`), `relay-event-normalization`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::{
    EventId, SdkInfo, Span, SpanId, SpanStatus, Timestamp, TraceId, Value,
    event_part::{Common, Contexts, TraceContext},
    json::{JsonWriter, WriteValue},
    lenient,
    name::names,
    owned,
    value::write_object,
};

/// A transaction. The wire's `type`, `timestamp`, `start_timestamp` and `contexts.trace` are written from the fields,
/// `platform` is `other` (Relay turns an unlisted one into that). Relay rejects one that ends before it starts, so the
/// writer moves its end to its start. Read from JSON, a missing or invalid id is all zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction<'a> {
    /// The event id; also the envelope's.
    pub event_id: EventId,
    /// The name (`transaction` on the wire). Relay cuts it at 200 characters.
    pub name: Cow<'a, str>,
    /// Where the name comes from (`transaction_info.source`).
    pub source: TransactionSource,
    /// When it started.
    pub start: Timestamp,
    /// When it ended (`timestamp` on the wire; `end_timestamp` would be lost).
    pub end: Timestamp,
    /// `contexts.trace.trace_id`.
    pub trace_id: TraceId,
    /// `contexts.trace.span_id`: the root span.
    pub span_id: SpanId,
    /// `contexts.trace.parent_span_id`.
    pub parent_span_id: Option<SpanId>,
    /// `contexts.trace.op`.
    pub op: Cow<'a, str>,
    /// `contexts.trace.status`.
    pub status: SpanStatus,
    /// `contexts.trace.origin`.
    pub origin: Option<Cow<'a, str>>,
    /// `contexts.trace.data`: the root span's attributes.
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Further contexts beside `trace`; one of that name is left out.
    pub contexts: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Tags, at most 200 characters a key or value. Relay loses an empty one and one with a newline, so the writer
    /// leaves the former out and writes a space for the latter.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Extra data.
    pub extra: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Who it was done for.
    pub user: Option<User<'a>>,
    /// The release.
    pub release: Option<Cow<'a, str>>,
    /// The environment.
    pub environment: Option<Cow<'a, str>>,
    /// The SDK that made it.
    pub sdk: Option<SdkInfo>,
    /// Child spans, at most 1000.
    pub spans: Vec<Span<'a>>,
}

/// Where a transaction's name comes from; dynamic sampling needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransactionSource {
    /// `custom`.
    Custom,
    /// `url`.
    Url,
    /// `route`.
    Route,
    /// `view`.
    View,
    /// `component`.
    Component,
    /// `task`.
    Task,
}

/// The user of an event. One with no field set is left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct User<'a> {
    /// `id`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Cow<'a, str>>,
    /// `username`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub username: Option<Cow<'a, str>>,
    /// `email`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<Cow<'a, str>>,
}

names!(TransactionSource, "transaction source", {
    Custom = "custom",
    Url = "url",
    Route = "route",
    View = "view",
    Component = "component",
    Task = "task",
});

impl Transaction<'_> {
    /// Appends the transaction as JSON. Empty collections are left out; a key set twice is written once, the last time.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let data = |out: &mut Vec<u8>| write_object(out, &self.data);
        let spans = self.spans.iter().map(|span| |out: &mut Vec<u8>| span.write_json(out));
        self.write_json_with(out, (!self.data.is_empty()).then_some(&data as _), spans);
    }

    /// Appends the transaction as JSON, with what these write in place of its own `data` and `spans`: an object, if any, and an
    /// object for each span. For a caller that need not hold them.
    pub fn write_json_with(
        &self,
        out: &mut Vec<u8>,
        data: Option<WriteValue<'_>>,
        spans: impl Iterator<Item: FnOnce(&mut Vec<u8>)>,
    ) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.member("type", "transaction");
        self.common(data).write(&mut json);
        json.key("start_timestamp");
        json.raw_value(|out| self.start.write_json(out));
        json.key("transaction_info");
        json.begin_object();
        json.member("source", self.source.as_str());
        json.end_object();
        json.key("spans");
        json.begin_array();
        for write in spans {
            json.raw_value(write);
        }
        json.end_array();
        json.end_object();
    }

    /// The same transaction, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Transaction<'static> {
        Transaction {
            event_id: self.event_id,
            name: owned::text(self.name),
            source: self.source,
            start: self.start,
            end: self.end,
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            op: owned::text(self.op),
            status: self.status,
            origin: owned::some(self.origin),
            data: owned::members(self.data),
            contexts: owned::members(self.contexts),
            tags: owned::tags(self.tags),
            extra: owned::members(self.extra),
            user: self.user.map(User::into_owned),
            release: owned::some(self.release),
            environment: owned::some(self.environment),
            sdk: self.sdk,
            spans: self.spans.into_iter().map(Span::into_owned).collect(),
        }
    }

    fn common<'s>(&'s self, data: Option<WriteValue<'s>>) -> Common<'s, 's> {
        Common {
            event_id: self.event_id,
            timestamp: self.end.max(self.start),
            platform: "other",
            transaction: &self.name,
            trace: TraceContext {
                trace_id: self.trace_id,
                span_id: self.span_id,
                parent_span_id: self.parent_span_id,
                op: &self.op,
                status: Some(self.status),
                origin: self.origin.as_deref(),
                data,
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

impl User<'_> {
    /// The same user, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> User<'static> {
        User { id: owned::some(self.id), username: owned::some(self.username), email: owned::some(self.email) }
    }
}

impl<'de> Deserialize<'de> for Transaction<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = ReadTransaction::deserialize(deserializer)?;
        let trace = read.contexts.trace;
        Ok(Self {
            event_id: read.event_id,
            name: read.transaction,
            source: read.transaction_info.source.unwrap_or(TransactionSource::Custom),
            start: read.start_timestamp,
            end: read.timestamp,
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent_span_id: trace.parent_span_id,
            op: trace.op.unwrap_or_default(),
            status: trace.status.unwrap_or(SpanStatus::Unknown),
            origin: trace.origin,
            data: trace.data,
            contexts: read.contexts.others,
            tags: read.tags,
            extra: read.extra,
            user: read.user,
            release: read.release,
            environment: read.environment,
            sdk: read.sdk,
            spans: read.spans,
        })
    }
}

#[derive(Deserialize)]
struct ReadTransaction {
    #[serde(default, deserialize_with = "lenient::default")]
    event_id: EventId,
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    transaction: Cow<'static, str>,
    #[serde(default, deserialize_with = "lenient::default")]
    transaction_info: ReadTransactionInfo,
    start_timestamp: Timestamp,
    timestamp: Timestamp,
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
    #[serde(default, deserialize_with = "lenient::default")]
    spans: Vec<Span<'static>>,
}

#[derive(Default, Deserialize)]
struct ReadTransactionInfo {
    #[serde(default, deserialize_with = "lenient::parsed")]
    source: Option<TransactionSource>,
}
