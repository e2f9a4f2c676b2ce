//! Delivery: from an item in the host's hands to an envelope in Sentry's, without ever blocking the host, within
//! bounded memory, and with an exact account of what became of everything.
//!
//! ```text
//! log(), transaction(), error(), spans(), …    any thread
//!        │ encode (handle)
//!        ▼
//!   State: batch ─> queue ─────────┐          under one lock, without clock or I/O
//!        │          rate_limit     │
//!      ledger       retry          │ next() ─> Shipment
//!        ▲                         ▼
//!        └── answered() <── answer, http, compress, connect      thread "watchpost-delivery"
//! ```
//!
//! # What is lost when
//! *Without a spool nothing is on disk*: what is held when the process dies is lost; what is held at the end of a shutdown, too
//! (`shutdown`). With one ([`DeliveryConfig::with_spool`])
//! it is sent by the next process that uses the same folder. Everything else that is lost is counted, by [`DropReason`], and
//! reported to Sentry in client reports:
//!
//! - a buffer is full ([`BufferLimits`]): its oldest items go (`queue_overflow`; `network_error` if they were tried). With a
//!   spool they wait there instead, until that is full, too ([`SpoolConfig`]; `cache_overflow`);
//! - Sentry asked to wait: what is sealed meanwhile in the limited categories goes (`ratelimit_backoff`), and what was
//!   answered with 429 (counted by Sentry itself, so in no report). With a spool both wait there;
//! - Sentry refused an item: 413 (a batch is halved and tried once more), any other 4xx (`send_error`).
//!
//! 5xx, 408, timeouts and network errors lose nothing: the items are held and tried again after 200 ms, doubling up to
//! 30 s with jitter. After three failures in a row everything waits, and a single request goes ahead to see.
//!
//! # Envelopes of other SDKs
//! [`Delivery::envelope`] takes an envelope as another SDK has written it. Its items are sent byte for byte, whatever they are,
//! each with its own kind: what rate limits part travels in envelopes of its own, an event or a transaction with all that may
//! belong to it. Attachments for which there is no room, or that Sentry does not want, are left behind and counted; the event goes.
//!
//! # The spool
//! Each item is appended to a segment as it is accepted, and acknowledged when it was sent or dropped. What is killed in between
//! sends it again: errors, transactions and spans have ids by which Sentry recognises them, logs do not. How much a kill can
//! cost, [`SpoolMode`] says. A disk that fails (full, read-only, gone) is said once; from then on items are in memory only.
//! Redaction stands before delivery, so secrets never reach the disk. The DSN's key does not either: sampling contexts are kept
//! without it and given it again when they are read back. [`SpoolReport`] tells what is in a folder, whoever put it there.

mod answer;
mod batch;
mod body;
mod compress;
mod config;
mod connect;
mod dispatch;
mod encoded;
mod envelope;
mod error;
mod foreign;
mod handle;
mod http;
mod lane;
mod ledger;
mod notice;
mod outcome;
mod pace;
mod parcel;
mod probe;
mod queue;
mod rate_limit;
#[cfg(feature = "bench")]
mod replay;
mod retry;
mod spares;
mod spool;
mod spooler;
mod state;
mod worker;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub use self::replay::post_repeatedly;
pub use self::{
    compress::Compression,
    config::{BufferLimits, DeliveryConfig},
    encoded::{EncodedSpans, EncodedTransaction},
    error::DeliveryError,
    foreign::InvalidEnvelope,
    handle::Delivery,
    outcome::{DropReason, Outcome, Tally},
    probe::{Probe, ProbeAnswer, probe},
    spool::{
        QueueOwner, SpoolConfig, SpoolLimit, SpoolMode, SpoolQueue, SpoolReport, SpooledDestination, UnknownSpoolMode,
    },
};
