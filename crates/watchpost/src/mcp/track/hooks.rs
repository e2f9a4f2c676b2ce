//! The host's own code that decorates or redacts events: what it is told and what it may give. How it is run is in
//! [`runner`](super::runner).

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

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
    /// Whether there is any.
    pub(super) fn want_events(&self) -> bool {
        self.want_request() || self.redact.is_some() || self.redact_event.is_some()
    }

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
