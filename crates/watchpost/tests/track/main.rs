//! Tracked rmcp servers, seen from their clients and from an exporter.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its failure")]

mod delegation;
mod events;
mod hooks;
mod http;
mod options;
mod rounds;
mod server;
mod sessions;
mod support;
mod tap;
mod tools;
mod tracing_spans;
mod untouched;
