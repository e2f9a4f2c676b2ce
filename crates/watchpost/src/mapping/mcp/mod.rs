//! Seed 000: an [`McpEvent`] becomes a log, a transaction when tracing is on, and an error event when it failed.
//!
//! | item | when | table |
//! | --- | --- | --- |
//! | [`log()`] | always | `log.rs`: body and attributes |
//! | [`transaction`] | tracing is enabled and the trace is sampled (the caller decides by [`Identity::sampling`]) | `transaction.rs`, its `mcp.server` span in `span.rs` |
//! | [`error_event`] | `is_error` | `error_event.rs`, `exception.rs` |
//!
//! What the items share stands in `identity.rs` (ids), `tag.rs` and `extra.rs`. Every row of the seed's tables is one line
//! there. What goes beyond the seed is what Sentry's own views need; `tests/mapping/` holds the two apart.
//!
//! Three choices the seed leaves open:
//!
//! * **Status.** The transaction's status is the seed's: `internal_error` or `ok` by `is_error`. The `mcp.server` span says
//!   `internal_error` for every failure too, because that is the one status Sentry's MCP dashboards count; what kind of
//!   failure it was is in `error.type` and `rpc.response.status_code`. A cancelled call is not a failure: its span is `cancelled`.
//! * **Handled.** A result with `isError: true` and a JSON-RPC error that blames the caller are handled: the model reads them
//!   and goes on. An exception that left a tool, an internal JSON-RPC error and a call without an answer are not.
//! * **Synthetic.** Never set. Where the source names no type we name one by MCP's own error names, and Sentry shows no type
//!   at all for a synthetic exception (its issue would be called `<unknown>`). The fingerprint groups instead.

mod error_event;
mod exception;
mod extra;
mod failure;
mod fingerprint;
mod identity;
mod log;
mod span;
mod stray;
mod tag;
mod transaction;

use watchpost_sentry::wire::{ErrorEvent, Log, Transaction, User};

pub(crate) use self::identity::session_trace;
pub use self::{identity::Identity, stray::stray_output};
use super::{
    Settings,
    limit::{self, cut},
};
use crate::model::McpEvent;

/// The event's log. Sent for every event, never sampled.
#[must_use]
pub fn log<'a>(event: &'a McpEvent, settings: &'a Settings) -> Log<'a> {
    log::log(event, settings, &Identity::of(event, settings))
}

/// The event's transaction, with its `mcp.server` span.
#[must_use]
pub fn transaction<'a>(event: &'a McpEvent, settings: &'a Settings) -> Transaction<'a> {
    transaction::transaction(event, settings, &Identity::of(event, settings))
}

/// The event's error event: what becomes an issue. Meaningful when `is_error`; never sampled.
#[must_use]
pub fn error_event<'a>(event: &'a McpEvent, settings: &'a Settings) -> ErrorEvent<'a> {
    error_event::error_event(event, settings, &Identity::of(event, settings))
}

/// [`log()`], [`transaction`] and [`error_event`] of one event, whose ids are made only once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping<'a> {
    pub(crate) event: &'a McpEvent,
    pub(crate) settings: &'a Settings,
    pub(crate) identity: Identity,
}

impl<'a> Mapping<'a> {
    pub(crate) fn log(&self) -> Log<'a> {
        log::log(self.event, self.settings, &self.identity)
    }

    pub(crate) fn transaction(&self) -> Transaction<'a> {
        transaction::transaction(self.event, self.settings, &self.identity)
    }

    pub(crate) fn error_event(&self) -> ErrorEvent<'a> {
        error_event::error_event(self.event, self.settings, &self.identity)
    }
}

/// How many spans a transaction stands for when it is not sent: itself and its child.
pub(crate) fn span_count(event: &McpEvent) -> u64 {
    1 + u64::from(span::is_request(event))
}

/// The actor as Sentry's user, so that issues count the users affected.
fn user(event: &McpEvent) -> Option<User<'_>> {
    let actor = event.actor.as_ref()?;
    let [id, username] = [&actor.id, &actor.name].map(|text| text.as_deref().map(|text| cut(text, limit::USER)));
    (id.is_some() || username.is_some()).then_some(User { id, username, email: None })
}
