//! What the delivery says about itself, by `tracing` with the target `watchpost`. Each kind at most once in thirty
//! seconds (one second for items that are too large), so that a broken connection does not fill the log; never with the DSN's key.

use std::time::{Duration, Instant};

use super::lane::Lane;

/// Between two notices of one kind.
const QUIET: Duration = Duration::from_secs(30);

/// Between two that name an item which was too large: each of these is a finding of its own.
const QUIET_TOO_LARGE: Duration = Duration::from_secs(1);

/// Something an operator wants to know.
#[derive(Debug)]
pub(super) enum Notice {
    Overflow { lane: Lane },
    RateLimited { lane: Lane, kept: bool, wait: Duration },
    TooLarge { item: String, bytes: u64, halved: bool },
    Refused { item: String, status: u16, explanation: String },
    Unreachable { status: u16, explanation: String, pause: Option<Duration> },
    Recovered,
    SpoolFailed { error: String },
    TakenOver { items: u64, damaged: u64 },
}

impl Notice {
    const KINDS: usize = 8;

    fn kind(&self) -> usize {
        match self {
            Self::Overflow { .. } => 0,
            Self::RateLimited { .. } => 1,
            Self::TooLarge { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Unreachable { .. } => 4,
            Self::Recovered => 5,
            Self::SpoolFailed { .. } => 6,
            Self::TakenOver { .. } => 7,
        }
    }

    /// Emits the `tracing` event. Never while the state is locked: a subscriber may log through this very delivery.
    pub(super) fn emit(self) {
        match self {
            Self::Overflow { lane } => {
                tracing::warn!(target: "watchpost", "a buffer is full: the oldest {} was dropped", lane.name());
            }
            Self::RateLimited { lane, kept, wait } => {
                let fate = if kept { "waits in the spool" } else { "was dropped" };
                tracing::warn!(
                    target: "watchpost",
                    seconds = wait.as_secs_f64(),
                    "Sentry asked to wait: a {} {fate}", lane.name(),
                );
            }
            Self::TooLarge { item, bytes, halved } => {
                let fate = if halved { "it is sent again in two halves" } else { "it was dropped" };
                tracing::error!(target: "watchpost", bytes, "Sentry found a {item} too large (413): {fate}");
            }
            Self::Refused { item, status, explanation } => {
                tracing::warn!(target: "watchpost", status, explanation, "Sentry refused a {item}: it was dropped");
            }
            Self::Unreachable { status, explanation, pause } => {
                let pause_seconds = pause.unwrap_or_default().as_secs_f64();
                tracing::warn!(target: "watchpost", status, explanation, pause_seconds, "could not send to Sentry");
            }
            Self::Recovered => tracing::info!(target: "watchpost", "Sentry can be reached again"),
            Self::SpoolFailed { error } => tracing::warn!(
                target: "watchpost",
                error,
                "the spool's disk failed: telemetry is kept in memory only from now on",
            ),
            Self::TakenOver { items, damaged } => {
                tracing::info!(target: "watchpost", items, damaged, "took over what an earlier process could not send");
            }
        }
    }
}

/// Lets a notice through if none of its kind was for a while.
#[derive(Debug, Default)]
pub(super) struct Notices {
    last: [Option<Instant>; Notice::KINDS],
}

impl Notices {
    pub(super) fn admit(&mut self, notice: Notice, now: Instant) -> Option<Notice> {
        let quiet = if matches!(notice, Notice::TooLarge { .. }) { QUIET_TOO_LARGE } else { QUIET };
        let last = &mut self.last[notice.kind()];
        if last.is_some_and(|last| now < last + quiet) {
            return None;
        }
        *last = Some(now);
        Some(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_in_thirty_seconds() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        assert!(notices.admit(Notice::Recovered, now).is_some());
        assert!(notices.admit(Notice::Recovered, now + QUIET / 2).is_none());
        assert!(notices.admit(Notice::Overflow { lane: Lane::Log }, now).is_some());
        assert!(notices.admit(Notice::Recovered, now + QUIET).is_some());
    }
}
