//! What events become: the seed's tables, what goes beyond them, Sentry's limits, and AgentCat's recorded traffic.

mod beyond_seed;
mod golden;
mod ids;
mod limits;
mod seed_000;
mod support;
