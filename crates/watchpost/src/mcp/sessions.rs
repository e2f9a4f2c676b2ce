//! Which session a request belongs to: one place for the proxy and for tracked servers. A state machine without I/O.
//! Sources: MCP "Transports" (`Mcp-Session-Id`), the 2026-07-28 revision (no sessions at all), AgentCat's derivation of ids.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use super::Moment;
use crate::model::{Implementation, derive_session_id, session_id};

/// How many sessions are remembered; past it the one unused longest goes.
const MAX_SESSIONS: usize = 10_000;
/// How long a client without any session may be silent before its next request begins a new one, as at AgentCat.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Longest name of a client that is remembered, in bytes.
const MAX_NAME: usize = 256;

/// What is known of where a request comes from. The first of these that is known decides:
///
/// 1. `mcp_session_id`: the session id is derived from it, the same in every process.
/// 2. `connection`: one session for as long as the connection is open, and for each client of it.
/// 3. `client` and `fingerprint`: one session until the client is silent for 30 minutes.
///
/// Of a request with none of them no session is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The peer's own session id (`Mcp-Session-Id`).
    pub mcp_session_id: Option<&'a str>,
    /// A connection of one client, by a number that no other connection of this process has.
    pub connection: Option<u64>,
    /// Who the client says it is.
    pub client: Option<ClientInfo<'a>>,
    /// What else tells one client from another where there is no connection: a hash of its credentials and address, say.
    pub fingerprint: Option<u64>,
}

/// Who a client says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// `clientInfo.name`.
    pub name: &'a str,
    /// `clientInfo.title`.
    pub title: Option<&'a str>,
    /// `clientInfo.version`.
    pub version: &'a str,
}

/// A session that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// `ses_` and a KSUID.
    pub id: Arc<str>,
    /// The client, as far as it is known by now.
    pub client: Option<Arc<Implementation>>,
}

/// The sessions of all connections and clients: at most 10 000, about 3 MiB, and 16 MiB with the longest of names.
#[derive(Debug)]
pub struct Sessions {
    project_id: Option<String>,
    entries: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Mcp(Arc<str>),
    Connection(u64),
    /// A further client of a connection.
    ConnectionClient(u64, Arc<str>),
    Client(Option<(Arc<str>, Arc<str>)>, Option<u64>),
}

#[derive(Debug)]
struct Entry {
    session: KnownSession,
    used: u64,
    last: Instant,
}

/// The id of a connection's session: derived from the peer's own, if there is one, else new.
#[must_use]
pub fn connection_session_id(mcp_session_id: Option<&str>, project_id: Option<&str>, now: Moment) -> String {
    match mcp_session_id {
        Some(id) => derive_session_id(id, project_id),
        None => session_id(now.wall),
    }
}

impl Sessions {
    /// None yet. The project is part of the derivation of ids, as at AgentCat.
    #[must_use]
    pub fn new(project_id: Option<String>) -> Self {
        Self { project_id, entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The session of a request of `origin`; `None` when nothing tells its sender from any other.
    pub fn resolve(&mut self, origin: &Origin<'_>, now: Moment) -> Option<KnownSession> {
        let key = self.key(origin)?;
        let expires = matches!(key, Key::Client(..));
        let is_fresh = self
            .entries
            .get(&key)
            .is_some_and(|entry| !expires || now.monotonic.saturating_duration_since(entry.last) <= IDLE);
        if !is_fresh {
            self.open(&key, origin, now);
        }
        self.uses += 1;
        let entry = self.entries.get_mut(&key)?;
        let before = std::mem::replace(&mut entry.used, self.uses);
        entry.last = now.monotonic;
        learn(&mut entry.session.client, origin.client);
        let session = entry.session.clone();
        let key = self.by_use.remove(&before).unwrap_or(key);
        self.by_use.insert(self.uses, key);
        Some(session)
    }

    fn key(&self, origin: &Origin<'_>) -> Option<Key> {
        if let Some(id) = origin.mcp_session_id {
            let is_long = id.len() > MAX_NAME;
            let id = if is_long { derive_session_id(id, None).into() } else { id.into() };
            return Some(Key::Mcp(id));
        }
        let name = origin.client.map(|client| bounded(client.name));
        if let Some(connection) = origin.connection {
            let first = self.entries.get(&Key::Connection(connection)).and_then(|entry| entry.session.client.as_ref());
            let other = first.is_some_and(|first| name.is_some() && first.name.as_deref() != name);
            return Some(match name {
                Some(name) if other => Key::ConnectionClient(connection, name.into()),
                _ => Key::Connection(connection),
            });
        }
        let client = origin.client.map(|client| (bounded(client.name).into(), bounded(client.version).into()));
        (client.is_some() || origin.fingerprint.is_some()).then_some(Key::Client(client, origin.fingerprint))
    }

    fn open(&mut self, key: &Key, origin: &Origin<'_>, now: Moment) {
        if let Some(old) = self.entries.remove(key) {
            self.by_use.remove(&old.used);
        }
        while self.entries.len() >= MAX_SESSIONS {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        let id = connection_session_id(origin.mcp_session_id, self.project_id.as_deref(), now);
        let session = KnownSession { id: id.into(), client: None };
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key.clone(), Entry { session, used: self.uses, last: now.monotonic });
    }
}

/// Takes over what the client says of itself. It is not forgotten when it is silent of it, so that names never flap.
fn learn(known: &mut Option<Arc<Implementation>>, said: Option<ClientInfo<'_>>) {
    let Some(said) = said else { return };
    let (name, version) = (bounded(said.name), bounded(said.version));
    let same = known.as_ref().is_some_and(|known| {
        known.name.as_deref() == Some(name)
            && known.version.as_deref() == Some(version)
            && (said.title.is_none() || known.title.as_deref() == said.title.map(bounded))
    });
    if !same {
        *known = Some(Arc::new(Implementation {
            name: Some(name.to_owned()),
            title: said.title.map(bounded).map(str::to_owned),
            version: Some(version.to_owned()),
        }));
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientInfo<'static> = ClientInfo { name: "cursor", title: None, version: "1.0" };

    fn id(sessions: &mut Sessions, origin: Origin<'_>, now: Moment) -> Option<Arc<str>> {
        sessions.resolve(&origin, now).map(|session| session.id)
    }

    fn later(now: Moment, seconds: u64) -> Moment {
        Moment { monotonic: now.monotonic + Duration::from_secs(seconds), wall: now.wall }
    }

    #[test]
    fn the_peers_own_session_decides_and_is_derived() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let origin = Origin {
            mcp_session_id: Some("11111111-2222-4333-8444-555555555555"),
            connection: Some(1),
            ..Origin::default()
        };
        let session = id(&mut sessions, origin, now).unwrap();
        assert_eq!(&*session, "ses_2cACdTb4mCsXob5DIVAuk7LMzLm", "AgentCat's vector");
        assert_eq!(id(&mut sessions, Origin { connection: Some(2), ..origin }, later(now, 86_400)), Some(session));
    }

    #[test]
    fn a_connection_is_a_session_for_as_long_as_it_lasts() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let origin = Origin { connection: Some(1), ..Origin::default() };
        let session = id(&mut sessions, origin, now);
        assert_eq!(id(&mut sessions, origin, later(now, 86_400)), session);
        assert_ne!(id(&mut sessions, Origin { connection: Some(2), ..origin }, now), session);
    }

    #[test]
    fn a_second_client_on_a_shared_connection_is_another_session() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let one = Origin { connection: Some(1), client: Some(CLIENT), ..Origin::default() };
        let two = Origin { client: Some(ClientInfo { name: "other", ..CLIENT }), ..one };
        let first = id(&mut sessions, one, now);
        assert_ne!(id(&mut sessions, two, now), first);
        assert_eq!(id(&mut sessions, Origin { client: None, ..one }, now), first);
    }

    #[test]
    fn a_client_without_a_session_has_one_until_it_is_idle() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let origin = Origin { client: Some(CLIENT), fingerprint: Some(7), ..Origin::default() };
        let session = id(&mut sessions, origin, now);
        assert_eq!(id(&mut sessions, origin, later(now, 1800)), session);
        assert_ne!(id(&mut sessions, Origin { fingerprint: Some(8), ..origin }, now), session, "another client");
        assert_ne!(id(&mut sessions, origin, later(now, 1800 + 1801)), session, "idle for half an hour");
        assert_eq!(id(&mut sessions, Origin::default(), now), None, "nobody in particular");
    }

    #[test]
    fn names_never_flap() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let origin = Origin { mcp_session_id: Some("a"), client: Some(CLIENT), ..Origin::default() };
        let named = sessions.resolve(&origin, now).unwrap();
        let silent = sessions.resolve(&Origin { client: None, ..origin }, now).unwrap();
        assert_eq!((silent.client.as_ref(), silent.id), (named.client.as_ref(), named.id));
        assert_eq!(named.client.unwrap().name.as_deref(), Some("cursor"));
    }

    #[test]
    fn the_session_unused_longest_goes_first() {
        let (mut sessions, now) = (Sessions::new(None), Moment::now());
        let of = |connection| Origin { connection: Some(connection), ..Origin::default() };
        let kept = id(&mut sessions, of(0), now);
        for connection in 1..=MAX_SESSIONS as u64 {
            id(&mut sessions, of(connection), now);
            assert_eq!(id(&mut sessions, of(0), now), kept);
        }
        assert_eq!((sessions.len(), sessions.by_use.len()), (MAX_SESSIONS, MAX_SESSIONS));
    }
}
