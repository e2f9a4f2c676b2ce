//! Cargo, started by a task that Cargo itself started (`cargo xtask` is a `cargo run`).

use std::{env, process::Command};

/// What `cargo run` tells a program about its own package. Build scripts read some of it (`ring`'s does), so that a Cargo that
/// inherits it finds half of the dependencies changed, and so does the next one without it: each builds them anew.
const OWN_PACKAGE: &[&str] = &["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Cargo with the environment as the developer's shell has it.
pub(crate) fn command() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OWN_PACKAGE.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    cargo
}
