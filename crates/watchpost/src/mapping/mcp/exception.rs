//! The exceptions of an error event: the failure and what caused it. Source: Sentry's exception interface.

use std::borrow::Cow;

use watchpost_sentry::wire::{Exception, Mechanism, Value};

use super::{
    failure::{error_type, exception_type, is_handled},
    span::{span_name, tool},
    transaction::ORIGIN,
};
use crate::{
    mapping::{
        limit::{self, cut, cut_cow},
        stack,
    },
    model::{ErrorInfo, McpEvent},
};

/// Most causes sent with a failure.
const MAX_CAUSES: usize = 10;
/// Most frames of the failure, which is what Relay keeps, and of each cause; of more, the middle is cut out.
const MAX_FRAMES: usize = 50;
const MAX_CAUSE_FRAMES: usize = 20;

/// The failure and its causes, the oldest cause first, as Sentry wants them.
pub(super) fn exceptions<'a>(event: &'a McpEvent, error: &'a ErrorInfo) -> Vec<Exception<'a>> {
    let mut exceptions: Vec<_> = causes(error)
        .take(MAX_CAUSES)
        .zip(1_u32..)
        .map(|(cause, id)| Exception {
            mechanism: Some(Mechanism {
                ty: Cow::Borrowed("chained"),
                exception_id: Some(id),
                parent_id: Some(id - 1),
                ..Mechanism::default()
            }),
            ..exception(cause, cut(&cause.message, limit::ATTRIBUTE), MAX_CAUSE_FRAMES)
        })
        .collect();
    exceptions.reverse();
    let is_chain = !exceptions.is_empty();

    let message = if error.message.trim().is_empty() {
        // Without a message (it may not be captured) the issue still says what failed.
        Cow::Owned(format!("{} failed", span_name(event)))
    } else {
        Cow::Borrowed(error.message.as_str())
    };
    exceptions.push(Exception {
        mechanism: Some(Mechanism {
            ty: Cow::Borrowed(ORIGIN),
            handled: Some(is_handled(error)),
            exception_id: is_chain.then_some(0),
            data: data(event, error),
            ..Mechanism::default()
        }),
        ..exception(error, cut_cow(message, limit::MESSAGE), MAX_FRAMES)
    });
    exceptions
}

/// The causes, nearest first; a cause may itself have causes.
fn causes(error: &ErrorInfo) -> impl Iterator<Item = &ErrorInfo> {
    let mut pending: Vec<_> = error.causes.iter().rev().collect();
    std::iter::from_fn(move || {
        let cause = pending.pop()?;
        pending.extend(cause.causes.iter().rev());
        Some(cause)
    })
}

fn exception<'a>(error: &'a ErrorInfo, value: Cow<'a, str>, max_frames: usize) -> Exception<'a> {
    Exception {
        ty: cut_cow(exception_type(error), limit::EXCEPTION_TYPE),
        value,
        module: None,
        mechanism: None,
        frames: stack::frames(error, max_frames),
    }
}

fn data<'a>(event: &'a McpEvent, error: &ErrorInfo) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let rows = [
        ("error_type", Some(Value::from(error_type(event, error)))),
        ("tool_name", tool(event).map(|tool| Value::String(cut(tool, limit::TAG)))),
        ("code", error.code.map(Value::Integer)),
    ];
    rows.into_iter().filter_map(|(key, value)| Some((Cow::Borrowed(key), value?))).collect()
}
