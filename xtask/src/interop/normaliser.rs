//! Would Sentry keep what is sent as it is meant? Relay's own normaliser (`sentry-relay` from PyPI) says so for events and
//! transactions; containers of logs and spans are held against the written format.

use std::{io::Write as _, process::Stdio, time::Duration};

use serde_json::{Value, json};

use super::{capture::Capture, findings::Findings, process, rig::Rig};
use crate::Failure;

/// A few hundred payloads take about a second.
const LIMIT: Duration = Duration::from_secs(60);

/// What was looked at.
pub(super) struct Looked {
    /// Events and transactions.
    pub(super) events: usize,
    /// Containers.
    pub(super) containers: usize,
}

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let captures = rig.sessions()?.iter().map(|session| (session.peers.name, &session.capture));
    let Looked { events, containers } = normalise(rig, "normaliser", captures, findings)?;
    findings.expect(events > 0 && containers > 0, || "nothing was sent that could be checked".to_owned());
    Ok(format!("{events} events and transactions kept as sent, {containers} containers well-formed"))
}

/// Runs everything in `captures` through the normaliser.
pub(super) fn normalise<'a>(
    rig: &Rig,
    run: &str,
    captures: impl IntoIterator<Item = (&'a str, &'a Capture)>,
    findings: &mut Findings,
) -> Result<Looked, Failure> {
    let (mut input, mut looked) = (Vec::new(), Looked { events: 0, containers: 0 });
    for (name, capture) in captures {
        for item in capture.envelopes.iter().flat_map(|envelope| &envelope.items) {
            match item.ty.as_str() {
                "event" | "transaction" => looked.events += 1,
                _ => looked.containers += 1,
            }
            let line = json!({ "where": name, "type": item.ty, "header": item.header, "payload": item.payload });
            writeln!(input, "{line}")?;
        }
    }

    let file = rig.runs().join(format!("{run}.in"));
    std::fs::write(&file, input)?;
    let mut script = rig.quiet(rig.python());
    script.arg(rig.script("normalise.py")).stdin(Stdio::from(std::fs::File::open(&file)?));
    let finished = process::Running::start("normalise.py", &mut script, &rig.runs().join(run))?.finish(LIMIT)?;
    if !finished.status.success() {
        return Err(format!("normalise.py failed{}", process::last_words(&finished.stderr)).into());
    }
    for line in String::from_utf8(finished.stdout)?.lines() {
        let finding: Value = serde_json::from_str(line)?;
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        findings.add_at(text("what"), text("where"));
    }
    Ok(looked)
}
