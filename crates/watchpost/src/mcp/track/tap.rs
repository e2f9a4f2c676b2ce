//! What handlers do not see: what the server asks its client (sampling, elicitation, roots), and what rmcp refuses before a handler
//! runs. [`Tap`] looks at the messages of a transport as they pass.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerRequest},
    transport::{IntoTransport, Transport},
};

use super::{
    Tracked,
    answer::{AnswerFacts, protocol_error},
    call::{Finished, Opened},
    connection::Connection,
    tracker::Inner,
};
use crate::{
    mcp::{Moment, Origin},
    model::{self, Completion, Direction, ErrorInfo, ErrorKind, Implementation},
};

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
        if let Some(message) = &message {
            self.watch.received(message);
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
        match message {
            JsonRpcMessage::Request(request) => {
                if let Some(connection) = self.connection() {
                    connection.arrived(request.id.clone(), request.request.method());
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

    /// An error answers a client's request; if no handler ran for it, it is rmcp's own.
    fn refused(&self, id: &RequestId, error: &ErrorData) {
        let Some(connection) = self.connection() else { return };
        let Some(arrived) = connection.handled(id) else { return };
        if arrived.method == "ping" && !self.tracker.reports_pings() {
            return;
        }
        let mut opened = Opened::new(arrived.method.into(), Arc::clone(&self.server), arrived.at);
        opened.request_id = Some(id.clone());
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
