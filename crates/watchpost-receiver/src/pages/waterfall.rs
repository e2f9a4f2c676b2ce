//! The waterfall of a trace: spans in tree order, each with its place in time.

use std::collections::{HashMap, HashSet};

use maud::{Markup, html};
use watchpost_sentry::wire::SpanId;

use super::operation::{self, icon};
use super::parts::{NAME_CHARS, count, duration, or_dash, outside, status};
use crate::store::{SpanEntry, TraceDetail};
use crate::tail::format_duration;

/// Steps of indentation; deeper spans stay at the last.
const MAX_INDENT: usize = 12;

pub(super) fn waterfall(detail: &TraceDetail) -> Markup {
    let spans = &detail.spans;
    let end = spans.iter().map(|span| span.offset_ms + span.duration_ms).fold(0.0, f64::max);
    let begin = spans.iter().map(|span| span.offset_ms).fold(f64::INFINITY, f64::min);
    let trace = detail.trace.trace_id.to_string();
    html! {
        section.card aria-label="Spans" {
            div.span.columns aria-hidden="true" {
                span { "Span" } span { "Operation" } span.number { "Duration" }
                span.ruler { @for part in 0..4 { span { (format_duration((end - begin).max(0.0) * f64::from(part) / 4.0)) } } }
            }
            ol #spans.events data-live="rows" {
                @for (span, depth) in in_tree_order(spans) { (row(span, depth, begin, end, &trace)) }
            }
            @if detail.trace.spans > spans.len() as u64 {
                p.none { "The first " (count(spans.len() as u64)) " of " (count(detail.trace.spans)) " spans." }
            }
        }
    }
}

fn row(span: &SpanEntry, depth: usize, begin: f64, end: f64, trace: &str) -> Markup {
    let class = format!("name depth-{}", depth.min(MAX_INDENT));
    let kind = operation::kind(span.op.as_deref());
    // The panel is fetched when it is opened: a trace has thousands.
    html! {
        li id={ "span-" (span.item) "-" (span.position) } {
            details data-panel={ "/traces/" (trace) "/spans/" (span.item) "-" (span.position) } {
                summary.span {
                    span class=(class) {
                        (icon(span.op.as_deref()))
                        (outside(if span.name.is_empty() { "(no name)" } else { &span.name }, NAME_CHARS))
                        @if span.is_error { " " (status(span.status.as_deref(), true)) }
                    }
                    span.op { code { (or_dash(span.op.as_deref())) } }
                    span.number { (duration(Some(span.duration_ms))) }
                    span.bar { (bar(span, begin, end, kind.class())) }
                }
                div.inside { p { a href={ "/traces/" (trace) "/spans/" (span.item) "-" (span.position) } { "Open this span" } } }
            }
        }
    }
}

fn bar(span: &SpanEntry, begin: f64, end: f64, class: &str) -> Markup {
    let scale = if end > begin { 100.0 / (end - begin) } else { 0.0 };
    // Half a percent at least, so that a short span can be seen.
    let width = (span.duration_ms * scale).clamp(0.5, 100.0);
    let left = ((span.offset_ms - begin) * scale).clamp(0.0, 100.0 - width);
    html! {
        svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            rect class=(if span.is_error { "bad" } else { class }) x=(format!("{left:.2}")) width=(format!("{width:.2}")) height="4" rx="0.6" {}
        }
    }
}

/// The spans with their depths, parents before children, siblings by time; a span whose parent is not there is a root.
/// Parents that form a circle do not hang it: each span is visited once.
fn in_tree_order(spans: &[SpanEntry]) -> Vec<(&SpanEntry, usize)> {
    let known: HashSet<SpanId> = spans.iter().filter_map(|span| span.span_id).collect();
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        match span.parent_span_id {
            Some(parent) if known.contains(&parent) && span.span_id != Some(parent) => {
                children.entry(parent).or_default().push(at);
            }
            _ => roots.push(at),
        }
    }
    let mut ordered = Vec::with_capacity(spans.len());
    let mut stack: Vec<(usize, usize)> = roots.into_iter().rev().map(|at| (at, 0)).collect();
    let mut seen = vec![false; spans.len()];
    let mut visit = |stack: &mut Vec<(usize, usize)>| {
        while let Some((at, depth)) = stack.pop() {
            let (Some(span), Some(seen)) = (spans.get(at), seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            ordered.push((span, depth));
            let below = span.span_id.and_then(|id| children.get(&id));
            stack.extend(below.into_iter().flatten().rev().map(|at| (*at, depth + 1)));
        }
    };
    visit(&mut stack);
    // What is left hangs in a circle of parents.
    for at in 0..spans.len() {
        stack.push((at, 0));
        visit(&mut stack);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use watchpost_sentry::wire::{SpanId, Timestamp};

    use super::in_tree_order;
    use crate::store::SpanEntry;

    fn span(id: u8, parent: Option<u8>) -> SpanEntry {
        SpanEntry {
            item: i64::from(id),
            position: 0,
            span_id: Some(SpanId([id; 8])),
            parent_span_id: parent.map(|id| SpanId([id; 8])),
            kind: "span".to_owned(),
            op: None,
            name: String::new(),
            started: Timestamp::default(),
            offset_ms: 0.0,
            duration_ms: 0.0,
            status: None,
            is_error: false,
            cost: None,
        }
    }

    fn order(spans: &[SpanEntry]) -> Vec<(i64, usize)> {
        in_tree_order(spans).into_iter().map(|(span, depth)| (span.item, depth)).collect()
    }

    #[test]
    fn children_follow_their_parents() {
        let spans = [span(1, None), span(2, None), span(3, Some(1)), span(4, Some(3)), span(5, Some(1))];
        assert_eq!(order(&spans), [(1, 0), (3, 1), (4, 2), (5, 1), (2, 0)]);
    }

    #[test]
    fn a_span_without_its_parent_is_a_root() {
        assert_eq!(order(&[span(1, Some(9)), span(2, Some(1))]), [(1, 0), (2, 1)]);
    }

    #[test]
    fn circles_and_repeated_ids_end() {
        assert_eq!(order(&[span(1, Some(2)), span(2, Some(1)), span(3, Some(3))]), [(3, 0), (1, 0), (2, 1)]);
        assert_eq!(order(&[span(1, None), span(1, None), span(2, Some(1))]).len(), 3);
    }
}
