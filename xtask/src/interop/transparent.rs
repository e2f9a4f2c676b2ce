//! Is the proxy transparent? The client sees the same with and without it, and the same bytes pass on either side.

use serde_json::Value;

use super::{findings::Findings, peers::Session, rig::Rig};
use crate::Failure;

/// As much of a difference as helps to find it.
const SHOWN_CHARS: usize = 240;

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let sessions = rig.sessions()?;
    let (mut steps, mut bytes) = (0, 0);
    for session in sessions {
        compare_transcripts(session, findings);
        compare_bytes(session, findings);
        steps += session.direct.steps.len();
        bytes += session.outer.up.len() + session.outer.down.len();
    }
    Ok(format!("{} sessions: {steps} steps seen alike, {bytes} bytes passed untouched", sessions.len()))
}

fn compare_transcripts(session: &Session, findings: &mut Findings) {
    let name = session.peers.name;
    let (direct, proxied) = (&session.direct, &session.proxied);
    findings.expect(direct.steps.len() > 5, || format!("{name}: the plan was not followed"));
    findings.expect(direct.steps.len() == proxied.steps.len(), || {
        format!("{name}: {} steps directly, {} through the proxy", direct.steps.len(), proxied.steps.len())
    });
    for (seen, through) in direct.steps.iter().zip(&proxied.steps) {
        findings.expect(seen == through, || {
            format!(
                "{name}: step {}: directly {} but through the proxy {}",
                brief(&seen["step"]),
                brief(seen),
                brief(through)
            )
        });
    }
    for told in direct.from_server.iter().filter(|told| !proxied.from_server.contains(told)) {
        findings.add(format!("{name}: did not come through the proxy: {told}"));
    }
    for told in proxied.from_server.iter().filter(|told| !direct.from_server.contains(told)) {
        findings.add(format!("{name}: came only through the proxy: {told}"));
    }
    findings.expect(direct.from_server.len() == proxied.from_server.len(), || {
        format!(
            "{name}: {} words of the server's own directly, {} through the proxy",
            direct.from_server.len(),
            proxied.from_server.len()
        )
    });
}

fn compare_bytes(session: &Session, findings: &mut Findings) {
    let name = session.peers.name;
    for (way, outer, inner) in [
        ("from client to server", &session.outer.up, &session.inner.up),
        ("from server to client", &session.inner.down, &session.outer.down),
    ] {
        findings.expect(!outer.is_empty(), || format!("{name}: nothing passed {way}"));
        if outer != inner {
            let at = outer.iter().zip(inner).take_while(|(a, b)| a == b).count();
            let (came, went) = (outer.len(), inner.len());
            findings
                .add(format!("{name}: {way} {came} bytes came and {went} went on, the first difference at byte {at}"));
        }
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
