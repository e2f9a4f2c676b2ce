//! Ids as others write them: hex is kept as given, so that a trace is found by the id its host logs; anything else is hashed,
//! to the same id every time.

use sha2::{Digest, Sha256};
use watchpost_sentry::wire::{SpanId, TraceId};

pub(super) enum Id<T> {
    Some(T),
    /// Of a span that Mastra makes when it traces nothing: `no-op`, `no-op-trace`.
    NoOp,
}

pub(super) fn read_trace_id(text: &str) -> Id<TraceId> {
    read(text, TraceId)
}

pub(super) fn read_span_id(text: &str) -> Id<SpanId> {
    read(text, SpanId)
}

fn read<const N: usize, T>(text: &str, id: fn([u8; N]) -> T) -> Id<T> {
    let text = text.trim();
    if text.starts_with("no-op") {
        return Id::NoOp;
    }
    // An id of zeros means none to Sentry and OpenTelemetry, which would drop the span.
    let bytes = hex(text).filter(|bytes| *bytes != [0; N]).unwrap_or_else(|| hash(text));
    Id::Some(id(bytes))
}

/// At most `2 * N` hex digits, in either case, as a number; of a UUID its digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_uuid = text.len() == 36 && N == 16 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let mut bytes = [0; N];
    let mut place = 2 * N;
    for digit in text.bytes().rev().filter(|byte| !(is_uuid && *byte == b'-')) {
        let value = char::from(digit).to_digit(16)?;
        place = place.checked_sub(1)?;
        bytes[place / 2] |= u8::try_from(value).ok()? << if place.is_multiple_of(2) { 4 } else { 0 };
    }
    Some(bytes)
}

fn hash<const N: usize>(text: &str) -> [u8; N] {
    let hash: [u8; 32] = Sha256::digest(text).into();
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(text: &str) -> String {
        match read_trace_id(text) {
            Id::Some(id) => id.to_string(),
            Id::NoOp => "no-op".to_owned(),
        }
    }

    fn span(text: &str) -> String {
        match read_span_id(text) {
            Id::Some(id) => id.to_string(),
            Id::NoOp => "no-op".to_owned(),
        }
    }

    #[test]
    fn hex_is_kept_and_padded_and_anything_else_is_hashed() {
        let cases = [
            ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
            ("0AF7651916CD43DD8448EB211C80319C", "0af7651916cd43dd8448eb211c80319c"),
            ("a", "0000000000000000000000000000000a"),
            ("123abc", "00000000000000000000000000123abc"),
            ("0af76519-16cd-43dd-8448-eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
            // The first bytes of SHA-256("run-1").
            ("run-1", "4e65d3fbe8ad6535681b021b30785b12"),
        ];
        for (given, expected) in cases {
            assert_eq!(trace(given), *expected, "{given}");
        }
        assert_eq!(span("b7ad6b7169203331"), "b7ad6b7169203331");
        assert_eq!(span("00f067"), "000000000000f067");
        assert_eq!(span("0af7651916cd43dd8448eb211c80319c").len(), 16, "too long for a span id: hashed");
        assert_ne!(span("0af7651916cd43dd8448eb211c80319c"), "8448eb211c80319c");
    }

    #[test]
    fn zeros_are_no_id() {
        assert_ne!(trace("0"), "0".repeat(32));
        assert_ne!(span("0000000000000000"), "0".repeat(16));
    }

    #[test]
    fn what_mastra_makes_while_tracing_is_off_is_known() {
        assert_eq!(trace("no-op-trace"), "no-op");
        assert_eq!(span("no-op"), "no-op");
    }
}
