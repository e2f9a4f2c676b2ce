//! Session and event ids: a prefix and a KSUID (4 bytes big-endian seconds since 1 400 000 000, 16 bytes payload,
//! base62 in 27 characters), as AgentCat makes them.

use watchpost_sentry::wire::Timestamp;

/// `{prefix}_{KSUID}` for `unix_seconds` and a 16 byte `payload`. A time before 1 400 000 000 counts as that moment.
#[must_use]
pub fn ksuid(prefix: &str, unix_seconds: u64, payload: [u8; 16]) -> String {
    let _ = (prefix, unix_seconds, payload);
    String::new()
}

/// A new session id, `ses_` and a KSUID made of `now` and randomness.
#[must_use]
pub fn session_id(now: Timestamp) -> String {
    let _ = now;
    String::new()
}

/// A new event id, `evt_` and a KSUID made of `now` and randomness.
#[must_use]
pub fn event_id(now: Timestamp) -> String {
    let _ = now;
    String::new()
}

/// The session id of a peer's own `Mcp-Session-Id`: always the same for the same input (AgentCat's derivation).
#[must_use]
pub fn derive_session_id(mcp_session_id: &str, project_id: Option<&str>) -> String {
    let _ = (mcp_session_id, project_id);
    String::new()
}
