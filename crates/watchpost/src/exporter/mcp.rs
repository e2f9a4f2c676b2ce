//! The exporter of MCP events: redact, map, deliver. Source: seed 000, "All events are sent as logs, and optionally as
//! transactions", "When `is_error` is true".

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::Duration,
};

use watchpost_sentry::{
    delivery::{Delivery, Outcome},
    wire::{Category, DiscardReason, Timestamp, TraceId},
};

use super::{
    Discarded, EventExporter, ExporterError, SentryConfig,
    destination::{deliver, process_variable},
    switch::exporting_is_off,
};
use crate::{
    mapping::{
        Settings,
        mcp::{Identity, Mapping, session_trace, span_count, stray_output},
    },
    model::{McpEvent, StrayOutput, TraceParent},
    redact::{Capture, redact_event, redact_terminal_line},
};

/// Exports MCP events to Sentry: a log for each, a transaction for each when tracing is enabled and the trace sampled, and an
/// error event for each failure.
///
/// Cheap to clone; clones share one delivery. [`export`](Self::export) never waits for the network and never panics. When the
/// last clone is dropped, what is held is sent as [`Delivery`] describes; call [`shutdown`](Self::shutdown) to know what
/// became of it.
#[derive(Clone, Debug)]
pub struct McpExporter {
    /// `None`: the user turned exporting off.
    active: Option<Arc<Active>>,
}

#[derive(Debug)]
struct Active {
    delivery: Delivery,
    settings: Settings,
    capture: Capture,
    /// The last session and its trace: most events are of the session before, whose id need not be hashed again.
    last_session: Mutex<(String, TraceId)>,
}

/// What an event becomes.
#[derive(Clone, Copy)]
enum Item {
    Log,
    /// With so many spans, the root included.
    Transaction {
        spans: u64,
    },
    Error,
}

impl McpExporter {
    /// Sets an exporter up. No thread starts and nothing is connected before the first event; but with a spool
    /// its thread starts, and what processes that are gone have left in it is sent.
    ///
    /// With `DO_NOT_TRACK=1` or `OTEL_SDK_DISABLED=true` in the environment the exporter is [disabled](Self::disabled); the
    /// configuration is checked all the same.
    ///
    /// # Errors
    /// When there is no DSN, when it is wrong, or when the sample rate is not between 0 and 1.
    pub fn new(config: SentryConfig) -> Result<Self, ExporterError> {
        let off = exporting_is_off(process_variable);
        Self::switched(&config, off)
    }

    /// An exporter that takes every event and sends none.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { active: None }
    }

    fn switched(config: &SentryConfig, off: bool) -> Result<Self, ExporterError> {
        let dsn = config.read_dsn()?;
        let settings = config.settings(&dsn)?;
        let Some(delivery) = deliver(dsn, settings.sdk().clone(), config.spool.clone(), off)? else {
            tracing::info!("nothing is exported: DO_NOT_TRACK or OTEL_SDK_DISABLED is set");
            return Ok(Self::disabled());
        };
        let capture = config.capture.unwrap_or_default();
        let last_session = Mutex::new((String::new(), session_trace("")));
        Ok(Self { active: Some(Arc::new(Active { delivery, settings, capture, last_session })) })
    }

    /// Whether anything is sent at all.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.active.is_some()
    }

    /// Exports an event: about 3 µs of CPU for its log, on the caller's thread.
    ///
    /// Should the mapping panic, the item it was making is dropped and counted as `internal_sdk_error`; should redaction
    /// panic, the whole event is. The host does not notice.
    pub fn export(&self, event: &McpEvent) {
        if let Some(active) = &self.active {
            active.export(event);
        }
    }

    /// Reports that a server wrote lines to its standard output that are no MCP messages: one warning log.
    pub fn warn_of_stray_output(&self, session_id: &str, stray: &StrayOutput, at: Timestamp) {
        if let Some(active) = &self.active {
            active.guarded([Item::Log], || active.warn_of_stray_output(session_id, stray, at));
        }
    }

    /// Waits until the buffers have room, instead of dropping the oldest: for importers, which can wait. False if that takes
    /// longer than `timeout`, or after a shutdown.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        self.active.as_ref().is_none_or(|active| active.delivery.wait_for_room(timeout))
    }

    /// Sends what is held, and says what became of everything.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> Outcome {
        self.outcome_of(|delivery| delivery.flush(timeout))
    }

    /// [`flush`](Self::flush) for async callers, of any runtime.
    pub async fn flush_async(&self, timeout: Duration) -> Outcome {
        match &self.active {
            Some(active) => active.delivery.flush_async(timeout).await,
            None => nothing(),
        }
    }

    /// Sends what is held, takes nothing more, and says what became of everything. The seed's timeout is 2 s.
    #[must_use]
    pub fn shutdown(&self, timeout: Duration) -> Outcome {
        self.outcome_of(|delivery| delivery.shutdown(timeout))
    }

    /// [`shutdown`](Self::shutdown) for async callers, of any runtime.
    pub async fn shutdown_async(&self, timeout: Duration) -> Outcome {
        match &self.active {
            Some(active) => active.delivery.shutdown_async(timeout).await,
            None => nothing(),
        }
    }

    /// What became of everything so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome_of(Delivery::outcome)
    }

    fn outcome_of(&self, ask: impl FnOnce(&Delivery) -> Outcome) -> Outcome {
        self.active.as_ref().map_or_else(nothing, |active| ask(&active.delivery))
    }
}

impl EventExporter for McpExporter {
    fn export(&self, event: &McpEvent) {
        Self::export(self, event);
    }

    fn wait_for_room(&self, timeout: Duration) -> bool {
        Self::wait_for_room(self, timeout)
    }

    fn capture(&self) -> Capture {
        self.active.as_ref().map_or(Capture::NONE, |active| active.capture)
    }

    fn span_of(&self, event_id: &str, session_id: Option<&str>, parent: Option<TraceParent>) -> Option<TraceParent> {
        let active = self.active.as_ref()?;
        let event = McpEvent {
            event_id: event_id.to_owned(),
            session_id: session_id.map(str::to_owned),
            trace_parent: parent,
            ..McpEvent::default()
        };
        let identity = Identity::with_session_trace(&event, &active.settings, |id| active.trace_of_session(id));
        let sampled = active.settings.tracing_enabled() && identity.sampling.sampled;
        let span_id = if sampled { identity.request_span_id(&event) } else { identity.span_id };
        Some(TraceParent { trace_id: identity.trace_id, span_id, sampled: Some(identity.sampling.sampled) })
    }

    fn discard(&self, event: Discarded) {
        if let Some(active) = &self.active {
            let reason = match event {
                Discarded::QueueOverflow => DiscardReason::QueueOverflow,
                Discarded::Hook => DiscardReason::BeforeSend,
                Discarded::Internal => DiscardReason::InternalSdkError,
            };
            active.discard(reason, Item::Log);
        }
    }

    fn flush(&self, timeout: Duration) -> Outcome {
        Self::flush(self, timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        Self::shutdown(self, timeout)
    }
}

impl Active {
    /// Hot path: the log's part costs at most 3 µs with redaction, hashing and JSON; `examples/export_cost.rs` measures it.
    fn export(&self, event: &McpEvent) {
        let tracing = self.settings.tracing_enabled();
        let transaction = Item::Transaction { spans: span_count(event) };
        let items = [Some(Item::Log), tracing.then_some(transaction), event.is_error.then_some(Item::Error)];
        // Nothing leaves that has not been redacted: a panic here costs the whole event.
        let prepared = self.guarded(items.into_iter().flatten(), || {
            let event = redact_event(event, self.capture);
            let identity =
                Identity::with_session_trace(&event, &self.settings, |session_id| self.trace_of_session(session_id));
            (event, identity)
        });
        let Some((event, identity)) = prepared else { return };
        let mapping = Mapping { event: &event, settings: &self.settings, identity };
        let context = || self.settings.sampling_context(identity.trace_id, identity.sampling);

        self.guarded([Item::Log], || self.delivery.log(&mapping.log()));
        if tracing && identity.sampling.sampled {
            self.guarded([transaction], || self.delivery.transaction(&mapping.transaction(), Some(&context())));
        } else if tracing {
            self.discard(DiscardReason::SampleRate, transaction);
        }
        if event.is_error {
            self.guarded([Item::Error], || self.delivery.error(&mapping.error_event(), Some(&context())));
        }
    }

    fn warn_of_stray_output(&self, session_id: &str, stray: &StrayOutput, at: Timestamp) {
        let mut stray = stray.clone();
        stray.first_line =
            stray.first_line.filter(|_| self.capture.errors).map(|line| match redact_terminal_line(&line) {
                Cow::Owned(clean) => clean,
                Cow::Borrowed(_) => line,
            });
        self.delivery.log(&stray_output(session_id, &stray, at, &self.settings));
    }

    /// The trace of a session. Never waits: when another thread has the memory, the id is hashed again.
    fn trace_of_session(&self, session_id: &str) -> TraceId {
        let mut last = match self.last_session.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return session_trace(session_id),
        };
        if last.0 != session_id {
            session_id.clone_into(&mut last.0);
            last.1 = session_trace(session_id);
        }
        last.1
    }

    /// Runs `make`; should it panic, the items it would have made are counted as dropped.
    fn guarded<T>(&self, items: impl IntoIterator<Item = Item>, make: impl FnOnce() -> T) -> Option<T> {
        let made = catch_unwind(AssertUnwindSafe(make)).ok();
        if made.is_none() {
            items.into_iter().for_each(|item| self.discard(DiscardReason::InternalSdkError, item));
        }
        made
    }

    fn discard(&self, reason: DiscardReason, item: Item) {
        match item {
            Item::Log => self.delivery.discard(reason, Category::LogItem, 1),
            Item::Transaction { spans } => self.delivery.discard_transaction(reason, spans),
            Item::Error => self.delivery.discard(reason, Category::Error, 1),
        }
    }
}

/// What became of nothing.
pub(super) fn nothing() -> Outcome {
    let mut outcome = Outcome::default();
    outcome.complete = true;
    outcome
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::delivery::SpoolConfig;

    use super::*;

    fn config() -> SentryConfig {
        SentryConfig::default().with_dsn("https://key@sentry.invalid/1")
    }

    #[test]
    fn a_user_who_turned_telemetry_off_gets_a_disabled_exporter() {
        let exporter = McpExporter::switched(&config(), true).unwrap();
        assert!(!exporter.is_enabled());
        exporter.export(&McpEvent::default());
        let outcome = exporter.shutdown(Duration::ZERO);
        assert!(outcome.complete && outcome.accepted() == 0);
        assert!(exporter.wait_for_room(Duration::ZERO));
        assert!(McpExporter::switched(&config(), false).unwrap().is_enabled());
    }

    #[test]
    fn a_user_who_turned_telemetry_off_gets_no_spool_either() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let exporter = McpExporter::switched(&config().with_spool(SpoolConfig::new(&spool)), true).unwrap();
        exporter.export(&McpEvent::default());
        assert!(exporter.shutdown(Duration::ZERO).complete);
        assert!(!spool.exists());
    }

    #[test]
    fn a_wrong_configuration_is_an_error_even_when_nothing_would_be_sent() {
        let error = |config: &SentryConfig| McpExporter::switched(config, true).unwrap_err().to_string();
        assert_eq!(
            error(&SentryConfig::default()),
            "no DSN: set `dsn` or SENTRY_DSN (Sentry: Settings > Projects > Client Keys)"
        );
        assert_eq!(
            error(&config().with_traces_sample_rate(7.0)),
            "traces_sample_rate is 7; it must be between 0 and 1"
        );
        assert!(
            error(&config().with_dsn("https://host/1")).starts_with("the DSN can't be used: the DSN has no public key")
        );
    }

    #[test]
    fn a_panic_in_the_mapping_is_counted_and_does_not_reach_the_host() {
        let exporter = McpExporter::switched(&config(), false).unwrap();
        let active = exporter.active.as_ref().unwrap();
        let made: Option<()> = active.guarded([Item::Error, Item::Transaction { spans: 2 }], || panic!("on purpose"));
        assert_eq!(made, None);
        let outcome = exporter.outcome();
        let dropped = outcome.dropped_by(watchpost_sentry::delivery::DropReason::InternalSdkError);
        assert_eq!((dropped, outcome.accepted()), (2, 2));
    }

    #[test]
    fn the_trace_of_a_session_is_remembered_and_right() {
        let exporter = McpExporter::switched(&config(), false).unwrap();
        let active = exporter.active.as_ref().unwrap();
        for session_id in ["ses_a", "ses_a", "ses_b", "", "ses_a"] {
            assert_eq!(active.trace_of_session(session_id), session_trace(session_id));
        }
    }
}
