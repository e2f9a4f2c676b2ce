//! Would Sentry keep what is sent as it is meant? Relay's own normaliser (`sentry-relay` from PyPI) says so for events and
//! transactions; containers of logs and spans are held against the written format.

use std::{io::Write as _, process::Stdio, time::Duration};

use serde_json::{Value, json};

use super::{findings::Findings, process, rig::Rig};
use crate::Failure;

/// A few hundred payloads take about a second.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let (mut input, mut events, mut containers) = (Vec::new(), 0, 0);
    for session in rig.sessions()? {
        for item in session.capture.envelopes.iter().flat_map(|envelope| &envelope.items) {
            match item.ty.as_str() {
                "event" | "transaction" => events += 1,
                _ => containers += 1,
            }
            let line =
                json!({ "where": session.peers.name, "type": item.ty, "header": item.header, "payload": item.payload });
            writeln!(input, "{line}")?;
        }
    }
    findings.expect(events > 0 && containers > 0, || "nothing was sent that could be checked".to_owned());

    let file = rig.runs().join("normaliser.in");
    std::fs::write(&file, input)?;
    let mut script = rig.quiet(rig.python());
    script.arg(rig.script("normalise.py")).stdin(Stdio::from(std::fs::File::open(&file)?));
    let finished =
        process::Running::start("normalise.py", &mut script, &rig.runs().join("normaliser"))?.finish(LIMIT)?;
    if !finished.status.success() {
        return Err(format!("normalise.py failed{}", process::last_words(&finished.stderr)).into());
    }
    for line in String::from_utf8(finished.stdout)?.lines() {
        let finding: Value = serde_json::from_str(line)?;
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        findings.add_at(text("what"), text("where"));
    }
    Ok(format!("{events} events and transactions kept as sent, {containers} containers well-formed"))
}
