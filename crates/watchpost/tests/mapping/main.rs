//! What events become: the seed's tables, what goes beyond them, Sentry's limits, and AgentCat's recorded traffic.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

mod ai_support;
mod beyond_seed;
mod beyond_seed_004;
mod failures;
mod golden;
mod golden_ai;
mod ids;
mod limits;
mod seed_000;
mod seed_004;
mod support;
