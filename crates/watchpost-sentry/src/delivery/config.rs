//! How to deliver, with a default for everything but the DSN.

use std::time::Duration;

use super::{SpoolConfig, compress::Compression, lane::Lane};
use crate::wire::{Dsn, SdkInfo};

/// How to deliver. Build it with [`new`](Self::new) and the `with_…` methods.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryConfig {
    pub(super) dsn: Dsn,
    pub(super) sdk: SdkInfo,
    pub(super) compression: Compression,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) drop_timeout: Duration,
    pub(super) max_in_flight: usize,
    pub(super) buffers: BufferLimits,
    pub(super) client_reports: bool,
    pub(super) spool: Option<SpoolConfig>,
}

/// How many bytes may wait, for each kind of telemetry. When one is full its oldest are dropped and counted; the others
/// are not touched. An item larger than its limit is dropped itself.
///
/// Beside what waits, up to 8 MiB of envelopes, or a single larger one, are in memory while they are sent (twice, if compressed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferLimits {
    /// Error events. Default 2 MiB.
    pub errors: usize,
    /// Transactions. Default 6 MiB.
    pub transactions: usize,
    /// Spans sent on their own. Default 6 MiB.
    pub spans: usize,
    /// Logs. Default 6 MiB.
    pub logs: usize,
    /// Each of the further kinds that other SDKs' envelopes bring ([`Delivery::envelope`](super::Delivery::envelope)): sessions,
    /// check-ins, metrics, and what is none of these. Default 2 MiB.
    pub others: usize,
}

impl Default for BufferLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { errors: 2 * MIB, transactions: 6 * MIB, spans: 6 * MIB, logs: 6 * MIB, others: 2 * MIB }
    }
}

impl BufferLimits {
    /// In the order of [`Lane::ALL`].
    pub(super) fn by_lane(&self) -> [usize; Lane::COUNT] {
        let Self { errors, transactions, spans, logs, others } = *self;
        [errors, transactions, spans, logs, others, others, others, others]
    }
}

impl DeliveryConfig {
    /// Delivers to this DSN, with the defaults that each `with_…` method names.
    #[must_use]
    pub fn new(dsn: Dsn) -> Self {
        Self {
            dsn,
            sdk: SdkInfo { name: "watchpost.rust".into(), version: env!("CARGO_PKG_VERSION").into() },
            compression: Compression::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            drop_timeout: Duration::from_secs(2),
            max_in_flight: 16,
            buffers: BufferLimits::default(),
            client_reports: true,
            spool: None,
        }
    }

    /// The SDK in envelope headers. Default `watchpost.rust` and this crate's version.
    #[must_use]
    pub fn with_sdk(mut self, sdk: SdkInfo) -> Self {
        self.sdk = sdk;
        self
    }

    /// How bodies are compressed. Default [`Compression::Auto`].
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How long connecting may take, TLS and proxy included. Default 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take, from connecting to the end of the answer. Default 15 s.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long dropping the last [`Delivery`](super::Delivery) may wait for what is still held, if `shutdown` was not
    /// called. Zero does not wait. Default 2 s.
    #[must_use]
    pub fn with_drop_timeout(mut self, timeout: Duration) -> Self {
        self.drop_timeout = timeout;
        self
    }

    /// How many requests may be under way at once, each on a connection of its own. At least 1. Default 16: one after the other
    /// would be 20 a second over a network that takes 50 ms there and back. Connections are opened only when there is more to
    /// send than the others can carry, and beyond 8 MiB under way nothing is begun.
    #[must_use]
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests.max(1);
        self
    }

    /// How many bytes may wait. Default: see [`BufferLimits`].
    #[must_use]
    pub fn with_buffer_limits(mut self, limits: BufferLimits) -> Self {
        self.buffers = limits;
        self
    }

    /// Whether drops are reported to Sentry as client reports. Default yes.
    #[must_use]
    pub fn with_client_reports(mut self, reports: bool) -> Self {
        self.client_reports = reports;
        self
    }

    /// Keeps what was accepted on disk until it is sent. Default: in memory only.
    #[must_use]
    pub fn with_spool(mut self, spool: SpoolConfig) -> Self {
        self.spool = Some(spool);
        self
    }

    /// The DSN.
    #[must_use]
    pub fn dsn(&self) -> &Dsn {
        &self.dsn
    }
}
