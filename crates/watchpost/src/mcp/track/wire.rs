//! What passes as bytes, where the transport is a pair of byte streams: the sizes of requests and answers, and what rmcp does not
//! hand on because it cannot read it. Without I/O: bytes in, facts out. What a message says is read by the [`Scanner`] that the
//! proxy uses.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use memchr::memchr;

use super::call::Finished;
use crate::{
    mcp::{
        Field, Frame, Message, MessageKind, ObserverOptions, RequestId, Scanner,
        session::{method::Method, trace_parent},
    },
    model::TraceParent,
};

/// Most messages that wait for rmcp, and most calls that wait for their answer's bytes.
const MAX_WAITING: usize = 10_000;

/// The bytes of one connection.
#[derive(Debug)]
pub(super) struct Wire {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    from_client: Scanner,
    from_server: Scanner,
    /// What the client sent and rmcp has not handed on yet, in its order.
    sent: VecDeque<Sent>,
    /// Calls whose handler has answered, and whose answer is not written yet.
    unwritten: HashMap<RequestId, Box<Finished>>,
}

/// A message of the client.
#[derive(Debug)]
pub(super) struct Sent {
    kind: MessageKind,
    pub(super) id: Option<RequestId>,
    pub(super) bytes: u64,
    pub(super) at: Instant,
    /// Of requests.
    pub(super) method: Cow<'static, str>,
    pub(super) resource_name: Option<String>,
    pub(super) trace_parent: Option<TraceParent>,
}

impl Sent {
    fn read(message: &Message, at: Instant) -> Self {
        let kind = message.kind();
        let mut sent = Self {
            kind,
            id: message.id(),
            bytes: message.bytes(),
            at,
            method: Cow::Borrowed(""),
            resource_name: None,
            trace_parent: None,
        };
        if kind == MessageKind::Request
            && let Some(name) = message.text(Field::Method)
        {
            let method = Method::new(name);
            sent.resource_name = method.resource_name(message);
            sent.method = method.name;
            sent.trace_parent = trace_parent(message);
        }
        sent
    }

    pub(super) fn is_request(&self) -> bool {
        self.kind == MessageKind::Request
    }
}

impl Wire {
    pub(super) fn new() -> Self {
        // Everything that is kept of a message is bounded; no content is.
        let options = ObserverOptions::default();
        let state = State {
            from_client: Scanner::new(&options),
            from_server: Scanner::new(&options),
            sent: VecDeque::new(),
            unwritten: HashMap::new(),
        };
        Self { state: Mutex::new(state) }
    }

    /// The client's bytes; how many lines of them were no message.
    pub(super) fn read(&self, bytes: &[u8]) -> u64 {
        let now = Instant::now();
        let State { from_client, sent, .. } = &mut *self.lock();
        each_message(from_client, bytes, |message| {
            if sent.len() == MAX_WAITING {
                sent.pop_front();
            }
            sent.push_back(Sent::read(message, now));
        })
    }

    /// rmcp hands a message on: what came before it and was not handed on, and the message itself. rmcp keeps their order.
    pub(super) fn taken(&self, kind: MessageKind, id: Option<&RequestId>) -> (Vec<Sent>, Option<Sent>) {
        let sent = &mut self.lock().sent;
        let Some(place) = sent.iter().position(|sent| sent.kind == kind && sent.id.as_ref() == id) else {
            return (Vec::new(), None);
        };
        let passed = sent.drain(..place).collect();
        (passed, sent.pop_front())
    }

    /// rmcp hands on nothing more.
    pub(super) fn take_rest(&self) -> Vec<Sent> {
        self.lock().sent.drain(..).collect()
    }

    /// A handler has answered: its call waits until the answer is written. Gives back what does not wait.
    pub(super) fn hold(&self, id: RequestId, finished: Box<Finished>) -> Option<Box<Finished>> {
        let unwritten = &mut self.lock().unwritten;
        if unwritten.len() == MAX_WAITING { Some(finished) } else { unwritten.insert(id, finished) }
    }

    /// The server's bytes; hands on the calls whose answers are whole now.
    pub(super) fn written(&self, bytes: &[u8], mut end: impl FnMut(Box<Finished>)) {
        let State { from_server, unwritten, .. } = &mut *self.lock();
        each_message(from_server, bytes, |message| {
            if message.kind() == MessageKind::Response
                && let Some(id) = message.id()
                && let Some(mut finished) = unwritten.remove(&id)
            {
                finished.response_bytes = Some(message.bytes());
                end(finished);
            }
        });
    }

    /// Nothing more is written: the calls whose answers were not.
    pub(super) fn take_unwritten(&self) -> HashMap<RequestId, Box<Finished>> {
        std::mem::take(&mut self.lock().unwritten)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads on in lines; how many that ended were no message.
fn each_message(scanner: &mut Scanner, mut bytes: &[u8], mut see: impl FnMut(&Message)) -> u64 {
    let mut strays = 0;
    while let Some(end) = memchr(b'\n', bytes) {
        let mut line = &bytes[..end];
        while let Some(message) = scanner.advance(&mut line) {
            see(message);
        }
        match scanner.finish() {
            Frame::Message(message) if message.kind() != MessageKind::Other => see(message),
            Frame::Message(_) | Frame::Malformed => strays += 1,
            Frame::Blank | Frame::Batch { .. } => {}
        }
        bytes = &bytes[end + 1..];
    }
    while let Some(message) = scanner.advance(&mut bytes) {
        see(message);
    }
    strays
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(sent: &[Sent]) -> Vec<&str> {
        sent.iter().map(|sent| &*sent.method).collect()
    }

    #[test]
    fn what_is_passed_over_is_known_by_what_comes_behind_it() {
        let wire = Wire::new();
        let lines = concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
            "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\r\n",
            "no message\n{\"a\":1}\n",
            r#"[{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","id":"3","method":"x"}]"#,
            "\n",
            r#"{"jsonrpc":"2.0","id":4.0,"method":"tools/call","params":{"name":"add"}}"#,
            "\n{\"jsonrpc\":",
        );
        let strays: u64 = lines.as_bytes().chunks(7).map(|piece| wire.read(piece)).sum();
        assert_eq!(strays, 2);
        let (passed, taken) = wire.taken(MessageKind::Request, Some(&RequestId::Integer(4)));
        assert_eq!(methods(&passed), ["tools/call", "", "ping", "x"]);
        let taken = taken.unwrap();
        assert_eq!((taken.bytes, taken.resource_name.as_deref()), (72, Some("add")));
        assert!(wire.take_rest().is_empty());
        let (passed, taken) = wire.taken(MessageKind::Request, Some(&RequestId::Integer(4)));
        assert!(passed.is_empty() && taken.is_none(), "nothing is guessed");
    }

    #[test]
    fn what_waits_is_bounded() {
        let wire = Wire::new();
        for id in 0..=MAX_WAITING {
            wire.read(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n").as_bytes());
        }
        let rest = wire.take_rest();
        assert_eq!((rest.len(), rest[0].id.clone()), (MAX_WAITING, Some(RequestId::Integer(1))));
    }
}
