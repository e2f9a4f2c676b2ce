//! One trace while it is assembled: its spans, and the runs they belong to. A run is a root with all below it; spans whose
//! parent was not seen yet form a run without a root until it is.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::Instant,
};

use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use super::{
    node::{Body, Node, Role, State},
    release::{Content, Part, finish, segment},
    table::Table,
    tomb::Tomb,
};
use crate::model::{Breadcrumb, FinishedSpan, Payload, Span, SpanCompletion, SpanType};

/// What a trace without spans is counted as.
pub(super) const TRACE_BYTES: usize = size_of::<Trace>() + size_of::<Run>() + 128;
/// Most breadcrumbs of a trace: as many as Sentry keeps.
const MAX_CRUMBS: usize = 100;
/// A trace that goes on forgets of its released spans what nobody needs, whenever it has this many of them.
const MAX_RELEASED: usize = 8_192;
/// Longest output that a breadcrumb repeats.
const MAX_CRUMB_OUTPUT: usize = 2 * 1024;

#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    sampled: Option<bool>,
    table: Table,
    runs: Vec<Run>,
    /// The runs without a root by the parent they wait for.
    missing: HashMap<SpanId, u32>,
    crumbs: VecDeque<Arc<Breadcrumb>>,
    pub(super) open: usize,
    /// Finished spans that are held for their root,
    pub(super) held: usize,
    /// and their bytes.
    pub(super) held_bytes: usize,
    pub(super) bytes: usize,
    /// The latest moment any span told of.
    latest: Timestamp,
    /// When something was last heard of it.
    pub(super) heard: Instant,
    /// Since when the first of its runs has waited, at the earliest.
    waiting_since: Option<Instant>,
    /// When it is to be looked at.
    pub(super) wake: Option<Instant>,
    /// With how many spans it looks for some to forget.
    forget_at: usize,
}

#[derive(Debug)]
struct Run {
    /// The run it was found to be a part of.
    part_of: Option<u32>,
    members: Vec<u32>,
    root: Root,
    open: usize,
    held: usize,
    /// Since when it has waited for something that may not come: for open spans after its root ended, for a root after
    /// anything was heard, for others of their kind after a span came late.
    waiting_since: Option<Instant>,
    segment: Option<Arc<FinishedSpan>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Unseen,
    Open(u32),
    Ended(u32),
    Released,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The span had ended before.
    Repeated,
    /// It goes on.
    Open { is_new: bool },
    /// It ended.
    Ended { at: usize, is_new: bool },
}

impl Trace {
    pub(super) fn new(id: TraceId, now: Instant) -> Self {
        Self {
            id,
            sampled: None,
            table: Table::default(),
            runs: Vec::with_capacity(1),
            missing: HashMap::new(),
            crumbs: VecDeque::new(),
            open: 0,
            held: 0,
            held_bytes: 0,
            bytes: TRACE_BYTES,
            latest: Timestamp::default(),
            heard: now,
            waiting_since: None,
            wake: None,
            forget_at: MAX_RELEASED,
        }
    }

    /// The trace again, of what was remembered of it.
    pub(super) fn recall(id: TraceId, tomb: Tomb, now: Instant) -> Self {
        let mut trace = Self::new(id, now);
        let run = trace.add_run(Root::Released);
        trace.sampled = tomb.sampled;
        trace.runs[0].segment = tomb.segment;
        let mut nodes = tomb.nodes;
        for (at, node) in nodes.iter_mut().enumerate() {
            node.group = run;
            trace.bytes += node.bytes;
            trace.runs[0].members.push(at as u32);
        }
        trace.table = Table::of(nodes);
        trace
    }

    /// What is to be remembered of the trace, whose spans were all released.
    pub(super) fn entomb(self) -> Tomb {
        let segment = self.runs.iter().find_map(|run| run.segment.clone());
        let nodes = self.table.nodes.into_iter().filter(Tomb::keeps).collect();
        Tomb { nodes, sampled: self.sampled, segment }
    }

    /// Takes an event in.
    pub(super) fn apply(&mut self, span: Span, ends: bool, now: Instant, is_kept: &impl Fn(&Span) -> bool) -> Applied {
        self.heard = now;
        self.sampled = self.sampled.or(span.sampled);
        if span.start > self.latest {
            self.latest = span.start;
        }
        if let Some(end) = span.end.filter(|end| *end > self.latest) {
            self.latest = end;
        }
        let known = self.table.place(span.id);
        if let Some(at) = known
            && self.table.nodes[at].state != State::Open
        {
            return Applied::Repeated;
        }
        let is_event = span.is_event;
        if is_event && known.is_none() {
            self.note(&span);
        }
        let at = match known {
            Some(at) => {
                self.bytes -= self.table.nodes[at].bytes;
                let ignored = ends && self.table.nodes[at].is_kept && !is_kept(&span);
                let node = &mut self.table.nodes[at];
                node.update(span);
                if ignored {
                    node.skip();
                }
                self.bytes += node.bytes;
                at
            }
            None => self.add(span, is_kept),
        };
        let run = self.run_of(at);
        if self.runs[run].root == Root::Unseen {
            self.wait(run, now);
        }
        let is_new = known.is_none();
        if !ends && !is_event {
            return Applied::Open { is_new };
        }
        let at_least = if is_event { self.table.nodes[at].start } else { self.latest };
        self.close(at, at_least, SpanCompletion::Ended, now);
        Applied::Ended { at, is_new }
    }

    /// Ends every open span at `at`, or at the last moment known. Gives their number.
    pub(super) fn close_all(&mut self, at: Option<Timestamp>, completion: SpanCompletion, now: Instant) -> usize {
        let at = at.unwrap_or(self.latest);
        let open: Vec<usize> =
            (0..self.table.nodes.len()).filter(|at| self.table.nodes[*at].state == State::Open).collect();
        for place in &open {
            self.close(*place, at, completion, now);
        }
        open.len()
    }

    /// A span that ended, alone (stream mode).
    pub(super) fn release_span(&mut self, at: usize) -> Option<Part> {
        let run = self.run_of(at);
        let part = self.table.nodes[at].is_kept.then(|| self.release_one(run, at));
        if self.runs[run].root == Root::Ended(at as u32) {
            self.runs[run].root = Root::Released;
            self.runs[run].waiting_since = None;
        }
        part
    }

    fn release_one(&mut self, run: usize, at: usize) -> Part {
        self.note_segment(run);
        let segment = self.runs[run].segment.clone();
        let left = self.table.nodes[at].left_over();
        let may_fail = self.table.nodes[at].error().is_some() || self.table.nodes[at].role == Role::Generation;
        let crumbs: Vec<_> = self.crumbs.iter().filter(|_| may_fail).cloned().collect();
        let spans = finish(&mut self.table, &[at], &crumbs);
        let bytes = self.settle(run, at, left).bytes;
        let is_root = self.runs[run].root == Root::Ended(at as u32);
        let id = self.table.nodes[at].id;
        Part {
            trace_id: self.id,
            sampled: self.sampled,
            spans: spans.len(),
            content: Content::Ready(spans),
            root: is_root.then_some(id),
            segment: segment.filter(|_| !is_root),
            bytes,
        }
    }

    /// The run of a span that ended, if its root ended too and nothing else of it is open. A span that came whole after the
    /// root was released waits a moment for others like it.
    pub(super) fn release_complete(&mut self, at: usize, is_new: bool) -> Option<Part> {
        let run = self.run_of(at);
        let Run { root, open, .. } = self.runs[run];
        let is_complete = match root {
            Root::Ended(_) => open == 0,
            Root::Released => open == 0 && !is_new,
            Root::Open(_) | Root::Unseen => false,
        };
        if is_complete { self.release_run(run) } else { None }
    }

    /// Everything that has waited since `before`.
    pub(super) fn release_due(&mut self, before: Instant, out: &mut Vec<Part>) {
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
    pub(super) fn release_held(&mut self, out: &mut Vec<Part>) {
        for run in 0..self.runs.len() {
            if self.runs[run].part_of.is_none() && self.runs[run].held > 0 {
                out.extend(self.release_run(run));
            }
        }
    }

    /// Every finished span whose run need not be waited for any longer: its root ended, or was released, or never seen.
    pub(super) fn release_flushed(&mut self, out: &mut Vec<Part>) {
        for run in 0..self.runs.len() {
            let Run { part_of, held, root, .. } = self.runs[run];
            if part_of.is_none() && held > 0 && !matches!(root, Root::Open(_)) {
                out.extend(self.release_run(run));
            }
        }
    }

    /// Whether nothing of it is open, held or expected.
    pub(super) fn is_done(&self) -> bool {
        let is_done = |run: &Run| match run.root {
            Root::Released => true,
            Root::Unseen => run.part_of.is_some() || run.waiting_since.is_none(),
            Root::Open(_) | Root::Ended(_) => false,
        };
        self.open == 0 && self.held == 0 && self.runs.iter().all(is_done)
    }

    /// Since when the first of its runs has waited, unless it is known already when to look at it.
    pub(super) const fn waits_unwatched(&self) -> Option<Instant> {
        if self.wake.is_some() { None } else { self.waiting_since }
    }

    /// Forgets released spans when there are many: those with nothing open or held below them. Generations stay for as long as
    /// their run goes on, which counts them. Runs that are over go with their spans.
    pub(super) fn forget_released(&mut self) {
        if self.table.nodes.len() < self.forget_at {
            return;
        }
        let goes_on: Vec<bool> =
            (0..self.runs.len()).map(|run| self.runs[run].open > 0 || self.runs[run].held > 0).collect();
        let mut needed = vec![false; self.table.nodes.len()];
        for at in 0..needed.len() {
            let node = &self.table.nodes[at];
            let is_counted = node.role == Role::Generation && goes_on[self.top_of(node.group as usize)];
            let is_loose = node.state == State::Ended && !node.is_kept && goes_on[self.top_of(node.group as usize)];
            // The text of an answer that was sent is sent.
            let is_loose = is_loose && (node.role != Role::Chunk || !self.is_below_released_generation(at));
            if node.state == State::Open || (node.state == State::Ended && node.is_kept) || is_counted || is_loose {
                needed[at] = true;
                for above in self.table.above(at) {
                    if mem::replace(&mut needed[above], true) {
                        break;
                    }
                }
            }
        }
        let mut groups: HashMap<u32, u32> = HashMap::new();
        let old_runs = mem::take(&mut self.runs);
        let top = |mut run: usize| {
            while let Some(part_of) = old_runs[run].part_of {
                run = part_of as usize;
            }
            run as u32
        };
        let mut places = vec![0; needed.len()];
        let nodes = mem::take(&mut self.table).nodes;
        let mut left = Vec::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for (at, mut node) in nodes.into_iter().enumerate() {
            if !needed[at] {
                self.bytes -= node.bytes;
                continue;
            }
            let count = groups.len() as u32;
            let group = *groups.entry(top(node.group as usize)).or_insert(count);
            if group == count {
                members.push(Vec::new());
            }
            node.group = group;
            places[at] = left.len() as u32;
            members[group as usize].push(places[at]);
            left.push(node);
        }
        self.table = Table::of(left);
        for run in self.missing.values_mut() {
            let count = groups.len() as u32;
            let group = *groups.entry(top(*run as usize)).or_insert(count);
            if group == count {
                members.push(Vec::new());
            }
            *run = group;
        }
        let mut runs: Vec<Option<Run>> = old_runs.into_iter().map(Some).collect();
        let mut kept: Vec<(u32, u32)> = groups.into_iter().map(|(old, new)| (new, old)).collect();
        kept.sort_unstable();
        for ((_, old), members) in kept.into_iter().zip(members) {
            let Some(mut run) = runs[old as usize].take() else { continue };
            run.members = members;
            run.root = match run.root {
                Root::Open(at) => Root::Open(places[at as usize]),
                Root::Ended(at) => Root::Ended(places[at as usize]),
                root => root,
            };
            self.runs.push(run);
        }
        self.forget_at = MAX_RELEASED.max(2 * self.table.nodes.len());
    }

    fn is_below_released_generation(&self, at: usize) -> bool {
        let nodes = &self.table.nodes;
        let generation = self.table.above(at).find(|above| nodes[*above].role == Role::Generation);
        generation.is_some_and(|generation| nodes[generation].state == State::Released)
    }

    fn wait(&mut self, run: usize, now: Instant) {
        self.runs[run].waiting_since = Some(now);
        self.waiting_since = self.waiting_since.or(Some(now));
    }

    fn add(&mut self, span: Span, is_kept: &impl Fn(&Span) -> bool) -> usize {
        let kept = !span.ty.is_skipped() && is_kept(&span);
        let (id, is_root) = (span.id, span.is_root);
        let parent = span.parent_span_id.filter(|parent| *parent != id);
        let at = self.table.nodes.len();
        let run = match parent.filter(|_| !is_root) {
            None => self.add_run(Root::Open(at as u32)) as usize,
            Some(parent) => match self.table.place(parent) {
                Some(parent) => {
                    self.table.nodes[parent].has_child = true;
                    self.run_of(parent)
                }
                None => match self.missing.get(&parent) {
                    Some(run) => self.top_of(*run as usize),
                    None => {
                        let run = self.add_run(Root::Unseen);
                        self.missing.insert(parent, run);
                        run as usize
                    }
                },
            },
        };
        let mut node = Node::new(span, kept, run as u32);
        node.parent = parent;
        self.bytes += node.bytes;
        self.table.push(node);
        self.open += 1;
        self.runs[run].open += 1;
        self.runs[run].members.push(at as u32);
        if !self.missing.is_empty()
            && let Some(orphans) = self.missing.remove(&id)
        {
            self.table.nodes[at].has_child = true;
            let orphans = self.top_of(orphans as usize);
            for place in 0..self.runs[orphans].members.len() {
                let orphan = self.runs[orphans].members[place] as usize;
                if orphan != at && self.table.nodes[orphan].parent == Some(id) {
                    self.table.link(orphan);
                }
            }
            self.join(orphans, run);
        }
        at
    }

    fn add_run(&mut self, root: Root) -> u32 {
        self.runs.push(Run {
            part_of: None,
            members: Vec::new(),
            root,
            open: 0,
            held: 0,
            waiting_since: None,
            segment: None,
        });
        (self.runs.len() - 1) as u32
    }

    /// Spans whose parent came belong to its run.
    fn join(&mut self, orphans: usize, run: usize) {
        let orphans = self.top_of(orphans);
        if orphans == run {
            return;
        }
        let joined = &mut self.runs[orphans];
        joined.part_of = Some(run as u32);
        let mut members = mem::take(&mut joined.members);
        let (open, held, since) = (joined.open, joined.held, joined.waiting_since.take());
        (joined.open, joined.held) = (0, 0);
        let run = &mut self.runs[run];
        // The longer list stays where it is.
        if members.len() > run.members.len() {
            mem::swap(&mut members, &mut run.members);
        }
        run.members.append(&mut members);
        run.open += open;
        run.held += held;
        if matches!(run.root, Root::Released | Root::Unseen) {
            run.waiting_since = run.waiting_since.or(since);
        }
    }

    fn run_of(&mut self, at: usize) -> usize {
        let run = self.top_of(self.table.nodes[at].group as usize);
        self.table.nodes[at].group = run as u32;
        run
    }

    fn top_of(&self, mut run: usize) -> usize {
        while let Some(part_of) = self.runs[run].part_of {
            run = part_of as usize;
        }
        run
    }

    fn close(&mut self, at: usize, end: Timestamp, completion: SpanCompletion, now: Instant) {
        let run = self.run_of(at);
        let node = &mut self.table.nodes[at];
        node.close(end, completion);
        let (is_kept, bytes) = (node.is_kept, node.bytes);
        self.open -= 1;
        if is_kept {
            self.runs[run].held += 1;
            self.held += 1;
            self.held_bytes += bytes;
        }
        self.runs[run].open -= 1;
        match self.runs[run].root {
            Root::Open(root) if root as usize == at => {
                self.runs[run].root = Root::Ended(root);
                if self.runs[run].open > 0 {
                    self.wait(run, now);
                }
            }
            Root::Released if is_kept && self.runs[run].waiting_since.is_none() => self.wait(run, now),
            Root::Unseen => self.wait(run, now),
            _ => {}
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
        let members = mem::take(&mut self.runs[run].members);
        let mut nodes = Vec::with_capacity(members.len());
        let mut bytes = 0;
        for at in members.iter().map(|at| *at as usize) {
            let node = &self.table.nodes[at];
            nodes.push(match node.state {
                State::Ended if node.is_kept => {
                    let left = node.left_over();
                    let released = self.settle(run, at, left);
                    bytes += released.bytes;
                    released
                }
                State::Ended => self.lend(at),
                State::Open | State::Released => node.clone_facts(),
            });
        }
        self.runs[run].members = members;
        if self.runs.len() > 1 {
            self.lend_ways_up(run, &mut nodes);
        }
        let crumbs = self.crumbs.iter().cloned().collect();
        let content = Content::Raw { nodes, crumbs };
        Some(Part { trace_id: self.id, sampled: self.sampled, content, root, segment, spans, bytes })
    }

    /// A span that is not sent, with what the others need of it. A piece of an answer is needed once.
    fn lend(&mut self, at: usize) -> Node {
        let node = &mut self.table.nodes[at];
        if !matches!(node.body, Body::Chunk(_)) {
            return node.clone_facts();
        }
        let left = node.left_over();
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
            self.runs[run].segment = Some(Arc::new(segment(root, parent)));
        }
    }

    /// An event span is a breadcrumb of its trace.
    fn note(&mut self, span: &Span) {
        if matches!(span.ty, SpanType::ModelChunk) {
            return;
        }
        if self.crumbs.len() == MAX_CRUMBS {
            self.crumbs.pop_front();
        }
        let short = |output: &&Payload| output.len() <= MAX_CRUMB_OUTPUT;
        self.crumbs.push_back(Arc::new(Breadcrumb {
            at: span.start,
            ty: span.ty.clone(),
            message: span.name.clone(),
            output: span.output.as_ref().filter(short).cloned(),
            is_error: span.error.is_some(),
        }));
    }
}
