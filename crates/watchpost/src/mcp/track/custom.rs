//! Events of the host's own: [`CustomEvent`].

use std::{error::Error, time::Duration};

use serde_json::Value;
use watchpost_sentry::wire::Timestamp;

use crate::{
    ai::failure_of,
    mcp::track::{current_call, json},
    model::{Actor, ErrorKind, McpEvent, derive_session_id},
};

/// An event of the host's own, sent as `custom` by [`Tracker::publish`](super::Tracker::publish).
///
/// Made inside of a tool it belongs to that call's session.
#[derive(Clone, Debug)]
pub struct CustomEvent {
    event: McpEvent,
}

impl CustomEvent {
    /// An event by its name, such as `checkout`; its log is `MCP custom: checkout`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let session_id = current_call().and_then(|call| call.session_id().map(str::to_owned));
        Self {
            event: McpEvent {
                event_type: "custom".into(),
                resource_name: Some(name.into()),
                session_id,
                ..McpEvent::default()
            },
        }
    }

    /// The session it belongs to: a `ses_…` id as it stands, any other handle turned into one.
    #[must_use]
    pub fn session_id(mut self, id: &str) -> Self {
        self.event.session_id = Some(own_session_id(id, None));
        self
    }

    /// Who it is about.
    #[must_use]
    pub fn actor(mut self, mut actor: Actor) -> Self {
        actor.data.iter_mut().for_each(json::bound_depth);
        self.event.actor = Some(actor);
        self
    }

    /// What the user wants.
    #[must_use]
    pub fn user_intent(mut self, intent: impl Into<String>) -> Self {
        self.event.user_intent = Some(intent.into());
        self
    }

    /// How long it took.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.event.duration = Some(duration);
        self
    }

    /// That it failed, how, and what caused that.
    #[must_use]
    pub fn error<E: Error + ?Sized>(mut self, error: &E) -> Self {
        let mut info = failure_of(error, None);
        info.kind = ErrorKind::Tool;
        self.event.is_error = true;
        self.event.error = Some(info);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.event.tags.push((key.into(), value.into()));
        self
    }

    /// Adds a property: any JSON.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut value = value.into();
        json::bound_depth(&mut value);
        self.event.properties.push((key.into(), value));
        self
    }

    /// About how many bytes it holds.
    pub(super) fn size(&self) -> usize {
        let event = &self.event;
        let texts = [&event.resource_name, &event.user_intent].into_iter().flatten().map(String::len).sum::<usize>();
        let tags: usize = event.tags.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
        let properties: usize = event.properties.iter().map(|(key, value)| key.len() + json::size(value)).sum();
        let actor = event.actor.as_ref().map_or(0, |actor| {
            let texts = [&actor.id, &actor.name].into_iter().flatten().map(String::len).sum::<usize>();
            texts + actor.data.as_ref().map_or(0, json::size)
        });
        let error =
            event.error.as_ref().map_or(0, |error| error.message.len() + error.stack.as_ref().map_or(0, String::len));
        size_of::<McpEvent>() + texts + tags + properties + actor + error
    }

    pub(super) fn into_event(self, event_id: String, project_id: Option<String>, now: Timestamp) -> McpEvent {
        McpEvent { event_id, project_id, timestamp: now, ..self.event }
    }
}

/// A host's own handle as a session id.
pub(super) fn own_session_id(handle: &str, project_id: Option<&str>) -> String {
    let is_one = handle
        .strip_prefix("ses_")
        .is_some_and(|ksuid| ksuid.len() == 27 && ksuid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_one { handle.to_owned() } else { derive_session_id(handle, project_id) }
}
