//! Sentry's wire format: DSN, ids, items and envelopes, written by hand and read with `serde_json`.
//!
//! Every type is plain data that borrows where it can (`'a`), so that a mapping allocates next to nothing. Writing goes
//! through [`json::JsonWriter`]; reading an envelope through [`EnvelopeReader`].
//! Source: Sentry's envelope, log, span-v2, transaction, event and client-report protocols.

mod attribute;
mod calendar;
mod client_report;
mod distinct;
mod dsc;
mod dsn;
mod envelope;
mod error_event;
mod escape;
mod event_part;
mod exception;
mod id;
pub mod json;
mod lenient;
mod log;
mod name;
mod owned;
mod reader;
mod span;
mod status;
mod timestamp;
mod transaction;
mod value;

pub(crate) use self::envelope::{CONTAINER_END, ITEM_END};
pub use self::{
    attribute::{Attribute, AttributeValue, Attributes, AttributesWriter},
    client_report::{Category, ClientReport, DiscardReason, DiscardedItems},
    dsc::DynamicSamplingContext,
    dsn::{Dsn, DsnError, Scheme},
    envelope::{Envelope, EnvelopeHeader, EnvelopeItems, ItemKind, SdkInfo},
    error_event::{Breadcrumb, ErrorEvent},
    exception::{Exception, Frame, Mechanism},
    id::{EventId, ParseIdError, SpanId, TraceId},
    log::{Log, LogLevel},
    name::UnknownName,
    reader::{EnvelopeReader, RawHeader, RawItem, ReadError, ReadLimits},
    span::{Span, SpanLink, SpanV2, SpanV2Status},
    status::{Level, SpanStatus},
    timestamp::Timestamp,
    transaction::{Transaction, TransactionSource, User},
    value::Value,
};
