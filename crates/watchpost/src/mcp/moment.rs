//! A point in time on both clocks, handed in by whoever owns the I/O.

use std::time::Instant;

use watchpost_sentry::wire::Timestamp;

/// One moment, read from both clocks: durations come from `monotonic`, an event's timestamp from `wall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The clock that never goes back.
    pub monotonic: Instant,
    /// The clock on the wall.
    pub wall: Timestamp,
}

impl Moment {
    /// This moment, by the system's clocks.
    #[must_use]
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: Timestamp::now() }
    }
}
