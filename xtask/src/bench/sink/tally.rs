//! Counting what envelopes hold: items by the `item_count` of their headers, or, when verifying, by parsing each item.
//! Sentry's envelope format: <https://develop.sentry.dev/sdk/data-model/envelopes/>.

use std::{
    collections::{HashMap, HashSet},
    io::Read as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Gzip,
    Unknown,
}

impl Encoding {
    /// The value of `Content-Encoding`.
    pub(super) fn parse(value: &str) -> Self {
        match value {
            "gzip" => Self::Gzip,
            "" | "identity" => Self::Identity,
            _ => Self::Unknown,
        }
    }
}

/// What a sink received.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::bench) struct Stats {
    pub(in crate::bench) requests: u64,
    /// Bytes of bodies as they came.
    pub(in crate::bench) bytes: u64,
    pub(in crate::bench) logs: u64,
    pub(in crate::bench) transactions: u64,
    pub(in crate::bench) errors: u64,
    /// Spans: a transaction's root, those in it, and those in containers.
    pub(in crate::bench) spans: u64,
    /// Quantities that client reports say were dropped.
    pub(in crate::bench) discarded: u64,
    /// Envelopes or items that could not be read.
    pub(in crate::bench) malformed: u64,
    /// Distinct ids, kept only by a sink that verifies.
    pub(in crate::bench) distinct_logs: u64,
    pub(in crate::bench) distinct_transactions: u64,
    pub(in crate::bench) distinct_errors: u64,
    pub(in crate::bench) distinct_spans: u64,
}

impl Stats {
    /// As `GET /stats` answers.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Counts of all connections.
#[derive(Debug, Default)]
pub(super) struct Tally {
    verify: bool,
    requests: AtomicU64,
    bytes: AtomicU64,
    logs: AtomicU64,
    transactions: AtomicU64,
    errors: AtomicU64,
    spans: AtomicU64,
    discarded: AtomicU64,
    malformed: AtomicU64,
    samples: Mutex<HashMap<String, Vec<u8>>>,
    ids: Mutex<HashMap<String, HashSet<String>>>,
}

#[derive(Deserialize)]
struct ItemHeader<'a> {
    #[serde(rename = "type")]
    ty: &'a str,
    length: Option<usize>,
    item_count: Option<u64>,
}

impl Tally {
    /// Empty; one that verifies parses each item.
    pub(super) fn new(verify: bool) -> Self {
        Self { verify, ..Self::default() }
    }

    /// The counts so far.
    pub(super) fn stats(&self) -> Stats {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let distinct = |ty| ids.get(ty).map_or(0, |ids| ids.len() as u64);
        Stats {
            requests: self.requests.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            logs: self.logs.load(Relaxed),
            transactions: self.transactions.load(Relaxed),
            errors: self.errors.load(Relaxed),
            spans: self.spans.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            distinct_logs: distinct("log"),
            distinct_transactions: distinct("transaction"),
            distinct_errors: distinct("event"),
            distinct_spans: distinct("span"),
        }
    }

    /// The largest request with an item of this type; empty if there was none.
    pub(super) fn sample(&self, ty: &str) -> Vec<u8> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).get(ty).cloned().unwrap_or_default()
    }

    /// Counts one request: all of it as `request`, its body once more as `body`.
    pub(super) fn count(&self, request: &[u8], body: &[u8], encoding: Encoding) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(body.len() as u64, Relaxed);
        let readable = match encoding {
            Encoding::Identity => self.count_items(request, body),
            Encoding::Gzip => {
                let mut plain = Vec::with_capacity(8 * body.len());
                match flate2::read::GzDecoder::new(body).read_to_end(&mut plain) {
                    Ok(_) => self.count_items(request, &plain),
                    Err(_) => None,
                }
            }
            Encoding::Unknown => None,
        };
        if readable.is_none() {
            self.malformed.fetch_add(1, Relaxed);
        }
    }

    /// `None` when the envelope can't be read to its end.
    fn count_items(&self, request: &[u8], envelope: &[u8]) -> Option<()> {
        let mut rest = split_line(envelope)?.1;
        while !rest.is_empty() {
            let (line, after) = split_line(rest)?;
            if line.is_empty() {
                rest = after;
                continue;
            }
            let header: ItemHeader<'_> = serde_json::from_slice(line).ok()?;
            let (payload, after) = match header.length {
                Some(length) => (after.get(..length)?, after.get(length..)?),
                None => split_line(after).unwrap_or((after, b"")),
            };
            rest = after.strip_prefix(b"\n").unwrap_or(after);
            self.count_item(&header, payload)?;
            self.keep_sample(header.ty, request);
        }
        Some(())
    }

    fn count_item(&self, header: &ItemHeader<'_>, payload: &[u8]) -> Option<()> {
        let counter = match header.ty {
            "log" => &self.logs,
            "transaction" => &self.transactions,
            "event" => &self.errors,
            "span" => &self.spans,
            "client_report" => return self.count_discarded(payload),
            _ => return Some(()),
        };
        let said = header.item_count.unwrap_or(1);
        if header.ty == "transaction" {
            // Each says its id once, the root in the trace context; inside a text the quotes would be escaped.
            let spans = memchr::memmem::find_iter(payload, b"\"span_id\":").count();
            self.spans.fetch_add(spans as u64, Relaxed);
        }
        if self.verify {
            let payload: Value = serde_json::from_slice(payload).ok()?;
            let items = payload["items"].as_array().map_or(std::slice::from_ref(&payload), Vec::as_slice);
            if items.len() as u64 != said {
                return None;
            }
            let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            for item in items {
                let id = match header.ty {
                    "span" => format!("{} {}", item["trace_id"].as_str()?, item["span_id"].as_str()?),
                    _ => item["event_id"].as_str().or_else(|| item["span_id"].as_str())?.to_owned(),
                };
                ids.entry(header.ty.to_owned()).or_default().insert(id);
            }
            if header.ty == "transaction" {
                let children = payload["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
                let spans = children.iter().chain([&payload["contexts"]["trace"]]);
                for span in spans {
                    let id = format!("{} {}", span["trace_id"].as_str()?, span["span_id"].as_str()?);
                    ids.entry("span".to_owned()).or_default().insert(id);
                }
            }
        }
        counter.fetch_add(said, Relaxed);
        Some(())
    }

    fn count_discarded(&self, payload: &[u8]) -> Option<()> {
        let report: Value = serde_json::from_slice(payload).ok()?;
        for entry in report["discarded_events"].as_array()? {
            self.discarded.fetch_add(entry["quantity"].as_u64()?, Relaxed);
        }
        Some(())
    }

    /// Keeps the largest request: a full batch, not the first or the last bit of one.
    fn keep_sample(&self, ty: &str, request: &[u8]) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        match samples.get_mut(ty) {
            Some(sample) if sample.len() >= request.len() => {}
            Some(sample) => request.clone_into(sample),
            None => {
                samples.insert(ty.to_owned(), request.to_vec());
            }
        }
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &[u8] = b"{}\n\
        {\"type\":\"log\",\"item_count\":2,\"length\":45}\n{\"items\":[{\"event_id\":\"a\"},{\"event_id\":\"b\"}]}\n\
        {\"type\":\"event\"}\n{\"event_id\":\"c\"}";

    #[test]
    fn items_are_counted_with_and_without_a_length() {
        let tally = Tally::new(false);
        tally.count(LOGS, LOGS, Encoding::Identity);
        let stats = tally.stats();
        assert_eq!((stats.requests, stats.logs, stats.errors, stats.malformed), (1, 2, 1, 0));
        assert_eq!(tally.sample("log"), LOGS);
        assert!(tally.sample("transaction").is_empty());
    }

    #[test]
    fn spans_are_counted_in_transactions_and_in_containers() {
        let envelope: &[u8] = br#"{}
{"type":"transaction"}
{"event_id":"e","contexts":{"trace":{"trace_id":"t","span_id":"a"}},"spans":[{"trace_id":"t","span_id":"b","parent_span_id":"a","data":{"x":"\"span_id\":"}}]}
{"type":"span","item_count":1}
{"items":[{"trace_id":"t","span_id":"c","parent_span_id":"a"}]}
"#;
        for verify in [false, true] {
            let tally = Tally::new(verify);
            tally.count(envelope, envelope, Encoding::Identity);
            tally.count(envelope, envelope, Encoding::Identity);
            let stats = tally.stats();
            assert_eq!((stats.transactions, stats.spans, stats.malformed), (2, 6, 0));
            assert_eq!(stats.distinct_spans, if verify { 3 } else { 0 });
        }
    }

    #[test]
    fn a_verifying_sink_sees_a_repeated_id_and_a_count_that_is_wrong() {
        let tally = Tally::new(true);
        tally.count(LOGS, LOGS, Encoding::Identity);
        tally.count(LOGS, LOGS, Encoding::Identity);
        assert_eq!((tally.stats().logs, tally.stats().distinct_logs, tally.stats().malformed), (4, 2, 0));
        let lying = String::from_utf8_lossy(LOGS).replace("\"item_count\":2", "\"item_count\":3");
        tally.count(lying.as_bytes(), lying.as_bytes(), Encoding::Identity);
        assert_eq!((tally.stats().logs, tally.stats().malformed), (4, 1));
    }

    #[test]
    fn a_truncated_or_unreadable_envelope_is_counted_as_malformed() {
        let tally = Tally::new(false);
        tally.count(LOGS, &LOGS[..60], Encoding::Identity);
        tally.count(LOGS, LOGS, Encoding::Gzip);
        tally.count(LOGS, LOGS, Encoding::Unknown);
        assert_eq!((tally.stats().requests, tally.stats().malformed), (3, 3));
    }
}
