//! What is kept of a handler's answer. The answer itself is only looked at.

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorData, GetPromptResponse, GetPromptResult, InitializeResult,
    ReadResourceResponse, ReadResourceResult, ServerResult,
};
use serde::Serialize;

use crate::model::{self, ErrorInfo, ErrorKind};

/// Bytes of text kept of a failed result's blocks, and blocks kept.
const TEXT_LIMIT: usize = 8 * 1024;
const BLOCK_LIMIT: usize = 64;
/// Bytes kept of a JSON-RPC error's data.
const DATA_LIMIT: usize = 2 * 1024;
/// Bytes kept of arguments and of results, each.
const CAPTURE_LIMIT: usize = 1 << 20;
/// What stands for a message that is not there, in AgentCat's words.
const UNKNOWN: &str = "Unknown error";

/// What is kept of an answer.
#[derive(Debug, Default)]
pub(super) struct AnswerFacts {
    pub(super) error: Option<Box<ErrorInfo>>,
    pub(super) content_count: Option<u64>,
    /// As JSON, when it is captured.
    pub(super) result: Option<String>,
    /// The revision that an `initialize` agreed on.
    pub(super) protocol_version: Option<String>,
}

/// An answer of a handler.
pub(super) trait Answer {
    /// What is kept of it; its JSON only if `capture` is set.
    fn facts(&self, capture: bool) -> AnswerFacts;
}

/// An answer of which only its content may be kept.
macro_rules! plain_answers {
    ($($answer:ty,)*) => {$(
        impl Answer for $answer {
            fn facts(&self, capture: bool) -> AnswerFacts {
                plain(self, capture)
            }
        }
    )*};
}

plain_answers! {
    (),
    rmcp::model::CompleteResult,
    rmcp::model::CustomResult,
    rmcp::model::DiscoverResult,
    rmcp::model::GetSkillResult,
    rmcp::model::GetTaskResult,
    rmcp::model::ListPromptsResult,
    rmcp::model::ListResourceTemplatesResult,
    rmcp::model::ListResourcesResult,
    rmcp::model::ListSkillsResult,
    rmcp::model::ListToolsResult,
}

fn plain(answer: &impl Serialize, capture: bool) -> AnswerFacts {
    AnswerFacts { result: capture.then(|| json(answer)).flatten(), ..AnswerFacts::default() }
}

impl Answer for InitializeResult {
    fn facts(&self, capture: bool) -> AnswerFacts {
        AnswerFacts { protocol_version: Some(self.protocol_version.as_str().to_owned()), ..plain(self, capture) }
    }
}

impl Answer for CallToolResult {
    fn facts(&self, capture: bool) -> AnswerFacts {
        AnswerFacts {
            error: (self.is_error == Some(true)).then(|| Box::new(tool_error(&self.content))),
            content_count: Some(self.content.len() as u64),
            ..plain(self, capture)
        }
    }
}

impl Answer for CallToolResponse {
    fn facts(&self, capture: bool) -> AnswerFacts {
        match self {
            Self::Complete(result) => result.facts(capture),
            Self::InputRequired(result) => plain(result, capture),
            Self::Task(result) => plain(result, capture),
            _ => AnswerFacts::default(),
        }
    }
}

impl Answer for GetPromptResult {
    fn facts(&self, capture: bool) -> AnswerFacts {
        AnswerFacts { content_count: Some(self.messages.len() as u64), ..plain(self, capture) }
    }
}

impl Answer for GetPromptResponse {
    fn facts(&self, capture: bool) -> AnswerFacts {
        match self {
            Self::Complete(result) => result.facts(capture),
            Self::InputRequired(result) => plain(result, capture),
            _ => AnswerFacts::default(),
        }
    }
}

impl Answer for ReadResourceResult {
    fn facts(&self, capture: bool) -> AnswerFacts {
        AnswerFacts { content_count: Some(self.contents.len() as u64), ..plain(self, capture) }
    }
}

impl Answer for ReadResourceResponse {
    fn facts(&self, capture: bool) -> AnswerFacts {
        match self {
            Self::Complete(result) => result.facts(capture),
            Self::InputRequired(result) => plain(result, capture),
            _ => AnswerFacts::default(),
        }
    }
}

impl Answer for ServerResult {
    fn facts(&self, capture: bool) -> AnswerFacts {
        match self {
            Self::CallToolResult(result) => result.facts(capture),
            Self::GetPromptResult(result) => result.facts(capture),
            Self::ReadResourceResult(result) => result.facts(capture),
            other => plain(other, capture),
        }
    }
}

/// A result with `isError: true`: its text blocks are the message.
fn tool_error(content: &[ContentBlock]) -> ErrorInfo {
    let mut room = TEXT_LIMIT;
    let mut blocks = Vec::new();
    for block in content.iter().take(BLOCK_LIMIT) {
        let (ty, text) = match block {
            ContentBlock::Text(text) => ("text", Some(cut(&text.text, room))),
            ContentBlock::Image(_) => ("image", None),
            ContentBlock::Audio(_) => ("audio", None),
            ContentBlock::Resource(_) => ("resource", None),
            ContentBlock::ResourceLink(_) => ("resource_link", None),
            _ => ("unknown", None),
        };
        room -= text.as_ref().map_or(0, String::len).min(room);
        blocks.push(model::ContentBlock { ty: ty.to_owned(), text });
    }
    let texts: Vec<_> = blocks.iter().filter_map(|block| block.text.as_deref()).collect();
    let message = texts.join(" ").trim().to_owned();
    let message = if message.is_empty() { UNKNOWN.to_owned() } else { message };
    ErrorInfo { kind: ErrorKind::Tool, message, content: blocks, ..ErrorInfo::default() }
}

/// A JSON-RPC error.
pub(super) fn protocol_error(error: &ErrorData) -> ErrorInfo {
    let message = cut(error.message.trim(), TEXT_LIMIT);
    ErrorInfo {
        kind: ErrorKind::Protocol,
        message: if message.is_empty() { UNKNOWN.to_owned() } else { message },
        code: Some(i64::from(error.code.0)),
        data: error.data.as_ref().map(|data| cut(&data.to_string(), DATA_LIMIT)),
        ..ErrorInfo::default()
    }
}

/// A value's JSON, cut to what is kept of content.
pub(super) fn json(value: &impl Serialize) -> Option<String> {
    let mut json = serde_json::to_string(value).ok()?;
    if json.len() > CAPTURE_LIMIT {
        json = cut(&json, CAPTURE_LIMIT);
    }
    Some(json)
}

/// At most `limit` bytes, marked where it was cut.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
