//! The delivery against real sockets: a sink on loopback that answers as told.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

mod account;
mod arrival;
mod envelopes;
mod failure;
mod flush;
mod hostile;
mod items;
mod limits;
mod proxy;
mod report;
mod sink;
mod spool;
mod tls;
