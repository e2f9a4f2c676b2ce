//! What `.ci/run` runs, in order; the first failure ends it.

use crate::{Failure, cargo, faults, interop};

/// Formatting, lints, docs, tests, then the faults and the real peers.
pub(crate) fn run() -> Result<(), Failure> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    // Once as it is by default, once with every feature.
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[])?;
    cargo(&["doc", "--workspace", "--no-deps", "--all-features"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    cargo(&["test", "--workspace"], &[])?;
    cargo(&["test", "-p", "watchpost", "--all-features"], &[])?;
    faults::run(&[])?;
    interop::run(&[])
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<(), Failure> {
    let status = cargo::command().args(args).envs(env.iter().copied()).status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed: {status}", args.join(" ")).into()) }
}
