//! The ways a call fails, as [`ErrorInfo`]. Source: the MCP schema (`CallToolResult.isError`), JSON-RPC 2.0 §5.1.

use std::time::Duration;

use crate::{
    mcp::{Field, Message},
    model::{ContentBlock, ErrorInfo, ErrorKind},
};

/// What stands for a message that is not there, in AgentCat's words.
const UNKNOWN: &str = "Unknown error";

/// A result with `isError: true`: its text blocks are the message.
pub(super) fn tool(answer: &Message) -> ErrorInfo {
    let content = answer.content();
    let blocks = content.blocks().map(|(ty, text)| ContentBlock { ty: ty.to_owned(), text: text.map(str::to_owned) });
    ErrorInfo { content: blocks.collect(), ..failure(ErrorKind::Tool, content.joined_text()) }
}

/// A JSON-RPC error.
pub(super) fn protocol(answer: &Message) -> ErrorInfo {
    let message = answer.text(Field::ErrorMessage).unwrap_or_default().trim();
    ErrorInfo {
        code: answer.error_code(),
        data: answer.text(Field::ErrorData).map(str::to_owned),
        ..failure(ErrorKind::Protocol, message.to_owned())
    }
}

/// The connection closed before the answer.
pub(super) fn unanswered() -> ErrorInfo {
    failure(ErrorKind::Unanswered, "The connection closed before the answer".to_owned())
}

/// The call was open for longer than `age`.
pub(super) fn timeout(age: Duration) -> ErrorInfo {
    failure(ErrorKind::Timeout, format!("No answer within {} s", age.as_secs()))
}

fn failure(kind: ErrorKind, message: String) -> ErrorInfo {
    let message = if message.is_empty() { UNKNOWN.to_owned() } else { message };
    ErrorInfo { kind, message, ..ErrorInfo::default() }
}
