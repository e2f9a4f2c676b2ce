//! The hooks of a host: what seed 004 passes as `options`, by the names of Sentry's SDKs, and Mastra's `customSpanFormatter`.

use std::{fmt, sync::Arc};

use serde::Deserialize;
use watchpost_sentry::wire::{ErrorEvent, Log, Span as SpanV1, SpanV2, TraceId, Transaction};

use crate::model::{FinishedSpan, Span, SpanType};

type Hook<T> = Option<Arc<T>>;
pub(super) type ErrorHook = dyn for<'a> Fn(ErrorEvent<'a>) -> Option<ErrorEvent<'a>> + Send + Sync;
pub(super) type TransactionHook = dyn for<'a> Fn(Transaction<'a>) -> Option<Transaction<'a>> + Send + Sync;
pub(super) type SpanHook = dyn for<'a> Fn(SpanItem<'a>) -> Option<SpanItem<'a>> + Send + Sync;
pub(super) type LogHook = dyn for<'a> Fn(Log<'a>) -> Option<Log<'a>> + Send + Sync;
pub(super) type Sampler = dyn Fn(&TraceToSample<'_>) -> f64 + Send + Sync;
pub(super) type Processor = dyn for<'a> Fn(EventItem<'a>) -> Option<EventItem<'a>> + Send + Sync;
pub(super) type Formatter = dyn Fn(&mut FinishedSpan) + Send + Sync;

/// The hooks. They run on the exporter's thread, in this order: [`span_formatter`](Self::with_span_formatter), redaction,
/// [`traces_sampler`](Self::with_traces_sampler), [event processors](Self::with_event_processor), then those named
/// `before_send…`; only [`ignore_spans`](Self::with_ignored_spans) is asked on the host's threads, as spans start.
///
/// A hook that panics loses its item, which is counted as dropped by `before_send`, and nothing else: a sampler or a predicate
/// that panics counts as not set. How often that happened is in
/// [`hook_panics`](super::SentryExporterStats::hook_panics).
///
/// Redaction does not see what hooks behind it add.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ExporterOptions {
    pub(super) before_send: Hook<ErrorHook>,
    pub(super) before_send_transaction: Hook<TransactionHook>,
    pub(super) before_send_span: Hook<SpanHook>,
    pub(super) before_send_log: Hook<LogHook>,
    pub(super) traces_sampler: Hook<Sampler>,
    pub(super) event_processors: Vec<Arc<Processor>>,
    pub(super) span_formatter: Hook<Formatter>,
    pub(super) ignore_spans: Vec<SpanFilter>,
}

/// The least level of what an exporter says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What is set up and shut down.
    #[default]
    Info,
    /// What is lost.
    Warn,
    /// What fails.
    Error,
    /// Nothing.
    None,
}

/// A span as it is sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SpanItem<'a> {
    /// Within a transaction.
    InTransaction(SpanV1<'a>),
    /// On its own.
    Own(SpanV2<'a>),
}

/// An event as it is sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventItem<'a> {
    /// An error event.
    Error(ErrorEvent<'a>),
    /// A transaction.
    Transaction(Transaction<'a>),
}

/// What a sampler is told of a trace.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TraceToSample<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// Its root where that is known, else the first span that is.
    pub span: &'a FinishedSpan,
    /// The decision of the caller outside, if it made one.
    pub parent_sampled: Option<bool>,
    /// The configured rate.
    pub rate: f64,
}

/// Spans that are not sent; their children go to the span above.
#[derive(Clone)]
#[non_exhaustive]
pub enum SpanFilter {
    /// Those whose name has this text in it; with `*`, which stands for anything, whose whole name is so.
    Name(String),
    /// Those of this operation: `ai.processor`.
    Op(String),
    /// Those of this type.
    Type(SpanType),
    /// Those of which this is true.
    When(Arc<dyn Fn(&Span) -> bool + Send + Sync>),
}

impl ExporterOptions {
    /// No hooks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes error events, or drops them with `None`.
    #[must_use]
    pub fn with_before_send<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(ErrorEvent<'a>) -> Option<ErrorEvent<'a>> + Send + Sync + 'static,
    {
        self.before_send = Some(Arc::new(hook));
        self
    }

    /// Changes transactions, with their spans, or drops them with `None`.
    #[must_use]
    pub fn with_before_send_transaction<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(Transaction<'a>) -> Option<Transaction<'a>> + Send + Sync + 'static,
    {
        self.before_send_transaction = Some(Arc::new(hook));
        self
    }

    /// Changes spans, or drops them with `None`. The root of a transaction goes to
    /// [`before_send_transaction`](Self::with_before_send_transaction) instead.
    #[must_use]
    pub fn with_before_send_span<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(SpanItem<'a>) -> Option<SpanItem<'a>> + Send + Sync + 'static,
    {
        self.before_send_span = Some(Arc::new(hook));
        self
    }

    /// Changes logs, or drops them with `None`.
    #[must_use]
    pub fn with_before_send_log<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(Log<'a>) -> Option<Log<'a>> + Send + Sync + 'static,
    {
        self.before_send_log = Some(Arc::new(hook));
        self
    }

    /// Gives the rate, 0 to 1, that a trace is sampled with: asked once for each trace, before anything of it is sent. Comes
    /// before the caller's decision and the configured rate.
    #[must_use]
    pub fn with_traces_sampler<F>(mut self, sampler: F) -> Self
    where
        F: Fn(&TraceToSample<'_>) -> f64 + Send + Sync + 'static,
    {
        self.traces_sampler = Some(Arc::new(sampler));
        self
    }

    /// Adds a processor of error events and transactions, behind those there are.
    #[must_use]
    pub fn with_event_processor<F>(mut self, processor: F) -> Self
    where
        F: for<'a> Fn(EventItem<'a>) -> Option<EventItem<'a>> + Send + Sync + 'static,
    {
        self.event_processors.push(Arc::new(processor));
        self
    }

    /// Changes spans before anything else is done with them, redaction included. Their ids stay as they are.
    #[must_use]
    pub fn with_span_formatter<F>(mut self, formatter: F) -> Self
    where
        F: Fn(&mut FinishedSpan) + Send + Sync + 'static,
    {
        self.span_formatter = Some(Arc::new(formatter));
        self
    }

    /// Adds spans that are not sent.
    #[must_use]
    pub fn with_ignored_spans(mut self, filters: impl IntoIterator<Item = SpanFilter>) -> Self {
        self.ignore_spans.extend(filters);
        self
    }
}

impl SpanFilter {
    /// Those of which `predicate` is true.
    pub fn when(predicate: impl Fn(&Span) -> bool + Send + Sync + 'static) -> Self {
        Self::When(Arc::new(predicate))
    }

    pub(super) fn matches(&self, span: &Span) -> bool {
        match self {
            Self::Name(pattern) if pattern.contains('*') => matches_glob(pattern, &span.name),
            Self::Name(part) => !part.is_empty() && span.name.contains(part.as_str()),
            Self::Op(op) => crate::mapping::ai::operation(&span.ty) == Some(op),
            Self::Type(ty) => span.ty == *ty,
            Self::When(predicate) => predicate(span),
        }
    }
}

/// Whether a text is as the pattern says, in which `*` stands for anything.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl fmt::Debug for SpanFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(pattern) => f.debug_tuple("Name").field(pattern).finish(),
            Self::Op(op) => f.debug_tuple("Op").field(op).finish(),
            Self::Type(ty) => f.debug_tuple("Type").field(ty).finish(),
            Self::When(_) => f.write_str("When(..)"),
        }
    }
}

impl fmt::Debug for ExporterOptions {
    /// Which hooks are set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterOptions")
            .field("before_send", &self.before_send.is_some())
            .field("before_send_transaction", &self.before_send_transaction.is_some())
            .field("before_send_span", &self.before_send_span.is_some())
            .field("before_send_log", &self.before_send_log.is_some())
            .field("traces_sampler", &self.traces_sampler.is_some())
            .field("event_processors", &self.event_processors.len())
            .field("span_formatter", &self.span_formatter.is_some())
            .field("ignore_spans", &self.ignore_spans)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::{SpanId, Timestamp};

    use super::*;

    #[test]
    fn spans_are_ignored_by_name_operation_type_and_predicate() {
        let mut span = Span::new(TraceId([1; 16]), SpanId([1; 8]), SpanType::ProcessorRun, "", Timestamp::default());
        span.name = "input processor: cleaner".into();
        for (filter, ignored) in [
            (SpanFilter::Name("cleaner".to_owned()), true),
            (SpanFilter::Name("input processor: *".to_owned()), true),
            (SpanFilter::Name("*processor*er".to_owned()), true),
            (SpanFilter::Name("*processor".to_owned()), false),
            (SpanFilter::Name("processor:*".to_owned()), false),
            (SpanFilter::Name(String::new()), false),
            (SpanFilter::Op("ai.processor".to_owned()), true),
            (SpanFilter::Op("gen_ai.chat".to_owned()), false),
            (SpanFilter::Type(SpanType::ProcessorRun), true),
            (SpanFilter::Type(SpanType::ToolCall), false),
            (SpanFilter::when(|span| span.is_root), true),
        ] {
            assert_eq!(filter.matches(&span), ignored, "{filter:?}");
        }
    }
}
