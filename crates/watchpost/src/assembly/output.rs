//! A model's output as a generation and its agent look at it: the text, and the list of the tools' calls.

use std::borrow::Cow;

use memchr::memmem;

use crate::{
    json::{self, pick},
    model::Payload,
};

/// What there is in an output: a text, or `{text, toolCalls, …}`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Output<'a> {
    text: Option<&'a str>,
    is_json: bool,
    /// An array.
    pub(super) tool_calls: Option<&'a str>,
}

impl<'a> Output<'a> {
    pub(super) fn read(output: &'a Payload) -> Self {
        if !output.is_json() {
            return Self { text: Some(output.as_str()), ..Self::default() };
        }
        let [text, tool_calls] = pick(output.as_str(), ["text", "toolCalls"]).unwrap_or_default();
        Self { text, is_json: true, tool_calls: tool_calls.filter(|_| lists_calls(output.as_str())) }
    }

    /// The text, if there is any.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        let text = if self.is_json { json::text(self.text?)? } else { Cow::Borrowed(self.text?) };
        (!text.is_empty()).then_some(text)
    }
}

/// Whether the first list of calls in an output has any.
fn lists_calls(output: &str) -> bool {
    const NAME: &[u8] = b"\"toolCalls\"";
    memmem::find(output.as_bytes(), NAME).is_some_and(|at| {
        let rest = output[at + NAME.len()..].trim_start_matches([' ', '\n', '\r', '\t', ':']);
        rest.strip_prefix('[').is_some_and(|rest| !rest.trim_start().starts_with(']'))
    })
}
