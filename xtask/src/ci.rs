//! What `.ci/run` runs, in order; the first failure ends it.

use crate::{Failure, cargo, interop};

/// Formatting, lints, docs, tests, then the real peers.
pub(crate) fn run() -> Result<(), Failure> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    cargo(&["test", "--workspace"], &[])?;
    interop::run(&[])
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<(), Failure> {
    let status = cargo::command().args(args).envs(env.iter().copied()).status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed: {status}", args.join(" ")).into()) }
}
