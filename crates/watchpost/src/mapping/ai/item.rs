//! Spans, transactions and spans of version 2. Sources: seed 004, Sentry's transaction payload and `span-protocol.mdx`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use watchpost_sentry::wire::{
    AttributeValue, Attributes, EventId, Span, SpanId, SpanStatus, SpanV2, SpanV2Status, TraceId, Transaction,
    TransactionSource, User,
};

use super::{
    AiSettings,
    attribute::{NamedKey, Receiver, attributes, data, visit},
    data::{write_attributes, write_data},
    name::span_name,
    operation::operation,
    table::{says_error, unusual, user_id},
};
use crate::{
    mapping::{
        limit::{self, cut},
        tag::{tag_key, tag_value},
    },
    model::{FinishedSpan, SpanAttributes, SpanCompletion},
};

/// How many attributes a span of version 2 has beside those of the tables.
const V2_ATTRIBUTES: usize = 14;
/// How long the JSON of a span is, when it is short.
const SPAN_JSON: usize = 1024;
/// Tags that Relay would read as something else, or throws away.
const RESERVED_TAGS: &[&str] =
    &["environment", "release", "dist", "user", "level", "transaction", "filename", "function", "url", "server_name"];

/// A span of a transaction.
#[must_use]
pub fn span<'a>(span: &'a FinishedSpan, settings: &'a AiSettings) -> Span<'a> {
    Span { data: data(span, settings), ..span_without_data(span, settings) }
}

/// Appends a span of a transaction as JSON, as [`span`] would be written.
pub(super) fn write_span(out: &mut Vec<u8>, span: &FinishedSpan, settings: &AiSettings) {
    let data = |out: &mut Vec<u8>| write_data(out, span, settings);
    span_without_data(span, settings).write_json_with(out, Some(&data));
}

fn span_without_data<'a>(span: &'a FinishedSpan, settings: &'a AiSettings) -> Span<'a> {
    Span {
        trace_id: span.span.trace_id,
        span_id: span.span.id,
        parent_span_id: span.parent_span_id,
        op: Cow::Borrowed(op(span)),
        description: Some(span_name(span)),
        start: span.span.start,
        end: span.span.end.unwrap_or(span.span.start),
        status: Some(status(span)),
        origin: Some(Cow::Borrowed(settings.origin())),
        data: Vec::new(),
    }
}

/// The transaction whose root is `root`, with the `spans` below it.
#[must_use]
pub fn transaction<'a>(root: &'a FinishedSpan, spans: Vec<Span<'a>>, settings: &'a AiSettings) -> Transaction<'a> {
    Transaction { data: data(root, settings), spans, ..transaction_without_spans(root, settings) }
}

/// The same transaction as it goes over the wire, its event id beside it: its attributes and spans are written and never held.
/// It is written into `json`, an empty buffer.
pub(super) fn encode_transaction(
    mut json: Vec<u8>,
    root: &FinishedSpan,
    spans: &[&FinishedSpan],
    settings: &AiSettings,
) -> (EventId, Vec<u8>) {
    let transaction = transaction_without_spans(root, settings);
    json.reserve(SPAN_JSON * (spans.len() + 1));
    let data = |out: &mut Vec<u8>| write_data(out, root, settings);
    let spans = spans.iter().map(|span| |out: &mut Vec<u8>| write_span(out, span, settings));
    transaction.write_json_with(&mut json, Some(&data), spans);
    (transaction.event_id, json)
}

/// A transaction without its root's attributes and without spans.
fn transaction_without_spans<'a>(root: &'a FinishedSpan, settings: &'a AiSettings) -> Transaction<'a> {
    Transaction {
        event_id: event_id(root.span.trace_id, root.span.id, b":transaction"),
        name: span_name(root),
        source: TransactionSource::Custom,
        start: root.span.start,
        end: root.span.end.unwrap_or(root.span.start),
        trace_id: root.span.trace_id,
        span_id: root.span.id,
        parent_span_id: root.parent_span_id,
        op: Cow::Borrowed(op(root)),
        status: status(root),
        origin: Some(Cow::Borrowed(settings.origin())),
        data: Vec::new(),
        contexts: Vec::new(),
        tags: tags(root),
        extra: Vec::new(),
        user: user(root),
        release: settings.release().map(Cow::Borrowed),
        environment: Some(Cow::Borrowed(settings.environment())),
        sdk: Some(settings.sdk().clone()),
        spans: Vec::new(),
    }
}

/// The segment that a span of version 2 belongs to: its run's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The root.
    pub span_id: SpanId,
    /// The root's name.
    pub name: Cow<'a, str>,
}

impl<'a> Segment<'a> {
    /// The segment whose root is `root`.
    #[must_use]
    pub fn of(root: &'a FinishedSpan) -> Self {
        Self { span_id: root.span.id, name: span_name(root) }
    }
}

/// A span of version 2, in the segment whose root is `segment`.
#[must_use]
pub fn span_v2<'a>(span: &'a FinishedSpan, segment: &'a FinishedSpan, settings: &'a AiSettings) -> SpanV2<'a> {
    span_v2_in(span, Some(Segment::of(segment)), settings)
}

/// A span of version 2; without a segment when the root is not known.
#[must_use]
pub fn span_v2_in<'a>(span: &'a FinishedSpan, segment: Option<Segment<'a>>, settings: &'a AiSettings) -> SpanV2<'a> {
    let bare = span_v2_without_attributes(span, segment.as_ref());
    SpanV2 { attributes: attributes(span, segment, settings), ..bare }
}

/// Appends a span of version 2 as JSON, as [`span_v2_in`] would be written.
pub(crate) fn write_span_v2(
    out: &mut Vec<u8>,
    span: &FinishedSpan,
    segment: Option<&Segment<'_>>,
    settings: &AiSettings,
) {
    let attributes = |out: &mut Vec<u8>| write_attributes(out, span, segment, settings);
    span_v2_without_attributes(span, segment).write_json_with(out, Some(&attributes));
}

fn span_v2_without_attributes<'a>(span: &'a FinishedSpan, segment: Option<&Segment<'_>>) -> SpanV2<'a> {
    SpanV2 {
        trace_id: span.span.trace_id,
        span_id: span.span.id,
        parent_span_id: span.parent_span_id,
        name: span_name(span),
        status: if matches!(status(span), SpanStatus::Ok | SpanStatus::Cancelled) {
            SpanV2Status::Ok
        } else {
            SpanV2Status::Error
        },
        is_segment: is_segment(span, segment),
        start: span.span.start,
        end: span.span.end.unwrap_or(span.span.start),
        attributes: Attributes::new(),
        links: Vec::new(),
    }
}

pub(crate) fn is_segment(span: &FinishedSpan, segment: Option<&Segment<'_>>) -> bool {
    segment.is_some_and(|segment| segment.span_id == span.span.id)
}

/// Hands over the attributes of a span of version 2: those of any span, and behind the first two of them, its origin and type,
/// what a transaction says beside its spans. Content is last here too.
pub(super) fn visit_v2<'a>(
    span: &'a FinishedSpan,
    segment: Option<Segment<'a>>,
    settings: &'a AiSettings,
    receiver: &mut impl Receiver<'a>,
) {
    receiver.expect(V2_ATTRIBUTES);
    let mut inserting = Inserting { receiver, before: 2, own: Some((span, segment, settings)) };
    visit(span, settings, &mut inserting);
    inserting.insert();
}

/// Puts the attributes that only spans of version 2 have behind so many others.
struct Inserting<'r, 'a, R> {
    receiver: &'r mut R,
    before: usize,
    own: Option<(&'a FinishedSpan, Option<Segment<'a>>, &'a AiSettings)>,
}

impl<'a, R: Receiver<'a>> Receiver<'a> for Inserting<'_, 'a, R> {
    fn expect(&mut self, count: usize) {
        self.receiver.expect(count + V2_ATTRIBUTES);
    }

    fn known(&mut self, key: &'static str, value: AttributeValue<'a>) {
        self.pass();
        self.receiver.known(key, value);
    }

    fn named(&mut self, key: NamedKey<'a>, value: AttributeValue<'a>) {
        self.pass();
        self.receiver.named(key, value);
    }
}

impl<'a, R: Receiver<'a>> Inserting<'_, 'a, R> {
    fn pass(&mut self) {
        match self.before.checked_sub(1) {
            Some(before) => self.before = before,
            None => self.insert(),
        }
    }

    fn insert(&mut self) {
        let Some((span, segment, settings)) = self.own.take() else { return };
        let is_segment = is_segment(span, segment.as_ref());
        let sdk = settings.sdk();
        self.receiver.known("sentry.op", op(span).into());
        self.receiver.known("sentry.description", span_name(span).into());
        self.receiver.known("sentry.environment", settings.environment().into());
        if let Some(release) = settings.release() {
            self.receiver.known("sentry.release", release.into());
        }
        self.receiver.known("sentry.sdk.name", (&*sdk.name).into());
        self.receiver.known("sentry.sdk.version", (&*sdk.version).into());
        self.receiver.known("sentry.platform", "other".into());
        if let Some(segment) = segment {
            self.receiver.known("sentry.segment.id", segment.span_id.to_string().into());
            self.receiver.known("sentry.segment.name", segment.name.into());
        }
        if is_segment {
            // The current name and the two that it replaced.
            for key in ["sentry.segment.name.source", "sentry.span.source", "sentry.source"] {
                self.receiver.known(key, "custom".into());
            }
        }
        if let Some(message) = status_message(span, status(span)) {
            self.receiver.known("sentry.status.message", message.into());
        }
    }
}

/// The id of an event about a span: the span's id, then a hash, so that a resend is recognised.
pub(super) fn event_id(trace_id: TraceId, span_id: SpanId, purpose: &[u8]) -> EventId {
    let hash: [u8; 32] =
        Sha256::new().chain_update(trace_id.0).chain_update(span_id.0).chain_update(purpose).finalize().into();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&span_id.0);
    id[8..].copy_from_slice(&hash[..8]);
    EventId(id)
}

/// The operation; a span whose type is skipped and that is sent all the same is one like any other.
pub(super) fn op(span: &FinishedSpan) -> &'static str {
    operation(&span.span.ty).unwrap_or("ai.span")
}

/// How it ended.
pub(super) fn status(span: &FinishedSpan) -> SpanStatus {
    match span.completion {
        _ if has_failed(&span.span) => SpanStatus::InternalError,
        SpanCompletion::Ended => SpanStatus::Ok,
        SpanCompletion::Aborted => SpanStatus::Aborted,
        SpanCompletion::DeadlineExceeded => SpanStatus::DeadlineExceeded,
        SpanCompletion::ShutDown => SpanStatus::Cancelled,
    }
}

/// Whether it failed: it has an error, or is a tool's call that did not succeed.
pub(super) fn has_failed(span: &crate::model::Span) -> bool {
    let tool_failed = matches!(&span.attributes, SpanAttributes::ToolCall(tool) if tool.success == Some(false));
    span.error.is_some() || tool_failed || says_error(span)
}

fn status_message(span: &FinishedSpan, status: SpanStatus) -> Option<Cow<'_, str>> {
    let error = span.span.error.as_deref().map(|error| error.message.as_str()).filter(|message| !message.is_empty());
    match error {
        Some(message) => Some(cut(message, limit::ATTRIBUTE)),
        None => unusual(span.completion).filter(|_| status != SpanStatus::InternalError).map(Cow::Borrowed),
    }
}

/// Who it was done for.
pub(super) fn user(span: &FinishedSpan) -> Option<User<'_>> {
    let id = user_id(span)?;
    Some(User { id: Some(cut(id, limit::USER)), ..User::default() })
}

/// The root's labels as tags: `key:value` and `key=value` by their key, a bare word as a tag that is `true`.
pub(super) fn tags(span: &FinishedSpan) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    span.span.tags.iter().take(limit::OWN_ENTRIES).filter_map(|label| tag(label)).collect()
}

fn tag(label: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let (key, value) = label.split_once([':', '=']).unwrap_or((label, "true"));
    let key = tag_key(key).filter(|key| !RESERVED_TAGS.contains(&&**key))?;
    Some((key, tag_value(value)?))
}
