//! What is left of spans that were exported, until the thread that makes spans frees it.
//!
//! An allocator keeps at hand for a thread what that thread allocates and frees. When another thread frees it, the two meet at
//! the allocator's lock, and sleep and wake for it: freed on the exporter's thread, spans took a fifth of its time and of the
//! host's.

use super::node::{Body, Node};
use crate::model::Span;

/// Most bytes that wait to be freed. What goes beyond is freed at once.
const MAX_BYTES: usize = 1 << 20;

/// Something to be freed.
#[derive(Debug)]
pub(crate) struct Remnant {
    _what: What,
    bytes: usize,
}

#[derive(Debug)]
#[expect(dead_code, reason = "they are dropped, no more")]
enum What {
    /// A span that was sent.
    Span(Box<Span>),
    /// What was held of those around it.
    Nodes(Vec<Node>),
}

impl Remnant {
    /// A span of about so many bytes.
    pub(crate) const fn span(span: Box<Span>, bytes: usize) -> Self {
        Self { _what: What::Span(span), bytes }
    }

    pub(super) fn nodes(nodes: Vec<Node>) -> Self {
        let held = |node: &Node| if matches!(node.body, Body::Bare) { size_of::<Node>() } else { node.bytes };
        let bytes = nodes.iter().map(held).sum();
        Self { _what: What::Nodes(nodes), bytes }
    }
}

/// What waits to be freed, a bounded number of bytes.
#[derive(Debug, Default)]
pub(crate) struct Remnants {
    waiting: Vec<Remnant>,
    bytes: usize,
}

impl Remnants {
    /// Takes over as much as there is room for.
    pub(crate) fn add(&mut self, remnants: &mut Vec<Remnant>) {
        while let Some(remnant) = remnants.pop_if(|remnant| self.bytes + remnant.bytes <= MAX_BYTES) {
            self.bytes += remnant.bytes;
            self.waiting.push(remnant);
        }
    }

    /// The next to be freed: the one that came last, which is the likeliest to be in a cache.
    pub(crate) fn next(&mut self) -> Option<Remnant> {
        let remnant = self.waiting.pop()?;
        self.bytes -= remnant.bytes;
        Some(remnant)
    }

    /// All of it.
    pub(crate) fn take(&mut self) -> Vec<Remnant> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

    use super::*;
    use crate::model::SpanType;

    #[test]
    fn a_bounded_number_of_bytes_waits_to_be_freed() {
        let span = || Span::new(TraceId([1; 16]), SpanId([1; 8]), SpanType::ToolCall, "tool", Timestamp::default());
        let mut some: Vec<_> = (0..10).map(|_| Remnant::span(Box::new(span()), MAX_BYTES / 4)).collect();
        let mut remnants = Remnants::default();
        remnants.add(&mut some);
        assert_eq!((some.len(), remnants.waiting.len()), (6, 4));
        drop(remnants.next());
        remnants.add(&mut some);
        assert_eq!((some.len(), remnants.waiting.len()), (5, 4));
        assert_eq!(remnants.take().len(), 4);
        assert!(remnants.is_empty());
        remnants.add(&mut some);
        assert_eq!((some.len(), remnants.waiting.len()), (1, 4));
    }
}
