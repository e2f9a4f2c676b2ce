//! Who the sessions are for, as the host's `identify` said last.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::model::Actor;

/// Sessions whose actor is remembered, and how long it is not asked for again.
const MAX_IDENTITIES: usize = 10_000;
const IDENTITY_AGE: Duration = Duration::from_secs(60);

/// The actors of the latest sessions.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<String, Identified>);

#[derive(Debug)]
struct Identified {
    actor: Option<Actor>,
    credentials: Option<u64>,
    at: Instant,
}

/// What is known of a request's actor.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Who the session was for.
    pub(super) before: Option<Actor>,
    /// Whether that is still so: it was asked for a short while ago, with the same credentials.
    pub(super) is_fresh: bool,
    /// Whether the credentials are those of before: whoever others belong to is not whom we knew.
    has_same_credentials: bool,
}

impl Known {
    /// The actor when there is no better answer.
    pub(super) fn kept(&self) -> Option<Actor> {
        self.before.clone().filter(|_| self.has_same_credentials)
    }
}

impl Identities {
    /// What is known of a session's actor.
    pub(super) fn known(&self, session_id: Option<&str>, credentials: Option<u64>, now: Instant) -> Known {
        let Some(known) = session_id.and_then(|id| self.0.get(id)) else { return Known::default() };
        let has_same_credentials = known.credentials == credentials;
        let is_young = now.saturating_duration_since(known.at) < IDENTITY_AGE;
        Known { before: known.actor.clone(), is_fresh: has_same_credentials && is_young, has_same_credentials }
    }

    /// The session is for this actor.
    pub(super) fn learn(&mut self, session_id: String, actor: Option<Actor>, credentials: Option<u64>, now: Instant) {
        if self.0.len() >= MAX_IDENTITIES && !self.0.contains_key(&session_id) {
            self.forget_older_half();
        }
        self.0.insert(session_id, Identified { actor, credentials, at: now });
    }

    fn forget_older_half(&mut self) {
        let mut times: Vec<_> = self.0.values().map(|known| known.at).collect();
        times.sort_unstable();
        if let Some(&middle) = times.get(times.len() / 2) {
            self.0.retain(|_, known| known.at > middle);
        }
    }
}
