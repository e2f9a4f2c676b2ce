//! Measurements, each beside a peer or a limit in the same run.

use crate::Failure;

/// Runs the bench named by the first argument.
pub(crate) fn run(_args: &[String]) -> Result<(), Failure> {
    Err("which bench? proxy or mcp".into())
}
