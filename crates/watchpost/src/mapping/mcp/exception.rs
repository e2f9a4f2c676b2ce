//! What seed 000's exceptions have of their own: the names of the failure and how it was caught.

use std::borrow::Cow;

use watchpost_sentry::wire::{Exception, Value};

use super::{
    failure::{error_type, exception_type, is_handled},
    span::{span_name, tool},
    transaction::ORIGIN,
};
use crate::{
    mapping::{
        exception::{self, Failure},
        limit::{self, cut},
    },
    model::{ErrorInfo, McpEvent},
};

/// The failure and its causes, the oldest cause first.
pub(super) fn exceptions<'a>(event: &'a McpEvent, error: &'a ErrorInfo) -> Vec<Exception<'a>> {
    exception::exceptions(Failure {
        error,
        type_of: exception_type,
        what: span_name(event),
        mechanism: Cow::Borrowed(ORIGIN),
        handled: is_handled(error),
        data: data(event, error),
    })
}

fn data<'a>(event: &'a McpEvent, error: &ErrorInfo) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let rows = [
        ("error_type", Some(Value::from(error_type(event, error)))),
        ("tool_name", tool(event).map(|tool| Value::String(cut(tool, limit::TAG)))),
        ("code", error.code.map(Value::Integer)),
    ];
    rows.into_iter().filter_map(|(key, value)| Some((Cow::Borrowed(key), value?))).collect()
}
