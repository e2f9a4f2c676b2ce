//! What the benches need of node: the peer (npm `agentcat`) and a server on the official SDK, pinned, in `target/bench-peer`.
//! Without node, npm or the registry they are left out, and the report says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::options::target_folder;
use crate::Failure;

const PACKAGE: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": { "agentcat": "1.0.1", "@modelcontextprotocol/sdk": "1.32.2", "zod": "4.6.7" }
}
"#;

/// The folder with the packages and our two programs.
#[derive(Debug)]
pub(super) struct NodeFolder {
    path: PathBuf,
}

impl NodeFolder {
    /// Installs the pinned packages unless they are there; `None`, and a note on the terminal, if they can't be had.
    pub(super) fn prepare() -> Option<Self> {
        Self::install().inspect_err(|error| note(&format!("what needs node is left out: {error}"))).ok()
    }

    fn install() -> Result<Self, Failure> {
        let path = target_folder()?.join("bench-peer");
        fs::create_dir_all(&path)?;
        fs::write(path.join("peer.mjs"), include_str!("peer.mjs"))?;
        fs::write(path.join("server.mjs"), include_str!("server.mjs"))?;
        let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
        node.map_err(|error| format!("node: {error}"))?;
        let installed = path.join("installed.json");
        if fs::read_to_string(&installed).ok().as_deref() != Some(PACKAGE) {
            fs::write(path.join("package.json"), PACKAGE)?;
            let npm = Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
                .current_dir(&path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .map_err(|error| format!("npm: {error}"))?;
            if !npm.success() {
                return Err(format!("npm install ended with {npm}").into());
            }
            fs::write(installed, PACKAGE)?;
        }
        Ok(Self { path })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[expect(clippy::print_stderr, reason = "a developer's tool talks on the terminal")]
fn note(text: &str) {
    eprintln!("bench: {text}");
}
