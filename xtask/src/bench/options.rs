//! What a bench can be told on the command line, and where the programs it runs are.
//! The product is built here, so that a figure never comes from an old binary by accident.

use std::path::{Path, PathBuf};

use crate::{Failure, cargo};

/// A bench's options.
#[derive(Debug)]
pub(super) struct Options {
    /// Fewer and shorter rounds: a look, not a result.
    pub(super) quick: bool,
    /// Print JSON instead of tables.
    pub(super) json: bool,
    /// Rounds instead of the bench's own number.
    pub(super) rounds: Option<usize>,
    /// Only the part of the bench whose name begins so.
    only: Option<String>,
    /// The `watchpost` binary instead of a fresh build.
    watchpost: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the bench's name.
    pub(super) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut options = Self { quick: false, json: false, rounds: None, only: None, watchpost: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--rounds" => options.rounds = Some(value(arg, args.next())?.parse()?),
                "--only" => options.only = Some(value(arg, args.next())?.clone()),
                "--watchpost" => options.watchpost = Some(value(arg, args.next())?.into()),
                other => {
                    return Err(format!(
                        "unknown option {other}; there are --quick, --json, --rounds, --only, --watchpost"
                    )
                    .into());
                }
            }
        }
        if options.rounds == Some(0) {
            return Err("--rounds must be at least 1".into());
        }
        Ok(options)
    }

    /// `full`, or `quick` with `--quick`.
    pub(super) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The rounds asked for, or the bench's own number.
    pub(super) fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.unwrap_or(self.pick(full, quick))
    }

    /// Whether this part, or a part of it, is to be measured.
    pub(super) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| part.starts_with(only) || only.starts_with(part))
    }

    /// The `watchpost` binary in release mode, built now unless one was named.
    pub(super) fn watchpost(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.watchpost {
            return Ok(path.canonicalize().map_err(|error| format!("--watchpost {}: {error}", path.display()))?);
        }
        let status = cargo::command()
            .args(["build", "--quiet", "--release", "--package", "watchpost-cli", "--bin", "watchpost"])
            .status()?;
        if !status.success() {
            return Err(format!("the build of watchpost failed: {status}").into());
        }
        let path = target_folder()?.join("release").join("watchpost");
        if path.is_file() { Ok(path) } else { Err(format!("{} is missing after the build", path.display()).into()) }
    }
}

/// The value of an option that needs one.
pub(super) fn value<'a>(option: &str, value: Option<&'a String>) -> Result<&'a String, Failure> {
    value.ok_or_else(|| format!("{option} needs a value").into())
}

/// This program, which also is the echo server, the sink and the worker.
pub(super) fn own_program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?)
}

/// Cargo's target folder: two levels above this program.
pub(crate) fn target_folder() -> Result<PathBuf, Failure> {
    let own = own_program()?;
    own.ancestors().nth(2).map(Path::to_owned).ok_or_else(|| "this program is not in a target folder".into())
}
