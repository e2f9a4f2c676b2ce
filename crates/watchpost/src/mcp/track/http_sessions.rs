//! [`TrackedSessions`]: the sessions of streamable HTTP, tapped like any other transport.

use std::{future::Future, sync::Arc};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        RestoreOutcome, SessionId, SessionManager,
        session::{EventStore, ServerSseMessage},
    },
};
use tokio_stream::Stream;

use super::{Tap, Tracker};
use crate::model::Implementation;

/// A session manager in whose sessions what the server asks its client becomes events too.
#[derive(Debug)]
pub struct TrackedSessions<M> {
    sessions: M,
    tracker: Tracker,
    server: Arc<Implementation>,
}

impl Tracker {
    /// Taps the sessions of a streamable HTTP service: `StreamableHttpService::new(factory, tracker.sessions(manager, "name",
    /// "1.0").into(), config)`. The name and version are the server's, as its events say them.
    #[must_use]
    pub fn sessions<M: SessionManager>(
        &self,
        sessions: M,
        server_name: impl Into<String>,
        server_version: impl Into<String>,
    ) -> TrackedSessions<M> {
        let server =
            Implementation { name: Some(server_name.into()), title: None, version: Some(server_version.into()) };
        TrackedSessions { sessions, tracker: self.clone(), server: Arc::new(server) }
    }
}

impl<M: SessionManager> TrackedSessions<M> {
    fn tap(&self, id: &SessionId, transport: M::Transport) -> Tap<M::Transport> {
        Tap::of_session(transport, self.tracker.inner(), Arc::clone(&self.server), id)
    }
}

impl<M: SessionManager> SessionManager for TrackedSessions<M>
where
    M::Transport: rmcp::transport::Transport<RoleServer>,
{
    type Error = M::Error;
    type Transport = Tap<M::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.sessions.create_session().await?;
        let tap = self.tap(&id, transport);
        Ok((id, tap))
    }

    fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<ServerJsonRpcMessage, Self::Error>> + Send {
        self.sessions.initialize_session(id, message)
    }

    fn has_session(&self, id: &SessionId) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        self.sessions.has_session(id)
    }

    fn close_session(&self, id: &SessionId) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.sessions.close_session(id)
    }

    fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>> + Send
    {
        self.sessions.create_stream(id, message)
    }

    fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.sessions.accept_message(id, message)
    }

    fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> impl Future<Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>> + Send
    {
        self.sessions.create_standalone_stream(id)
    }

    fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> impl Future<Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>> + Send
    {
        self.sessions.resume(id, last_event_id)
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(match self.sessions.restore_session(id.clone()).await? {
            RestoreOutcome::Restored(transport) => RestoreOutcome::Restored(self.tap(&id, transport)),
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.sessions.event_store()
    }
}
