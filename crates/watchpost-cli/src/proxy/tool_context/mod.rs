//! `--tool-call-context`: the only thing that changes bytes. Adds the `context` argument to the tools' schemas in the answers to
//! `tools/list`, and takes it off `tools/call` again. Without I/O: bytes in, bytes out.
//!
//! A line that may be a message is held until it is whole, or longer than [`MAX_FRAME_BYTES`]; then it goes on as it is.

mod splice;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use watchpost::model::Direction;

use self::splice::Message;

/// Longer lines pass untouched.
pub(crate) const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// White space before a message at most.
const MAX_INDENT: usize = 64;
/// `tools/list` requests whose answer is awaited at most; the answer to an older one passes untouched.
const MAX_PENDING: usize = 1024;
/// Tools that are remembered at most; further ones don't get the argument.
const MAX_TOOLS: usize = 10_000;
/// Intents that wait for their event at most, and characters of each that are kept.
const MAX_INTENTS: usize = 1024;
const MAX_INTENT_CHARS: usize = 4096;

/// What both directions and the events share.
#[derive(Clone, Debug)]
pub(crate) struct ToolContext(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    description: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The ids of the `tools/list` requests that are not answered.
    pending: VecDeque<Value>,
    /// Whether a tool got the argument.
    tools: HashMap<String, bool>,
    /// What models said, by the call's id.
    intents: VecDeque<(String, String)>,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Rewriter {
    context: ToolContext,
    direction: Direction,
    /// The line so far, while it may have to be changed.
    held: Vec<u8>,
    /// Whether the rest of the line goes on as it is.
    passing: bool,
    out: Vec<u8>,
}

impl ToolContext {
    /// With what the argument asks the model for.
    pub(crate) fn new(description: String) -> Self {
        Self(Arc::new(Shared { description, state: Mutex::default() }))
    }

    /// What the model said with this call, once.
    pub(crate) fn take_intent(&self, request_id: &str) -> Option<String> {
        let mut state = self.lock();
        let index = state.intents.iter().position(|(id, _)| id == request_id)?;
        state.intents.remove(index).map(|(_, intent)| intent)
    }

    pub(super) fn rewriter(&self, direction: Direction) -> Rewriter {
        Rewriter { context: self.clone(), direction, held: Vec::new(), passing: false, out: Vec::new() }
    }

    /// What a message of the client becomes; `None`: it stays.
    fn request(&self, message: &Message<'_>) -> Option<String> {
        match message.method()?.as_str() {
            "tools/list" => {
                let id = message.id()?;
                let mut state = self.lock();
                if state.pending.len() == MAX_PENDING {
                    state.pending.pop_front();
                }
                state.pending.push_back(id);
                None
            }
            "tools/call" => {
                let (tool, call) = message.context_call()?;
                let mut state = self.lock();
                if state.tools.get(&tool) != Some(&true) {
                    return None;
                }
                if let (Some(id), Some(intent)) = (message.id(), call.intent()) {
                    let intent = intent.chars().take(MAX_INTENT_CHARS).collect();
                    if state.intents.len() == MAX_INTENTS {
                        state.intents.pop_front();
                    }
                    state.intents.push_back((id.as_str().map_or_else(|| id.to_string(), str::to_owned), intent));
                }
                Some(call.without_context())
            }
            _ => None,
        }
    }

    /// What a message of the server becomes; `None`: it stays.
    fn answer(&self, message: &Message<'_>) -> Option<String> {
        if !message.is_answer() {
            return None;
        }
        let id = message.id()?;
        let mut state = self.lock();
        let index = state.pending.iter().position(|pending| *pending == id)?;
        state.pending.remove(index);
        let tools = &mut state.tools;
        message.with_context(&self.0.description, |tool, can| {
            if tools.len() == MAX_TOOLS && !tools.contains_key(&tool) {
                return false;
            }
            tools.insert(tool, can);
            can
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rewriter {
    /// Takes bytes as they come and returns what goes on now.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> &[u8] {
        self.out.clear();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.take(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
        &self.out
    }

    /// No more bytes come: what is held goes on as it is.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.out.clear();
        self.out.append(&mut self.held);
        &self.out
    }

    /// A part of a line.
    fn take(&mut self, part: &[u8]) {
        if self.passing {
            self.out.extend_from_slice(part);
            return;
        }
        self.held.extend_from_slice(part);
        let mut head = self.held.iter().take(MAX_INDENT);
        let first = head.find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
        let is_text = first.map_or(self.held.len() >= MAX_INDENT, |byte| !matches!(byte, b'{' | b'['));
        if is_text || self.held.len() > MAX_FRAME_BYTES {
            self.passing = true;
            self.out.append(&mut self.held);
        }
    }

    fn end_line(&mut self) {
        self.passing = false;
        let rewritten = str::from_utf8(&self.held).ok().and_then(|line| self.rewrite(line));
        match rewritten {
            Some(line) => self.out.extend_from_slice(line.as_bytes()),
            None => self.out.extend_from_slice(&self.held),
        }
        self.held.clear();
        if self.held.capacity() > 64 * 1024 {
            self.held = Vec::new();
        }
    }

    fn rewrite(&self, line: &str) -> Option<String> {
        let context = &self.context;
        let change = |message: &Message<'_>| match self.direction {
            Direction::ClientToServer => context.request(message),
            Direction::ServerToClient => context.answer(message),
        };
        if self.direction == Direction::ServerToClient && context.lock().pending.is_empty() {
            return None;
        }
        if !line.trim_ascii_start().starts_with('[') {
            return change(&Message::read(line)?);
        }
        let mut edited = String::new();
        let mut copied = 0;
        for message in Message::read_batch(line)? {
            if let Some(changed) = change(&message) {
                let start = message.text().as_ptr() as usize - line.as_ptr() as usize;
                edited.push_str(&line[copied..start]);
                edited.push_str(&changed);
                copied = start + message.text().len();
            }
        }
        edited.push_str(&line[copied..]);
        Some(edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Proxy {
        context: ToolContext,
        to_server: Rewriter,
        to_client: Rewriter,
    }

    fn proxy() -> Proxy {
        let context = ToolContext::new("why".to_owned());
        let (to_server, to_client) =
            (context.rewriter(Direction::ClientToServer), context.rewriter(Direction::ServerToClient));
        Proxy { context, to_server, to_client }
    }

    fn feed(rewriter: &mut Rewriter, text: &str) -> String {
        String::from_utf8(rewriter.feed(text.as_bytes()).to_vec()).unwrap()
    }

    const LIST: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n";

    fn listed(proxy: &mut Proxy, tools: &str) -> String {
        assert_eq!(feed(&mut proxy.to_server, LIST), LIST);
        feed(&mut proxy.to_client, &format!("{{\"id\": 1, \"result\": {{ \"tools\": {tools}, \"x\": 1e2 }} }}\n"))
    }

    #[test]
    fn schemas_get_the_argument_and_every_other_byte_stays() {
        let answer = listed(
            &mut proxy(),
            r#"[{"name":"a","inputSchema":{ "type":"object","properties":{ "z":{"default":1.50} },"required":["z"] }},
{"name":"b","inputSchema":{}},{"name":"own","inputSchema":{"properties":{"context":{}}}},{"name":"c"}]"#
                .replace('\n', "")
                .as_str(),
        );
        let context = r#""context":{"description":"why","type":"string"}"#;
        assert_eq!(
            answer,
            format!(
                r#"{{"id": 1, "result": {{ "tools": [{{"name":"a","inputSchema":{{ "type":"object","properties":{{ "z":{{"default":1.50}} ,{context}}},"required":["z","context"] }}}},{{"name":"b","inputSchema":{{"type":"object","properties":{{{context}}},"required":["context"]}}}},{{"name":"own","inputSchema":{{"properties":{{"context":{{}}}}}}}},{{"name":"c"}}], "x": 1e2 }} }}"#
            ) + "\n"
        );
    }

    #[test]
    fn calls_lose_the_argument_only_where_it_was_added() {
        let mut proxy = proxy();
        listed(&mut proxy, r#"[{"name":"a","inputSchema":{}},{"name":"own","inputSchema":{"required":["context"]}}]"#);
        let call = |tool: &str, arguments: &str| {
            format!(
                "{{\"id\":\"7\",\"method\":\"tools/call\", \"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}\n"
            )
        };
        let given = r#"{"n":1.0,"context":"to \"help\"","\u0061":2}"#;
        assert_eq!(feed(&mut proxy.to_server, &call("a", given)), call("a", r#"{"n":1.0,"a":2}"#));
        assert_eq!(proxy.context.take_intent("7").as_deref(), Some("to \"help\""));
        assert_eq!(proxy.context.take_intent("7"), None);
        for (tool, arguments) in [("own", given), ("unlisted", given), ("a", "{ \"n\": 1 }"), ("a", "[]")] {
            assert_eq!(feed(&mut proxy.to_server, &call(tool, arguments)), call(tool, arguments));
        }
        let batch = format!("[ {} , {} ]\n", call("own", given).trim(), call("a", given).trim());
        let expected = format!("[ {} , {} ]\n", call("own", given).trim(), call("a", r#"{"n":1.0,"a":2}"#).trim());
        assert_eq!(feed(&mut proxy.to_server, &batch), expected);
    }

    #[test]
    fn whatever_is_no_message_of_the_two_kinds_passes_untouched_however_it_is_cut() {
        let lines = concat!(
            "Server listening…\n\r\n{\"broken\": \n[1,2]\n{\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\",\"inputSchema\":{}}]}}\n",
            "{\"id\":1,\"method\":\"x\",\"method\":\"tools/call\"}\r\n  {\"end\":1}"
        );
        for size in 1..40 {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                let mut rewriter = proxy().context.rewriter(direction);
                let mut out = Vec::new();
                for part in lines.as_bytes().chunks(size) {
                    out.extend_from_slice(rewriter.feed(part));
                }
                out.extend_from_slice(rewriter.finish());
                assert_eq!(String::from_utf8(out).unwrap(), lines);
            }
        }
    }

    #[test]
    fn output_that_is_no_message_is_not_held() {
        let mut proxy = proxy();
        assert_eq!(feed(&mut proxy.to_client, "password: "), "password: ");
        assert_eq!(feed(&mut proxy.to_client, "{\"id\""), "{\"id\"");
        assert_eq!(feed(&mut proxy.to_client, "\n{"), "\n");
    }

    #[test]
    fn a_line_past_the_bound_passes_untouched_and_the_next_is_read_again() {
        let mut proxy = proxy();
        listed(&mut proxy, r#"[{"name":"a","inputSchema":{}}]"#);
        let long = format!(
            "{{\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"a\",\"arguments\":{{\"context\":\"{}\"}}}}}}\n",
            "x".repeat(MAX_FRAME_BYTES)
        );
        let mut out = String::new();
        for part in long.as_bytes().chunks(60_000) {
            out.push_str(&feed(&mut proxy.to_server, str::from_utf8(part).unwrap()));
        }
        assert!(out == long, "the line was changed");
        let call = "{\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"arguments\":{\"context\":\"y\"}}}\n";
        assert_eq!(feed(&mut proxy.to_server, call), call.replace("\"context\":\"y\"", ""));
    }
}
