//! How long a hook is waited for.

use std::time::{Duration, Instant};

/// So long a hook is waited for in any case: one that answers within it decorates every event, however many wait.
const LEAST: Duration = Duration::from_millis(100);

/// How long a hook is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// As the host says.
    pub(super) timeout: Duration,
    /// What the time is counted from: the hook's own start, or, so that no event waits longer for all its hooks together, the
    /// end of the event's call.
    pub(super) since: Instant,
}

/// What may cut a wait short.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Haste {
    /// Much waits behind this event.
    pub(super) is_pressed: bool,
    /// Somebody waits for everything to be sent: the hooks have until then, what is sent has the time after.
    pub(super) until: Option<Instant>,
}

impl Patience {
    /// Until when a hook is waited for that began at `began`.
    pub(super) fn until(self, began: Instant, haste: Haste) -> Instant {
        let least = began + LEAST.min(self.timeout);
        let until = if haste.is_pressed { least } else { least.max(self.since + self.timeout) };
        haste.until.map_or(until, |end| end.min(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn an_event_waits_for_all_its_hooks_no_longer_than_for_one() {
        let now = Instant::now();
        let until = |age, haste| Patience { timeout: LONG, since: now }.until(now + age, haste) - now;
        assert_eq!(until(Duration::ZERO, Haste::default()), LONG);
        assert_eq!(until(Duration::from_secs(9), Haste::default()), LONG);
        let late = Duration::from_secs(60);
        assert_eq!(until(late, Haste::default()), late + LEAST, "but for a moment each");
        let little = Patience { timeout: SHORT, since: now };
        assert_eq!(little.until(now + late, Haste::default()), now + late + SHORT);
    }

    #[test]
    fn a_hook_is_not_waited_for_when_much_waits_or_somebody_does() {
        let now = Instant::now();
        let until = |is_pressed, until| {
            Patience { timeout: LONG, since: now }.until(now, Haste { is_pressed, until }).duration_since(now)
        };
        assert_eq!(until(true, None), LEAST);
        let soon = now + Duration::from_secs(1);
        assert_eq!(until(false, Some(soon)), Duration::from_secs(1));
        assert_eq!(until(true, Some(soon)), LEAST);
        assert_eq!(until(false, Some(now)), Duration::ZERO);
    }
}
