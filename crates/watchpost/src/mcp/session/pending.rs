//! The calls that wait for their answer, in one direction: found by id, bounded by count, size and age.
//! Source: JSON-RPC 2.0, §4 ("id").

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use super::{Method, trace_parent};
use crate::{
    mcp::{Field, Message, RequestId},
    model::TraceParent,
};

/// A request that is not yet answered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) resource_name: Option<String>,
    pub(super) started: Instant,
    pub(super) request_bytes: u64,
    pub(super) tool_call_id: Option<String>,
    pub(super) trace_parent: Option<TraceParent>,
    pub(super) arguments: Option<String>,
    /// Whether its answer may have passed unobserved.
    pub(super) in_doubt: bool,
}

impl Call {
    /// The call that `message` opens, if it is a request.
    pub(super) fn new(message: &Message, started: Instant) -> Option<Self> {
        let method = Method::new(message.text(Field::Method)?);
        Some(Self {
            id: message.id()?,
            resource_name: method.resource_name(message),
            method,
            started,
            request_bytes: message.bytes(),
            tool_call_id: message.text(Field::ToolUseId).map(str::to_owned),
            trace_parent: trace_parent(message),
            arguments: message.text(Field::Arguments).map(str::to_owned),
            in_doubt: false,
        })
    }

    /// Bytes it holds.
    fn size(&self) -> usize {
        let texts = [&self.resource_name, &self.tool_call_id, &self.arguments];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        // The id is kept twice: here and as the key.
        size_of::<Self>() + 2 * self.id.heap_bytes() + self.method.name.len() + texts
    }
}

/// The open calls of one direction, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: BTreeMap<u64, Box<Call>>,
    by_id: HashMap<RequestId, Sequence>,
    next: u64,
    /// Calls before this one may have been answered unobserved.
    doubted: u64,
    bytes: usize,
}

/// The calls of one id, oldest first. More than one is a fault of the peer, but none may be lost for it.
#[derive(Debug)]
struct Sequence {
    first: u64,
    rest: VecDeque<u64>,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Adds a call; returns the oldest ones that had to go for it.
    pub(super) fn insert(&mut self, call: Call, max_calls: usize, max_bytes: usize) -> Vec<Call> {
        let number = self.next;
        self.next += 1;
        match self.by_id.entry(call.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Sequence { first: number, rest: VecDeque::new() });
            }
            Entry::Occupied(mut entry) => entry.get_mut().rest.push_back(number),
        }
        self.bytes += call.size();
        self.calls.insert(number, Box::new(call));

        let mut evicted = Vec::new();
        // The new call stays, however large it is.
        while self.calls.len() > 1 && (self.calls.len() > max_calls || self.bytes > max_bytes) {
            let oldest = self.calls.keys().next().copied();
            evicted.extend(oldest.and_then(|number| self.remove(number)));
        }
        evicted
    }

    /// Takes the oldest call of `id`.
    pub(super) fn take(&mut self, id: &RequestId) -> Option<Call> {
        let number = self.by_id.get(id)?.first;
        self.remove(number)
    }

    /// Takes the calls made more than `age` before `now`, except those that are meant to last.
    pub(super) fn take_older(&mut self, now: Instant, age: Duration) -> Vec<Call> {
        let older = self.calls.iter().take_while(|(_, call)| now.saturating_duration_since(call.started) > age);
        let numbers: Vec<_> = older.filter(|(_, call)| !call.method.lasts()).map(|(&number, _)| number).collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Takes all calls.
    pub(super) fn take_all(&mut self) -> Vec<Call> {
        let numbers: Vec<_> = self.calls.keys().copied().collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// The calls open now may have been answered unobserved.
    pub(super) const fn doubt(&mut self) {
        self.doubted = self.next;
    }

    fn remove(&mut self, number: u64) -> Option<Call> {
        let mut call = *self.calls.remove(&number)?;
        self.bytes -= call.size();
        call.in_doubt = number < self.doubted;
        if let Entry::Occupied(mut entry) = self.by_id.entry(call.id.clone()) {
            let sequence = entry.get_mut();
            if sequence.first != number {
                sequence.rest.retain(|&other| other != number);
            } else if let Some(next) = sequence.rest.pop_front() {
                sequence.first = next;
            } else {
                entry.remove();
            }
        }
        Some(call)
    }
}
