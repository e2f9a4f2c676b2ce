//! What is remembered of released traces, for a while: that a late child finds the parent that was sent, and that what ended
//! does not end again.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use watchpost_sentry::wire::TraceId;

use super::{
    id_map::IdMap,
    limits::Limits,
    node::{Node, Role},
};
use crate::model::FinishedSpan;

/// A released trace.
#[derive(Debug)]
pub(super) struct Tomb {
    pub(super) nodes: Vec<Node>,
    pub(super) sampled: Option<bool>,
    pub(super) segment: Option<Arc<FinishedSpan>>,
}

impl Tomb {
    /// Pieces of answers are forgotten, unless something is below them.
    pub(super) fn keeps(node: &Node) -> bool {
        node.role != Role::Chunk || node.has_child
    }

    fn bytes(&self) -> usize {
        self.nodes.iter().map(|node| node.bytes).sum::<usize>() + size_of::<Self>()
    }
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    tombs: IdMap<TraceId, (u64, Tomb)>,
    order: VecDeque<(Instant, u64, TraceId)>,
    number: u64,
    spans: usize,
    bytes: usize,
}

impl Memory {
    pub(super) fn add(&mut self, trace: TraceId, tomb: Tomb, limits: &Limits, now: Instant) {
        self.number += 1;
        self.spans += tomb.nodes.len();
        self.bytes += tomb.bytes();
        self.tombs.insert(trace, (self.number, tomb));
        self.order.push_back((now, self.number, trace));
        while self.tombs.len() > limits.remembered_traces
            || self.spans > limits.remembered_spans
            || self.bytes > limits.remembered_bytes
            || self.order.len() > 2 * limits.remembered_traces
        {
            self.forget_oldest();
        }
    }

    pub(super) fn take(&mut self, trace: TraceId) -> Option<Tomb> {
        if self.tombs.is_empty() {
            return None;
        }
        let (_, tomb) = self.tombs.remove(&trace)?;
        self.spans -= tomb.nodes.len();
        self.bytes -= tomb.bytes();
        Some(tomb)
    }

    pub(super) fn expire(&mut self, before: Instant) {
        while self.order.front().is_some_and(|(since, ..)| *since <= before) {
            self.forget_oldest();
        }
    }

    /// Since when the oldest has been remembered.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.order.front().map(|(since, ..)| *since)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget_oldest(&mut self) {
        let Some((_, number, trace)) = self.order.pop_front() else { return };
        // It may have been recalled and buried again since.
        if self.tombs.get(&trace).is_some_and(|(known, _)| *known == number) {
            self.take(trace);
        }
    }
}
