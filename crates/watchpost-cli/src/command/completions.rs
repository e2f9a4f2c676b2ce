//! `watchpost completions SHELL`.

use std::{io::Write as _, process::ExitCode};

use clap::CommandFactory as _;

use crate::{args::Args, failure::Failure};

/// Prints the completion script for `shell` on standard output.
pub(crate) fn run(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    // Rendered first: a closed pipe must not panic inside the generator.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "watchpost", &mut script);
    std::io::stdout().write_all(&script).map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}
