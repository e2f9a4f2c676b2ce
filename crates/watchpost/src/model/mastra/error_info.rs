//! The `errorInfo` of a span: an object as Mastra makes it, or just a text.

use serde_json::value::RawValue;

use crate::model::{
    ErrorInfo, ErrorKind,
    json::{Members, find, read_members, read_text},
};

/// Longest `data` kept, in bytes, as the model says.
const MAX_DATA: usize = 2048;
/// Longest stack kept, in bytes: far more than the frames that are sent.
const MAX_STACK: usize = 64 * 1024;
/// Most causes kept, one within the other.
const MAX_CAUSES: usize = 10;

/// The failure; `None` when there is none. One that says nothing is one too.
pub(super) fn read(json: &RawValue) -> Option<ErrorInfo> {
    if let Some(message) = read_text(json) {
        return Some(ErrorInfo { kind: ErrorKind::Span, message: message.into(), ..ErrorInfo::default() });
    }
    let members = read_members(json)?;
    let mut error = read_one(&members);
    let mut cause = find(&members, "cause");
    while let Some(json) = cause.filter(|_| error.causes.len() < MAX_CAUSES) {
        let members = read_members(json).unwrap_or_default();
        error.causes.push(match read_text(json) {
            Some(message) => ErrorInfo { kind: ErrorKind::Span, message: message.into(), ..ErrorInfo::default() },
            None => read_one(&members),
        });
        cause = find(&members, "cause");
    }
    // What is thrown and no error (a text, `null`) has nothing that Mastra copies, and is a failure all the same.
    Some(error)
}

fn read_one(members: &Members<'_>) -> ErrorInfo {
    let text = |name: &str| find(members, name).and_then(read_text).map(String::from);
    ErrorInfo {
        kind: ErrorKind::Span,
        // An error may be thrown with an object for a message.
        message: text("message")
            .or_else(|| find(members, "message").map(|json| json.get().to_owned()).filter(|json| json != "\"\""))
            .unwrap_or_default(),
        ty: text("name"),
        id: text("id"),
        domain: text("domain"),
        category: text("category"),
        stack: text("stack").map(|stack| cut(stack, MAX_STACK)),
        data: find(members, "details")
            .map(|details| details.get().to_owned())
            .filter(|details| details != "{}")
            .map(|details| cut(details, MAX_DATA)),
        ..ErrorInfo::default()
    }
}

fn cut(mut text: String, longest: usize) -> String {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}
