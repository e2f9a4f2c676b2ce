//! What two wire taps round the proxy recorded: the requests that passed and how each ended, read by a few lines of
//! its own (and not by Watchpost's observer), so that what is reported can be held against what happened.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

use crate::Failure;

/// Names of the 2026-07-28 revision's `_meta` members.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What one tap recorded.
pub(super) struct Tape {
    /// Client to server.
    pub(super) up: Vec<u8>,
    /// Server to client.
    pub(super) down: Vec<u8>,
    /// Nanoseconds since 1970 and what happened then.
    times: Vec<(u128, String)>,
}

/// One request and how it ended, as seen on the wire.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// The request's id, as text.
    pub(super) id: String,
    /// The tool's or prompt's name, the resource's URI, or what is to be completed.
    pub(super) resource: Option<String>,
    /// The proxy read the request between these two moments (nanoseconds since 1970).
    pub(super) asked: (u128, u128),
    /// The proxy read the answer (or what ended the call) between these two moments.
    pub(super) ended: (u128, u128),
    pub(super) end: End,
    /// What both sides had said of themselves by then.
    pub(super) server: Party,
    pub(super) client: Party,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Answered,
    Failed {
        message: String,
        code: Option<i64>,
    },
    Cancelled,
    /// Never answered.
    Open,
}

/// A side's name and version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Party {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

impl Call {
    pub(super) fn is_error(&self) -> bool {
        matches!(self.end, End::Failed { .. } | End::Open)
    }

    /// `tools/call bake` and the like, for messages.
    pub(super) fn title(&self) -> String {
        match &self.resource {
            Some(resource) => format!("{} {resource}", self.method),
            None => self.method.clone(),
        }
    }
}

impl Tape {
    /// Reads what `xtask tap FILE` wrote.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let part = |ending: &str| fs::read(format!("{}.{ending}", file.display()));
        let times = String::from_utf8(part("times")?)?;
        let times = times
            .lines()
            .filter_map(|line| line.split_once(' ').and_then(|(at, what)| Some((at.parse().ok()?, what.to_owned()))));
        Ok(Self { up: part("up")?, down: part("down")?, times: times.collect() })
    }

    /// When the command ended, and its exit code.
    pub(super) fn exit(&self) -> Option<(u128, i32)> {
        self.times.iter().find_map(|(at, what)| Some((*at, what.strip_prefix("exit ")?.parse().ok()?)))
    }

    /// The JSON messages that passed one way, each with the moment its last byte was read.
    fn messages(&self, way: &str) -> Vec<(u128, Value)> {
        let bytes = if way == "up" { &self.up } else { &self.down };
        let mut pieces = self.times.iter().filter_map(|(at, what)| {
            let (piece_way, length) = what.split_once(' ')?;
            (piece_way == way).then_some((*at, length.parse::<usize>().ok()?))
        });
        let (mut moment, mut known_to, mut offset) = (0, 0, 0);
        let mut messages = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            offset += line.len();
            while known_to < offset {
                let Some((at, length)) = pieces.next() else { break };
                (moment, known_to) = (at, known_to + length);
            }
            if let Ok(message) = serde_json::from_slice(line) {
                messages.push((moment, message));
            }
        }
        messages
    }
}

/// The calls that passed between `outer` (between client and proxy) and `inner` (between proxy and server), in the
/// order in which they ended. `ping` is left out: it is not reported by default.
pub(super) fn calls(outer: &Tape, inner: &Tape) -> Vec<Call> {
    let mut passed: Vec<Passed> = Vec::new();
    // The proxy stands between: what goes up it reads after the outer tap, what comes down after the inner one.
    for (way, first, then) in [("up", outer, inner), ("down", inner, outer)] {
        for ((earliest, message), (latest, _)) in first.messages(way).into_iter().zip(then.messages(way)) {
            passed.push(Passed { from_server: way == "down", read: (earliest, latest), message });
        }
    }
    passed.sort_by_key(|passed| passed.read.0);
    correlate(passed)
}

/// One message on its way past the proxy.
struct Passed {
    from_server: bool,
    read: (u128, u128),
    message: Value,
}

fn correlate(passed: Vec<Passed>) -> Vec<Call> {
    let (mut server, mut client) = (Party::default(), Party::default());
    let mut open: HashMap<(bool, String), Call> = HashMap::new();
    let mut ended = Vec::new();
    let mut last = (0, 0);
    for Passed { from_server, read, message } in passed {
        last = read;
        let method = message.get("method").and_then(Value::as_str);
        learn(
            &mut client,
            message.pointer("/params/clientInfo").or_else(|| message["params"]["_meta"].get(CLIENT_INFO)),
        );
        learn(
            &mut server,
            message.pointer("/result/serverInfo").or_else(|| message["result"]["_meta"].get(SERVER_INFO)),
        );
        match (method, message.get("id")) {
            (Some("ping"), _) => {}
            (Some(method), Some(id)) => {
                let call = Call {
                    method: method.to_owned(),
                    id: id.as_str().map_or_else(|| id.to_string(), str::to_owned),
                    resource: resource(method, &message["params"]),
                    asked: read,
                    ended: read,
                    end: End::Open,
                    server: Party::default(),
                    client: Party::default(),
                };
                open.insert((from_server, id.to_string()), call);
            }
            (Some("notifications/cancelled"), None) => {
                if let Some(call) = open.remove(&(from_server, message["params"]["requestId"].to_string())) {
                    let names = (server.clone(), client.clone());
                    ended.push(Call { ended: read, end: End::Cancelled, server: names.0, client: names.1, ..call });
                }
            }
            (None, Some(id)) => {
                if let Some(call) = open.remove(&(!from_server, id.to_string())) {
                    let end = how_it_ended(&call.method, &message);
                    ended.push(Call { ended: read, end, server: server.clone(), client: client.clone(), ..call });
                }
            }
            (Some(_) | None, None) => {}
        }
    }
    ended.extend(open.into_values().map(|call| Call {
        ended: (last.0, u128::MAX),
        server: server.clone(),
        client: client.clone(),
        ..call
    }));
    ended.sort_by_key(|call| call.ended.0);
    ended
}

fn learn(party: &mut Party, info: Option<&Value>) {
    let Some(info) = info else { return };
    let text = |key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
    *party = Party { name: text("name"), version: text("version") };
}

fn resource(method: &str, params: &Value) -> Option<String> {
    let name = match method {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &params["uri"],
        "completion/complete" if params["ref"]["name"].is_string() => &params["ref"]["name"],
        "completion/complete" => &params["ref"]["uri"],
        _ => return None,
    };
    name.as_str().map(str::to_owned)
}

fn how_it_ended(method: &str, answer: &Value) -> End {
    if let Some(error) = answer.get("error") {
        let code = error["code"].as_i64();
        // A new client asks an older server whether it knows the new revision; "no" is an answer.
        if method == "server/discover" && code == Some(-32601) {
            return End::Answered;
        }
        return End::Failed { message: error["message"].as_str().unwrap_or_default().to_owned(), code };
    }
    let result = &answer["result"];
    if result["isError"] != Value::Bool(true) {
        return End::Answered;
    }
    let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    End::Failed { message: texts.join(" ").trim().to_owned(), code: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passed(from_server: bool, at: u128, message: Value) -> Passed {
        Passed { from_server, read: (at, at + 1), message }
    }

    #[test]
    fn answers_find_their_requests_by_direction_and_id() {
        let calls = correlate(vec![
            passed(false, 10, json!({"id": 1, "method": "tools/call", "params": {"name": "a"}})),
            passed(true, 20, json!({"id": 1, "method": "roots/list"})),
            passed(false, 30, json!({"id": 1, "result": {"roots": []}})),
            passed(
                true,
                40,
                json!({"id": 1, "result": {"isError": true, "content": [{"type": "text", "text": "no"}]}}),
            ),
        ]);
        assert_eq!(
            calls.iter().map(|call| (call.title(), call.ended)).collect::<Vec<_>>(),
            [("roots/list".to_owned(), (30, 31)), ("tools/call a".to_owned(), (40, 41)),]
        );
        assert!(!calls[0].is_error());
        assert_eq!(calls[1].end, End::Failed { message: "no".to_owned(), code: None });
    }

    #[test]
    fn a_cancelled_call_ends_when_it_is_cancelled_and_an_unanswered_one_stays_open() {
        let calls = correlate(vec![
            passed(false, 10, json!({"id": "x", "method": "tools/call"})),
            passed(false, 11, json!({"id": 2, "method": "tools/list"})),
            passed(false, 20, json!({"method": "notifications/cancelled", "params": {"requestId": "x"}})),
            passed(true, 30, json!({"id": "x", "result": {}})),
        ]);
        assert_eq!(calls.iter().map(|call| &call.end).collect::<Vec<_>>(), [&End::Cancelled, &End::Open]);
    }

    #[test]
    fn a_server_that_does_not_know_discovery_did_not_fail() {
        let calls = correlate(vec![
            passed(false, 1, json!({"id": 0, "method": "server/discover"})),
            passed(true, 2, json!({"id": 0, "error": {"code": -32601, "message": "Method not found"}})),
        ]);
        assert!(!calls[0].is_error());
    }
}
