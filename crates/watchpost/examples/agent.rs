//! A small agent with tools, traced to Sentry. Its model is a script, so it needs no key and no network but Sentry's.
//!
//! ```sh
//! cargo run -p watchpost --example agent                                   # DSN from SENTRY_DSN
//! cargo run -p watchpost --example agent -- http://watchpost@127.0.0.1:8969/1   # to `watchpost view`
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{fmt, io, thread, time::Duration};

use serde_json::{Value, json};
use watchpost::{
    ai::{AgentRun, LogLevel, ModelGeneration, Tracer},
    exporter::{SentryExporter, SentryExporterConfig},
    model::UsageStats,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = SentryExporterConfig::from_env()?;
    if let Some(dsn) = std::env::args().nth(1) {
        config.dsn = Some(dsn);
    }
    config.environment.get_or_insert_with(|| "development".to_owned());
    let exporter = SentryExporter::new(config)?;
    if !exporter.is_enabled() {
        println!("No DSN: nothing is sent. Set SENTRY_DSN, or give one as the argument.");
    }
    let tracer = Tracer::new(exporter.clone());

    let answer = plan_trip(&tracer, "Should I fly to Prague tomorrow?");
    println!("agent: {answer}");

    let outcome = exporter.shutdown();
    if exporter.is_enabled() {
        println!("{outcome}");
    }
    Ok(())
}

/// The agent: asks the model, does what it asks for, and so on until it answers.
fn plan_trip(tracer: &Tracer, question: &str) -> String {
    let agent = tracer.agent_run("trip-planner");
    agent.instructions("You plan trips. Look things up before you answer.").conversation_id("thread-7");
    agent.available_tools(TOOLS).max_steps(5).input(question).tag("example");
    println!("trace: {}", agent.trace_id());
    println!("user:  {question}");

    let mut messages = vec![json!({"role": "user", "content": question})];
    let answer = loop {
        match ask_model(&agent, &messages) {
            Reply::Text(text) => break text,
            Reply::Tools(calls) => {
                // Code that only has the tracer finds its place in the trace: below the agent.
                let results: Vec<_> = agent.in_scope(|| calls.iter().map(|call| call_tool(tracer, call)).collect());
                messages.extend(results);
            }
        }
    };
    agent.output(answer.as_str()).log(LogLevel::Info, "the trip is planned");
    answer
}

enum Reply {
    Text(String),
    Tools(Vec<Call>),
}

struct Call {
    id: &'static str,
    tool: &'static str,
    arguments: Value,
}

/// One request to the model, with what Sentry shows of it.
fn ask_model(agent: &AgentRun, messages: &[Value]) -> Reply {
    let generation = agent.model_generation("scripted-1");
    generation.provider("example").temperature(0.2).max_output_tokens(300).streaming(true);
    generation.input_messages(Value::from(messages.to_vec()));
    wait(30);
    generation.first_token();
    wait(60);
    let reply = scripted_reply(messages, &generation);
    generation.response_model("scripted-1-2026-11").response_id(format!("resp-{}", messages.len()));
    reply
}

/// What a real model would have said.
fn scripted_reply(messages: &[Value], generation: &ModelGeneration) -> Reply {
    let calls = match messages.len() {
        1 => vec![
            Call { id: "call-1", tool: "weather", arguments: json!({"city": "Prague", "day": "tomorrow"}) },
            Call { id: "call-2", tool: "flights", arguments: json!({"to": "PRG"}) },
        ],
        3 => vec![Call { id: "call-3", tool: "read_file", arguments: json!({"path": "calendar.ics"}) }],
        _ => Vec::new(),
    };
    let input = 60 * messages.len() as u64;
    if calls.is_empty() {
        let text = "Tomorrow is sunny and you are free, but I could not look up flights.";
        let usage = UsageStats { cache_read: Some(120), reasoning: Some(12), ..UsageStats::new(input, 30) };
        generation.output_text(text).finish_reason("stop").usage(usage);
        return Reply::Text(text.to_owned());
    }
    generation.finish_reason("tool-calls").usage(UsageStats::new(input, 18));
    for call in &calls {
        generation.requested_tool(call.id, call.tool, &call.arguments);
        println!("model: calls {}({})", call.tool, call.arguments);
    }
    Reply::Tools(calls)
}

const TOOLS: [&str; 3] = ["weather", "flights", "read_file"];

/// A tool's call; a failure is an issue in Sentry, and a message to the model.
fn call_tool(tracer: &Tracer, call: &Call) -> Value {
    let span = match call.tool {
        "read_file" => tracer.mcp_tool_call("files", call.tool),
        _ => tracer.tool_call(call.tool),
    };
    span.call_id(call.id).arguments(&call.arguments);
    wait(20);
    let result = match call.tool {
        "weather" => {
            span.event("cache miss").output("weather:prague");
            Ok("sunny, 21 °C")
        }
        "read_file" => Ok("BEGIN:VCALENDAR END:VCALENDAR"),
        _ => Err(NoFlights(io::Error::new(io::ErrorKind::TimedOut, "flights.example did not answer within 5 s"))),
    };
    let content = match span.record(result) {
        Ok(result) => {
            span.result(result);
            result.to_owned()
        }
        Err(error) => error.to_string(),
    };
    println!("tool:  {} -> {content}", call.tool);
    json!({"role": "tool", "toolCallId": call.id, "content": content})
}

#[derive(Debug)]
struct NoFlights(io::Error);

impl fmt::Display for NoFlights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flights cannot be looked up")
    }
}

impl std::error::Error for NoFlights {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Pretends to work, so that the trace has something to show.
fn wait(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}
