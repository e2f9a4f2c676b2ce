//! The recorded agents, through the whole exporter to its last hook: the forest, the ids, the usage, the issues and their links.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use watchpost::{
    exporter::{ExporterOptions, SentryExporter, SentryExporterConfig},
    mapping::ai::{MASTRA_ORIGIN, SpanMode},
    model::mastra::parse_line,
};

/// What became of a recording.
#[derive(Default)]
struct Sent {
    transactions: Vec<Value>,
    errors: Vec<Value>,
}

impl Sent {
    /// Every span by its id: its trace, its parent, its operation, its attributes.
    fn spans(&self) -> BTreeMap<String, Value> {
        let mut spans = BTreeMap::new();
        for transaction in &self.transactions {
            let root = &transaction["contexts"]["trace"];
            for span in [root].into_iter().chain(transaction["spans"].as_array().unwrap()) {
                let id = span["span_id"].as_str().unwrap().to_owned();
                assert_eq!(spans.insert(id, span.clone()), None, "a span is sent once");
            }
        }
        spans
    }

    fn of_type(&self, ty: &str) -> Vec<Value> {
        self.spans().into_values().filter(|span| span["data"]["ai.span.type"] == ty).collect()
    }
}

fn replay(recording: &str) -> Sent {
    let sent = Arc::new(Mutex::new(Sent::default()));
    let (transactions, errors) = (Arc::clone(&sent), Arc::clone(&sent));
    let options = ExporterOptions::new()
        .with_before_send_transaction(move |transaction| {
            let mut json = Vec::new();
            transaction.write_json(&mut json);
            transactions.lock().unwrap().transactions.push(serde_json::from_slice(&json).unwrap());
            None
        })
        .with_before_send(move |event| {
            let mut json = Vec::new();
            event.write_json(&mut json);
            errors.lock().unwrap().errors.push(serde_json::from_slice(&json).unwrap());
            None
        });
    let config = SentryExporterConfig::default()
        .with_dsn("http://key@127.0.0.1:9/1")
        .with_origin(MASTRA_ORIGIN)
        .with_span_mode(SpanMode::Transaction)
        .with_options(options);
    let exporter = SentryExporter::new(config).unwrap();
    for line in fs::read_to_string(recording).unwrap().lines() {
        if let Ok(event) = parse_line(line) {
            exporter.export_tracing_event(event);
        }
    }
    drop(exporter.shutdown_within(Duration::from_millis(300)));
    drop(exporter);
    let mut sent = sent.lock().unwrap();
    std::mem::take(&mut *sent)
}

fn recording(name: &str) -> String {
    format!("{}/tests/fixtures/mastra/{name}/events.jsonl", env!("CARGO_MANIFEST_DIR"))
}

fn recordings() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mastra");
    let folders = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    folders(&root)
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| folders(path))
        .map(|path| path.join("events.jsonl"))
        .collect()
}

#[test]
fn every_span_is_sent_once_under_its_own_id_and_hangs_under_one_that_is_sent() {
    for path in recordings() {
        let sent = replay(path.to_str().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let ended: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["type"] == "span_ended")
            .map(|event| event["exportedSpan"].clone())
            .filter(|span| !matches!(span["type"].as_str(), Some("model_step" | "model_chunk" | "model_inference")))
            .collect();
        let spans = sent.spans();
        for span in &ended {
            let (id, trace) = (span["id"].as_str().unwrap(), span["traceId"].as_str().unwrap());
            if id.len() != 16 || trace.len() != 32 {
                continue;
            }
            let found = spans.get(id).unwrap_or_else(|| panic!("{id} of {} is not sent", path.display()));
            assert_eq!(found["trace_id"], trace, "{}", path.display());
            assert_eq!(found["data"]["ai.span.type"], span["type"], "{}", path.display());
        }
        let known: BTreeSet<_> = text
            .lines()
            .filter_map(|line| {
                Some(serde_json::from_str::<Value>(line).ok()?["exportedSpan"]["id"].as_str()?.to_owned())
            })
            .collect();
        for span in spans.values() {
            if let Some(parent) = span["parent_span_id"].as_str().filter(|parent| known.contains(*parent)) {
                assert!(
                    spans.contains_key(parent),
                    "{} hangs under {parent}, which is not sent: {}",
                    span["span_id"],
                    path.display()
                );
            }
        }
        for error in &sent.errors {
            let id = error["contexts"]["trace"]["span_id"].as_str().unwrap();
            assert!(spans.contains_key(id), "an issue of {} leads to no span", path.display());
        }
    }
}

#[test]
fn a_generation_lists_the_tools_it_called_and_the_agent_sums_its_own_tokens() {
    let sent = replay(&recording("live-core-1.10.0/agent-tools-multistep"));
    let [generation] = &sent.of_type("model_generation")[..] else { panic!("one generation") };
    let calls: Vec<Value> =
        serde_json::from_str(generation["data"]["gen_ai.response.tool_calls"].as_str().unwrap()).unwrap();
    let names: Vec<_> = calls.iter().map(|call| call["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["get_weather", "get_weather", "calculate"]);
    assert_eq!(calls[0]["arguments"]["city"], "Vienna");
    assert_eq!(generation["data"]["gen_ai.usage.cache_read.input_tokens"], 140);
    let [agent] = &sent.of_type("agent_run")[..] else { panic!("one agent") };
    assert_eq!(agent["data"]["gen_ai.usage.total_tokens"], 510);
    assert_eq!(agent["description"], Value::Null, "it is the root");
    assert!(sent.of_type("model_step").is_empty());
}

#[test]
fn a_nested_agents_tokens_are_its_own() {
    let sent = replay(&recording("live-core-1.71.0/nested-agent"));
    let agents = sent.of_type("agent_run");
    let tokens = |name: &str| {
        let agent = agents.iter().find(|agent| agent["data"]["gen_ai.agent.name"] == name).unwrap();
        (agent["data"]["gen_ai.usage.input_tokens"].clone(), agent["data"]["gen_ai.usage.output_tokens"].clone())
    };
    assert_eq!(tokens("Sub Agent"), (52.into(), 5.into()));
    assert_eq!(tokens("Boss Agent"), (92.into(), 9.into()));
}

#[test]
fn one_failure_is_one_issue() {
    let sent = replay(&recording("edge/error-bubbles"));
    assert_eq!(sent.errors.len(), 1, "{:#?}", sent.errors);
    assert_eq!(sent.errors[0]["tags"]["span_type"], "tool_call");
    let sent = replay(&recording("live-core-1.71.0/tool-fails"));
    assert_eq!(sent.errors.len(), 1);
    let exception = &sent.errors[0]["exception"]["values"][0];
    assert_eq!(exception["type"], "TypeError");
    assert!(exception["stacktrace"]["frames"].as_array().is_some_and(|frames| !frames.is_empty()));
}
