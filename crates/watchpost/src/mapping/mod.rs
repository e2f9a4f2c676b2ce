//! From what was observed to what Sentry gets: the seeds' tables, one module a seed. Mapping is pure: no clock, no
//! randomness, no I/O, so each row of a table is a unit test, and the same event always becomes the same bytes.
//!
//! * [`mcp`]: an [`McpEvent`](crate::model::McpEvent) to its log, transaction and error event (seed 000).
//! * [`ai`]: a [`FinishedSpan`](crate::model::FinishedSpan) to a span, a transaction and an error event (seed 004).
//! * [`Settings`] and [`ai::AiSettings`]: what the host configured, checked once.

pub mod ai;
mod deployment;
mod exception;
mod limit;
pub mod mcp;
mod sampling;
mod settings;
mod stack;
mod tag;
mod template;

pub(crate) use self::deployment::Deployment;
pub use self::{
    sampling::{Sampling, sample_rand},
    settings::{Profile, Settings, TraceMode, UnknownSetting},
};
