//! Client reports: what was discarded before it reached Sentry, and why.

use super::Timestamp;

/// A client report (`{"type":"client_report"}`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientReport {
    /// When it was made.
    pub timestamp: Timestamp,
    /// What was discarded.
    pub discarded: Vec<DiscardedItems>,
}

/// A number of items of one category, discarded for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardedItems {
    /// Why.
    pub reason: DiscardReason,
    /// What.
    pub category: Category,
    /// How many (bytes for [`Category::LogByte`]).
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
