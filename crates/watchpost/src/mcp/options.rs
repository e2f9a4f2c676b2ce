//! What an observer reports, keeps and adds to its events.
//! Source: MCP "Security and Trust & Safety" (data goes nowhere without consent: content is opt-in); JSON-RPC 2.0, which bounds
//! neither a frame nor the number of open calls, so that memory is bounded here.

use std::{str::FromStr, time::Duration};

use crate::model::{Actor, Transport};

/// What an observer reports, how much it keeps, and what it adds to every event.
///
/// The defaults observe everything but `ping` and notifications, capture no content, and bound memory:
/// at most about 8 MiB of open calls and 150 KiB of buffers for each direction.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObserverOptions {
    /// The session all events belong to; `None` (default) derives it from `mcp_session_id`, or else makes a new one, `ses_`
    /// and a KSUID.
    pub session_id: Option<String>,
    /// The project, put into every event.
    pub project_id: Option<String>,
    /// Who the calls are made for, put into every event.
    pub actor: Option<Actor>,
    /// The host's own tags, put into every event.
    pub tags: Vec<(String, String)>,
    /// How client and server talk. Default: [`Transport::Stdio`].
    pub transport: Option<Transport>,
    /// The peer's own session id (`Mcp-Session-Id`), put into every event.
    pub mcp_session_id: Option<String>,
    /// Which messages become events besides requests.
    pub events: EventFilter,
    /// Which content is kept. Default: none.
    pub capture: Capture,
    /// Bound of each captured value (arguments, result) in bytes; a longer one is cut and ends in `…`. Frames
    /// themselves are observed whole, whatever their size. Default: 1 MiB.
    pub max_capture_bytes: usize,
    /// How many calls may be open in each direction; past it the oldest ends as
    /// [`Expired`](crate::model::Completion::Expired). Default: 10 000.
    pub max_pending: usize,
    /// What the open calls of each direction may hold in memory, in bytes; past it the oldest ends likewise.
    /// Default: 8 MiB.
    pub max_pending_bytes: usize,
    /// How long a call may stay open. Default: 1 hour.
    pub max_pending_age: Duration,
}

impl Default for ObserverOptions {
    fn default() -> Self {
        Self {
            session_id: None,
            project_id: None,
            actor: None,
            tags: Vec::new(),
            transport: Some(Transport::Stdio),
            mcp_session_id: None,
            events: EventFilter::default(),
            capture: Capture::default(),
            max_capture_bytes: 1 << 20,
            max_pending: 10_000,
            max_pending_bytes: 8 << 20,
            max_pending_age: Duration::from_secs(60 * 60),
        }
    }
}

/// Which messages become events besides requests (which always do). Read from text like `ping,notifications` or `all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFilter {
    /// `ping` requests.
    pub ping: bool,
    /// Notifications, in both directions.
    pub notifications: bool,
}

impl EventFilter {
    /// Everything.
    pub const ALL: Self = Self { ping: true, notifications: true };
    /// Requests only: the default.
    pub const REQUESTS: Self = Self { ping: false, notifications: false };
}

impl FromStr for EventFilter {
    type Err = UnknownEvents;

    /// A list of `requests` (always on), `ping`, `notifications` and `all`, separated by commas; spaces do not matter.
    fn from_str(text: &str) -> Result<Self, UnknownEvents> {
        let mut filter = Self::REQUESTS;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "requests" => {}
                "ping" => filter.ping = true,
                "notifications" => filter.notifications = true,
                "all" => filter = Self::ALL,
                _ => return Err(UnknownEvents { word: word.to_owned() }),
            }
        }
        Ok(filter)
    }
}

/// A word that names no events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no events called `{word}`; use requests, ping, notifications or all, separated by commas")]
pub struct UnknownEvents {
    word: String,
}

/// Which content is kept besides metadata. Default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capture {
    /// A request's `params.arguments`.
    pub inputs: bool,
    /// An answer's whole `result`.
    pub outputs: bool,
}

impl Capture {
    /// Arguments and results.
    pub const ALL: Self = Self { inputs: true, outputs: true };
    /// No content.
    pub const NONE: Self = Self { inputs: false, outputs: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_in_a_list() {
        assert_eq!("".parse(), Ok(EventFilter::default()));
        assert_eq!("requests".parse(), Ok(EventFilter::REQUESTS));
        assert_eq!("ping".parse(), Ok(EventFilter { ping: true, notifications: false }));
        assert_eq!(" notifications , ping,".parse(), Ok(EventFilter::ALL));
        assert_eq!("all".parse(), Ok(EventFilter::ALL));
    }

    #[test]
    fn an_unknown_word_is_named_and_the_known_ones_are_listed() {
        let error = "ping,pings".parse::<EventFilter>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are no events called `pings`; use requests, ping, notifications or all, separated by commas"
        );
    }
}
