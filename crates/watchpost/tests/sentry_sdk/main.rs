//! Beside the real `sentry` crate: what its client captures links to our traces, and our delivery is its transport.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its failure")]

mod link;
mod server;
mod sink;
mod transactions;
mod transport;
