//! The `error` of an event: an object as AgentCat's SDKs make it, any other object, or just a text.

use serde_json::{Map, Value};

use super::member::Members;
use crate::model::{ErrorInfo, ErrorKind, StackFrame};

/// Longest `data` kept, in bytes, as the model says.
const MAX_DATA: usize = 2048;
/// Most causes kept, as many as AgentCat's SDKs send.
const MAX_CAUSES: usize = 10;
/// Most frames kept, twice as many as AgentCat's SDKs send.
const MAX_FRAMES: usize = 100;
/// The members of an error that have a place of their own.
const KNOWN: &[&str] =
    &["message", "type", "name", "stack", "frames", "chained_errors", "chainedErrors", "platform", "code", "data"];

/// The failure of an event, from its `error` or else from the text of its `response`.
pub(super) fn read(event: Members<'_>, response: Members<'_>, sdk_language: Option<&str>) -> Option<ErrorInfo> {
    let fallback = platform_of_sdk(sdk_language);
    match event.find(&["error"]) {
        Some(error) => Some(read_error(error, fallback)),
        None if response.flag(&["isError", "is_error"]) == Some(true) => Some(ErrorInfo {
            message: text_of(response),
            platform: fallback.map(str::to_owned),
            ..ErrorInfo::default()
        }),
        None => None,
    }
}

fn read_error(error: &Value, platform: Option<&str>) -> ErrorInfo {
    let Value::Object(object) = error else {
        let message = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return ErrorInfo { message, platform: platform.map(str::to_owned), ..ErrorInfo::default() };
    };
    let error = Members::of(object);
    let code = error.integer(&["code"]);
    let platform = error.text(&["platform"]).or_else(|| platform.map(str::to_owned));
    let causes = error.array(&["chained_errors", "chainedErrors"]).take(MAX_CAUSES);
    ErrorInfo {
        kind: if code.is_some() { ErrorKind::Protocol } else { ErrorKind::Tool },
        message: error
            .text(&["message"])
            .or_else(|| error.find(&["message"]).map(Value::to_string))
            .unwrap_or_default(),
        ty: error.text(&["type", "name"]),
        code,
        data: read_data(object),
        stack: error.text(&["stack"]),
        frames: read_frames(error, platform.as_deref()),
        causes: causes.map(|cause| read_error(cause, platform.as_deref())).collect(),
        platform,
        ..ErrorInfo::default()
    }
}

/// `data`, or what an error has beside the members known here (`{"message": …, "code": "E_CARD"}`).
fn read_data(error: &Map<String, Value>) -> Option<String> {
    let is_known = |key: &str, value: &Value| KNOWN.contains(&key) && !(key == "code" && value.is_string());
    let mut data = match error.get("data").filter(|data| !data.is_null()) {
        Some(data) => data.to_string(),
        None => {
            let rest: Map<String, Value> = error
                .iter()
                .filter(|(key, value)| !value.is_null() && !is_known(key, value))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if rest.is_empty() {
                return None;
            }
            Value::Object(rest).to_string()
        }
    };
    let end = (0..=MAX_DATA.min(data.len())).rev().find(|end| data.is_char_boundary(*end)).unwrap_or(0);
    data.truncate(end);
    Some(data)
}

/// The frames, oldest call first: Python's are, the others' come newest first.
fn read_frames(error: Members<'_>, platform: Option<&str>) -> Vec<StackFrame> {
    let mut frames: Vec<_> = error
        .array(&["frames"])
        .filter_map(Value::as_object)
        .take(MAX_FRAMES)
        .map(|frame| read_frame(Members::of(frame)))
        .collect();
    if platform != Some("python") {
        frames.reverse();
    }
    frames
}

fn read_frame(frame: Members<'_>) -> StackFrame {
    // V8 writes `at async file://…` for an anonymous frame, and AgentCat takes the `async` for a part of the path.
    let path = |names: &[&str]| frame.text(names).map(|path| path.strip_prefix("async ").unwrap_or(&path).to_owned());
    StackFrame {
        filename: path(&["filename"]),
        abs_path: path(&["abs_path", "absPath"]),
        function: frame.text(&["function"]),
        module: frame.text(&["module"]),
        lineno: frame.integer(&["lineno"]),
        colno: frame.integer(&["colno"]),
        in_app: frame.flag(&["in_app", "inApp"]),
        context_line: frame.text(&["context_line", "contextLine"]),
    }
}

/// The text blocks of a result, joined by a space, as AgentCat makes the message of a failed result.
fn text_of(response: Members<'_>) -> String {
    let texts: Vec<_> = response
        .array(&["content"])
        .filter_map(|block| block.get("text")?.as_str())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    texts.join(" ")
}

fn platform_of_sdk(sdk_language: Option<&str>) -> Option<&'static str> {
    let sdk = sdk_language?;
    [
        ("TypeScript", "javascript"),
        ("JavaScript", "javascript"),
        ("Python", "python"),
        ("Go", "go"),
        ("Rust", "rust"),
        ("Ruby", "ruby"),
    ]
    .iter()
    .find(|(language, _)| sdk.starts_with(language))
    .map(|(_, platform)| *platform)
}
