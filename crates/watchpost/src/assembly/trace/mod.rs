//! One trace while it is assembled: its spans, and the runs they belong to. A run is a root with all below it; spans whose
//! parent was not seen yet form a run without a root until it is.

mod forget;
mod part;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use self::forget::{MAX_RELEASED, MAX_RELEASED_OF_RECORDING};
use super::{
    id_map::IdMap,
    limits::ReleaseWhen,
    node::{Node, State},
    segment::SegmentRoot,
    table::Table,
    tomb::{Recalled, Ring, Spans, Tomb, TombSpan},
};
use crate::model::{Breadcrumb, Payload, Span, SpanCompletion, SpanType};

/// What a trace without spans is counted as.
pub(in crate::assembly) const TRACE_BYTES: usize = size_of::<Trace>() + size_of::<Run>() + 128;
/// Most breadcrumbs of a trace: as many as Sentry keeps.
const MAX_CRUMBS: usize = 100;
/// Most spans or runs that a trace had whose room is kept for the next one.
const MAX_ROOM: usize = 256;
/// Longest output that a breadcrumb repeats.
const MAX_CRUMB_OUTPUT: usize = 2 * 1024;

#[derive(Debug)]
pub(in crate::assembly) struct Trace {
    pub(in crate::assembly) id: TraceId,
    sampled: Option<bool>,
    table: Table,
    runs: Vec<Run>,
    /// Room for the members of the first run,
    members: Vec<u32>,
    /// and for the nodes of the first part.
    part: Vec<Node>,
    /// The runs without a root by the parent they wait for.
    missing: IdMap<SpanId, u32>,
    crumbs: VecDeque<Arc<Breadcrumb>>,
    pub(in crate::assembly) open: usize,
    /// Finished spans that are held for their root,
    pub(in crate::assembly) held: usize,
    /// and their bytes.
    pub(in crate::assembly) held_bytes: usize,
    pub(in crate::assembly) bytes: usize,
    /// The latest moment any span told of.
    latest: Timestamp,
    /// When something was last heard of it.
    pub(in crate::assembly) heard: Instant,
    /// Since when the first of its runs has waited, at the earliest.
    waiting_since: Option<Instant>,
    /// When it is to be looked at.
    pub(in crate::assembly) wake: Option<Instant>,
    /// With how many spans it looks for some to forget.
    forget_at: usize,
    /// With how many at least.
    forget_least: usize,
    /// Whether the end of a root came before its start, or the events are a recording: they come in any order.
    is_unordered: bool,
    /// Whether a span may yet come above released ones: one of its roots goes on from another span, or it was recalled with such.
    may_grow_upwards: bool,
    /// Whether what ended waits for a moment though its root is open, because its events come in any order and it is not sent with
    /// its root.
    holds_ended: bool,
    /// The finished spans that waited for a parent and whose root the last event made known.
    joined: Vec<u32>,
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
    segment: Option<Arc<SegmentRoot>>,
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
pub(in crate::assembly) enum Applied {
    /// The span had ended before.
    Repeated,
    /// It goes on.
    Open { is_new: bool },
    /// It ended.
    Ended { at: usize, is_new: bool },
}

/// The room that a trace's spans took, empty. The next trace takes it over: to grow it again costs more than to fill it.
#[derive(Debug, Default)]
pub(in crate::assembly) struct Room {
    table: Table,
    runs: Vec<Run>,
    members: Vec<u32>,
    /// Room for the nodes of a part, which goes on its way with them.
    pub(in crate::assembly) part: Vec<Node>,
}

impl Room {
    /// Whether it is worth keeping: what a huge trace took is given back.
    pub(in crate::assembly) const fn is_ordinary(&self) -> bool {
        self.table.nodes.capacity() <= MAX_ROOM
            && self.members.capacity() <= MAX_ROOM
            && self.runs.capacity() <= MAX_ROOM
    }
}

impl Trace {
    pub(in crate::assembly) fn new(id: TraceId, now: Instant, room: Room) -> Self {
        let Room { table, runs, members, part } = room;
        Self {
            id,
            sampled: None,
            table,
            runs,
            members,
            part,
            missing: IdMap::default(),
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
            forget_least: MAX_RELEASED,
            is_unordered: false,
            may_grow_upwards: false,
            holds_ended: false,
            joined: Vec::new(),
        }
    }

    /// The trace again, of what was remembered of it.
    pub(in crate::assembly) fn recall(id: TraceId, recalled: Recalled, now: Instant) -> Self {
        let mut trace = Self::new(id, now, Room::default());
        let run = trace.add_run(Root::Released);
        let Recalled { mut nodes, may_grow_upwards, sampled, segment } = recalled;
        trace.may_grow_upwards = may_grow_upwards;
        trace.sampled = sampled;
        trace.runs[0].segment = segment;
        for (at, node) in nodes.iter_mut().enumerate() {
            node.group = run;
            trace.bytes += node.bytes;
            trace.runs[0].members.push(at as u32);
        }
        trace.table = Table::of(nodes);
        trace
    }

    /// Takes the trace, whose spans were all released, apart: into what is to be remembered of it, and the room it took.
    pub(in crate::assembly) fn entomb(mut self, ring: &mut Ring) -> (Tomb, Room) {
        let segment = self.runs.iter_mut().find_map(|run| run.segment.take());
        // No span can come above those of complete runs, to gather from them.
        let is_plain = self.missing.is_empty()
            && !self.may_grow_upwards
            && self.table.nodes.iter().all(|node| node.failure.is_none());
        let nodes = self.table.nodes.drain(..).filter(Tomb::keeps);
        let spans = if is_plain {
            let before = ring.len();
            ring.extend(nodes.map(TombSpan::of));
            Spans::Plain(ring.len() - before)
        } else {
            let mut nodes: Vec<Node> = nodes.collect();
            nodes.iter_mut().for_each(Node::forget_content);
            Spans::Whole(nodes)
        };
        self.table.clear();
        let mut members = self.runs.first_mut().map_or(self.members, |run| std::mem::take(&mut run.members));
        members.clear();
        self.runs.clear();
        (
            Tomb { spans, sampled: self.sampled, segment },
            Room { table: self.table, runs: self.runs, members, part: self.part },
        )
    }

    /// From now on what ends waits for what may come after it.
    pub(in crate::assembly) fn expect_any_order(&mut self, when: ReleaseWhen) {
        self.is_unordered = true;
        self.forget_least = MAX_RELEASED_OF_RECORDING;
        self.forget_at = self.forget_at.max(self.forget_least);
        self.holds_ended = when == ReleaseWhen::SpanEnded;
    }

    /// Takes an event in.
    pub(in crate::assembly) fn apply(
        &mut self,
        span: Box<Span>,
        ends: bool,
        now: Instant,
        is_kept: &impl Fn(&Span) -> bool,
    ) -> Applied {
        self.heard = now;
        self.joined.clear();
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
        self.is_unordered |= is_new && !is_event && self.runs[run].root == Root::Open(at as u32);
        let at_least = if is_event { self.table.nodes[at].start } else { self.latest };
        self.close(at, at_least, SpanCompletion::Ended, now);
        Applied::Ended { at, is_new }
    }

    /// Ends every open span at `at`, or at the last moment known. Gives their number.
    pub(in crate::assembly) fn close_all(
        &mut self,
        at: Option<Timestamp>,
        completion: SpanCompletion,
        now: Instant,
    ) -> usize {
        let at = at.unwrap_or(self.latest);
        let open: Vec<usize> =
            (0..self.table.nodes.len()).filter(|at| self.table.nodes[*at].state == State::Open).collect();
        for place in &open {
            self.close(*place, at, completion, now);
        }
        open.len()
    }

    /// Whether nothing of it is open, held or expected.
    pub(in crate::assembly) fn is_done(&self) -> bool {
        let is_done = |run: &Run| match run.root {
            Root::Released => true,
            Root::Unseen => run.part_of.is_some() || run.waiting_since.is_none(),
            Root::Open(_) | Root::Ended(_) => false,
        };
        self.open == 0 && self.held == 0 && self.runs.iter().all(is_done)
    }

    /// Since when the first of its runs has waited, unless it is known already when to look at it.
    pub(in crate::assembly) const fn waits_unwatched(&self) -> Option<Instant> {
        if self.wake.is_some() { None } else { self.waiting_since }
    }

    fn wait(&mut self, run: usize, now: Instant) {
        self.runs[run].waiting_since = Some(now);
        self.waiting_since = self.waiting_since.or(Some(now));
    }

    fn add(&mut self, span: Box<Span>, is_kept: &impl Fn(&Span) -> bool) -> usize {
        let kept = !span.ty.is_skipped() && is_kept(&span);
        let (id, is_root) = (span.id, span.is_root);
        let parent = span.parent_span_id.filter(|parent| *parent != id);
        let at = self.table.nodes.len();
        let run = match parent.filter(|_| !is_root) {
            None => {
                self.may_grow_upwards |= parent.is_some();
                self.add_run(Root::Open(at as u32)) as usize
            }
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
            members: std::mem::take(&mut self.members),
            root,
            open: 0,
            held: 0,
            waiting_since: None,
            segment: None,
        });
        (self.runs.len() - 1) as u32
    }

    /// Spans whose parent came belong to its run.
    fn join(&mut self, orphans: usize, into: usize) {
        let orphans = self.top_of(orphans);
        if orphans == into {
            return;
        }
        let joined = &mut self.runs[orphans];
        joined.part_of = Some(into as u32);
        let mut members = std::mem::take(&mut joined.members);
        let held_any = joined.held > 0;
        if held_any && self.runs[into].root != Root::Unseen {
            let ended = |at: &&u32| self.table.nodes[**at as usize].state == State::Ended;
            self.joined = members.iter().filter(ended).copied().collect();
        }
        let joined = &mut self.runs[orphans];
        let (open, held, since) = (joined.open, joined.held, joined.waiting_since.take());
        (joined.open, joined.held) = (0, 0);
        let run = &mut self.runs[into];
        // The longer list stays where it is.
        if members.len() > run.members.len() {
            std::mem::swap(&mut members, &mut run.members);
        }
        run.members.append(&mut members);
        run.open += open;
        run.held += held;
        if matches!(run.root, Root::Released | Root::Unseen) || self.holds_ended {
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
                if self.runs[run].open > 0 || self.may_grow(run) {
                    self.wait(run, now);
                }
            }
            Root::Released if is_kept && self.runs[run].waiting_since.is_none() => self.wait(run, now),
            Root::Unseen => self.wait(run, now),
            Root::Open(_) if self.holds_ended && is_kept && self.runs[run].waiting_since.is_none() => {
                self.wait(run, now);
            }
            _ => {}
        }
    }

    /// Whether spans of the run may be on their way, though none of it is open: some wait for parents that were not seen, or the
    /// events come in any order.
    fn may_grow(&self, run: usize) -> bool {
        let Run { open, held, .. } = self.runs[run];
        let waits = |orphans: &u32| {
            let orphans = &self.runs[self.top_of(*orphans as usize)];
            orphans.root == Root::Unseen && (orphans.open > 0 || orphans.held > 0)
        };
        self.is_unordered || (self.open + self.held > open + held && self.missing.values().any(waits))
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
