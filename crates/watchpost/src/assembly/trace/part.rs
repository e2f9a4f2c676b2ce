//! What is taken out of a trace: runs that are complete, and those that have waited long enough.

use std::{cmp::Reverse, mem, sync::Arc, time::Instant};

use super::{Root, Run, Trace};
use crate::assembly::{
    failure::Failure,
    node::{Body, Node, Role, State},
    release::{Part, last_call_error},
    segment::SegmentRoot,
};

impl Trace {
    /// A span that ended, alone (stream mode). One whose root was not seen yet waits for it: the span above it that is sent may
    /// not be known.
    pub(in crate::assembly) fn release_span(&mut self, at: usize) -> Option<Part> {
        let run = self.run_of(at);
        if self.runs[run].root == Root::Unseen || self.table.nodes[at].state != State::Ended {
            return None;
        }
        let part = self.table.nodes[at].is_kept.then(|| self.release_one(run, at));
        if self.runs[run].root == Root::Ended(at as u32) {
            self.runs[run].root = Root::Released;
            self.runs[run].waiting_since = None;
        }
        part
    }

    /// The finished spans that waited until the last event, each alone, the deepest first.
    pub(in crate::assembly) fn release_joined(&mut self, out: &mut Vec<Part>) {
        if self.joined.is_empty() {
            return;
        }
        let mut waited = mem::take(&mut self.joined);
        waited.sort_by_cached_key(|at| (Reverse(self.table.above(*at as usize).count()), *at));
        for at in waited {
            out.extend(self.release_span(at as usize));
        }
    }

    fn release_one(&mut self, run: usize, at: usize) -> Part {
        self.note_segment(run);
        let mut nodes = Vec::new();
        self.lend_below(at, &mut nodes);
        nodes.extend(
            self.table.above(at).filter(|above| *above != at).map(|above| self.table.nodes[above].clone_bare()),
        );
        let mut left = self.left_of(at, true);
        if left.role == Role::Generation && left.failure.is_none() {
            // It reports the failure of its last step, which nothing above it needs to repeat.
            left.failure = last_call_error(&self.table, at).map(|error| Arc::new(Failure::of(error)));
        }
        let released = self.settle(run, at, left);
        let (id, bytes) = (released.id, released.bytes);
        let may_fail = released.error().is_some() || released.role == Role::Generation;
        nodes.push(released);
        let is_root = self.runs[run].root == Root::Ended(at as u32);
        Part {
            trace_id: self.id,
            sampled: self.sampled,
            spans: 1,
            nodes,
            crumbs: self.crumbs.iter().filter(|_| may_fail).cloned().collect(),
            root: is_root.then_some(id),
            segment: self.runs[run].segment.clone().filter(|_| !is_root),
            bytes,
        }
    }

    /// What a span that is released alone needs of those below it: a generation everything, an agent's run all but the pieces of
    /// answers, any other only how they failed, if it failed itself.
    fn lend_below(&mut self, at: usize, nodes: &mut Vec<Node>) {
        let role = self.table.nodes[at].role;
        let gathers = matches!(role, Role::Agent | Role::Generation);
        if !gathers && self.table.nodes[at].error().is_none() {
            return;
        }
        let mut below = Vec::new();
        self.table.walk(at, (), |place, ()| {
            below.push(place);
            Some(())
        });
        for place in below.into_iter().filter(|place| *place != at) {
            let node = &self.table.nodes[place];
            let is_chunk = node.role == Role::Chunk;
            if is_chunk && !node.has_child && role != Role::Generation {
                continue;
            }
            let is_told = role == Role::Generation
                && match node.role {
                    Role::Chunk => node.state == State::Ended,
                    Role::Tool => node.state == State::Released,
                    _ => false,
                };
            nodes.push(if is_told {
                self.lend(place, true)
            } else if gathers {
                node.clone_facts()
            } else {
                node.clone_bare()
            });
        }
    }

    /// The run of a span that ended, if its root ended too and nothing else of it is open or may come. A span that came whole after the
    /// root was released waits a moment for others like it.
    pub(in crate::assembly) fn release_complete(&mut self, at: usize, is_new: bool) -> Option<Part> {
        let run = self.run_of(at);
        let Run { root, open, .. } = self.runs[run];
        let is_complete = match root {
            Root::Ended(_) => open == 0 && !self.may_grow(run),
            Root::Released => open == 0 && !is_new,
            Root::Open(_) | Root::Unseen => false,
        };
        if is_complete { self.release_run(run) } else { None }
    }

    /// Everything that has waited since `before`.
    pub(in crate::assembly) fn release_due(&mut self, before: Instant, out: &mut Vec<Part>) {
        self.waiting_since = None;
        for run in 0..self.runs.len() {
            let Some(since) = self.runs[run].waiting_since else { continue };
            if since <= before {
                out.extend(self.release_run(run));
            } else {
                self.waiting_since = Some(self.waiting_since.map_or(since, |first| first.min(since)));
            }
        }
    }

    /// Every finished span.
    pub(in crate::assembly) fn release_held(&mut self, out: &mut Vec<Part>) {
        for run in 0..self.runs.len() {
            if self.runs[run].part_of.is_none() && self.runs[run].held > 0 {
                out.extend(self.release_run(run));
            }
        }
    }

    /// Every finished span whose run need not be waited for any longer: its root ended, or was released, or never seen.
    pub(in crate::assembly) fn release_flushed(&mut self, out: &mut Vec<Part>) {
        for run in 0..self.runs.len() {
            let Run { part_of, held, root, .. } = self.runs[run];
            if part_of.is_none() && held > 0 && !matches!(root, Root::Open(_)) {
                out.extend(self.release_run(run));
            }
        }
    }

    /// A finished span is released, and this is left of it.
    fn settle(&mut self, run: usize, at: usize, left: Node) -> Node {
        let bytes = self.table.nodes[at].bytes;
        self.bytes = self.bytes - bytes + left.bytes;
        self.held -= 1;
        self.held_bytes -= bytes;
        self.runs[run].held -= 1;
        mem::replace(&mut self.table.nodes[at], left)
    }

    /// Takes what is finished of a run out of the trace.
    fn release_run(&mut self, run: usize) -> Option<Part> {
        self.runs[run].waiting_since = None;
        self.note_segment(run);
        let mut root = None;
        if let Root::Ended(at) = self.runs[run].root {
            self.runs[run].root = Root::Released;
            let node = &self.table.nodes[at as usize];
            root = node.is_kept.then_some(node.id);
        }
        let spans = self.runs[run].held;
        if spans == 0 {
            return None;
        }
        let segment = if root.is_some() { None } else { self.runs[run].segment.clone() };
        // Once all of a run was released that has its root, nothing is to be gathered from it any more.
        let is_complete = self.runs[run].root == Root::Released && self.runs[run].open == 0;
        let is_needed = !is_complete || self.may_grow_upwards;
        let members = mem::take(&mut self.runs[run].members);
        let mut nodes = mem::take(&mut self.part);
        nodes.reserve(members.len());
        let mut bytes = 0;
        for at in members.iter().map(|at| *at as usize) {
            let node = &self.table.nodes[at];
            nodes.push(match node.state {
                State::Ended if node.is_kept => {
                    let left = self.left_of(at, is_needed);
                    let released = self.settle(run, at, left);
                    bytes += released.bytes;
                    released
                }
                State::Ended => self.lend(at, is_needed),
                State::Open | State::Released => node.clone_facts(),
            });
        }
        self.runs[run].members = members;
        if self.runs.len() > 1 {
            self.lend_ways_up(run, &mut nodes);
        }
        let crumbs = self.crumbs.iter().cloned().collect();
        Some(Part { trace_id: self.id, sampled: self.sampled, nodes, crumbs, root, segment, spans, bytes })
    }

    /// What the others need of a span once it is released, if anything is to be gathered from it; a generation that was not, the
    /// call of its tool.
    fn left_of(&self, at: usize, is_needed: bool) -> Node {
        let nodes = &self.table.nodes;
        let mut left = nodes[at].left_over(is_needed);
        if is_needed && left.role == Role::Tool {
            let tells = |above: &usize| matches!(nodes[*above].role, Role::Tool | Role::Generation | Role::Agent);
            let caller = self.table.above(at).find(tells);
            if caller.is_some_and(|at| nodes[at].role == Role::Generation && nodes[at].state != State::Released) {
                left.keep_call_of(&nodes[at]);
            }
        }
        left
    }

    /// A span that is not sent, or was, with what the others need of it, and may need again. A piece of an answer is needed once,
    /// and so is a tool's call.
    fn lend(&mut self, at: usize, is_needed: bool) -> Node {
        let node = &mut self.table.nodes[at];
        let is_needed_once = match node.body {
            Body::Chunk(_) => true,
            Body::Tool(_) => node.state == State::Released,
            _ => false,
        };
        if is_needed && !is_needed_once {
            return node.clone_facts();
        }
        let left = node.left_over(is_needed);
        self.bytes = self.bytes - node.bytes + left.bytes;
        mem::replace(node, left)
    }

    /// The spans above a run that goes on from another one: for its place and its agent.
    fn lend_ways_up(&mut self, run: usize, nodes: &mut Vec<Node>) {
        let own = nodes.len();
        for at in 0..own {
            let Some(top) = nodes[at].parent.and_then(|parent| self.table.place(parent)) else { continue };
            if self.run_of(top) == run {
                continue;
            }
            for above in std::iter::once(top).chain(self.table.above(top)) {
                let above = &self.table.nodes[above];
                if nodes[own..].iter().any(|lent| lent.id == above.id) {
                    break;
                }
                nodes.push(Node { state: State::Released, failure: None, ..above.clone_bare() });
            }
        }
    }

    /// Keeps the root's name for the spans that are sent without it.
    fn note_segment(&mut self, run: usize) {
        if self.runs[run].segment.is_some() {
            return;
        }
        let (Root::Open(at) | Root::Ended(at)) = self.runs[run].root else { return };
        let at = at as usize;
        if let Body::Whole(root) = &self.table.nodes[at].body {
            let parent = self.table.kept_parent(at);
            self.runs[run].segment = Some(Arc::new(SegmentRoot::of(root, parent)));
        }
    }
}
