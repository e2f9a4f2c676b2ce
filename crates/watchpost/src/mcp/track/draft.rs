//! An event on its way through the host's hooks: the order of the hooks, and what each answer makes of the event.

use std::{sync::Arc, time::Instant};

use super::{Options, custom::own_session_id, hooks::HookRequest, worker::Job};
use crate::{
    mcp::track::event::event_of,
    model::{McpEvent, event_id},
};

/// The hooks in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    ResolveSessionId,
    Identify,
    EventTags,
    EventProperties,
    RedactEvent,
    Redact,
}

impl Stage {
    pub(super) const ALL: [Self; 6] = [
        Self::ResolveSessionId,
        Self::Identify,
        Self::EventTags,
        Self::EventProperties,
        Self::RedactEvent,
        Self::Redact,
    ];

    /// As the host's log names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ResolveSessionId => "resolve_session_id",
            Self::Identify => "identify",
            Self::EventTags => "event_tags",
            Self::EventProperties => "event_properties",
            Self::RedactEvent => "redact_event",
            Self::Redact => "redact",
        }
    }
}

/// An event and how far it is.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) event: McpEvent,
    /// What hooks that decorate are told; none for the host's own events.
    pub(super) request: Option<Arc<HookRequest>>,
    pub(super) credentials: Option<u64>,
    /// The end of its call.
    pub(super) since: Instant,
    /// The next of [`Stage::ALL`].
    pub(super) next: usize,
    /// Whether a hook that decorates gave nothing.
    pub(super) has_failed: bool,
}

impl Draft {
    pub(super) fn new(job: Job, options: &Options, project_id: Option<&str>) -> Self {
        match job {
            Job::Custom(event) => Self::of(*event, Instant::now()),
            Job::Call(mut finished) => {
                let request = finished.opened.request.take().map(|request| Arc::new(*request));
                let credentials = finished.opened.credentials;
                let since = finished.opened.began + finished.duration;
                let event = event_of(*finished, options, project_id);
                Self { request, credentials, ..Self::of(event, since) }
            }
        }
    }

    const fn of(event: McpEvent, since: Instant) -> Self {
        Self { event, request: None, credentials: None, since, next: 0, has_failed: false }
    }

    /// The hook that is next, which is then behind it.
    pub(super) fn next_stage(&mut self) -> Option<Stage> {
        let stage = Stage::ALL.get(self.next).copied();
        self.next += 1;
        stage
    }

    /// The session by the host's own handle.
    pub(super) fn set_session(&mut self, handle: &str, project_id: Option<&str>) {
        self.event.session_id = Some(own_session_id(handle, project_id));
    }

    /// The event that says that the session's actor is a new one.
    pub(super) fn identified(&self) -> Self {
        let event = &self.event;
        let identified = McpEvent {
            event_id: event_id(event.timestamp),
            event_type: "identify".into(),
            session_id: event.session_id.clone(),
            project_id: event.project_id.clone(),
            timestamp: event.timestamp,
            actor: event.actor.clone(),
            server: event.server.clone(),
            client: event.client.clone(),
            protocol_version: event.protocol_version.clone(),
            transport: event.transport,
            mcp_session_id: event.mcp_session_id.clone(),
            tags: event.tags.clone(),
            ..McpEvent::default()
        };
        Self::of(identified, self.since)
    }
}
