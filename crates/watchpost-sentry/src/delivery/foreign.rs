//! Envelopes that another SDK has written: taken apart into parcels by what rate limits part, so that each waits, is counted and
//! is sent as its own kind of telemetry. The bytes of the items are never touched.
//! Source: Sentry's envelope format; `envelope-items.mdx` for which items belong together.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    lane::{Lane, Load},
    parcel::Parcel,
};
use crate::wire::{Timestamp, json::JsonWriter};

/// What cannot be read as an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEnvelope {
    /// The first line is no JSON object.
    #[error("the envelope's first line is not a JSON object")]
    Header,
    /// An item's header is no JSON object with a type.
    #[error("the header of an item of the envelope is not a JSON object with a `type`")]
    ItemHeader,
    /// An item is said to be longer than what is there, or does not end with its line.
    #[error("an item of the envelope is not as long as its header says")]
    ItemLength,
}

/// An envelope's header line as another SDK wrote it, but for what is told at the send: when that is, and whose key it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The members besides, joined by commas.
    members: Vec<u8>,
    /// The members of the sampling context besides the key, joined by commas.
    trace: Option<Vec<u8>>,
    /// The DSN's public key, where the sampling context named one.
    public_key: Option<String>,
}

/// A JSON object's members, in their order and as they are written.
struct Members(Vec<(String, Box<RawValue>)>);

#[derive(Deserialize)]
struct ItemHeader {
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    item_count: Option<u64>,
}

/// An item: the whole of it, with its header line and the newline after it.
struct Item<'a> {
    header: ItemHeader,
    whole: &'a [u8],
    payload: &'a [u8],
}

impl Head {
    /// Reads a header line. A sampling context names `public_key` when it is written again.
    fn read(line: &[u8], public_key: &str) -> Option<Self> {
        let mut head = Self::default();
        for (name, value) in serde_json::from_slice::<Members>(line).ok()?.0 {
            match &*name {
                // The request authenticates itself, and says when it is sent.
                "dsn" | "sent_at" => {}
                "trace" => match serde_json::from_str::<Members>(value.get()) {
                    Ok(Members(members)) => {
                        let mut trace = Vec::new();
                        for (name, value) in members {
                            if name == "public_key" {
                                head.public_key = Some(public_key.to_owned());
                            } else {
                                push_member(&mut trace, &name, value.get());
                            }
                        }
                        head.trace = Some(trace);
                    }
                    Err(_) => push_member(&mut head.members, &name, value.get()),
                },
                _ => push_member(&mut head.members, &name, value.get()),
            }
        }
        Some(head)
    }

    /// Reads what [`write_record`](Self::write_record) wrote.
    pub(super) fn read_record(record: &[u8], names_key: bool, public_key: &str) -> Option<Self> {
        let mut head = Self::read(record, public_key)?;
        head.public_key = names_key.then(|| public_key.to_owned());
        Some(head)
    }

    /// Writes it for the spool, without the key.
    pub(super) fn write_record(&self, out: &mut Vec<u8>) {
        self.write(out, None, None);
    }

    /// Writes the header line, with its newline.
    pub(super) fn write_line(&self, sent_at: Timestamp, out: &mut Vec<u8>) {
        self.write(out, Some(sent_at), self.public_key.as_deref());
        out.push(b'\n');
    }

    /// Whether the sampling context names the DSN's key.
    pub(super) const fn names_key(&self) -> bool {
        self.public_key.is_some()
    }

    /// The memory it takes.
    pub(super) fn footprint(&self) -> usize {
        let trace = self.trace.as_ref().map_or(0, Vec::len);
        let key = self.public_key.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.members.len() + trace + key
    }

    fn write(&self, out: &mut Vec<u8>, sent_at: Option<Timestamp>, public_key: Option<&str>) {
        let mut object = Vec::with_capacity(self.members.len() + 64);
        if let Some(sent_at) = sent_at {
            push_member(&mut object, "sent_at", &format!("\"{}\"", sent_at.to_rfc3339()));
        }
        append(&mut object, &self.members);
        if let Some(trace) = &self.trace {
            let mut context = trace.clone();
            if let Some(key) = public_key {
                let mut quoted = Vec::new();
                JsonWriter::new(&mut quoted).string(key);
                append(&mut context, b"\"public_key\":");
                context.extend_from_slice(&quoted);
            }
            append(&mut object, b"\"trace\":{");
            object.extend_from_slice(&context);
            object.push(b'}');
        }
        out.push(b'{');
        out.extend_from_slice(&object);
        out.push(b'}');
    }
}

impl Item<'_> {
    /// The lane of an item that depends on no other of its envelope.
    fn own_lane(&self) -> Option<Lane> {
        Some(match &*self.header.ty {
            "session" | "sessions" => Lane::Session,
            "check_in" => Lane::CheckIn,
            "trace_metric" => Lane::Metric,
            "log" => Lane::Log,
            "span" => Lane::Span,
            _ => return None,
        })
    }

    fn is_attachment(&self) -> bool {
        self.header.ty == "attachment"
    }

    /// How many it stands for: of a container those in it.
    fn count(&self) -> u64 {
        // An item in a container takes two bytes at least: a larger count is a mistake.
        self.header.item_count.unwrap_or(1).clamp(1, self.bytes().max(1))
    }

    fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}

/// The parcels of an envelope. `public_key` is that of the DSN it is sent to.
pub(super) fn parcels(envelope: &[u8], public_key: &str) -> Result<Vec<Parcel>, InvalidEnvelope> {
    let (line, rest) = split_line(envelope);
    let head = Head::read(line, public_key).ok_or(InvalidEnvelope::Header)?;
    let items = items(rest)?;
    let mut parcels = Vec::new();
    // An event or a transaction and all that may belong to it: attachments, profiles, feedback, and what nobody here knows.
    let (main, others): (Vec<&Item<'_>>, Vec<&Item<'_>>) = items.iter().partition(|item| item.own_lane().is_none());
    if main.iter().any(|item| item.header.ty != "client_report") || others.is_empty() && !main.is_empty() {
        parcels.push(parcel(&head, load_of_main(&main), &main));
    }
    // A client report that goes with none of these goes with whatever else there is.
    let mut reports = if parcels.is_empty() { main } else { Vec::new() };
    for lane in [Lane::Log, Lane::Span, Lane::Session, Lane::CheckIn, Lane::Metric] {
        let mut of_lane: Vec<&Item<'_>> = others.iter().copied().filter(|item| item.own_lane() == Some(lane)).collect();
        if of_lane.is_empty() {
            continue;
        }
        let load = Load::new(
            lane,
            of_lane.iter().map(|item| item.count()).sum(),
            of_lane.iter().map(|item| item.bytes()).sum(),
        );
        of_lane.append(&mut reports);
        parcels.push(parcel(&head, load, &of_lane));
    }
    Ok(parcels)
}

/// The same items without attachments.
pub(super) fn without_attachments(payload: &[u8]) -> Vec<u8> {
    let items = items(payload).unwrap_or_default();
    items.iter().filter(|item| !item.is_attachment()).flat_map(|item| item.whole).copied().collect()
}

fn parcel(head: &Head, load: Load, items: &[&Item<'_>]) -> Parcel {
    let mut payload = Vec::with_capacity(items.iter().map(|item| item.whole.len() + 1).sum());
    for item in items {
        payload.extend_from_slice(item.whole);
        if !payload.ends_with(b"\n") {
            payload.push(b'\n');
        }
    }
    Parcel::foreign(load, head.clone(), payload)
}

fn load_of_main(items: &[&Item<'_>]) -> Load {
    let has = |ty: &str| items.iter().any(|item| item.header.ty == ty);
    let bytes = |attachments: bool| {
        items.iter().filter(|item| item.is_attachment() == attachments).map(|item| item.bytes()).sum::<u64>()
    };
    if has("event") {
        let attachments = items.iter().filter(|item| item.is_attachment()).count() as u64;
        return Load { streamed: attachments, streamed_bytes: bytes(true), ..Load::new(Lane::Error, 1, bytes(false)) };
    }
    let all_bytes = bytes(true) + bytes(false);
    if has("transaction") {
        let transactions = items.iter().filter(|item| item.header.ty == "transaction");
        let spans = transactions.map(|item| spans_in(item.payload)).sum();
        return Load { spans, ..Load::new(Lane::Transaction, 1, all_bytes) };
    }
    let counted = items.iter().filter(|item| item.header.ty != "client_report").count();
    Load::new(Lane::Other, counted.max(1) as u64, all_bytes)
}

/// The spans of a transaction, its root included.
fn spans_in(transaction: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Spans {
        #[serde(default)]
        spans: Vec<IgnoredAny>,
    }
    serde_json::from_slice(transaction).map_or(0, |Spans { spans }| spans.len() as u64) + 1
}

fn items(mut rest: &[u8]) -> Result<Vec<Item<'_>>, InvalidEnvelope> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        // Blank lines may stand after the last item.
        if let [b'\n', after @ ..] = rest {
            rest = after;
            continue;
        }
        let (line, after) = split_line(rest);
        let header: ItemHeader = serde_json::from_slice(line).map_err(|_| InvalidEnvelope::ItemHeader)?;
        let payload = match header.length {
            Some(length) => after.get(..length).ok_or(InvalidEnvelope::ItemLength)?,
            None => split_line(after).0,
        };
        let after = &after[payload.len()..];
        let after = match after {
            [] => after,
            [b'\n', after @ ..] => after,
            _ => return Err(InvalidEnvelope::ItemLength),
        };
        let whole = &rest[..rest.len() - after.len()];
        items.push(Item { header, whole, payload });
        rest = after;
    }
    Ok(items)
}

/// The bytes up to the first newline, and those after it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    memchr::memchr(b'\n', bytes).map_or((bytes, &[]), |end| (&bytes[..end], &bytes[end + 1..]))
}

fn push_member(out: &mut Vec<u8>, name: &str, value: &str) {
    let mut quoted = Vec::new();
    JsonWriter::new(&mut quoted).string(name);
    append(out, &quoted);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

/// Appends members to members.
fn append(out: &mut Vec<u8>, members: &[u8]) {
    if !out.is_empty() && !members.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(members);
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests;
