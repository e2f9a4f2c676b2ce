//! Real peers, installed at pinned versions into `target/interop`: official MCP clients and servers, MCP's own conformance suite, a Mastra application, a
//! Bugsink server, Spotlight, Sentry's own normaliser and SDKs, a browser. Each check prints one line; everything stays on loopback and ends with
//! the run.

mod browser;
mod bugsink;
mod capture;
mod conformance;
mod envelopes;
mod exit_codes;
mod faults;
mod findings;
mod http;
mod http_server;
mod install;
mod mastra;
mod normaliser;
mod peers;
mod process;
mod recording;
mod rig;
mod seed_000;
mod sink;
mod tap;
mod tool_context;
mod track;
mod transparent;

use std::{path::Path, time::Instant};

use self::{findings::Findings, rig::Rig};
use crate::Failure;

pub(crate) use self::tap::run as tap;

/// A check adds what it finds wrong and returns what it looked at, in a few words.
type Check = fn(&Rig, &mut Findings) -> Result<String, Failure>;

/// Every check by its name, in the order in which they run.
const CHECKS: &[(&str, Check)] = &[
    ("transparent", transparent::check),
    ("seed_000", seed_000::check),
    ("normaliser", normaliser::check),
    ("bugsink", bugsink::check),
    ("exit_codes", exit_codes::check),
    ("track", track::check),
    ("conformance", conformance::check),
    ("tool_context", tool_context::check),
    ("faults", faults::check),
    ("mastra", mastra::check),
    ("spotlight", mastra::spotlight),
    ("sdks", browser::sdks),
    ("browser", browser::check),
];

/// Runs the named checks, all without a name; `--watchpost PATH` takes that binary instead of building one.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (names, watchpost) = match args {
        [names @ .., option, path] if option == "--watchpost" => (names, Some(Path::new(path))),
        names => (names, None),
    };
    if let Some(unknown) = names.iter().find(|name| !CHECKS.iter().any(|(known, _)| known == name)) {
        let known = CHECKS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no check `{unknown}`; there are {known}").into());
    }
    let started = Instant::now();
    process::clean_up_on_signals()?;
    let rig = Rig::set_up(watchpost)?;
    process::adopt_orphans()?;
    say(&format!("the peers and watchpost are ready ({:.1} s)", started.elapsed().as_secs_f64()));

    let mut failed = Vec::new();
    for (name, check) in CHECKS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
    {
        if !run_one(name, *check, &rig) {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        say(&format!("all well ({:.1} s)", started.elapsed().as_secs_f64()));
        return Ok(());
    }
    Err(format!("interop: {} failed; what ran is kept in {}", failed.join(", "), rig.runs().display()).into())
}

fn run_one(name: &str, check: Check, rig: &Rig) -> bool {
    let started = Instant::now();
    let mut findings = Findings::default();
    let summary = check(rig, &mut findings).unwrap_or_else(|failure| {
        findings.add(failure.to_string());
        "did not run to its end".to_owned()
    });
    for left in process::end_leftovers() {
        findings.add(format!("left running: {left}"));
    }
    let verdict = if findings.is_empty() { "ok  " } else { "FAIL" };
    say(&format!("{verdict} {name:<12} {summary} ({:.1} s)", started.elapsed().as_secs_f64()));
    for finding in findings.lines() {
        say(&format!("     - {finding}"));
    }
    findings.is_empty()
}

#[expect(clippy::print_stdout, reason = "a developer's tool talks on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
