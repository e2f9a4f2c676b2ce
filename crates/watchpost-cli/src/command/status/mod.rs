//! `watchpost status`: what the spool holds, for whom, and what became of everything that was handed over.

mod json;
mod size;
mod table;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use watchpost_sentry::{
    delivery::{Outcome, SpoolReport, SpooledDestination},
    wire::Category,
};

pub(crate) use self::size::counted;
pub(super) use self::size::size;
use crate::{
    args::{ExportArgs, StatusArgs},
    config::Settings,
    failure::Failure,
};

/// The kinds of items, as people call them.
pub(super) const KINDS: [(Category, &str); 4] = [
    (Category::Error, "errors"),
    (Category::Transaction, "transactions"),
    (Category::Span, "spans"),
    (Category::LogItem, "logs"),
];

/// Those that only envelopes of other SDKs bring; shown where there are any.
const OTHER_KINDS: [(Category, &str); 5] = [
    (Category::Session, "sessions"),
    (Category::Attachment, "attachments"),
    (Category::Monitor, "check-ins"),
    (Category::TraceMetric, "metrics"),
    (Category::Default, "others"),
];

/// The kinds of which anything was ever handed over, and the four of our own.
pub(super) fn kinds_in(outcome: &Outcome) -> impl Iterator<Item = (Category, &'static str)> + '_ {
    let is_there = |kind: &(Category, &str)| {
        let tally = outcome.tally(kind.0);
        tally.accepted > 0 || tally.held > 0
    };
    KINDS.into_iter().chain(OTHER_KINDS.into_iter().filter(is_there))
}

/// Prints the spool. Exit code 1 when something was left behind that nobody sends.
pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let export = ExportArgs { spool: args.spool.clone(), config: args.config.clone(), ..ExportArgs::default() };
    let folder = Settings::resolve(&export)?.spool.folder().ok_or(Failure::NoSpool)?;
    let report = read(&folder)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json::inert(&json::status(&folder, &report)))
    } else {
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        out.write_all(table::status(&folder, &report, SystemTime::now(), color).as_bytes())
    }
    .map_err(Failure::Output)?;
    let is_stuck = report.destinations.iter().any(SpooledDestination::is_stuck);
    Ok(if is_stuck { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) fn read(folder: &Path) -> Result<SpoolReport, Failure> {
    SpoolReport::read(folder).map_err(|source| Failure::Spool { path: folder.to_owned(), source })
}
