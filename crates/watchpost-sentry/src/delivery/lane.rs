//! Lanes: the kinds of telemetry, each with a buffer and a weight of its own, so that one never starves another.
//! Source: Sentry's telemetry processor (weights 5 for errors, 4 for sessions and check-ins, 3 for transactions and spans, 2 for
//! logs and metrics).

use crate::wire::Category;

/// A kind of telemetry: one bounded buffer, one weight, one category of rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Error,
    Transaction,
    Span,
    Log,
    /// Release health, of other SDKs' envelopes.
    Session,
    /// Scheduled jobs' check-ins, of other SDKs' envelopes.
    CheckIn,
    /// Metrics, of other SDKs' envelopes.
    Metric,
    /// What else is in other SDKs' envelopes.
    Other,
}

impl Lane {
    /// How many lanes there are.
    pub(super) const COUNT: usize = 8;

    /// Every lane, in the order of the variants.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Error,
        Self::Transaction,
        Self::Span,
        Self::Log,
        Self::Session,
        Self::CheckIn,
        Self::Metric,
        Self::Other,
    ];

    /// The lane's share of the sends when every lane has something to send.
    pub(super) fn weight(self) -> i32 {
        match self {
            Self::Error => 5,
            Self::Session | Self::CheckIn => 4,
            Self::Transaction | Self::Span => 3,
            Self::Log | Self::Metric | Self::Other => 2,
        }
    }

    /// The category that counts the lane's items.
    pub(super) fn category(self) -> Category {
        match self {
            Self::Error => Category::Error,
            Self::Transaction => Category::Transaction,
            Self::Span => Category::Span,
            Self::Log => Category::LogItem,
            Self::Session => Category::Session,
            Self::CheckIn => Category::Monitor,
            Self::Metric => Category::TraceMetric,
            Self::Other => Category::Default,
        }
    }

    /// The lane's name in diagnostics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error event",
            Self::Transaction => "transaction",
            Self::Span => "span batch",
            Self::Log => "log batch",
            Self::Session => "session",
            Self::CheckIn => "check-in",
            Self::Metric => "metric batch",
            Self::Other => "item of another kind",
        }
    }
}

/// What a parcel weighs: how much of what the ledger and the client reports have to count for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) lane: Lane,
    /// Items: logs, spans, or 1.
    pub(super) items: u64,
    /// The bytes of their JSON, without what is beside them.
    pub(super) bytes: u64,
    /// The spans inside a transaction, its root included; 0 in the other lanes.
    pub(super) spans: u64,
    /// What is beside them in the same envelope: spans beside a transaction, attachments beside an error; 0 in the other lanes.
    pub(super) streamed: u64,
    /// The bytes of those.
    pub(super) streamed_bytes: u64,
}

impl Load {
    /// A load without spans.
    pub(super) const fn new(lane: Lane, items: u64, bytes: u64) -> Self {
        Self { lane, items, bytes, spans: 0, streamed: 0, streamed_bytes: 0 }
    }

    /// The bytes of everything in it.
    pub(super) const fn all_bytes(&self) -> u64 {
        self.bytes + self.streamed_bytes
    }

    /// What Sentry's client reports count for this load: a transaction counts its spans; of logs, metrics and attachments the
    /// bytes count.
    pub(super) fn categories(&self) -> impl Iterator<Item = (Category, u64)> {
        let second = match self.lane {
            Lane::Error => Some((Category::Attachment, self.streamed_bytes)),
            Lane::Transaction => Some((Category::Span, self.spans + self.streamed)),
            Lane::Log => Some((Category::LogByte, self.bytes)),
            Lane::Metric => Some((Category::TraceMetricByte, self.bytes)),
            Lane::Span | Lane::Session | Lane::CheckIn | Lane::Other => None,
        };
        std::iter::once((self.lane.category(), self.items)).chain(second)
    }

    /// What the tallies count: items, and the bytes of logs. The spans inside a transaction are counted in client reports
    /// only, or the sums over categories would count a transaction several times; those beside it are items of their own.
    pub(super) fn tallied(&self) -> impl Iterator<Item = (Category, u64)> {
        let second = match self.lane {
            Lane::Error => Some((Category::Attachment, self.streamed)),
            Lane::Transaction => Some((Category::Span, self.streamed)),
            Lane::Log => Some((Category::LogByte, self.bytes)),
            Lane::Metric => Some((Category::TraceMetricByte, self.bytes)),
            Lane::Span | Lane::Session | Lane::CheckIn | Lane::Other => None,
        };
        std::iter::once((self.lane.category(), self.items)).chain(second)
    }

    /// The bytes that the tallies count beside that.
    pub(super) fn tallied_bytes(&self) -> [(Category, u64); 2] {
        let beside = if self.lane == Lane::Error { Category::Attachment } else { Category::Span };
        [(self.lane.category(), self.bytes), (beside, self.streamed_bytes)]
    }
}
