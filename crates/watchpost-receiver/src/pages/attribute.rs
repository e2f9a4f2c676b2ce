//! A span's attributes as a table: each with its value and the convention it belongs to.
//! Source: sentry-conventions 0.19 (which names are current, which are older ones), OpenTelemetry's registry, seed 004.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::parts::{outside, outside_lines};

/// Attributes shown of a span.
const MAX_ATTRIBUTES: usize = 300;

/// Characters shown of a value; the JSON below has all.
const VALUE_CHARS: usize = 1000;

/// Names that Sentry's conventions replaced, with the present ones.
const OLDER: &[(&str, &str)] = &[
    ("gen_ai.system", "gen_ai.provider.name"),
    ("gen_ai.request.messages", "gen_ai.input.messages"),
    ("gen_ai.response.text", "gen_ai.output.messages"),
    ("gen_ai.response.tool_calls", "gen_ai.output.messages"),
    ("gen_ai.usage.input_tokens.cached", "gen_ai.usage.cache_read.input_tokens"),
    ("gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.cache_creation.input_tokens"),
    ("gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.reasoning.output_tokens"),
    ("gen_ai.response.time_to_first_token", "gen_ai.response.time_to_first_chunk"),
    ("gen_ai.tool.input", "gen_ai.tool.call.arguments"),
    ("gen_ai.tool.output", "gen_ai.tool.call.result"),
    ("gen_ai.request.available_tools", "gen_ai.tool.definitions"),
    ("mcp.tool.name", "gen_ai.tool.name"),
    ("mcp.prompt.name", "gen_ai.prompt.name"),
    ("mcp.tool.result.content", "gen_ai.tool.call.result"),
    ("mcp.request.id", "jsonrpc.request.id"),
    ("mcp.transport", "network.transport"),
    ("mcp.tool.result.is_error", "error.type"),
];

/// Names that only Mastra's documented exporter has.
const MASTRA: &[&str] = &[
    "ai.span.type",
    "tool.success",
    "gen_ai.request.stream",
    "gen_ai.completion_start_time",
    "gen_ai.agent.instructions",
    "gen_ai.tool.type",
];

/// Names below `gen_ai.` and `mcp.` that are Sentry's own.
const SENTRY: &[&str] = &[
    "gen_ai.usage.total_tokens",
    "gen_ai.cost.",
    "gen_ai.pipeline.name",
    "gen_ai.response.streaming",
    "gen_ai.response.tokens_per_second",
    "gen_ai.function_id",
    "gen_ai.context.",
    "mcp.client.",
    "mcp.server.",
    "mcp.request.argument.",
    "mcp.tool.",
    "mcp.prompt.",
];

/// Beginnings of OpenTelemetry's names.
const OPEN_TELEMETRY: &[&str] = &[
    "gen_ai.",
    "mcp.",
    "jsonrpc.",
    "http.",
    "url.",
    "db.",
    "network.",
    "server.",
    "client.",
    "error.",
    "exception.",
    "service.",
    "user.",
    "user_agent.",
    "code.",
    "thread.",
    "process.",
    "rpc.",
    "messaging.",
    "otel.",
    "telemetry.",
    "deployment.",
    "os.",
    "host.",
    "faas.",
    "cloud.",
];

/// The convention of an attribute's name, and its present name if it is an older one.
pub(super) fn convention(name: &str) -> (&'static str, Option<&'static str>) {
    if let Some((_, present)) = OLDER.iter().find(|(older, _)| *older == name) {
        return ("Sentry, older name", Some(present));
    }
    let begins = |list: &[&str]| list.iter().any(|beginning| name.starts_with(beginning));
    let convention = match name {
        _ if MASTRA.contains(&name) => "Mastra",
        _ if name.starts_with("watchpost.") => "Watchpost",
        _ if name.starts_with("sentry.") || begins(SENTRY) => "Sentry",
        _ if begins(OPEN_TELEMETRY) => "OpenTelemetry",
        _ if name.starts_with("vercel.") || name.starts_with("ai.") => "Vercel AI SDK",
        _ => "own",
    };
    (convention, None)
}

/// The attributes in alphabetical order.
pub(super) fn table(attributes: &Map<String, Value>) -> Markup {
    html! {
        div.scroll {
            table.attributes {
                thead { tr { th scope="col" { "Attribute" } th scope="col" { "Value" } th scope="col" { "Convention" } } }
                tbody {
                    @for (name, value) in attributes.iter().take(MAX_ATTRIBUTES) {
                        @let (convention, present) = convention(name);
                        tr {
                            td { code { (outside(name, 120)) } }
                            td.value { (outside_lines(&text(value), VALUE_CHARS)) }
                            td { span.dim { (convention) } @if let Some(present) = present { " " code.dim { "→ " (present) } } }
                        }
                    }
                }
            }
            @if attributes.len() > MAX_ATTRIBUTES { p.none { "The first " (MAX_ATTRIBUTES) "; the JSON has all." } }
        }
    }
}

/// A value as text, without the wrapping that logs and v2 spans give it.
pub(super) fn text(value: &Value) -> String {
    match plain(value) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value of a typed attribute, or the value itself.
pub(super) fn plain(value: &Value) -> &Value {
    match value {
        Value::Object(typed) if typed.len() <= 3 && typed.contains_key("type") => typed.get("value").unwrap_or(value),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{convention, text};

    #[test]
    fn names_belong_to_their_conventions() {
        let of = |name| convention(name).0;
        assert_eq!(of("gen_ai.request.model"), "OpenTelemetry");
        assert_eq!(of("gen_ai.usage.total_tokens"), "Sentry");
        assert_eq!(of("sentry.origin"), "Sentry");
        assert_eq!(of("watchpost.request.size"), "Watchpost");
        assert_eq!(of("mcp.method.name"), "OpenTelemetry");
        assert_eq!(of("tool.success"), "Mastra");
        assert_eq!(of("anything"), "own");
        assert_eq!(convention("gen_ai.system"), ("Sentry, older name", Some("gen_ai.provider.name")));
    }

    #[test]
    fn typed_values_are_unwrapped() {
        assert_eq!(text(&json!({"value": "x", "type": "string"})), "x");
        assert_eq!(text(&json!({"value": 5})), r#"{"value":5}"#);
        assert_eq!(text(&json!([1, 2])), "[1,2]");
    }
}
