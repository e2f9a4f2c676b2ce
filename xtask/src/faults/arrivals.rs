//! What has arrived at the sink: every item by its id, whether it was acknowledged, how often, and whether its bytes are those that
//! were handed over.

use std::{
    collections::{BTreeMap, HashMap},
    io::Read as _,
};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use watchpost_sentry::wire::{EnvelopeReader, RawItem, ReadLimits};

use super::items;

/// A client report's reason and category.
type Drop = (String, String);

/// What has arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// How often each item came in a request that was answered with 2xx; 0 if only in others.
    acknowledged: HashMap<Id, u32>,
    /// Drops that acknowledged client reports have told of.
    pub(super) reported: BTreeMap<Drop, u64>,
    /// Items whose bytes are not those handed over, and what could not be read.
    pub(super) wrong: Vec<String>,
    pub(super) requests: u64,
}

/// An item's kind and id.
type Id = (String, String);

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// What is in one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) items: Vec<Id>,
    reported: Vec<(Drop, u64)>,
    wrong: Vec<String>,
}

impl Content {
    /// Reads a request's body. With `ours`, items are those of [`items`] and their bytes are compared.
    pub(super) fn read(body: &[u8], encoding: &str, ours: bool) -> Self {
        let mut content = Self::default();
        if let Err(error) = content.try_read(body, encoding, ours) {
            content.wrong.push(format!("a body of {} bytes: {error}", body.len()));
        }
        content
    }

    fn try_read(&mut self, body: &[u8], encoding: &str, ours: bool) -> Result<(), crate::Failure> {
        let mut plain = Vec::new();
        match encoding {
            "gzip" => {
                flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?;
            }
            "" | "identity" => plain.extend_from_slice(body),
            other => return Err(format!("its encoding is {other}").into()),
        }
        let mut reader = EnvelopeReader::new(&plain[..], ReadLimits::default())?;
        while let Some(item) = reader.next_item()? {
            self.read_item(&item, ours)?;
        }
        Ok(())
    }

    fn read_item(&mut self, item: &RawItem, ours: bool) -> Result<(), crate::Failure> {
        match item.ty.as_str() {
            "client_report" => {
                let report: Value = serde_json::from_slice(&item.payload)?;
                for entry in report["discarded_events"].as_array().into_iter().flatten() {
                    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                    let quantity = entry["quantity"].as_u64().unwrap_or_default();
                    self.reported.push(((text("reason"), text("category")), quantity));
                }
            }
            "log" | "span" => {
                let container: Container<'_> = serde_json::from_slice(&item.payload)?;
                if item.item_count != Some(container.items.len() as u64) {
                    self.wrong.push(format!("a container of {} says {:?}", container.items.len(), item.item_count));
                }
                for raw in container.items {
                    self.push(&item.ty, raw.get().as_bytes(), ours)?;
                }
            }
            "event" | "transaction" => self.push(&item.ty, &item.payload, ours)?,
            // What the peers send beside: sessions.
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, kind: &str, json: &[u8], ours: bool) -> Result<(), crate::Failure> {
        let value: Value = serde_json::from_slice(json)?;
        let id = match kind {
            "log" => value["attributes"]["number"]["value"].to_string(),
            "span" => value["span_id"].as_str().ok_or("a span without an id")?.to_owned(),
            _ => value["event_id"].as_str().ok_or("an event without an id")?.to_owned(),
        };
        if ours {
            let number = match kind {
                "log" => id.parse().ok(),
                _ => u128::from_str_radix(&id, 16).ok().and_then(|id| u64::try_from(id).ok()?.checked_sub(1)),
            };
            let is_right = number.is_some_and(|number| items::kind(number) == kind && items::json(number) == json);
            if !is_right {
                self.wrong.push(format!("{kind} {id} is not what was handed over"));
            }
        }
        self.items.push((kind.to_owned(), id));
        Ok(())
    }
}

impl Arrivals {
    /// Takes note of a request.
    pub(super) fn take(&mut self, content: Content, acknowledged: bool) {
        self.requests += 1;
        for id in content.items {
            *self.acknowledged.entry(id).or_default() += u32::from(acknowledged);
        }
        if acknowledged {
            for (drop, quantity) in content.reported {
                *self.reported.entry(drop).or_default() += quantity;
            }
        }
        self.wrong.extend(content.wrong);
    }

    /// How many different items of a kind were acknowledged.
    pub(super) fn received(&self, kind: &str) -> u64 {
        self.acknowledged.iter().filter(|((of, _), count)| of == kind && **count > 0).count() as u64
    }

    /// How many different items were acknowledged.
    pub(super) fn received_all(&self) -> u64 {
        items::KINDS.iter().map(|kind| self.received(kind)).sum()
    }

    /// How many times an item was acknowledged that had been before.
    pub(super) fn repeated(&self) -> u64 {
        self.acknowledged.values().map(|count| u64::from(count.saturating_sub(1))).sum()
    }

    /// How often the item with this number was acknowledged; `None` if it never came.
    pub(super) fn of(&self, number: u64) -> Option<u32> {
        let kind = items::kind(number);
        let id = match kind {
            "log" => number.to_string(),
            "span" => format!("{:016x}", number + 1),
            _ => format!("{:032x}", u128::from(number) + 1),
        };
        self.acknowledged.get(&(kind.to_owned(), id)).copied()
    }

    /// What client reports have told of a category, for whatever reason.
    pub(super) fn reported_of(&self, category: &str) -> u64 {
        self.reported.iter().filter(|((_, of), _)| of == category).map(|(_, quantity)| quantity).sum()
    }
}
