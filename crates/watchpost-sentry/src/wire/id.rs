//! Trace, span and event ids: fixed bytes in memory, lowercase hex on the wire.

/// A trace id: 16 bytes, 32 lowercase hex digits on the wire. Relay rejects any other length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// A span id: 8 bytes, 16 lowercase hex digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// An event id: 16 bytes, 32 lowercase hex digits without dashes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);
