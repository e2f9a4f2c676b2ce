//! The ids of seed 000, computed here once more from the session's and the event's own: SHA-256, cut.

use sha2::{Digest as _, Sha256};

/// Sentry's trace id of a session: the first 32 hex digits.
pub(super) fn trace_id(session_id: &str) -> String {
    sha256_hex(session_id, 32)
}

/// Sentry's span id of an event: the first 16 hex digits.
pub(super) fn span_id(event_id: &str) -> String {
    sha256_hex(event_id, 16)
}

/// A log's event id: the span's, twice.
pub(super) fn log_event_id(event_id: &str) -> String {
    span_id(event_id).repeat(2)
}

/// The event id of a transaction or an error event: the span's and 16 digits of the event id with what it is.
pub(super) fn item_event_id(event_id: &str, item: &str) -> String {
    span_id(event_id) + &sha256_hex(&format!("{event_id}:{item}"), 16)
}

/// Whether this is `{prefix}_` and a KSUID.
pub(super) fn is_ksuid(prefix: &str, id: &str) -> bool {
    let rest = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    rest.is_some_and(|rest| rest.len() == 27 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn sha256_hex(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..digits].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_reference_exporter() {
        assert_eq!(trace_id("ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv"), "e963ce26acda858c7625c30b83f6b9b0");
        assert_eq!(span_id("evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv"), "37ff3815d766debc");
        assert!(is_ksuid("ses", "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv"));
        assert!(!is_ksuid("ses", "evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv"));
    }
}
