//! Calling a host's hooks: whatever they do, the exporter goes on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use watchpost_sentry::wire::{DiscardReason, ErrorEvent, Log, Transaction};

use super::options::{EventItem, ExporterOptions, SpanFilter, SpanItem, TraceToSample};
use crate::model::{FinishedSpan, Span};

/// The hooks, and how often one of them panicked.
#[derive(Debug)]
pub(super) struct Hooks {
    options: ExporterOptions,
    panics: AtomicU64,
}

impl Hooks {
    pub(super) const fn new(options: ExporterOptions) -> Self {
        Self { options, panics: AtomicU64::new(0) }
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(super) fn has_sampler(&self) -> bool {
        self.options.traces_sampler.is_some()
    }

    pub(super) fn changes_spans(&self) -> bool {
        self.options.before_send_span.is_some()
    }

    /// Whether a hook is called with transactions or what is in them.
    pub(super) fn see_transactions(&self) -> bool {
        let ExporterOptions { before_send_transaction, event_processors, .. } = &self.options;
        self.changes_spans() || before_send_transaction.is_some() || !event_processors.is_empty()
    }

    /// Whether the host wants a span sent.
    pub(super) fn keeps(&self, span: &Span) -> bool {
        let matches = |filter: &SpanFilter| self.call(|| filter.matches(span)).unwrap_or(false);
        !self.options.ignore_spans.iter().any(matches)
    }

    /// False: the span is lost.
    pub(super) fn format(&self, span: &mut FinishedSpan) -> bool {
        let Some(format) = &self.options.span_formatter else { return true };
        let (trace_id, id, end) = (span.span.trace_id, span.span.id, span.span.end);
        let formatted = self.call(|| format(span)).is_some();
        // A span with another id would be none of its trace.
        (span.span.trace_id, span.span.id) = (trace_id, id);
        span.span.end = span.span.end.or(end);
        formatted
    }

    /// The rate that the sampler gives; `None` without one, or if it fails or gives no rate.
    pub(super) fn rate(&self, trace: &TraceToSample<'_>) -> Option<f64> {
        let sampler = self.options.traces_sampler.as_ref()?;
        self.call(|| sampler(trace)).filter(|rate| (0.0..=1.0).contains(rate))
    }

    pub(super) fn error<'a>(&self, event: ErrorEvent<'a>) -> Result<ErrorEvent<'a>, DiscardReason> {
        let event = match self.process(EventItem::Error(event))? {
            EventItem::Error(event) => event,
            EventItem::Transaction(_) => return Err(DiscardReason::EventProcessor),
        };
        let Some(hook) = &self.options.before_send else { return Ok(event) };
        self.call(|| hook(event)).flatten().ok_or(DiscardReason::BeforeSend)
    }

    pub(super) fn transaction<'a>(&self, transaction: Transaction<'a>) -> Result<Transaction<'a>, DiscardReason> {
        let transaction = match self.process(EventItem::Transaction(transaction))? {
            EventItem::Transaction(transaction) => transaction,
            EventItem::Error(_) => return Err(DiscardReason::EventProcessor),
        };
        let Some(hook) = &self.options.before_send_transaction else { return Ok(transaction) };
        self.call(|| hook(transaction)).flatten().ok_or(DiscardReason::BeforeSend)
    }

    pub(super) fn span<'a>(&self, span: SpanItem<'a>) -> Option<SpanItem<'a>> {
        let Some(hook) = &self.options.before_send_span else { return Some(span) };
        self.call(|| hook(span)).flatten()
    }

    pub(super) fn log<'a>(&self, log: Log<'a>) -> Option<Log<'a>> {
        let Some(hook) = &self.options.before_send_log else { return Some(log) };
        self.call(|| hook(log)).flatten()
    }

    fn process<'a>(&self, event: EventItem<'a>) -> Result<EventItem<'a>, DiscardReason> {
        self.options.event_processors.iter().try_fold(event, |event, process| {
            match catch_unwind(AssertUnwindSafe(|| process(event))) {
                Ok(event) => event.ok_or(DiscardReason::EventProcessor),
                Err(_) => {
                    self.panics.fetch_add(1, Ordering::Relaxed);
                    Err(DiscardReason::BeforeSend)
                }
            }
        })
    }

    fn call<T>(&self, hook: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(hook)).ok();
        if result.is_none() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}
