//! [`Event`]: a moment in a trace.

use std::error::Error;

use super::{ActiveSpan, Untyped};
use crate::model::{Payload, SpanType, Text};

/// A moment in a trace, told when it is dropped: `agent.event("cache miss").output("weather:prague");`.
#[derive(Debug)]
pub struct Event(ActiveSpan<Untyped>);

impl Event {
    pub(super) fn new(span: ActiveSpan<Untyped>) -> Self {
        Self(span)
    }

    /// Sets another type than `generic`.
    pub fn ty(self, ty: SpanType) -> Self {
        self.0.change(|span| span.ty = ty);
        self
    }

    /// Sets what it brings. Content.
    pub fn output(self, output: impl Into<Payload>) -> Self {
        self.0.output(output);
        self
    }

    /// Sets something of the host's own, by its name.
    pub fn metadata(self, name: impl Into<Text>, value: impl Into<Payload>) -> Self {
        self.0.metadata(name, value);
        self
    }

    /// Says that it was a failure, and which.
    pub fn error<E: Error + ?Sized>(self, error: &E) -> Self {
        self.0.error(error);
        self
    }
}
