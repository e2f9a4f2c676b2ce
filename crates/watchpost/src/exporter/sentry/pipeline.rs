//! From a release to Sentry's items, on the exporter's thread: formatter, redaction, sampling, mapping, hooks, packing,
//! delivery. What is lost on the way is counted where it is lost.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use watchpost_sentry::{
    delivery::{Delivery, DropReason},
    wire::{Category, DiscardReason, DynamicSamplingContext, Span as SpanV1, SpanV2, TraceId},
};

use super::{
    hooks::Hooks,
    options::{SpanItem, TraceToSample},
};
use crate::{
    assembly::{Part, Release, Remnant, SegmentRoot},
    mapping::{
        Sampling,
        ai::{
            self, AiSettings, Segment, SpanMode,
            pack::{Packed, pack, pack_streamed, pack_unseen, stream_unseen},
        },
    },
    model::{FinishedSpan, SpanLog},
    redact::{Capture, Rules, SpanRedaction},
};

/// Traces whose sampler's answer is remembered: late spans are sampled as their trace was.
const REMEMBERED_RATES: usize = 4_096;
/// A span that may be larger is measured before it goes among others.
const LARGE_SPAN: usize = 128 * 1024;

/// Waits until so many bytes find room in the delivery, or need not.
pub(super) type Room<'a> = dyn Fn(usize) + 'a;

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) delivery: Delivery,
    pub(super) settings: AiSettings,
    pub(super) mode: SpanMode,
    pub(super) capture: Capture,
    pub(super) rules: Rules,
    pub(super) rate: f64,
    pub(super) hooks: Arc<Hooks>,
    pub(super) cut_spans: AtomicU64,
}

/// What is remembered from release to release.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    rates: Rates,
    /// The last root that spans were sent without, and what of it is sent with them.
    segment: Option<(Arc<SegmentRoot>, Option<FinishedSpan>)>,
}

/// The rates that the sampler gave, for as many traces as are remembered.
#[derive(Debug, Default)]
struct Rates {
    rates: HashMap<TraceId, Option<f64>>,
    order: VecDeque<TraceId>,
}

impl Pipeline {
    /// Exports what a trace released; what is left of it is to be freed.
    pub(super) fn export(&self, part: Part, remembered: &mut Remembered, room: &Room<'_>, left: &mut Vec<Remnant>) {
        let spans = part.spans() as u64;
        match catch_unwind(AssertUnwindSafe(|| part.release())) {
            Ok((mut release, nodes)) => {
                self.export_release(&mut release, remembered, room);
                let bytes = release.bytes / release.spans.len().max(1);
                left.extend(release.spans.into_iter().map(|finished| Remnant::span(finished.span, bytes)));
                left.push(nodes);
            }
            Err(_) => self.discard(DiscardReason::InternalSdkError, spans),
        }
    }

    /// Counts spans that are lost before they are items.
    pub(super) fn discard(&self, reason: impl Into<DropReason>, spans: u64) {
        match self.mode {
            SpanMode::Stream => self.delivery.discard(reason, Category::Span, spans),
            _ => self.delivery.discard_transaction(reason, spans),
        }
    }

    pub(super) fn log(&self, mut log: SpanLog) {
        let sent = catch_unwind(AssertUnwindSafe(|| {
            self.rules.redact_log(&mut log);
            super::log::redact(&mut log);
            let Some(item) = self.hooks.log(super::log::item(&log, &self.settings)) else {
                self.delivery.discard(DiscardReason::BeforeSend, Category::LogItem, 1);
                return;
            };
            self.delivery.log(&item);
        }));
        if sent.is_err() {
            self.delivery.discard(DiscardReason::InternalSdkError, Category::LogItem, 1);
        }
    }

    fn export_release(&self, release: &mut Release, remembered: &mut Remembered, room: &Room<'_>) {
        let mut redaction = SpanRedaction::new(self.capture, &self.rules);
        let root = release.spans.first().map(|span| span.span.id);
        release.spans.retain_mut(|span| self.prepare(span, &mut redaction));
        release.has_root &= release.spans.first().map(|span| span.span.id) == root;
        let Remembered { rates, segment } = remembered;
        let outside = release.segment.take().and_then(|root| redacted_root(root, segment, &mut redaction));
        let Some(first) = release.spans.first() else { return };
        let sampling = self.sampling(release, outside.unwrap_or(first), rates);
        let context = self.settings.sampling_context(release.trace_id, sampling);

        for span in release.spans.iter().filter(|span| span.reports_error && span.span.error.is_some()) {
            self.export_error(span, &context);
        }
        let spans = release.spans.len() as u64;
        if !sampling.sampled {
            self.discard(DiscardReason::SampleRate, spans);
            return;
        }
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let root = if release.has_root { release.spans.first() } else { outside };
            let segment = root.map(Segment::of);
            let segment = segment.as_ref();
            match self.mode {
                SpanMode::Stream => self.stream(release, segment, &context, room),
                SpanMode::Hybrid => self.send(release, segment, &context, |span| ai::is_gen_ai(&span.span.ty), room),
                _ => self.send(release, segment, &context, |_| false, room),
            }
        }));
        if sent.is_err() {
            self.discard(DiscardReason::InternalSdkError, spans);
        }
    }

    /// The formatter, then redaction: nothing leaves that it has not seen.
    fn prepare(&self, span: &mut FinishedSpan, redaction: &mut SpanRedaction<'_>) -> bool {
        if !self.hooks.format(span) {
            self.delivery.discard(DiscardReason::BeforeSend, Category::Span, 1);
            return false;
        }
        let redacted = catch_unwind(AssertUnwindSafe(|| redaction.redact(span))).is_ok();
        if !redacted {
            self.delivery.discard(DiscardReason::InternalSdkError, Category::Span, 1);
        }
        redacted
    }

    /// One decision for a trace: the sampler's rate, else the caller's decision, else the configured rate.
    fn sampling(&self, release: &Release, known: &FinishedSpan, rates: &mut Rates) -> Sampling {
        let trace_id = release.trace_id;
        if self.hooks.has_sampler() {
            let trace = TraceToSample { trace_id, span: known, parent_sampled: release.sampled, rate: self.rate };
            if let Some(rate) = rates.of(trace_id, || self.hooks.rate(&trace)) {
                return Sampling::decide(trace_id, rate, None);
            }
        }
        Sampling::decide(trace_id, self.rate, release.sampled)
    }

    fn export_error(&self, span: &FinishedSpan, context: &DynamicSamplingContext<'_>) {
        let sent = catch_unwind(AssertUnwindSafe(|| match self.hooks.error(ai::error_event(span, &self.settings)) {
            Ok(event) => self.delivery.error(&event, Some(context)),
            Err(reason) => self.delivery.discard(reason, Category::Error, 1),
        }));
        if sent.is_err() {
            self.delivery.discard(DiscardReason::InternalSdkError, Category::Error, 1);
        }
    }

    /// Each span on its own.
    fn stream(
        &self,
        release: &Release,
        segment: Option<&Segment<'_>>,
        context: &DynamicSamplingContext<'_>,
        room: &Room<'_>,
    ) {
        let mut large = Vec::new();
        for span in &release.spans {
            if release.bytes <= LARGE_SPAN && !self.hooks.changes_spans() {
                let write = |out: &mut Vec<u8>| ai::write_span_v2(out, span, segment, &self.settings);
                self.delivery.write_span(ai::is_segment(span, segment), context, write);
                continue;
            }
            let item = ai::span_v2_in(span, segment.cloned(), &self.settings);
            let Some(item) = self.own(item) else { continue };
            if release.bytes > LARGE_SPAN {
                large.push(item);
            } else {
                self.delivery.spans(&[item], context);
            }
        }
        if !large.is_empty() {
            let packed = pack(None, Vec::new(), large, &self.settings);
            self.deliver(packed, context, room);
        }
    }

    /// A transaction, with those spans beside it that travel alone.
    fn send(
        &self,
        release: &Release,
        segment: Option<&Segment<'_>>,
        context: &DynamicSamplingContext<'_>,
        is_alone: fn(&FinishedSpan) -> bool,
        room: &Room<'_>,
    ) {
        let settings = &self.settings;
        // Without the root, the first of the others stands for it.
        let root = if release.has_root { Some(0) } else { release.spans.iter().position(|span| !is_alone(span)) };
        if !self.hooks.see_transactions()
            && let Some(packed) = root.and_then(|root| self.packed_unseen(release, root, segment, is_alone))
        {
            self.deliver(packed, context, room);
            return;
        }
        let (mut inside, mut alone) = (Vec::new(), Vec::new());
        for (at, span) in release.spans.iter().enumerate() {
            if Some(at) == root {
                continue;
            }
            if is_alone(span) {
                alone.extend(self.own(ai::span_v2_in(span, segment.cloned(), settings)));
            } else {
                inside.extend(self.within(ai::span(span, settings)));
            }
        }
        let mut transaction = None;
        if let Some(root) = root {
            let spans = inside.len() as u64 + 1;
            match self.hooks.transaction(ai::transaction(&release.spans[root], inside, settings)) {
                Ok(kept) => transaction = Some(kept),
                Err(reason) => {
                    self.delivery.discard_transaction(reason, spans);
                    if !alone.is_empty() {
                        self.delivery.discard(reason, Category::Span, alone.len() as u64);
                    }
                    return;
                }
            }
        }
        self.deliver(pack(transaction, Vec::new(), alone, settings), context, room);
    }

    /// The same where no hook sees a transaction: it is written, and not built first. `None` if it is too large.
    fn packed_unseen(
        &self,
        release: &Release,
        root: usize,
        segment: Option<&Segment<'_>>,
        is_alone: fn(&FinishedSpan) -> bool,
    ) -> Option<Packed> {
        let (mut inside, mut alone) = (Vec::with_capacity(release.spans.len()), Vec::new());
        for (_, span) in release.spans.iter().enumerate().filter(|(at, _)| *at != root) {
            if is_alone(span) { alone.push(span) } else { inside.push(span) }
        }
        let mut packed =
            pack_unseen(|| self.delivery.buffer(), &release.spans[root], &inside, release.bytes, &self.settings)?;
        if alone.is_empty() {
            return Some(packed);
        }
        match (stream_unseen(self.delivery.buffer(), &alone, segment, &self.settings), packed.transactions.first_mut())
        {
            (Some(streamed), Some(transaction)) => transaction.streamed = streamed,
            _ => {
                let alone = alone.into_iter().map(|span| ai::span_v2_in(span, segment.cloned(), &self.settings));
                pack_streamed(alone.collect(), &mut packed);
            }
        }
        Some(packed)
    }

    /// Hands over what was packed: what is large only when nothing is dropped for it.
    fn deliver(&self, packed: Packed, context: &DynamicSamplingContext<'_>, room: &Room<'_>) {
        self.cut_spans.fetch_add(packed.cut, Ordering::Relaxed);
        let wait = |bytes: usize| {
            if bytes > LARGE_SPAN {
                room(bytes + LARGE_SPAN / 2);
            }
        };
        for transaction in packed.transactions {
            wait(transaction.json.len() + transaction.streamed.bytes());
            self.delivery.encoded_transaction(transaction, Some(context));
        }
        for container in packed.containers {
            wait(container.bytes());
            self.delivery.encoded_spans(container, context);
        }
    }

    fn within<'a>(&self, span: SpanV1<'a>) -> Option<SpanV1<'a>> {
        if !self.hooks.changes_spans() {
            return Some(span);
        }
        match self.hooks.span(SpanItem::InTransaction(span)) {
            Some(SpanItem::InTransaction(span)) => Some(span),
            _ => self.lose_span(),
        }
    }

    fn own<'a>(&self, span: SpanV2<'a>) -> Option<SpanV2<'a>> {
        if !self.hooks.changes_spans() {
            return Some(span);
        }
        match self.hooks.span(SpanItem::Own(span)) {
            Some(SpanItem::Own(span)) => Some(span),
            _ => self.lose_span(),
        }
    }

    fn lose_span<T>(&self) -> Option<T> {
        self.delivery.discard(DiscardReason::BeforeSend, Category::Span, 1);
        None
    }
}

/// A root as it is sent with the spans that are sent without it: its name goes with every one of them. In a stream that is the
/// same root again and again.
fn redacted_root<'m>(
    root: Arc<SegmentRoot>,
    last: &'m mut Option<(Arc<SegmentRoot>, Option<FinishedSpan>)>,
    redaction: &mut SpanRedaction<'_>,
) -> Option<&'m FinishedSpan> {
    if last.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, &root)) {
        let redacted = catch_unwind(AssertUnwindSafe(|| {
            let mut finished = root.finished();
            redaction.redact(&mut finished);
            finished
        }));
        *last = Some((root, redacted.ok()));
    }
    last.as_ref().and_then(|(_, finished)| finished.as_ref())
}

impl Rates {
    fn of(&mut self, trace_id: TraceId, ask: impl FnOnce() -> Option<f64>) -> Option<f64> {
        if let Some(known) = self.rates.get(&trace_id) {
            return *known;
        }
        let rate = ask();
        if self.order.len() == REMEMBERED_RATES
            && let Some(oldest) = self.order.pop_front()
        {
            self.rates.remove(&oldest);
        }
        self.order.push_back(trace_id);
        self.rates.insert(trace_id, rate);
        rate
    }
}
