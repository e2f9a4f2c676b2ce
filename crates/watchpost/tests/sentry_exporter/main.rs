//! The exporter of agents' spans against a real socket: what is sent for which events, what hooks, sampling and capture leave
//! out, what the bounds cost, and what the outcome says of it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

mod bounds;
mod hooks;
mod lifecycle;
mod modes;
mod privacy;
mod recordings;
mod sampling;
mod spool;
mod support;
