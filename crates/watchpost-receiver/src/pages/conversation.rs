//! The messages of a model's call as a conversation, whatever shape they were sent in: a list or text of a list; content as
//! text, as parts (OpenTelemetry's, OpenAI's, Anthropic's, Vercel's), tool calls and their results among them.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::attribute::plain;
use super::parts::outside_lines;

const SYSTEM: &[&str] = &["gen_ai.system_instructions", "gen_ai.agent.instructions", "gen_ai.system.message"];
const INPUT: &[&str] =
    &["gen_ai.input.messages", "gen_ai.request.messages", "gen_ai.prompt", "ai.input_messages", "ai.prompt"];
const OUTPUT: &[&str] = &["gen_ai.output.messages", "gen_ai.response.text", "gen_ai.completion", "ai.responses"];
const REASONING: &[&str] = &["gen_ai.response.reasoning"];
const TOOL_CALLS: &[&str] = &["gen_ai.response.tool_calls"];

/// Messages shown of a conversation: the first, and the last of the rest.
const MAX_MESSAGES: usize = 100;

/// Parts shown of a message.
const MAX_PARTS: usize = 50;

/// Characters shown of a part.
const MAX_CHARS: usize = 20_000;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    role: String,
    parts: Vec<Part>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Reasoning(String),
    ToolCall { name: String, arguments: String },
    ToolResult { name: String, result: String },
    Other(String),
}

/// The conversation of a span's attributes; `None` when it has none.
pub(super) fn conversation(attributes: &Map<String, Value>) -> Option<Markup> {
    let mut messages = Vec::new();
    for (names, role) in [
        (SYSTEM, "system"),
        (INPUT, "user"),
        (REASONING, "reasoning"),
        (OUTPUT, "assistant"),
        (TOOL_CALLS, "assistant"),
    ] {
        // One name of each: the same content may be sent under the old and the new one.
        if let Some(value) = names.iter().find_map(|name| attributes.get(*name)) {
            messages.extend(read(plain(value), role));
        }
    }
    messages.retain(|message| !message.parts.is_empty());
    if messages.is_empty() {
        return None;
    }
    let hidden = messages.len().saturating_sub(MAX_MESSAGES);
    if hidden > 0 {
        messages.drain(1..=hidden);
    }
    Some(html! {
        ol.conversation {
            @for (at, message) in messages.iter().enumerate() {
                @if at == 1 && hidden > 0 { li.none { (hidden) " messages between are not shown; the JSON has them." } }
                (bubble(message))
            }
        }
    })
}

fn bubble(message: &Message) -> Markup {
    let class = match message.role.as_str() {
        "user" | "human" => "user",
        "assistant" | "model" | "ai" => "assistant",
        "tool" | "function" => "tool",
        _ => "system",
    };
    html! {
        li class={ "message " (class) } {
            span.role { (outside_lines(&message.role, 40)) }
            @for part in message.parts.iter().take(MAX_PARTS) {
                @match part {
                    Part::Text(text) => p.lines { (outside_lines(text, MAX_CHARS)) },
                    Part::Reasoning(text) => p.lines.reasoning { (outside_lines(text, MAX_CHARS)) },
                    Part::ToolCall { name, arguments } => {
                        div.call { span.call-name { "calls " code { (outside_lines(name, 120)) } } pre { (outside_lines(arguments, MAX_CHARS)) } }
                    },
                    Part::ToolResult { name, result } => {
                        div.call { span.call-name { "result " code { (outside_lines(name, 120)) } } pre { (outside_lines(result, MAX_CHARS)) } }
                    },
                    Part::Other(text) => pre { (outside_lines(text, MAX_CHARS)) },
                }
            }
        }
    }
}

/// The messages in `value`; text that is not JSON is one message of `role`.
fn read(value: &Value, role: &str) -> Vec<Message> {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => read(&inner, role),
            _ => vec![Message { role: role.to_owned(), parts: vec![Part::Text(text.clone())] }],
        },
        Value::Object(map) => match map.get("messages").or_else(|| map.get("prompt")) {
            Some(Value::Array(list)) => read_list(list, role),
            _ => vec![read_message(map, role)],
        },
        Value::Array(list) => read_list(list, role),
        Value::Null => Vec::new(),
        other => vec![Message { role: role.to_owned(), parts: vec![Part::Other(other.to_string())] }],
    }
}

fn read_list(list: &[Value], role: &str) -> Vec<Message> {
    // A list without roles is one message in parts.
    let has_roles = list.iter().any(|value| value.get("role").is_some());
    if !has_roles {
        let parts = list.iter().filter_map(read_part).collect();
        return vec![Message { role: role.to_owned(), parts }];
    }
    list.iter()
        .filter_map(|value| match value {
            Value::Object(map) => Some(read_message(map, role)),
            Value::String(text) => Some(Message { role: role.to_owned(), parts: vec![Part::Text(text.clone())] }),
            _ => None,
        })
        .collect()
}

fn read_message(map: &Map<String, Value>, role: &str) -> Message {
    let role = map.get("role").and_then(Value::as_str).unwrap_or(role).to_owned();
    let mut parts = Vec::new();
    match map.get("content").or_else(|| map.get("parts")) {
        Some(Value::String(text)) if role == "tool" => {
            let name = map.get("name").or_else(|| map.get("tool_call_id")).map(as_text).unwrap_or_default();
            parts.push(Part::ToolResult { name, result: text.clone() });
        }
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::Text(text.clone())),
        Some(Value::Array(list)) => parts.extend(list.iter().filter_map(read_part)),
        Some(Value::Null | Value::String(_)) | None => {
            if !map.contains_key("role") {
                parts.extend(read_part(&Value::Object(map.clone())));
            }
        }
        Some(other) => parts.push(Part::Other(other.to_string())),
    }
    for call in map.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        parts.extend(read_part(call));
    }
    Message { role, parts }
}

fn read_part(value: &Value) -> Option<Part> {
    let map = match value {
        Value::String(text) => return Some(Part::Text(text.clone())),
        Value::Object(map) => map,
        Value::Null => return None,
        other => return Some(Part::Other(other.to_string())),
    };
    let first = |names: &[&str]| names.iter().find_map(|name| map.get(*name));
    // OpenAI nests a call below `function`.
    if let Some(Value::Object(function)) = map.get("function") {
        return read_part(&Value::Object(function.clone()));
    }
    let name = || {
        first(&["name", "toolName", "tool_name", "id", "toolCallId", "tool_use_id"]).map(as_text).unwrap_or_default()
    };
    match map.get("type").and_then(Value::as_str).unwrap_or("") {
        "tool_call_response" | "tool_result" | "tool-result" => {
            let result = first(&["response", "result", "output", "content"]).map(as_text).unwrap_or_default();
            Some(Part::ToolResult { name: name(), result })
        }
        "reasoning" | "thinking" => {
            Some(Part::Reasoning(first(&["content", "text", "thinking", "reasoning"]).map(as_text).unwrap_or_default()))
        }
        _ => match first(&["arguments", "input", "args"]) {
            Some(arguments) => Some(Part::ToolCall { name: name(), arguments: as_text(arguments) }),
            None => match first(&["text", "content"]) {
                Some(text) => Some(Part::Text(as_text(text))),
                None => Some(Part::Other(value.to_string())),
            },
        },
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Message, Part, conversation, read};

    fn text(role: &str, text: &str) -> Message {
        Message { role: role.to_owned(), parts: vec![Part::Text(text.to_owned())] }
    }

    #[test]
    fn every_shape_of_a_message_is_one() {
        let expected = vec![text("user", "hi")];
        for shape in [
            json!("hi"),
            json!([{"role": "user", "content": "hi"}]),
            json!("[{\"role\":\"user\",\"content\":\"hi\"}]"),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
            json!([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]),
        ] {
            assert_eq!(read(&shape, "user"), expected, "{shape}");
        }
    }

    #[test]
    fn tool_calls_and_results_are_told_apart() {
        let call = Part::ToolCall { name: "search".to_owned(), arguments: "{\"q\":1}".to_owned() };
        for shape in [
            json!([{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "search", "arguments": "{\"q\":1}"}}]}]),
            json!([{"role": "assistant", "parts": [{"type": "tool_call", "name": "search", "arguments": "{\"q\":1}"}]}]),
            json!([{"role": "assistant", "content": [{"type": "tool-call", "toolName": "search", "args": "{\"q\":1}"}]}]),
        ] {
            assert_eq!(read(&shape, "assistant")[0].parts, std::slice::from_ref(&call), "{shape}");
        }
        let result = json!([{"role": "tool", "name": "search", "content": "found"}]);
        assert_eq!(
            read(&result, "user")[0].parts,
            [Part::ToolResult { name: "search".to_owned(), result: "found".to_owned() }]
        );
    }

    #[test]
    fn what_a_message_says_is_escaped() {
        let Value::Object(attributes) =
            json!({"gen_ai.request.messages": [{"role": "<b>", "content": "<script>x</script>"}]})
        else {
            return;
        };
        let page = conversation(&attributes).map(maud::Markup::into_string).unwrap_or_default();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("<b>"), "{page}");
    }

    #[test]
    fn a_long_conversation_is_cut_in_its_middle() {
        let many: Vec<Value> = (0..500).map(|at| json!({"role": "user", "content": format!("m{at}")})).collect();
        let Value::Object(attributes) = json!({"gen_ai.input.messages": many}) else { return };
        let page = conversation(&attributes).map(maud::Markup::into_string).unwrap_or_default();
        assert!(
            page.contains("m0<")
                && page.contains("m499<")
                && page.contains("400 messages between")
                && !page.contains("m100<")
        );
    }
}
