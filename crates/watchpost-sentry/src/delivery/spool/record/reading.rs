//! Reading records: what stands in a segment, and the item of one of them. Whatever the bytes are, nothing panics.

use std::borrow::Cow;

use super::{Entry, FIXED, Kind, MAGIC, MAX_BODY, NAMES_KEY, PREFIX, Stored};
use crate::{
    delivery::{
        encoded::{EncodedSpans, EncodedTransaction},
        foreign,
        lane::{Lane, Load},
        parcel::Parcel,
        spool::account::checksum,
    },
    wire::{DynamicSamplingContext, EventId},
};

/// What was found in a segment.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Found {
    /// The records that can be read.
    pub(in crate::delivery) entries: Vec<Entry>,
    /// How many stretches of bytes are none: a torn end, or damage in between.
    pub(in crate::delivery) damaged: u64,
}

/// Finds the records of a segment. Bytes that are none are skipped up to the next record that can be read.
pub(in crate::delivery) fn scan(segment: &[u8]) -> Found {
    let mut found = Found::default();
    let mut at = 0;
    let mut is_damaged = false;
    while at < segment.len() {
        match body_at(segment, at).and_then(|body| Some((body.len(), read_entry(body, at)?))) {
            Some((length, entry)) => {
                found.entries.push(entry);
                at += PREFIX + length;
                is_damaged = false;
            }
            None => {
                found.damaged += u64::from(!is_damaged);
                is_damaged = true;
                let rest = segment.get(at + 1..).unwrap_or_default();
                at = memchr::memmem::find(rest, &MAGIC).map_or(segment.len(), |next| at + 1 + next);
            }
        }
    }
    found
}

/// Reads the record that begins at `offset`: when it was accepted, and its item. Sampling contexts are given the DSN's public key
/// again, which is not in the record.
pub(in crate::delivery::spool) fn read(segment: &[u8], offset: u32, public_key: &str) -> Option<(u64, Stored)> {
    let body = Reader::new(body_at(segment, offset as usize)?);
    let accepted_at = Reader::new(body.rest).head()?.accepted_at;
    Some((accepted_at, read_body(body, public_key)?))
}

pub(super) fn body_at(segment: &[u8], at: usize) -> Option<&[u8]> {
    let prefix = segment.get(at..at + PREFIX)?;
    let number = |at: usize| Some(u32::from_le_bytes(prefix.get(at..at + 4)?.try_into().ok()?));
    let (length, expected) = (number(4)? as usize, number(8)?);
    if prefix[..4] != MAGIC || !(FIXED..=MAX_BODY).contains(&length) {
        return None;
    }
    let body = segment.get(at + PREFIX..at + PREFIX + length)?;
    (checksum(body) == expected).then_some(body)
}

/// A body's numbers.
struct Head {
    kind: Kind,
    accepted_at: u64,
    event_id: EventId,
    spans: u64,
    flags: u8,
    trace: usize,
    ends: usize,
    streamed: usize,
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn length(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.array()?) as usize)
    }

    fn head(&mut self) -> Option<Head> {
        let kind = match self.array::<1>()?[0] {
            1 => Kind::Log,
            2 => Kind::Span,
            3 => Kind::Error,
            4 => Kind::Transaction,
            5 => Kind::SpanContainer,
            6 => Kind::Foreign,
            _ => return None,
        };
        Some(Head {
            kind,
            accepted_at: u64::from_le_bytes(self.array()?),
            event_id: EventId(self.array()?),
            spans: u64::from_le_bytes(self.array()?),
            flags: self.array::<1>()?[0],
            trace: self.length()?,
            ends: self.length()?,
            streamed: self.length()?,
        })
    }
}

fn read_entry(body: &[u8], offset: usize) -> Option<Entry> {
    let mut reader = Reader::new(body);
    let head = reader.head()?;
    reader.take(head.trace)?;
    let ends = reader.take(head.ends.checked_mul(4)?)?;
    let streamed = reader.take(head.streamed)?;
    let bytes = reader.rest.len() as u64;
    let commas = (head.ends as u64).saturating_sub(1);
    let load = match head.kind {
        Kind::Log => Load::new(Lane::Log, 1, bytes),
        Kind::Span => Load::new(Lane::Span, 1, bytes),
        Kind::Error => Load::new(Lane::Error, 1, bytes),
        Kind::Transaction => {
            let (streamed, streamed_bytes) = (head.ends as u64, (streamed.len() as u64).saturating_sub(commas));
            Load { spans: head.spans, streamed, streamed_bytes, ..Load::new(Lane::Transaction, 1, bytes) }
        }
        Kind::SpanContainer => Load::new(Lane::Span, head.ends as u64, bytes.saturating_sub(commas)),
        Kind::Foreign => foreign_load(&head, ends)?,
    };
    Some(Entry { offset: u32::try_from(offset).ok()?, accepted_at: head.accepted_at, load })
}

/// What another SDK's items weigh.
fn foreign_load(head: &Head, ends: &[u8]) -> Option<Load> {
    let lane = *Lane::ALL.get(usize::from(head.flags & !NAMES_KEY))?;
    let mut figures = Reader::new(ends);
    let mut figure = || Some(u64::from(u32::from_le_bytes(figures.array()?)));
    let (bytes, streamed, streamed_bytes) = (figure()?, figure()?, figure()?);
    let (items, spans) = if lane == Lane::Transaction { (1, head.spans) } else { (head.spans, 0) };
    // Every item takes a byte at least.
    let items = items.clamp(1, MAX_BODY as u64);
    Some(Load { spans, streamed, streamed_bytes, ..Load::new(lane, items, bytes) })
}

fn read_body(mut reader: Reader<'_>, public_key: &str) -> Option<Stored> {
    let head = reader.head()?;
    let context = reader.take(head.trace)?;
    if head.kind == Kind::Foreign {
        let load = foreign_load(&head, reader.take(head.ends.checked_mul(4)?)?)?;
        reader.take(head.streamed)?;
        let envelope = foreign::Head::read_record(context, head.flags & NAMES_KEY != 0, public_key)?;
        return Some(Stored::Sealed(Box::new(Parcel::foreign(load, envelope, reader.rest.to_vec()))));
    }
    let trace: Option<DynamicSamplingContext<'static>> =
        if context.is_empty() { None } else { serde_json::from_slice(context).ok() };
    let trace = trace.map(|trace| DynamicSamplingContext { public_key: Cow::Owned(public_key.to_owned()), ..trace });
    let ends = reader.take(head.ends.checked_mul(4)?)?;
    let ends: Vec<u32> =
        ends.chunks_exact(4).filter_map(|end| Some(u32::from_le_bytes(end.try_into().ok()?))).collect();
    let streamed = reader.take(head.streamed)?.to_vec();
    let payload = reader.rest.to_vec();
    Some(match head.kind {
        Kind::Log => Stored::Log(payload),
        Kind::Span => Stored::Span { json: payload, ends_segment: head.flags & 1 == 1, trace: trace? },
        Kind::Error => Stored::Sealed(Box::new(Parcel::single(Lane::Error, head.event_id, trace.as_ref(), payload, 0))),
        Kind::Transaction => {
            let streamed = EncodedSpans { payload: streamed, ends };
            let (event_id, spans) = (head.event_id, head.spans);
            let transaction = EncodedTransaction { event_id, json: payload, spans, streamed };
            Stored::Sealed(Box::new(Parcel::transaction(transaction, trace.as_ref())))
        }
        // Read above.
        Kind::Foreign => return None,
        Kind::SpanContainer => {
            Stored::Sealed(Box::new(Parcel::spans(EncodedSpans { payload, ends }, Box::new(trace?))))
        }
    })
}
