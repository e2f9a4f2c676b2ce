//! How often the worker looks while there is much to do. A state machine without clock or I/O.

use std::time::{Duration, Instant};

/// Between two looks, when nobody waits: each answer that wakes the thread alone costs as much as sending the request does,
/// and ten that have come in a millisecond cost hardly more than one. (Network cards moderate their interrupts in the same way.)
const INTERVAL: Duration = Duration::from_millis(1);

/// When the worker looked last.
#[derive(Debug, Default)]
pub(super) struct Pace {
    looked: Option<Instant>,
}

impl Pace {
    /// The worker has found nothing more to do: how long it rests before it waits for more. Nothing if it has not looked for a
    /// while, or if it `hurries`.
    pub(super) fn rest(&mut self, now: Instant, hurries: bool) -> Duration {
        let due = self.looked.filter(|_| !hurries).map_or(now, |looked| looked + INTERVAL);
        let rest = due.saturating_duration_since(now);
        self.looked = Some(now + rest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_seldom_never_rests() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(pace.rest(now, false), Duration::ZERO);
            now += INTERVAL;
        }
    }

    #[test]
    fn who_looks_often_rests_for_what_is_left_of_the_interval() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.rest(now, false);
        assert_eq!(pace.rest(now + INTERVAL / 4, false), INTERVAL * 3 / 4);
        assert_eq!(pace.rest(now + INTERVAL, false), INTERVAL);
    }

    #[test]
    fn who_hurries_does_not_rest() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.rest(now, false);
        assert_eq!(pace.rest(now, true), Duration::ZERO);
    }
}
