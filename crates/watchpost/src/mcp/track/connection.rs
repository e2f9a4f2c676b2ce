//! What a tracked server knows of the connection its requests come over, and of each request before its handler runs.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use http::{HeaderMap, request::Parts};
use rmcp::{
    RoleServer,
    model::{Extensions, InitializeRequestParams, JsonObject, RequestId},
    service::{NotificationContext, Peer, RequestContext},
};
use serde_json::Value;

use super::{
    answer,
    call::{Finished, Opened},
    hooks::HookRequest,
    sender::{ADDRESSES, CREDENTIALS, META_TOOL_USE, SESSION_HEADER, meta_client, text, trace_parent},
    tracker::Inner,
    wire::Wire,
};
use crate::{
    mcp::{self, ClientInfo, KnownSession, Moment, Origin},
    model::{Completion, Implementation, Transport},
};

/// How many cancelled calls' reasons are kept until the calls end.
const MAX_CANCELLED: usize = 64;
/// How many requests of a tapped transport are remembered.
const MAX_ARRIVED: usize = 10_000;
/// Bytes kept of a method's name, of what a request is about, and of the ids that peers send: as of what the proxy reads.
const METHOD_LIMIT: usize = 256;
const RESOURCE_LIMIT: usize = 2048;
const ID_LIMIT: usize = 256;

/// One connection. Of streamable HTTP it is one instance of the server, which is a session's, or one request's when it is
/// stateless.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    tracker: Arc<Inner>,
    /// An `initialize` over HTTP, whose session id is known only from the request after it.
    held: Mutex<Option<Box<Finished>>>,
    cancelled: Mutex<VecDeque<(RequestId, Option<String>)>>,
    /// Where the transport is tapped: requests that came and whose handler has not run, so that a refusal of rmcp's own is seen.
    arrived: Mutex<HashMap<RequestId, Arrived>>,
    /// Where its bytes are tapped.
    wire: OnceLock<Wire>,
}

/// A request that came over a tapped transport.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) method: String,
    pub(super) at: Instant,
    /// Its size, where bytes are tapped.
    pub(super) bytes: Option<u64>,
}

/// Who sent a message.
struct Sender<'a> {
    headers: Option<&'a HeaderMap>,
    mcp_session_id: Option<&'a str>,
    credentials: Option<u64>,
    session: Option<KnownSession>,
}

impl Sender<'_> {
    const fn transport(&self) -> Transport {
        if self.headers.is_some() { Transport::Http } else { Transport::Stdio }
    }
}

/// What a request asks for, as its handler's method knows it.
pub(super) struct Asked<'a> {
    pub(super) method: Cow<'static, str>,
    pub(super) resource_name: Option<&'a str>,
    pub(super) arguments: Arguments<'a>,
    /// Of `initialize` itself.
    pub(super) initialize: Option<&'a InitializeRequestParams>,
}

/// What a request brings besides names.
#[derive(Clone, Copy)]
pub(super) enum Arguments<'a> {
    None,
    Object(&'a JsonObject),
    Any(&'a Value),
}

impl<'a> Asked<'a> {
    pub(super) fn new(method: impl Into<Cow<'static, str>>) -> Self {
        Self { method: method.into(), resource_name: None, arguments: Arguments::None, initialize: None }
    }

    pub(super) fn of(method: impl Into<Cow<'static, str>>, resource_name: &'a str) -> Self {
        Self { resource_name: Some(resource_name), ..Self::new(method) }
    }

    pub(super) fn with(self, arguments: Option<&'a JsonObject>) -> Self {
        Self { arguments: arguments.map_or(Arguments::None, Arguments::Object), ..self }
    }
}

impl Connection {
    pub(super) fn new(tracker: Arc<Inner>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            id,
            tracker,
            held: Mutex::default(),
            cancelled: Mutex::default(),
            arrived: Mutex::default(),
            wire: OnceLock::new(),
        })
    }

    /// Reads what there is to know of a request, before its handler takes it.
    pub(super) fn open(
        &self,
        asked: Asked<'_>,
        context: &RequestContext<RoleServer>,
        server: &Arc<Implementation>,
    ) -> (Opened, Option<KnownSession>) {
        let began = Instant::now();
        let arrived = self.handled(&context.id);
        let tracker = &*self.tracker;
        let meta: &JsonObject = &context.meta.0.0;
        let sender = self.sender(&context.extensions, meta, &context.peer, asked.initialize);
        let (headers, session) = (sender.headers, &sender.session);

        let protocol_version = match asked.initialize {
            Some(_) => None,
            None => context.protocol_version().map(|version| Cow::Owned(version.as_str().to_owned())),
        };
        let captured = if tracker.capture().arguments {
            match asked.arguments {
                Arguments::None => None,
                Arguments::Object(object) => answer::json(object),
                Arguments::Any(value) => answer::json(value),
            }
        } else {
            None
        };
        let request = tracker.hooks_want_request().then(|| {
            Box::new(HookRequest {
                method: asked.method.clone().into_owned(),
                resource_name: asked.resource_name.map(str::to_owned),
                arguments: match asked.arguments {
                    Arguments::Object(object) => Some(object.clone()),
                    Arguments::Any(Value::Object(object)) => Some(object.clone()),
                    _ => None,
                },
                meta: meta.clone(),
                headers: headers.cloned().unwrap_or_default(),
                session_id: session.as_ref().map(|session| session.id.to_string()),
                mcp_session_id: sender.mcp_session_id.map(str::to_owned),
                client: session.as_ref().and_then(|session| session.client.as_deref().cloned()).unwrap_or_default(),
            })
        });
        let id = |id: &str| answer::cut(id, ID_LIMIT);
        let opened = Opened {
            resource_name: asked.resource_name.map(|name| answer::cut(name, RESOURCE_LIMIT)),
            request_id: Some(context.id.clone()),
            transport: Some(sender.transport()),
            protocol_version,
            mcp_session_id: sender.mcp_session_id.map(id),
            tool_call_id: meta.get(META_TOOL_USE).and_then(Value::as_str).map(id),
            trace_parent: trace_parent(meta, headers),
            arguments: captured,
            request,
            credentials: sender.credentials,
            bytes: arrived.and_then(|arrived| arrived.bytes),
            ..Opened::new(bounded(asked.method), Arc::clone(server), began)
        };
        (opened, sender.session)
    }

    /// A notification came: an event without an answer.
    pub(super) fn notified(
        &self,
        method: Cow<'static, str>,
        context: &NotificationContext<RoleServer>,
        server: &Arc<Implementation>,
    ) {
        let meta: &JsonObject = &context.meta.0.0;
        let sender = self.sender(&context.extensions, meta, &context.peer, None);
        let opened = Opened {
            transport: Some(sender.transport()),
            mcp_session_id: sender.mcp_session_id.map(|id| answer::cut(id, ID_LIMIT)),
            trace_parent: trace_parent(meta, sender.headers),
            is_notification: true,
            ..Opened::new(bounded(method), Arc::clone(server), Instant::now())
        };
        let event_id = self.tracker.next_event_id();
        self.tracker.push(Box::new(Finished::at_once(opened, event_id, sender.session)));
    }

    /// Who sent a message, and in which session.
    fn sender<'a>(
        &self,
        extensions: &'a Extensions,
        meta: &JsonObject,
        peer: &Peer<RoleServer>,
        initialize: Option<&InitializeRequestParams>,
    ) -> Sender<'a> {
        let tracker = &*self.tracker;
        let headers = extensions.get::<Parts>().map(|parts| &parts.headers);
        let mcp_session_id = headers.and_then(|headers| text(headers, SESSION_HEADER));
        if mcp_session_id.is_some() {
            self.release(mcp_session_id);
        }
        let peer_info = peer.peer_info();
        // Without a session rmcp makes a client up.
        let known_peer = peer_info.as_ref().filter(|_| headers.is_none() || mcp_session_id.is_some());
        let said = initialize.or(known_peer.map(|info| &**info)).map(|info| ClientInfo {
            name: &info.client_info.name,
            title: info.client_info.title.as_deref(),
            version: &info.client_info.version,
        });
        let client = meta_client(meta).or(said);
        let credentials = headers.and_then(|headers| tracker.hash(headers, CREDENTIALS));
        let fingerprint = match headers {
            Some(headers) if mcp_session_id.is_none() => {
                let address = tracker.hash(headers, ADDRESSES);
                (credentials.is_some() || address.is_some()).then(|| tracker.combine(credentials, address))
            }
            _ => None,
        };
        let connection = headers.is_none().then_some(self.id);
        let session = tracker.resolve(&Origin { mcp_session_id, connection, client, fingerprint }, Moment::now());
        Sender { headers, mcp_session_id, credentials, session }
    }

    /// A call ended: its event goes on, unless its session is only known from the next request.
    pub(super) fn finish(&self, finished: Box<Finished>) {
        let opened = &finished.opened;
        let waits = opened.method == "initialize"
            && opened.transport == Some(Transport::Http)
            && opened.mcp_session_id.is_none()
            && finished.answer.error.is_none();
        if waits {
            let before = lock(&self.held).replace(finished);
            if let Some(before) = before {
                self.tracker.push(before);
            }
        } else if let Some(finished) = self.hold(finished) {
            self.tracker.push(finished);
        }
    }

    /// Where bytes are tapped, a call that was answered waits until its answer is written; gives back what does not wait. An
    /// answer to a cancelled call may never be written, nor one of a handler that panicked.
    fn hold(&self, finished: Box<Finished>) -> Option<Box<Finished>> {
        let (Some(wire), Some(id)) = (self.wire.get(), &finished.opened.request_id) else { return Some(finished) };
        if finished.completion != Completion::Answered || finished.is_unanswered {
            return Some(finished);
        }
        let id = mcp::RequestId::of_rmcp(id);
        wire.hold(id, finished)
    }

    /// Bytes of its client.
    pub(super) fn read(&self, bytes: &[u8]) {
        if let Some(wire) = self.wire.get() {
            self.tracker.count_unreadable(wire.read(bytes));
        }
    }

    /// Bytes of its server.
    pub(super) fn written(&self, bytes: &[u8]) {
        if let Some(wire) = self.wire.get() {
            wire.written(bytes, |finished| self.tracker.push(finished));
        }
    }

    /// Nothing more is written.
    pub(super) fn close(&self) {
        if let Some(wire) = self.wire.get() {
            wire.take_unwritten().into_values().for_each(|finished| self.tracker.push(finished));
        }
    }

    /// Its bytes will be seen; false if they are already.
    pub(super) fn tap_bytes(&self) -> bool {
        self.wire.set(Wire::new()).is_ok()
    }

    pub(super) const fn wire(&self) -> &OnceLock<Wire> {
        &self.wire
    }

    /// The session that an earlier `initialize` began is known now.
    pub(super) fn release(&self, mcp_session_id: Option<&str>) {
        let Some(mut finished) = lock(&self.held).take() else { return };
        if let Some(id) = mcp_session_id {
            let client = finished.session.as_ref().and_then(|session| session.client.clone());
            let said = client.as_deref().and_then(|client| {
                Some(ClientInfo {
                    name: client.name.as_deref()?,
                    title: client.title.as_deref(),
                    version: client.version.as_deref()?,
                })
            });
            let origin = Origin { mcp_session_id, client: said, ..Origin::default() };
            finished.session = self.tracker.resolve(&origin, Moment::now());
            finished.opened.mcp_session_id = Some(answer::cut(id, ID_LIMIT));
        }
        self.tracker.push(finished);
    }

    /// The client cancelled a call.
    pub(super) fn cancelled(&self, id: Option<RequestId>, reason: Option<String>) {
        let Some(id) = id else { return };
        let mut cancelled = lock(&self.cancelled);
        if cancelled.len() == MAX_CANCELLED {
            cancelled.pop_front();
        }
        cancelled.push_back((id, reason));
    }

    /// Why a call was cancelled, if the client said so.
    pub(super) fn cancel_reason(&self, id: Option<&RequestId>) -> Option<String> {
        let mut cancelled = lock(&self.cancelled);
        let at = cancelled.iter().position(|(cancelled, _)| Some(cancelled) == id)?;
        cancelled.remove(at)?.1
    }

    /// A request came over a tapped transport.
    pub(super) fn arrived(&self, id: RequestId, method: &str, bytes: Option<u64>) {
        let mut arrived = lock(&self.arrived);
        if arrived.len() < MAX_ARRIVED {
            arrived.insert(id, Arrived { method: answer::cut(method, METHOD_LIMIT), at: Instant::now(), bytes });
        }
    }

    /// Its handler runs, or it is answered without one.
    pub(super) fn handled(&self, id: &RequestId) -> Option<Arrived> {
        lock(&self.arrived).remove(id)
    }

    pub(super) fn tracker(&self) -> &Arc<Inner> {
        &self.tracker
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.release(None);
        self.close();
    }
}

/// A method's name, of a length that a log can bear.
fn bounded(method: Cow<'static, str>) -> Cow<'static, str> {
    if method.len() > METHOD_LIMIT { answer::cut(&method, METHOD_LIMIT).into() } else { method }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
