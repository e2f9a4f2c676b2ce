//! How a subcommand fails: one clear sentence and an exit code.

use std::{path::PathBuf, process::ExitCode};

use watchpost::exporter::ExporterError;
use watchpost_receiver::ReceiverError;

/// What ends a subcommand early. Each message says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file can't be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The exporter refused its configuration.
    #[error("{0}")]
    Exporter(#[from] ExporterError),
    /// There is nowhere to send to.
    #[error(
        "no DSN, and no receiver listens on {address}: give --dsn (or SENTRY_DSN), or start `watchpost view` in another \
         terminal"
    )]
    NoDestination {
        /// Where a local receiver was looked for.
        address: std::net::SocketAddr,
    },
    /// The input can't be read.
    #[error("can't read {}: {source}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The receiving side took nothing for too long.
    #[error(
        "stopped at line {line}: nothing was taken for {seconds} s; see above what became of the lines before it, and \
         import the rest once Sentry can be reached"
    )]
    NothingTaken {
        /// The first line that was not exported.
        line: u64,
        /// How long it waited.
        seconds: f64,
    },
    /// There is no spool to look at.
    #[error("the spool is off, or there is no home to find it in: give --spool DIR")]
    NoSpool,
    /// The spool can't be read.
    #[error("can't read the spool {}: {source}", path.display())]
    Spool {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A delivery can't be set up.
    #[error("the DSN can't be used: {0}")]
    Dsn(String),
    /// The local receiver failed.
    #[error("{0}")]
    Receiver(#[from] ReceiverError),
    /// The demo's own parts failed.
    #[error("the demo failed: {0}")]
    Demo(String),
    /// There is no folder for the database.
    #[error("neither XDG_DATA_HOME nor HOME names a folder for the database: give --db FILE")]
    NoDataFolder,
    /// The database's folder can't be made.
    #[error("can't make the folder {} for the database: {source}; give --db FILE", path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no database to export from.
    #[error("there is no database {}: give --db FILE, or run `watchpost view` first", path.display())]
    NoDatabase {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is nothing with this id.
    #[error("{} has no session and no trace {id:?}; the sessions page shows their ids", path.display())]
    NoSession {
        /// The id asked for.
        id: String,
        /// The database.
        path: PathBuf,
    },
    /// The export can't be written.
    #[error("can't write {}: {source}", path.display())]
    WriteExport {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is imported is damaged.
    #[error("{} can't be imported: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Signals can't be watched for.
    #[error("can't watch for signals: {0}")]
    Signals(std::io::Error),
    /// The proxied server could not be started.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::ProxyError),
    /// Our output can't be written.
    #[error("can't write the output: {0}")]
    Output(std::io::Error),
}

impl Failure {
    /// 78 (`EX_CONFIG`) for what is wrong in the configuration, 1 for the rest.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Exporter(_) | Self::NoDestination { .. } | Self::NoSpool | Self::Dsn(_) => {
                ExitCode::from(78)
            }
            Self::Proxy(error) => ExitCode::from(error.exit_code()),
            Self::Input { .. }
            | Self::NothingTaken { .. }
            | Self::Spool { .. }
            | Self::Receiver(_)
            | Self::Demo(_)
            | Self::NoDataFolder
            | Self::DataFolder { .. }
            | Self::NoDatabase { .. }
            | Self::NoSession { .. }
            | Self::WriteExport { .. }
            | Self::Damaged { .. }
            | Self::Signals(_)
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}
