//! What is kept of a run's root for the spans that are sent without it.

use watchpost_sentry::wire::SpanId;

use super::facts::naming;
use crate::model::{FinishedSpan, Gathered, Span, Text};

/// A root without its content.
#[derive(Debug, PartialEq)]
pub(crate) struct SegmentRoot {
    root: Span,
    /// The nearest span above it that is sent.
    parent: Option<SpanId>,
}

impl SegmentRoot {
    pub(super) fn of(root: &Span, parent: Option<SpanId>) -> Self {
        let mut named = Span::new(root.trace_id, root.id, root.ty.clone(), root.name.clone(), root.start);
        named.parent_span_id = root.parent_span_id;
        named.external_parent_span_id = root.external_parent_span_id;
        named.entity_type.clone_from(&root.entity_type);
        named.entity_id.clone_from(&root.entity_id);
        named.entity_name.clone_from(&root.entity_name);
        named.attributes = naming(&root.attributes);
        named.is_root = root.is_root;
        named.sampled = root.sampled;
        Self { root: named, parent }
    }

    /// The root as the mapping takes it.
    pub(crate) fn finished(&self) -> FinishedSpan {
        FinishedSpan {
            span: Box::new(self.root.clone()),
            parent_span_id: self.parent,
            completion: Default::default(),
            agent: None,
            gathered: Gathered::default(),
            reports_error: false,
            breadcrumbs: Vec::new(),
            withheld: Default::default(),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let Span { name, entity_type, entity_id, entity_name, attributes, .. } = &self.root;
        let texts = [entity_type, entity_id, entity_name].into_iter().flatten().chain([name]);
        size_of::<Self>() + texts.map(Text::heap_bytes).sum::<usize>() + attributes.approximate_bytes()
    }
}
