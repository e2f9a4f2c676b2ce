//! Spans: version 1 inside a transaction, version 2 in `{"type":"span"}` containers of at most 1000 items of one trace.
//! Source: Sentry's transaction payload and `span-protocol.mdx`.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    Attributes, SpanId, SpanStatus, Timestamp, TraceId, Value,
    json::{JsonWriter, WriteValue},
    lenient,
    name::names,
    owned,
    value::write_object,
};

/// A child span of a [`Transaction`](super::Transaction) (version 1). One that ends before it starts makes Relay reject
/// the whole transaction, so the writer moves its end to its start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Span<'a> {
    /// The trace; the same as the transaction's.
    pub trace_id: TraceId,
    /// This span's id.
    pub span_id: SpanId,
    /// The parent's id.
    pub parent_span_id: Option<SpanId>,
    /// The operation, for example `mcp.server`.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub op: Cow<'a, str>,
    /// The name (`description` on the wire), low in cardinality.
    #[serde(default, deserialize_with = "lenient::text")]
    pub description: Option<Cow<'a, str>>,
    /// When it started.
    #[serde(rename = "start_timestamp")]
    pub start: Timestamp,
    /// When it ended (`timestamp` on the wire).
    #[serde(rename = "timestamp")]
    pub end: Timestamp,
    /// How it ended.
    #[serde(default, deserialize_with = "lenient::parsed")]
    pub status: Option<SpanStatus>,
    /// Who made it, for example `auto.ai.mcp_server`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub origin: Option<Cow<'a, str>>,
    /// Attributes, untyped JSON.
    #[serde(default, deserialize_with = "lenient::members")]
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// A span of version 2, sent on its own. Needs the envelope's `trace` header with the project's real public key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SpanV2<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// This span's id.
    pub span_id: SpanId,
    /// The parent's id.
    pub parent_span_id: Option<SpanId>,
    /// The name, low in cardinality.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub name: Cow<'a, str>,
    /// Whether it failed; details go into `sentry.status.message` and `error.type`. Read from JSON, an unknown one is
    /// `ok`.
    #[serde(default = "ok", deserialize_with = "status_or_ok")]
    pub status: SpanV2Status,
    /// Whether it is the root of its segment.
    #[serde(default, deserialize_with = "lenient::default")]
    pub is_segment: bool,
    /// When it started.
    #[serde(rename = "start_timestamp")]
    pub start: Timestamp,
    /// When it ended (`end_timestamp` on the wire).
    #[serde(rename = "end_timestamp")]
    pub end: Timestamp,
    /// Typed attributes.
    #[serde(default)]
    pub attributes: Attributes<'a>,
    /// Links to other spans.
    #[serde(default, deserialize_with = "lenient::default")]
    pub links: Vec<SpanLink<'a>>,
}

/// The status of a v2 span: only these two exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanV2Status {
    /// `ok`.
    Ok,
    /// `error`.
    Error,
}

/// A link from a v2 span to another span.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SpanLink<'a> {
    /// The linked span's trace.
    pub trace_id: TraceId,
    /// The linked span.
    pub span_id: SpanId,
    /// Whether the linked span was sampled, if known.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub sampled: Option<bool>,
    /// Typed attributes.
    #[serde(default)]
    pub attributes: Attributes<'a>,
}

names!(SpanV2Status, "v2 span status", {
    Ok = "ok",
    Error = "error",
});

impl Span<'_> {
    /// Appends the span as JSON, its end not before its start.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let data = |out: &mut Vec<u8>| write_object(out, &self.data);
        self.write_json_with(out, (!self.data.is_empty()).then_some(&data as _));
    }

    /// Appends the span as JSON, with the object, if any, that `data` writes in place of its own `data`. For a caller that need
    /// not hold it.
    pub fn write_json_with(&self, out: &mut Vec<u8>, data: Option<WriteValue<'_>>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("trace_id");
        json.raw_value(|out| self.trace_id.write_json(out));
        json.key("span_id");
        json.raw_value(|out| self.span_id.write_json(out));
        if let Some(parent) = self.parent_span_id {
            json.key("parent_span_id");
            json.raw_value(|out| parent.write_json(out));
        }
        json.member_filled("op", &self.op);
        json.member_some("description", self.description.as_deref());
        json.key("start_timestamp");
        json.raw_value(|out| self.start.write_json(out));
        json.key("timestamp");
        json.raw_value(|out| self.end.max(self.start).write_json(out));
        json.member_some("status", self.status.map(SpanStatus::as_str));
        json.member_some("origin", self.origin.as_deref());
        if let Some(write) = data {
            json.key("data");
            json.raw_value(write);
        }
        json.end_object();
    }

    /// The same span, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Span<'static> {
        Span {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            op: owned::text(self.op),
            description: owned::some(self.description),
            start: self.start,
            end: self.end,
            status: self.status,
            origin: owned::some(self.origin),
            data: owned::members(self.data),
        }
    }
}

impl SpanV2<'_> {
    /// Appends the span as JSON, its end not before its start.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let attributes = |out: &mut Vec<u8>| self.attributes.write_json(out);
        self.write_json_with(out, (!self.attributes.is_empty()).then_some(&attributes as _));
    }

    /// Appends the span as JSON, with the object, if any, that `attributes` writes in place of its own attributes. For a caller
    /// that need not hold them.
    pub fn write_json_with(&self, out: &mut Vec<u8>, attributes: Option<WriteValue<'_>>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("trace_id");
        json.raw_value(|out| self.trace_id.write_json(out));
        json.key("span_id");
        json.raw_value(|out| self.span_id.write_json(out));
        if let Some(parent) = self.parent_span_id {
            json.key("parent_span_id");
            json.raw_value(|out| parent.write_json(out));
        }
        json.member("name", &self.name);
        json.member("status", self.status.as_str());
        json.key("is_segment");
        json.boolean(self.is_segment);
        json.key("start_timestamp");
        json.raw_value(|out| self.start.write_json(out));
        json.key("end_timestamp");
        json.raw_value(|out| self.end.max(self.start).write_json(out));
        if let Some(write) = attributes {
            json.key("attributes");
            json.raw_value(write);
        }
        if !self.links.is_empty() {
            json.key("links");
            json.begin_array();
            for link in &self.links {
                json.raw_value(|out| link.write_json(out));
            }
            json.end_array();
        }
        json.end_object();
    }

    /// The same span, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> SpanV2<'static> {
        SpanV2 {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            name: owned::text(self.name),
            status: self.status,
            is_segment: self.is_segment,
            start: self.start,
            end: self.end,
            attributes: self.attributes.into_owned(),
            links: self.links.into_iter().map(SpanLink::into_owned).collect(),
        }
    }
}

impl SpanLink<'_> {
    /// Appends the link as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("trace_id");
        json.raw_value(|out| self.trace_id.write_json(out));
        json.key("span_id");
        json.raw_value(|out| self.span_id.write_json(out));
        if let Some(sampled) = self.sampled {
            json.key("sampled");
            json.boolean(sampled);
        }
        if !self.attributes.is_empty() {
            json.key("attributes");
            json.raw_value(|out| self.attributes.write_json(out));
        }
        json.end_object();
    }

    /// The same link, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> SpanLink<'static> {
        SpanLink {
            trace_id: self.trace_id,
            span_id: self.span_id,
            sampled: self.sampled,
            attributes: self.attributes.into_owned(),
        }
    }
}

const fn ok() -> SpanV2Status {
    SpanV2Status::Ok
}

fn status_or_ok<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SpanV2Status, D::Error> {
    Ok(lenient::parsed(deserializer)?.unwrap_or(SpanV2Status::Ok))
}
