//! [`Tracked`]: a server whose every request becomes an event. Each method hands on to the server's own; a test compares the list
//! with rmcp's.

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
        CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult, ErrorData,
        GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListSkillsResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
        ReadResourceDirectoryRequestParams, ReadResourceRequestParams, ReadResourceResponse, Reference, ServerConfig,
        SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

#[expect(deprecated, reason = "servers still implement it")]
use rmcp::model::SetLevelRequestParams;

use super::{
    Tracker,
    connection::{Arguments, Asked, Connection},
    open_call::{OpenCall, open},
    sender::session_of_notification,
    tools::{self, GET_MORE_TOOLS},
};
use crate::model::Implementation;

/// A tracked server: itself a [`ServerHandler`], to be served as the server would be.
///
/// A clone is for another connection; so is what a factory makes. Do not share one in an `Arc` between connections.
#[derive(Debug)]
pub struct Tracked<H> {
    handler: H,
    tracker: Tracker,
    connection: Arc<Connection>,
    server: Arc<Implementation>,
}

impl<H: Clone> Clone for Tracked<H> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            tracker: self.tracker.clone(),
            connection: Connection::new(self.tracker.inner()),
            server: Arc::clone(&self.server),
        }
    }
}

impl<H> Tracked<H> {
    pub(super) fn new(handler: H, tracker: Tracker, server: Implementation) -> Self {
        let connection = Connection::new(tracker.inner());
        Self { handler, tracker, connection, server: Arc::new(server) }
    }

    /// The server itself.
    pub const fn get_ref(&self) -> &H {
        &self.handler
    }

    /// The server itself, to change it.
    pub const fn get_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// The server itself, no longer tracked.
    pub fn into_inner(self) -> H {
        self.handler
    }

    /// The handle for custom events, and to flush.
    pub const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) const fn server(&self) -> &Arc<Implementation> {
        &self.server
    }

    fn open(&self, asked: Asked<'_>, context: &RequestContext<RoleServer>) -> OpenCall<impl Fn() -> bool + use<H>> {
        open(&self.connection, &self.server, asked, context)
    }
}

/// Requests that are only handed on: the method, its parameters, its answer, and how it is seen.
macro_rules! requests {
    ($($(#[$attribute:meta])? $method:ident($request:ident: $params:ty) -> $answer:ty = $asked:expr;)*) => {$(
        $(#[$attribute])?
        async fn $method(&self, $request: $params, context: RequestContext<RoleServer>) -> Result<$answer, ErrorData> {
            let call = self.open($asked, &context);
            call.run(self.handler.$method($request, context)).await
        }
    )*};
}

impl<H: ServerHandler> ServerHandler for Tracked<H> {
    requests! {
        initialize(request: InitializeRequestParams) -> InitializeResult =
            Asked { initialize: Some(&request), ..Asked::new("initialize") };
        complete(request: CompleteRequestParams) -> CompleteResult = Asked::of("completion/complete", referred(&request.r#ref));
        get_prompt(request: GetPromptRequestParams) -> GetPromptResponse =
            Asked::of("prompts/get", &request.name).with(request.arguments.as_ref());
        list_prompts(request: Option<PaginatedRequestParams>) -> ListPromptsResult = Asked::new("prompts/list");
        list_resources(request: Option<PaginatedRequestParams>) -> ListResourcesResult = Asked::new("resources/list");
        list_resource_templates(request: Option<PaginatedRequestParams>) -> ListResourceTemplatesResult =
            Asked::new("resources/templates/list");
        read_resource(request: ReadResourceRequestParams) -> ReadResourceResponse =
            Asked::of("resources/read", &request.uri);
        get_task(request: GetTaskParams) -> GetTaskResult = Asked::new("tasks/get");
        update_task(request: UpdateTaskParams) -> () = Asked::new("tasks/update");
        cancel_task(request: CancelTaskParams) -> () = Asked::new("tasks/cancel");
        list_skills(request: Option<PaginatedRequestParams>) -> ListSkillsResult = Asked::new("skills/list");
        get_skill(request: GetSkillRequestParams) -> GetSkillResult = Asked::of("skills/get", &request.uri);
        read_resource_directory(request: ReadResourceDirectoryRequestParams) -> ListResourcesResult =
            Asked::of("resources/directory/read", &request.uri);
        on_custom_request(request: CustomRequest) -> CustomResult = Asked {
            arguments: request.params.as_ref().map_or(Arguments::None, Arguments::Any),
            ..Asked::new(request.method.clone())
        };
        #[allow(deprecated)]
        set_level(request: SetLevelRequestParams) -> () = Asked::new("logging/setLevel");
        #[allow(deprecated)]
        subscribe(request: SubscribeRequestParams) -> () = Asked::of("resources/subscribe", &request.uri);
        #[allow(deprecated)]
        unsubscribe(request: UnsubscribeRequestParams) -> () = Asked::of("resources/unsubscribe", &request.uri);
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if !self.tracker.reports_pings() {
            return self.handler.ping(context).await;
        }
        let call = self.open(Asked::new("ping"), &context);
        call.run(self.handler.ping(context)).await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let call = self.open(Asked::new("server/discover"), &context);
        call.run(self.handler.discover(context)).await
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let call = self.open(Asked::new("subscriptions/listen"), context.request_context());
        call.run(self.handler.listen(context)).await
    }

    async fn call_tool(
        &self,
        mut request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let changes = self.tracker.changes();
        let reports =
            changes.report_missing && request.name == GET_MORE_TOOLS && self.handler.get_tool(GET_MORE_TOOLS).is_none();
        let mut intent = None;
        if reports
            || changes.context
                && self.tracker.tools().carries_context(&request.name, || self.handler.get_tool(&request.name))
        {
            intent = tools::take_context(&mut request.arguments);
        }
        let mut call = self.open(Asked::of("tools/call", &request.name).with(request.arguments.as_ref()), &context);
        call.set_user_intent(intent);
        if reports {
            return call.run(std::future::ready(Ok(tools::no_more_tools().into()))).await;
        }
        call.run(self.handler.call_tool(request, context)).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let call = self.open(Asked::new("tools/list"), &context);
        let mut result = call.run(self.handler.list_tools(request, context)).await?;
        let changes = self.tracker.changes();
        if changes.context {
            self.tracker.tools().add_context(&mut result.tools, self.tracker.context_description());
        }
        if changes.report_missing {
            tools::add_get_more_tools(&mut result);
        }
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let own = self.handler.get_tool(name);
        let ours = name == GET_MORE_TOOLS && self.tracker.changes().report_missing;
        own.or_else(|| ours.then(tools::get_more_tools))
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.handler.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.handler.accepted_subscription_filter(requested)
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        self.notified("notifications/cancelled", &context);
        self.connection.cancelled(notification.request_id.clone(), notification.reason.clone());
        self.handler.on_cancelled(notification, context).await;
    }

    async fn on_progress(&self, notification: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        self.notified("notifications/progress", &context);
        self.handler.on_progress(notification, context).await;
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.connection.release(session_of_notification(context.extensions.get()));
        self.notified("notifications/initialized", &context);
        self.handler.on_initialized(context).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        self.notified("notifications/roots/list_changed", &context);
        self.handler.on_roots_list_changed(context).await;
    }

    async fn on_custom_notification(&self, notification: CustomNotification, context: NotificationContext<RoleServer>) {
        self.notified(notification.method.clone(), &context);
        self.handler.on_custom_notification(notification, context).await;
    }
}

impl<H> Tracked<H> {
    /// A notification came.
    fn notified(&self, method: impl Into<Cow<'static, str>>, context: &NotificationContext<RoleServer>) {
        if self.tracker.reports_notifications() {
            self.connection.notified(method.into(), context, &self.server);
        }
    }
}

/// What a completion is for: a prompt's name or a resource template's URI.
fn referred(reference: &Reference) -> &str {
    match reference {
        Reference::Prompt(prompt) => &prompt.name,
        Reference::Resource(resource) => &resource.uri,
        _ => "",
    }
}
