//! Seed 000, "Extra Data": further context of transactions and error events, and the error itself.

use std::{borrow::Cow, time::Duration};

use watchpost_sentry::wire::Value;

use crate::{
    mapping::{
        Settings,
        limit::{self, cut_json, fit},
        stack,
    },
    model::{ContentBlock, ErrorInfo, McpEvent},
};

/// An extra's value, if the event has it.
type Extra = for<'a> fn(&'a McpEvent, &'a Settings) -> Option<Value<'a>>;

#[rustfmt::skip]
const EXTRA: &[(&str, Extra)] = &[
    // extra            value                                                                                      AgentCat field
    ("session_id",      |event, _| text(event.session_id.as_deref())),                                          // session_id
    ("project_id",      |event, _| text(event.project_id.as_deref())),                                          // project_id
    ("user_intent",     |event, _| text(event.user_intent.as_deref())),                                         // user_intent
    ("duration_ms",     |event, _| event.duration.map(|duration| Value::Double(milliseconds(duration)))),       // duration
    ("actor_name",      |event, _| text(event.actor.as_ref()?.name.as_deref())),                                // identify_actor_name
    ("actor_data",      |event, _| Some(fit(event.actor.as_ref()?.data.as_ref()?, limit::EXTRA_BYTES))),        // identify_actor_data
    ("client_version",  |event, _| text(event.client.version.as_deref())),                                      // client_version
    ("server_version",  |event, _| text(event.server.version.as_deref())),                                      // server_version
    // Beyond the seed's table, as AgentCat's exporter sends it:
    ("error",           |event, _| event.error.as_ref().filter(|_| event.is_error).map(error)),                 // error
];

pub(super) fn extra<'a>(event: &'a McpEvent, settings: &'a Settings) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let rows = EXTRA.iter().filter_map(|(name, value)| Some((Cow::Borrowed(*name), value(event, settings)?)));
    let mut extra = Vec::with_capacity(EXTRA.len());
    extra.extend(rows);
    extra
}

/// Milliseconds with three decimals: a microsecond is the wire's precision too.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
    let micros = duration.as_micros() as f64;
    micros / 1e3
}

fn text(text: Option<&str>) -> Option<Value<'_>> {
    text.map(|text| Value::String(cut_json(text, limit::EXTRA_BYTES)))
}

/// The longest part of an error, in bytes. All parts together stay within one extra value.
const PART_BYTES: usize = 2048;
/// Most content blocks of an error, and the longest text of one, in bytes.
const MAX_BLOCKS: usize = 8;
const BLOCK_BYTES: usize = 512;

/// The error but for what the exception itself shows: frames, causes and the whole message.
fn error(error: &ErrorInfo) -> Value<'_> {
    let unread_stack = error.stack.as_deref().filter(|_| stack::frames(error, 1).is_empty());
    #[rustfmt::skip]
    let rows = [
        ("message",   Some(part(&error.message))),
        ("type",      error.ty.as_deref().map(part)),
        ("code",      error.code.map(Value::Integer)),
        ("data",      error.data.as_deref().map(part)),
        ("platform",  error.platform.as_deref().map(part)),
        ("stack",     unread_stack.map(part)),
        ("content",   blocks(&error.content)),
    ];
    Value::Object(rows.into_iter().filter_map(|(name, value)| Some((Cow::Borrowed(name), value?))).collect())
}

fn part(text: &str) -> Value<'_> {
    Value::String(cut_json(text, PART_BYTES))
}

/// The content blocks of a failed result; a single text is the message again.
fn blocks(blocks: &[ContentBlock]) -> Option<Value<'_>> {
    if matches!(blocks, [] | [ContentBlock { text: Some(_), .. }]) {
        return None;
    }
    Some(Value::Array(blocks.iter().take(MAX_BLOCKS).map(block).collect()))
}

fn block(block: &ContentBlock) -> Value<'_> {
    let ty = (Cow::Borrowed("type"), Value::String(cut_json(&block.ty, 64)));
    let text = block.text.as_deref().map(|text| (Cow::Borrowed("text"), Value::String(cut_json(text, BLOCK_BYTES))));
    Value::Object([ty].into_iter().chain(text).collect())
}
