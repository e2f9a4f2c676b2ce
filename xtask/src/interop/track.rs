//! A server tracked from within: official clients see the same tracked and not, over stdio and streamable HTTP, and what reaches
//! the sink is what a wire tap in front of the server saw, row by row of seed 000.

use std::ffi::OsString;

use super::{
    capture::Capture,
    findings::Findings,
    http_server::HttpServer,
    peers::{self, BARE, Client, KEY, Peers, Server, Setup, Transcript},
    recording::{Party, Tape},
    rig::Rig,
    seed_000,
    sink::{Answer, Sink},
};
use crate::Failure;

/// What the example server configures, in the seed's words.
const SEED: Setup = Setup { tracing: true, environment: Some("production"), release: Some("1.0.0"), ..BARE };
/// Between the tap and the handler: two pipes and a busy machine.
const SLACK_SECONDS: f64 = 0.25;

const CLIENTS: &[Peers] = &[
    Peers { name: "shop-typescript", client: Client::TypeScript, server: Server::Shop, setup: SEED },
    Peers { name: "shop-python-legacy", client: Client::Python("legacy"), server: Server::Shop, setup: SEED },
    Peers { name: "shop-python-2026-07-28", client: Client::Python("2026-07-28"), server: Server::Shop, setup: SEED },
];

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    rig.build_examples()?;
    let (mut steps, mut events) = (0, 0);
    for peers in CLIENTS {
        let untracked = peers::drive(rig, peers, &format!("{}-untracked", peers.name), |server| {
            [server, &["--untracked".into()]].concat()
        })?;
        steps += untracked.steps.len();
        events += over_stdio(rig, peers, &untracked, findings)?;
        for mode in [&["--http"][..], &["--stateless", "--http"]] {
            over_http(rig, peers, mode, findings)?;
        }
    }
    Ok(format!(
        "{} clients, 3 transports: {steps} steps seen alike tracked and not; {events} events hold row by row",
        CLIENTS.len()
    ))
}

/// Tracked behind a wire tap: what the client sees, and what arrives.
fn over_stdio(rig: &Rig, peers: &Peers, untracked: &Transcript, findings: &mut Findings) -> Result<usize, Failure> {
    let sink = Sink::start(Answer::Accept)?;
    let tape = rig.runs().join(format!("{}-tape", peers.name));
    let dsn = OsString::from(format!("SENTRY_DSN={}", sink.dsn(KEY)));
    let tracked = peers::drive(rig, peers, &format!("{}-tracked", peers.name), |server| {
        rig.tapped(&tape, &[&["env".into(), dsn], server].concat())
    })?;
    same(peers.name, untracked, &tracked, findings);
    let capture = Capture::read(sink.requests());
    let tape = Tape::read(&tape)?;
    let server = Party { name: Some("tracked-shop".to_owned()), version: Some("2.3.4".to_owned()) };
    Ok(seed_000::compare_tracked(peers.name, (&peers.setup, &server), &tape, &capture, SLACK_SECONDS, findings))
}

/// Untracked and tracked over streamable HTTP.
fn over_http(rig: &Rig, peers: &Peers, mode: &[&str], findings: &mut Findings) -> Result<(), Failure> {
    let name = format!("{}{}", peers.name, mode.concat());
    let run = |suffix: &str, dsn: Option<String>| -> Result<Transcript, Failure> {
        let name = format!("{name}-{suffix}");
        let mut command = rig.quiet(rig.example("tracked_server"));
        command.args(mode).arg("127.0.0.1:0");
        let mut server = HttpServer::start(rig, &name, command, dsn)?;
        let transcript = peers::drive(rig, peers, &name, |_| vec![server.url().into()])?;
        server.stop()?;
        Ok(transcript)
    };
    let untracked = run("untracked", None)?;
    let sink = Sink::start(Answer::Accept)?;
    let tracked = run("tracked", Some(sink.dsn(KEY)))?;
    same(&name, &untracked, &tracked, findings);
    let capture = Capture::read(sink.requests());
    let calls =
        capture.logs().filter(|log| log["body"].as_str().is_some_and(|body| body.starts_with("MCP tools/call: ")));
    let calls = calls.count();
    // Without a session nobody can cancel: the call that the client gave up may still run when the server ends.
    let least = if mode.contains(&"--stateless") { 8 } else { 9 };
    findings
        .expect((least..=9).contains(&calls), || format!("{name}: 9 tools were called, {calls} calls were reported"));
    for log in capture.logs() {
        let transport = &log["attributes"]["mcp.transport"]["value"];
        findings.expect(transport == "http", || format!("{name}: a log says its transport is {transport}"));
    }
    Ok(())
}

/// What a client saw, but for how long closing took.
fn same(name: &str, untracked: &Transcript, tracked: &Transcript, findings: &mut Findings) {
    findings.expect(untracked.steps.len() == tracked.steps.len(), || {
        format!("{name}: {} steps untracked, {} tracked", untracked.steps.len(), tracked.steps.len())
    });
    for (untracked, tracked) in untracked.steps.iter().zip(&tracked.steps) {
        findings.expect(untracked == tracked, || format!("{name}: untracked {untracked}, tracked {tracked}"));
    }
    findings.expect(untracked.from_server == tracked.from_server, || {
        format!("{name}: the server said {:?} untracked, {:?} tracked", untracked.from_server, tracked.from_server)
    });
}
