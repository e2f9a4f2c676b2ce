//! What can go wrong when a receiver starts, and when its store is opened or read.
//! Each message tells what, where and what to do.

use std::io;
use std::net::SocketAddr;

use crate::store::SCHEMA_VERSION;

/// Why a receiver did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// Another program listens on the address.
    #[error("{address} is in use, perhaps by another receiver or by Spotlight; stop it or choose another address")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address could not be bound for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address is not a loopback address and there is no token.
    #[error(
        "{address} can be reached from other machines, and what is kept here is private; use 127.0.0.1, or ask for a token (--token)"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The receiver's thread or runtime could not be started.
    #[error("cannot start the receiver: {0}")]
    Start(#[source] io::Error),
}

/// Why the store could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database could not be opened.
    #[error("cannot open the database {location}: {source}")]
    Open {
        /// The file, or `in memory`.
        location: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A later version of Watchpost wrote the database. It was not touched.
    #[error(
        "the database {location} was written by a later version of Watchpost (schema {found}, this one knows {SCHEMA_VERSION}); update Watchpost or choose another file"
    )]
    Newer {
        /// The file.
        location: String,
        /// The schema version found in it.
        found: i64,
    },
    /// The file is a database, but not a receiver's. It was not touched.
    #[error("{location} is an SQLite database of another program; choose another file")]
    Foreign {
        /// The file.
        location: String,
    },
    /// An older database could not be brought to this version's schema. It was left as it was.
    #[error("cannot bring the database {location} to schema {version}: {source}")]
    Migrate {
        /// The file.
        location: String,
        /// The schema version that failed.
        version: usize,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the database's writer: {0}")]
    Start(#[source] io::Error),
    /// A query failed.
    #[error("cannot read the database: {0}")]
    Query(#[from] rusqlite::Error),
    /// The writer has stopped, so nothing more is stored.
    #[error("the database's writer has stopped")]
    WriterStopped,
}

/// Why an envelope was not imported, or not wholly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is damaged.
    #[error("{reason} ({items} items before it were kept)")]
    Damaged {
        /// The items that were kept.
        items: u64,
        /// What is wrong.
        reason: String,
    },
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}
