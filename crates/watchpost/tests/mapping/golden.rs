//! AgentCat's recorded events through our mapping, compared with what AgentCat's own exporter sent for them, member by member.
//! Every member it sent is either the same in ours, or stands in [`DIFFERENCES`] with the reason; ours may have more.

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use watchpost::{
    mapping::{Settings, mcp::Identity},
    model::{McpEvent, agentcat::parse_line},
    redact::{Capture, redact_event, redact_text},
};

use crate::support::{error_event, log, transaction};

/// Why a member differs on purpose. Each of them must occur, so that the list does not outlive its reasons.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "completion",
        "its timestamp is the call's start, which shifts transactions into the past; ours is the completion",
    ),
    (
        "event id",
        "half of its transaction and error ids is random; ours are derived from the event id, which is not recorded",
    ),
    ("prefix", "event types are MCP's methods, as in the seed's example: the prefix is stripped"),
    ("placeholder", "an initialize has no resource called `Unknown Tool Name`"),
    ("brand", "its own tag `source` and its prefix `agentcat.` before the host's tags and context are not the seed's"),
    ("tag key", "Relay refuses a space or `$` in a tag's key: they are replaced"),
    ("secret", "secrets never leave the process, whoever put them in"),
    ("mechanism", "a mechanism is named by Sentry's grammar"),
    ("handled", "the model reads a result with isError and goes on"),
    (
        "parent",
        "its error names its own span as its parent; ours names the span that failed and the transaction as its parent",
    ),
    ("span", "the span that failed is the `mcp.server` span inside the transaction"),
    ("item type", "the item's header says that it is an event"),
    ("frames", "stacks and causes stand where Sentry shows them: in the exceptions"),
    ("code", "a code that is a text is kept in the error's data"),
    ("sessionless", "without a session its three items lie in three random traces; ours in one, from the event id"),
];

const RECORDINGS: [(&str, &str, &str, bool); 3] = [
    (
        "ts-stdio",
        include_str!("../fixtures/agentcat/ts-stdio-tracing-full.events.jsonl"),
        include_str!("../fixtures/agentcat/ts-stdio-tracing-full.sentry.jsonl"),
        true,
    ),
    (
        "py2-stdio",
        include_str!("../fixtures/agentcat/py2-stdio-tracing-full.events.jsonl"),
        include_str!("../fixtures/agentcat/py2-stdio-tracing-full.sentry.jsonl"),
        true,
    ),
    (
        "ts-http",
        include_str!("../fixtures/agentcat/ts-http-notracing-bare.events.jsonl"),
        include_str!("../fixtures/agentcat/ts-http-notracing-bare.sentry.jsonl"),
        false,
    ),
];

#[test]
fn every_recorded_member_is_the_same_or_differs_for_a_reason() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, events, recorded, tracing) in RECORDINGS {
        let mut settings = Settings::default().with_tracing(tracing);
        if tracing {
            settings = settings.with_environment("golden").with_release("golden-server@1.2.3");
        }
        assert_eq!(events.lines().count(), recorded.lines().count());
        for (line, (event, recorded)) in events.lines().zip(recorded.lines()).enumerate() {
            let event = parse_line(event).unwrap();
            let event = redact_event(&event, Capture::SEED);
            let recorded: Value = serde_json::from_str(recorded).unwrap();
            assert_eq!(recorded.get("error").is_some(), event.is_error, "{name} {line}: an error event when is_error");
            for (item, ours) in [
                ("log", log(&event, &settings)),
                ("transaction", transaction(&event, &settings)),
                ("error", error_event(&event, &settings)),
            ] {
                let Some(theirs) = recorded.get(item) else { continue };
                let case = Case { item, event: &event, identity: Identity::of(&event, &settings), tracing };
                for (path, value) in flatten(theirs) {
                    let expected = case.expect(&path, &value);
                    seen.extend(expected.difference);
                    let actual = lookup(&ours, &expected.path);
                    if !equal(&actual, &expected.value) {
                        wrong.push(format!(
                            "{name} {line} {item} {path} = {value}: ours {} = {actual}, expected {}",
                            expected.path, expected.value
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} members differ without a reason:\n{}", wrong.len(), wrong.join("\n"));
    let reasons: BTreeSet<_> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen, reasons, "each reason occurs, and none is missing from the list");
}

#[test]
fn the_failed_python_tool_is_an_issue_with_its_own_exceptions_and_frames() {
    let (_, events, ..) = RECORDINGS[1];
    let event = events
        .lines()
        .map(|line| parse_line(line).unwrap())
        .find(|event| event.resource_name.as_deref() == Some("explode"))
        .unwrap();
    let sent = error_event(&event, &Settings::default());
    let types: Vec<_> = sent["exception"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exception| exception["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["TypeError", "QuotaError", "UnexpectedToolError"], "the root cause first");
    let quota = &sent["exception"]["values"][1]["stacktrace"]["frames"];
    let last = quota.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["function"], &last["in_app"]),
        (&json!("explode"), &json!(true)),
        "the host's own frame is the newest"
    );
    assert_eq!(sent["platform"], "python");
}

#[test]
fn the_failed_javascript_tool_has_its_newest_frame_last() {
    let (_, events, ..) = RECORDINGS[0];
    let event = events
        .lines()
        .map(|line| parse_line(line).unwrap())
        .find(|event| event.resource_name.as_deref() == Some("explode"))
        .unwrap();
    let sent = error_event(&event, &Settings::default());
    let exception = sent["exception"]["values"].as_array().unwrap().last().unwrap();
    assert_eq!(exception["type"], "QuotaError");
    let newest = exception["stacktrace"]["frames"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&newest["function"], &newest["abs_path"], &newest["lineno"]),
        (&json!("Object.explode"), &json!("/srv/golden/ts/serverdef.mjs"), &json!(18))
    );
}

#[test]
fn a_session_has_one_trace_and_its_calls_lie_where_they_happened() {
    let (_, events, recorded, _) = RECORDINGS[0];
    let slow = events.lines().position(|line| line.contains("\"slow\"")).unwrap();
    let event = parse_line(events.lines().nth(slow).unwrap()).unwrap();
    let theirs: Value = serde_json::from_str(recorded.lines().nth(slow).unwrap()).unwrap();
    let ours = transaction(&event, &Settings::default());
    assert_eq!(ours["contexts"]["trace"]["trace_id"], theirs["log"]["trace_id"]);
    let started = theirs["log"]["timestamp"].as_f64().unwrap();
    assert!(event.duration.unwrap() >= Duration::from_millis(100));
    assert!((ours["start_timestamp"].as_f64().unwrap() - started).abs() < 1e-6);
    assert!(theirs["transaction"]["timestamp"].as_f64().unwrap() <= started, "theirs ends when the call began");
}

/// What one member of theirs must be in ours.
struct Expected {
    path: String,
    value: Value,
    difference: Option<&'static str>,
}

fn same(path: &str, value: &Value) -> Expected {
    Expected { path: path.to_owned(), value: value.clone(), difference: None }
}

fn differs(path: &str, value: impl Into<Value>, why: &'static str) -> Expected {
    Expected { path: path.to_owned(), value: value.into(), difference: Some(why) }
}

/// One item of one recorded event.
struct Case<'a> {
    item: &'static str,
    event: &'a McpEvent,
    identity: Identity,
    tracing: bool,
}

impl Case<'_> {
    /// Where a member of theirs stands in ours, what it must be, and why if that is not the same.
    fn expect(&self, path: &str, value: &Value) -> Expected {
        let text = value.as_str().unwrap_or_default();
        if let Cow::Owned(clean) = redact_text(text)
            && path.ends_with("serIntent.value")
        {
            return differs("attributes.user_intent.value", clean, "secret");
        }
        match path {
            "timestamp" | "start_timestamp" => {
                let completion = value.as_f64().unwrap() + self.event.duration.unwrap_or_default().as_secs_f64();
                differs(path, completion, "completion")
            }
            "body" | "transaction" if text.contains("Unknown Tool Name") => {
                let bare = bare(text).replace(": Unknown Tool Name", "").replace(" - Unknown Tool Name", "");
                differs(path, bare, "placeholder")
            }
            "body" | "transaction" | "tags.event_type" | "contexts.mcp.event_type" => {
                differs(path, bare(text), "prefix")
            }
            "type" if self.item == "error" => differs(path, Value::Null, "item type"),
            "event_id" => differs(path, self.event_id(), "event id"),
            "trace_id" | "contexts.trace.trace_id" => self.expect_trace(path, value),
            "tags.source" => differs(path, Value::Null, "brand"),
            "tags.resource" | "contexts.mcp.resource_name" if self.event.resource_name.is_none() => {
                differs(path, Value::Null, "placeholder")
            }
            "contexts.agentcat.secret" => differs("contexts.properties.secret", "[Filtered]", "secret"),
            _ => self.expect_nested(path, value),
        }
    }

    fn expect_nested(&self, path: &str, value: &Value) -> Expected {
        if let Some(attribute) = path.strip_prefix("attributes.") {
            self.expect_attribute(attribute, value)
        } else if let Some(key) = path.strip_prefix("tags.agentcat.") {
            let clean = key.replace([' ', '$'], "_");
            differs(&format!("tags.{clean}"), value.clone(), if clean == key { "brand" } else { "tag key" })
        } else if let Some(property) = path.strip_prefix("contexts.agentcat.") {
            differs(&format!("contexts.properties.{property}"), value.clone(), "brand")
        } else if let Some(member) = path.strip_prefix("contexts.trace.") {
            self.expect_span(member, path, value)
        } else if let Some(member) = path.strip_prefix("exception.values.0.") {
            self.expect_exception(member, value)
        } else if let Some(member) = path.strip_prefix("extra.error.") {
            match member {
                "code" if value.is_string() => differs("extra.error.data", json!({"code": value}).to_string(), "code"),
                "message" | "type" | "platform" => same(path, value),
                _ => differs(path, Value::Null, "frames"),
            }
        } else {
            same(path, value)
        }
    }

    fn expect_attribute(&self, attribute: &str, value: &Value) -> Expected {
        let (key, member) = attribute.rsplit_once('.').unwrap();
        let path = format!("attributes.{}.{member}", snake_case(key));
        match (key, member) {
            ("eventType", "value") => differs(&path, bare(value.as_str().unwrap()), "prefix"),
            ("resourceName", _) if self.event.resource_name.is_none() => differs(&path, Value::Null, "placeholder"),
            _ => same(&path, value),
        }
    }

    fn expect_trace(&self, path: &str, value: &Value) -> Expected {
        if self.event.session_id.is_some() {
            same(path, value)
        } else {
            differs(path, self.identity.trace_id.to_string(), "sessionless")
        }
    }

    /// The trace context's members but for the trace id.
    fn expect_span(&self, member: &str, path: &str, value: &Value) -> Expected {
        let own_span = self.identity.span_id.to_string();
        let is_call = !matches!(&*self.event.event_type, "identify" | "custom");
        let has_request_span = self.item == "error" && self.tracing && is_call;
        match member {
            "span_id" if has_request_span => {
                differs(path, self.identity.request_span_id(self.event).to_string(), "span")
            }
            "span_id" => differs(path, own_span, "event id"),
            "parent_span_id" if has_request_span => differs(path, own_span, "parent"),
            "parent_span_id" => differs(path, Value::Null, "parent"),
            "op" if has_request_span => differs(path, "mcp.server", "span"),
            "op" => differs(path, bare(value.as_str().unwrap()), "prefix"),
            _ => same(path, value),
        }
    }

    /// Their one exception is the last of ours.
    fn expect_exception(&self, member: &str, value: &Value) -> Expected {
        let error = self.event.error.as_ref().unwrap();
        let path = format!("exception.values.{}.{member}", error.causes.len());
        match member {
            "mechanism.type" => differs(&path, "auto.ai.mcp_server", "mechanism"),
            "mechanism.handled" if error.ty.is_none() => differs(&path, true, "handled"),
            _ => same(&path, value),
        }
    }

    fn event_id(&self) -> String {
        match self.item {
            "log" => self.identity.log_event_id(),
            "transaction" => self.identity.transaction_event_id(self.event),
            _ => self.identity.error_event_id(self.event),
        }
        .to_string()
    }
}

fn bare(text: &str) -> String {
    text.replace("mcp:", "").replace("agentcat:", "")
}

fn snake_case(key: &str) -> String {
    let words = key.chars().flat_map(|character| {
        if character.is_uppercase() { vec!['_', character.to_ascii_lowercase()] } else { vec![character] }
    });
    words.collect()
}

/// Every scalar of `value` with the path to it; nulls are as good as absent.
fn flatten(value: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| walk(&under(key), value, found)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(&under(&index.to_string()), item, found))
            }
            Value::Null => {}
            scalar => found.push((path.to_owned(), scalar.clone())),
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
}

/// The value at a path whose keys may have dots in them themselves.
fn lookup(value: &Value, path: &str) -> Value {
    if path.is_empty() {
        return value.clone();
    }
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        let (key, rest) = (&path[..end], path.get(end + 1..).unwrap_or_default());
        let inner = match value {
            Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            value => value.get(key),
        };
        if let Some(inner) = inner {
            return lookup(inner, rest);
        }
    }
    Value::Null
}

/// Numbers are equal within a microsecond; anything else exactly.
fn equal(ours: &Value, expected: &Value) -> bool {
    match (ours.as_f64(), expected.as_f64()) {
        (Some(ours), Some(expected)) => (ours - expected).abs() < 1.5e-6,
        _ => ours == expected,
    }
}
