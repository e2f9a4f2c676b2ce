//! Tracing of AI agents from Rust.

mod sink;

pub use self::sink::TracingSink;
