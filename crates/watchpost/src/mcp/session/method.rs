//! What is known of each MCP method: what it acts on, and whether its silence means anything. A table.
//! Source: the MCP schema (2024-11-05 to 2026-07-28) with the tasks and skills extensions (SEP-2663, SEP-2640).

use std::borrow::Cow;

use crate::mcp::{Field, Message};

/// Where a request names what it acts on: the event's `resource_name`.
///
/// Only names with few values are resources. A task's id is new for every task, a log level is no resource, and what
/// stands in the parameters of an unknown method may be anybody's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Nothing,
    /// `params.name`.
    Name,
    /// `params.uri`.
    Uri,
    /// `params.ref`: a prompt's name or a resource template's URI.
    Reference,
}

/// The known methods, the most frequent first: the table is searched from the top.
const METHODS: &[(&str, Resource)] = &[
    ("tools/call", Resource::Name),
    ("tools/list", Resource::Nothing),
    ("notifications/progress", Resource::Nothing),
    ("notifications/message", Resource::Nothing),
    ("ping", Resource::Nothing),
    ("resources/read", Resource::Uri),
    ("prompts/get", Resource::Name),
    ("initialize", Resource::Nothing),
    ("notifications/initialized", Resource::Nothing),
    ("notifications/cancelled", Resource::Nothing),
    ("server/discover", Resource::Nothing),
    ("subscriptions/listen", Resource::Nothing),
    ("resources/list", Resource::Nothing),
    ("resources/templates/list", Resource::Nothing),
    ("resources/subscribe", Resource::Uri),
    ("resources/unsubscribe", Resource::Uri),
    ("resources/directory/read", Resource::Uri),
    ("prompts/list", Resource::Nothing),
    ("skills/list", Resource::Nothing),
    ("skills/get", Resource::Uri),
    ("completion/complete", Resource::Reference),
    ("logging/setLevel", Resource::Nothing),
    ("sampling/createMessage", Resource::Nothing),
    ("elicitation/create", Resource::Nothing),
    ("roots/list", Resource::Nothing),
    ("tasks/get", Resource::Nothing),
    ("tasks/result", Resource::Nothing),
    ("tasks/list", Resource::Nothing),
    ("tasks/update", Resource::Nothing),
    ("tasks/cancel", Resource::Nothing),
    ("notifications/resources/updated", Resource::Uri),
    ("notifications/resources/list_changed", Resource::Nothing),
    ("notifications/prompts/list_changed", Resource::Nothing),
    ("notifications/tools/list_changed", Resource::Nothing),
    ("notifications/roots/list_changed", Resource::Nothing),
    ("notifications/elicitation/complete", Resource::Nothing),
    ("notifications/tasks", Resource::Nothing),
    ("notifications/tasks/status", Resource::Nothing),
];

/// "Method not found", how a server says that it does not know `server/discover`; Python servers before 2.0 refuse an
/// unknown method's parameters instead.
const NOT_KNOWN: [i64; 2] = [-32601, -32602];

/// A method's name and what is known of it.
#[derive(Clone, Debug)]
pub(in crate::mcp) struct Method {
    /// The name; allocated only for an unknown method.
    pub(in crate::mcp) name: Cow<'static, str>,
    resource: Resource,
}

impl Method {
    pub(in crate::mcp) fn new(name: &str) -> Self {
        match METHODS.iter().find(|(known, _)| *known == name) {
            Some(&(known, resource)) => Self { name: Cow::Borrowed(known), resource },
            None => Self { name: Cow::Owned(name.to_owned()), resource: Resource::Nothing },
        }
    }

    /// What `message`, a request or notification of this method, acts on.
    pub(in crate::mcp) fn resource_name(&self, message: &Message) -> Option<String> {
        let name = match self.resource {
            Resource::Nothing => None,
            Resource::Name => message.text(Field::Name),
            Resource::Uri => message.text(Field::Uri),
            Resource::Reference => message.text(Field::RefName).or_else(|| message.text(Field::RefUri)),
        };
        name.map(str::to_owned)
    }

    pub(super) fn is_ping(&self) -> bool {
        self.name == "ping"
    }

    pub(super) fn is_initialize(&self) -> bool {
        self.name == "initialize"
    }

    pub(super) fn is_cancellation(&self) -> bool {
        self.name == "notifications/cancelled"
    }

    /// Whether a request of this method is meant to stay open: no answer is then no failure.
    pub(super) fn lasts(&self) -> bool {
        self.name == "subscriptions/listen"
    }

    /// Whether an error of `code` only says that the server is older than the client asked.
    pub(super) fn is_refused_probe(&self, code: Option<i64>) -> bool {
        self.name == "server/discover" && code.is_some_and(|code| NOT_KNOWN.contains(&code))
    }
}
