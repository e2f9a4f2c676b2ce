//! Does Sentry's local viewer show the agents? Spotlight takes an import in transaction mode, and is asked what it holds: by its
//! event stream, where its AI view reads, and by its MCP server, which draws the traces.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::known::{Forest, Known};
use crate::{
    Failure,
    interop::{
        findings::Findings,
        http,
        install::Kit,
        process::{self, Running},
        rig::Rig,
        sink,
    },
};

/// As much of an id as it shows.
const SHOWN_DIGITS: usize = 8;
/// It starts in two seconds.
const START_LIMIT: Duration = Duration::from_secs(40);
/// The stream repeats at once what there is, then stays open.
const STREAM_SILENCE: Duration = Duration::from_secs(2);

pub(in crate::interop) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let recording = rig.mastra()?;
    let forest = &recording.forest;
    let viewer = Viewer::start(rig)?;
    recording.import(rig, "transaction", &format!("http://watchpost@{}/1", viewer.address))?;

    let transactions = viewer.transactions()?;
    let agents: Vec<_> = forest.kept().filter(|span| span.ty() == "agent_run").collect();
    for root in forest.kept().filter(|span| forest.kept_parent(span).is_none()) {
        let held = transactions.iter().find(|held| held["contexts"]["trace"]["span_id"] == root.id());
        match held {
            Some(held) => check_ai_view(root, held, forest, findings),
            None => findings.add(format!("Spotlight does not hold {}", root.title())),
        }
        let drawn = viewer.draw(root.trace())?;
        // It draws an error event as a line of its own, with the id of its span.
        let is_drawn = |span: &Known| drawn.contains(&format!("[{} ", &span.id()[..SHOWN_DIGITS]));
        for span in forest.kept().filter(|span| span.trace() == root.trace() && !is_drawn(span)) {
            findings.add(format!("Spotlight does not draw {}:\n{drawn}", span.title()));
        }
    }
    Ok(format!("{} traces are drawn whole, {} agent runs can be read in the AI view", transactions.len(), agents.len()))
}

/// What the AI view reads of a transaction: each operation of an AI span, prompt, answer, tokens, and the tools with their
/// arguments and results, all by the names it knows.
fn check_ai_view(root: &Known, held: &Value, forest: &Forest, findings: &mut Findings) {
    let trace = &held["contexts"]["trace"];
    let children = held["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut spans = std::iter::once(trace).chain(children);
    for known in forest.kept().filter(|span| span.trace() == root.trace()) {
        let Some(span) = spans.clone().find(|span| span["span_id"] == known.id()) else { continue };
        let data = &span["data"];
        let parsed = |name: &str| data[name].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let mut expect = |right: bool, what: &str| {
            if !right {
                findings.add_at(format!("the AI view finds no {what}"), known.title());
            }
        };
        match known.ty() {
            "model_generation" => {
                expect(parsed("gen_ai.request.messages").is_some_and(|prompt| prompt.is_array()), "prompt");
                expect(data["gen_ai.request.model"].is_string(), "model");
                if known.output_text().as_str().is_some_and(|text| !text.is_empty()) {
                    expect(data["gen_ai.response.text"].is_string(), "answer");
                    expect(data["gen_ai.usage.input_tokens"].is_number(), "tokens");
                }
            }
            "tool_call" => {
                expect(data["gen_ai.tool.name"].is_string(), "tool");
                expect(parsed("gen_ai.tool.input").as_ref() == Some(known.get("input")), "arguments");
                let result = parsed("gen_ai.tool.output");
                expect(result.as_ref() == Some(known.get("output")) || known.failure().is_some(), "result");
            }
            _ => {}
        }
    }
    let is_ai = root.ty() == "agent_run";
    let found = spans.any(|span| span["op"].as_str().is_some_and(|op| op.starts_with("gen_ai.")));
    findings.expect(found || !is_ai, || format!("the AI view does not list {}", root.title()));
}

struct Viewer {
    address: SocketAddr,
    _process: Running,
}

impl Viewer {
    fn start(rig: &Rig) -> Result<Self, Failure> {
        // A port that was free a moment ago; Spotlight can't be given 0.
        let address = sink::nobody()?;
        let mut command = rig.quiet("node");
        command.arg("--import").arg(rig.script("loopback.mjs"));
        command.arg(rig.kit(Kit::Spotlight).join("node_modules/@spotlightjs/spotlight/dist/run.js"));
        command.args(["server", "-p", &address.port().to_string()]).stdin(Stdio::null());
        let started = Instant::now();
        let mut running = Running::start("spotlight", &mut command, &rig.runs().join("spotlight"))?;
        loop {
            if http::request(address, "GET", "/health", &[], b"").is_ok_and(|(status, _)| status == 200) {
                return Ok(Self { address, _process: running });
            }
            if running.ended()? || started.elapsed() > START_LIMIT {
                return Err(format!("Spotlight does not start{}", process::last_words(&running.stderr())).into());
            }
            thread::sleep(process::POLL);
        }
    }

    /// The transactions it holds, by its event stream.
    fn transactions(&self) -> Result<Vec<Value>, Failure> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(STREAM_SILENCE))?;
        write!(stream, "GET /stream?client=watchpost HTTP/1.0\r\nhost: {}\r\n\r\n", self.address)?;
        let mut found = Vec::new();
        // Silence ends it.
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let Ok(envelope) = serde_json::from_str::<Value>(data) else { continue };
            let items = envelope[1].as_array().map(Vec::as_slice).unwrap_or_default();
            found.extend(items.iter().filter(|item| item[0]["type"] == "transaction").map(|item| item[1].clone()));
        }
        Ok(found)
    }

    /// A trace as its MCP server draws it.
    fn draw(&self, trace: &str) -> Result<String, Failure> {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "get_traces", "arguments": { "traceId": trace } },
        });
        let headers =
            ["content-type: application/json", "accept: application/json, text/event-stream"].map(str::to_owned);
        let (_, body) = http::request(self.address, "POST", "/mcp", &headers, call.to_string().as_bytes())?;
        let body = String::from_utf8(body)?;
        let answer = body.lines().find_map(|line| line.strip_prefix("data: ")).ok_or("its MCP server says nothing")?;
        let answer: Value = serde_json::from_str(answer)?;
        let content = answer["result"]["content"].as_array().ok_or_else(|| format!("its MCP server says {answer}"))?;
        Ok(content.iter().filter_map(|block| block["text"].as_str()).collect())
    }
}
