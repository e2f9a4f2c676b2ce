//! Faults that are played, so that senders can be seen to deal with them: a status instead of 200, with Sentry's rate limit
//! headers, for everything or for some categories of items. Source: Sentry's rate limiting protocol.

use std::str::FromStr;

/// Seconds that a limit holds unless said otherwise; Relay's own for a plain 429.
const DEFAULT_SECONDS: u32 = 60;

/// The categories that items are limited by, with their types.
const CATEGORIES: &[(&str, &[&str])] = &[
    ("error", &["event"]),
    ("transaction", &["transaction"]),
    ("span", &["span"]),
    ("log_item", &["log"]),
    ("attachment", &["attachment"]),
    ("session", &["session", "sessions"]),
    ("monitor", &["check_in"]),
    ("profile", &["profile", "profile_chunk"]),
    ("replay", &["replay_event", "replay_recording", "replay_video"]),
    ("feedback", &["feedback", "user_report"]),
    ("trace_metric", &["trace_metric"]),
];

/// A fault to play: `STATUS[:SECONDS[:CATEGORY[;CATEGORY…]]]`, for example `503`, `429:60` or `429:60:log_item`.
///
/// Without categories every envelope is answered with the status and nothing of it is stored. With categories only items of
/// those are dropped, the others are stored, and an envelope that has one of them is answered with the status and
/// `X-Sentry-Rate-Limits`. A 429 always carries `Retry-After` and `X-Sentry-Rate-Limits`, other statuses carry `Retry-After`
/// where seconds are given.
///
/// ```
/// let fault: watchpost_receiver::Fault = "429:60:log_item;span".parse()?;
/// assert_eq!(fault.status(), 429);
/// # Ok::<(), watchpost_receiver::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    status: u16,
    seconds: Option<u32>,
    categories: Vec<&'static str>,
}

/// A fault that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// Not a status that says that something failed.
    #[error("`{0}` is no status to fail with; give 400 to 599, as in 429:60:log_item")]
    Status(String),
    /// Not a number of seconds.
    #[error("`{0}` is no number of seconds; give STATUS:SECONDS, as in 429:60")]
    Seconds(String),
    /// Not a category.
    #[error("`{name}` is no category; there are {}", names())]
    Category {
        /// What was given.
        name: String,
    },
}

fn names() -> String {
    CATEGORIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Fault {
    /// The status that is answered.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether an item of this type is dropped.
    pub(crate) fn drops(&self, kind: &str) -> bool {
        self.categories.is_empty()
            || CATEGORIES.iter().any(|(name, kinds)| self.categories.contains(name) && kinds.contains(&kind))
    }

    /// Whether it is for every envelope, whatever is in it.
    pub(crate) fn is_total(&self) -> bool {
        self.categories.is_empty()
    }

    /// The value of `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.seconds.or_else(|| (self.status == 429).then_some(DEFAULT_SECONDS))
    }

    /// The value of `X-Sentry-Rate-Limits`.
    pub(crate) fn rate_limits(&self) -> Option<String> {
        let seconds = self.retry_after().filter(|_| self.status == 429 || !self.categories.is_empty())?;
        Some(format!("{seconds}:{}:organization:played", self.categories.join(";")))
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.splitn(3, ':');
        let status = parts.next().unwrap_or_default();
        let Ok(status @ 400..=599) = status.parse() else { return Err(FaultError::Status(status.to_owned())) };
        let seconds = match parts.next() {
            None | Some("") => None,
            Some(seconds) => Some(seconds.parse().map_err(|_| FaultError::Seconds(seconds.to_owned()))?),
        };
        let mut categories = Vec::new();
        for category in parts.next().unwrap_or_default().split([';', ',']).filter(|category| !category.is_empty()) {
            let known = CATEGORIES.iter().find(|(name, _)| *name == category);
            categories.push(known.ok_or_else(|| FaultError::Category { name: category.to_owned() })?.0);
        }
        Ok(Self { status, seconds, categories })
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultError};

    #[test]
    fn a_fault_says_what_it_drops_and_answers() {
        let fault: Fault = "429:60:log_item;span".parse().unwrap();
        assert!(fault.drops("log") && fault.drops("span") && !fault.drops("event"));
        assert_eq!(fault.rate_limits().as_deref(), Some("60:log_item;span:organization:played"));
        let all: Fault = "503".parse().unwrap();
        assert!(all.is_total() && all.drops("anything"));
        assert_eq!((all.retry_after(), all.rate_limits()), (None, None));
        let limit: Fault = "429".parse().unwrap();
        assert_eq!((limit.retry_after(), limit.rate_limits().as_deref()), (Some(60), Some("60::organization:played")));
    }

    #[test]
    fn what_is_no_fault_is_said() {
        let error = |text: &str| text.parse::<Fault>().unwrap_err();
        assert_eq!(error("200"), FaultError::Status("200".to_owned()));
        assert_eq!(error("429:soon"), FaultError::Seconds("soon".to_owned()));
        assert!(error("429:60:logs").to_string().contains("log_item"));
    }
}
