//! Sentry observability for AI agents and MCP servers.
//!
//! ```text
//! capture ──> redact ──> map ──> deliver ──> Sentry (or the local receiver)
//! ```
//!
//! * [`model`]: what was observed, [`model::McpEvent`] and [`model::TracingEvent`].
//! * [`redact`]: secrets never leave the process.
//! * [`mapping`]: the tables from the model to Sentry's items; pure.
//! * [`exporter`]: redaction, mapping and delivery in one handle.
//! * [`mcp`]: capture, the sans-I/O observer of MCP traffic.
//! * [`ai`]: capture, the tracer of AI agents.
//! * `sentry_sdk` (feature `sentry`): beside an application's own `sentry::init`.
//! * [`testing`]: an exporter that keeps what would be sent, for tests.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod ai;
mod assembly;
pub mod exporter;
mod json;
mod lanes;
pub mod mapping;
pub mod mcp;
pub mod model;
pub mod redact;
#[cfg(feature = "sentry")]
pub mod sentry_sdk;
pub mod testing;
