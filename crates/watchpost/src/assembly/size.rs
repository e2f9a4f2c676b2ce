//! About how many bytes a span takes in memory: what the bounds of trace assembly are counted in.

use crate::model::{ErrorInfo, Payload, Span, Text};

/// What a value on the heap costs beside its bytes.
const ALLOCATION: usize = 16;

pub(super) fn span_bytes(span: &Span) -> usize {
    let texts = [&span.entity_type, &span.entity_id, &span.entity_name];
    let texts: usize = texts.into_iter().flatten().map(|text| text.len() + ALLOCATION).sum();
    let payloads: usize =
        [&span.input, &span.output].into_iter().flatten().map(|payload| payload.len() + ALLOCATION).sum();
    let metadata: usize = span
        .metadata
        .iter()
        .map(|(key, value)| size_of::<(Text, Payload)>() + key.len() + value.len() + 2 * ALLOCATION)
        .sum();
    let tags: usize = span.tags.iter().map(|tag| size_of::<Text>() + tag.len() + ALLOCATION).sum();
    size_of::<Span>()
        + span.name.len()
        + texts
        + payloads
        + metadata
        + tags
        + span.attributes.approximate_bytes()
        + span.error.as_deref().map_or(0, error_bytes)
}

pub(super) fn error_bytes(error: &ErrorInfo) -> usize {
    let texts = [&error.ty, &error.data, &error.id, &error.domain, &error.category, &error.stack, &error.platform];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    size_of::<ErrorInfo>()
        + error.message.len()
        + texts
        + error.frames.len() * 256
        + error.causes.iter().map(error_bytes).sum::<usize>()
}
