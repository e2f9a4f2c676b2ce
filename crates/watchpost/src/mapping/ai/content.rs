//! The content of generations and agents' runs, as Sentry's views read it: messages as a JSON array, the text of an answer, its
//! tool calls. What is already in that shape is borrowed from the payload. Source: seed 004 (`gen_ai.request.messages`, …).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    json::{self, pick},
    model::{GatheredToolCall, Payload},
};

/// About how long a tool's call is without its arguments.
const TOOL_CALL_LENGTH: usize = 128;

/// Messages as the text of a JSON array: those of `{messages}`, an array as it is, anything else as one message of the user.
pub(super) fn messages(input: &Payload) -> Option<Cow<'_, str>> {
    let text = input.as_str().trim();
    if !input.is_json() {
        return (!text.is_empty()).then(|| Cow::Owned(user_message(text)));
    }
    match text.as_bytes().first()? {
        b'[' => Some(Cow::Borrowed(text)).filter(|messages| !is_empty_array(messages)),
        b'{' => match pick(text, ["messages"]) {
            Some([Some(array)]) if array.starts_with('[') => {
                Some(Cow::Borrowed(array)).filter(|array| !is_empty_array(array))
            }
            Some([Some(other)]) => json::text(other)
                .map_or_else(|| Some(user_message(other)), |text| (!text.is_empty()).then(|| user_message(&text)))
                .map(Cow::Owned),
            // One message by itself, or anything the host gave.
            Some([None]) if text.contains("\"role\"") => Some(Cow::Owned(format!("[{text}]"))),
            _ if text == "{}" => None,
            _ => Some(Cow::Owned(user_message(text))),
        },
        _ if text == "null" => None,
        _ => Some(Cow::Owned(user_message(text))),
    }
}

/// What a generation or an agent's run gave.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    /// The text; of a structured answer its JSON.
    pub(super) text: Option<Cow<'a, str>>,
    /// The model's reasoning, where it is given.
    pub(super) reasoning: Option<Cow<'a, str>>,
    /// Its tool calls as the text of a JSON array, in the provider's own shape.
    tool_calls: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads an output: a text, `{text, object, reasoningText, toolCalls, …}`, or any other JSON, which is the answer as it is.
    pub(super) fn read(output: &'a Payload) -> Self {
        let text = output.as_str();
        if !output.is_json() {
            return Self { text: filled(Cow::Borrowed(text)), ..Self::default() };
        }
        if text.starts_with('{')
            && let Some([own, object, reasoning, tool_calls]) =
                pick(text, ["text", "object", "reasoningText", "toolCalls"])
        {
            let known = [own, object, reasoning, tool_calls].iter().any(Option::is_some);
            let answer = own.and_then(json::text).and_then(filled).or(object.map(Cow::Borrowed));
            return Self {
                text: if known { answer } else { Some(Cow::Borrowed(text)).filter(|text| *text != "{}") },
                reasoning: reasoning.and_then(json::text).and_then(filled),
                tool_calls: tool_calls.filter(|calls| calls.starts_with('[') && !is_empty_array(calls)),
            };
        }
        Self { text: Some(Cow::Borrowed(text)).filter(|text| *text != "null"), ..Self::default() }
    }

    /// The tool calls of a generation: those that were made, else those that the answer asks for.
    pub(super) fn tool_calls(&self, made: &[GatheredToolCall]) -> Option<String> {
        if !made.is_empty() {
            let arguments = |call: &GatheredToolCall| call.arguments.as_ref().map_or(0, Payload::len);
            let length = made.iter().map(|call| arguments(call) + TOOL_CALL_LENGTH).sum();
            return Some(write_tool_calls(made.iter().map(ToolCall::from), length));
        }
        let list = self.tool_calls?;
        let asked: Vec<AskedToolCall<'_>> = serde_json::from_str(list).ok()?;
        Some(write_tool_calls(asked.into_iter().map(ToolCall::from), list.len()))
    }
}

/// The member `arguments` of an MCP request, or the whole of it.
pub(super) fn arguments(input: &Payload) -> &str {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    let request = serde_json::from_str::<Request<'_>>(input.as_str()).ok().filter(|_| input.is_json());
    request.and_then(|request| request.arguments).map_or(input.as_str(), RawValue::get)
}

/// Whether an MCP result says that the tool failed.
pub(super) fn is_error_result(output: &Payload) -> Option<bool> {
    #[derive(Deserialize)]
    struct Result {
        #[serde(rename = "isError")]
        is_error: Option<bool>,
    }
    serde_json::from_str::<Result>(output.as_str()).ok()?.is_error
}

/// A tool call in an answer, by the names of either generation of the AI SDK.
#[derive(Deserialize)]
struct AskedToolCall<'a> {
    #[serde(borrow, rename = "toolCallId", alias = "id")]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "toolName", alias = "name")]
    name: Option<&'a RawValue>,
    #[serde(borrow, rename = "args", alias = "input", alias = "arguments")]
    arguments: Option<&'a RawValue>,
}

struct ToolCall<'a> {
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    /// JSON.
    arguments: Option<Cow<'a, str>>,
}

impl<'a> From<&'a GatheredToolCall> for ToolCall<'a> {
    fn from(call: &'a GatheredToolCall) -> Self {
        Self {
            id: call.id.as_deref().map(Cow::Borrowed),
            name: Some(Cow::Borrowed(&call.name)),
            arguments: call.arguments.as_ref().map(Payload::to_json),
        }
    }
}

impl<'a> From<AskedToolCall<'a>> for ToolCall<'a> {
    fn from(call: AskedToolCall<'a>) -> Self {
        Self {
            id: call.id.map(RawValue::get).and_then(json::text),
            name: call.name.map(RawValue::get).and_then(json::text),
            arguments: call.arguments.map(|arguments| Cow::Borrowed(arguments.get())),
        }
    }
}

/// `[{"id": …, "name": …, "type": "function", "arguments": …}, …]`.
fn write_tool_calls<'a>(calls: impl Iterator<Item = ToolCall<'a>>, about: usize) -> String {
    let mut json = String::with_capacity(about);
    json.push('[');
    for call in calls {
        json.push_str(if json.len() > 1 { ",{" } else { "{" });
        if let Some(id) = &call.id {
            json.push_str("\"id\":");
            push_string(&mut json, id);
            json.push(',');
        }
        if let Some(name) = &call.name {
            json.push_str("\"name\":");
            push_string(&mut json, name);
            json.push(',');
        }
        json.push_str("\"type\":\"function\"");
        if let Some(arguments) = &call.arguments {
            json.push_str(",\"arguments\":");
            json.push_str(arguments);
        }
        json.push('}');
    }
    json.push(']');
    json
}

/// `[{"role":"user","content":"…"}]`.
fn user_message(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 40);
    json.push_str("[{\"role\":\"user\",\"content\":");
    push_string(&mut json, text);
    json.push_str("}]");
    json
}

fn push_string(json: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        // A string is always serialised.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

fn filled(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(text).filter(|text| !text.is_empty())
}

fn is_empty_array(json: &str) -> bool {
    json.len() <= 16
        && json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| inner.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Payload {
        Payload::from_json(text).unwrap()
    }

    #[test]
    fn messages_are_always_an_array() {
        let wrapped = r#"[{"role":"user","content":"Hi \"you\""}]"#;
        for (input, expected) in [
            (Payload::text("Hi \"you\""), Some(wrapped)),
            (
                json(r#"{"messages":[{"role":"user","content":"Q"}],"schema":{}}"#),
                Some(r#"[{"role":"user","content":"Q"}]"#),
            ),
            (json(r#"[{"role":"user","content":"Q"}]"#), Some(r#"[{"role":"user","content":"Q"}]"#)),
            (json(r#"{"messages":"Hi \"you\""}"#), Some(wrapped)),
            (json(r#"{"role":"user","content":"Q"}"#), Some(r#"[{"role":"user","content":"Q"}]"#)),
            (json(r#"{"q":1}"#), Some(r#"[{"role":"user","content":"{\"q\":1}"}]"#)),
            (json("7"), Some(r#"[{"role":"user","content":"7"}]"#)),
            (json("[]"), None),
            (json(r#"{"messages":[ ]}"#), None),
            (json("null"), None),
            (Payload::text(""), None),
        ] {
            assert_eq!(messages(&input).as_deref(), expected, "{input:?}");
        }
    }

    #[test]
    fn messages_in_the_right_shape_are_borrowed() {
        assert!(matches!(messages(&json(r#"{"messages":[1]}"#)), Some(Cow::Borrowed("[1]"))));
        assert!(matches!(messages(&json("[1]")), Some(Cow::Borrowed("[1]"))));
    }

    #[test]
    fn an_answer_is_its_text_else_its_object_else_all_of_it() {
        for (output, expected) in [
            (Payload::text("four"), Some("four")),
            (json(r#"{"text":"fo\nur","files":[]}"#), Some("fo\nur")),
            (json(r#"{"text":"","object":{"a":1}}"#), Some(r#"{"a":1}"#)),
            (json(r#"{"text":"","toolCalls":[]}"#), None),
            (json(r#"{"status":"suspended"}"#), Some(r#"{"status":"suspended"}"#)),
            (json("[1]"), Some("[1]")),
            (json("null"), None),
        ] {
            assert_eq!(Answer::read(&output).text.as_deref(), expected, "{output:?}");
        }
        let output = json(r#"{"text":"4","reasoningText":"2 and 2"}"#);
        assert_eq!(Answer::read(&output).reasoning.as_deref(), Some("2 and 2"));
    }

    #[test]
    fn tool_calls_that_were_made_count_before_those_in_the_answer() {
        let output = json(
            r#"{"toolCalls":[{"toolCallId":"c\n1","toolName":"sum","args":{"n":[1]}},{"toolName":"x","input":"y"}]}"#,
        );
        let answer = Answer::read(&output);
        assert_eq!(
            answer.tool_calls(&[]).as_deref(),
            Some(
                r#"[{"id":"c\n1","name":"sum","type":"function","arguments":{"n":[1]}},{"name":"x","type":"function","arguments":"y"}]"#
            )
        );
        let made = GatheredToolCall { id: None, name: "a\"b".into(), arguments: Some(Payload::text("t")) };
        assert_eq!(
            answer.tool_calls(&[made]).as_deref(),
            Some(r#"[{"name":"a\"b","type":"function","arguments":"t"}]"#)
        );
        assert_eq!(Answer::default().tool_calls(&[]), None);
    }
}
