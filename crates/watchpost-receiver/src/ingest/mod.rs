//! From a request's body to records: undo its encoding, read the envelope item by item, read each payload once.
//! Tolerant, since any Sentry SDK may send here: what is not understood is kept raw, and damage costs only what is behind it.

pub(crate) mod call;
mod event;
mod facts;
pub(crate) mod json;
mod log;
mod prices;
mod span;
mod transaction;

use std::borrow::Cow;
use std::io::Read as _;
use std::sync::Arc;

use serde_json::Value;
use watchpost_sentry::wire::{EnvelopeReader, EventId, RawItem, ReadError, ReadLimits, Timestamp};

use crate::encoding::Decoded;
use crate::inert::clip;
use crate::store::{DiscardRecord, Record, Sdk};

/// Characters of a title (log body, span name, issue title) that are kept for lists and search; the payload keeps all.
const TITLE_CHARS: usize = 2000;

/// Characters of a name, id or status that are kept.
const NAME_CHARS: usize = 200;

/// Items of an envelope. Relay's limit is 1000; a batching sender may be configured otherwise.
const MAX_ITEMS: usize = 10_000;

/// Lines read of a client report.
const MAX_DISCARDS: usize = 100;

/// What is known of an item before its payload is read.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) project: Arc<str>,
    pub(crate) received_at: Timestamp,
    /// The sender, as far as the request says; the envelope's own word wins.
    pub(crate) sdk: Option<Arc<Sdk>>,
}

/// What an envelope held.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The envelope's event id.
    pub(crate) event_id: Option<EventId>,
    pub(crate) records: Vec<Record>,
    /// Why reading ended early.
    pub(crate) damage: Option<Damage>,
}

/// Why an envelope was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("the envelope is larger than {limit} bytes once decompressed")]
    TooLarge { limit: u64 },
    #[error("{0}")]
    Encoding(#[from] crate::encoding::EncodingError),
    #[error("{}", explain(.0))]
    Malformed(#[from] ReadError),
    #[error("the body cannot be decoded: {0}")]
    Undecodable(std::io::Error),
    #[error("the body is no event: a JSON object is wanted")]
    NoEvent,
}

/// Reads an envelope of at most `limit` bytes, once decompressed.
pub(crate) fn read_envelope(body: &[u8], encodings: &str, origin: &Origin, limit: u64) -> Reading {
    let mut reading = Reading { event_id: None, records: Vec::new(), damage: None };
    let decoded = match Decoded::new(body, encodings, limit) {
        Ok(decoded) => decoded,
        Err(error) => return Reading { damage: Some(error.into()), ..reading },
    };
    let (reader, exceeded) = decoded.into_parts();
    let mut limits = ReadLimits::default();
    limits.item = limits.item.min(limit);
    limits.envelope = limits.envelope.min(limit);
    limits.items = MAX_ITEMS;
    let result = EnvelopeReader::new(reader, limits).and_then(|mut envelope| {
        reading.event_id = envelope.header().event_id;
        let sdk = envelope.header().sdk.as_ref().map(|sdk| {
            let part = |text: &str| clip(text, NAME_CHARS).to_owned();
            Arc::new(Sdk { name: part(&sdk.name), version: part(&sdk.version) })
        });
        let origin = &Origin { sdk: sdk.or_else(|| origin.sdk.clone()), ..origin.clone() };
        while let Some(item) = envelope.next_item()? {
            read_item(item, origin, reading.event_id, &mut reading.records);
        }
        Ok(())
    });
    reading.damage = result.err().map(|error| match error {
        ReadError::EnvelopeTooLarge { .. } | ReadError::ItemTooLarge { .. } => Damage::TooLarge { limit },
        _ if exceeded.get() => Damage::TooLarge { limit },
        error => Damage::Malformed(error),
    });
    reading
}

/// Reads a body that is an event, or a transaction, by itself: how SDKs sent before there were envelopes.
pub(crate) fn read_event(body: &[u8], encodings: &str, origin: &Origin, limit: u64) -> Reading {
    match try_read_event(body, encodings, origin, limit) {
        Ok(record) => Reading { event_id: record.event_id, records: vec![record], damage: None },
        Err(damage) => Reading { event_id: None, records: Vec::new(), damage: Some(damage) },
    }
}

fn try_read_event(body: &[u8], encodings: &str, origin: &Origin, limit: u64) -> Result<Record, Damage> {
    let (mut reader, exceeded) = Decoded::new(body, encodings, limit)?.into_parts();
    let mut payload = Vec::new();
    reader.read_to_end(&mut payload).map_err(|error| match exceeded.get() {
        true => Damage::TooLarge { limit },
        false => Damage::Undecodable(error),
    })?;
    let value = json::parse(&payload).filter(Value::is_object).ok_or(Damage::NoEvent)?;
    let is_transaction = value["type"] == "transaction";
    let mut record = blank(Cow::Borrowed(if is_transaction { "transaction" } else { "event" }), origin, payload);
    let is_read = match is_transaction {
        true => transaction::read(&mut record, &value, None),
        false => event::read(&mut record, &value, None),
    };
    record.is_unreadable = !is_read;
    Ok(record)
}

fn read_item(item: RawItem, origin: &Origin, envelope_id: Option<EventId>, records: &mut Vec<Record>) {
    let RawItem { ty, payload, .. } = item;
    match ty.as_str() {
        "log" => read_container(payload, origin, Cow::Borrowed("log"), log::read, records),
        "span" => read_container(payload, origin, Cow::Borrowed("span"), span::read, records),
        "transaction" => records.push(read_single(payload, origin, Cow::Borrowed("transaction"), |record, value| {
            transaction::read(record, value, envelope_id)
        })),
        "event" => records.push(read_single(payload, origin, Cow::Borrowed("event"), |record, value| {
            event::read(record, value, envelope_id)
        })),
        "client_report" => {
            records.push(read_single(payload, origin, Cow::Borrowed("client_report"), read_client_report));
        }
        _ => {
            let mut record = blank(kind(ty), origin, payload);
            record.event_id = envelope_id;
            records.push(record);
        }
    }
}

/// Reads `{"items":[…]}` into a record for each item, or a payload that is not a container as one item.
fn read_container(
    payload: Vec<u8>,
    origin: &Origin,
    kind: Cow<'static, str>,
    read: fn(&mut Record, &Value) -> bool,
    records: &mut Vec<Record>,
) {
    match json::items(&payload) {
        Some(items) => records.extend(items.iter().map(|item| {
            // One copy, so that each item is stored by itself.
            read_single(item.get().as_bytes().to_vec(), origin, kind.clone(), read)
        })),
        None => records.push(read_single(payload, origin, kind, read)),
    }
}

/// Makes a record of one JSON payload; one that `read` cannot make sense of is kept as unreadable.
fn read_single(
    payload: Vec<u8>,
    origin: &Origin,
    kind: Cow<'static, str>,
    read: impl FnOnce(&mut Record, &Value) -> bool,
) -> Record {
    let value = json::parse(&payload);
    let mut record = blank(kind, origin, payload);
    record.is_unreadable = !value.is_some_and(|value| read(&mut record, &value));
    record
}

fn blank(kind: Cow<'static, str>, origin: &Origin, payload: Vec<u8>) -> Record {
    Record {
        kind,
        project: Arc::clone(&origin.project),
        received_at: origin.received_at,
        timestamp: origin.received_at,
        trace_id: None,
        span_id: None,
        event_id: None,
        dedupe: None,
        payload,
        sdk: origin.sdk.clone(),
        is_unreadable: false,
        level: None,
        title: String::new(),
        status: None,
        duration_ms: None,
        is_error: false,
        spans: Vec::new(),
        issue: None,
        events: Vec::new(),
        discards: Vec::new(),
    }
}

/// An item type as it is counted and shown: short and plain, or `other`.
fn kind(ty: String) -> Cow<'static, str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !ty.is_empty() && ty.len() <= 32 && ty.bytes().all(is_plain) { Cow::Owned(ty) } else { Cow::Borrowed("other") }
}

fn read_client_report(record: &mut Record, report: &Value) -> bool {
    record.timestamp = json::time(&report["timestamp"]).unwrap_or(record.timestamp);
    let Some(discards) = report["discarded_events"].as_array() else { return report.is_object() };
    let text = |value: &Value| clip(value.as_str().unwrap_or("unknown"), NAME_CHARS).to_owned();
    record.discards = discards
        .iter()
        .take(MAX_DISCARDS)
        .map(|discard| DiscardRecord {
            reason: text(&discard["reason"]),
            category: text(&discard["category"]),
            quantity: discard["quantity"].as_i64().unwrap_or(0).clamp(0, i64::from(u32::MAX)),
        })
        .collect();
    let total: i64 = record.discards.iter().map(|discard| discard.quantity).sum();
    record.title = format!("the sender discarded {total}");
    true
}

/// An error with its causes, on one line.
fn explain(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What makes a resend of an item with ids of its own recognisable.
fn dedupe_key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}
