//! What kind of work a span did, by its operation, and the icon that stands for it.
//! Source: Sentry's operation names for AI, MCP, HTTP, databases and the rest.

use maud::{Markup, html};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Model,
    Tool,
    Mcp,
    Workflow,
    Http,
    Database,
    Other,
}

/// The kind of an operation.
pub(super) fn kind(op: Option<&str>) -> Kind {
    let op = op.unwrap_or("");
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| op.starts_with(beginning));
    match op {
        "gen_ai.execute_tool" => Kind::Tool,
        "gen_ai.invoke_agent" | "gen_ai.create_agent" | "gen_ai.handoff" => Kind::Agent,
        _ if begins(&["gen_ai.", "ai.chat", "ai.embeddings", "ai.completions"]) => Kind::Model,
        _ if begins(&[
            "mcp.",
            "tools/",
            "resources/",
            "prompts/",
            "initialize",
            "notifications/",
            "completion/",
            "server/",
        ]) =>
        {
            Kind::Mcp
        }
        _ if begins(&["workflow", "ai.", "function", "task", "queue"]) => Kind::Workflow,
        _ if begins(&["http", "grpc", "websocket", "rpc"]) => Kind::Http,
        _ if begins(&["db", "cache", "file"]) => Kind::Database,
        _ => Kind::Other,
    }
}

impl Kind {
    /// The class that gives its colour.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Mcp => "mcp",
            Self::Workflow => "workflow",
            Self::Http => "http",
            Self::Database => "database",
            Self::Other => "other",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Mcp => "MCP",
            Self::Workflow => "workflow",
            Self::Http => "HTTP",
            Self::Database => "storage",
            Self::Other => "span",
        }
    }

    /// The drawing, on 16 by 16.
    fn path(self) -> &'static str {
        match self {
            Self::Agent => {
                "M8 1.5v2M4 5.5h8a1.5 1.5 0 0 1 1.5 1.5v5a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.500 12V7A1.500 1.500 0 0 1 4 5.500zM6 9v1M10 9v1"
            }
            Self::Model => {
                "M8 1.500l1.600 4.400 4.400 1.600-4.400 1.600L8 13.500 6.400 9.100 2 7.500l4.400-1.600zM13 12v2.500M11.800 13.200h2.400"
            }
            Self::Tool => {
                "M9.800 6.200a3.300 3.300 0 0 1 4-4l-2 2 .4 1.600 1.600.4 1-1a3.300 3.300 0 0 1-4.300 3.200L5 13.900A1.500 1.500 0 0 1 2.900 11.800L8 6.700"
            }
            Self::Mcp => "M5.500 2v3M10.500 2v3M4 5h8v2.500a4 4 0 0 1-8 0zM8 11.500V14",
            Self::Workflow => "M2.500 2.500h4v4h-4zM9.500 9.500h4v4h-4zM6.500 4.500h3a2 2 0 0 1 2 2v3",
            Self::Http => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM2 8h12M8 2c2 2 2 10 0 12M8 2c-2 2-2 10 0 12",
            Self::Database => {
                "M3 4c0-2.600 10-2.600 10 0s-10 2.600-10 0v8c0 2.600 10 2.600 10 0V4M3 8c0 2.600 10 2.600 10 0"
            }
            Self::Other => "M3 8h10",
        }
    }
}

/// The icon of an operation.
pub(super) fn icon(op: Option<&str>) -> Markup {
    let kind = kind(op);
    html! {
        svg class={ "icon " (kind.class()) } viewBox="0 0 16 16" role="img" aria-label=(kind.name()) { path d=(kind.path()) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind};

    #[test]
    fn operations_are_of_their_kind() {
        let kinds = [
            "gen_ai.chat",
            "gen_ai.invoke_agent",
            "gen_ai.execute_tool",
            "mcp.server",
            "tools/call",
            "http.client",
            "db.query",
        ];
        let expected = [Kind::Model, Kind::Agent, Kind::Tool, Kind::Mcp, Kind::Mcp, Kind::Http, Kind::Database];
        assert_eq!(kinds.map(|op| kind(Some(op))), expected);
        assert_eq!([kind(None), kind(Some("?"))], [Kind::Other, Kind::Other]);
    }
}
