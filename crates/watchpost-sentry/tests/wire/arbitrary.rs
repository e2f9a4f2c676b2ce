//! Arbitrary items, as far as they are what the writer keeps: keys once, ends not before starts, tags of one line.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use proptest::{collection, option, prelude::*, sample};
use watchpost_sentry::wire::{
    Attribute, AttributeValue, Attributes, Breadcrumb, Category, ClientReport, DiscardReason, DiscardedItems,
    DynamicSamplingContext, ErrorEvent, EventId, Exception, Frame, Level, Log, LogLevel, Mechanism, SdkInfo, Span,
    SpanId, SpanLink, SpanStatus, SpanV2, SpanV2Status, Timestamp, TraceId, Transaction, TransactionSource, User,
    Value,
};

type Text = Cow<'static, str>;
type Members = Vec<(Text, Value<'static>)>;

/// Any string of some length, often with what JSON must escape.
pub(crate) fn string(length: Range<usize>) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        3 => any::<char>(),
        2 => proptest::char::range('\0', '\u{ff}'),
        1 => sample::select(vec!['"', '\\', '\n', '\u{2028}', '\u{2029}', '\u{feff}', '\u{10ffff}', '/']),
        4 => proptest::char::range('a', 'z'),
    ];
    collection::vec(character, length).prop_map(String::from_iter)
}

/// Short: an item has dozens, and making them is what the tests' time goes into.
pub(crate) fn text() -> impl Strategy<Value = Text> {
    string(0..6).prop_map(Cow::Owned)
}

fn filled() -> impl Strategy<Value = Text> {
    text().prop_filter("empty", |text| !text.is_empty())
}

fn one_line() -> impl Strategy<Value = Text> {
    "[^\r\n]{1,6}".prop_map(Cow::Owned)
}

pub(crate) fn double() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, (-1000_i32..1000).prop_map(f64::from)]
}

pub(crate) fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        double().prop_map(Value::Double),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            members_of(inner).prop_map(Value::Object),
        ]
    })
}

fn members_of(value: impl Strategy<Value = Value<'static>> + 'static) -> impl Strategy<Value = Members> {
    collection::btree_map(text(), value, 0..4).prop_map(|map| map.into_iter().rev().collect())
}

pub(crate) fn members() -> impl Strategy<Value = Members> {
    members_of(value())
}

fn contexts() -> impl Strategy<Value = Members> {
    let named = collection::btree_map(text(), members().prop_map(Value::Object), 0..3);
    named.prop_map(|map: BTreeMap<_, _>| map.into_iter().filter(|(name, _)| name != "trace").collect())
}

fn tags() -> impl Strategy<Value = Vec<(Text, Text)>> {
    collection::btree_map(one_line(), one_line(), 0..5).prop_map(|map| map.into_iter().rev().collect())
}

fn attributes() -> impl Strategy<Value = Attributes<'static>> {
    let value = prop_oneof![
        text().prop_map(AttributeValue::String),
        any::<i64>().prop_map(AttributeValue::Integer),
        double().prop_map(AttributeValue::Double),
        any::<bool>().prop_map(AttributeValue::Boolean),
        collection::vec(text(), 0..4).prop_map(AttributeValue::StringArray),
    ];
    collection::btree_map(text(), value, 0..8)
        .prop_map(|map| Attributes(map.into_iter().rev().map(|(key, value)| Attribute { key, value }).collect()))
}

/// To the microsecond, which is what the wire keeps.
pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0_i64..(1 << 32) * 1_000_000).prop_map(|micros| Timestamp::from_nanos(micros * 1_000))
}

fn start_and_end() -> impl Strategy<Value = (Timestamp, Timestamp)> {
    (timestamp(), timestamp()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

pub(crate) fn trace_id() -> impl Strategy<Value = TraceId> {
    any::<[u8; 16]>().prop_map(TraceId)
}

pub(crate) fn span_id() -> impl Strategy<Value = SpanId> {
    any::<[u8; 8]>().prop_map(SpanId)
}

pub(crate) fn event_id() -> impl Strategy<Value = EventId> {
    any::<[u8; 16]>().prop_map(EventId)
}

fn status() -> impl Strategy<Value = SpanStatus> {
    sample::select(SpanStatus::ALL)
}

pub(crate) fn sdk() -> impl Strategy<Value = SdkInfo> {
    (text(), text()).prop_map(|(name, version)| SdkInfo { name, version })
}

fn user() -> impl Strategy<Value = Option<User<'static>>> {
    let user = (option::of(text()), option::of(text()), option::of(text()));
    user.prop_map(|(id, username, email)| User { id, username, email }).prop_map(|user| {
        let is_set = user != User::default();
        is_set.then_some(user)
    })
}

pub(crate) fn log() -> impl Strategy<Value = Log<'static>> {
    let ids = (trace_id(), option::of(span_id()), option::of(event_id()));
    (timestamp(), ids, sample::select(LogLevel::ALL), text(), attributes()).prop_map(
        |(timestamp, (trace_id, span_id, event_id), level, body, attributes)| Log {
            timestamp,
            trace_id,
            span_id,
            event_id,
            level,
            body,
            attributes,
        },
    )
}

pub(crate) fn span() -> impl Strategy<Value = Span<'static>> {
    let ids = (trace_id(), span_id(), option::of(span_id()));
    let names = (text(), option::of(text()), option::of(text()));
    (ids, names, start_and_end(), option::of(status()), members()).prop_map(
        |((trace_id, span_id, parent_span_id), (op, description, origin), (start, end), status, data)| Span {
            trace_id,
            span_id,
            parent_span_id,
            op,
            description,
            start,
            end,
            status,
            origin,
            data,
        },
    )
}

fn link() -> impl Strategy<Value = SpanLink<'static>> {
    (trace_id(), span_id(), option::of(any::<bool>()), attributes())
        .prop_map(|(trace_id, span_id, sampled, attributes)| SpanLink { trace_id, span_id, sampled, attributes })
}

pub(crate) fn span_v2() -> impl Strategy<Value = SpanV2<'static>> {
    let ids = (trace_id(), span_id(), option::of(span_id()));
    let links = collection::vec(link(), 0..3);
    (ids, text(), sample::select(SpanV2Status::ALL), any::<bool>(), start_and_end(), attributes(), links).prop_map(
        |((trace_id, span_id, parent_span_id), name, status, is_segment, (start, end), attributes, links)| SpanV2 {
            trace_id,
            span_id,
            parent_span_id,
            name,
            status,
            is_segment,
            start,
            end,
            attributes,
            links,
        },
    )
}

pub(crate) fn transaction() -> impl Strategy<Value = Transaction<'static>> {
    let ids = (event_id(), trace_id(), span_id(), option::of(span_id()));
    let names = (text(), sample::select(TransactionSource::ALL), text(), status(), option::of(text()));
    let maps = (members(), contexts(), tags(), members());
    let around = (user(), option::of(text()), option::of(text()), option::of(sdk()));
    (ids, names, start_and_end(), maps, around, collection::vec(span(), 0..4)).prop_map(
        |(ids, names, (start, end), maps, around, spans)| Transaction {
            event_id: ids.0,
            name: names.0,
            source: names.1,
            start,
            end,
            trace_id: ids.1,
            span_id: ids.2,
            parent_span_id: ids.3,
            op: names.2,
            status: names.3,
            origin: names.4,
            data: maps.0,
            contexts: maps.1,
            tags: maps.2,
            extra: maps.3,
            user: around.0,
            release: around.1,
            environment: around.2,
            sdk: around.3,
            spans,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    let texts = (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    (texts, any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<bool>>()).prop_map(
        |((filename, abs_path, function, module, context_line), lineno, colno, in_app)| Frame {
            filename,
            abs_path,
            function,
            module,
            lineno,
            colno,
            in_app,
            context_line,
        },
    )
}

fn mechanism() -> impl Strategy<Value = Mechanism<'static>> {
    let flags = (any::<Option<bool>>(), any::<Option<bool>>(), any::<Option<u32>>(), any::<Option<u32>>());
    (text(), flags, members()).prop_map(|(ty, (handled, synthetic, exception_id, parent_id), data)| Mechanism {
        ty,
        handled,
        synthetic,
        exception_id,
        parent_id,
        data,
    })
}

fn exception() -> impl Strategy<Value = Exception<'static>> {
    (text(), text(), option::of(text()), option::of(mechanism()), collection::vec(frame(), 0..4))
        .prop_map(|(ty, value, module, mechanism, frames)| Exception { ty, value, module, mechanism, frames })
}

fn breadcrumb() -> impl Strategy<Value = Breadcrumb<'static>> {
    let level = option::of(sample::select(Level::ALL));
    (option::of(timestamp()), option::of(text()), option::of(text()), level, members()).prop_map(
        |(timestamp, category, message, level, data)| Breadcrumb { timestamp, category, message, level, data },
    )
}

pub(crate) fn error_event() -> impl Strategy<Value = ErrorEvent<'static>> {
    let ids = (event_id(), trace_id(), span_id(), option::of(span_id()));
    let kind = (timestamp(), sample::select(Level::ALL), option::of(filled()), option::of(filled()), filled());
    let happened = (collection::vec(exception(), 0..3), collection::vec(breadcrumb(), 0..3));
    let content = (happened, collection::vec(text(), 0..3), option::of(status()));
    let maps = (contexts(), tags(), members());
    let around = (user(), option::of(text()), option::of(text()), option::of(sdk()));
    (ids, kind, content, maps, around).prop_map(|(ids, kind, content, maps, around)| ErrorEvent {
        event_id: ids.0,
        timestamp: kind.0,
        level: kind.1,
        exceptions: content.0.0,
        breadcrumbs: content.0.1,
        fingerprint: content.1,
        transaction: kind.2,
        trace_id: ids.1,
        span_id: ids.2,
        parent_span_id: ids.3,
        op: kind.3,
        status: content.2,
        contexts: maps.0,
        tags: maps.1,
        extra: maps.2,
        user: around.0,
        release: around.1,
        environment: around.2,
        sdk: around.3,
        platform: kind.4,
    })
}

pub(crate) fn client_report() -> impl Strategy<Value = ClientReport> {
    let entry = (sample::select(DiscardReason::ALL), sample::select(Category::ALL), any::<u64>())
        .prop_map(|(reason, category, quantity)| DiscardedItems { reason, category, quantity });
    (timestamp(), collection::vec(entry, 0..6)).prop_map(|(timestamp, discarded)| ClientReport { timestamp, discarded })
}

pub(crate) fn sampling_context() -> impl Strategy<Value = DynamicSamplingContext<'static>> {
    let rate = option::of(0.0..=1.0);
    let random = option::of((0_u32..1_000_000).prop_map(|millionths| f64::from(millionths) / 1e6));
    let texts = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    (trace_id(), text(), rate, random, any::<Option<bool>>(), texts).prop_map(
        |(trace_id, public_key, sample_rate, sample_rand, sampled, (release, environment, transaction, org_id))| {
            DynamicSamplingContext {
                trace_id,
                public_key,
                sample_rate,
                sample_rand,
                sampled,
                release,
                environment,
                transaction,
                org_id,
            }
        },
    )
}
