//! `watchpost mcp --tool-call-context` between official clients and a server that gives back what it got: the argument is offered
//! where it can do no harm and nowhere else, the server never sees it, what it said reaches the sink, and all else stays as it is.

use serde_json::{Map, Value};

use super::{
    capture::Capture,
    findings::Findings,
    peers::{self, BARE, Client, KEY, Peers, Server, Setup, Transcript},
    recording::Tape,
    rig::Rig,
    sink::{Answer, Sink},
};
use crate::Failure;

const ARGUMENT: &str = "context";
/// The server's tools whose schemas can take the argument.
const TAKE_IT: &[&str] = &["open", "closed", "empty"];
const SETUP: Setup = Setup { tracing: true, ..BARE };

const CLIENTS: &[Peers] = &[
    Peers { name: "context-typescript", client: Client::TypeScript, server: Server::Context, setup: SETUP },
    Peers { name: "context-python-legacy", client: Client::Python("legacy"), server: Server::Context, setup: SETUP },
    Peers {
        name: "context-python-2026-07-28",
        client: Client::Python("2026-07-28"),
        server: Server::Context,
        setup: SETUP,
    },
];

/// What was met.
#[derive(Default)]
struct Seen {
    offered: usize,
    intents: Vec<String>,
    steps: usize,
}

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let (mut steps, mut offered, mut intents) = (0, 0, 0);
    for peers in CLIENTS {
        let seen = converse(rig, peers, findings)?;
        steps += seen.steps;
        offered += seen.offered;
        intents += seen.intents.len();
    }
    Ok(format!(
        "{} clients: {steps} steps; the argument offered {offered} times, taken off {intents} times, never seen by the server",
        CLIENTS.len()
    ))
}

fn converse(rig: &Rig, peers: &Peers, findings: &mut Findings) -> Result<Seen, Failure> {
    let name = peers.name;
    let direct = peers::drive(rig, peers, &format!("{name}-direct"), <[_]>::to_vec)?;
    let sink = Sink::start(Answer::Accept)?;
    let mut options = peers.setup.options(&sink.dsn(KEY));
    options.push("--tool-call-context".to_owned());
    let tape = rig.runs().join(name);
    let proxied = peers::drive(rig, peers, &format!("{name}-proxied"), |server| rig.proxied(&options, &tape, server))?;

    let seen = compare(name, &direct, &proxied, findings);
    let mut reported: Vec<String> = Capture::read(sink.requests())
        .logs()
        .filter_map(|log| Some(log["attributes"]["user_intent"]["value"].as_str()?.to_owned()))
        .collect();
    let mut said = seen.intents.clone();
    said.sort();
    reported.sort();
    findings.expect(said == reported, || format!("{name}: models said {said:?}, the sink has {reported:?}"));

    let read = |side: &str| Tape::read(format!("{}-{side}", tape.display()).as_ref());
    let (outer, inner) = (read("outer")?, read("inner")?);
    for intent in seen.intents.iter().filter(|intent| !intent.starts_with('{')) {
        // As far as every encoder of JSON writes it the same.
        let plain = intent.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b' ').count();
        let part = &intent.as_bytes()[..plain];
        let has = |bytes: &[u8]| memchr::memmem::find(bytes, part).is_some();
        findings.expect(has(&outer.up), || format!("{name}: the client never sent {intent:?}"));
        findings.expect(!has(&inner.up), || format!("{name}: the server was sent {intent:?}"));
    }
    Ok(seen)
}

fn compare(name: &str, direct: &Transcript, proxied: &Transcript, findings: &mut Findings) -> Seen {
    findings.expect(direct.steps.len() == proxied.steps.len(), || {
        format!("{name}: {} steps directly, {} through the proxy", direct.steps.len(), proxied.steps.len())
    });
    findings.expect(direct.from_server == proxied.from_server, || format!("{name}: the server said other things"));
    let mut seen = Seen { steps: direct.steps.len(), ..Seen::default() };
    // The proxy knows the schemas only once they have passed.
    let mut is_listed = false;
    for (direct, proxied) in direct.steps.iter().zip(&proxied.steps) {
        let step = &direct["step"];
        if step["list"] == "tools" {
            is_listed = true;
            compare_list(name, direct, proxied, &mut seen, findings);
        } else if let Some(together) = step["together"].as_array() {
            for (place, call) in together.iter().enumerate() {
                let (direct, proxied) = (&direct["result"][place], &proxied["result"][place]);
                compare_call(name, call, direct, proxied, is_listed, &mut seen, findings);
            }
        } else {
            compare_call(name, step, direct, proxied, is_listed, &mut seen, findings);
        }
    }
    findings.expect(seen.offered == TAKE_IT.len(), || {
        format!("{name}: {} tools got the argument instead of {}", seen.offered, TAKE_IT.len())
    });
    seen
}

/// A page of tools: the same, but for the argument where it belongs.
fn compare_list(name: &str, direct: &Value, proxied: &Value, seen: &mut Seen, findings: &mut Findings) {
    let mut without = proxied.clone();
    for tool in without["result"]["tools"].as_array_mut().into_iter().flatten() {
        let tool_name = tool["name"].as_str().unwrap_or_default().to_owned();
        if !TAKE_IT.contains(&tool_name.as_str()) {
            continue;
        }
        let taken = tool["inputSchema"].as_object_mut().and_then(take_argument);
        let offers = taken.is_some_and(|argument| {
            argument["type"] == "string" && argument["description"].as_str().is_some_and(|text| text.len() > 20)
        });
        findings.expect(offers, || format!("{name}: {tool_name} was not given the argument: {tool}"));
        seen.offered += usize::from(offers);
    }
    // A schema that had none of these now has an empty one.
    let same = bare(&without["result"]) == bare(&direct["result"]);
    findings.expect(same, || format!("{name}: the list was {direct} and became {proxied}"));
}

/// Takes the argument out of a schema: its declaration, if it was required as well.
fn take_argument(schema: &mut Map<String, Value>) -> Option<Value> {
    let declared = schema.get_mut("properties")?.as_object_mut()?.remove(ARGUMENT)?;
    let required = schema.get_mut("required")?.as_array_mut()?;
    let place = required.iter().position(|name| name == ARGUMENT)?;
    required.remove(place);
    Some(declared)
}

/// The value without empty objects and lists.
fn bare(value: &Value) -> Value {
    let is_empty =
        |value: &Value| value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !is_empty(value))
            .map(|(key, value)| (key.clone(), bare(value)))
            .collect(),
        Value::Array(values) => values.iter().map(bare).collect(),
        other => other.clone(),
    }
}

/// A call: the tool says what it got.
fn compare_call(
    name: &str,
    call: &Value,
    direct: &Value,
    proxied: &Value,
    is_listed: bool,
    seen: &mut Seen,
    findings: &mut Findings,
) {
    let tool = call["call"].as_str().unwrap_or_default();
    let mut arguments = call["arguments"].clone();
    let taken = arguments.as_object_mut().and_then(|arguments| arguments.remove(ARGUMENT));
    let Some(context) = taken.filter(|_| is_listed && TAKE_IT.contains(&tool)) else {
        findings.expect(direct == proxied, || format!("{name}: directly {direct}, through the proxy {proxied}"));
        return;
    };
    let got = |outcome: &Value| {
        let text = outcome["result"]["content"][0]["text"].as_str()?;
        serde_json::from_str::<Value>(text.split_once(" got ")?.1).ok()
    };
    findings.expect(got(direct).as_ref() == Some(&call["arguments"]), || format!("{name}: directly {direct}"));
    findings.expect(got(proxied).as_ref() == Some(&arguments), || {
        format!("{name}: {tool} was called with {} and got {proxied}", call["arguments"])
    });
    seen.intents.push(context.as_str().map_or_else(|| context.to_string(), str::to_owned));
}
