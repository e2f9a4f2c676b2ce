//! What the tables' rows look at: the span, and what has to be read only once for several rows.

use std::{borrow::Cow, cell::OnceCell};

use watchpost_sentry::wire::{AttributeValue, Timestamp};

use super::{AiSettings, content::Answer};
use crate::{
    mapping::limit::{self, cut},
    model::{
        AgentRunAttributes, FinishedSpan, McpServerRequestAttributes, ModelGenerationAttributes, Span, SpanAttributes,
        ToolCallAttributes, UsageStats,
    },
};

/// A span and what is known of it.
pub(super) struct Facts<'a> {
    pub(super) finished: &'a FinishedSpan,
    pub(super) span: &'a Span,
    pub(super) settings: &'a AiSettings,
    /// Tokens: gathered, else the span's own.
    pub(super) usage: Option<&'a UsageStats>,
    answer: OnceCell<Answer<'a>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(finished: &'a FinishedSpan, settings: &'a AiSettings) -> Self {
        let span = &finished.span;
        let usage = finished.gathered.usage.as_ref().or_else(|| span.attributes.usage());
        Self { finished, span, settings, usage, answer: OnceCell::new() }
    }

    pub(super) fn generation(&self) -> Option<&'a ModelGenerationAttributes> {
        self.span.attributes.generation()
    }

    pub(super) fn agent_run(&self) -> Option<&'a AgentRunAttributes> {
        self.span.attributes.agent_run()
    }

    pub(super) fn tool(&self) -> Option<&'a ToolCallAttributes> {
        self.span.attributes.tool()
    }

    pub(super) fn mcp_request(&self) -> Option<&'a McpServerRequestAttributes> {
        if let SpanAttributes::McpServerRequest(request) = &self.span.attributes { Some(request) } else { None }
    }

    /// When the first token came.
    pub(super) fn first_token_at(&self) -> Option<Timestamp> {
        self.generation()
            .and_then(|generation| generation.completion_start_time)
            .or(self.finished.gathered.first_token_at)
    }

    /// Seconds from the start to the first token.
    pub(super) fn seconds_to_first_token(&self) -> Option<f64> {
        let at = self.first_token_at().filter(|at| *at >= self.span.start)?;
        Some(at.duration_since(self.span.start).as_secs_f64())
    }

    /// The output, read as a model's answer.
    pub(super) fn answer(&self) -> &Answer<'a> {
        self.answer.get_or_init(|| self.span.output.as_ref().map(Answer::read).unwrap_or_default())
    }

    /// A value of the host's metadata that is a text.
    pub(super) fn metadata(&self, key: &str) -> Option<&'a str> {
        metadata_text(self.span, key)
    }
}

/// A value of a span's metadata that is a text or a number.
pub(super) fn metadata_text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let (_, value) = span.metadata.iter().find(|(name, _)| **name == *key)?;
    let is_scalar = !value.is_json() || value.as_str().bytes().all(|byte| byte.is_ascii_digit());
    Some(value.as_str()).filter(|text| is_scalar && !text.trim().is_empty())
}

/// A name, id or other short text; an empty one says nothing.
pub(super) fn text(text: Option<&str>) -> Option<AttributeValue<'_>> {
    text.filter(|text| !text.is_empty()).map(|text| AttributeValue::String(cut(text, limit::ATTRIBUTE)))
}

/// Content, at its whole length: what is too long is cut when sizes are known.
pub(super) fn content<'a>(content: impl Into<Cow<'a, str>>) -> AttributeValue<'a> {
    AttributeValue::String(content.into())
}
