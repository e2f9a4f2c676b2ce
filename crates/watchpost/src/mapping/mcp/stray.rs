//! What a server wrote to its standard output that is no MCP message, as one warning: clients fail on such lines or skip
//! them. Beside the seed, whose events are all MCP messages.

use std::borrow::Cow;

use watchpost_sentry::wire::{Attributes, Log, LogLevel, Timestamp};

use super::identity::session_trace;
use crate::{
    mapping::{Settings, limit::cut_cow},
    model::StrayOutput,
};

/// Characters shown of the first line.
const FIRST_LINE: usize = 200;

/// A warning log in the trace of its session. It has no event id: it is about a connection and not about a call.
///
/// The first line is cut to 200 characters, control characters escaped (`\u{1b}`). Redact it before with
/// [`redact_terminal_line`](crate::redact::redact_terminal_line), which neither the cut nor the escapes can mislead then.
#[must_use]
pub fn stray_output<'a>(session_id: &'a str, stray: &'a StrayOutput, at: Timestamp, settings: &'a Settings) -> Log<'a> {
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = Attributes::with_capacity(12);
    attributes.push("session_id", session_id);
    attributes.push("watchpost.stray.lines", integer(stray.lines));
    attributes.push("watchpost.stray.bytes", integer(stray.bytes));
    attributes.push_some("watchpost.stray.first_line", stray.first_line.as_deref().map(escape_and_cut));
    attributes.push("mcp.transport", "stdio");
    attributes.push("environment", settings.environment());
    attributes.push_some("release", settings.release());
    attributes.push("sentry.environment", settings.environment());
    attributes.push_some("sentry.release", settings.accepted_release());
    attributes.push("sentry.sdk.name", &*settings.sdk().name);
    attributes.push("sentry.sdk.version", &*settings.sdk().version);
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

fn escape_and_cut(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for character in line.chars().take(FIRST_LINE + 1) {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    cut_cow(Cow::Owned(escaped), FIRST_LINE).into_owned()
}
