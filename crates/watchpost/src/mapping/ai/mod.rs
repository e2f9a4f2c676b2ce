//! Seed 004: a [`FinishedSpan`](crate::model::FinishedSpan) becomes a span of a transaction, a transaction, a span of version 2,
//! and an error event when its failure is one of its own.
//!
//! | seed | file |
//! | --- | --- |
//! | "Span Mapping" | `operation.rs`, names in `name.rs` |
//! | "OpenTelemetry Attributes" | `table.rs`; what stands beside the tables, in `attribute.rs` |
//! | items | `item.rs` (spans, transactions), `error_event.rs`; `data.rs`: attributes written without being held |
//! | sizes | `pack.rs`, `cut.rs` |
//!
//! The mapping knows no tree: what a span has from its place in the trace (its kept parent, its agent, the data of its skipped
//! descendants) trace assembly has written into it.

mod attribute;
mod content;
mod cut;
mod data;
mod error_event;
mod facts;
mod item;
mod name;
mod operation;
pub(crate) mod pack;
mod settings;
mod table;

pub(crate) use self::item::{is_segment, write_span_v2};
pub use self::{
    error_event::error_event,
    item::{Segment, span, span_v2, span_v2_in, transaction},
    name::span_name,
    operation::{is_gen_ai, operation},
    settings::{AiSettings, MASTRA_ORIGIN, SpanMode, UnknownSpanMode},
};
use self::{error_event::error_type, item::has_failed};
