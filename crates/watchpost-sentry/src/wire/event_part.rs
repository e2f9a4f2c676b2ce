//! What transactions and error events have in common on the wire: the trace context, tags, extra, the user, the SDK.
//! Source: Sentry's event payloads.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    EventId, SdkInfo, SpanId, SpanStatus, Timestamp, TraceId, User, Value,
    distinct::visit_distinct,
    json::{JsonWriter, WriteValue, write_string},
    lenient,
    value::write_object,
};

/// `contexts.trace`.
#[derive(Default)]
pub(super) struct TraceContext<'s> {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) parent_span_id: Option<SpanId>,
    pub(super) op: &'s str,
    pub(super) status: Option<SpanStatus>,
    pub(super) origin: Option<&'s str>,
    /// Appends an object; `None` leaves it out.
    pub(super) data: Option<WriteValue<'s>>,
}

/// Members of the same name and meaning in both kinds of event.
pub(super) struct Common<'s, 'a> {
    pub(super) event_id: EventId,
    pub(super) timestamp: Timestamp,
    pub(super) platform: &'s str,
    pub(super) transaction: &'s str,
    pub(super) trace: TraceContext<'s>,
    pub(super) contexts: &'s [(Cow<'a, str>, Value<'a>)],
    pub(super) tags: &'s [(Cow<'a, str>, Cow<'a, str>)],
    pub(super) extra: &'s [(Cow<'a, str>, Value<'a>)],
    pub(super) user: Option<&'s User<'a>>,
    pub(super) release: Option<&'s str>,
    pub(super) environment: Option<&'s str>,
    pub(super) sdk: Option<&'s SdkInfo>,
}

impl Common<'_, '_> {
    /// Writes the members into the open object.
    pub(super) fn write(&self, json: &mut JsonWriter<'_>) {
        json.key("event_id");
        json.raw_value(|out| self.event_id.write_json(out));
        json.key("timestamp");
        json.raw_value(|out| self.timestamp.write_json(out));
        json.member("platform", self.platform);
        json.member_filled("transaction", self.transaction);
        json.key("contexts");
        json.raw_value(|out| self.write_contexts(out));
        if self.tags.iter().any(is_kept) {
            json.key("tags");
            json.raw_value(|out| write_tags(out, self.tags));
        }
        if !self.extra.is_empty() {
            json.key("extra");
            json.raw_value(|out| write_object(out, self.extra));
        }
        if let Some(user) = self.user.filter(|user| **user != User::default()) {
            json.key("user");
            json.begin_object();
            json.member_some("id", user.id.as_deref());
            json.member_some("username", user.username.as_deref());
            json.member_some("email", user.email.as_deref());
            json.end_object();
        }
        json.member_some("release", self.release);
        json.member_some("environment", self.environment);
        if let Some(sdk) = self.sdk {
            json.key("sdk");
            json.raw_value(|out| sdk.write_json(out));
        }
    }

    fn write_contexts(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("trace");
        self.trace.write(&mut json);
        visit_distinct(self.contexts, |(name, context)| {
            // Two `trace` contexts would leave it to the reader which one counts.
            if name != "trace" {
                json.key(name);
                json.value(context);
            }
        });
        json.end_object();
    }
}

impl TraceContext<'_> {
    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.key("trace_id");
        json.raw_value(|out| self.trace_id.write_json(out));
        json.key("span_id");
        json.raw_value(|out| self.span_id.write_json(out));
        if let Some(parent) = self.parent_span_id {
            json.key("parent_span_id");
            json.raw_value(|out| parent.write_json(out));
        }
        json.member_filled("op", self.op);
        json.member_some("status", self.status.map(SpanStatus::as_str));
        json.member_some("origin", self.origin);
        if let Some(write) = self.data {
            json.key("data");
            json.raw_value(write);
        }
        json.end_object();
    }
}

/// Relay loses a tag that is empty or has a newline, so an empty one is left out and a newline becomes a space.
fn write_tags(out: &mut Vec<u8>, tags: &[(Cow<'_, str>, Cow<'_, str>)]) {
    let mut json = JsonWriter::new(out);
    json.begin_object();
    visit_distinct(tags, |tag| {
        if is_kept(tag) {
            json.raw_value(|out| {
                write_string(out, &one_line(&tag.0));
                out.push(b':');
                write_string(out, &one_line(&tag.1));
            });
        }
    });
    json.end_object();
}

fn is_kept(tag: &(Cow<'_, str>, Cow<'_, str>)) -> bool {
    !tag.0.is_empty() && !tag.1.is_empty()
}

fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) { Cow::Owned(text.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(text) }
}

/// What is read of `contexts`: `trace` taken out, the others kept.
#[derive(Debug, Default)]
pub(super) struct Contexts<'a> {
    pub(super) trace: ReadTrace<'a>,
    pub(super) others: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// `contexts.trace` as read; what is missing or wrong is zero or `None`.
#[derive(Debug, Default)]
pub(super) struct ReadTrace<'a> {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) parent_span_id: Option<SpanId>,
    pub(super) op: Option<Cow<'a, str>>,
    pub(super) status: Option<SpanStatus>,
    pub(super) origin: Option<Cow<'a, str>>,
    pub(super) data: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'de> Deserialize<'de> for Contexts<'_> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut contexts = Self::default();
        for (name, context) in lenient::members(deserializer)? {
            match (&*name, context) {
                ("trace", Value::Object(members)) => contexts.trace = ReadTrace::from_members(members),
                ("trace", _) | (_, Value::Null) => {}
                (_, context) => contexts.others.push((name, context)),
            }
        }
        Ok(contexts)
    }
}

impl<'a> ReadTrace<'a> {
    fn from_members(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        let mut trace = Self::default();
        for (key, value) in members {
            match (&*key, value) {
                ("trace_id", Value::String(id)) => trace.trace_id = id.parse().unwrap_or_default(),
                ("span_id", Value::String(id)) => trace.span_id = id.parse().unwrap_or_default(),
                ("parent_span_id", Value::String(id)) => trace.parent_span_id = id.parse().ok(),
                ("op", Value::String(op)) => trace.op = Some(op),
                ("status", Value::String(status)) => trace.status = status.parse().ok(),
                ("origin", Value::String(origin)) => trace.origin = Some(origin),
                ("data", Value::Object(data)) => trace.data = data,
                _ => {}
            }
        }
        trace
    }
}
