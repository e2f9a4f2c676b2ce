//! Is the proxy transparent? The client sees the same with and without it, and the same bytes pass on either side: those of
//! real peers, and those of none.

use std::{
    fs::{self, File},
    time::Duration,
};

use serde_json::Value;

use super::{
    findings::Findings,
    peers::{HOLD_LIMIT, KEY, Session},
    process::Running,
    rig::Rig,
    sink,
};
use crate::Failure;

/// As much of a difference as helps to find it.
const SHOWN_CHARS: usize = 240;
/// A few megabytes pass in far less than a second.
const RAW_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let sessions = rig.sessions()?;
    let (mut steps, mut bytes) = (0, 0);
    for session in sessions {
        compare_transcripts(session, findings);
        compare_surroundings(session, findings);
        compare_bytes(session, findings);
        steps += session.direct.steps.len();
        bytes += session.outer.up.len() + session.outer.down.len();
    }
    bytes += pass_raw_bytes(rig, findings)?;
    Ok(format!("{} sessions: {steps} steps seen alike, {bytes} bytes passed untouched", sessions.len()))
}

/// What the client's user sees beside the results: the same on standard error, and no waiting.
fn compare_surroundings(session: &Session, findings: &mut Findings) {
    let name = session.peers.name;
    let (direct, proxied) = (&session.direct, &session.proxied);
    findings.expect(direct.stderr == proxied.stderr, || {
        let new = proxied.stderr.iter().find(|line| !direct.stderr.contains(line));
        format!("{name}: standard error is not the same through the proxy, for example {new:?}")
    });
    findings.expect(proxied.closed <= direct.closed + HOLD_LIMIT, || {
        format!("{name}: closing took {:.1?} directly and {:.1?} through the proxy", direct.closed, proxied.closed)
    });
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

/// Bytes that are no MCP at all go through as well: random ones, broken text, frames without an end.
fn pass_raw_bytes(rig: &Rig, findings: &mut Findings) -> Result<usize, Failure> {
    let mut bytes = Vec::new();
    // A linear congruential generator: the same bytes in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..1 << 18 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    for line in [
        &b"\r\n\0\0 \n\n"[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"\xff\xfe\xc3\"}}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"\\ud800\"}]}}\n",
        b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"},{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}]\n",
        &b"[".repeat(200_000),
        b"\n{\"jsonrpc\":\"2.0\",\"method\":\"a frame without an end",
    ] {
        bytes.extend_from_slice(line);
    }
    let file = rig.runs().join("raw.in");
    fs::write(&file, &bytes)?;
    let mut proxy = rig.watchpost();
    // The sink is down: nothing that could be made of this may matter.
    proxy.args(["mcp", "--dsn", &format!("http://{KEY}@{}/1", sink::nobody()?), "--", "cat"]);
    let running = Running::start("watchpost mcp -- cat", proxy.stdin(File::open(&file)?), &rig.runs().join("raw"))?;
    let finished = running.finish(RAW_LIMIT)?;
    findings.expect(finished.status.success(), || format!("raw bytes: {}", finished.status));
    findings.expect(finished.stdout == bytes, || {
        format!("raw bytes: {} went in and {} came out, not the same", bytes.len(), finished.stdout.len())
    });
    Ok(bytes.len())
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
