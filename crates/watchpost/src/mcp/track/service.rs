//! [`TrackedService`]: for servers that are no [`ServerHandler`](rmcp::ServerHandler) but a whole rmcp service, such as a router.

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    RoleServer,
    model::{
        ClientNotification, ClientRequest, ErrorData, InitializeRequest, ProtocolVersion, Reference, ServerConfig,
        ServerResult,
    },
    service::{NotificationContext, RequestContext, Service},
};

use super::{
    Tracker,
    connection::{Arguments, Asked, Connection},
    open_call::open,
    sender::session_of_notification,
};
use crate::model::Implementation;

/// A tracked rmcp service. It sees also what rmcp refuses before a handler's method runs; it changes nothing of the tools, so the
/// options `enable_tool_call_context` and `enable_report_missing` do nothing here.
///
/// For a [`ServerHandler`](rmcp::ServerHandler) use [`Tracker::track`]; not both, or every request becomes two events.
#[derive(Debug)]
pub struct TrackedService<S> {
    service: S,
    tracker: Tracker,
    connection: Arc<Connection>,
    server: Arc<Implementation>,
}

impl Tracker {
    /// Tracks an rmcp service, for one connection.
    #[must_use]
    pub fn track_service<S: Service<RoleServer>>(&self, service: S) -> TrackedService<S> {
        let info = service.get_info().server_info;
        let server = Implementation { name: Some(info.name), title: info.title, version: Some(info.version) };
        let connection = Connection::new(self.inner());
        TrackedService { service, tracker: self.clone(), connection, server: Arc::new(server) }
    }
}

impl<S> TrackedService<S> {
    /// The service itself.
    pub const fn get_ref(&self) -> &S {
        &self.service
    }

    /// The service itself, no longer tracked.
    pub fn into_inner(self) -> S {
        self.service
    }

    /// The handle for custom events, and to flush.
    pub const fn tracker(&self) -> &Tracker {
        &self.tracker
    }
}

impl<S: Service<RoleServer>> Service<RoleServer> for TrackedService<S> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        if matches!(request, ClientRequest::PingRequest(_)) && !self.tracker.reports_pings() {
            return self.service.handle_request(request, context).await;
        }
        let call = open(&self.connection, &self.server, asked(&request), &context);
        call.run(self.service.handle_request(request, context)).await
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.connection.release(session_of_notification(context.extensions.get()));
        if let ClientNotification::CancelledNotification(cancelled) = &notification {
            self.connection.cancelled(cancelled.params.request_id.clone(), cancelled.params.reason.clone());
        }
        if self.tracker.reports_notifications() {
            self.connection.notified(method_of(&notification), &context, &self.server);
        }
        self.service.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        self.service.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.service.supported_protocol_versions()
    }
}

fn method_of(notification: &ClientNotification) -> Cow<'static, str> {
    match notification {
        ClientNotification::CancelledNotification(_) => "notifications/cancelled".into(),
        ClientNotification::ProgressNotification(_) => "notifications/progress".into(),
        ClientNotification::InitializedNotification(_) => "notifications/initialized".into(),
        ClientNotification::RootsListChangedNotification(_) => "notifications/roots/list_changed".into(),
        ClientNotification::CustomNotification(custom) => custom.method.clone().into(),
        _ => "notifications".into(),
    }
}

fn asked(request: &ClientRequest) -> Asked<'_> {
    let method = request.method().to_owned();
    match request {
        ClientRequest::InitializeRequest(InitializeRequest { params, .. }) => {
            Asked { initialize: Some(params), ..Asked::new(method) }
        }
        ClientRequest::CallToolRequest(call) => {
            Asked::of(method, &call.params.name).with(call.params.arguments.as_ref())
        }
        ClientRequest::GetPromptRequest(prompt) => {
            Asked::of(method, &prompt.params.name).with(prompt.params.arguments.as_ref())
        }
        ClientRequest::ReadResourceRequest(read) => Asked::of(method, &read.params.uri),
        ClientRequest::SubscribeRequest(subscribe) => Asked::of(method, &subscribe.params.uri),
        ClientRequest::UnsubscribeRequest(unsubscribe) => Asked::of(method, &unsubscribe.params.uri),
        ClientRequest::GetSkillRequest(skill) => Asked::of(method, &skill.params.uri),
        ClientRequest::ReadResourceDirectoryRequest(read) => Asked::of(method, &read.params.uri),
        ClientRequest::CompleteRequest(complete) => match &complete.params.r#ref {
            Reference::Prompt(prompt) => Asked::of(method, &prompt.name),
            Reference::Resource(resource) => Asked::of(method, &resource.uri),
            _ => Asked::new(method),
        },
        ClientRequest::CustomRequest(custom) => {
            Asked { arguments: custom.params.as_ref().map_or(Arguments::None, Arguments::Any), ..Asked::new(method) }
        }
        _ => Asked::new(method),
    }
}
