//! The correlation state machine of one connection: requests and answers in, one event per request out.
//! Source: JSON-RPC 2.0, the MCP specification ("Lifecycle", "Cancellation", 2026-07-28 "Stateless protocol").

pub(super) mod event_id;
mod failure;
mod identity;
pub(super) mod method;
mod pending;

use std::{collections::VecDeque, time::Duration};

use watchpost_sentry::wire::Timestamp;

use self::{
    event_id::EventIds,
    identity::Identity,
    method::Method,
    pending::{Call, Pending},
};
use super::{Field, Message, MessageKind, Moment, ObserverOptions, connection_session_id};
use crate::model::{Completion, Direction, ErrorInfo, McpEvent, TraceParent};

/// One connection between an MCP client and a server, seen from between them.
///
/// Messages go in as they pass ([`observe`](Self::observe)); events come out of [`drain_events`](Self::drain_events).
/// The session does not know how messages were framed, so a stdio proxy, an HTTP proxy and an in-process tap share it.
/// A request must be observed before its answer: where two threads carry the two directions, hand a request over
/// before writing it to the peer.
///
/// **One event per request**, made when its answer passes, or when it ends without one:
///
/// | what happens | `completion` | `is_error` |
/// | --- | --- | --- |
/// | a result | `Answered` | `result.isError` |
/// | a JSON-RPC error | `Answered` | yes, except for a refused `server/discover` (below) |
/// | `notifications/cancelled` | `Cancelled`, at once; a later answer is ignored | no |
/// | the connection closes | `ConnectionClosed` | yes (a `subscriptions/listen` is meant to last: no) |
/// | open longer than `max_pending_age` | `Expired` | yes |
/// | too many open calls, or its answer may be among bytes the observer did not get | `Expired` | no: the outcome is unknown |
///
/// Ids are matched for each direction apart, in any order. Requests that repeat an id in flight are answered in the
/// order they were sent. An answer to no open call is counted and ignored.
///
/// **A refused `server/discover`** (-32601, or -32602 as older Python servers say it) is how a client of 2026-07-28
/// learns that the server is older: no error.
///
/// **Multi round-trip requests and tasks** (2026-07-28): every request is an event of its own, also the one answered
/// with `input_required` or with a task, and the one that brings the input. A task's outcome shows at `tasks/result`,
/// whose result carries `isError`.
///
/// **Names and versions** of client and server come from `initialize`, or from `_meta` of any request and result; they
/// are remembered for all later events, so that they never flap.
#[derive(Debug)]
pub struct Session {
    options: ObserverOptions,
    session_id: String,
    identity: Identity,
    event_ids: EventIds,
    from_client: Pending,
    from_server: Pending,
    events: VecDeque<McpEvent>,
    /// The last event's.
    last_timestamp: Timestamp,
    counters: SessionCounters,
}

/// Calls that ended in one read have one time; each gets its own microsecond, the wire's smallest step, so that they keep their
/// order wherever they are sorted by it.
const STEP: Duration = Duration::from_micros(1);
/// A clock that is further behind the last event was set back, and is believed.
const MAX_AHEAD: Duration = Duration::from_millis(10);

/// What a session could make no event of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounters {
    /// Answers to no open call: the id is unknown, or its call was cancelled or given up before.
    pub unmatched_answers: u64,
    /// JSON objects that are no JSON-RPC message.
    pub unrecognized: u64,
    /// Calls ended as expired.
    pub expired: u64,
}

/// How a call ends.
struct Ending<'m> {
    completion: Completion,
    error: Option<ErrorInfo>,
    cancel_reason: Option<&'m str>,
    answer: Option<&'m Message>,
}

impl Ending<'_> {
    const fn new(completion: Completion, error: Option<ErrorInfo>) -> Self {
        Self { completion, error, cancel_reason: None, answer: None }
    }
}

impl Session {
    /// A session with the id of `options`, or one derived from the peer's own, or a new one.
    #[must_use]
    pub fn new(options: ObserverOptions) -> Self {
        let session_id = options.session_id.clone().unwrap_or_else(|| {
            let peers = options.mcp_session_id.as_deref();
            connection_session_id(peers, options.project_id.as_deref(), Moment::now())
        });
        Self {
            options,
            session_id,
            identity: Identity::default(),
            event_ids: EventIds::default(),
            from_client: Pending::default(),
            from_server: Pending::default(),
            events: VecDeque::new(),
            last_timestamp: Timestamp::default(),
            counters: SessionCounters::default(),
        }
    }

    /// The session's id: `ses_` and a KSUID unless the options gave another.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// What it could make no event of so far.
    #[must_use]
    pub const fn counters(&self) -> SessionCounters {
        self.counters
    }

    /// How many calls are open, in both directions.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.from_client.len() + self.from_server.len()
    }

    /// The events made so far, in the order the calls ended. Take them after each message or each piece of input:
    /// nothing else bounds them.
    pub fn drain_events(&mut self) -> impl Iterator<Item = McpEvent> + '_ {
        self.events.drain(..)
    }

    /// A message passes in `direction`. `now` is when it was complete.
    pub fn observe(&mut self, direction: Direction, message: &Message, now: Moment) {
        self.identity.learn(direction, message);
        match message.kind() {
            MessageKind::Request => self.open(direction, message, now),
            MessageKind::Notification => self.notify(direction, message, now),
            MessageKind::Response => self.answer(opposite(direction), message, now),
            MessageKind::Other => self.counters.unrecognized += 1,
        }
    }

    /// Bytes that went in `direction` were not observed: answers to the calls open now may be among them.
    pub fn lose(&mut self, direction: Direction) {
        self.pending(opposite(direction)).doubt();
    }

    /// Ends the calls that have been open too long. To be called now and then: about once a minute.
    pub fn expire(&mut self, now: Moment) {
        let age = self.options.max_pending_age;
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            for call in self.pending(direction).take_older(now.monotonic, age) {
                let error = (!call.in_doubt).then(|| failure::timeout(age));
                self.end(direction, call, Ending::new(Completion::Expired, error), now);
            }
        }
    }

    /// The connection is closed: ends every open call.
    pub fn close(&mut self, now: Moment) {
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            for call in self.pending(direction).take_all() {
                let ending = if call.in_doubt {
                    Ending::new(Completion::Expired, None)
                } else {
                    let error = (!call.method.lasts()).then(failure::unanswered);
                    Ending::new(Completion::ConnectionClosed, error)
                };
                self.end(direction, call, ending, now);
            }
        }
    }

    const fn pending(&mut self, direction: Direction) -> &mut Pending {
        match direction {
            Direction::ClientToServer => &mut self.from_client,
            Direction::ServerToClient => &mut self.from_server,
        }
    }

    fn open(&mut self, direction: Direction, message: &Message, now: Moment) {
        let Some(call) = Call::new(message, now.monotonic) else {
            return;
        };
        let (max_calls, max_bytes) = (self.options.max_pending, self.options.max_pending_bytes);
        for evicted in self.pending(direction).insert(call, max_calls, max_bytes) {
            self.end(direction, evicted, Ending::new(Completion::Expired, None), now);
        }
    }

    /// An answer to a call that was made in `direction`.
    fn answer(&mut self, direction: Direction, message: &Message, now: Moment) {
        let call = message.id().and_then(|id| self.pending(direction).take(&id));
        let Some(call) = call else {
            self.counters.unmatched_answers += 1;
            return;
        };
        self.identity.learn_answer(direction, &call.method, message);
        let error = if message.has_error() {
            (!call.method.is_refused_probe(message.error_code())).then(|| failure::protocol(message))
        } else {
            message.is_error().then(|| failure::tool(message))
        };
        let ending = Ending { answer: Some(message), ..Ending::new(Completion::Answered, error) };
        self.end(direction, call, ending, now);
    }

    fn notify(&mut self, direction: Direction, message: &Message, now: Moment) {
        let Some(method) = message.text(Field::Method).map(Method::new) else {
            return;
        };
        if method.is_cancellation()
            && let Some(call) = message.cancelled_id().and_then(|id| self.pending(direction).take(&id))
        {
            let cancel_reason = message.text(Field::CancelReason);
            let ending = Ending { cancel_reason, ..Ending::new(Completion::Cancelled, None) };
            self.end(direction, call, ending, now);
        }
        if self.options.events.notifications {
            let mut event = self.event(direction, &method, now);
            event.is_notification = true;
            event.resource_name = method.resource_name(message);
            event.trace_parent = trace_parent(message);
            event.request_bytes = Some(message.bytes());
            self.events.push_back(event);
        }
    }

    /// A call made in `direction` ends.
    fn end(&mut self, direction: Direction, call: Call, ending: Ending<'_>, now: Moment) {
        if ending.completion == Completion::Expired {
            self.counters.expired += 1;
        }
        if call.method.is_ping() && !self.options.events.ping {
            return;
        }
        let mut event = self.event(direction, &call.method, now);
        event.resource_name = call.resource_name;
        event.duration = Some(now.monotonic.saturating_duration_since(call.started));
        event.is_error = ending.error.is_some();
        event.error = ending.error;
        event.completion = ending.completion;
        event.cancel_reason = ending.cancel_reason.map(str::to_owned);
        event.request_id = Some(call.id.to_string());
        event.tool_call_id = call.tool_call_id;
        event.trace_parent = call.trace_parent;
        event.request_bytes = Some(call.request_bytes);
        event.arguments = call.arguments;
        if let Some(answer) = ending.answer {
            event.response_bytes = Some(answer.bytes());
            event.content_count = answer.content_count();
            event.result = answer.text(Field::Result).map(str::to_owned);
        }
        self.events.push_back(event);
    }

    /// An event of now with what is the same for all events of the session.
    fn event(&mut self, direction: Direction, method: &Method, now: Moment) -> McpEvent {
        let next = self.last_timestamp.saturating_add(STEP);
        let is_next = now.wall < next && next < now.wall.saturating_add(MAX_AHEAD);
        self.last_timestamp = if is_next { next } else { now.wall };
        McpEvent {
            event_id: self.event_ids.next(now.wall),
            session_id: Some(self.session_id.clone()),
            project_id: self.options.project_id.clone(),
            event_type: method.name.clone(),
            timestamp: self.last_timestamp,
            actor: self.options.actor.clone(),
            server: self.identity.server.clone(),
            client: self.identity.client.clone(),
            protocol_version: self.identity.protocol_version.clone(),
            transport: self.options.transport,
            direction,
            mcp_session_id: self.options.mcp_session_id.clone(),
            tags: self.options.tags.clone(),
            ..McpEvent::default()
        }
    }
}

const fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::ClientToServer => Direction::ServerToClient,
        Direction::ServerToClient => Direction::ClientToServer,
    }
}

/// The caller's trace, as `_meta` carries it (SEP-414), else in Sentry's own form.
pub(super) fn trace_parent(message: &Message) -> Option<TraceParent> {
    let w3c = message.text(Field::TraceParent).and_then(TraceParent::parse_traceparent);
    w3c.or_else(|| message.text(Field::SentryTrace).and_then(TraceParent::parse_sentry_trace))
}
