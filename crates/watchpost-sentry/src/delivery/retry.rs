//! When to try again: how long a parcel waits after a failure, and when the whole connection takes a pause.
//! State machines without clock, randomness or I/O: `now` and `jitter` are given.

use std::time::{Duration, Instant};

/// The wait after a first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After so many failures in a row the circuit opens. One alone may be the item's fault, or a load balancer's hiccup.
const FAILURES_TO_OPEN: u32 = 3;

/// The wait before try number `attempts + 1`: 200 ms doubled each time up to 30 s, of which a random half is taken off.
/// `jitter` is from 0 to 1.
pub(super) fn wait_after(attempts: u32, jitter: f64) -> Duration {
    let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// Stops all sends when Sentry cannot be reached, then lets one through from time to time to see.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// Failures since the last success; while paused, probes that failed.
    failures: u32,
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Instant,
    until: Instant,
    probing: bool,
}

/// Whether a send may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// As many as there are free slots.
    Free,
    /// One, to see whether Sentry can be reached again.
    Probe,
    /// None before this moment; or, without one, before the probe under way has ended.
    Wait(Option<Instant>),
}

impl Circuit {
    pub(super) fn permit(&self, now: Instant) -> Permit {
        match self.pause {
            None => Permit::Free,
            Some(Pause { probing: true, .. }) => Permit::Wait(None),
            Some(Pause { until, .. }) if until > now => Permit::Wait(Some(until)),
            Some(_) => Permit::Probe,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// A send begins under [`Permit::Probe`].
    pub(super) fn probe(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.probing = true;
        }
    }

    /// Sentry answered; true if that ended a pause.
    pub(super) fn succeed(&mut self) -> bool {
        self.failures = 0;
        self.pause.take().is_some()
    }

    /// A send that began at `began` failed; if that begins or prolongs a pause, its end.
    pub(super) fn fail(&mut self, began: Instant, now: Instant, jitter: f64) -> Option<Instant> {
        // Those that were already under way when the pause began tell nothing new.
        if self.pause.is_some_and(|pause| !pause.probing || began < pause.since) {
            return None;
        }
        self.failures += 1;
        if self.failures < FAILURES_TO_OPEN {
            return None;
        }
        let until = now + wait_after(self.failures + 1 - FAILURES_TO_OPEN, jitter);
        self.pause = Some(Pause { since: now, until, probing: false });
        Some(until)
    }

    /// Someone waits for a flush: lets the next probe go at once, unless the last failure is younger than 200 ms.
    pub(super) fn hurry(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(pause.since + FIRST_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES_TO_OPEN {
            circuit.fail(now, now, 1.0);
        }
        circuit
    }

    #[test]
    fn waits_double_up_to_thirty_seconds_and_jitter_takes_off_at_most_half() {
        let full: Vec<u128> = (1..=10).map(|attempts| wait_after(attempts, 1.0).as_millis()).collect();
        assert_eq!(full, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(wait_after(1, 0.0), 100 * MS);
        assert_eq!(wait_after(u32::MAX, 1.0), LONGEST_WAIT);
    }

    #[test]
    fn sends_go_on_through_single_failures_and_stop_after_three_in_a_row() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..10 {
            assert_eq!(circuit.fail(now, now, 1.0), None);
            assert_eq!(circuit.fail(now, now, 1.0), None);
            circuit.succeed();
        }
        assert_eq!(circuit.permit(now), Permit::Free);
        circuit.fail(now, now, 1.0);
        circuit.fail(now, now, 1.0);
        assert_eq!(circuit.fail(now, now, 1.0), Some(now + 200 * MS));
        assert_eq!(circuit.permit(now), Permit::Wait(Some(now + 200 * MS)));
    }

    #[test]
    fn after_the_pause_one_probe_goes_and_the_others_wait_for_it() {
        let now = Instant::now();
        let mut circuit = opened(now);
        let later = now + 200 * MS;
        assert_eq!(circuit.permit(later), Permit::Probe);
        circuit.probe();
        assert_eq!(circuit.permit(later), Permit::Wait(None));
        assert!(circuit.succeed());
        assert_eq!(circuit.permit(later), Permit::Free);
        assert!(!circuit.succeed());
    }

    #[test]
    fn a_failed_probe_doubles_the_pause() {
        let mut now = Instant::now();
        let mut circuit = opened(now);
        for wait in [400, 800, 1_600] {
            let Permit::Wait(Some(until)) = circuit.permit(now) else { panic!("not paused") };
            now = until;
            circuit.probe();
            assert_eq!(circuit.fail(now, now, 1.0), Some(now + wait * MS));
        }
    }

    #[test]
    fn sends_that_were_under_way_when_the_pause_began_do_not_prolong_it() {
        let now = Instant::now();
        let mut circuit = opened(now);
        for _ in 0..8 {
            assert_eq!(circuit.fail(now, now + MS, 1.0), None);
        }
        circuit.probe();
        assert_eq!(circuit.fail(now - MS, now + MS, 1.0), None);
        assert_eq!(circuit.permit(now + MS), Permit::Wait(None));
    }

    #[test]
    fn a_flush_shortens_a_long_pause_but_never_below_the_first_wait() {
        let start = Instant::now();
        let mut circuit = opened(start);
        let mut now = start;
        for _ in 0..8 {
            now += LONGEST_WAIT;
            circuit.probe();
            circuit.fail(now, now, 1.0);
        }
        assert_eq!(circuit.permit(now), Permit::Wait(Some(now + LONGEST_WAIT)));
        circuit.hurry();
        assert_eq!(circuit.permit(now), Permit::Wait(Some(now + FIRST_WAIT)));
        circuit.hurry();
        assert_eq!(circuit.permit(now + FIRST_WAIT), Permit::Probe);
    }
}
