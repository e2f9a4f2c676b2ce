//! Session and event ids: a prefix and a KSUID (4 bytes big-endian seconds since 1 400 000 000, 16 bytes payload,
//! base62 in 27 characters), as AgentCat makes them. Source: AgentCat's id vectors (`tests/fixtures/agentcat/ids.json`).

use sha2::{Digest, Sha256};
use watchpost_sentry::wire::Timestamp;

/// The second at which KSUIDs begin to count (2014-05-13).
const KSUID_EPOCH: u64 = 1_400_000_000;
/// Characters of a KSUID: the base62 digits of 20 bytes.
const KSUID_LENGTH: usize = 27;
/// Base62 in ASCII order, so that KSUIDs sort by time.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// AgentCat puts derived sessions into the year after 2024-01-01T00:00:00Z: milliseconds since the Unix epoch …
const DERIVED_FROM_MILLIS: u64 = 1_704_067_200_000;
/// … and the milliseconds of 365 days.
const DERIVED_SPAN_MILLIS: u64 = 31_536_000_000;

/// `{prefix}_{KSUID}` for `unix_seconds` and a 16 byte `payload`. A time before 1 400 000 000 counts as that moment,
/// one past the last a KSUID can hold (the year 2150) as the last.
#[must_use]
pub fn ksuid(prefix: &str, unix_seconds: u64, payload: [u8; 16]) -> String {
    let seconds = u32::try_from(unix_seconds.saturating_sub(KSUID_EPOCH)).unwrap_or(u32::MAX);
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4..].copy_from_slice(&payload);

    let mut id = String::with_capacity(prefix.len() + 1 + KSUID_LENGTH);
    id.push_str(prefix);
    id.push('_');
    id.extend(base62(bytes).into_iter().map(char::from));
    id
}

/// A new session id, `ses_` and a KSUID made of `now` and randomness.
#[must_use]
pub fn session_id(now: Timestamp) -> String {
    ksuid("ses", unix_seconds(now), random_payload(now))
}

/// A new event id, `evt_` and a KSUID made of `now` and randomness.
#[must_use]
pub fn event_id(now: Timestamp) -> String {
    ksuid("evt", unix_seconds(now), random_payload(now))
}

/// The session id of a peer's own `Mcp-Session-Id`: always the same for the same input (AgentCat's derivation).
#[must_use]
pub fn derive_session_id(mcp_session_id: &str, project_id: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(mcp_session_id);
    if let Some(project_id) = project_id {
        hasher.update(":");
        hasher.update(project_id);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let offset = u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) % DERIVED_SPAN_MILLIS;
    ksuid("ses", (DERIVED_FROM_MILLIS + offset) / 1000, payload_of(&hash, 4))
}

/// `{prefix}_{KSUID}` made of `now` and a hash of `content`: the same in every process.
pub(crate) fn derive_id(prefix: &str, now: Timestamp, content: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(content).into();
    ksuid(prefix, unix_seconds(now), payload_of(&hash, 0))
}

fn unix_seconds(now: Timestamp) -> u64 {
    u64::try_from(now.nanos() / 1_000_000_000).unwrap_or(0)
}

fn payload_of(hash: &[u8; 32], from: usize) -> [u8; 16] {
    std::array::from_fn(|index| hash[from + index])
}

/// 16 random bytes. Where the system has no randomness, ids must still differ: the process, the clock and a counter
/// are hashed instead.
fn random_payload(now: Timestamp) -> [u8; 16] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    let mut payload = [0; 16];
    if getrandom::fill(&mut payload).is_err() {
        let mut hasher = Sha256::new();
        hasher.update(std::process::id().to_be_bytes());
        hasher.update(now.nanos().to_be_bytes());
        hasher.update(COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        payload = payload_of(&hasher.finalize().into(), 0);
    }
    payload
}

/// 20 bytes as 27 base62 digits: long division of the big-endian number, five 32 bit words at a time.
fn base62(bytes: [u8; 20]) -> [u8; KSUID_LENGTH] {
    let mut words: [u32; 5] = std::array::from_fn(|word| {
        let at = word * 4;
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    });
    let mut digits = [b'0'; KSUID_LENGTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u64;
        for word in &mut words {
            let value = (remainder << 32) | u64::from(*word);
            #[expect(clippy::cast_possible_truncation, reason = "remainder < 62, so the quotient fits 32 bits")]
            {
                *word = (value / 62) as u32;
            }
            remainder = value % 62;
        }
        *digit = BASE62[usize::try_from(remainder).unwrap_or(0)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn new_ids_differ_and_have_their_prefix() {
        let now = Timestamp::from_nanos(1_795_208_177_000_000_000);
        let (first, second) = (event_id(now), event_id(now));
        assert_ne!(first, second);
        assert!(first.starts_with("evt_") && session_id(now).starts_with("ses_"));
        assert_eq!(first.len(), 31);
        assert_eq!(first[..8], second[..8], "the time comes first, so ids sort by it");
    }

    #[test]
    fn times_outside_the_range_are_moved_into_it() {
        assert_eq!(ksuid("evt", 0, [0; 16]), "evt_000000000000000000000000000");
        assert_eq!(ksuid("evt", u64::MAX, [0xff; 16]), "evt_aWgEPTl1tmebfsQzFP4bxwgy80V");
        assert_eq!(session_id(Timestamp::from_nanos(-1)).len(), 31);
    }

    proptest! {
        #[test]
        fn later_ids_sort_after_earlier_ones(a in 1_400_000_000_u64..5_000_000_000, b in 1_400_000_000_u64..5_000_000_000, payload: [u8; 16]) {
            prop_assert_eq!(a.cmp(&b), ksuid("evt", a, payload).cmp(&ksuid("evt", b, payload)));
        }
    }
}
