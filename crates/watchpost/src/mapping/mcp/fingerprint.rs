//! The grouping of failures: `[server, event type, resource, type and code, message without what changes]`. Neither "one
//! issue for everything" nor "one issue a request": the two complaints users of MCP telemetry have.

use std::borrow::Cow;

use super::failure::exception_type;
use crate::{
    mapping::{
        limit::{self, cut, cut_cow},
        template::template,
    },
    model::{ErrorInfo, McpEvent},
};

pub(super) fn fingerprint<'a>(event: &'a McpEvent, error: &'a ErrorInfo) -> Vec<Cow<'a, str>> {
    let ty = cut_cow(exception_type(error), limit::TAG);
    let resource = match event.resource_name.as_deref() {
        // Tools and prompts are few; URIs and names of custom events may carry ids.
        Some(name) if matches!(&*event.event_type, "tools/call" | "prompts/get") => cut(name, limit::TAG),
        Some(name) => Cow::Owned(resource_template(name)),
        None => Cow::Borrowed("-"),
    };
    vec![
        cut(event.server.name.as_deref().unwrap_or("-"), limit::TAG),
        cut(&event.event_type, limit::TAG),
        resource,
        error.code.map_or_else(|| ty.clone(), |code| Cow::Owned(format!("{ty} {code}"))),
        Cow::Owned(template(&error.message)),
    ]
}

/// A URI with each of its parts that changes replaced: `file:///a/7.txt` and `file:///a/8.txt` fail as one.
fn resource_template(name: &str) -> String {
    let parts = cut(name, limit::TAG);
    parts.split('/').map(template).collect::<Vec<_>>().join("/")
}
