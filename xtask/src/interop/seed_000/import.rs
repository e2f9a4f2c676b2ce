//! The same rows for an import, where every field is known beforehand, ids and moments included: AgentCat events as
//! JSON lines, in its API's and in its SDKs' spelling.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::known::{Between, Configured, Known};
use crate::{
    Failure,
    interop::{
        capture::Capture,
        findings::Findings,
        peers::{Actor, KEY, Setup},
        process,
        recording::Party,
        rig::Rig,
        sink::{Answer, Sink},
    },
};

const LIMIT: Duration = Duration::from_secs(30);
/// The session whose trace id the reference exporter gives as e963ce26acda858c7625c30b83f6b9b0.
const SESSION: &str = "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv";

const FULL: Setup = Setup {
    tracing: true,
    environment: Some("staging"),
    release: Some("weather@2.0.0"),
    project: Some("proj_line"),
    actor: Some(Actor { id: "user-7", name: "Grace Hopper", data: r#"{"team":["navy",1]}"# }),
    tags: &[("plan", "enterprise")],
};
const BARE: Setup = Setup { tracing: false, environment: None, release: None, project: None, actor: None, tags: &[] };

/// Imports both ways and returns how many events there were.
pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<usize, Failure> {
    // AgentCat writes milliseconds.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let start = u64::try_from(now)? - 60_000;
    let mut events = 0;
    for (name, setup, spelling) in [("import-full", &FULL, Spelling::Api), ("import-bare", &BARE, Spelling::Sdk)] {
        let settings = Configured::by(setup);
        let known = known_events(start, &settings);
        let lines: String = known.iter().map(|known| format!("{}\n", line(known, spelling))).collect();
        let sink = Sink::start(Answer::Accept)?;
        let file = rig.runs().join(format!("{name}.jsonl"));
        fs::write(&file, lines)?;
        import(rig, &file, setup, &sink, 0)?;
        super::compare(name, &known, &Capture::read(sink.requests()), findings);
        events += known.len();
    }
    bad_lines(rig, start, findings)?;
    Ok(events)
}

/// How an event's members are called.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    /// `snake_case`.
    Api,
    /// `camelCase`.
    Sdk,
}

fn known_events(start: u64, settings: &Configured) -> Vec<Known> {
    let known = |at: u64, event_id: &str, event_type: &str, resource: Option<&str>| Known {
        event_type: event_type.to_owned(),
        request_id: None,
        resource: resource.map(str::to_owned),
        is_error: false,
        is_cancelled: false,
        message: None,
        platform: None,
        started: exactly(start + at),
        ended: exactly(start + at + 250),
        duration: Between(0.25, 0.25),
        server: party("weather-server", "1.2.3"),
        client: party("claude", "9.9"),
        session_id: Some(SESSION.to_owned()),
        event_id: Some(event_id.to_owned()),
        user_intent: None,
        settings: settings.clone(),
    };
    let failed = Known {
        is_error: true,
        message: Some("the sky is falling: ünïcode ☃".to_owned()),
        platform: Some("python"),
        user_intent: Some("find out whether to take an umbrella".to_owned()),
        ..known(3_000, "evt_0ujtsYcgvSTl8PAuAdqWYSMnLOv", "tools/call", Some("get_weather"))
    };
    vec![
        known(1_000, "evt_000000000000000000000000001", "initialize", None),
        known(2_000, "evt_000000000000000000000000002", "tools/list", None),
        failed,
        known(4_000, "evt_000000000000000000000000004", "resources/read", Some("docs://readme")),
        known(5_000, "evt_000000000000000000000000005", "identify", None),
        known(6_000, "evt_000000000000000000000000006", "custom", Some("checkout")),
    ]
}

/// The event as AgentCat writes it: its time is the call's start.
fn line(known: &Known, spelling: Spelling) -> Value {
    let settings = &known.settings;
    let prefix = if known.is_request() { "mcp" } else { "agentcat" };
    let data_name = if spelling == Spelling::Api { "identify_data" } else { "identify_actor_data" };
    let start = Duration::from_secs_f64(known.started.0).as_millis();
    let error = known
        .message
        .as_ref()
        .map(|message| json!({ "message": message, "type": "SkyError", "platform": known.platform }));
    let members = [
        ("id", json!(known.event_id)),
        ("session_id", json!(known.session_id)),
        ("project_id", json!(settings.project)),
        ("event_type", json!(format!("{prefix}:{}", known.event_type))),
        ("resource_name", json!(known.resource)),
        ("timestamp", json!(u64::try_from(start).unwrap_or_default())),
        ("duration", json!(250)),
        ("is_error", json!(known.is_error)),
        ("error", json!(error)),
        ("user_intent", json!(known.user_intent)),
        ("server_name", json!(known.server.name)),
        ("server_version", json!(known.server.version)),
        ("client_name", json!(known.client.name)),
        ("client_version", json!(known.client.version)),
        ("identify_actor_given_id", json!(settings.actor_id)),
        ("identify_actor_name", json!(settings.actor_name)),
        (data_name, json!(settings.actor_data)),
        ("tags", json!(settings.tags.iter().cloned().collect::<std::collections::BTreeMap<_, _>>())),
    ];
    let name = |name: &str| if spelling == Spelling::Api { name.to_owned() } else { camel_case(name) };
    members.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (name(key), value)).collect()
}

fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// Lines that are no events are named by their number, and the exit code tells of them.
fn bad_lines(rig: &Rig, start: u64, findings: &mut Findings) -> Result<(), Failure> {
    let sink = Sink::start(Answer::Accept)?;
    let known = known_events(start, &Configured::by(&BARE));
    let good = line(&known[0], Spelling::Api);
    let file = rig.runs().join("import-bad.jsonl");
    fs::write(&file, format!("{good}\n{{\"event_type\":\n[]\n"))?;
    let stderr = import(rig, &file, &BARE, &sink, 1)?;
    for number in [2, 3] {
        findings.expect(stderr.contains(&format!("line {number}")), || {
            format!("import does not name bad line {number}: {stderr}")
        });
    }
    let logs = Capture::read(sink.requests()).logs().count();
    findings.expect(logs == 1, || format!("import: a good line before bad ones became {logs} logs"));
    Ok(())
}

fn import(rig: &Rig, file: &Path, setup: &Setup, sink: &Sink, code: i32) -> Result<String, Failure> {
    let mut import = rig.watchpost();
    import.args(["import", "--format", "agentcat", "--dsn", &sink.dsn(KEY)]);
    for (flag, value) in [("--environment", setup.environment), ("--release", setup.release)] {
        import.args(value.map(|value| [flag, value]).into_iter().flatten());
    }
    if setup.tracing {
        import.arg("--enable-tracing");
    }
    let finished = process::run("watchpost import", import.arg(file), LIMIT, &file.with_extension("log"))?;
    if finished.status.code() != Some(code) {
        let words = process::last_words(&finished.stderr);
        return Err(
            format!("watchpost import ended with {} instead of exit code {code}{words}", finished.status).into()
        );
    }
    Ok(finished.stderr)
}

fn party(name: &str, version: &str) -> Party {
    Party { name: Some(name.to_owned()), version: Some(version.to_owned()) }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
fn exactly(milliseconds: u64) -> Between {
    let seconds = milliseconds as f64 / 1e3;
    Between(seconds, seconds)
}
