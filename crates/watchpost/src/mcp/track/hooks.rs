//! The host's own code that decorates or redacts events. It never runs on a call's path: each hook has a thread of its own, so
//! that one that hangs holds up nothing but itself. While it hangs it is not called again; its events go without it, or, if it
//! redacts, not at all.

use std::{
    error::Error,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Map, Value};

use crate::model::{Actor, Implementation, McpEvent};

/// Any error of a hook.
pub type HookError = Box<dyn Error + Send + Sync>;

/// What hooks are told of the request that an event is about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HookRequest {
    /// The MCP method.
    pub method: String,
    /// The tool's or prompt's name, or the resource's URI.
    pub resource_name: Option<String>,
    /// A tool's or prompt's arguments, as the tool gets them.
    pub arguments: Option<Map<String, Value>>,
    /// `params._meta`.
    pub meta: Map<String, Value>,
    /// The headers of the HTTP request; empty without HTTP.
    pub headers: http::HeaderMap,
    /// The session, before any `resolve_session_id`.
    pub session_id: Option<String>,
    /// The peer's own session id.
    pub mcp_session_id: Option<String>,
    /// The client.
    pub client: Implementation,
}

impl HookRequest {
    /// A header's text, if it is there and is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Decorate<T> = Arc<dyn Fn(&HookRequest) -> Result<T, HookError> + Send + Sync>;
pub(super) type Identify = Arc<dyn Fn(Arc<HookRequest>) -> BoxFuture<Result<Option<Actor>, HookError>> + Send + Sync>;
pub(super) type Tags = Vec<(String, String)>;
pub(super) type Properties = Vec<(String, Value)>;
pub(super) type Redact = Arc<dyn Fn(&str) -> Result<Option<String>, HookError> + Send + Sync>;
pub(super) type RedactEvent = Arc<dyn Fn(McpEvent) -> Result<Option<McpEvent>, HookError> + Send + Sync>;

/// The hooks a host set.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) identify: Option<Identify>,
    pub(super) event_tags: Option<Decorate<Tags>>,
    pub(super) event_properties: Option<Decorate<Properties>>,
    pub(super) resolve_session_id: Option<Decorate<Option<String>>>,
    pub(super) redact: Option<Redact>,
    pub(super) redact_event: Option<RedactEvent>,
}

impl Hooks {
    /// Whether any of them wants to know of the request.
    pub(super) fn want_request(&self) -> bool {
        self.identify.is_some()
            || self.event_tags.is_some()
            || self.event_properties.is_some()
            || self.resolve_session_id.is_some()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("identify", &self.identify.is_some())
            .field("event_tags", &self.event_tags.is_some())
            .field("event_properties", &self.event_properties.is_some())
            .field("resolve_session_id", &self.resolve_session_id.is_some())
            .field("redact", &self.redact.is_some())
            .field("redact_event", &self.redact_event.is_some())
            .finish()
    }
}

/// Why a hook gave nothing.
#[derive(Debug)]
pub(super) enum HookFailure {
    /// It said so.
    Failed(HookError),
    Panicked,
    /// It took longer than it may, or an earlier run still does.
    Hangs,
    /// There is no thread for it.
    NoThread,
}

impl fmt::Display for HookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked => f.write_str("it panicked"),
            Self::Hangs => f.write_str("it hangs"),
            Self::NoThread => f.write_str("its thread could not be started"),
        }
    }
}

/// One hook on its thread.
pub(super) struct Runner<I, O> {
    name: &'static str,
    timeout: Duration,
    jobs: Option<SyncSender<I>>,
    answers: Receiver<Result<O, HookFailure>>,
    hangs: bool,
}

impl<I: Send + 'static, O: Send + 'static> Runner<I, O> {
    /// Starts the hook's thread. It ends with the runner, or when the hook comes back.
    pub(super) fn start(
        name: &'static str,
        timeout: Duration,
        hook: impl Fn(I) -> Result<O, HookError> + Send + 'static,
    ) -> Self {
        let (jobs, inbox) = sync_channel::<I>(1);
        let (outbox, answers) = sync_channel(1);
        let run = move || {
            for job in inbox {
                let answer = match catch_unwind(AssertUnwindSafe(|| hook(job))) {
                    Ok(answer) => answer.map_err(HookFailure::Failed),
                    Err(_) => Err(HookFailure::Panicked),
                };
                if outbox.send(answer).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(format!("watchpost-{name}")).spawn(run);
        Self { name, timeout, jobs: thread.is_ok().then_some(jobs), answers, hangs: false }
    }

    /// Runs the hook; what it gives, or `None` and a line in the host's own log.
    pub(super) fn run(&mut self, job: I) -> Option<O> {
        match self.try_run(job) {
            Ok(answer) => Some(answer),
            Err(failure) => {
                tracing::debug!(target: "watchpost::mcp", hook = self.name, %failure, "a hook gave nothing");
                None
            }
        }
    }

    fn try_run(&mut self, job: I) -> Result<O, HookFailure> {
        if self.hangs {
            match self.answers.try_recv() {
                Ok(_) => self.hangs = false,
                Err(TryRecvError::Empty) => return Err(HookFailure::Hangs),
                Err(TryRecvError::Disconnected) => return Err(HookFailure::NoThread),
            }
        }
        let jobs = self.jobs.as_ref().ok_or(HookFailure::NoThread)?;
        jobs.send(job).map_err(|_| HookFailure::NoThread)?;
        match self.answers.recv_timeout(self.timeout) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.hangs = true;
                tracing::warn!(target: "watchpost::mcp", hook = self.name, "a hook hangs; events go without it until it is back");
                Err(HookFailure::Hangs)
            }
            Err(RecvTimeoutError::Disconnected) => Err(HookFailure::NoThread),
        }
    }
}

/// Runs an async hook to its end, on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T, HookError>>) -> Result<T, HookError> {
    thread_local! {
        static RUNTIME: std::cell::OnceCell<tokio::runtime::Runtime> = const { std::cell::OnceCell::new() };
    }
    RUNTIME.with(|cell| {
        if cell.get().is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let _ = cell.set(runtime);
        }
        match cell.get() {
            Some(runtime) => runtime.block_on(future),
            None => Err("no runtime".into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_hook_that_fails_or_panics_gives_nothing_and_is_asked_again() {
        let mut runner = Runner::start("test", Duration::from_secs(10), |job: u8| match job {
            0 => panic!("on purpose"),
            1 => Err("no".into()),
            other => Ok(other),
        });
        assert_eq!([0, 1, 2].map(|job| runner.run(job)), [None, None, Some(2)]);
    }

    #[test]
    fn a_hook_that_hangs_is_left_alone_until_it_is_back() {
        let (release, gate) = channel::<()>();
        let (entered, entries) = channel();
        let mut runner = Runner::start("test", Duration::from_millis(1), move |job: u8| {
            entered.send(job)?;
            gate.recv()?;
            Ok(job)
        });
        assert_eq!(runner.run(1), None);
        entries.recv().unwrap();
        assert_eq!(runner.run(2), None);
        assert!(entries.try_recv().is_err(), "not called while it hangs");
        release.send(()).unwrap();
        runner.timeout = Duration::from_secs(10);
        release.send(()).unwrap();
        // Its late answer is thrown away, then it is asked again.
        let answer = std::iter::repeat_with(|| runner.run(3)).take(100_000_000).find_map(|answer| answer);
        assert_eq!(answer, Some(3));
    }

    #[test]
    fn an_async_hook_runs_with_timers() {
        let answer = block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(7)
        });
        assert_eq!(answer.unwrap(), 7);
    }
}
