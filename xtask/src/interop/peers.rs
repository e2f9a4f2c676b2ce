//! The pairs of official clients and servers, each run once directly and once through the proxy into a recording sink.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    capture::Capture,
    install::Kit,
    process,
    recording::Tape,
    rig::Rig,
    sink::{Answer, Sink},
};
use crate::Failure;

/// A session takes four seconds; a step that hangs gives up after twenty.
const SESSION_LIMIT: Duration = Duration::from_secs(90);
/// Telemetry may hold the proxy's exit for its two seconds, and a busy machine for half a second more.
pub(super) const HOLD_LIMIT: Duration = Duration::from_millis(2_500);
/// The public key in the sink's DSN.
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A client, a server, what they do, and how Watchpost is set up between them.
pub(super) struct Peers {
    pub(super) name: &'static str,
    pub(super) client: Client,
    pub(super) server: Server,
    pub(super) setup: Setup,
}

/// An official client.
#[derive(Clone, Copy)]
pub(super) enum Client {
    TypeScript,
    /// Python, in this protocol era.
    Python(&'static str),
}

/// A server.
#[derive(Clone, Copy)]
pub(super) enum Server {
    /// npm `@modelcontextprotocol/server-everything`.
    Everything,
    /// npm `@modelcontextprotocol/server-filesystem`.
    Filesystem,
    /// `xtask/interop/server.py` on the official Python SDK.
    Bakery,
    /// `xtask/interop/context_server.py`, likewise.
    Context,
    /// `crates/watchpost/examples/tracked_server.rs`, on the official Rust SDK.
    Shop,
}

/// What Watchpost is told on its command line.
#[derive(Clone, Copy, Default)]
pub(super) struct Setup {
    pub(super) tracing: bool,
    pub(super) environment: Option<&'static str>,
    pub(super) release: Option<&'static str>,
    pub(super) project: Option<&'static str>,
    pub(super) actor: Option<Actor>,
    pub(super) tags: &'static [(&'static str, &'static str)],
}

/// Whom the calls are made for.
#[derive(Clone, Copy)]
pub(super) struct Actor {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// JSON.
    pub(super) data: &'static str,
}

/// Everything that can be told.
pub(super) const FULL: Setup = Setup {
    tracing: true,
    environment: Some("interop"),
    release: Some("bakery@7.5.3"),
    project: Some("proj_interop"),
    actor: Some(Actor { id: "user-42", name: "Ada Lovelace", data: r#"{"plan":"pro","seats":3}"# }),
    tags: &[("region", "eu-north")],
};
/// Nothing but a DSN.
pub(super) const BARE: Setup =
    Setup { tracing: false, environment: None, release: None, project: None, actor: None, tags: &[] };

/// The pairs: both eras, both SDKs, an old server asked by a new client, with and without each setting.
const PAIRS: &[Peers] = &[
    Peers { name: "everything-typescript", client: Client::TypeScript, server: Server::Everything, setup: FULL },
    Peers { name: "filesystem-typescript", client: Client::TypeScript, server: Server::Filesystem, setup: BARE },
    Peers { name: "bakery-python-legacy", client: Client::Python("legacy"), server: Server::Bakery, setup: FULL },
    Peers {
        name: "bakery-python-2026-07-28",
        client: Client::Python("2026-07-28"),
        server: Server::Bakery,
        setup: Setup { tracing: true, ..BARE },
    },
    Peers {
        name: "bakery-python-auto",
        client: Client::Python("auto"),
        server: Server::Bakery,
        setup: Setup { tracing: true, actor: None, ..FULL },
    },
    Peers {
        name: "everything-python-auto",
        client: Client::Python("auto"),
        server: Server::Everything,
        setup: Setup { tracing: false, ..FULL },
    },
];

/// A pair that ran both ways.
pub(super) struct Session {
    pub(super) peers: &'static Peers,
    pub(super) direct: Transcript,
    pub(super) proxied: Transcript,
    /// Between client and proxy.
    pub(super) outer: Tape,
    /// Between proxy and server.
    pub(super) inner: Tape,
    /// What the sink received.
    pub(super) capture: Capture,
}

/// What a client saw.
#[derive(Debug)]
pub(super) struct Transcript {
    /// The plan's steps with their outcome, in order.
    pub(super) steps: Vec<Value>,
    /// What the server asked and told on its own, sorted: it may come between any steps. Progress is only known to
    /// have come or not, because a client drops what comes together with the answer.
    pub(super) from_server: Vec<String>,
    /// The lines on standard error, sorted: the client's, the server's and, through the proxy, Watchpost's.
    pub(super) stderr: Vec<String>,
    /// How long the client took to close.
    pub(super) closed: Duration,
}

impl Setup {
    /// The options of `watchpost mcp`.
    pub(super) fn options(&self, dsn: &str) -> Vec<String> {
        let mut options = vec!["--dsn".to_owned(), dsn.to_owned()];
        let mut add = |flag: &str, value: Option<&str>| {
            if let Some(value) = value {
                options.extend([flag.to_owned(), value.to_owned()]);
            }
        };
        add("--environment", self.environment);
        add("--release", self.release);
        add("--project-id", self.project);
        add("--actor-id", self.actor.map(|actor| actor.id));
        add("--actor-name", self.actor.map(|actor| actor.name));
        add("--actor-data", self.actor.map(|actor| actor.data));
        for (key, value) in self.tags {
            add("--tag", Some(&format!("{key}={value}")));
        }
        if self.tracing {
            options.push("--enable-tracing".to_owned());
        }
        options
    }
}

impl Server {
    /// The server's command; files are served from `folder`.
    pub(super) fn command(self, rig: &Rig, folder: &Path) -> Vec<OsString> {
        let module =
            |name: &str| rig.kit(Kit::Node).join("node_modules/@modelcontextprotocol").join(name).join("dist/index.js");
        match self {
            Self::Everything => vec!["node".into(), module("server-everything").into()],
            Self::Filesystem => vec!["node".into(), module("server-filesystem").into(), folder.into()],
            Self::Bakery => vec![rig.python().into(), rig.script("server.py").into()],
            Self::Context => vec![rig.python().into(), rig.script("context_server.py").into()],
            Self::Shop => vec![rig.example("tracked_server").into()],
        }
    }

    fn plan(self) -> &'static str {
        match self {
            Self::Everything => "everything.json",
            Self::Filesystem => "filesystem.json",
            Self::Bakery => "bakery.json",
            Self::Context => "context.json",
            Self::Shop => "shop.json",
        }
    }
}

/// Runs every pair.
pub(super) fn run_all(rig: &Rig) -> Result<Vec<Session>, Failure> {
    PAIRS.iter().map(|peers| run(rig, peers)).collect()
}

/// Both ways at the same time: most of a session is waiting.
fn run(rig: &Rig, peers: &'static Peers) -> Result<Session, Failure> {
    let sink = Sink::start(Answer::Accept)?;
    let tape = rig.runs().join(peers.name);
    let (direct, proxied) = thread::scope(|scope| {
        let direct = scope.spawn(|| drive(rig, peers, &format!("{}-direct", peers.name), <[OsString]>::to_vec));
        let options = peers.setup.options(&sink.dsn(KEY));
        let proxied =
            drive(rig, peers, &format!("{}-proxied", peers.name), |server| rig.proxied(&options, &tape, server));
        direct.join().map_err(|_| "the direct run panicked".into()).and_then(|direct| Ok((direct?, proxied?)))
    })
    .map_err(|failure: Failure| failure)?;
    let tape = |side: &str| Tape::read(&PathBuf::from(format!("{}-{side}", tape.display())));
    let capture = Capture::read(sink.requests());
    Ok(Session { peers, direct, proxied, outer: tape("outer")?, inner: tape("inner")?, capture })
}

/// Lets the client follow the server's plan; `reach` makes the command that the client starts of the server's own.
pub(super) fn drive(
    rig: &Rig,
    peers: &Peers,
    name: &str,
    reach: impl FnOnce(&[OsString]) -> Vec<OsString>,
) -> Result<Transcript, Failure> {
    let folder = rig.runs().join(format!("{name}.folder"));
    fs::create_dir_all(&folder)?;
    let command = reach(&peers.server.command(rig, &folder));
    let folder = folder.to_str().ok_or("the target folder's name is not UTF-8")?;
    let plan = fs::read_to_string(rig.script("plans").join(peers.server.plan()))?;
    let plan_file = rig.runs().join(format!("{name}.plan.json"));
    fs::write(&plan_file, plan.replace("$FOLDER", folder))?;
    let mut driver = match peers.client {
        Client::TypeScript => {
            let mut driver = rig.quiet("node");
            driver.arg(rig.kit(Kit::Node).join("drive.mjs"));
            driver
        }
        Client::Python(era) => {
            let mut driver = rig.quiet(rig.python());
            driver.arg(rig.script("drive.py")).arg(era);
            driver
        }
    };
    let finished = process::run_well(name, driver.arg(plan_file).args(command), SESSION_LIMIT, &rig.runs().join(name))?;
    let output = String::from_utf8(finished.stdout)?;
    let mut transcript = Transcript::parse(&output.replace(folder, "$FOLDER"))?;
    transcript.stderr = finished.stderr.replace(folder, "$FOLDER").lines().map(str::to_owned).collect();
    transcript.stderr.sort();
    Ok(transcript)
}

impl Transcript {
    fn parse(output: &str) -> Result<Self, Failure> {
        let mut transcript =
            Self { steps: Vec::new(), from_server: Vec::new(), stderr: Vec::new(), closed: Duration::ZERO };
        for line in output.lines() {
            let line: Value = serde_json::from_str(line)?;
            if let Some(milliseconds) = line["closed_ms"].as_u64() {
                transcript.closed = Duration::from_millis(milliseconds);
            } else if line["name"] == "notifications/progress" {
                transcript.from_server.push(json!({ "name": line["name"] }).to_string());
            } else if line.get("from").is_some() {
                transcript.from_server.push(line.to_string());
            } else {
                transcript.steps.push(line);
            }
        }
        transcript.from_server.sort();
        transcript.from_server.dedup_by(|a, b| a == b && a.contains("notifications/progress"));
        Ok(transcript)
    }
}
