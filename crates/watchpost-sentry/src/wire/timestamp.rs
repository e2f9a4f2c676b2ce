//! Points in time: nanoseconds since the Unix epoch, seconds with six decimals on the wire.
//! Source: Sentry's event protocol ("timestamp"), RFC 3339.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::calendar;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MICRO: i64 = 1_000;

/// Nanoseconds since the Unix epoch (UTC). Written as a JSON number of seconds with microsecond precision, exactly:
/// no `f64` is involved.
///
/// It reaches from 1677 to 2262; what lies outside is moved to the nearer end, or refused where text is read.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    nanos: i64,
}

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// From seconds since the Unix epoch, rounded to whole microseconds: an `f64` holds no more for a date of our time.
    /// `None` if not finite or outside the range.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let micros = (seconds * 1e6).round();
        // The bound is checked before the cast, which would saturate silently. NaN fails it too.
        let limit = (i64::MAX / NANOS_PER_MICRO) as f64;
        (micros.abs() < limit).then(|| Self { nanos: micros as i64 * NANOS_PER_MICRO })
    }

    /// The system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Reads RFC 3339 (`2026-11-20T10:00:00.123Z`; without an offset it is UTC) or a number of seconds
    /// (`1700000000.25`). `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        if let Some(nanos) = calendar::parse_rfc3339(text) {
            return Some(Self { nanos });
        }
        // `f64` would also read "inf", "nan" and "infinity"; those fail the range check.
        text.parse().ok().and_then(Self::from_seconds)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.nanos
    }

    /// Seconds since the Unix epoch; an `f64` rounds to about a quarter of a microsecond.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// This moment plus `duration`, at most the end of the range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self { nanos: self.nanos.saturating_add(saturating_nanos(duration)) }
    }

    /// This moment minus `duration`, at least the start of the range.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self { nanos: self.nanos.saturating_sub(saturating_nanos(duration)) }
    }

    /// This moment minus `duration`, or `None` below the range.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = i64::try_from(duration.as_nanos()).ok()?;
        self.nanos.checked_sub(nanos).map(|nanos| Self { nanos })
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        if self.nanos <= earlier.nanos {
            Duration::ZERO
        } else {
            Duration::from_nanos(self.nanos.abs_diff(earlier.nanos))
        }
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-20T10:00:00.123Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        calendar::format_rfc3339(self.nanos)
    }

    /// Appends seconds with six decimals, rounded down: `1700000000.250000`.
    pub fn write_json(self, out: &mut Vec<u8>) {
        let micros = self.nanos.div_euclid(NANOS_PER_MICRO);
        if micros < 0 {
            out.push(b'-');
        }
        let micros = micros.unsigned_abs();
        out.extend_from_slice(itoa::Buffer::new().format(micros / 1_000_000).as_bytes());
        let mut rest = (micros % 1_000_000) as u32;
        let mut decimals = *b".000000";
        for digit in decimals[1..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&decimals);
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = self.nanos.rem_euclid(NANOS_PER_SECOND);
        write!(f, "Timestamp({}.{fraction:09})", self.nanos.div_euclid(NANOS_PER_SECOND))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self { nanos: saturating_nanos(after) },
            Err(error) => Self { nanos: -saturating_nanos(error.duration()) },
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = self.nanos.div_euclid(NANOS_PER_MICRO);
        serializer.serialize_f64(micros as f64 / 1e6)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimestampVisitor)
    }
}

struct TimestampVisitor;

impl de::Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since the Unix epoch or an RFC 3339 text")
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
        Timestamp::from_seconds(seconds).ok_or_else(|| E::custom("the timestamp is out of range"))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
        let nanos = seconds.checked_mul(NANOS_PER_SECOND);
        nanos.map(Timestamp::from_nanos).ok_or_else(|| E::custom("the timestamp is out of range"))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
        self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text).ok_or_else(|| E::custom("the timestamp is neither RFC 3339 nor a number of seconds"))
    }
}

fn saturating_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(nanos: i64) -> String {
        let mut out = Vec::new();
        Timestamp::from_nanos(nanos).write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seconds_are_written_with_six_decimals_rounded_down() {
        assert_eq!(written(1_700_000_000_000_000_000), "1700000000.000000");
        assert_eq!(written(1_700_000_000_000_001_999), "1700000000.000001");
        assert_eq!(written(1), "0.000000");
        assert_eq!(written(-1), "-0.000001");
        assert_eq!(written(-1_500_000_000), "-1.500000");
        assert_eq!(written(i64::MAX), "9223372036.854775");
        assert_eq!(written(i64::MIN), "-9223372036.854776");
    }

    #[test]
    fn not_finite_or_out_of_range_is_no_timestamp() {
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 9.3e9, -9.3e9] {
            assert_eq!(Timestamp::from_seconds(seconds), None, "{seconds}");
        }
        for text in ["", "inf", "nan", "yesterday", "1700000000 s", "2026-13-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_the_range() {
        let last = Timestamp::from_nanos(i64::MAX);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!(Timestamp::default().saturating_sub(Duration::MAX).nanos(), -i64::MAX);
        assert_eq!(Timestamp::default().checked_sub(Duration::MAX), None);
        assert_eq!(Timestamp::from_nanos(5).duration_since(Timestamp::from_nanos(7)), Duration::ZERO);
        assert_eq!(last.duration_since(Timestamp::from_nanos(i64::MIN)), Duration::from_nanos(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_microsecond_of_this_or_the_next_century_survives_json(micros in 0_i64..(1 << 32) * 1_000_000) {
            let time = Timestamp::from_nanos(micros * 1_000);
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&written(time.nanos())).unwrap(), time);
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&serde_json::to_string(&time).unwrap()).unwrap(), time);
        }

        #[test]
        fn writing_keeps_the_order(a: i64, b: i64) {
            let (a, b) = (a.min(b), a.max(b));
            let read = |nanos| written(nanos).parse::<f64>().unwrap();
            prop_assert!(read(a) <= read(b));
        }

        #[test]
        fn a_millisecond_survives_rfc3339(millis in -9_223_372_036_854_i64..9_223_372_036_854) {
            let time = Timestamp::from_nanos(millis * 1_000_000);
            prop_assert_eq!(Timestamp::parse(&time.to_rfc3339()), Some(time));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}|[0-9TZ:+.-]{0,35}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
