//! From a release's items to what is sent: transactions and containers whose size is known before they leave. What is too
//! much for one is split; only a span that is too large by itself loses content (`cut.rs`). No span is ever left out.
//! Sources: Relay's limits (1 MiB a transaction, 800 KiB its spans), Sentry's span protocol (1000 spans, about 5 MB a container).

use std::{borrow::Cow, collections::HashMap};

use watchpost_sentry::{
    delivery::{EncodedSpans, EncodedTransaction},
    wire::{Span, SpanId, SpanStatus, SpanV2, Transaction, TransactionSource, User, Value},
};

use super::{
    AiSettings, Segment,
    cut::fit,
    item::{encode_transaction, event_id, write_span_v2},
};
use crate::{
    mapping::limit::{self, cut_cow},
    model::FinishedSpan,
};

/// Most spans of a transaction, its root among them, and of a container.
const MAX_SPANS: usize = 1000;
/// A transaction, in bytes: Relay's 1 MiB with something to spare for what comes round the spans.
const TRANSACTION_BYTES: usize = (1 << 20) - (16 << 10);
/// A transaction's spans, in bytes: Relay cuts off what is beyond 800 KiB.
const SPANS_BYTES: usize = (800 << 10) - (4 << 10);
/// One span of a transaction. It must also fit as the root of one.
const SPAN_BYTES: usize = 700 << 10;
/// A span of version 2 beside others, in bytes: what older Relays take. A longer one has a container for itself.
const SPAN_V2_BYTES: usize = 1 << 20;
/// A container and a span alone in it, in bytes: the 5 MB at which Sentry's SDKs send one. Together with a transaction it must
/// find room in the delivery's buffer (6 MiB), or all of it is lost.
const CONTAINER_BYTES: usize = (5 << 20) - (128 << 10);

/// What is sent of a release.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// The transactions, the first with spans of version 2 beside it.
    pub(crate) transactions: Vec<EncodedTransaction>,
    /// The spans of version 2 that travel by themselves.
    pub(crate) containers: Vec<EncodedSpans>,
    /// How many spans lost content to their size.
    pub(crate) cut: u64,
}

/// Packs the items of one trace. A transaction's own spans come before `spans`; without a transaction the first of them becomes
/// one, and so does the first of those that find no room.
pub(crate) fn pack<'a>(
    root: Option<Transaction<'a>>,
    spans: Vec<Span<'a>>,
    streamed: Vec<SpanV2<'a>>,
    settings: &'a AiSettings,
) -> Packed {
    let mut packed = Packed::default();
    pack_transactions(root, spans, settings, &mut packed);
    pack_streamed(streamed, &mut packed);
    packed
}

/// Packs a trace of which nobody asks to see the transaction before it is sent: its attributes and spans are written and never
/// held. `None` if it does not fit into one; `bytes` is about how many it holds. An empty `buffer` is asked for to write it into.
pub(crate) fn pack_unseen(
    buffer: impl FnOnce() -> Vec<u8>,
    root: &FinishedSpan,
    spans: &[&FinishedSpan],
    bytes: usize,
    settings: &AiSettings,
) -> Option<Packed> {
    if spans.len() >= MAX_SPANS || bytes > SPANS_BYTES / 2 {
        return None;
    }
    let (event_id, json) = encode_transaction(buffer(), root, spans, settings);
    let transaction =
        EncodedTransaction { event_id, spans: spans.len() as u64 + 1, streamed: EncodedSpans::new(), json };
    (transaction.json.len() <= SPANS_BYTES).then(|| Packed { transactions: vec![transaction], ..Packed::default() })
}

/// Packs spans of version 2 of which nobody asks to see one before it is sent into a container, whose buffer is given. `None` if
/// they may be too much for one.
pub(crate) fn stream_unseen(
    buffer: Vec<u8>,
    spans: &[&FinishedSpan],
    segment: Option<&Segment<'_>>,
    settings: &AiSettings,
) -> Option<EncodedSpans> {
    if spans.len() > MAX_SPANS {
        return None;
    }
    let mut container = EncodedSpans::within(buffer);
    for span in spans {
        container.push_with(|out| write_span_v2(out, span, segment, settings));
        if container.bytes() > SPAN_V2_BYTES {
            return None;
        }
    }
    Some(container)
}

fn pack_transactions<'a>(
    root: Option<Transaction<'a>>,
    mut spans: Vec<Span<'a>>,
    settings: &'a AiSettings,
    packed: &mut Packed,
) {
    let Some(mut root) = root.or_else(|| (!spans.is_empty()).then(|| promote(spans.remove(0), settings))) else {
        return;
    };
    root.spans.append(&mut spans);
    if root.spans.len() < MAX_SPANS {
        // Almost every trace fits, and is then encoded only once.
        let json = encode(&root);
        if json.len() <= SPANS_BYTES {
            packed.transactions.push(encoded(&root, json));
            return;
        }
    }

    let spans = std::mem::take(&mut root.spans);
    let mut rest = depth_first(root.span_id, spans).into_iter().peekable();
    let mut scratch = Vec::new();
    let mut sized = |mut span: Span<'a>, packed: &mut Packed| {
        packed.cut += u64::from(fit(&mut span, SPAN_BYTES));
        scratch.clear();
        span.write_json(&mut scratch);
        (scratch.len() + 1, span)
    };
    let mut next = rest.next().map(|span| sized(span, packed));
    loop {
        packed.cut += u64::from(fit(&mut root, TRANSACTION_BYTES));
        let room = SPANS_BYTES.min(TRANSACTION_BYTES.saturating_sub(encode(&root).len()));
        let mut used = 0;
        while let Some((size, span)) =
            next.take_if(|(size, _)| used + *size <= room && root.spans.len() + 1 < MAX_SPANS)
        {
            used += size;
            root.spans.push(span);
            next = rest.next().map(|span| sized(span, packed));
        }
        packed.transactions.push(encoded(&root, encode(&root)));
        match next.take() {
            Some((_, span)) => root = promote(span, settings),
            None => return,
        }
        next = rest.next().map(|span| sized(span, packed));
    }
}

/// Packs the spans of version 2 that travel beside a transaction, if there is one, and alone.
pub(crate) fn pack_streamed(streamed: Vec<SpanV2<'_>>, packed: &mut Packed) {
    let mut container = EncodedSpans::new();
    let mut containers = Vec::new();
    let mut json = Vec::new();
    for mut span in streamed {
        json.clear();
        span.write_json(&mut json);
        if json.len() > CONTAINER_BYTES {
            packed.cut += u64::from(fit(&mut span, CONTAINER_BYTES));
            json.clear();
            span.write_json(&mut json);
        }
        if json.len() > SPAN_V2_BYTES {
            let mut alone = EncodedSpans::new();
            alone.push(&json);
            packed.containers.push(alone);
            continue;
        }
        if container.len() == MAX_SPANS || container.bytes() + 1 + json.len() > CONTAINER_BYTES {
            containers.push(std::mem::take(&mut container));
        }
        container.push(&json);
    }
    if !container.is_empty() {
        containers.push(container);
    }
    let mut containers = containers.into_iter();
    if let Some(transaction) = packed.transactions.first_mut() {
        transaction.streamed = containers.next().unwrap_or_default();
    }
    packed.containers.extend(containers);
}

fn encode(transaction: &Transaction<'_>) -> Vec<u8> {
    let mut json = Vec::with_capacity(1024 * (transaction.spans.len() + 2));
    transaction.write_json(&mut json);
    json
}

fn encoded(transaction: &Transaction<'_>, json: Vec<u8>) -> EncodedTransaction {
    EncodedTransaction {
        event_id: transaction.event_id,
        json,
        spans: transaction.spans.len() as u64 + 1,
        streamed: EncodedSpans::new(),
    }
}

/// A span as the root of a transaction, its true parent kept.
fn promote<'a>(span: Span<'a>, settings: &'a AiSettings) -> Transaction<'a> {
    let user_id = span.data.iter().find(|(key, _)| key == "user.id").map(|(_, value)| value);
    let user = match user_id {
        Some(Value::String(id)) => Some(User { id: Some(cut_cow(id.clone(), limit::USER)), ..User::default() }),
        _ => None,
    };
    Transaction {
        event_id: event_id(span.trace_id, span.span_id, b":transaction"),
        name: span.description.unwrap_or_else(|| span.op.clone()),
        source: TransactionSource::Custom,
        start: span.start,
        end: span.end,
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        op: span.op,
        status: span.status.unwrap_or(SpanStatus::Ok),
        origin: span.origin,
        data: span.data,
        contexts: Vec::new(),
        tags: Vec::new(),
        extra: Vec::new(),
        user,
        release: settings.release().map(Cow::Borrowed),
        environment: Some(Cow::Borrowed(settings.environment())),
        sdk: Some(settings.sdk().clone()),
        spans: Vec::new(),
    }
}

/// Each span before those below it and these before its next sibling, so that a split keeps together what belongs together.
fn depth_first(root: SpanId, spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    let index: HashMap<SpanId, usize> = spans.iter().enumerate().map(|(at, span)| (span.span_id, at)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut pending = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        match span.parent_span_id.filter(|parent| *parent != root).and_then(|parent| index.get(&parent)) {
            Some(parent) if *parent != at => children[*parent].push(at),
            _ => pending.push(at),
        }
    }
    pending.reverse();
    let mut order = Vec::with_capacity(spans.len());
    let mut is_placed = vec![false; spans.len()];
    // The second round takes what no root leads to: a circle of parents.
    for round in [pending, (0..spans.len()).rev().collect()] {
        let mut pending = round;
        while let Some(at) = pending.pop() {
            if !std::mem::replace(&mut is_placed[at], true) {
                order.push(at);
                pending.extend(children[at].iter().rev());
            }
        }
    }
    let mut spans: Vec<_> = spans.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| spans[at].take()).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod unseen;
