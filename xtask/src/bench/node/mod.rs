//! What the benches need of node: the peers and a server on the official SDK, pinned, in folders below `target`.
//! Without node, npm or the registry they are left out, and the report says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::options::target_folder;
use crate::Failure;

/// Packages that are installed together, and our programs that use them.
#[derive(Debug)]
pub(super) struct NodeKit {
    folder: &'static str,
    package: &'static str,
    programs: &'static [(&'static str, &'static str)],
}

/// The peer of the MCP exporter, npm `agentcat`, and a server on the official SDK.
pub(super) const MCP: NodeKit = NodeKit {
    folder: "bench-peer",
    package: r#"{
  "private": true,
  "type": "module",
  "dependencies": { "agentcat": "1.0.1", "@modelcontextprotocol/sdk": "1.32.2", "zod": "4.6.7" }
}
"#,
    programs: &[("peer.mjs", include_str!("peer.mjs")), ("server.mjs", include_str!("server.mjs"))],
};

/// The peer of the exporter of agents' spans, npm `@mastra/sentry`.
pub(super) const MASTRA: NodeKit = NodeKit {
    folder: "bench-mastra",
    package: r#"{
  "private": true,
  "type": "module",
  "dependencies": { "@mastra/sentry": "1.0.5", "@mastra/core": "1.71.0", "@sentry/node": "10.78.0", "zod": "4.6.7" }
}
"#,
    programs: &[("spans.mjs", include_str!("spans.mjs"))],
};

/// A folder with the packages and our programs.
#[derive(Debug)]
pub(super) struct NodeFolder {
    path: PathBuf,
}

impl NodeFolder {
    /// Installs the pinned packages unless they are there; `None`, and a note on the terminal, if they can't be had.
    pub(super) fn prepare(kit: &NodeKit) -> Option<Self> {
        Self::install(kit).inspect_err(|error| note(&format!("what needs node is left out: {error}"))).ok()
    }

    fn install(kit: &NodeKit) -> Result<Self, Failure> {
        let path = target_folder()?.join(kit.folder);
        fs::create_dir_all(&path)?;
        for (name, text) in kit.programs {
            fs::write(path.join(name), text)?;
        }
        let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
        node.map_err(|error| format!("node: {error}"))?;
        let installed = path.join("installed.json");
        if fs::read_to_string(&installed).ok().as_deref() != Some(kit.package) {
            fs::write(path.join("package.json"), kit.package)?;
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
            fs::write(installed, kit.package)?;
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
