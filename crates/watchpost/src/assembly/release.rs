//! From a part of a trace to what is sent of it: each span with its place, its agent, what was gathered for it, and whether its
//! failure is an issue of its own. Runs on the exporter's thread, not on the host's.

use std::sync::Arc;

use watchpost_sentry::wire::{SpanId, TraceId};

use super::{
    failure::Failure,
    gather::Family,
    node::{Body, Node, Role, State},
    remnants::Remnant,
    segment::SegmentRoot,
    table::Table,
};
use crate::model::{AgentIdentity, Breadcrumb, ErrorInfo, FinishedSpan, Gathered};

/// Most failures above one that it is compared with.
const MAX_COMPARED: usize = 32;

/// Spans that are sent together: a run's, or what came of it without or after its root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Release {
    pub(crate) trace_id: TraceId,
    /// The sampling decided outside.
    pub(crate) sampled: Option<bool>,
    /// The run's root first if it is in here, then by start.
    pub(crate) spans: Vec<FinishedSpan>,
    /// Whether the first span is the run's root.
    pub(crate) has_root: bool,
    /// The run's root without content, where it is known and not in here.
    pub(crate) segment: Option<Arc<SegmentRoot>>,
    /// About how many bytes the spans hold.
    pub(crate) bytes: usize,
}

/// A [`Release`] in the making: what the host's thread has taken out of the trace.
#[derive(Debug)]
pub(crate) struct Part {
    pub(super) trace_id: TraceId,
    pub(super) sampled: Option<bool>,
    /// Those in [`State::Ended`] are released, the others are around them.
    pub(super) nodes: Vec<Node>,
    pub(super) crumbs: Vec<Arc<Breadcrumb>>,
    pub(super) root: Option<SpanId>,
    pub(super) segment: Option<Arc<SegmentRoot>>,
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

impl Part {
    /// How many spans it releases.
    pub(crate) const fn spans(&self) -> usize {
        self.spans
    }

    /// About how many bytes they hold.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Finds out what there is to know. What it was found out of is to be freed where it was made.
    pub(crate) fn release(self) -> (Release, Remnant) {
        let mut table = Table::of(self.nodes);
        let ended = |at: &usize| table.nodes[*at].state == State::Ended && table.nodes[*at].is_kept;
        let places: Vec<usize> = (0..table.nodes.len()).filter(ended).collect();
        let mut spans = finish(&mut table, &places, &self.crumbs);
        spans.sort_by_key(|span| (Some(span.span.id) != self.root, span.span.start));
        let has_root = self.root.is_some() && spans.first().is_some_and(|span| Some(span.span.id) == self.root);
        let release = Release {
            trace_id: self.trace_id,
            sampled: self.sampled,
            has_root,
            segment: self.segment,
            bytes: self.bytes,
            spans,
        };
        (release, Remnant::nodes(table.nodes))
    }
}

/// What is known of a span from those around it.
struct Around {
    parent: Option<SpanId>,
    agent: Option<Arc<AgentIdentity>>,
    gathered: Gathered,
    reports_error: bool,
}

/// Takes the spans at these places out of the table.
fn finish(table: &mut Table, places: &[usize], crumbs: &[Arc<Breadcrumb>]) -> Vec<FinishedSpan> {
    adopt_errors(table, places);
    let reports = reporting(table, places);
    let seen = &*table;
    let mut family = Family::new(seen);
    let mut agents = Agents { table: seen, known: Vec::new() };
    let around: Vec<Around> = places
        .iter()
        .zip(reports)
        .map(|(at, reports_error)| Around {
            parent: seen.kept_parent(*at),
            agent: agents.of(*at),
            gathered: family.gathered(*at),
            reports_error,
        })
        .collect();
    for (at, id) in family.call_ids {
        if let Body::Whole(span) = &mut table.nodes[at].body {
            super::facts::give_call_id(span, id);
        }
    }
    places.iter().zip(around).filter_map(|(at, around)| finished(table, *at, around, crumbs)).collect()
}

fn finished(table: &mut Table, at: usize, around: Around, crumbs: &[Arc<Breadcrumb>]) -> Option<FinishedSpan> {
    let node = &mut table.nodes[at];
    let span = match &mut node.body {
        Body::Whole(_) => match std::mem::take(&mut node.body) {
            Body::Whole(span) => span,
            _ => return None,
        },
        _ => return None,
    };
    let end = span.end.unwrap_or(span.start);
    let breadcrumbs = if around.reports_error {
        crumbs.iter().filter(|crumb| crumb.at <= end).cloned().collect()
    } else {
        Vec::new()
    };
    Some(FinishedSpan {
        parent_span_id: around.parent.or(span.external_parent_span_id),
        completion: node.completion,
        agent: around.agent,
        gathered: around.gathered,
        reports_error: around.reports_error,
        breadcrumbs,
        withheld: Default::default(),
        span,
    })
}

/// A step's failure is its generation's when that ended with it: the last step failed and the generation tells of no error.
fn adopt_errors(table: &mut Table, places: &[usize]) {
    if !table.nodes.iter().any(|node| matches!(&node.body, Body::Model(facts) if facts.error.is_some())) {
        return;
    }
    let without_error = places.iter().filter(|place| table.nodes[**place].error().is_none());
    let adopted: Vec<_> =
        without_error.filter_map(|place| Some((*place, last_call_error(table, *place)?.clone()))).collect();
    for (place, error) in adopted {
        if let Body::Whole(span) = &mut table.nodes[place].body {
            span.error = Some(Box::new(error));
        }
    }
}

/// How the last call of a model right below a span failed, by what is not sent of it.
pub(super) fn last_call_error(table: &Table, place: usize) -> Option<&ErrorInfo> {
    let nodes = &table.nodes;
    let mut last: Option<usize> = None;
    table.walk(place, (), |at, ()| {
        if nodes[at].is_kept {
            return None;
        }
        let rank = |at: usize| (nodes[at].start, nodes[at].end, at);
        let is_call = matches!(nodes[at].role, Role::Step | Role::Inference);
        if is_call && last.is_none_or(|last| rank(at) > rank(last)) {
            last = Some(at);
        }
        Some(())
    });
    match last.map(|last| &nodes[last].body) {
        Some(Body::Model(facts)) => facts.error.as_deref(),
        _ => None,
    }
}

/// Which of the spans report their error: of those on one way up that tell of the same failure, the deepest.
fn reporting(table: &Table, places: &[usize]) -> Vec<bool> {
    let nodes = &table.nodes;
    let mut reports: Vec<bool> = places.iter().map(|at| nodes[*at].error().is_some()).collect();
    if !reports.contains(&true) {
        return reports;
    }
    let failures: Vec<Option<Arc<Failure>>> = nodes
        .iter()
        .map(|node| match node.error() {
            Some(error) if node.state == State::Ended => Some(Arc::new(Failure::of(error))),
            _ => node.failure.clone(),
        })
        .collect();
    let position = |at: usize| places.binary_search(&at).ok();
    for (at, below) in failures.iter().enumerate() {
        let Some(below) = below else { continue };
        let failed_above = table.above(at).filter(|above| *above != at);
        let failed_above = failed_above.filter_map(|above| Some((above, failures[above].as_ref()?))).take(MAX_COMPARED);
        for (above, failure) in failed_above {
            if failure.repeats(below) || (failure.wraps() && ended_with(table, &failures, above, at)) {
                match (position(above), position(at)) {
                    (Some(above), _) => reports[above] = false,
                    // The one above was released before and has said it.
                    (None, Some(at)) => reports[at] = false,
                    (None, None) => {}
                }
                break;
            }
        }
    }
    reports
}

/// Whether what is above ended because of the failure `at`: all between them failed too, and nothing below it began after that.
fn ended_with(table: &Table, failures: &[Option<Arc<Failure>>], above: usize, at: usize) -> bool {
    let nodes = &table.nodes;
    let Some(failed_at) = nodes[at].end else { return false };
    let mut between = table.above(at).take_while(|between| *between != above);
    if between.any(|between| nodes[between].is_kept && failures[between].is_none()) {
        return false;
    }
    let mut is_last = true;
    table.walk(above, (), |below, ()| {
        is_last &= nodes[below].start <= failed_at;
        is_last.then_some(())
    });
    is_last
}

/// The agents of a release, each made once.
struct Agents<'a> {
    table: &'a Table,
    known: Vec<(usize, Arc<AgentIdentity>)>,
}

impl Agents<'_> {
    fn of(&mut self, at: usize) -> Option<Arc<AgentIdentity>> {
        let nearest = match self.table.agents_above(at).next() {
            Some(agent) => agent,
            // Outside of any agent, a run's root may tell who it was done for.
            None => std::iter::once(at).chain(self.table.above(at)).last()?,
        };
        if let Some((_, known)) = self.known.iter().find(|(place, _)| *place == nearest) {
            return Some(known.clone());
        }
        let mut agent = self.table.nodes[nearest].identity()?;
        if agent.conversation_id.is_none() {
            // An agent that another one calls takes part in that one's conversation.
            let mut above = self.table.agents_above(nearest).skip(1);
            let outer = above.find_map(|above| self.table.nodes[above].identity()?.conversation_id.clone());
            if outer.is_some() {
                Arc::make_mut(&mut agent).conversation_id = outer;
            }
        }
        if agent.user_id.is_none() {
            let outer = self.table.above(nearest).find_map(|above| self.table.nodes[above].identity()?.user_id.clone());
            if outer.is_some() {
                Arc::make_mut(&mut agent).user_id = outer;
            }
        }
        self.known.push((nearest, agent.clone()));
        Some(agent)
    }
}
