//! An incoming trace parent: who called, in which trace. Read from W3C `traceparent` (Trace Context, §3.2) and Sentry's
//! `sentry-trace`, strictly: anything malformed and any all-zero id is refused, as both specifications demand.

use watchpost_sentry::wire::{SpanId, TraceId};

/// An incoming trace parent (W3C `traceparent` or `sentry-trace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The caller's trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// The caller's sampling decision, if it made one.
    pub sampled: Option<bool>,
}

impl TraceParent {
    /// Reads a W3C `traceparent`, for example `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    ///
    /// A version after `00` may carry further fields behind another dash; version `ff` is not allowed.
    #[must_use]
    pub fn parse_traceparent(text: &str) -> Option<Self> {
        let (fields, rest) = text.as_bytes().split_at_checked(55)?;
        let version = hex::<1>(&fields[..2])?;
        let ends_well = match version {
            [0x00] => rest.is_empty(),
            [0xff] => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let dashes = [2, 35, 52].iter().all(|&at| fields[at] == b'-');
        if !ends_well || !dashes {
            return None;
        }
        let [flags] = hex::<1>(&fields[53..])?;
        Self::checked(hex(&fields[3..35])?, hex(&fields[36..52])?, Some(flags & 1 == 1))
    }

    /// Reads a `sentry-trace`, for example `4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1`; without the last
    /// field the caller left the decision open.
    #[must_use]
    pub fn parse_sentry_trace(text: &str) -> Option<Self> {
        let (ids, decision) = text.trim_matches([' ', '\t']).as_bytes().split_at_checked(49)?;
        let sampled = match decision {
            b"" => None,
            b"-0" => Some(false),
            b"-1" => Some(true),
            _ => return None,
        };
        if ids[32] != b'-' {
            return None;
        }
        Self::checked(hex(&ids[..32])?, hex(&ids[33..])?, sampled)
    }

    /// The W3C `traceparent`. An open decision counts as sampled, or else the called service would drop its half of the trace.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        let flags = if self.sampled == Some(false) { "00" } else { "01" };
        format!("00-{}-{}-{flags}", self.trace_id, self.span_id)
    }

    /// The `sentry-trace`.
    #[must_use]
    pub fn to_sentry_trace(&self) -> String {
        let decision = match self.sampled {
            Some(true) => "-1",
            Some(false) => "-0",
            None => "",
        };
        format!("{}-{}{decision}", self.trace_id, self.span_id)
    }

    fn checked(trace_id: [u8; 16], span_id: [u8; 8], sampled: Option<bool>) -> Option<Self> {
        let valid = trace_id != [0; 16] && span_id != [0; 8];
        valid.then_some(Self { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled })
    }
}

/// Exactly `2 * N` lowercase hex digits; both specifications refuse uppercase.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |at: usize| match *digits.get(at)? {
        byte @ b'0'..=b'9' => Some(byte - b'0'),
        byte @ b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (digit(index * 2)? << 4) | digit(index * 2 + 1)?;
    }
    (digits.len() == N * 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_traceparent_is_read_with_its_decision() {
        let parent = TraceParent::parse_traceparent(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(parent.trace_id.to_string(), TRACE);
        assert_eq!(parent.span_id.to_string(), SPAN);
        assert_eq!(parent.sampled, Some(true));
        assert_eq!(TraceParent::parse_traceparent(&format!("00-{TRACE}-{SPAN}-02")).unwrap().sampled, Some(false));
    }

    #[test]
    fn a_later_version_may_carry_more_fields_and_version_zero_may_not() {
        assert!(TraceParent::parse_traceparent(&format!("01-{TRACE}-{SPAN}-01-more")).is_some());
        assert!(TraceParent::parse_traceparent(&format!("01-{TRACE}-{SPAN}-01more")).is_none());
        assert!(TraceParent::parse_traceparent(&format!("00-{TRACE}-{SPAN}-01-more")).is_none());
        assert!(TraceParent::parse_traceparent(&format!("ff-{TRACE}-{SPAN}-01")).is_none());
    }

    #[test]
    fn a_sentry_trace_may_leave_the_decision_open() {
        let read = |text: String| TraceParent::parse_sentry_trace(&text).map(|parent| parent.sampled);
        assert_eq!(read(format!("{TRACE}-{SPAN}")), Some(None));
        assert_eq!(read(format!(" {TRACE}-{SPAN}-1\t")), Some(Some(true)));
        assert_eq!(read(format!("{TRACE}-{SPAN}-0")), Some(Some(false)));
        assert_eq!(read(format!("{TRACE}-{SPAN}-2")), None);
    }

    #[test]
    fn malformed_parents_and_zero_ids_are_refused() {
        let zero = "0".repeat(32);
        let refused = [
            String::new(),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zero[..16]),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-žluťoučký{TRACE}-{SPAN}-01"),
        ];
        for text in refused {
            assert_eq!(TraceParent::parse_traceparent(&text), None, "{text}");
        }
        assert_eq!(TraceParent::parse_sentry_trace(&format!("{zero}-{SPAN}-1")), None);
        assert_eq!(TraceParent::parse_sentry_trace(&format!("{TRACE}{SPAN}-1x")), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace: [u8; 16], span: [u8; 8], flags: u8) {
            let (trace, span) = (TraceId(trace), SpanId(span));
            prop_assume!(trace.0 != [0; 16] && span.0 != [0; 8]);
            let read = TraceParent::parse_traceparent(&format!("00-{trace}-{span}-{flags:02x}"));
            prop_assert_eq!(read, Some(TraceParent { trace_id: trace, span_id: span, sampled: Some(flags & 1 == 1) }));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (TraceParent::parse_traceparent(&text), TraceParent::parse_sentry_trace(&text));
        }
    }
}
