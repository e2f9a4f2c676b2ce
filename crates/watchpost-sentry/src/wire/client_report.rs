//! Client reports: what was discarded before it reached Sentry, and why.
//! Source: Sentry's client report protocol (`discarded_events`) and its data categories.

use serde::{Deserialize, Deserializer};

use super::{Timestamp, json::JsonWriter, lenient, name::names};

/// A client report (`{"type":"client_report"}`).
///
/// Read from JSON, entries with a reason or category unknown here are left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClientReport {
    /// When it was made. Read from JSON, a missing one is the epoch.
    #[serde(default, deserialize_with = "lenient::default")]
    pub timestamp: Timestamp,
    /// What was discarded.
    #[serde(rename = "discarded_events", default, deserialize_with = "known_entries")]
    pub discarded: Vec<DiscardedItems>,
}

/// A number of items of one category, discarded for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardedItems {
    /// Why.
    pub reason: DiscardReason,
    /// What.
    pub category: Category,
    /// How many (bytes for [`Category::LogByte`], [`Category::Attachment`] and [`Category::TraceMetricByte`]).
    pub quantity: u64,
}

/// Sentry's data categories, as rate limits and client reports name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Category {
    /// `error`.
    Error,
    /// `transaction`.
    Transaction,
    /// `span`.
    Span,
    /// `log_item`: a count of logs.
    LogItem,
    /// `log_byte`: their size in bytes.
    LogByte,
    /// `internal`: client reports themselves.
    Internal,
    /// `session`: release health. Only other SDKs send it.
    Session,
    /// `attachment`: files beside an event. Only other SDKs send it.
    Attachment,
    /// `monitor`: check-ins of scheduled jobs. Only other SDKs send it.
    Monitor,
    /// `trace_metric`: a count of metrics. Only other SDKs send it.
    TraceMetric,
    /// `trace_metric_byte`: their size in bytes.
    TraceMetricByte,
    /// `default`: whatever is none of these.
    Default,
}

/// Sentry's standard reasons for a discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DiscardReason {
    /// `queue_overflow`: our buffer was full.
    QueueOverflow,
    /// `cache_overflow`: the spool was full.
    CacheOverflow,
    /// `buffer_overflow`: too many spans in one item.
    BufferOverflow,
    /// `ratelimit_backoff`: Sentry asked us to wait.
    RatelimitBackoff,
    /// `network_error`: Sentry could not be reached.
    NetworkError,
    /// `send_error`: Sentry refused it.
    SendError,
    /// `sample_rate`: not sampled.
    SampleRate,
    /// `before_send`: a hook dropped it.
    BeforeSend,
    /// `event_processor`: a processor dropped it.
    EventProcessor,
    /// `internal_sdk_error`: our own fault.
    InternalSdkError,
    /// `invalid`: it could not be represented.
    Invalid,
}

names!(Category, "data category", {
    Error = "error",
    Transaction = "transaction",
    Span = "span",
    LogItem = "log_item",
    LogByte = "log_byte",
    Internal = "internal",
    Session = "session",
    Attachment = "attachment",
    Monitor = "monitor",
    TraceMetric = "trace_metric",
    TraceMetricByte = "trace_metric_byte",
    Default = "default",
});

names!(DiscardReason, "discard reason", {
    QueueOverflow = "queue_overflow",
    CacheOverflow = "cache_overflow",
    BufferOverflow = "buffer_overflow",
    RatelimitBackoff = "ratelimit_backoff",
    NetworkError = "network_error",
    SendError = "send_error",
    SampleRate = "sample_rate",
    BeforeSend = "before_send",
    EventProcessor = "event_processor",
    InternalSdkError = "internal_sdk_error",
    Invalid = "invalid",
});

impl ClientReport {
    /// Appends the report as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("timestamp");
        json.raw_value(|out| self.timestamp.write_json(out));
        json.key("discarded_events");
        json.begin_array();
        for entry in &self.discarded {
            json.begin_object();
            json.member("reason", entry.reason.as_str());
            json.member("category", entry.category.as_str());
            json.key("quantity");
            json.unsigned(entry.quantity);
            json.end_object();
        }
        json.end_array();
        json.end_object();
    }

    /// The same report: it borrows nothing. Here so that every item has it.
    #[must_use]
    pub fn into_owned(self) -> Self {
        self
    }
}

fn known_entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DiscardedItems>, D::Error> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default, deserialize_with = "lenient::parsed")]
        reason: Option<DiscardReason>,
        #[serde(default, deserialize_with = "lenient::parsed")]
        category: Option<Category>,
        #[serde(default, deserialize_with = "lenient::default")]
        quantity: u64,
    }

    let entries: Vec<Entry> = lenient::default(deserializer)?;
    let known = |entry: Entry| {
        Some(DiscardedItems { reason: entry.reason?, category: entry.category?, quantity: entry.quantity })
    };
    Ok(entries.into_iter().filter_map(known).collect())
}
