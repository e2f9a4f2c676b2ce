//! The exceptions of an error event: the failure and what caused it. Source: Sentry's exception interface.

use std::borrow::Cow;

use watchpost_sentry::wire::{Exception, Mechanism, Value};

use super::{
    limit::{self, cut, cut_cow},
    stack,
};
use crate::model::ErrorInfo;

/// Most causes sent with a failure.
const MAX_CAUSES: usize = 10;
/// Most frames of the failure, which is what Relay keeps, and of each cause; of more, the middle is cut out.
const MAX_FRAMES: usize = 50;
const MAX_CAUSE_FRAMES: usize = 20;

/// The platforms Relay knows; any other becomes `other` (`rust` among them).
#[rustfmt::skip]
const PLATFORMS: &[&str] = &[
    "as3", "c", "cfml", "cocoa", "csharp", "elixir", "go", "groovy", "haskell", "java", "javascript", "native", "node", "objc", "perl",
    "php", "python", "ruby",
];

/// A failure as its exceptions tell of it.
pub(super) struct Failure<'a> {
    pub(super) error: &'a ErrorInfo,
    /// The type of an error and of each of its causes.
    pub(super) type_of: for<'e> fn(&'e ErrorInfo) -> Cow<'e, str>,
    /// What failed, for an error without a message.
    pub(super) what: Cow<'a, str>,
    /// Who caught it.
    pub(super) mechanism: Cow<'a, str>,
    /// Whether the program went on as it meant to.
    pub(super) handled: bool,
    /// The mechanism's details.
    pub(super) data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The failure and its causes, the oldest cause first, as Sentry wants them.
pub(super) fn exceptions(failure: Failure<'_>) -> Vec<Exception<'_>> {
    let Failure { error, type_of, what, mechanism, handled, data } = failure;
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
            ..exception(cause, type_of, cut(&cause.message, limit::ATTRIBUTE), MAX_CAUSE_FRAMES)
        })
        .collect();
    exceptions.reverse();
    let is_chain = !exceptions.is_empty();

    let message = if error.message.trim().is_empty() {
        // Without a message (it may not be captured) the issue still says what failed.
        Cow::Owned(format!("{what} failed"))
    } else {
        Cow::Borrowed(error.message.as_str())
    };
    exceptions.push(Exception {
        mechanism: Some(Mechanism {
            ty: mechanism,
            handled: Some(handled),
            exception_id: is_chain.then_some(0),
            data,
            ..Mechanism::default()
        }),
        ..exception(error, type_of, cut_cow(message, limit::MESSAGE), MAX_FRAMES)
    });
    exceptions
}

/// The platform whose stack it is.
pub(super) fn platform(error: &ErrorInfo) -> &'static str {
    let platform = error.platform.as_deref().unwrap_or_default();
    PLATFORMS.iter().find(|known| **known == platform).copied().unwrap_or("other")
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

fn exception<'a>(
    error: &'a ErrorInfo,
    type_of: for<'e> fn(&'e ErrorInfo) -> Cow<'e, str>,
    value: Cow<'a, str>,
    max_frames: usize,
) -> Exception<'a> {
    Exception {
        ty: cut_cow(type_of(error), limit::EXCEPTION_TYPE),
        value,
        module: None,
        mechanism: None,
        frames: stack::frames(error, max_frames),
    }
}
