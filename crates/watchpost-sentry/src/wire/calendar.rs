//! RFC 3339 in the proleptic Gregorian calendar, to and from nanoseconds since the Unix epoch.
//! Source: RFC 3339 §5.6; Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

const SECONDS_PER_DAY: i64 = 86_400;

/// Nanoseconds to `2026-11-20T10:00:00.123Z`, rounded down to milliseconds.
pub(super) fn format_rfc3339(nanos: i64) -> String {
    let millis = nanos.div_euclid(1_000_000);
    let (seconds, millis) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
    let (days, of_day) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    // Field by field: a format string takes ten times as long.
    let mut text = String::with_capacity("2026-11-20T10:00:00.123Z".len());
    for (number, digits, behind) in [
        (year, 1_000, '-'),
        (month, 10, '-'),
        (day, 10, 'T'),
        (hour, 10, ':'),
        (minute, 10, ':'),
        (second, 10, '.'),
        (millis, 100, 'Z'),
    ] {
        push_digits(&mut text, number, digits);
        text.push(behind);
    }
    text
}

/// The digits of a number from the highest place on.
fn push_digits(text: &mut String, number: i64, highest: i64) {
    let mut place = highest;
    while place > 0 {
        text.push(char::from(b'0' + (number / place % 10) as u8));
        place /= 10;
    }
}

/// RFC 3339 to nanoseconds. A space may stand for the `T`, the offset may be missing (UTC, as Relay reads it) and
/// digits beyond nanoseconds are cut. `None` if it is no such text or outside of what an `i64` holds.
pub(super) fn parse_rfc3339(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let (date, text) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let (separator, text) = text.split_first()?;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (time, text) = text.split_at_checked(8)?;
    let [h1, h2, b':', n1, n2, b':', s1, s2] = *time else { return None };

    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
    let real = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    // 60 is a leap second; it is counted as the next minute's first.
    if !real || hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    let (fraction, text) = parse_fraction(text)?;
    let offset = parse_offset(text)?;
    let of_day = hour * 3_600 + minute * 60 + second;
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + of_day - offset;
    i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(fraction)).ok()
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// `.123…` to nanoseconds, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let padded = text[..digits].iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = padded.fold(0, |nanos, byte| nanos * 10 + i64::from(byte - b'0'));
    Some((nanos, &text[digits..]))
}

/// `Z`, `+01:00` or nothing, to seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match *text {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn known_dates_are_read() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600 * SECOND),
            ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
            ("2023-11-14 22:13:20", 1_700_000_000 * SECOND),
            ("2023-11-14t22:13:20.5z", 1_700_000_000 * SECOND + SECOND / 2),
            ("2023-11-14T23:43:20+01:30", 1_700_000_000 * SECOND),
            ("2023-11-14T17:13:20-05:00", 1_700_000_000 * SECOND),
            ("2023-11-14T22:13:20.1234567891234Z", 1_700_000_000 * SECOND + 123_456_789),
            ("2016-12-31T23:59:60Z", 1_483_228_800 * SECOND),
            ("2262-04-11T23:47:16.854775807Z", i64::MAX),
        ] {
            assert_eq!(parse_rfc3339(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-04-31T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:61Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00 Z",
            "2023-01-01",
            "2262-04-11T23:47:16.854775808Z",
            "0000-01-01T00:00:00Z",
            "2023-01-01T00:00:0üZ",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_are_written_and_the_rest_is_cut() {
        assert_eq!(format_rfc3339(1_700_000_000 * SECOND + 123_999_999), "2023-11-14T22:13:20.123Z");
        assert_eq!(format_rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(format_rfc3339(951_782_400 * SECOND), "2000-02-29T00:00:00.000Z");
    }
}
