//! Does trouble at Sentry stay there? A real client works on while the sink is down, slow, or refuses: its results are
//! the same, and the proxy ends with the server.

use std::{ffi::OsString, path::PathBuf, thread, time::Duration};

use super::{
    findings::Findings,
    peers::{self, Client, HOLD_LIMIT, KEY, Peers, Server, Transcript},
    recording::Tape,
    rig::Rig,
    sink::{self, Answer, Sink},
};
use crate::Failure;

/// The client waits so long for the server to end, then sends TERM and waits as long again.
const CLIENTS_PATIENCE: Duration = Duration::from_secs(4);
/// A slow sink answers long after everything is over.
const SLOW: Duration = Duration::from_secs(45);
/// Requests that may already be under way when the first 429 comes back.
const UNDER_WAY: usize = 12;

const PEERS: Peers =
    Peers { name: "faults", client: Client::Python("legacy"), server: Server::Bakery, setup: peers::FULL };

/// What is wrong with the sink; `None`: nobody listens.
const FAULTS: &[(&str, Option<Answer>)] = &[
    ("down", None),
    ("slow", Some(Answer::Late(SLOW))),
    ("429", Some(Answer::Refuse(429, &[("retry-after", "60"), ("x-sentry-rate-limits", "60::organization")]))),
    ("500", Some(Answer::Refuse(500, &[]))),
    ("413", Some(Answer::Refuse(413, &[]))),
];

/// What one fault led to.
struct Outcome {
    transcript: Transcript,
    outer: Tape,
    inner: Tape,
    requests: usize,
}

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let direct = peers::drive(rig, &PEERS, "faults-direct", <[OsString]>::to_vec)?;
    let mut requests = Vec::new();
    // Most of a run is waiting; more at once would make a small machine's servers slow to end.
    for faults in FAULTS.chunks(2) {
        let outcomes: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = faults.iter().map(|(name, answer)| scope.spawn(|| run(rig, name, *answer))).collect();
            running.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for ((name, _), outcome) in faults.iter().zip(outcomes) {
            let outcome = outcome.map_err(|_| format!("the run with a sink that is {name} panicked"))??;
            judge(name, &direct, &outcome, findings);
            requests.push(format!("{name} {}", outcome.requests));
        }
    }
    Ok(format!("the client's results are the same; requests sent: {}", requests.join(", ")))
}

fn run(rig: &Rig, fault: &str, answer: Option<Answer>) -> Result<Outcome, Failure> {
    let name = format!("faults-{fault}");
    let tape = rig.runs().join(&name);
    let sink = answer.map(Sink::start).transpose()?;
    let dsn = match &sink {
        Some(sink) => sink.dsn(KEY),
        None => format!("http://{KEY}@{}/1", sink::nobody()?),
    };
    let options = PEERS.setup.options(&dsn);
    let transcript = peers::drive(rig, &PEERS, &name, |server| rig.proxied(&options, &tape, server))?;
    let tape = |side: &str| Tape::read(&PathBuf::from(format!("{}-{side}", tape.display())));
    let requests = sink.map_or(0, |sink| sink.requests().len());
    Ok(Outcome { transcript, outer: tape("outer")?, inner: tape("inner")?, requests })
}

fn judge(fault: &str, direct: &Transcript, outcome: &Outcome, findings: &mut Findings) {
    let seen = &outcome.transcript;
    findings.expect(seen.steps == direct.steps && seen.from_server == direct.from_server, || {
        format!("sink {fault}: the client saw something else than without the proxy")
    });
    findings.expect(outcome.outer.up == outcome.inner.up && outcome.outer.down == outcome.inner.down, || {
        format!("sink {fault}: the bytes differ on the proxy's two sides")
    });
    match (outcome.outer.exit(), outcome.inner.exit()) {
        (Some((proxy, code)), Some((server, servers_code))) => {
            let held = Duration::from_nanos(u64::try_from(proxy.saturating_sub(server)).unwrap_or(u64::MAX));
            findings
                .expect(held <= HOLD_LIMIT, || format!("sink {fault}: the proxy ended {held:.1?} after the server"));
            findings.expect(code == servers_code, || {
                format!("sink {fault}: the proxy's exit code is {code}, the server's {servers_code}")
            });
        }
        // A machine so busy that the server does not end in time: its client and the proxy kill it, as they should.
        (Some((_, 137)), None) => findings.expect(seen.closed <= CLIENTS_PATIENCE + HOLD_LIMIT, || {
            format!("sink {fault}: the server was killed, but closing took {:.1?}", seen.closed)
        }),
        (proxy, _) => findings.add(format!("sink {fault}: the proxy was killed ({proxy:?})")),
    }
    match fault {
        "down" => {}
        "429" => findings.expect((1..=UNDER_WAY).contains(&outcome.requests), || {
            format!("sink 429: {} requests although the first answer said to wait 60 s", outcome.requests)
        }),
        _ => findings.expect(outcome.requests > 0, || format!("sink {fault}: nothing was sent")),
    }
}
