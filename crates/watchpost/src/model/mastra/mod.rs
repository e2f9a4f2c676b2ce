//! Reading Mastra's tracing events: one JSON object a line, as an exporter of Mastra (core 1.10 to 1.71) gets them.
//! Source: `ExportedSpan` and `TracingEvent` of `@mastra/core` and recordings of real applications.
//!
//! ```json
//! {"type":"span_ended","exportedSpan":{"id":"b7ad6b7169203331","traceId":"0af7651916cd43dd8448eb211c80319c","type":"tool_call", …}}
//! ```
//!
//! | member of `exportedSpan` | becomes | remarks |
//! | --- | --- | --- |
//! | `id`, `traceId` | `id`, `trace_id` | required; hex as given, short hex padded with zeros, anything else hashed |
//! | `parentSpanId`, `externalParentSpanId` | the same | likewise; a span is never its own parent |
//! | `type` | `ty` | one that is not known is kept by its name; missing: `generic` |
//! | `name` | `name` | missing: the type's name |
//! | `entityType`, `entityId`, `entityName` | the same | |
//! | `attributes` | `attributes` | typed by `type`; what is not known is kept by its name |
//! | `metadata`, `tags` | the same | 128 of each at most; `null` counts as missing |
//! | `startTime`, `endTime` | `start`, `end` | ISO 8601, or a number since the Unix epoch in s, ms, µs or ns; one of them is required; never an end before the start |
//! | `input`, `output` | the same | kept as the text they are; `null` counts as missing |
//! | `errorInfo` | `error` | an object, or the message itself |
//! | `isEvent`, `isRootSpan` | `is_event`, `is_root` | missing: no event; a root when there is no parent. With a parent a model's, a tool's or a step's span is none |
//! | `requestContext`, `isInternal` | – | the host's request may hold anything; internal spans are not exported by Mastra |
//!
//! A member of the wrong type counts as missing; only a line of which nothing true could be said is refused. Lone surrogates,
//! which JavaScript writes and no Rust string holds, become U+FFFD.

mod error_info;
mod id;

use serde_json::value::RawValue;

use self::id::{Id, read_span_id, read_trace_id};
use super::{
    Payload, Span, SpanAttributes, SpanType, Text, TracingEvent,
    attribute::MAX_OTHERS,
    json::{Members, find, read_flag, read_members, read_text, read_texts, read_timestamp, replace_lone_surrogates},
};

/// Why a line is not a tracing event. No variant quotes the line: it may hold secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSpanError {
    /// The line is empty.
    #[error("the line is empty")]
    Blank,
    /// The line is not JSON.
    #[error("the line is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The line is JSON, but not an object.
    #[error("the line is not a JSON object")]
    NotAnObject,
    /// It does not say what happened.
    #[error("`type` is neither `span_started` nor `span_updated` nor `span_ended`")]
    NoEventType,
    /// There is no span.
    #[error("`exportedSpan` is missing or not an object")]
    NoSpan,
    /// The span has no trace id.
    #[error("`exportedSpan.traceId` is missing or not a text")]
    NoTraceId,
    /// The span has no id.
    #[error("`exportedSpan.id` is missing or not a text")]
    NoSpanId,
    /// The span has no time.
    #[error("`exportedSpan.startTime` is missing, and so is `endTime`")]
    NoTime,
    /// The span's time cannot be read.
    #[error("`exportedSpan.startTime` is neither ISO 8601 nor a number since the Unix epoch")]
    InvalidTime,
    /// The span is one of those that Mastra makes when it traces nothing.
    #[error("the span is a no-op, made while tracing was off")]
    NoOp,
}

/// Reads one line.
///
/// # Errors
/// When the line is not a tracing event: not JSON, without a type, a span, its ids or its time.
///
/// ```
/// let line = r#"{"type":"span_started","exportedSpan":{"id":"b7ad6b7169203331","traceId":"0af7651916cd43dd8448eb211c80319c",
///     "type":"agent_run","name":"agent run: 'support'","startTime":"2026-11-20T10:00:00.000Z","entityName":"support"}}"#;
/// let event = watchpost::model::mastra::parse_line(line)?;
/// assert_eq!(event.span().ty, watchpost::model::SpanType::AgentRun);
/// # Ok::<(), watchpost::model::mastra::ParseSpanError>(())
/// ```
pub fn parse_line(line: &str) -> Result<TracingEvent, ParseSpanError> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Err(ParseSpanError::Blank);
    }
    // Payloads are copied as they are, so this cannot wait for the parser to stumble.
    let repaired = if line.contains("\\ud") || line.contains("\\uD") { replace_lone_surrogates(line) } else { None };
    let json: &RawValue = serde_json::from_str(repaired.as_deref().unwrap_or(line)).map_err(ParseSpanError::NotJson)?;
    let event = read_members(json).ok_or(ParseSpanError::NotAnObject)?;

    let happened = find(&event, "type").and_then(read_text).and_then(|name| Happened::named(&name));
    let happened = happened.ok_or(ParseSpanError::NoEventType)?;
    let span = ["exportedSpan", "exported_span", "span"].iter().find_map(|name| find(&event, name));
    let span = span.and_then(read_members).ok_or(ParseSpanError::NoSpan)?;
    let mut span = Box::new(read_span(&span)?);
    Ok(match happened {
        Happened::Started => TracingEvent::SpanStarted(span),
        Happened::Updated => TracingEvent::SpanUpdated(span),
        Happened::Ended => {
            // Nothing else is known of its end, and it has one.
            span.end = span.end.or(Some(span.start));
            TracingEvent::SpanEnded(span)
        }
    })
}

#[derive(Clone, Copy)]
enum Happened {
    Started,
    Updated,
    Ended,
}

impl Happened {
    /// `span_started`, also in other cases and with other separators: `SPAN_STARTED`, `span.started`, `SpanStarted`.
    fn named(name: &str) -> Option<Self> {
        let mut letters = name.to_ascii_lowercase();
        letters.retain(|letter| letter.is_ascii_alphabetic());
        match letters.as_str() {
            "spanstarted" => Some(Self::Started),
            "spanupdated" => Some(Self::Updated),
            "spanended" => Some(Self::Ended),
            _ => None,
        }
    }
}

fn read_span(members: &Members<'_>) -> Result<Span, ParseSpanError> {
    let text = |name: &str| find(members, name).and_then(read_text);
    let span_id = |name: &str| match read_span_id(&text(name)?) {
        Id::Some(id) => Some(id),
        Id::NoOp => None,
    };
    let trace_id = match read_trace_id(&text("traceId").ok_or(ParseSpanError::NoTraceId)?) {
        Id::Some(id) => id,
        Id::NoOp => return Err(ParseSpanError::NoOp),
    };
    let id = match read_span_id(&text("id").ok_or(ParseSpanError::NoSpanId)?) {
        Id::Some(id) => id,
        Id::NoOp => return Err(ParseSpanError::NoOp),
    };
    let end = find(members, "endTime").and_then(read_timestamp);
    let start = match find(members, "startTime") {
        Some(start) => read_timestamp(start).or(end).ok_or(ParseSpanError::InvalidTime)?,
        None => end.ok_or(ParseSpanError::NoTime)?,
    };
    let ty = text("type").map_or(SpanType::Generic, |name| SpanType::from(name.as_str()));
    let mut span = Span::new(trace_id, id, ty, String::new(), start);
    span.name = text("name").unwrap_or_else(|| span.ty.as_str().into());
    span.end = end.map(|end| end.max(start));
    span.parent_span_id = span_id("parentSpanId").filter(|parent| *parent != id);
    span.external_parent_span_id = span_id("externalParentSpanId").filter(|parent| *parent != id);
    span.entity_type = text("entityType");
    span.entity_id = text("entityId");
    span.entity_name = text("entityName");
    span.attributes = read_attributes(&span.ty, find(members, "attributes"));
    span.metadata = find(members, "metadata").map(read_metadata).unwrap_or_default();
    span.tags = find(members, "tags").and_then(read_texts).unwrap_or_default();
    span.tags.truncate(MAX_OTHERS);
    span.input = find(members, "input").and_then(Payload::from_raw);
    span.output = find(members, "output").and_then(Payload::from_raw);
    span.error = find(members, "errorInfo").and_then(error_info::read).map(Box::new);
    span.is_event = find(members, "isEvent").and_then(read_flag).unwrap_or(false);
    let is_root = find(members, "isRootSpan").and_then(read_flag).unwrap_or(span.parent_span_id.is_none());
    // Durable agents rebuild their spans, and call each of them a root when it ends.
    span.is_root = is_root && (span.parent_span_id.is_none() || !is_inner(&span.ty));
    if span.is_event {
        span.end = span.end.or(Some(start));
    }
    Ok(span)
}

/// Whether a span of this type is a part of what its parent does, and never the beginning of a run that goes on from another one.
const fn is_inner(ty: &SpanType) -> bool {
    ty.is_skipped()
        || ty.is_tool()
        || matches!(
            ty,
            SpanType::ModelGeneration
                | SpanType::WorkflowStep
                | SpanType::WorkflowConditional
                | SpanType::WorkflowConditionalEval
                | SpanType::WorkflowParallel
                | SpanType::WorkflowLoop
                | SpanType::WorkflowSleep
                | SpanType::WorkflowWaitEvent
        )
}

fn read_attributes(ty: &SpanType, json: Option<&RawValue>) -> SpanAttributes {
    let members = json.and_then(read_members).unwrap_or_default();
    if members.is_empty() {
        return SpanAttributes::None;
    }
    let mut attributes = SpanAttributes::empty(ty);
    for (name, value) in &members {
        attributes.set(name, value);
    }
    attributes
}

fn read_metadata(json: &RawValue) -> Vec<(Text, Payload)> {
    let mut metadata: Vec<(Text, Payload)> = Vec::new();
    for (name, value) in read_members(json).unwrap_or_default() {
        super::attribute::set_other(&mut metadata, &name, value);
    }
    metadata
}

#[cfg(test)]
mod tests;
