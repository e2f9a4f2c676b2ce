//! One call while it is open: what its body may say of it ([`CurrentCall`]), and what is left of it when it ends ([`Finished`]).

use std::{
    backtrace::Backtrace,
    borrow::Cow,
    error::Error,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rmcp::model::RequestId;
use serde_json::Value;
use watchpost_sentry::wire::Timestamp;

use super::{answer::AnswerFacts, hooks::HookRequest, json, tracker::Inner};
use crate::{
    ai::failure_of,
    mcp::KnownSession,
    model::{Completion, Direction, ErrorInfo, ErrorKind, Implementation, TraceParent, Transport},
};

/// Most tags and properties that a call's body may add.
const MAX_OWN: usize = 50;

tokio::task_local! {
    pub(super) static CURRENT: CurrentCall;
}

/// The call that this code runs in; `None` outside of a tracked server's methods, and in a task that such a method spawned. Hand
/// a clone on to those.
#[must_use]
pub fn current_call() -> Option<CurrentCall> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Says why the call that this code runs in failed: the error's type and message with the chain of its causes, and where it was
/// captured. Without this an event has only what the tool answered.
///
/// Says whether there was a call. It does not make a call fail that succeeds.
pub fn capture_error<E: Error + ?Sized>(error: &E) -> bool {
    current_call().is_some_and(|call| {
        call.capture_error(error);
        true
    })
}

/// A call in progress. Cheap to clone.
#[derive(Clone)]
pub struct CurrentCall(Arc<State>);

struct State {
    tracker: Arc<Inner>,
    event_id: String,
    session: Option<KnownSession>,
    incoming: Option<TraceParent>,
    span: OnceLock<Option<TraceParent>>,
    said: Mutex<Said>,
}

/// What the call's body said of it.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) error: Option<Box<ErrorInfo>>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) properties: Vec<(String, Value)>,
}

impl CurrentCall {
    pub(super) fn new(tracker: Arc<Inner>, session: Option<KnownSession>, incoming: Option<TraceParent>) -> Self {
        let event_id = tracker.next_event_id();
        Self(Arc::new(State { tracker, event_id, session, incoming, span: OnceLock::new(), said: Mutex::default() }))
    }

    /// Says why the call failed: see [`capture_error`]. The last one counts.
    pub fn capture_error<E: Error + ?Sized>(&self, error: &E) {
        self.capture_error_at(error, &Backtrace::capture());
    }

    /// Likewise, with the stack of where it failed.
    pub fn capture_error_at<E: Error + ?Sized>(&self, error: &E, backtrace: &Backtrace) {
        let mut info = failure_of(error, Some(backtrace));
        info.kind = ErrorKind::Tool;
        self.say(|said| said.error = Some(Box::new(info)));
    }

    /// Adds a tag to the call's event; at most 50.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        self.say(|said| {
            if said.tags.len() < MAX_OWN {
                said.tags.push((key.into(), value.into()));
            }
        });
    }

    /// Adds a property to the call's event; at most 50.
    pub fn property(&self, key: impl Into<String>, value: impl Into<Value>) {
        let mut value = value.into();
        json::bound_depth(&mut value);
        self.say(|said| {
            if said.properties.len() < MAX_OWN {
                said.properties.push((key.into(), value));
            }
        });
    }

    /// The event's id: `evt_` and a KSUID.
    #[must_use]
    pub fn event_id(&self) -> &str {
        &self.0.event_id
    }

    /// The session's id, if one is known; a `resolve_session_id` hook may give the event another.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.0.session.as_ref().map(|session| &*session.id)
    }

    /// The call's span, to nest others under; `None` when nothing is exported.
    #[must_use]
    pub fn span(&self) -> Option<TraceParent> {
        let State { tracker, event_id, incoming, span, .. } = &*self.0;
        *span.get_or_init(|| tracker.span_of(event_id, self.session_id(), *incoming))
    }

    /// The call's span if it was asked for before: without running any exporter's code.
    #[cfg(feature = "sentry")]
    pub(crate) fn known_span(&self) -> Option<TraceParent> {
        self.0.span.get().copied().flatten()
    }

    /// The W3C `traceparent` to send with calls of other services.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        Some(self.span()?.to_traceparent())
    }

    /// The `sentry-trace` to send with calls of other services.
    #[must_use]
    pub fn sentry_trace(&self) -> Option<String> {
        Some(self.span()?.to_sentry_trace())
    }

    pub(super) fn take_said(&self) -> Said {
        std::mem::take(&mut *self.0.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, say: impl FnOnce(&mut Said)) {
        say(&mut self.0.said.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for CurrentCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentCall").field("event_id", &self.0.event_id).finish_non_exhaustive()
    }
}

/// What is known of a request when it comes.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) method: Cow<'static, str>,
    pub(super) resource_name: Option<String>,
    pub(super) direction: Direction,
    pub(super) request_id: Option<RequestId>,
    pub(super) server: Arc<Implementation>,
    pub(super) transport: Option<Transport>,
    pub(super) protocol_version: Option<Cow<'static, str>>,
    pub(super) mcp_session_id: Option<String>,
    pub(super) user_intent: Option<String>,
    pub(super) tool_call_id: Option<String>,
    pub(super) trace_parent: Option<TraceParent>,
    pub(super) arguments: Option<String>,
    pub(super) request: Option<Box<HookRequest>>,
    /// A hash of the request's credentials, so that another identity is noticed.
    pub(super) credentials: Option<u64>,
    pub(super) is_notification: bool,
    /// The request's size, where its bytes are seen.
    pub(super) bytes: Option<u64>,
    pub(super) began: Instant,
}

impl Opened {
    /// A request of a client, of which nothing else is known.
    pub(super) const fn new(method: Cow<'static, str>, server: Arc<Implementation>, began: Instant) -> Self {
        Self {
            method,
            resource_name: None,
            direction: Direction::ClientToServer,
            request_id: None,
            server,
            transport: None,
            protocol_version: None,
            mcp_session_id: None,
            user_intent: None,
            tool_call_id: None,
            trace_parent: None,
            arguments: None,
            request: None,
            credentials: None,
            is_notification: false,
            bytes: None,
            began,
        }
    }
}

/// A call that ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) opened: Opened,
    pub(super) event_id: String,
    pub(super) session: Option<KnownSession>,
    pub(super) answer: AnswerFacts,
    pub(super) completion: Completion,
    pub(super) cancel_reason: Option<String>,
    pub(super) said: Said,
    pub(super) completed: Timestamp,
    pub(super) duration: Duration,
    /// Whether the client gets no answer.
    pub(super) is_unanswered: bool,
    /// The answer's size, where its bytes are seen.
    pub(super) response_bytes: Option<u64>,
}

impl Finished {
    /// What needs no answer, or ends without a handler; now.
    pub(super) fn at_once(opened: Opened, event_id: String, session: Option<KnownSession>) -> Self {
        Self {
            duration: opened.began.elapsed(),
            opened,
            event_id,
            session,
            answer: AnswerFacts::default(),
            completion: Completion::Answered,
            cancel_reason: None,
            said: Said::default(),
            completed: Timestamp::now(),
            is_unanswered: true,
            response_bytes: None,
        }
    }

    /// About how many bytes it holds.
    pub(super) fn size(&self) -> usize {
        let opened = &self.opened;
        let texts = [
            &opened.resource_name,
            &opened.mcp_session_id,
            &opened.user_intent,
            &opened.tool_call_id,
            &opened.arguments,
            &self.answer.result,
            &self.cancel_reason,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let said: usize = self.said.tags.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
        let properties: usize = self.said.properties.iter().map(|(key, value)| key.len() + json::size(value)).sum();
        let error = |error: &ErrorInfo| {
            size_of::<ErrorInfo>() + error.message.len() + error.stack.as_ref().map_or(0, String::len)
        };
        let errors: usize = [&self.answer.error, &self.said.error].into_iter().flatten().map(|info| error(info)).sum();
        let request = opened.request.as_ref().map_or(0, |request| {
            let arguments = request.arguments.iter().flatten().map(|(key, value)| key.len() + json::size(value));
            let meta = request.meta.iter().map(|(key, value)| key.len() + json::size(value));
            let headers = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
            size_of::<HookRequest>() + arguments.sum::<usize>() + meta.sum::<usize>() + headers.sum::<usize>()
        });
        size_of::<Self>() + self.event_id.len() + texts + said + properties + errors + request
    }
}
