//! Rate limits: what Sentry asked us not to send, and until when. A state machine without clock or I/O.
//! Source: Sentry's SDK documentation, "Rate Limiting" (`X-Sentry-Rate-Limits`, `Retry-After`).

use std::time::{Duration, Instant, SystemTime};

use super::lane::Lane;
use crate::wire::Category;

/// What a 429 means that names no time, or none that we can read.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// No limit is kept longer: a broken clock or a garbled number must not silence telemetry for ever. Sentry repeats a
/// limit that still holds.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits in force. The longest of a category wins.
#[derive(Debug, Default)]
pub(super) struct RateLimits {
    everything: Option<Instant>,
    /// In the order of [`Category::ALL`].
    categories: [Option<Instant>; Category::ALL.len()],
}

impl RateLimits {
    /// Takes note of an answer of any status: `X-Sentry-Rate-Limits`, or else, after a 429, `Retry-After`, or else a
    /// minute. `wall` is the time of day, for a `Retry-After` that is a date.
    pub(super) fn observe(
        &mut self,
        status: u16,
        rate_limits: Option<&str>,
        retry_after: Option<&str>,
        wall: SystemTime,
        now: Instant,
    ) {
        let understood = rate_limits.is_some_and(|header| self.observe_header(header, now));
        if status == 429 && !understood {
            let wait = retry_after.and_then(|value| parse_retry_after(value, wall)).unwrap_or(DEFAULT_WAIT);
            extend(&mut self.everything, wait, now);
        }
    }

    /// Until when a lane must not send, if it must not send now.
    pub(super) fn blocked_until(&self, lane: Lane, now: Instant) -> Option<Instant> {
        self.latest(
            now,
            match lane {
                Lane::Error => &[Category::Error],
                // Relay enforces a limit on spans on transactions too.
                Lane::Transaction => &[Category::Transaction, Category::Span],
                Lane::Span => &[Category::Span],
                Lane::Log => &[Category::LogItem, Category::LogByte],
                Lane::Session => &[Category::Session],
                Lane::CheckIn => &[Category::Monitor],
                Lane::Metric => &[Category::TraceMetric, Category::TraceMetricByte],
                Lane::Other => &[Category::Default],
            },
        )
    }

    /// Whether attachments must not be sent now.
    pub(super) fn are_attachments_blocked(&self, now: Instant) -> bool {
        self.latest(now, &[Category::Attachment]).is_some()
    }

    /// Until when a client report must not be sent on its own, if it must not be sent now.
    pub(super) fn reports_blocked_until(&self, now: Instant) -> Option<Instant> {
        self.latest(now, &[Category::Internal])
    }

    /// The limits in force, by their categories' names; `all` is a limit for everything.
    pub(super) fn in_force(&self, now: Instant) -> impl Iterator<Item = (&'static str, Instant)> {
        let categories = Category::ALL.iter().zip(self.categories).map(|(category, until)| (category.as_str(), until));
        let everything = std::iter::once(("all", self.everything));
        categories.chain(everything).filter_map(move |(name, until)| Some((name, until.filter(|until| *until > now)?)))
    }

    fn latest(&self, now: Instant, categories: &[Category]) -> Option<Instant> {
        let limits = categories.iter().filter_map(|category| self.categories[*category as usize]);
        limits.chain(self.everything).filter(|until| *until > now).max()
    }

    /// Reads `retry_after:categories:scope:reason:namespaces, …`; true if any limit in it is well-formed.
    fn observe_header(&mut self, header: &str, now: Instant) -> bool {
        let mut understood = false;
        for limit in header.split(',') {
            let mut fields = limit.trim().split(':');
            let (Some(wait), Some(categories)) = (fields.next().and_then(parse_seconds), fields.next()) else {
                continue;
            };
            understood = true;
            if categories.trim().is_empty() {
                extend(&mut self.everything, wait, now);
            }
            // A limit that names only categories unknown to us does not concern us: that differs from naming none.
            for category in categories.split(';').filter_map(|name| name.trim().parse::<Category>().ok()) {
                extend(&mut self.categories[category as usize], wait, now);
            }
        }
        understood
    }
}

fn extend(until: &mut Option<Instant>, wait: Duration, now: Instant) {
    *until = (*until).max(now.checked_add(wait.min(LONGEST_WAIT)));
}

/// Seconds, whole or not. Negative, not a number: none.
fn parse_seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.trim().parse().ok()?;
    if seconds.is_nan() || seconds.is_sign_negative() && seconds != 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds.abs()).unwrap_or(LONGEST_WAIT))
}

/// Seconds or an HTTP date. A date that has passed says that the clocks disagree, not that there is no limit: none.
fn parse_retry_after(value: &str, wall: SystemTime) -> Option<Duration> {
    parse_seconds(value)
        .or_else(|| httpdate::parse_http_date(value.trim()).ok().and_then(|date| date.duration_since(wall).ok()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lanes of what we make ourselves.
    const OWN: [Lane; 4] = [Lane::Error, Lane::Transaction, Lane::Span, Lane::Log];

    /// Seconds until each of these lanes may send again; 0 is now.
    fn waits(status: u16, rate_limits: Option<&str>, retry_after: Option<&str>) -> [f64; OWN.len()] {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        limits.observe(status, rate_limits, retry_after, noon(), now);
        seconds(&limits, now)
    }

    fn seconds(limits: &RateLimits, now: Instant) -> [f64; OWN.len()] {
        OWN.map(|lane| limits.blocked_until(lane, now).map_or(0.0, |until| (until - now).as_secs_f64()))
    }

    /// Sun, 06 Nov 1994 12:00:00 GMT.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_123_200)
    }

    #[test]
    fn a_header_limits_the_categories_it_names() {
        assert_eq!(waits(200, Some("10:error:org"), None), [10.0, 0.0, 0.0, 0.0]);
        assert_eq!(waits(200, Some("10:log_item"), None), [0.0, 0.0, 0.0, 10.0]);
        assert_eq!(waits(200, Some("10:log_byte:key:quota"), None), [0.0, 0.0, 0.0, 10.0]);
        assert_eq!(waits(429, Some("2.5:error;log_item:project"), None), [2.5, 0.0, 0.0, 2.5]);
    }

    #[test]
    fn what_other_sdks_send_stops_for_its_own_category_and_attachments_for_theirs() {
        let now = Instant::now();
        let cases = [
            ("session", Lane::Session),
            ("monitor", Lane::CheckIn),
            ("trace_metric", Lane::Metric),
            ("trace_metric_byte", Lane::Metric),
            ("default", Lane::Other),
        ];
        for (category, limited) in cases {
            let mut limits = RateLimits::default();
            limits.observe(200, Some(&format!("10:{category}:org")), None, noon(), now);
            let blocked = Lane::ALL.into_iter().filter(|lane| limits.blocked_until(*lane, now).is_some());
            assert_eq!(blocked.collect::<Vec<_>>(), [limited], "{category}");
            assert!(!limits.are_attachments_blocked(now));
        }
        let mut limits = RateLimits::default();
        limits.observe(200, Some("10:attachment:org"), None, noon(), now);
        assert!(limits.are_attachments_blocked(now) && limits.blocked_until(Lane::Error, now).is_none());
    }

    #[test]
    fn transactions_stop_with_spans_but_spans_go_on_without_transactions() {
        assert_eq!(waits(200, Some("7:span:org"), None), [0.0, 7.0, 7.0, 0.0]);
        assert_eq!(waits(200, Some("7:transaction:org"), None), [0.0, 7.0, 0.0, 0.0]);
    }

    #[test]
    fn no_category_means_every_category_and_only_unknown_ones_mean_none() {
        assert_eq!(waits(200, Some("5::organization"), None), [5.0; 4]);
        assert_eq!(waits(200, Some("5:"), None), [5.0; 4]);
        assert_eq!(waits(200, Some("5:attachment;replay:organization"), None), [0.0; 4]);
        assert_eq!(waits(200, Some("5:attachment;error:organization"), None), [5.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_longest_limit_of_a_category_wins_within_and_across_answers() {
        assert_eq!(waits(200, Some("5:error:a, 60:error:b, 7:error:c"), None), [60.0, 0.0, 0.0, 0.0]);
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        limits.observe(200, Some("60:error:key"), None, noon(), now);
        limits.observe(200, Some("5:error:key, 10::key"), None, noon(), now);
        assert_eq!(seconds(&limits, now), [60.0, 10.0, 10.0, 10.0]);
    }

    #[test]
    fn a_limit_ends_when_its_time_has_come() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        limits.observe(429, Some("5:error:key"), None, noon(), now);
        assert!(limits.blocked_until(Lane::Error, now + Duration::from_millis(4_999)).is_some());
        assert!(limits.blocked_until(Lane::Error, now + Duration::from_secs(5)).is_none());
    }

    #[test]
    fn without_the_header_a_429_waits_as_retry_after_says_in_seconds_or_as_a_date() {
        assert_eq!(waits(429, None, Some("12")), [12.0; 4]);
        assert_eq!(waits(429, None, Some("1.5")), [1.5; 4]);
        assert_eq!(waits(429, None, Some("Sun, 06 Nov 1994 12:00:30 GMT")), [30.0; 4]);
        assert_eq!(waits(503, None, Some("12")), [0.0; 4], "only a 429 is a rate limit");
    }

    #[test]
    fn the_limits_in_force_are_named_until_they_end() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        limits.observe(429, Some("10:log_item;error:org, 5::org"), None, noon(), now);
        let names = |at| limits.in_force(at).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(now), ["error", "log_item", "all"]);
        assert_eq!(names(now + Duration::from_secs(7)), ["error", "log_item"]);
        assert_eq!(names(now + Duration::from_secs(10)), [""; 0]);
    }

    #[test]
    fn the_header_goes_before_retry_after() {
        assert_eq!(waits(429, Some("10:error:org"), Some("99")), [10.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_429_that_names_no_readable_time_waits_a_minute() {
        for (rate_limits, retry_after) in [
            (None, None),
            (None, Some("soon")),
            (None, Some("-5")),
            (None, Some("Sun, 06 Nov 1994 11:00:00 GMT")),
            (Some(""), None),
            (Some("<html>, nonsense"), None),
        ] {
            assert_eq!(waits(429, rate_limits, retry_after), [60.0; 4], "{rate_limits:?} {retry_after:?}");
        }
    }

    #[test]
    fn garbage_on_a_good_answer_limits_nothing() {
        for header in ["", ",,", ":::", "x:error", "-3:error", "NaN:error", "nan::", "10", "\u{fffd}:error"] {
            assert_eq!(waits(200, Some(header), None), [0.0; 4], "{header:?}");
        }
    }

    #[test]
    fn an_absurd_time_is_cut_to_a_day() {
        assert_eq!(waits(200, Some("1e300:error"), None)[0], 86_400.0);
        assert_eq!(waits(200, Some("inf:error"), None)[0], 86_400.0);
        assert_eq!(waits(429, None, Some("Fri, 31 Dec 9999 23:59:59 GMT")), [86_400.0; 4]);
    }

    #[test]
    fn client_reports_stop_for_their_own_category_and_for_everything() {
        let now = Instant::now();
        for (header, blocked) in [("9:internal:org", true), ("9::org", true), ("9:error:org", false)] {
            let mut limits = RateLimits::default();
            limits.observe(200, Some(header), None, noon(), now);
            assert_eq!(limits.reports_blocked_until(now).is_some(), blocked, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic_and_never_beyond_a_day(
            status in any::<u16>(),
            header in proptest::option::of(".{0,80}"),
            retry_after in proptest::option::of(".{0,40}"),
        ) {
            for wait in waits(status, header.as_deref(), retry_after.as_deref()) {
                prop_assert!((0.0..=86_400.0).contains(&wait));
            }
        }

        #[test]
        fn each_lane_waits_for_the_longest_limit_that_concerns_it(
            limits in proptest::collection::vec(
                (0_u32..100_000, proptest::sample::subsequence(
                    vec!["default", "error", "transaction", "span", "log_item", "log_byte", "attachment", "x"], 0..5,
                ), ".{0,5}[a-z]{0,3}"),
                0..6,
            ),
        ) {
            let header: Vec<String> = limits
                .iter()
                .map(|(wait, categories, rest)| format!("{wait}:{}:{}", categories.join(";"), rest.replace([',', ':'], "")))
                .collect();
            let expected = |names: &[&str]| {
                limits
                    .iter()
                    .filter(|(_, categories, _)| {
                        categories.is_empty() || categories.iter().any(|category| names.contains(category))
                    })
                    .map(|(wait, ..)| f64::from(*wait).min(86_400.0))
                    .fold(0.0, f64::max)
            };
            let waits = waits(200, Some(&header.join(", ")), None);
            prop_assert_eq!(waits[0], expected(&["error"]));
            prop_assert_eq!(waits[1], expected(&["transaction", "span"]));
            prop_assert_eq!(waits[2], expected(&["span"]));
            prop_assert_eq!(waits[3], expected(&["log_item", "log_byte"]));
        }
    }
}
