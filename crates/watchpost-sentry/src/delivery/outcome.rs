//! What became of everything that was handed over: accepted, sent, held, dropped and why.
//! Exact in every snapshot: `accepted = sent + held + dropped`, for each category.

use std::fmt;

use super::lane::Load;
use crate::wire::{Category, DiscardReason};

/// Categories whose tallies count whole items; [`Category::LogByte`] and [`Category::TraceMetricByte`] count bytes of the same
/// items beside them.
pub(super) const ITEM_CATEGORIES: [Category; 9] = [
    Category::Error,
    Category::Transaction,
    Category::Span,
    Category::LogItem,
    Category::Session,
    Category::Attachment,
    Category::Monitor,
    Category::TraceMetric,
    Category::Default,
];

/// The figures since the delivery started, in items and in bytes of their JSON.
///
/// [`sent`](Self::sent) means that Sentry answered with a 2xx status. Sentry may still discard an item later (an HTTP
/// 200 proves only that it arrived).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// From `flush` and `shutdown`: everything accepted before the call was sent, or dropped for another reason than that the
    /// time was over. From `outcome`: nothing is held.
    pub complete: bool,
    /// Of those accepted, the items that processes which are gone had left in the spool.
    pub recovered: u64,
    /// Stretches of bytes in what they had left that were no items any more: a torn end, or damage on disk. Which and how many
    /// items stood there can't be known, so they are in no other figure.
    pub damaged: u64,
    /// The bytes that the spool's segments take on disk.
    pub spool_bytes: u64,
    tallies: [Tally; CATEGORIES],
}

/// One category's figures. Bytes are those of the items' JSON; what the caller dropped itself has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Handed over, whatever became of it afterwards.
    pub accepted: u64,
    /// Taken by Sentry with a 2xx answer.
    pub sent: u64,
    /// Waiting in a buffer or in the spool, on its way, or waiting for its next try. After a shutdown: kept in the spool.
    pub held: u64,
    /// Of those accepted, what processes that are gone had left in the spool.
    pub recovered: u64,
    /// The bytes of what was accepted.
    pub accepted_bytes: u64,
    /// The bytes of what was sent.
    pub sent_bytes: u64,
    /// The bytes of what is held.
    pub held_bytes: u64,
    /// The bytes of what was recovered.
    pub recovered_bytes: u64,
    dropped: [u64; DropReason::ALL.len()],
    dropped_bytes: [u64; DropReason::ALL.len()],
}

/// Why items were dropped: Sentry's discard reasons, and four that are never reported to Sentry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// `queue_overflow`: the buffer was full, the oldest went.
    QueueOverflow,
    /// `cache_overflow`: the spool was full.
    CacheOverflow,
    /// `buffer_overflow`: too many spans in one item.
    BufferOverflow,
    /// `ratelimit_backoff`: Sentry had asked us to wait.
    RatelimitBackoff,
    /// `network_error`: Sentry could not be reached and there was no room to wait longer.
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
    /// `rate_limited`: answered with 429. Sentry has counted it, so it is in no client report.
    RateLimited,
    /// `after_shutdown`: handed over after `shutdown`.
    AfterShutdown,
    /// `shutdown`: not sent when the time of the shutdown was over, and not in a spool.
    Shutdown,
    /// `killed`: in the memory only of a process that was killed. Only a [`SpoolReport`](super::SpoolReport) can tell of it.
    Killed,
}

/// How many categories a tally is kept for.
pub(super) const CATEGORIES: usize = Category::ALL.len();

impl Outcome {
    /// One category's figures. Those of [`Category::LogByte`] are in bytes of JSON, the same that the logs' own tally has as bytes. Those of [`Category::Span`] count
    /// spans that are items of their own, not the spans inside transactions.
    #[must_use]
    pub fn tally(&self, category: Category) -> &Tally {
        &self.tallies[category as usize]
    }

    /// Items handed over: errors, transactions, spans, logs, and what else was in envelopes of other SDKs.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.sum(|tally| tally.accepted)
    }

    /// Items taken by Sentry.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sum(|tally| tally.sent)
    }

    /// Items still waiting.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.sum(|tally| tally.held)
    }

    /// Items dropped, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.sum(Tally::dropped)
    }

    /// Items dropped for one reason.
    #[must_use]
    pub fn dropped_by(&self, reason: DropReason) -> u64 {
        self.sum(|tally| tally.dropped_by(reason))
    }

    /// The bytes of the items handed over.
    #[must_use]
    pub fn accepted_bytes(&self) -> u64 {
        self.sum(|tally| tally.accepted_bytes)
    }

    /// The bytes of the items taken by Sentry.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sum(|tally| tally.sent_bytes)
    }

    /// The bytes of the items still waiting.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.sum(|tally| tally.held_bytes)
    }

    /// The bytes of the items dropped, for whatever reason.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.sum(Tally::dropped_bytes)
    }

    fn sum(&self, figure: impl Fn(&Tally) -> u64) -> u64 {
        ITEM_CATEGORIES.iter().map(|category| figure(self.tally(*category))).fold(0, u64::saturating_add)
    }

    /// Adds what waits.
    pub(super) fn hold(&mut self, load: &Load) {
        for (category, quantity) in load.tallied() {
            let held = &mut self.tally_mut(category).held;
            *held = held.saturating_add(quantity);
        }
        for (category, bytes) in load.tallied_bytes() {
            let held = &mut self.tally_mut(category).held_bytes;
            *held = held.saturating_add(bytes);
        }
    }

    /// Adds another's figures.
    pub(super) fn add(&mut self, other: &Self) {
        self.recovered += other.recovered;
        for (tally, other) in self.tallies.iter_mut().zip(&other.tallies) {
            tally.add(other);
        }
    }

    pub(super) fn tally_mut(&mut self, category: Category) -> &mut Tally {
        &mut self.tallies[category as usize]
    }
}

impl fmt::Display for Outcome {
    /// For example `1200 sent, 0 held, 3 dropped (2 queue_overflow, 1 send_error)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} held, {} dropped", self.sent(), self.held(), self.dropped())?;
        let mut separator = " (";
        for reason in DropReason::ALL {
            let count = self.dropped_by(reason);
            if count > 0 {
                write!(f, "{separator}{count} {reason}")?;
                separator = ", ";
            }
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl Tally {
    /// Dropped, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().copied().fold(0, u64::saturating_add)
    }

    /// Dropped for one reason.
    #[must_use]
    pub fn dropped_by(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// The reasons with a count.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.dropped_by(reason))).filter(|(_, count)| *count > 0)
    }

    /// The bytes of what was dropped, for whatever reason.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes.iter().copied().fold(0, u64::saturating_add)
    }

    /// The bytes of what was dropped for one reason.
    #[must_use]
    pub fn dropped_bytes_by(&self, reason: DropReason) -> u64 {
        self.dropped_bytes[reason as usize]
    }

    fn add(&mut self, other: &Self) {
        let figures = [
            (&mut self.accepted, other.accepted),
            (&mut self.sent, other.sent),
            (&mut self.held, other.held),
            (&mut self.recovered, other.recovered),
            (&mut self.accepted_bytes, other.accepted_bytes),
            (&mut self.sent_bytes, other.sent_bytes),
            (&mut self.held_bytes, other.held_bytes),
            (&mut self.recovered_bytes, other.recovered_bytes),
        ];
        let dropped = self.dropped.iter_mut().zip(other.dropped);
        let dropped_bytes = self.dropped_bytes.iter_mut().zip(other.dropped_bytes);
        // The figures may come from files, where anything can stand.
        figures
            .into_iter()
            .chain(dropped)
            .chain(dropped_bytes)
            .for_each(|(sum, figure)| *sum = sum.saturating_add(figure));
    }

    pub(super) fn count_dropped(&mut self, reason: DropReason, quantity: u64) {
        let dropped = &mut self.dropped[reason as usize];
        *dropped = dropped.saturating_add(quantity);
    }

    pub(super) fn count_dropped_bytes(&mut self, reason: DropReason, bytes: u64) {
        let dropped = &mut self.dropped_bytes[reason as usize];
        *dropped = dropped.saturating_add(bytes);
    }
}

impl DropReason {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 15] = [
        Self::QueueOverflow,
        Self::CacheOverflow,
        Self::BufferOverflow,
        Self::RatelimitBackoff,
        Self::NetworkError,
        Self::SendError,
        Self::SampleRate,
        Self::BeforeSend,
        Self::EventProcessor,
        Self::InternalSdkError,
        Self::Invalid,
        Self::RateLimited,
        Self::AfterShutdown,
        Self::Shutdown,
        Self::Killed,
    ];

    /// The name, as client reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueOverflow => "queue_overflow",
            Self::CacheOverflow => "cache_overflow",
            Self::BufferOverflow => "buffer_overflow",
            Self::RatelimitBackoff => "ratelimit_backoff",
            Self::NetworkError => "network_error",
            Self::SendError => "send_error",
            Self::SampleRate => "sample_rate",
            Self::BeforeSend => "before_send",
            Self::EventProcessor => "event_processor",
            Self::InternalSdkError => "internal_sdk_error",
            Self::Invalid => "invalid",
            Self::RateLimited => "rate_limited",
            Self::AfterShutdown => "after_shutdown",
            Self::Shutdown => "shutdown",
            Self::Killed => "killed",
        }
    }

    /// The reason to report to Sentry, if it is one that Sentry should hear of.
    #[must_use]
    pub fn reported(self) -> Option<DiscardReason> {
        Some(match self {
            Self::QueueOverflow => DiscardReason::QueueOverflow,
            Self::CacheOverflow => DiscardReason::CacheOverflow,
            Self::BufferOverflow => DiscardReason::BufferOverflow,
            Self::RatelimitBackoff => DiscardReason::RatelimitBackoff,
            Self::NetworkError => DiscardReason::NetworkError,
            Self::SendError => DiscardReason::SendError,
            Self::SampleRate => DiscardReason::SampleRate,
            Self::BeforeSend => DiscardReason::BeforeSend,
            Self::EventProcessor => DiscardReason::EventProcessor,
            Self::InternalSdkError => DiscardReason::InternalSdkError,
            Self::Invalid => DiscardReason::Invalid,
            Self::RateLimited | Self::AfterShutdown | Self::Shutdown | Self::Killed => return None,
        })
    }
}

impl From<DiscardReason> for DropReason {
    fn from(reason: DiscardReason) -> Self {
        match reason {
            DiscardReason::QueueOverflow => Self::QueueOverflow,
            DiscardReason::CacheOverflow => Self::CacheOverflow,
            DiscardReason::BufferOverflow => Self::BufferOverflow,
            DiscardReason::RatelimitBackoff => Self::RatelimitBackoff,
            DiscardReason::NetworkError => Self::NetworkError,
            DiscardReason::SendError => Self::SendError,
            DiscardReason::SampleRate => Self::SampleRate,
            DiscardReason::BeforeSend => Self::BeforeSend,
            DiscardReason::EventProcessor => Self::EventProcessor,
            DiscardReason::InternalSdkError => Self::InternalSdkError,
            DiscardReason::Invalid => Self::Invalid,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_survives_the_way_to_sentrys_reasons_and_back() {
        for (place, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason}");
            if let Some(reported) = reason.reported() {
                assert_eq!(DropReason::from(reported), reason);
            }
        }
    }

    #[test]
    fn the_sums_count_items_and_leave_bytes_out() {
        let mut outcome = Outcome::default();
        outcome.tally_mut(Category::LogItem).sent = 2;
        outcome.tally_mut(Category::LogByte).sent = 2_000;
        outcome.tally_mut(Category::Error).sent = 1;
        outcome.tally_mut(Category::Error).count_dropped(DropReason::SendError, 3);
        assert_eq!(outcome.sent(), 3);
        assert_eq!(outcome.to_string(), "3 sent, 0 held, 3 dropped (3 send_error)");
        assert_eq!(Outcome::default().to_string(), "0 sent, 0 held, 0 dropped");
    }
}
