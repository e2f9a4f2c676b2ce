//! A record: one item as it is kept in a segment, complete but for the moment of sending. What can't be read is skipped by
//! looking for the next record that can. The DSN's key is in none.
//!
//! ```text
//! magic "WPR1" · length of the body · CRC-32 of the body · body
//! body: kind · accepted at (ms) · event id · spans · flags · lengths of trace, ends, streamed · trace · ends · streamed · payload
//! ```
//! Numbers are little-endian.

use std::borrow::Cow;

use flate2::Crc;

use super::super::{
    encoded::{EncodedSpans, EncodedTransaction},
    lane::{Lane, Load},
    parcel::Parcel,
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
}

/// An item on its way into a record.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Item<'a> {
    /// A log's JSON.
    Log(&'a [u8]),
    /// A v2 span's JSON, of this trace.
    Span { json: &'a [u8], ends_segment: bool, trace: &'a DynamicSamplingContext<'a> },
    /// What is sealed when it comes: an error event, a transaction, a container of spans.
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
            let body = Body { kind: Kind::Span, payload: json, trace: Some(trace), ..Body::new(accepted_at) };
            write_body(out, &Body { flags: u8::from(ends_segment), ..body });
        }
        Item::Sealed(parcel) => write_body(
            out,
            &Body {
                kind: match parcel.load.lane {
                    Lane::Error => Kind::Error,
                    Lane::Transaction => Kind::Transaction,
                    Lane::Span | Lane::Log => Kind::SpanContainer,
                },
                event_id: parcel.event_id.unwrap_or_default(),
                spans: parcel.load.spans,
                trace: parcel.trace.as_deref(),
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
    trace: Option<&'a DynamicSamplingContext<'a>>,
    ends: &'a [u32],
    streamed: &'a [u8],
    payload: &'a [u8],
}

impl Body<'_> {
    const fn new(accepted_at: u64) -> Self {
        Self {
            kind: Kind::Log,
            accepted_at,
            event_id: EventId([0; 16]),
            spans: 0,
            flags: 0,
            trace: None,
            ends: &[],
            streamed: &[],
            payload: &[],
        }
    }
}

fn write_body(out: &mut Vec<u8>, body: &Body<'_>) {
    out.push(body.kind as u8);
    out.extend_from_slice(&body.accepted_at.to_le_bytes());
    out.extend_from_slice(&body.event_id.0);
    out.extend_from_slice(&body.spans.to_le_bytes());
    out.push(body.flags);
    let lengths = out.len();
    out.extend_from_slice(&[0; 12]);
    if let Some(trace) = body.trace {
        trace.write_json_without_key(out);
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

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What was found in a segment.
#[derive(Debug, Default)]
pub(in super::super) struct Found {
    /// The records that can be read.
    pub(in super::super) entries: Vec<Entry>,
    /// How many stretches of bytes are none: a torn end, or damage in between.
    pub(in super::super) damaged: u64,
}

/// Finds the records of a segment. Bytes that are none are skipped up to the next record that can be read.
pub(in super::super) fn scan(segment: &[u8]) -> Found {
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
pub(super) fn read(segment: &[u8], offset: u32, public_key: &str) -> Option<(u64, Stored)> {
    let body = Reader::new(body_at(segment, offset as usize)?);
    let accepted_at = Reader::new(body.rest).head()?.accepted_at;
    Some((accepted_at, read_body(body, public_key)?))
}

fn body_at(segment: &[u8], at: usize) -> Option<&[u8]> {
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
    let (_, _) = (reader.take(head.trace)?, reader.take(head.ends.checked_mul(4)?)?);
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
    };
    Some(Entry { offset: u32::try_from(offset).ok()?, accepted_at: head.accepted_at, load })
}

fn read_body(mut reader: Reader<'_>, public_key: &str) -> Option<Stored> {
    let head = reader.head()?;
    let trace = reader.take(head.trace)?;
    let trace: Option<DynamicSamplingContext<'static>> =
        if trace.is_empty() { None } else { serde_json::from_slice(trace).ok() };
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
        Kind::SpanContainer => {
            Stored::Sealed(Box::new(Parcel::spans(EncodedSpans { payload, ends }, Box::new(trace?))))
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::TraceId;

    fn trace() -> DynamicSamplingContext<'static> {
        DynamicSamplingContext {
            trace_id: TraceId([7; 16]),
            public_key: "key".into(),
            sample_rate: Some(0.5),
            sample_rand: Some(0.25),
            sampled: Some(true),
            release: Some("r@1".into()),
            environment: None,
            transaction: None,
            org_id: None,
        }
    }

    /// A segment with one record of each kind.
    fn segment() -> Vec<u8> {
        let mut out = Vec::new();
        write(Item::Log(b"{\"body\":1}"), 11, &mut out);
        write(Item::Span { json: b"{\"name\":2}", ends_segment: true, trace: &trace() }, 22, &mut out);
        write(
            Item::Sealed(&Parcel::single(Lane::Error, EventId([3; 16]), None, b"{\"e\":3}".to_vec(), 0)),
            33,
            &mut out,
        );
        let mut streamed = EncodedSpans::new();
        streamed.push(b"{}");
        streamed.push(b"{\"s\":4}");
        let transaction = EncodedTransaction {
            event_id: EventId([4; 16]),
            json: b"{\"t\":4}".to_vec(),
            spans: 9,
            streamed: streamed.clone(),
        };
        write(Item::Sealed(&Parcel::transaction(transaction, Some(&trace()))), 44, &mut out);
        write(Item::Sealed(&Parcel::spans(streamed, Box::new(trace()))), 55, &mut out);
        seal(&mut out);
        out
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let segment = segment();
        let Found { entries, damaged } = scan(&segment);
        assert_eq!(damaged, 0);
        assert_eq!(entries.iter().map(|entry| entry.accepted_at).collect::<Vec<_>>(), [11, 22, 33, 44, 55]);
        let loads: Vec<_> = entries.iter().map(|entry| entry.load).collect();
        assert_eq!(
            loads,
            [
                Load::new(Lane::Log, 1, 10),
                Load::new(Lane::Span, 1, 10),
                Load::new(Lane::Error, 1, 7),
                Load { spans: 9, streamed: 2, streamed_bytes: 9, ..Load::new(Lane::Transaction, 1, 7) },
                Load::new(Lane::Span, 2, 9),
            ]
        );
        let mut stored = entries.iter().map(|entry| read(&segment, entry.offset, "key").unwrap().1);
        assert!(matches!(stored.next(), Some(Stored::Log(json)) if json == b"{\"body\":1}"));
        assert!(matches!(
            stored.next(),
            Some(Stored::Span { json, ends_segment: true, trace: read }) if json == b"{\"name\":2}" && read == trace()
        ));
        for (stored, entry) in stored.zip(&entries[2..]) {
            let Stored::Sealed(parcel) = stored else { panic!("{stored:?}") };
            assert_eq!(parcel.load, entry.load);
            match entry.accepted_at {
                33 => assert_eq!((parcel.event_id, parcel.trace.is_none()), (Some(EventId([3; 16])), true)),
                44 => {
                    assert_eq!(
                        (&*parcel.payload, &*parcel.streamed.payload),
                        (&b"{\"t\":4}"[..], &b"{},{\"s\":4}"[..])
                    );
                    assert_eq!(parcel.trace.as_deref(), Some(&trace()));
                }
                _ => assert_eq!((&*parcel.payload, &*parcel.ends), (&b"{},{\"s\":4}"[..], &[2, 10][..])),
            }
        }
    }

    #[test]
    fn the_key_is_in_no_record() {
        let secret = DynamicSamplingContext { public_key: "0123456789abcdef".into(), ..trace() };
        let mut segment = Vec::new();
        write(Item::Span { json: b"{}", ends_segment: true, trace: &secret }, 1, &mut segment);
        write(
            Item::Sealed(&Parcel::single(Lane::Error, EventId([3; 16]), Some(&secret), b"{}".to_vec(), 0)),
            2,
            &mut segment,
        );
        seal(&mut segment);
        assert!(!String::from_utf8_lossy(&segment).contains("0123456789abcdef"));
        for entry in scan(&segment).entries {
            let read = match read(&segment, entry.offset, "another").unwrap().1 {
                Stored::Span { trace, .. } => trace,
                Stored::Sealed(parcel) => *parcel.trace.unwrap(),
                Stored::Log(_) => panic!("no log was written"),
            };
            assert_eq!(read, DynamicSamplingContext { public_key: "another".into(), ..trace() });
        }
    }

    #[test]
    fn a_torn_end_costs_only_the_record_it_tore() {
        let segment = segment();
        let whole = scan(&segment).entries;
        for length in 0..segment.len() {
            let found = scan(&segment[..length]);
            let expected = whole.iter().filter(|entry| end(&segment, entry) <= length).count();
            assert_eq!(found.entries, whole[..expected], "cut at {length}");
            let is_between = length == 0 || whole.iter().any(|entry| end(&segment, entry) == length);
            assert_eq!(found.damaged, u64::from(!is_between), "cut at {length}");
        }
    }

    fn end(segment: &[u8], entry: &Entry) -> usize {
        entry.offset as usize + PREFIX + body_at(segment, entry.offset as usize).unwrap().len()
    }

    proptest! {
        #[test]
        fn damage_costs_only_the_records_it_hits(at in 0..400_usize, value: u8, extra in proptest::collection::vec(any::<u8>(), 0..40)) {
            let whole = segment();
            let at = at % whole.len();
            let mut damaged = whole.clone();
            damaged[at] = value;
            let hit = |entry: &Entry| (entry.offset as usize..end(&whole, entry)).contains(&at);
            let expected: Vec<_> = scan(&whole).entries.into_iter().filter(|entry| value == whole[at] || !hit(entry)).collect();
            prop_assert_eq!(&scan(&damaged).entries, &expected);
            // Bytes in between are skipped as well.
            let mut shifted = extra.clone();
            shifted.extend_from_slice(&whole);
            prop_assert_eq!(scan(&shifted).entries.len(), 5);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            framed.extend_from_slice(&checksum(&bytes).to_le_bytes());
            framed.extend_from_slice(&bytes);
            for entry in scan(&framed).entries {
                let _ = read(&framed, entry.offset, "key");
            }
        }
    }
}
