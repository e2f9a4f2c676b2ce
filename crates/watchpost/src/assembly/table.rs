//! The spans of a trace by their ids, and the ways up from one.

use std::collections::HashMap;

use watchpost_sentry::wire::SpanId;

use super::node::{Node, Role};

/// Longest way up that is gone: parents may form a circle in what a broken source tells.
const MAX_DEPTH: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) nodes: Vec<Node>,
    pub(super) index: HashMap<SpanId, u32>,
}

impl Table {
    pub(super) fn of(nodes: Vec<Node>) -> Self {
        let index = nodes.iter().enumerate().map(|(at, node)| (node.id, at as u32)).collect();
        Self { nodes, index }
    }

    pub(super) fn place(&self, id: SpanId) -> Option<usize> {
        self.index.get(&id).map(|at| *at as usize)
    }

    pub(super) fn push(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.index.insert(node.id, at as u32);
        self.nodes.push(node);
        at
    }

    /// The places above a span, nearest first.
    pub(super) fn above(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let parent = |at: &usize| self.place(self.nodes[*at].parent?);
        std::iter::successors(parent(&at), parent).take(MAX_DEPTH)
    }

    /// The nearest span above that is sent; as given where that one was never seen.
    pub(super) fn kept_parent(&self, at: usize) -> Option<SpanId> {
        let mut parent = self.nodes[at].parent?;
        for above in self.above(at) {
            if self.nodes[above].is_kept {
                return Some(self.nodes[above].id);
            }
            parent = self.nodes[above].parent?;
        }
        // A circle of spans that are not sent ends here too: whatever it says is as good.
        Some(parent)
    }

    /// The nearest agent's run: the span itself or above it.
    pub(super) fn agents_above(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(at).chain(self.above(at)).filter(|at| self.nodes[*at].role == Role::Agent)
    }
}
