//! [`Tracker`]: the handle of everything that is tracked with one set of options.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use http::HeaderMap;
use rmcp::ServerHandler;
use watchpost_sentry::{delivery::Outcome, wire::Timestamp};

use super::{
    CustomEvent, Options, TrackError, Tracked,
    call::Finished,
    sender::hash_headers,
    tools::Tools,
    worker::{Job, Shared, work},
};
use crate::{
    exporter::Discarded,
    mcp::{KnownSession, Moment, Origin, Sessions, session::event_id::EventIds},
    model::{Implementation, TraceParent},
    redact::Capture,
};

/// How long the last handle waits, when it is dropped, for what is not yet sent: the seed's own timeout.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// Tracks servers with one set of options. Cheap to clone; clones are the same tracker.
///
/// When the last clone, and the last server tracked with it, is dropped, what is held is sent, for at most 2 s. Call
/// [`shutdown`](Self::shutdown) to know what became of it.
#[derive(Clone, Debug)]
pub struct Tracker {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    shared: Arc<Shared>,
    sessions: Mutex<Sessions>,
    event_ids: Mutex<EventIds>,
    tools: Tools,
    hashes: RandomState,
    /// Whether the thread runs, once an event has come.
    thread: OnceLock<bool>,
    capture: Capture,
}

/// What a tracker changes of what clients see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes {
    pub(super) context: bool,
    pub(super) report_missing: bool,
}

/// What became of a tracker's events.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TrackOutcome {
    /// Whether everything given before the call was sent.
    pub complete: bool,
    /// Calls and custom events that were given to it.
    pub events: u64,
    /// Events dropped before an exporter got them, because too many waited.
    pub overflowed: u64,
    /// Events that the host's hooks dropped, or failed to redact.
    pub dropped_by_hooks: u64,
    /// Events that went without what one of the host's hooks should have added, because it failed, panicked or hung.
    pub undecorated: u64,
    /// Lines of clients that were no MCP message, on transports that [`Tracked::tap_io`] looks at. rmcp ignores them.
    pub unreadable: u64,
    /// What each exporter says, in the order of their names.
    pub exporters: Vec<Outcome>,
}

impl fmt::Display for TrackOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.events)?;
        if self.overflowed > 0 {
            write!(f, ", {} too many", self.overflowed)?;
        }
        if self.dropped_by_hooks > 0 {
            write!(f, ", {} dropped by hooks", self.dropped_by_hooks)?;
        }
        if self.undecorated > 0 {
            write!(f, ", {} without what a hook should have added", self.undecorated)?;
        }
        if self.unreadable > 0 {
            write!(f, ", {} lines that were no message", self.unreadable)?;
        }
        self.exporters.iter().try_for_each(|outcome| write!(f, "; {outcome}"))
    }
}

impl Tracker {
    /// Sets a tracker up. `project_id` is put into every event and is part of the derivation of session ids, as at AgentCat; it may
    /// be left out. No thread starts and nothing is connected before the first event.
    ///
    /// # Errors
    /// When an exporter's configuration is wrong.
    pub fn new(project_id: Option<&str>, options: Options) -> Result<Self, TrackError> {
        let exporters = options.make_exporters()?;
        let mut capture = Capture::NONE;
        for other in exporters.iter().map(|one| one.exporter.capture()) {
            capture.arguments |= other.arguments;
            capture.results |= other.results;
        }
        let project_id = project_id.filter(|id| !id.is_empty()).map(str::to_owned);
        let sessions = Mutex::new(Sessions::new(project_id.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                shared: Arc::new(Shared::new(exporters, options, project_id)),
                sessions,
                event_ids: Mutex::default(),
                tools: Tools::default(),
                hashes: RandomState::new(),
                thread: OnceLock::new(),
                capture,
            }),
        })
    }

    /// Tracks a server, for one connection: where a server is made for each (streamable HTTP), call it in the factory.
    #[must_use]
    pub fn track<H: ServerHandler>(&self, server: H) -> Tracked<H> {
        let info = server.get_info().server_info;
        let server_info = Implementation { name: Some(info.name), title: info.title, version: Some(info.version) };
        Tracked::new(server, self.clone(), server_info)
    }

    /// Sends an event of the host's own.
    pub fn publish(&self, event: CustomEvent) {
        let (now, bytes) = (Timestamp::now(), event.size());
        let project_id = self.inner.shared.project_id.clone();
        let event = event.into_event(self.inner.next_event_id(), project_id, now);
        self.inner.put(Job::Custom(Box::new(event)), bytes);
    }

    /// Sends what is held, and says what became of everything. It blocks: in async code use
    /// [`flush_async`](Self::flush_async).
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> TrackOutcome {
        self.inner
            .drain(timeout, |shared, left| shared.exporters.iter().map(|one| one.exporter.flush(left())).collect())
    }

    /// Sends what is held, takes nothing more, and says what became of everything. The seed's timeout is 2 s. It blocks: in async
    /// code use [`shutdown_async`](Self::shutdown_async).
    #[must_use]
    pub fn shutdown(&self, timeout: Duration) -> TrackOutcome {
        self.inner.shutdown(timeout)
    }

    /// [`flush`](Self::flush) from within a tokio runtime.
    pub async fn flush_async(&self, timeout: Duration) -> TrackOutcome {
        let tracker = self.clone();
        tokio::task::spawn_blocking(move || tracker.flush(timeout)).await.unwrap_or_default()
    }

    /// [`shutdown`](Self::shutdown) from within a tokio runtime.
    pub async fn shutdown_async(&self, timeout: Duration) -> TrackOutcome {
        let tracker = self.clone();
        tokio::task::spawn_blocking(move || tracker.shutdown(timeout)).await.unwrap_or_default()
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner)
    }

    pub(super) fn changes(&self) -> Changes {
        let options = &self.inner.shared.options;
        Changes { context: options.enable_tool_call_context, report_missing: options.enable_report_missing }
    }

    pub(super) fn context_description(&self) -> &str {
        self.inner.shared.options.context_description()
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.inner.tools
    }

    pub(super) fn reports_pings(&self) -> bool {
        self.inner.reports_pings()
    }

    pub(super) fn reports_notifications(&self) -> bool {
        self.inner.shared.options.events.notifications
    }
}

impl Inner {
    /// The session of a request.
    pub(super) fn resolve(&self, origin: &Origin<'_>, now: Moment) -> Option<KnownSession> {
        lock(&self.sessions).resolve(origin, now)
    }

    pub(super) fn next_event_id(&self) -> String {
        lock(&self.event_ids).next(Timestamp::now())
    }

    /// The span that an event is sent as, by the first exporter that sends spans.
    pub(super) fn span_of(
        &self,
        event_id: &str,
        session_id: Option<&str>,
        parent: Option<TraceParent>,
    ) -> Option<TraceParent> {
        self.shared.exporters.iter().find_map(|one| one.exporter.span_of(event_id, session_id, parent))
    }

    pub(super) fn reports_pings(&self) -> bool {
        self.shared.options.events.ping
    }

    /// Which arguments and results any exporter sends.
    pub(super) const fn capture(&self) -> Capture {
        self.capture
    }

    pub(super) fn count_unreadable(&self, lines: u64) {
        if lines > 0 {
            self.shared.unreadable().fetch_add(lines, Ordering::Relaxed);
        }
    }

    pub(super) fn hooks_want_request(&self) -> bool {
        self.shared.options.hooks.want_request()
    }

    pub(super) fn hash(&self, headers: &HeaderMap, names: &[&str]) -> Option<u64> {
        hash_headers(&self.hashes, headers, names)
    }

    pub(super) fn combine(&self, one: Option<u64>, other: Option<u64>) -> u64 {
        self.hashes.hash_one((one, other))
    }

    /// Hands a call that ended to the thread.
    pub(super) fn push(&self, finished: Box<Finished>) {
        let bytes = finished.size();
        self.put(Job::Call(finished), bytes);
    }

    fn put(&self, job: Job, bytes: usize) {
        let runs = *self.thread.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("watchpost-track".to_owned()).spawn(move || work(&shared));
            if let Err(error) = &thread {
                tracing::warn!(target: "watchpost::mcp", %error, "no thread for the events; nothing is exported");
            }
            thread.is_ok()
        });
        let dropped = if runs { self.shared.queue.push(job, bytes) } else { 1 };
        for _ in 0..dropped {
            self.shared.discard(Discarded::QueueOverflow);
        }
    }

    fn shutdown(&self, timeout: Duration) -> TrackOutcome {
        self.shared.queue.close();
        self.drain(timeout, |shared, left| shared.exporters.iter().map(|one| one.shutdown(left())).collect())
    }

    fn drain(
        &self,
        timeout: Duration,
        send: impl FnOnce(&Shared, &dyn Fn() -> Duration) -> Vec<Outcome>,
    ) -> TrackOutcome {
        let deadline = Instant::now() + timeout;
        let is_done = self.shared.queue.wait_until_done(deadline);
        let left = || deadline.saturating_duration_since(Instant::now());
        let exporters = send(&self.shared, &left);
        let (events, overflowed) = self.shared.queue.counts();
        TrackOutcome {
            complete: is_done && exporters.iter().all(|outcome| outcome.complete),
            events,
            overflowed,
            dropped_by_hooks: self.shared.dropped_by_hooks(),
            undecorated: self.shared.undecorated(),
            unreadable: self.shared.unreadable().load(Ordering::Relaxed),
            exporters,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown(DROP_TIMEOUT);
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
