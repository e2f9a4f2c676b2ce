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
//! *Nothing is on disk.* What is held when the process dies is lost. Everything else that is lost is counted, by
//! [`DropReason`], and reported to Sentry in client reports:
//!
//! - a buffer is full ([`BufferLimits`]): its oldest items go (`queue_overflow`; `network_error` if they were tried);
//! - Sentry asked to wait: what is sealed meanwhile in the limited categories goes (`ratelimit_backoff`), and what was
//!   answered with 429 (counted by Sentry itself, so in no report);
//! - Sentry refused an item: 413 (a batch is halved and tried once more), any other 4xx (`send_error`).
//!
//! 5xx, 408, timeouts and network errors lose nothing: the items are held and tried again after 200 ms, doubling up to
//! 30 s with jitter. After three failures in a row everything waits, and a single request goes ahead to see.
//!
//! # The seam for a spool
//! A `Parcel` is the unit that a durable store keeps: sealed, encoded, complete but for `sent_at`, and weighed (its
//! `Load`). Three places decide over a parcel's life, and a store stands behind them:
//!
//! - `State::queue` takes over a sealed parcel: there it is appended before it counts as accepted;
//! - `State::settle` is where a parcel is done with, sent or dropped: there it is acknowledged;
//! - `State::next` takes a parcel out, and `shed` and `Verdict::RateLimited` drop what is limited: a store keeps that
//!   and is asked again when `RateLimits::blocked_until` has passed.
//!
//! A parcel that a new process finds goes in through `State::queue` as if it had just been sealed.

mod answer;
mod batch;
mod compress;
mod config;
mod connect;
mod dispatch;
mod encoded;
mod error;
mod handle;
mod http;
mod lane;
mod ledger;
mod notice;
mod outcome;
mod parcel;
mod queue;
mod rate_limit;
mod retry;
mod spool;
mod spooler;
mod state;
mod worker;

pub use self::{
    compress::Compression,
    config::{BufferLimits, DeliveryConfig},
    encoded::{EncodedSpans, EncodedTransaction},
    error::DeliveryError,
    handle::Delivery,
    outcome::{DropReason, Outcome, Tally},
    spool::{SpoolConfig, SpoolMode},
};
