//! Event ids made a few dozen at a time. Source: `model::id`; asking the system for randomness costs as much as all
//! the rest of an event (450 ns of 1.7 µs, `examples/observe_throughput.rs`), so it is asked once for 32.

use watchpost_sentry::wire::Timestamp;

use crate::model;

/// Bytes of randomness in an id.
const PAYLOAD: usize = 16;
/// Ids made of one draw. The system gives up to 256 bytes without being interrupted; 512 is half as often.
const IDS: usize = 32;

/// A supply of randomness for event ids. It is of one process: a fork must not share it.
#[derive(Debug)]
pub(in crate::mcp) struct EventIds {
    random: [u8; PAYLOAD * IDS],
    used: usize,
}

impl Default for EventIds {
    fn default() -> Self {
        Self { random: [0; PAYLOAD * IDS], used: PAYLOAD * IDS }
    }
}

impl EventIds {
    /// A new event id, `evt_` and a KSUID of `now`.
    pub(in crate::mcp) fn next(&mut self, now: Timestamp) -> String {
        if self.used == self.random.len() {
            if getrandom::fill(&mut self.random).is_err() {
                return model::event_id(now);
            }
            self.used = 0;
        }
        let seconds = u64::try_from(now.nanos() / 1_000_000_000).unwrap_or(0);
        let payload = std::array::from_fn(|index| self.random[self.used + index]);
        self.used += PAYLOAD;
        model::ksuid("evt", seconds, payload)
    }
}
