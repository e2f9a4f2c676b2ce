//! The calls of tools that a generation made, each once, whoever tells of it: pieces of the answer, the answer, the calls of the
//! model it is made of, the tools' spans. Nothing is copied before all have told.

use std::{borrow::Cow, cmp::Reverse};

use watchpost_sentry::wire::Timestamp;

use super::{facts::ToolCall, output::Output};
use crate::{
    json::{self, elements, last, sorted},
    model::{GatheredToolCall, Payload},
};

/// Who told of a call. The same source tells of two calls when it does so twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Span = 1,
    Chunk = 2,
    Generation = 4,
    Inference = 8,
    Step = 16,
}

#[derive(Default)]
pub(super) struct ToolCalls<'a> {
    calls: Vec<Told<'a>>,
}

/// A call, of all that was told of it.
struct Told<'a> {
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    arguments: Option<Arguments<'a>>,
    at: Timestamp,
    sources: u8,
    /// The JSON that told of it with its id first.
    json: Option<&'a str>,
    /// The place of its span, if that has no id.
    without_id: Option<usize>,
}

enum Arguments<'a> {
    Given(&'a Payload),
    /// JSON.
    Listed(&'a str),
}

impl<'a> ToolCalls<'a> {
    /// The calls that an output lists.
    pub(super) fn add_listed(&mut self, output: &Output<'a>, at: Timestamp, source: Source) {
        for json in output.tool_calls.into_iter().flat_map(elements) {
            self.add_json(json, at, source);
        }
    }

    /// The call that a piece of an answer is.
    pub(super) fn add_chunk(&mut self, output: &'a Payload, at: Timestamp) {
        if output.is_json() {
            self.add_json(output.as_str(), at, Source::Chunk);
        }
    }

    /// Most calls are told of several times in the same words.
    fn add_json(&mut self, json: &'a str, at: Timestamp, source: Source) {
        if let Some(told) = self.calls.iter_mut().find(|told| told.json == Some(json)) {
            told.sources |= source as u8;
            told.at = told.at.min(at);
        } else if let Some(call) = listed(json, at, source) {
            let has_id = call.id.is_some();
            let place = self.add(call);
            let told = &mut self.calls[place];
            told.json = told.json.or(Some(json).filter(|_| has_id));
        }
    }

    /// The call that the tool's span at this place is of.
    pub(super) fn add_span(&mut self, call: ToolCall<'a>, at: Timestamp, place: usize) {
        let has_id = call.id.is_some();
        let told = self.add(Told {
            id: call.id.map(Cow::Borrowed),
            name: Cow::Borrowed(call.name),
            arguments: call.arguments.map(Arguments::Given),
            at,
            sources: Source::Span as u8,
            json: None,
            without_id: None,
        });
        self.calls[told].without_id = (!has_id).then_some(place);
    }

    /// The places of the spans that have no id of their own, each with the one that others told of.
    pub(super) fn ids_of_spans(&self) -> impl Iterator<Item = (usize, &str)> {
        self.calls.iter().filter_map(|told| Some((told.without_id?, told.id.as_deref()?)))
    }

    /// Gives the place of the call.
    fn add(&mut self, call: Told<'a>) -> usize {
        let by_id = |told: &Told<'_>| call.id.is_some() && told.id == call.id;
        // Older tool spans have no id: the listed call of that name that has no span yet is theirs.
        let by_name = |told: &Told<'_>| {
            told.sources & call.sources == 0 && (told.id.is_none() || call.id.is_none()) && told.name == call.name
        };
        let same = self.calls.iter().position(by_id).or_else(|| self.calls.iter().position(by_name));
        let Some(same) = same else {
            self.calls.push(call);
            return self.calls.len() - 1;
        };
        let told = &mut self.calls[same];
        told.sources |= call.sources;
        told.at = told.at.min(call.at);
        told.id = told.id.take().or(call.id);
        told.arguments = told.arguments.take().or(call.arguments);
        same
    }

    pub(super) fn in_order(mut self) -> Vec<GatheredToolCall> {
        self.calls.sort_by_key(|told| (told.at, Reverse(told.sources & Source::Span as u8)));
        let gathered = |told: Told<'_>| GatheredToolCall {
            id: told.id.map(|id| (*id).into()),
            name: (*told.name).into(),
            arguments: told.arguments.and_then(Arguments::into_payload),
        };
        self.calls.into_iter().map(gathered).collect()
    }
}

impl Arguments<'_> {
    fn into_payload(self) -> Option<Payload> {
        match self {
            Self::Given(payload) => Some(payload.clone()),
            Self::Listed(text) if text.starts_with('"') => json::text(text).map(|text| Payload::text(&*text)),
            Self::Listed(json) => sorted(json).map(Payload::of_checked),
        }
    }
}

/// A call as an answer lists it: `{toolCallId, toolName, args}`, with the newer `input`, a chunk's `toolInput`, or all of it
/// under `payload`.
fn listed(json: &str, at: Timestamp, source: Source) -> Option<Told<'_>> {
    const NAMES: [&str; 9] =
        ["payload", "toolCallId", "id", "toolName", "name", "args", "input", "toolInput", "arguments"];
    let mut members = last(json, NAMES);
    if let Some(payload) = members[0].filter(|payload| payload.starts_with('{')) {
        members = last(payload, NAMES);
    }
    let [_, tool_call_id, id, tool_name, name, arguments @ ..] = members;
    Some(Told {
        id: filled(tool_call_id).or_else(|| filled(id)),
        name: filled(tool_name).or_else(|| filled(name))?,
        arguments: arguments.into_iter().flatten().next().filter(|json| *json != "null").map(Arguments::Listed),
        at,
        sources: source as u8,
        json: None,
        without_id: None,
    })
}

/// A text that is not empty.
fn filled(json: Option<&str>) -> Option<Cow<'_, str>> {
    json::text(json?).filter(|text| !text.is_empty())
}
