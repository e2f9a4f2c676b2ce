//! What two reports of one span make: the newer one's present fields replace, the rest stays (seed 004, `SPAN_UPDATED`).

use std::mem;

use crate::model::{Payload, Span, Text};

/// Beyond this many comparisons the newer metadata replaces the older as a whole: it is a hostile amount.
const MAX_COMPARISONS: usize = 16_384;

/// Makes `span` what `newer` says of it.
pub(super) fn update(span: &mut Box<Span>, newer: Box<Span>) {
    let mut older = mem::replace(span, newer);
    let older = &mut *older;
    span.parent_span_id = span.parent_span_id.or(older.parent_span_id);
    span.external_parent_span_id = span.external_parent_span_id.or(older.external_parent_span_id);
    if span.name.is_empty() {
        span.name = mem::take(&mut older.name);
    }
    // The type decides over the span's part in the trace: the first one counts.
    mem::swap(&mut span.ty, &mut older.ty);
    fill(&mut span.entity_type, &mut older.entity_type);
    fill(&mut span.entity_id, &mut older.entity_id);
    fill(&mut span.entity_name, &mut older.entity_name);
    span.attributes.fill_from(mem::take(&mut older.attributes));
    fill_members(&mut span.metadata, mem::take(&mut older.metadata));
    if span.tags.is_empty() {
        span.tags = mem::take(&mut older.tags);
    }
    if span.start.nanos() == 0 {
        span.start = older.start;
    }
    span.end = span.end.or(older.end);
    fill(&mut span.input, &mut older.input);
    fill(&mut span.output, &mut older.output);
    fill(&mut span.error, &mut older.error);
    span.is_event |= older.is_event;
    span.is_root |= older.is_root;
    span.sampled = span.sampled.or(older.sampled);
}

fn fill<T>(newer: &mut Option<T>, older: &mut Option<T>) {
    if newer.is_none() {
        *newer = older.take();
    }
}

fn fill_members(newer: &mut Vec<(Text, Payload)>, older: Vec<(Text, Payload)>) {
    if newer.is_empty() {
        *newer = older;
    } else if newer.len() * older.len() <= MAX_COMPARISONS {
        for (key, value) in older {
            if newer.iter().all(|(known, _)| *known != key) {
                newer.push((key, value));
            }
        }
    }
}
