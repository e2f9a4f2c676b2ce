//! A model's output as a generation and its agent look at it: the text, and the list of the tools' calls.

use std::borrow::Cow;

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
        Self { text, is_json: true, tool_calls }
    }

    /// The text, if there is any.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        let text = if self.is_json { json::text(self.text?)? } else { Cow::Borrowed(self.text?) };
        (!text.is_empty()).then_some(text)
    }
}
