//! Is what reaches Sentry what seed 000 says? Every event of every recorded session, and of an import whose every field is
//! known beforehand, is held against every row of every table of the seed.

mod additions;
mod ids;
mod import;
mod known;
mod reported;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    known::{Configured, Known},
    reported::Reported,
    rows::{ROWS, Row},
};
use super::{
    capture::Capture,
    envelopes,
    findings::Findings,
    peers::Setup,
    recording::{self, End, Party, Tape},
    rig::Rig,
};
use crate::Failure;

/// What the plans must have made happen, so that "nothing wrong" says something.
const METHODS: &[&str] = &[
    "initialize",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
];

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let (mut events, mut methods, mut ends) = (0, BTreeSet::new(), BTreeSet::new());
    for session in rig.sessions()? {
        let settings = Configured::by(&session.peers.setup);
        let calls = recording::calls(&session.outer, &session.inner);
        methods.extend(calls.iter().map(|call| call.method.clone()));
        ends.extend(calls.iter().map(|call| kind(&call.end)));
        let known: Vec<Known> = calls.iter().map(|call| Known::from_wire(call, &settings)).collect();
        events += known.len();
        compare(session.peers.name, &known, &session.capture, findings);
        check_one_session(session.peers.name, &session.capture, findings);
    }
    for missing in METHODS.iter().filter(|method| !methods.contains(**method)) {
        findings.add(format!("no session has a {missing}"));
    }
    for missing in ["answered", "isError", "JSON-RPC error", "cancelled"].iter().filter(|end| !ends.contains(**end)) {
        findings.add(format!("no call ended as {missing}"));
    }
    let imported = import::check(rig, findings)?;
    let rows = ROWS.len() + additions::ROWS.len();
    Ok(format!("{rows} rows hold for {events} events of real peers and {imported} imported ones"))
}

const fn kind(end: &End) -> &'static str {
    match end {
        End::Answered => "answered",
        End::Failed { code: None, .. } => "isError",
        End::Failed { code: Some(_), .. } => "JSON-RPC error",
        End::Cancelled => "cancelled",
        End::Open => "open",
    }
}

/// Holds what a tracked server reported against what a wire tap in front of it saw. The handler runs a little after the tap
/// reads a request and a little before it reads the answer: by `slack` seconds at most. Returns how many events there were.
pub(super) fn compare_tracked(
    run: &str,
    (setup, server): (&Setup, &Party),
    tape: &Tape,
    capture: &Capture,
    slack: f64,
    findings: &mut Findings,
) -> usize {
    let settings = Configured::by(setup);
    let calls = recording::calls(tape, tape);
    let known: Vec<Known> =
        calls.iter().map(|call| Known::from_tracked(call, &settings, server.clone(), slack)).collect();
    compare(run, &known, capture, findings);
    check_one_session(run, capture, findings);
    known.len()
}

/// Holds what arrived against what is known.
fn compare(run: &str, known: &[Known], capture: &Capture, findings: &mut Findings) {
    envelopes::check(run, capture, findings);
    let (reported, strays) = reported::events(capture);
    for stray in strays {
        findings.add_at(format!("an event without its log: {stray}"), run);
    }
    // The same body may be reported often; then the order of the ends tells which is which.
    let mut by_body: BTreeMap<String, (Vec<&Known>, Vec<&Reported<'_>>)> = BTreeMap::new();
    for known in known {
        by_body.entry(known.body()).or_default().0.push(known);
    }
    for reported in &reported {
        let body = reported.log["body"].as_str().unwrap_or_default().to_owned();
        by_body.entry(body).or_default().1.push(reported);
    }
    for (body, (known, reported)) in by_body {
        findings.expect(known.len() == reported.len(), || {
            format!("{run}: {} times in truth, {} times in the logs: {body}", known.len(), reported.len())
        });
        for (known, reported) in known.into_iter().zip(reported) {
            for Row { table, name, check } in ROWS.iter().chain(additions::ROWS) {
                for wrong in check(known, reported) {
                    findings.add_at(format!("{table} · {name}: {wrong}"), format!("{run}: {body}"));
                }
            }
        }
    }
}

/// One connection is one session, and every event has an id of its own.
fn check_one_session(run: &str, capture: &Capture, findings: &mut Findings) {
    let of = |field: &str| {
        let mut values: Vec<String> = capture.logs().map(|log| log[field].to_string()).collect();
        values.sort();
        values.dedup();
        values.len()
    };
    findings.expect(of("trace_id") == 1, || format!("{run}: one connection became {} traces", of("trace_id")));
    let logs = capture.logs().count();
    findings.expect(of("event_id") == logs, || format!("{run}: {logs} logs have {} event ids", of("event_id")));
}
