//! Does a real tracker make the issues that are meant? A Bugsink server receives a run, and its issues are read back.

mod server;

use std::{
    collections::HashMap,
    ffi::OsString,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::server::Bugsink;
use super::{
    findings::Findings,
    peers::{self, Client, KEY, Peers, Server},
    process,
    recording::{self, Call, End, Tape},
    rig::Rig,
};
use crate::Failure;

/// What arrived is digested at once; a busy machine takes a little longer.
const DIGEST_LIMIT: Duration = Duration::from_secs(20);
/// The tool of `server.py` that the plan lets fail twice in the same way.
const TWICE: &str = "burn";
/// How Bugsink says that it has this event.
const ALREADY_THERE: &str = "Event already exists";

const PEERS: Peers =
    Peers { name: "bugsink", client: Client::Python("legacy"), server: Server::Bakery, setup: peers::FULL };

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let bugsink = Bugsink::start(rig)?;
    let dsn = bugsink.create_project()?;
    let tape = rig.runs().join(PEERS.name);
    let reach = |server: &[OsString]| rig.proxied(&PEERS.setup.options(&dsn), &tape, server);
    peers::drive(rig, &PEERS, PEERS.name, reach)?;
    let tape = |side: &str| Tape::read(&PathBuf::from(format!("{}-{side}", tape.display())));
    let calls = recording::calls(&tape("outer")?, &tape("inner")?);
    let failed: Vec<&Call> = calls.iter().filter(|call| call.is_error()).collect();

    let issues = wait_for_events(&bugsink, failed.len())?;
    compare(&issues, &failed, findings);
    let refused = resend(rig, &bugsink, &dsn, findings)?;
    for reject in rejects(&bugsink) {
        findings.add(format!("Bugsink rejects an event: {reject}"));
    }
    it_is_strict(&bugsink, &dsn, findings)?;
    Ok(format!("{} failures became {} issues as meant, {refused} resent event refused", failed.len(), issues.len()))
}

type Issues = Vec<(Value, Vec<Value>)>;

/// Reads the issues until they hold as many events, or until it is clear that they won't.
fn wait_for_events(bugsink: &Bugsink, events: usize) -> Result<Issues, Failure> {
    let started = Instant::now();
    loop {
        let issues = bugsink.issues()?;
        if issues.iter().map(|(_, events)| events.len()).sum::<usize>() >= events || started.elapsed() > DIGEST_LIMIT {
            return Ok(issues);
        }
        thread::sleep(process::POLL);
    }
}

fn compare(issues: &Issues, failed: &[&Call], findings: &mut Findings) {
    let mut wanted: HashMap<(String, String), u64> = HashMap::new();
    for call in failed {
        *wanted.entry((call.title(), message(call))).or_default() += 1;
    }
    let events = issues.iter().map(|(_, events)| events.len()).sum::<usize>();
    findings.expect(events == failed.len(), || format!("{} calls failed, Bugsink has {events} events", failed.len()));
    findings.expect(issues.len() == wanted.len(), || {
        format!("{} kinds of failure became {} issues", wanted.len(), issues.len())
    });
    for ((title, message), count) in &wanted {
        let told = |event: &&Value| {
            exception(event)["value"] == message.as_str() && transaction(event).contains(title_end(title))
        };
        let Some((issue, of)) = issues.iter().find(|(_, events)| events.iter().any(|event| told(&event))) else {
            findings.add(format!("no issue says that {title} failed with {message:?}"));
            continue;
        };
        findings
            .expect(of.iter().all(|event| told(&event)), || format!("the issue of {title} holds other failures too"));
        findings.expect(of.len() as u64 == *count && issue["digested_event_count"] == *count, || {
            format!("{title} failed {count} times, its issue has {} events", issue["digested_event_count"])
        });
        findings.expect(
            issue["calculated_value"].as_str().is_some_and(|value| message.starts_with(value) || value == message),
            || format!("the issue of {title} has the value {}", issue["calculated_value"]),
        );
        for event in of {
            let data = &event["data"];
            findings.expect(issue["calculated_type"] == exception(event)["type"], || {
                format!(
                    "the issue of {title} has the type {}, its exception {}",
                    issue["calculated_type"],
                    exception(event)["type"]
                )
            });
            findings.expect(data["level"] == "error", || format!("{title}: level {}", data["level"]));
            findings
                .expect(data["environment"] == "interop", || format!("{title}: environment {}", data["environment"]));
            findings.expect(data["release"] == "bakery@7.5.3", || format!("{title}: release {}", data["release"]));
            findings.expect(data["user"]["id"] == "user-42", || format!("{title}: user {}", data["user"]));
        }
    }
    findings.expect(wanted.iter().any(|((title, _), count)| title.ends_with(TWICE) && *count == 2), || {
        format!("the plan did not let {TWICE} fail twice")
    });
}

/// Sends an event of another session, then the same again: a new event of a known issue, then nothing new.
fn resend(rig: &Rig, bugsink: &Bugsink, dsn: &str, findings: &mut Findings) -> Result<usize, Failure> {
    let key = key_of(dsn)?;
    let session =
        rig.sessions()?.iter().find(|session| session.peers.name == "bakery-python-legacy").ok_or("no such session")?;
    let known = session.capture.envelopes.iter().find(|envelope| {
        envelope.items.iter().any(|item| item.ty == "event" && item.payload["tags"]["resource"] == TWICE)
    });
    let Some(envelope) = known else {
        findings.add(format!("the sink got no error event of {TWICE}"));
        return Ok(0);
    };
    // The key in the envelope's own header would win.
    let bytes = String::from_utf8(envelope.bytes.clone())?.replace(KEY, key);
    let before = bugsink.issues()?;
    let first = bugsink.post_envelope(key, bytes.as_bytes())?;
    let after_first = wait_for_events(bugsink, count(&before) + 1)?;
    findings.expect(count(&after_first) == count(&before) + 1, || {
        format!("an event of another session was not taken ({first})")
    });
    findings.expect(after_first.len() == before.len(), || {
        "the same failure in another session became another issue".to_owned()
    });
    let again = bugsink.post_envelope(key, bytes.as_bytes())?;
    let after_second = bugsink.issues()?;
    findings.expect(count(&after_second) == count(&after_first), || "a resent event was counted twice".to_owned());
    let refused = bugsink.log().matches(ALREADY_THERE).count();
    findings.expect(refused > 0 || again >= 400, || format!("Bugsink did not refuse a resent event ({again})"));
    Ok(1)
}

/// What the server says about events that break Sentry's schema, other than about resent ones.
fn rejects(bugsink: &Bugsink) -> Vec<String> {
    let log = bugsink.log();
    let errors = log.lines().filter(|line| line.contains("ValidationError: "));
    errors.filter(|line| !line.contains(ALREADY_THERE)).map(str::to_owned).collect()
}

/// That nothing was rejected says something only if something wrong is.
fn it_is_strict(bugsink: &Bugsink, dsn: &str, findings: &mut Findings) -> Result<(), Failure> {
    let event =
        r#"{"event_id":"00000000000000000000000000000bad","level":"no such level","platform":"other","timestamp":1}"#;
    let envelope = format!(
        "{{\"event_id\":\"00000000000000000000000000000bad\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n",
        event.len()
    );
    let before = rejects(bugsink).len();
    bugsink.post_envelope(key_of(dsn)?, envelope.as_bytes())?;
    let started = Instant::now();
    while rejects(bugsink).len() == before {
        if started.elapsed() > DIGEST_LIMIT {
            findings.add("Bugsink does not reject an event that breaks Sentry's schema: the check is worth nothing");
            break;
        }
        thread::sleep(process::POLL);
    }
    Ok(())
}

fn key_of(dsn: &str) -> Result<&str, Failure> {
    dsn.split(['/', '@']).nth(2).ok_or_else(|| "Bugsink's DSN has no key".into())
}

fn count(issues: &Issues) -> usize {
    issues.iter().map(|(_, events)| events.len()).sum()
}

fn message(call: &Call) -> String {
    match &call.end {
        End::Failed { message, .. } => message.clone(),
        _ => String::new(),
    }
}

/// The last exception is the one that names the issue.
fn exception(event: &Value) -> &Value {
    event["data"]["exception"]["values"].as_array().and_then(|values| values.last()).unwrap_or(&Value::Null)
}

fn transaction(event: &Value) -> &str {
    event["data"]["transaction"].as_str().unwrap_or_default()
}

/// The tool, prompt or resource of a call's title.
fn title_end(title: &str) -> &str {
    title.rsplit(' ').next().unwrap_or(title)
}
