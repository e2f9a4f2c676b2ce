//! Lanes: the four kinds of telemetry, each with a buffer and a weight of its own, so that one never starves another.
//! Source: Sentry's telemetry processor (weights 5, 3, 3, 2 for errors, transactions, spans and logs).

use crate::wire::Category;

/// A kind of telemetry: one bounded buffer, one weight, one category of rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Error,
    Transaction,
    Span,
    Log,
}

impl Lane {
    /// How many lanes there are.
    pub(super) const COUNT: usize = 4;

    /// Every lane, the most important first.
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Error, Self::Transaction, Self::Span, Self::Log];

    /// The lane's share of the sends when every lane has something to send.
    pub(super) fn weight(self) -> i32 {
        match self {
            Self::Error => 5,
            Self::Transaction | Self::Span => 3,
            Self::Log => 2,
        }
    }

    /// The category that counts the lane's items.
    pub(super) fn category(self) -> Category {
        match self {
            Self::Error => Category::Error,
            Self::Transaction => Category::Transaction,
            Self::Span => Category::Span,
            Self::Log => Category::LogItem,
        }
    }

    /// The lane's name in diagnostics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error event",
            Self::Transaction => "transaction",
            Self::Span => "span batch",
            Self::Log => "log batch",
        }
    }
}

/// What a parcel weighs: how much of what the ledger and the client reports have to count for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) lane: Lane,
    /// Items: logs, spans, or 1.
    pub(super) items: u64,
    /// The bytes of their JSON, without what is beside a transaction.
    pub(super) bytes: u64,
    /// The spans inside a transaction, its root included; 0 in the other lanes.
    pub(super) spans: u64,
    /// The spans beside a transaction, in the same envelope; 0 in the other lanes.
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

    /// What Sentry's client reports count for this load: a transaction counts its spans, logs count their bytes.
    pub(super) fn categories(&self) -> impl Iterator<Item = (Category, u64)> {
        let second = match self.lane {
            Lane::Transaction => Some((Category::Span, self.spans + self.streamed)),
            Lane::Log => Some((Category::LogByte, self.bytes)),
            Lane::Error | Lane::Span => None,
        };
        std::iter::once((self.lane.category(), self.items)).chain(second)
    }

    /// What the tallies count: items, and the bytes of logs. The spans inside a transaction are counted in client reports
    /// only, or the sums over categories would count a transaction several times; those beside it are items of their own.
    pub(super) fn tallied(&self) -> impl Iterator<Item = (Category, u64)> {
        let second = match self.lane {
            Lane::Transaction => Some((Category::Span, self.streamed)),
            Lane::Log => Some((Category::LogByte, self.bytes)),
            Lane::Error | Lane::Span => None,
        };
        std::iter::once((self.lane.category(), self.items)).chain(second)
    }
    /// The bytes that the tallies count beside that.
    pub(super) fn tallied_bytes(&self) -> [(Category, u64); 2] {
        [(self.lane.category(), self.bytes), (Category::Span, self.streamed_bytes)]
    }
}
