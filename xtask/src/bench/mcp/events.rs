//! Realistic `McpEvent`s: tool calls of one session with all that the proxy sees of them, every id different.
//! A small pool whose ids are rewritten in place, so that making an event costs next to nothing beside exporting it.

use std::time::Duration;

use watchpost::model::{Actor, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame, Transport, session_id};
use watchpost_sentry::wire::Timestamp;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOOLS: [&str; 8] = [
    "search_orders",
    "read_file",
    "create_issue",
    "list_repositories",
    "run_query",
    "get_weather",
    "send_message",
    "summarize_document",
];
const INTENTS: [&str; 3] = [
    "The user wants to know which paid orders are still waiting to be shipped",
    "Find out why the nightly build fails on the main branch since Tuesday and who can fix it",
    "Compare this quarter's revenue by region with the same quarter of last year",
];

/// How much is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// What the proxy sees of a call by itself, who it is for and what for: what the peer is given too. 26 attributes.
    Usual,
    /// Every field there is, tags and project included. 30 attributes.
    All,
}

/// Events without end.
#[derive(Debug)]
pub(super) struct Events {
    pool: Vec<McpEvent>,
    /// One event in this many is an error; 0 for none.
    error_every: u64,
    started: Timestamp,
    made: u64,
}

impl Events {
    /// Events of one new session that completes a call every 10 µs from now.
    pub(super) fn new(known: Known, error_every: u64) -> Self {
        let started = Timestamp::now();
        let session = session_id(started);
        let pool = (0..TOOLS.len() * INTENTS.len()).map(|index| event(index, &session, known)).collect();
        Self { pool, error_every, started, made: 0 }
    }

    /// The next event.
    pub(super) fn next(&mut self) -> &McpEvent {
        let index = self.made as usize % self.pool.len();
        let event = &mut self.pool[index];
        number(&mut event.event_id, self.made);
        event.timestamp = self.started.saturating_add(Duration::from_micros(10 * self.made));
        let failed = self.error_every > 0 && self.made % self.error_every == self.error_every - 1;
        if event.is_error != failed {
            event.is_error = failed;
            event.error = failed.then(failure);
        }
        self.made += 1;
        event
    }
}

/// Writes `made` in base 62 over the id's last eight characters.
fn number(id: &mut String, made: u64) {
    id.truncate("evt_".len() + 19);
    let mut place = 62_u64.pow(7);
    while place > 0 {
        id.push(char::from(BASE62[(made / place % 62) as usize]));
        place /= 62;
    }
}

fn event(index: usize, session: &str, known: Known) -> McpEvent {
    let text = |text: &str| Some(text.to_owned());
    let mut event = McpEvent {
        event_id: "evt_3MPafazhKP6jBpTukrVSJbb56ZY".to_owned(),
        session_id: text(session),
        event_type: "tools/call".into(),
        resource_name: text(TOOLS[index % TOOLS.len()]),
        duration: Some(Duration::from_micros(850 + 937 * index as u64)),
        user_intent: text(INTENTS[index % INTENTS.len()]),
        actor: Some(Actor { id: text("user-4711"), name: text("Ada Lovelace"), data: None }),
        server: Implementation { name: text("orders-server"), title: text("Orders"), version: text("2.14.0") },
        client: Implementation { name: text("claude-code"), title: None, version: text("2.1.30") },
        protocol_version: text("2025-11-25"),
        transport: Some(Transport::Stdio),
        request_id: Some((17 + index).to_string()),
        tool_call_id: text("toolu_01A09q90qw90lq917835lq9"),
        request_bytes: Some(312 + index as u64),
        response_bytes: Some(1_480 + 91 * index as u64),
        content_count: Some(1),
        ..McpEvent::default()
    };
    if known == Known::All {
        event.project_id = text("proj_orders");
        event.tags = vec![("team".to_owned(), "fulfilment".to_owned()), ("region".to_owned(), "eu-west-1".to_owned())];
        if let Some(actor) = &mut event.actor {
            actor.data = Some(serde_json::json!({ "plan": "team", "seats": 12 }));
        }
    }
    event
}

fn failure() -> ErrorInfo {
    let frame = |function: &str, lineno| StackFrame {
        filename: Some("src/orders/search.rs".to_owned()),
        function: Some(function.to_owned()),
        lineno: Some(lineno),
        in_app: Some(true),
        ..StackFrame::default()
    };
    ErrorInfo {
        kind: ErrorKind::Tool,
        message: "the warehouse did not answer within 5 s".to_owned(),
        ty: Some("WarehouseTimeout".to_owned()),
        frames: vec![frame("main", 12), frame("search_orders", 88), frame("ask_warehouse", 141)],
        ..ErrorInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_event_has_an_id_of_its_own_and_the_asked_share_are_errors() {
        let mut events = Events::new(Known::Usual, 50);
        let mut ids = HashSet::new();
        let mut errors = 0;
        for _ in 0..10_000 {
            let event = events.next();
            assert_eq!(event.event_id.len(), 31);
            assert_eq!(event.is_error, event.error.is_some());
            ids.insert(event.event_id.clone());
            errors += u64::from(event.is_error);
        }
        assert_eq!((ids.len(), errors), (10_000, 200));
    }
}
