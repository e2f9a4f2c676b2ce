//! A record: one item as it is kept in a segment, complete but for the moment of sending. What can't be read is skipped by
//! looking for the next record that can. The DSN's key is in none.
//!
//! ```text
//! magic "WPR1" · length of the body · CRC-32 of the body · body
//! body: kind · accepted at (ms) · event id · spans · flags · lengths of trace, ends, streamed · trace · ends · streamed · payload
//! ```
//! Numbers are little-endian.

mod reading;

pub(super) use self::reading::read;
pub(in super::super) use self::reading::{Found, scan};
use super::{
    super::{
        foreign::Head,
        lane::{Lane, Load},
        parcel::Parcel,
    },
    account::checksum,
};
use crate::wire::{DynamicSamplingContext, EventId};

/// What a record begins with; version 1.
const MAGIC: [u8; 4] = *b"WPR1";
/// Magic, length, checksum.
const PREFIX: usize = 12;
/// A body's numbers, before its texts.
const FIXED: usize = 1 + 8 + 16 + 8 + 1 + 4 + 4 + 4;
/// No item is longer: a longer length is a broken one.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Log = 1,
    Span = 2,
    Error = 3,
    Transaction = 4,
    SpanContainer = 5,
    /// Items of another SDK's envelope: the flags are its lane, `ends` its [`Load`]'s figures, and `trace` its header.
    Foreign = 6,
}

/// Beside a lane in the flags: the envelope's sampling context named the DSN's key.
const NAMES_KEY: u8 = 0x80;

/// An item on its way into a record.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Item<'a> {
    /// A log's JSON.
    Log(&'a [u8]),
    /// A v2 span's JSON, of this trace.
    Span { json: &'a [u8], ends_segment: bool, trace: &'a DynamicSamplingContext<'a> },
    /// What is sealed when it comes: an error event, a transaction, a container of spans, another SDK's items.
    Sealed(&'a Parcel),
}

/// An item read from a record.
#[derive(Debug)]
pub(in super::super) enum Stored {
    Log(Vec<u8>),
    Span { json: Vec<u8>, ends_segment: bool, trace: DynamicSamplingContext<'static> },
    Sealed(Box<Parcel>),
}

/// A record's place in its segment, and what its item weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Entry {
    /// Where it begins.
    pub(in super::super) offset: u32,
    /// Milliseconds since 1970.
    pub(in super::super) accepted_at: u64,
    pub(in super::super) load: Load,
}

/// Appends a record, whose checksum [`seal`] adds.
pub(super) fn write(item: Item<'_>, accepted_at: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; PREFIX - 4]);
    match item {
        Item::Log(json) => write_body(out, &Body { kind: Kind::Log, payload: json, ..Body::new(accepted_at) }),
        Item::Span { json, ends_segment, trace } => {
            let context = Some(Context::Trace(trace));
            let body = Body { kind: Kind::Span, payload: json, context, ..Body::new(accepted_at) };
            write_body(out, &Body { flags: u8::from(ends_segment), ..body });
        }
        Item::Sealed(parcel) if let Some(head) = &parcel.head => write_foreign(out, parcel, head, accepted_at),
        Item::Sealed(parcel) => write_body(
            out,
            &Body {
                kind: match parcel.load.lane {
                    Lane::Error => Kind::Error,
                    Lane::Transaction => Kind::Transaction,
                    _ => Kind::SpanContainer,
                },
                event_id: parcel.event_id.unwrap_or_default(),
                spans: parcel.load.spans,
                context: parcel.trace.as_deref().map(Context::Trace),
                ends: if parcel.ends.is_empty() { &parcel.streamed.ends } else { &parcel.ends },
                streamed: &parcel.streamed.payload,
                payload: &parcel.payload,
                ..Body::new(accepted_at)
            },
        ),
    }
    let body = start + PREFIX;
    // A body is bounded by its lane's buffer, far below 4 GiB.
    let length = u32::try_from(out.len() - body).unwrap_or(u32::MAX);
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

/// Adds the checksums of records that were written one behind the other. It is done at last and by the writer: most of what Sentry
/// takes at once is never written at all, and who hands over pays nothing for it.
pub(in super::super) fn seal(mut records: &mut [u8]) {
    while let Some((prefix, rest)) = records.split_at_mut_checked(PREFIX) {
        let length = prefix[4..8].iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let Some((body, others)) = rest.split_at_mut_checked(length) else { return };
        prefix[8..].copy_from_slice(&checksum(body).to_le_bytes());
        records = others;
    }
}

/// What a body is made of.
struct Body<'a> {
    kind: Kind,
    accepted_at: u64,
    event_id: EventId,
    spans: u64,
    flags: u8,
    context: Option<Context<'a>>,
    ends: &'a [u32],
    streamed: &'a [u8],
    payload: &'a [u8],
}

/// What stands in the place of the trace.
enum Context<'a> {
    Trace(&'a DynamicSamplingContext<'a>),
    Head(&'a Head),
}

impl Body<'_> {
    const fn new(accepted_at: u64) -> Self {
        Self {
            kind: Kind::Log,
            accepted_at,
            event_id: EventId([0; 16]),
            spans: 0,
            flags: 0,
            context: None,
            ends: &[],
            streamed: &[],
            payload: &[],
        }
    }
}

/// Items of another SDK's envelope.
fn write_foreign(out: &mut Vec<u8>, parcel: &Parcel, head: &Head, accepted_at: u64) {
    let load = &parcel.load;
    // None of them is longer than an item may be.
    let figure = |figure: u64| u32::try_from(figure).unwrap_or(u32::MAX);
    let key = if head.names_key() { NAMES_KEY } else { 0 };
    let body = Body {
        kind: Kind::Foreign,
        spans: if load.lane == Lane::Transaction { load.spans } else { load.items },
        flags: load.lane as u8 | key,
        context: Some(Context::Head(head)),
        ends: &[figure(load.bytes), figure(load.streamed), figure(load.streamed_bytes)],
        payload: &parcel.payload,
        ..Body::new(accepted_at)
    };
    write_body(out, &body);
}

fn write_body(out: &mut Vec<u8>, body: &Body<'_>) {
    out.push(body.kind as u8);
    out.extend_from_slice(&body.accepted_at.to_le_bytes());
    out.extend_from_slice(&body.event_id.0);
    out.extend_from_slice(&body.spans.to_le_bytes());
    out.push(body.flags);
    let lengths = out.len();
    out.extend_from_slice(&[0; 12]);
    match body.context {
        Some(Context::Trace(trace)) => trace.write_json_without_key(out),
        Some(Context::Head(head)) => head.write_record(out),
        None => {}
    }
    let trace = out.len() - lengths - 12;
    for end in body.ends {
        out.extend_from_slice(&end.to_le_bytes());
    }
    for (place, length) in [trace, body.ends.len(), body.streamed.len()].into_iter().enumerate() {
        let at = lengths + 4 * place;
        out[at..at + 4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    out.extend_from_slice(body.streamed);
    out.extend_from_slice(body.payload);
}

#[cfg(test)]
mod tests;
