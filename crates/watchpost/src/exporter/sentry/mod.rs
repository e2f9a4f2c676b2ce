//! The exporter of agents' spans: assemble, redact, map, deliver. Source: seed 004, "SentryExporter".
//!
//! ```text
//! export_tracing_event ──> Assembler (state.rs, under one short lock) ──> queue ──> thread "watchpost-traces" (worker.rs):
//!     formatter, redaction, sampling, mapping, hooks, packing (pipeline.rs, hooks.rs) ──> Delivery
//! ```

mod config;
mod hooks;
mod log;
mod off_thread;
mod options;
mod pipeline;
mod state;
mod stats;
mod worker;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use watchpost_sentry::{
    delivery::Outcome,
    wire::{Category, DiscardReason, TraceId},
};

pub use self::{
    config::SentryExporterConfig,
    options::{EventItem, ExporterOptions, LogLevel, SpanFilter, SpanItem, TraceToSample},
    stats::SentryExporterStats,
};
use self::{hooks::Hooks, off_thread::off_thread, pipeline::Pipeline, state::State, worker::Shared};
use super::{
    ExporterError,
    destination::{deliver, process_variable},
    mcp::nothing,
    switch::exporting_is_off,
};
use crate::{
    ai::TracingSink,
    assembly::{Assembler, ReleaseWhen},
    mapping::{Sampling, ai::SpanMode},
    model::{Span, SpanLog, TracingEvent},
};

/// How long `flush` and `shutdown` wait, as in the seed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exports agents' spans to Sentry: transactions or spans of version 2, and an error event for each failure.
///
/// Cheap to clone; clones share everything. Several exporters live side by side, nothing is global.
/// [`export_tracing_event`](Self::export_tracing_event) never waits for the network and never panics.
///
/// # What is held, and for how long
/// A trace is held until its root and everything below it ended (in [`SpanMode::Stream`] each span only until it ends itself),
/// or until one of the bounds of [`SentryExporterConfig`]. Complete traces wait in a queue of their own for the thread
/// `watchpost-traces`, which maps them. Everything that a bound costs is in the [`Outcome`] or in
/// [`stats`](Self::stats). A [spool](SentryExporterConfig::with_spool) keeps what was mapped, not the spans of traces that are open.
///
/// # Dropping
/// Dropping the last clone does what [`shutdown`](Self::shutdown) does; call that to know what became of everything.
#[derive(Clone)]
pub struct SentryExporter {
    /// `None`: there is no DSN, or the user turned exporting off.
    active: Option<Arc<Owner>>,
}

/// What ends with the last handle. The thread holds the rest.
struct Owner {
    shared: Arc<Shared>,
    hooks: Arc<Hooks>,
    skipped: AtomicU64,
    is_shut_down: AtomicBool,
}

impl SentryExporter {
    /// Sets an exporter up. No thread starts and nothing is connected before the first event; but with a spool
    /// its thread starts, and what processes that are gone have left in it is sent.
    ///
    /// Without a DSN the exporter is [disabled](Self::disabled), which is said once in a warning; with `DO_NOT_TRACK=1` or
    /// `OTEL_SDK_DISABLED=true` in the environment likewise. The configuration is checked all the same.
    ///
    /// # Errors
    /// When the DSN is wrong, or the sample rate is not between 0 and 1.
    pub fn new(config: SentryExporterConfig) -> Result<Self, ExporterError> {
        let off = exporting_is_off(process_variable);
        Self::switched(config, off)
    }

    /// [`new`](Self::new) with what the environment says: `SENTRY_DSN`, `SENTRY_ENVIRONMENT`, `SENTRY_RELEASE`,
    /// `SENTRY_TRACES_SAMPLE_RATE`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the sample rate is no number.
    pub fn from_env() -> Result<Self, ExporterError> {
        Self::new(SentryExporterConfig::from_env()?)
    }

    /// An exporter that takes every event and sends none.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { active: None }
    }

    fn switched(config: SentryExporterConfig, off: bool) -> Result<Self, ExporterError> {
        let rate = config.read_rate()?;
        let log_level = config.log_level.unwrap_or_default();
        let Some(dsn) = config.read_dsn()? else {
            if log_level <= LogLevel::Warn {
                tracing::warn!(
                    target: "watchpost",
                    "no traces are exported: there is no DSN. Set `dsn` or SENTRY_DSN (Sentry: Settings > Projects > Client Keys)"
                );
            }
            return Ok(Self::disabled());
        };
        let settings = config.settings(&dsn);
        let mode = config.mode(&dsn);
        let Some(delivery) = deliver(dsn, settings.sdk().clone(), config.spool.clone(), off)? else {
            if log_level <= LogLevel::Info {
                tracing::info!(target: "watchpost", "nothing is exported: DO_NOT_TRACK or OTEL_SDK_DISABLED is set");
            }
            return Ok(Self::disabled());
        };
        let when = if mode == SpanMode::Stream { ReleaseWhen::SpanEnded } else { ReleaseWhen::TraceComplete };
        let (limits, queue_bytes, capture) = (config.limits(), config.queue_bytes(), config.capture());
        let rules = config.redact;
        let hooks = Arc::new(Hooks::new(config.options));
        let asked = hooks.clone();
        let keeps = Box::new(move |span: &Span| asked.keeps(span));
        let pipeline = Pipeline {
            delivery,
            settings,
            mode,
            capture,
            rules,
            rate,
            hooks: hooks.clone(),
            cut_spans: AtomicU64::new(0),
        };
        let state = State::new(Assembler::new(limits, when, keeps), queue_bytes);
        let shared = Arc::new(Shared::new(pipeline, log_level, state));
        let owner = Owner { shared, hooks, skipped: AtomicU64::new(0), is_shut_down: AtomicBool::new(false) };
        Ok(Self { active: Some(Arc::new(owner)) })
    }

    /// Whether anything is sent at all.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.active.is_some()
    }

    /// Takes an event: a span started, was updated, or ended. About a microsecond on the caller's thread; whatever else is to
    /// be done is done on another one.
    pub fn export_tracing_event(&self, event: TracingEvent) {
        let Some(active) = &self.active else { return };
        // Only a bug of ours can panic here; it costs the event.
        let taken = catch_unwind(AssertUnwindSafe(|| {
            active.shared.with(|state| ((), state.event(event, Instant::now())));
        }));
        if taken.is_err() {
            active.shared.pipeline.delivery.discard(DiscardReason::InternalSdkError, Category::Span, 1);
        }
    }

    /// Counts an event that could not be read, and says so at the level `debug`.
    pub fn skip_event(&self, reason: &dyn fmt::Display) {
        let Some(active) = &self.active else { return };
        active.skipped.fetch_add(1, Ordering::Relaxed);
        if active.shared.log_level == LogLevel::Debug {
            tracing::debug!(target: "watchpost", %reason, "skipped a tracing event");
        }
    }

    /// Sends a log in a span's trace. The host says it on purpose: it is sent whatever is captured and sampled.
    pub fn log(&self, log: SpanLog) {
        let Some(active) = &self.active else { return };
        active.shared.with(|state| ((), state.log(log)));
    }

    /// Waits until there is room for more, instead of dropping the oldest: for importers, which can wait. False if that takes
    /// longer than `timeout`, or after a shutdown.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        self.active.as_ref().is_none_or(|active| active.shared.wait_for_room(timeout))
    }

    /// Sends what is finished, for at most 2 s, and says what became of everything. Spans whose root is open wait on for it.
    ///
    /// Not [`complete`](Outcome::complete) when something finished before the call could not be sent or dropped in time.
    #[must_use]
    pub fn flush(&self) -> Outcome {
        self.flush_within(PATIENCE)
    }

    /// [`flush`](Self::flush) for at most `timeout`.
    #[must_use]
    pub fn flush_within(&self, timeout: Duration) -> Outcome {
        self.active.as_ref().map_or_else(nothing, |active| active.shared.flush(timeout))
    }

    /// [`flush`](Self::flush) for async callers, of any runtime.
    pub async fn flush_async(&self) -> Outcome {
        self.flush_within_async(PATIENCE).await
    }

    /// [`flush_within`](Self::flush_within) for async callers, of any runtime.
    pub async fn flush_within_async(&self, timeout: Duration) -> Outcome {
        self.away(move |shared| shared.flush(timeout)).await
    }

    /// Ends all open spans, sends everything, for at most 2 s, takes nothing more, and says what became of everything.
    ///
    /// Not [`complete`](Outcome::complete) when something could not be sent in time: it is held if
    /// there is a spool to keep it, else lost and dropped.
    #[must_use]
    pub fn shutdown(&self) -> Outcome {
        self.shutdown_within(PATIENCE)
    }

    /// [`shutdown`](Self::shutdown) for at most `timeout`.
    #[must_use]
    pub fn shutdown_within(&self, timeout: Duration) -> Outcome {
        self.active.as_ref().map_or_else(nothing, |active| {
            active.is_shut_down.store(true, Ordering::SeqCst);
            active.shared.shutdown(timeout)
        })
    }

    /// [`shutdown`](Self::shutdown) for async callers, of any runtime.
    pub async fn shutdown_async(&self) -> Outcome {
        self.shutdown_within_async(PATIENCE).await
    }

    /// [`shutdown_within`](Self::shutdown_within) for async callers, of any runtime.
    pub async fn shutdown_within_async(&self, timeout: Duration) -> Outcome {
        if let Some(active) = &self.active {
            active.is_shut_down.store(true, Ordering::SeqCst);
        }
        self.away(move |shared| shared.shutdown(timeout)).await
    }

    /// What became of everything that was handed over to be sent so far. Not complete while spans wait to be mapped.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.active.as_ref().map_or_else(nothing, |active| {
            let is_drained = active.shared.lock().is_drained(u64::MAX);
            let mut outcome = active.shared.pipeline.delivery.outcome();
            outcome.complete &= is_drained;
            outcome
        })
    }

    /// The figures.
    #[must_use]
    pub fn stats(&self) -> SentryExporterStats {
        let Some(active) = &self.active else { return SentryExporterStats::default() };
        let state = active.shared.lock();
        let counts = state.assembler.counts();
        let (queued_spans, queued_bytes) = state.queued();
        SentryExporterStats {
            events: counts.events,
            skipped: active.skipped.load(Ordering::Relaxed),
            repeated: counts.repeated,
            after_shutdown: state.after_shutdown,
            open_spans: state.assembler.open_spans() as u64,
            open_traces: state.assembler.open_traces() as u64,
            open_bytes: state.assembler.bytes() as u64,
            queued_spans: queued_spans as u64,
            queued_bytes: queued_bytes as u64,
            aborted: counts.aborted,
            deadline_exceeded: counts.expired,
            shut_down: counts.shut_down,
            taken_in: counts.skipped_spans,
            early_parts: counts.early_releases,
            overflowed: state.overflowed,
            cut_spans: active.shared.pipeline.cut_spans.load(Ordering::Relaxed),
            hook_panics: active.hooks.panics(),
        }
    }

    async fn away(&self, work: impl FnOnce(&Arc<Shared>) -> Outcome + Send + 'static) -> Outcome {
        let Some(active) = &self.active else { return nothing() };
        let shared = active.shared.clone();
        // Without a thread to wait with, there is nothing to say but how things stand.
        off_thread(move || work(&shared)).await.unwrap_or_else(|| {
            let mut outcome = self.outcome();
            outcome.complete = false;
            outcome
        })
    }
}

impl TracingSink for SentryExporter {
    fn export(&self, event: TracingEvent) {
        self.export_tracing_event(event);
    }

    fn log(&self, log: SpanLog) {
        Self::log(self, log);
    }

    fn sampled(&self, trace_id: TraceId) -> Option<bool> {
        let active = self.active.as_ref()?;
        let by_id = || Sampling::decide(trace_id, active.shared.pipeline.rate, None).sampled;
        (!active.hooks.has_sampler()).then(by_id)
    }
}

impl fmt::Debug for SentryExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentryExporter").field("enabled", &self.is_enabled()).finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.is_shut_down.load(Ordering::SeqCst) {
            let _ = self.shared.shutdown(PATIENCE);
        }
    }
}
