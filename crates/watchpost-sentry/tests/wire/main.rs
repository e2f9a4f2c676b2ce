//! The wire format as others see it: what is written is valid JSON and reads back the same; what is read
//! may be hostile. Source: `serde_json` as the oracle for JSON, AgentCat's DSN cases, Relay's envelope parser.

#![allow(clippy::unwrap_used)]

mod arbitrary;
mod dsn;
mod envelope;
mod items;
mod json;
mod reader;
mod reading;
