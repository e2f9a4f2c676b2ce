//! What is left of spans that were exported, until the thread that makes spans frees it.
//!
//! An allocator keeps at hand for a thread what that thread allocates and frees. When another thread frees it, the two meet at
//! the allocator's lock, and sleep and wake for it: freed on the exporter's thread, spans took a fifth of its time and of the
//! host's.

use super::node::{Body, Node};
use crate::model::Span;

/// Most bytes that wait to be freed. What goes beyond is freed at once.
const MAX_BYTES: usize = 1 << 20;
/// Most lists that are kept, empty, for nodes to come,
const MAX_LISTS: usize = 8;
/// and for how many nodes each has room.
const MAX_ROOM: usize = 256;

/// Something to be freed.
#[derive(Debug)]
pub(crate) struct Remnant {
    what: What,
    bytes: usize,
}

#[derive(Debug)]
enum What {
    /// A span that was sent.
    Span(#[expect(dead_code, reason = "it is dropped, no more")] Box<Span>),
    /// What was held of those around it.
    Nodes(Vec<Node>),
    /// One of these.
    Node(#[expect(dead_code, reason = "it is dropped, no more")] Node),
}

impl Remnant {
    /// A span of about so many bytes.
    pub(crate) const fn span(span: Box<Span>, bytes: usize) -> Self {
        Self { what: What::Span(span), bytes }
    }

    pub(super) fn nodes(nodes: Vec<Node>) -> Self {
        let held = |node: &Node| if matches!(node.body, Body::Bare) { size_of::<Node>() } else { node.bytes };
        let bytes = nodes.iter().map(held).sum();
        Self { what: What::Nodes(nodes), bytes }
    }
}

/// What waits to be freed, a bounded number of bytes.
#[derive(Debug, Default)]
pub(super) struct Remnants {
    waiting: Vec<Remnant>,
    bytes: usize,
    /// Lists whose nodes were freed.
    lists: Vec<Vec<Node>>,
}

impl Remnants {
    /// Takes over as much as there is room for.
    pub(super) fn add(&mut self, remnants: &mut Vec<Remnant>) {
        while let Some(remnant) = remnants.pop_if(|remnant| self.bytes + remnant.bytes <= MAX_BYTES) {
            self.bytes += remnant.bytes;
            self.waiting.push(remnant);
        }
    }

    /// The next span or node to be freed: of what came last, which is the likeliest to be in a cache.
    pub(super) fn next(&mut self) -> Option<Remnant> {
        while let Some(last) = self.waiting.last_mut() {
            if let What::Nodes(nodes) = &mut last.what
                && let Some(node) = pop_holding(nodes)
            {
                return Some(Remnant { what: What::Node(node), bytes: 0 });
            }
            let last = self.waiting.pop()?;
            self.bytes -= last.bytes;
            match last.what {
                What::Nodes(list) if self.lists.len() < MAX_LISTS && list.capacity() <= MAX_ROOM => {
                    self.lists.push(list);
                }
                _ => return Some(last),
            }
        }
        None
    }

    /// A list with room for nodes, if there is one.
    pub(super) fn list(&mut self) -> Vec<Node> {
        self.lists.pop().unwrap_or_default()
    }

    /// All of it.
    pub(super) fn take(&mut self) -> Vec<Remnant> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The last node that holds anything; those behind it hold nothing, and go.
fn pop_holding(nodes: &mut Vec<Node>) -> Option<Node> {
    while let Some(node) = nodes.pop() {
        if !matches!(node.body, Body::Bare) || node.agent.is_some() || node.failure.is_some() {
            return Some(node);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

    use super::{super::node::Role, *};
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

    #[test]
    fn nodes_go_one_by_one_and_leave_their_room() {
        let bare = || Node::bare(SpanId([1; 8]), None, Role::Step, false);
        let holding = || Node { body: Body::Chunk(Box::default()), ..bare() };
        let mut remnants = Remnants::default();
        remnants.add(&mut vec![Remnant::nodes(vec![bare(), holding(), bare(), bare(), holding(), bare()])]);
        for _ in 0..2 {
            assert!(remnants.bytes > 0);
            assert!(matches!(remnants.next(), Some(Remnant { what: What::Node(_), .. })));
        }
        assert!(remnants.next().is_none() && remnants.is_empty());
        assert_eq!(remnants.bytes, 0);
        let list = remnants.list();
        assert!(list.is_empty() && list.capacity() >= 6);
    }
}
