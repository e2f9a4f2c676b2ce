//! The demo's scripted MCP client: speaks JSON-RPC lines to a server process and waits for each answer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::failure::Failure;

/// A client connected to a server process by its standard input and output.
pub(crate) struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next_id: u64,
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Demo(format!("{what}: {error}"))
}

impl Client {
    /// Starts the server process.
    pub(crate) fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("the proxy did not start", &error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Demo("the proxy has no pipes".to_owned()));
        };
        Ok(Self { child, input, output: BufReader::new(output), next_id: 1 })
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).map_err(|error| failed("no answer", &error))?;
            if read == 0 {
                return Err(Failure::Demo(format!("the server ended before it answered {method}")));
            }
            let message: Value =
                serde_json::from_str(&line).map_err(|error| failed("the answer is not JSON", &error))?;
            if message["id"] == id {
                return Ok(message);
            }
        }
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: Value) -> Result<(), Failure> {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Starts a request, takes it back at once and does not wait: a cancelled call.
    pub(crate) fn request_and_cancel(&mut self, method: &str, params: Value) -> Result<(), Failure> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        self.notify("notifications/cancelled", json!({"requestId": id, "reason": "the user changed their mind"}))
    }

    /// Closes the server's input and waits until the process has ended; its exit code.
    pub(crate) fn finish(mut self) -> Result<Option<i32>, Failure> {
        drop(self.input);
        let status = self.child.wait().map_err(|error| failed("the proxy did not end", &error))?;
        Ok(status.code())
    }

    fn send(&mut self, message: &Value) -> Result<(), Failure> {
        writeln!(self.input, "{message}")
            .and_then(|()| self.input.flush())
            .map_err(|error| failed("the server's input is closed", &error))
    }
}

/// Plays the demo's session: every kind of call once or more. Returns how many requests were made.
pub(crate) fn play(client: &mut Client) -> Result<u64, Failure> {
    client.request(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "watchpost-demo-client", "version": env!("CARGO_PKG_VERSION")},
        }),
    )?;
    client.notify("notifications/initialized", json!({}))?;
    let tool = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    client.request("tools/list", json!({}))?;
    client.request("tools/call", tool("echo", json!({"text": "hello"})))?;
    client.request("tools/call", tool("slow_report", json!({})))?;
    client.request("tools/call", tool("translate", json!({"text": "Grüße, žluťoučký kůň 🐎"})))?;
    client.request("tools/call", tool("book_flight", json!({})))?;
    client.request("tools/call", tool("charge_card", json!({})))?;
    client.request("tools/call", tool("no_such_tool", json!({})))?;
    client.request("resources/list", json!({}))?;
    client.request("resources/read", json!({"uri": "demo://readme"}))?;
    client.request("prompts/list", json!({}))?;
    client.request("prompts/get", json!({"name": "haiku", "arguments": {"topic": "lighthouse"}}))?;
    client.request_and_cancel("tools/call", tool("slow_report", json!({})))?;
    client.request("ping", json!({}))?;
    Ok(client.next_id - 1)
}
