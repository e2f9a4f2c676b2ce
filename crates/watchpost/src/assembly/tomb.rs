//! What is remembered of released traces, for a while: that a late child finds the parent that was sent, and that what ended
//! does not end again.
//!
//! At ten thousand traces a second this is most of what is written to memory, and freed long after the caches forgot it. So
//! nearly all of it is a few bytes a span, in one ring.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use watchpost_sentry::wire::{SpanId, TraceId};

use super::{
    id_map::IdMap,
    limits::Limits,
    node::{Node, Role, State},
    segment::SegmentRoot,
};
use crate::model::AgentIdentity;

/// A released trace, taken apart.
#[derive(Debug)]
pub(super) struct Tomb {
    /// Its spans.
    pub(super) spans: Spans,
    pub(super) sampled: Option<bool>,
    pub(super) segment: Option<Arc<SegmentRoot>>,
}

#[derive(Debug)]
pub(super) enum Spans {
    /// They are the last so many in the ring.
    Plain(usize),
    /// There are some whose failure counts, or that a span above them may yet come to gather from.
    Whole(Vec<Node>),
}

/// What is remembered of a span that nothing is to be gathered from.
#[derive(Debug)]
pub(super) struct TombSpan {
    id: SpanId,
    parent: Option<SpanId>,
    role: Role,
    state: State,
    is_kept: bool,
    has_child: bool,
    agent: Option<Arc<AgentIdentity>>,
}

/// Spans of released traces, oldest first.
pub(super) type Ring = VecDeque<TombSpan>;

/// A tomb, and where its spans are in the ring.
#[derive(Debug)]
struct Buried {
    number: u64,
    first: usize,
    tomb: Tomb,
}

/// A burial, whether its tomb is still there or not.
#[derive(Debug)]
struct Burial {
    since: Instant,
    number: u64,
    trace: TraceId,
    /// How many spans it put into the ring.
    in_ring: usize,
}

impl Tomb {
    /// Pieces of answers are forgotten, unless something is below them.
    pub(super) fn keeps(node: &Node) -> bool {
        node.role != Role::Chunk || node.has_child
    }

    fn len(&self) -> usize {
        match &self.spans {
            Spans::Plain(len) => *len,
            Spans::Whole(nodes) => nodes.len(),
        }
    }

    fn bytes(&self) -> usize {
        let segment = self.segment.as_ref().map_or(0, |segment| segment.bytes());
        let spans = match &self.spans {
            Spans::Plain(len) => len * size_of::<TombSpan>(),
            Spans::Whole(nodes) => nodes.iter().map(|node| node.bytes).sum::<usize>(),
        };
        spans + segment + size_of::<Buried>()
    }
}

impl TombSpan {
    pub(super) fn of(node: Node) -> Self {
        let Node { id, parent, role, state, is_kept, has_child, agent, .. } = node;
        Self { id, parent, role, state, is_kept, has_child, agent }
    }

    fn recall(&self) -> Node {
        let Self { id, parent, role, state, is_kept, has_child, ref agent } = *self;
        Node { state, has_child, agent: agent.clone(), ..Node::bare(id, parent, role, is_kept) }
    }
}

/// Spans of recalled traces stay in the ring until they are more than those that are remembered, and so many.
const MAX_HOLES: usize = 1024;

/// The memory of released traces.
#[derive(Debug, Default)]
pub(super) struct Memory {
    tombs: IdMap<TraceId, Buried>,
    order: VecDeque<Burial>,
    number: u64,
    ring: Ring,
    /// How many spans have left the ring.
    gone: usize,
    spans: usize,
    bytes: usize,
}

/// A trace that is remembered.
pub(super) struct Recalled {
    pub(super) nodes: Vec<Node>,
    /// Whether a span may yet come above its spans.
    pub(super) may_grow_upwards: bool,
    pub(super) sampled: Option<bool>,
    pub(super) segment: Option<Arc<SegmentRoot>>,
}

impl Memory {
    /// Remembers a trace, which `bury` takes apart; it may append to the ring.
    pub(super) fn add(&mut self, trace: TraceId, limits: &Limits, now: Instant, bury: impl FnOnce(&mut Ring) -> Tomb) {
        let before = self.ring.len();
        let tomb = bury(&mut self.ring);
        let in_ring = self.ring.len() - before;
        self.number += 1;
        self.spans += tomb.len();
        self.bytes += tomb.bytes();
        self.tombs.insert(trace, Buried { number: self.number, first: self.gone + before, tomb });
        self.order.push_back(Burial { since: now, number: self.number, trace, in_ring });
        while self.tombs.len() > limits.remembered_traces
            || self.spans > limits.remembered_spans
            || self.bytes > limits.remembered_bytes
            || self.order.len() > 2 * limits.remembered_traces
        {
            self.forget_oldest();
        }
        if self.ring.len() > 2 * self.spans + MAX_HOLES {
            self.close_holes();
        }
    }

    pub(super) fn take(&mut self, trace: TraceId) -> Option<Recalled> {
        if self.tombs.is_empty() {
            return None;
        }
        let Buried { first, tomb, .. } = self.remove(trace)?;
        let Tomb { spans, sampled, segment } = tomb;
        let (nodes, may_grow_upwards) = match spans {
            Spans::Plain(len) => {
                let plain = self.ring.range(first - self.gone..).take(len);
                (plain.map(TombSpan::recall).collect(), false)
            }
            Spans::Whole(nodes) => (nodes, true),
        };
        Some(Recalled { nodes, may_grow_upwards, sampled, segment })
    }

    pub(super) fn expire(&mut self, before: Instant) {
        while self.oldest().is_some_and(|since| since <= before) {
            self.forget_oldest();
        }
    }

    /// Since when the oldest has been remembered.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.order.front().map(|burial| burial.since)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget_oldest(&mut self) {
        let Some(Burial { number, trace, in_ring, .. }) = self.order.pop_front() else { return };
        // It may have been recalled and buried again since.
        if self.tombs.get(&trace).is_some_and(|known| known.number == number) {
            self.remove(trace);
        }
        self.ring.drain(..in_ring);
        self.gone += in_ring;
    }

    /// Leaves in the ring what is remembered.
    fn close_holes(&mut self) {
        let mut spans = std::mem::take(&mut self.ring).into_iter();
        for burial in &mut self.order {
            let own = spans.by_ref().take(burial.in_ring);
            match self.tombs.get_mut(&burial.trace).filter(|buried| buried.number == burial.number) {
                Some(buried) => {
                    buried.first = self.gone + self.ring.len();
                    self.ring.extend(own);
                }
                None => {
                    own.for_each(drop);
                    burial.in_ring = 0;
                }
            }
        }
    }

    fn remove(&mut self, trace: TraceId) -> Option<Buried> {
        let buried = self.tombs.remove(&trace)?;
        self.spans -= buried.tomb.len();
        self.bytes -= buried.tomb.bytes();
        Some(buried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u8) -> TraceId {
        TraceId([number; 16])
    }

    fn span(number: u8) -> Node {
        Node::bare(SpanId([number; 8]), None, Role::Tool, true)
    }

    fn bury(memory: &mut Memory, limits: &Limits, number: u8, spans: usize) {
        memory.add(trace(number), limits, Instant::now(), |ring| {
            ring.extend((0..spans).map(|_| TombSpan::of(span(number))));
            Tomb { spans: Spans::Plain(spans), sampled: None, segment: None }
        });
    }

    #[test]
    fn each_trace_is_recalled_with_its_own_spans_whatever_was_recalled_or_forgotten_before() {
        let limits = Limits { remembered_traces: 3, ..Limits::default() };
        let mut memory = Memory::default();
        (1..=3).for_each(|number| bury(&mut memory, &limits, number, usize::from(number)));
        assert_eq!(memory.take(trace(2)).unwrap().nodes.len(), 2);
        assert!(memory.take(trace(2)).is_none());
        bury(&mut memory, &limits, 2, 5);
        bury(&mut memory, &limits, 4, 4);
        assert!(memory.take(trace(1)).is_none(), "the oldest of four");
        for (number, spans) in [(4, 4), (2, 5), (3, 3)] {
            let recalled = memory.take(trace(number)).unwrap();
            assert!(recalled.nodes.iter().all(|node| node.id == span(number).id));
            assert_eq!((recalled.nodes.len(), recalled.may_grow_upwards), (spans, false));
        }
        assert_eq!((memory.spans, memory.bytes()), (0, 0));
    }

    #[test]
    fn traces_that_are_recalled_and_buried_again_and_again_push_no_other_out() {
        let limits = Limits { remembered_spans: 200, remembered_traces: 100_000, ..Limits::default() };
        let mut memory = Memory::default();
        bury(&mut memory, &limits, 0, 11);
        for round in 0..1_000 {
            for number in 1..=9 {
                if round > 0 {
                    let recalled = memory.take(trace(number)).unwrap();
                    assert!(recalled.nodes.iter().all(|node| node.id == span(number).id));
                    assert_eq!(recalled.nodes.len(), usize::from(number));
                }
                bury(&mut memory, &limits, number, usize::from(number));
                assert!(memory.ring.len() <= 2 * memory.spans + MAX_HOLES);
            }
        }
        let recalled = memory.take(trace(0)).unwrap();
        assert!(recalled.nodes.len() == 11 && recalled.nodes.iter().all(|node| node.id == span(0).id));
    }
}
