//! `watchpost view export` and `watchpost view import`: a session as a file to send to a colleague. The file is one Sentry
//! envelope, so `curl --data-binary @FILE` to any receiver does the same as an import.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use watchpost_receiver::{Database, ImportError, ReceiverError, Store, StoreError};

use crate::failure::Failure;

/// The project of what is imported.
const PROJECT: &str = "imported";

/// Writes the session, or the trace, with this id. The database must exist already; it may be in use by a receiver.
pub(crate) fn export(id: &str, database: &Path, output: &Path) -> Result<ExitCode, Failure> {
    if !database.exists() {
        return Err(Failure::NoDatabase { path: database.to_owned() });
    }
    let store = open(database.to_owned())?;
    let found = match (store.export_session(id).map_err(failed)?, id.parse()) {
        (None, Ok(trace)) => store.export_trace(trace).map_err(failed)?,
        (found, _) => found,
    };
    let Some(export) = found else {
        return Err(Failure::NoSession { id: id.to_owned(), path: database.to_owned() });
    };
    if output == Path::new("-") {
        io::stdout().lock().write_all(&export.envelope).map_err(Failure::Output)?;
    } else {
        fs::write(output, &export.envelope)
            .map_err(|source| Failure::WriteExport { path: output.to_owned(), source })?;
    }
    // Nobody reads it when standard error is closed; the file is written all the same.
    let _ = writeln!(io::stderr(), "{} items exported", export.items);
    Ok(ExitCode::SUCCESS)
}

/// Takes a file in; its items keep their times. Exit code 1 when the file is damaged.
pub(crate) fn import(file: &Path, database: PathBuf) -> Result<ExitCode, Failure> {
    let read = || {
        if file == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(file)
        }
    };
    let envelope = read().map_err(|source| Failure::Input { path: file.to_owned(), source })?;
    let store = open(database)?;
    let items = store.import(&envelope, PROJECT).map_err(|error| match error {
        ImportError::Store(error) => failed(error),
        other => Failure::Damaged { path: file.to_owned(), reason: other.to_string() },
    })?;
    let _ = writeln!(io::stderr(), "{items} items read; what was there already is not stored again");
    Ok(ExitCode::SUCCESS)
}

/// Opens the store without a limit: neither an export nor an import is to prune anything.
fn open(database: PathBuf) -> Result<Store, Failure> {
    Store::open(&Database::File(database), u64::MAX).map_err(failed)
}

fn failed(error: StoreError) -> Failure {
    Failure::Receiver(ReceiverError::from(error))
}
