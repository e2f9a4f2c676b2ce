//! A clock that is moved by hand, and spans in one line.

use std::time::{Duration, Instant};

use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use crate::{
    assembly::{Assembler, Limits, Part, Release, ReleaseWhen},
    model::{ErrorInfo, FinishedSpan, Payload, Span, SpanType, TracingEvent},
};

pub(super) type Kept = fn(&Span) -> bool;

pub(super) struct Bench {
    pub(super) assembler: Assembler<Kept>,
    pub(super) now: Instant,
    out: Vec<Part>,
}

pub(super) fn trace(number: u8) -> TraceId {
    TraceId([number; 16])
}

pub(super) fn id(number: u64) -> SpanId {
    SpanId(number.to_be_bytes())
}

/// `seconds` after the beginning.
pub(super) fn at(seconds: u32) -> Timestamp {
    Timestamp::from_nanos((1_700_000_000 + i64::from(seconds)) * 1_000_000_000)
}

/// A span that starts at the second of its own number; below another one, if `parent` is not 0.
pub(super) fn span(number: u64, parent: u64, ty: SpanType) -> Span {
    let name = format!("{ty} {number}");
    let mut span = Span::new(trace(1), id(number), ty, name, at(number as u32));
    if parent != 0 {
        span.parent_span_id = Some(id(parent));
        span.is_root = false;
    }
    span
}

pub(super) fn failed(mut span: Span, message: &str) -> Span {
    span.error = Some(Box::new(ErrorInfo { message: message.to_owned(), ..ErrorInfo::default() }));
    span
}

pub(super) fn json(json: &str) -> Option<Payload> {
    Some(Payload::from_json(json).unwrap())
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), ReleaseWhen::TraceComplete)
    }

    pub(super) fn stream() -> Self {
        Self::with(Limits::default(), ReleaseWhen::SpanEnded)
    }

    pub(super) fn with(limits: Limits, when: ReleaseWhen) -> Self {
        Self::ignoring(limits, when, |_| true)
    }

    pub(super) fn ignoring(limits: Limits, when: ReleaseWhen, is_kept: Kept) -> Self {
        Self { assembler: Assembler::new(limits, when, is_kept), now: Instant::now(), out: Vec::new() }
    }

    pub(super) fn start(&mut self, span: &Span) {
        self.assembler.apply(TracingEvent::SpanStarted(Box::new(span.clone())), self.now, &mut self.out);
    }

    pub(super) fn update(&mut self, span: &Span) {
        self.assembler.apply(TracingEvent::SpanUpdated(Box::new(span.clone())), self.now, &mut self.out);
    }

    /// Ends a span at the second `end`.
    pub(super) fn end(&mut self, span: &Span, end: u32) {
        let span = Span { end: Some(at(end)), ..span.clone() };
        self.assembler.apply(TracingEvent::SpanEnded(Box::new(span)), self.now, &mut self.out);
    }

    /// Starts spans in their order and ends them in the opposite one, from second 100 on.
    pub(super) fn nest(&mut self, spans: &[&Span]) {
        spans.iter().for_each(|span| self.start(span));
        spans.iter().rev().zip(100..).for_each(|(span, end)| self.end(span, end));
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.assembler.expire(self.now, &mut self.out);
    }

    pub(super) fn flush(&mut self) {
        self.assembler.flush(self.now, &mut self.out);
    }

    pub(super) fn finish(&mut self) {
        self.assembler.finish(at(500), self.now, &mut self.out);
    }

    pub(super) fn releases(&mut self) -> Vec<Release> {
        self.out.drain(..).map(|part| part.release().0).collect()
    }

    /// All spans released since the last time.
    pub(super) fn spans(&mut self) -> Vec<FinishedSpan> {
        self.releases().into_iter().flat_map(|release| release.spans).collect()
    }

    /// What was released, by the numbers of the spans, a list for each release.
    pub(super) fn numbers(&mut self) -> Vec<Vec<u64>> {
        self.releases().iter().map(|release| release.spans.iter().map(number).collect()).collect()
    }
}

pub(super) fn number(span: &FinishedSpan) -> u64 {
    u64::from_be_bytes(span.span.id.0)
}

pub(super) fn of(spans: &[FinishedSpan], wanted: u64) -> &FinishedSpan {
    spans.iter().find(|span| number(span) == wanted).unwrap()
}

/// The parent by its number; 0: none.
pub(super) fn parent(spans: &[FinishedSpan], of_span: u64) -> u64 {
    of(spans, of_span).parent_span_id.map_or(0, |id| u64::from_be_bytes(id.0))
}
