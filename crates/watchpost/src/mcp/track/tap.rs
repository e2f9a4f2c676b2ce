//! What handlers do not see: what the server asks its client (sampling, elicitation, roots), and what rmcp refuses before a handler
//! runs. [`Tap`] looks at the messages of a transport as they pass.

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ErrorCode, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerRequest,
    },
    transport::{IntoTransport, Transport},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Tracked,
    answer::{AnswerFacts, protocol_error},
    call::{Finished, Opened},
    connection::Connection,
    streams::{TapRead, TapWrite},
    tracker::Inner,
    wire::Sent,
};
use crate::{
    mcp::{self, MessageKind, Moment, Origin},
    model::{self, Completion, Direction, ErrorInfo, ErrorKind, Implementation},
};

/// A request that rmcp answers with an error of its own, without the request's id, because it can't read its parameters.
const UNREADABLE: &str = "Invalid request: the server cannot read it";
/// One that it throws away; its client waits in vain.
const TOO_LONG: &str = "The request is too long for the server; it has no answer";
const LONGEST_LINE: u64 = rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH as u64;
/// Most open calls of a server that are remembered; further ones become no events.
const MAX_OPEN: usize = 10_000;

/// A transport whose messages are looked at as they pass. It changes none.
#[derive(Debug)]
pub struct Tap<T> {
    transport: T,
    watch: Watch,
}

/// What a tap knows.
#[derive(Debug)]
struct Watch {
    tracker: Arc<Inner>,
    server: Arc<Implementation>,
    place: Place,
    transport: model::Transport,
    /// What the server asked.
    open: Mutex<HashMap<RequestId, (&'static str, Instant)>>,
}

/// Whose messages pass.
#[derive(Debug)]
enum Place {
    /// A connection's, whose server's handler is known.
    Connection(Arc<Connection>),
    /// A streamable HTTP session's.
    #[cfg(feature = "rmcp-http")]
    Session(String),
}

impl<H> Tracked<H> {
    /// Looks at what passes over a transport: what the server asks its client becomes events too, and so does what rmcp refuses
    /// by itself.
    ///
    /// ```no_run
    /// # async fn serve(tracked: watchpost::mcp::Tracked<impl rmcp::ServerHandler>) -> Result<(), Box<dyn std::error::Error>> {
    /// use rmcp::ServiceExt;
    ///
    /// let transport = tracked.tap((tokio::io::stdin(), tokio::io::stdout()));
    /// tracked.serve(transport).await?.waiting().await?;
    /// # Ok(()) }
    /// ```
    pub fn tap<T, E, A>(&self, transport: T) -> Tap<impl Transport<RoleServer, Error = E> + use<T, E, A, H>>
    where
        T: IntoTransport<RoleServer, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        Tap {
            transport: transport.into_transport(),
            watch: Watch {
                tracker: self.tracker().inner(),
                server: Arc::clone(self.server()),
                place: Place::Connection(Arc::clone(self.connection())),
                transport: model::Transport::Stdio,
                open: Mutex::default(),
            },
        }
    }

    /// Like [`tap`](Self::tap), for a pair of byte streams, and looks at the bytes too: events say how large request and answer were,
    /// and requests that rmcp can't read, of which no handler and no other tap learns, are events as well. It changes no byte. An event
    /// is made when its answer is written.
    ///
    /// ```no_run
    /// # async fn serve(tracked: watchpost::mcp::Tracked<impl rmcp::ServerHandler>) -> Result<(), Box<dyn std::error::Error>> {
    /// use rmcp::ServiceExt;
    ///
    /// let transport = tracked.tap_io(tokio::io::stdin(), tokio::io::stdout());
    /// tracked.serve(transport).await?.waiting().await?;
    /// # Ok(()) }
    /// ```
    pub fn tap_io<R, W>(&self, read: R, write: W) -> Tap<impl Transport<RoleServer, Error = io::Error> + use<R, W, H>>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        // A second pair of the same server is another connection's: its bytes are not told apart.
        let connection = self.connection().tap_bytes().then(|| Arc::clone(self.connection()));
        self.tap((TapRead::new(read, connection.clone()), TapWrite::new(write, connection)))
    }
}

#[cfg(feature = "rmcp-http")]
impl<T> Tap<T> {
    pub(super) fn of_session(transport: T, tracker: Arc<Inner>, server: Arc<Implementation>, id: &str) -> Self {
        let watch = Watch {
            tracker,
            server,
            place: Place::Session(id.to_owned()),
            transport: model::Transport::Http,
            open: Mutex::default(),
        };
        Self { transport, watch }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Tap<T> {
    type Error = T::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.watch.sent(&item);
        self.transport.send(item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let message = self.transport.receive().await;
        match &message {
            Some(message) => self.watch.received(message),
            None => self.watch.ended(),
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.watch.close();
        self.transport.close().await
    }
}

impl Watch {
    /// The connection whose handler is known.
    const fn connection(&self) -> Option<&Arc<Connection>> {
        match &self.place {
            Place::Connection(connection) => Some(connection),
            #[cfg(feature = "rmcp-http")]
            Place::Session(_) => None,
        }
    }

    /// The server says something.
    fn sent(&self, message: &ServerJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => {
                let mut open = self.open();
                if open.len() < MAX_OPEN {
                    open.insert(request.id.clone(), (method(&request.request), Instant::now()));
                }
            }
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.refused(id, &error.error);
                }
            }
            JsonRpcMessage::Response(response) => {
                if let Some(connection) = self.connection() {
                    connection.handled(&response.id);
                }
            }
            JsonRpcMessage::Notification(_) => {}
        }
    }

    /// The client says something.
    fn received(&self, message: &ClientJsonRpcMessage) {
        let sent = self.taken(message);
        match message {
            JsonRpcMessage::Request(request) => {
                if let Some(connection) = self.connection() {
                    let bytes = sent.map(|sent| sent.bytes);
                    connection.arrived(request.id.clone(), request.request.method(), bytes);
                }
            }
            JsonRpcMessage::Response(response) => self.answered(&response.id, None),
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.answered(id, Some(protocol_error(&error.error)));
                }
            }
            JsonRpcMessage::Notification(_) => {}
        }
    }

    /// What a message is on the wire, where bytes are seen; what rmcp passed over before it becomes events.
    fn taken(&self, message: &ClientJsonRpcMessage) -> Option<Sent> {
        let wire = self.connection()?.wire().get()?;
        let (kind, id) = match message {
            JsonRpcMessage::Request(request) => (MessageKind::Request, Some(&request.id)),
            JsonRpcMessage::Response(response) => (MessageKind::Response, Some(&response.id)),
            JsonRpcMessage::Error(error) => (MessageKind::Response, error.id.as_ref()),
            JsonRpcMessage::Notification(_) => (MessageKind::Notification, None),
        };
        let (passed_over, sent) = wire.taken(kind, id.map(mcp::RequestId::of_rmcp).as_ref());
        passed_over.into_iter().for_each(|sent| self.passed_over(sent));
        sent
    }

    /// The client says nothing more.
    fn ended(&self) {
        if let Some(wire) = self.connection().and_then(|connection| connection.wire().get()) {
            wire.take_rest().into_iter().for_each(|sent| self.passed_over(sent));
        }
    }

    /// A message that rmcp did not hand on. Only a request's sender waits for something.
    fn passed_over(&self, sent: Sent) {
        if !sent.is_request() || sent.method == "ping" && !self.tracker.reports_pings() {
            return;
        }
        let message = if sent.bytes > LONGEST_LINE { TOO_LONG } else { UNREADABLE };
        let (kind, code) = (ErrorKind::Protocol, Some(i64::from(ErrorCode::INVALID_REQUEST.0)));
        let error = ErrorInfo { kind, code, message: message.to_owned(), ..ErrorInfo::default() };
        let mut opened = Opened::new(sent.method, Arc::clone(&self.server), sent.at);
        opened.resource_name = sent.resource_name;
        opened.request_id = sent.id.and_then(|id| id.to_rmcp());
        opened.trace_parent = sent.trace_parent;
        opened.bytes = Some(sent.bytes);
        self.push(opened, Completion::Answered, Some(error));
    }

    /// An error answers a client's request; if no handler ran for it, it is rmcp's own.
    fn refused(&self, id: &RequestId, error: &ErrorData) {
        let Some(connection) = self.connection() else { return };
        let Some(arrived) = connection.handled(id) else { return };
        if arrived.method == "ping" && !self.tracker.reports_pings() {
            return;
        }
        let mut opened = Opened::new(arrived.method.into(), Arc::clone(&self.server), arrived.at);
        opened.request_id = Some(id.clone());
        opened.bytes = arrived.bytes;
        self.push(opened, Completion::Answered, Some(protocol_error(error)));
    }

    /// The client answered a request of the server.
    fn answered(&self, id: &RequestId, error: Option<ErrorInfo>) {
        let call = self.open().remove(id);
        if let Some((method, began)) = call {
            self.end(method, began, id, Completion::Answered, error);
        }
    }

    /// The connection ends, and with it what is open.
    fn close(&self) {
        if let Some(connection) = self.connection() {
            connection.close();
        }
        let open = std::mem::take(&mut *self.open());
        for (id, (method, began)) in open {
            let error = ErrorInfo {
                kind: ErrorKind::Unanswered,
                message: "The connection closed before the answer".to_owned(),
                ..ErrorInfo::default()
            };
            self.end(method, began, &id, Completion::ConnectionClosed, Some(error));
        }
    }

    fn end(
        &self,
        method: &'static str,
        began: Instant,
        id: &RequestId,
        completion: Completion,
        error: Option<ErrorInfo>,
    ) {
        if method == "ping" && !self.tracker.reports_pings() {
            return;
        }
        let mut opened = Opened::new(method.into(), Arc::clone(&self.server), began);
        opened.direction = Direction::ServerToClient;
        opened.request_id = Some(id.clone());
        self.push(opened, completion, error);
    }

    fn push(&self, mut opened: Opened, completion: Completion, error: Option<ErrorInfo>) {
        opened.transport = Some(self.transport);
        let origin = match &self.place {
            Place::Connection(connection) => Origin { connection: Some(connection.id()), ..Origin::default() },
            #[cfg(feature = "rmcp-http")]
            Place::Session(id) => {
                opened.mcp_session_id = Some(id.clone());
                Origin { mcp_session_id: Some(id), ..Origin::default() }
            }
        };
        let session = self.tracker.resolve(&origin, Moment::now());
        let answer = AnswerFacts { error: error.map(Box::new), ..AnswerFacts::default() };
        let event_id = self.tracker.next_event_id();
        self.tracker.push(Box::new(Finished { answer, completion, ..Finished::at_once(opened, event_id, session) }));
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, (&'static str, Instant)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
    }
}

fn method(request: &ServerRequest) -> &'static str {
    match request {
        ServerRequest::PingRequest(_) => "ping",
        ServerRequest::CreateMessageRequest(_) => "sampling/createMessage",
        ServerRequest::ListRootsRequest(_) => "roots/list",
        ServerRequest::ElicitRequest(_) => "elicitation/create",
        // A method of the host's own may be anybody's content.
        _ => "custom request",
    }
}
