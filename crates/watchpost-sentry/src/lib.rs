//! Talks to Sentry: the wire format ([`wire`]) and the delivery ([`delivery`]). Useful on its own: this crate knows
//! nothing of MCP or agents.
//!
//! ```text
//! Log, Transaction, Span, ErrorEvent, ClientReport ──> Envelope ──> Delivery ──> Sentry
//! ```

pub mod delivery;
pub mod wire;
