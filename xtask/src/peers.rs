//! Sentry's own clients as senders, to be put beside ours: the `sentry` crate and the Python SDK, each a small program, built or
//! installed at a pinned version below `target/peers`. What they depend on is none of the workspace's business.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Failure, cargo};

/// The crate as the tables name it.
pub(crate) const CRATE: &str = "crate sentry 0.49.5";
/// The Python SDK as the tables name it.
pub(crate) const PYTHON: &str = "Python sentry-sdk 2.75.0";

const PYTHON_PIN: &str = "sentry-sdk==2.75.0";

/// Builds the program on the `sentry` crate; `None`, and a note on the terminal, if that can't be had.
pub(crate) fn sentry_crate(target: &Path) -> Option<PathBuf> {
    build(target).inspect_err(|error| note(CRATE, error)).ok()
}

/// Installs the Python SDK; gives the interpreter and the program. `None`, and a note, if it can't be had.
pub(crate) fn sentry_python(target: &Path) -> Option<(PathBuf, PathBuf)> {
    install(target).inspect_err(|error| note(PYTHON, error)).ok()
}

fn build(target: &Path) -> Result<PathBuf, Failure> {
    let peers = target.join("peers");
    let package = peers.join("sentry-rust");
    fs::create_dir_all(package.join("src"))?;
    // Written only when changed, so that Cargo need not build again.
    write(&package.join("Cargo.toml"), include_str!("../peers/sentry-rust/Cargo.toml"))?;
    write(&package.join("src").join("main.rs"), include_str!("../peers/sentry-rust/src/main.rs"))?;
    let status = cargo::command()
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&peers)
        .status()?;
    if !status.success() {
        return Err(format!("its build failed: {status}").into());
    }
    Ok(peers.join("release").join("sentry-rust-peer"))
}

fn install(target: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = target.join("peers").join("sentry-python");
    fs::create_dir_all(&folder)?;
    let (python, program, stamp) =
        (folder.join("venv").join("bin").join("python"), folder.join("sender.py"), folder.join("installed.txt"));
    write(&program, include_str!("../peers/sentry_python/sender.py"))?;
    if fs::read_to_string(&stamp).ok().as_deref() != Some(PYTHON_PIN) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PYTHON_PIN]))?;
        fs::write(stamp, PYTHON_PIN)?;
    }
    Ok((python, program))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let name = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}").into()) }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text)?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a developer's tool talks on the terminal")]
fn note(peer: &str, error: &Failure) {
    eprintln!("xtask: {peer} is left out: {error}");
}
