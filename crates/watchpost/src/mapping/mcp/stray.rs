//! What a server wrote to its standard output that is no MCP message, as one warning: clients fail on such lines or skip
//! them. Beside the seed, whose events are all MCP messages.

use std::borrow::Cow;

use watchpost_sentry::wire::{Attributes, Log, LogLevel, Timestamp};

use super::identity::session_trace;
use crate::{
    mapping::{
        Settings,
        limit::{self, cut},
    },
    mcp::StrayOutput,
};

/// A warning log in the trace of its session. It has no event id: it is about a connection and not about a call.
#[must_use]
pub fn stray_output<'a>(session_id: &'a str, stray: &'a StrayOutput, at: Timestamp, settings: &'a Settings) -> Log<'a> {
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = Attributes::with_capacity(12);
    attributes.push("session_id", session_id);
    attributes.push("watchpost.stray.lines", integer(stray.lines));
    attributes.push("watchpost.stray.bytes", integer(stray.bytes));
    attributes
        .push_some("watchpost.stray.first_line", stray.first_line.as_deref().map(|line| cut(line, limit::MESSAGE)));
    attributes.push("mcp.transport", "stdio");
    attributes.push("environment", settings.environment());
    attributes.push_some("release", settings.release());
    attributes.push("sentry.environment", settings.environment());
    attributes.push_some("sentry.release", settings.accepted_release());
    attributes.push("sentry.sdk.name", &*settings.sdk.name);
    attributes.push("sentry.sdk.version", &*settings.sdk.version);
    attributes.push("sentry.origin", "auto.log.mcp_server");
    Log {
        timestamp: at,
        trace_id: session_trace(session_id),
        span_id: None,
        event_id: None,
        level: LogLevel::Warn,
        body: Cow::Borrowed("MCP server wrote lines to its standard output that are no MCP messages"),
        attributes,
    }
}
