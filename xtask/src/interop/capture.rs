//! What the recording sink received, taken apart: envelopes, their items, and the items by kind.

use std::time::SystemTime;

use serde_json::{Map, Value};
use watchpost_sentry::wire::{EnvelopeReader, ReadLimits};

use super::sink::Request;

/// Everything that arrived in one run.
#[derive(Default)]
pub(super) struct Capture {
    pub(super) requests: Vec<Request>,
    pub(super) envelopes: Vec<Envelope>,
    /// What could not be read, as sentences.
    pub(super) unreadable: Vec<String>,
}

/// One envelope.
pub(super) struct Envelope {
    /// The first line as sent.
    pub(super) header: Value,
    pub(super) items: Vec<Item>,
    /// When its request had arrived.
    pub(super) received: SystemTime,
    /// As sent, unpacked.
    pub(super) bytes: Vec<u8>,
}

/// One item of an envelope.
pub(super) struct Item {
    pub(super) ty: String,
    pub(super) header: Map<String, Value>,
    pub(super) payload: Value,
}

impl Capture {
    /// Takes the requests apart; whatever is not an envelope of JSON items is noted.
    pub(super) fn read(requests: Vec<Request>) -> Self {
        let mut capture = Self::default();
        for request in &requests {
            match read_envelope(request) {
                Ok(envelope) => capture.envelopes.push(envelope),
                Err(problem) => capture.unreadable.push(format!("{}: {problem}", request.path)),
            }
        }
        capture.requests = requests;
        capture
    }

    /// Every item of this type.
    pub(super) fn items<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = &'a Item> {
        self.envelopes.iter().flat_map(|envelope| &envelope.items).filter(move |item| item.ty == ty)
    }

    /// The payloads of this type.
    pub(super) fn payloads<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = &'a Value> {
        self.items(ty).map(|item| &item.payload)
    }

    /// Every log, out of its container.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Value> {
        self.payloads("log").flat_map(|container| container["items"].as_array().map(Vec::as_slice).unwrap_or_default())
    }
}

fn read_envelope(request: &Request) -> Result<Envelope, String> {
    let first_line = request.body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header = serde_json::from_slice(first_line).map_err(|error| format!("the envelope's header: {error}"))?;
    let mut reader =
        EnvelopeReader::new(&request.body[..], ReadLimits::default()).map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
        let payload = serde_json::from_slice(&item.payload)
            .map_err(|error| format!("a {} item is not JSON: {error}", item.ty))?;
        items.push(Item { ty: item.ty, header: item.header, payload });
    }
    Ok(Envelope { header, items, received: request.received, bytes: request.body.clone() })
}
