//! What a receiver is told before it starts: where it listens, where it keeps things, how much it keeps.
//! The default port is Spotlight's, so that an SDK's Spotlight option finds the receiver.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;

/// The port a receiver listens on by default: Spotlight's.
pub const DEFAULT_PORT: u16 = 8969;

/// The bytes a database may use by default: 256 MiB.
pub const DEFAULT_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The bytes an envelope may have by default, once decompressed: 64 MiB.
pub const DEFAULT_MAX_ENVELOPE_BYTES: u64 = 64 * 1024 * 1024;

/// The smallest cap on a database; a lower one is raised to it, since an empty database has a size too.
const MIN_MAX_BYTES: u64 = 1024 * 1024;

/// Where a receiver keeps what arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// In memory: gone when the receiver stops.
    #[default]
    InMemory,
    /// In an SQLite file, created if it does not exist, with `-wal` and `-shm` files beside it.
    File(PathBuf),
}

/// How a [`Receiver`](crate::Receiver) is set up.
///
/// ```
/// use watchpost_receiver::ReceiverConfig;
/// let config = ReceiverConfig::default().with_file("watchpost.db").with_max_bytes(64 << 20);
/// assert_eq!(config.address.port(), 8969);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceiverConfig {
    /// The address to listen on. Default `127.0.0.1:8969`; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where to keep what arrives. Default [`Database::InMemory`].
    pub database: Database,
    /// The bytes the database may use; the oldest items go when it is reached. Default [`DEFAULT_MAX_BYTES`], at least
    /// 1 MiB. The write-ahead log beside a file comes on top (a few MiB).
    pub max_bytes: u64,
    /// How long what arrives is kept; older items go, checked once a minute while things arrive and at the start. Default
    /// `None`: for ever.
    pub max_age: Option<Duration>,
    /// The bytes of an envelope, decompressed; a larger one is answered with 413. Default
    /// [`DEFAULT_MAX_ENVELOPE_BYTES`].
    pub max_envelope_bytes: u64,
    /// Names accepted in the `Host` header beside `localhost`, loopback addresses and the bound address. Default none.
    pub allowed_hosts: Vec<String>,
    /// Whether an address that other machines reach may be bound without a [`token`](Self::token). Default `false`: what is
    /// kept here is private and nothing asks for a password.
    pub remote_access: bool,
    /// What every request must bring: as a bearer, as the key of a sender's DSN, or in a browser once as `?token=`. Default
    /// `None`: nothing. With a token any address may be bound.
    pub token: Option<String>,
    /// Faults played to senders; the first that fits an envelope holds. Default none.
    pub faults: Vec<Fault>,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            database: Database::default(),
            max_bytes: DEFAULT_MAX_BYTES,
            max_age: None,
            max_envelope_bytes: DEFAULT_MAX_ENVELOPE_BYTES,
            allowed_hosts: Vec::new(),
            remote_access: false,
            token: None,
            faults: Vec::new(),
        }
    }
}

impl ReceiverConfig {
    /// Listens on `address`; port 0 takes a free one.
    #[must_use]
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Keeps what arrives in `database`.
    #[must_use]
    pub fn with_database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Keeps what arrives in the SQLite file at `path`.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_database(Database::File(path.into()))
    }

    /// Lets the database use at most `bytes` (at least 1 MiB).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes.max(MIN_MAX_BYTES);
        self
    }

    /// Keeps what arrives for at most `age`.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Accepts envelopes of at most `bytes`, decompressed.
    #[must_use]
    pub fn with_max_envelope_bytes(mut self, bytes: u64) -> Self {
        self.max_envelope_bytes = bytes;
        self
    }

    /// Accepts `host` in the `Host` header too, for example `host.docker.internal`.
    #[must_use]
    pub fn with_allowed_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// Allows an address that other machines reach.
    #[must_use]
    pub fn with_remote_access(mut self, allowed: bool) -> Self {
        self.remote_access = allowed;
        self
    }

    /// Asks every request for `token`. Letters, digits, `-` and `_` need no escaping in a DSN.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Plays `fault` to senders.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}
