//! Sentry's own SDKs for Python and Node send errors, transactions, logs, AI and MCP spans; read back by the receiver's API.

use std::{process::Command, time::Duration};

use serde_json::Value;

use super::view::View;
use crate::{
    Failure,
    interop::{findings::Findings, install::Kit, process, rig::Rig},
};

const SEND_LIMIT: Duration = Duration::from_secs(60);

pub(in crate::interop) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let view = View::empty(rig, "sdks")?;
    let dsn = format!("http://watchpost@{}/1", view.address);
    let mut python = rig.quiet(rig.python());
    python.arg(rig.script("browser/sdk.py"));
    let mut node = rig.quiet("node");
    node.arg(rig.kit(Kit::Browser).join("sdk.mjs"));
    let mut items = 0;
    for (name, command) in [("python", &mut python), ("node", &mut node)] {
        items += send(rig, &view, name, command.arg(&dsn), findings)?;
    }
    let unreadable = view.read("/api/stats")?;
    for item in unreadable["items"].as_array().into_iter().flatten() {
        findings.expect(item["unreadable"] == 0, || format!("unreadable: {item}"));
    }
    Ok(format!("{items} items of sentry-sdk and @sentry/node read back: errors, logs, AI and MCP spans, sources"))
}

/// Lets an SDK send and looks for each thing it sent; gives how many items the receiver has of it.
fn send(rig: &Rig, view: &View, name: &str, command: &mut Command, findings: &mut Findings) -> Result<u64, Failure> {
    let before = kept(view)?;
    process::run_well(name, command, SEND_LIMIT, &rig.runs().join(format!("sdk-{name}")))?;
    let issues = view.read("/api/issues")?;
    let found = |list: &Value, field: &str, text: &str| {
        list.as_array().into_iter().flatten().any(|entry| entry[field].as_str().is_some_and(|it| it.contains(text)))
    };
    let mut expect = |right: bool, what: &str| findings.expect(right, || format!("{name}: no {what}"));
    expect(found(&issues["issues"], "title", &format!("an error by {name}")), "issue");
    let logs = view.read(&format!("/api/logs?query=a+log+by+{name}"))?;
    expect(found(&logs["logs"], "body", &format!("a log by {name}")), "log");

    let traces = view.read("/api/traces")?;
    let trace =
        traces["traces"].as_array().into_iter().flatten().find(|trace| trace["name"] == format!("{name} agent"));
    expect(trace.is_some(), "trace of the agent's run");
    if let Some(trace) = trace {
        expect(trace["tokens"] == 1100, "tokens of the model's call");
        expect(trace["cost"].as_f64().is_some_and(|cost| cost > 0.0), "estimated cost");
        let detail = view.read(&format!("/api/traces/{}", trace["trace_id"].as_str().unwrap_or_default()))?;
        for op in ["gen_ai.invoke_agent", "gen_ai.chat", "mcp.server"] {
            expect(found(&detail["spans"], "op", op), op);
        }
        expect(detail["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "error in the trace");
    }
    let tools = view.read("/api/tools")?;
    expect(found(&tools, "name", &format!("{name}_tool")), "MCP tool");
    let session = view.read(&format!("/api/sessions/{name}-session"));
    expect(session.is_ok_and(|session| session["session"]["calls"] == 1), "MCP session");
    let search = view.read(&format!("/api/search?query=asked+by+{name}"))?;
    expect(search["items"].as_array().is_some_and(|items| !items.is_empty()), "prompt by search");
    let overview = view.read("/api/overview?range=1h")?;
    let sdk = if name == "node" { "sentry.javascript.node" } else { "sentry.python" };
    expect(found(&overview["sources"], "sdk", sdk), "source");
    Ok(kept(view)? - before)
}

fn kept(view: &View) -> Result<u64, Failure> {
    view.read("/api/stats")?["kept"].as_u64().ok_or_else(|| "the stats count nothing".into())
}
