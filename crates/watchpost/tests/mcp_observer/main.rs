//! The observer of MCP traffic from outside: recordings replayed, the scanner against `serde_json`, the session against
//! a model, and everything a hostile peer can send.
#![cfg(test)]

mod correlation;
mod endings;
mod failures;
mod hostile;
mod identity;
mod interleavings;
mod message_strategy;
mod methods;
mod recordings;
mod scanner_oracle;
mod wire;
