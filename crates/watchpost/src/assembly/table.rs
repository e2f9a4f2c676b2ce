//! The spans of a trace by their ids, and the ways up from one.

use watchpost_sentry::wire::SpanId;

use super::{
    id_map::IdMap,
    node::{Node, Role},
};

/// Longest way up that is gone: parents may form a circle in what a broken source tells.
const MAX_DEPTH: usize = 1_000;

/// Room for this many children is made in one go.
const USUAL_CHILDREN: usize = 16;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) nodes: Vec<Node>,
    index: IdMap<SpanId, u32>,
    links: Vec<Links>,
}

/// A span's first child, the one that came last, and the sibling before itself.
#[derive(Clone, Copy, Debug)]
struct Links {
    child: u32,
    sibling: u32,
}

impl Table {
    pub(super) fn of(nodes: Vec<Node>) -> Self {
        let index = nodes.iter().enumerate().map(|(at, node)| (node.id, at as u32)).collect();
        let links = vec![Links { child: NONE, sibling: NONE }; nodes.len()];
        let mut table = Self { nodes, index, links };
        for at in 0..table.nodes.len() {
            table.link(at);
        }
        table
    }

    /// Forgets the spans and keeps their room.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.index.clear();
        self.links.clear();
    }

    pub(super) fn push(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.index.insert(node.id, at as u32);
        self.nodes.push(node);
        self.links.push(Links { child: NONE, sibling: NONE });
        self.link(at);
        at
    }

    /// Makes a span known to its parent, if that is there.
    pub(super) fn link(&mut self, at: usize) {
        let Some(parent) = self.nodes[at].parent.and_then(|parent| self.place(parent)) else { return };
        self.links[at].sibling = std::mem::replace(&mut self.links[parent].child, at as u32);
    }

    /// The spans right below one.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let existing = |at: u32| (at != NONE).then_some(at as usize);
        std::iter::successors(existing(self.links[at].child), move |at| existing(self.links[*at].sibling))
    }

    /// Goes through the spans below one, with what was made of their parents; `visit` says whether to go on below each.
    pub(super) fn walk<T: Copy>(&self, from: usize, initial: T, mut visit: impl FnMut(usize, T) -> Option<T>) {
        let mut stack: Vec<(usize, T)> = Vec::with_capacity(USUAL_CHILDREN);
        stack.extend(self.children(from).map(|child| (child, initial)));
        // Parents may form a circle: no span is seen twice in a tree.
        let mut left = self.nodes.len();
        while let Some((at, context)) = stack.pop() {
            if left == 0 {
                return;
            }
            left -= 1;
            if let Some(context) = visit(at, context) {
                stack.extend(self.children(at).map(|child| (child, context)));
            }
        }
    }

    pub(super) fn place(&self, id: SpanId) -> Option<usize> {
        self.index.get(&id).map(|at| *at as usize)
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
