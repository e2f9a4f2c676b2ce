//! What a generation and an agent's run take from the spans below them. Source: seed 004 ("Their data is aggregated into
//! MODEL_GENERATION spans", the lists of attributes), research on Mastra's events, both generations.

use std::{borrow::Cow, cmp::Reverse};

use serde::Deserialize;
use serde_json::Value;
use watchpost_sentry::wire::Timestamp;

use super::{
    facts::{MAX_KEPT_CONTENT, ModelCall},
    node::Role,
    table::Table,
};
use crate::model::{Gathered, GatheredToolCall, Payload, Text, UsageStats};

/// The spans of a trace, each with what is below it.
pub(super) struct Family<'a> {
    table: &'a Table,
    /// The tools' spans without an id, with the one that the answer has for their call.
    pub(super) call_ids: Vec<(usize, Text)>,
}

/// What is below a generation, up to the next tool, generation or agent.
#[derive(Default)]
struct Below {
    /// Its steps,
    steps: Vec<usize>,
    /// its inferences, each with the step it is in,
    inferences: Vec<(usize, Option<usize>)>,
    chunks: Vec<usize>,
    tools: Vec<usize>,
}

impl<'a> Family<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self { table, call_ids: Vec::new() }
    }

    /// What is known of a span from those below it.
    pub(super) fn gathered(&mut self, at: usize) -> Gathered {
        match self.table.nodes[at].role {
            Role::Generation => self.of_generation(at),
            Role::Agent => self.of_agent(at),
            _ => Gathered::default(),
        }
    }

    fn below(&self, generation: usize) -> Below {
        let nodes = &self.table.nodes;
        let mut below = Below::default();
        self.table.walk(generation, None, |at, step| match nodes[at].role {
            Role::Agent | Role::Generation => None,
            Role::Tool => {
                below.tools.push(at);
                None
            }
            Role::Step => {
                below.steps.push(at);
                Some(Some(at))
            }
            Role::Inference => {
                below.inferences.push((at, step));
                Some(step)
            }
            Role::Chunk => {
                below.chunks.push(at);
                Some(step)
            }
            Role::Other => Some(step),
        });
        below.steps.sort_by_key(|at| (self.call(*at).step_index, nodes[*at].start, *at));
        below.inferences.sort_by_key(|(at, _)| (self.call(*at).step_index, nodes[*at].start, *at));
        let sequence = |at: &usize| {
            let parent = nodes[*at].parent.and_then(|parent| self.table.place(parent));
            let chunk = nodes[*at].chunk();
            (parent.map(|parent| nodes[parent].start), chunk.and_then(|chunk| chunk.sequence), nodes[*at].start, *at)
        };
        below.chunks.sort_by_key(sequence);
        below.tools.sort_by_key(|at| (nodes[*at].start, *at));
        below
    }

    fn call(&self, at: usize) -> ModelCall<'a> {
        let table: &'a Table = self.table;
        table.nodes[at].model_call()
    }

    fn of_generation(&mut self, at: usize) -> Gathered {
        let below = self.below(at);
        let own = self.call(at);
        let text = if own.output.is_some_and(has_text) { None } else { self.text_below(&below) };
        Gathered {
            usage: self.usage(own, &below).or(own.internal_usage.copied()),
            text,
            finish_reasons: self.finish_reasons(own, &below),
            first_token_at: self.first_token_at(own, &below),
            tool_calls: self.tool_calls(at, &below),
            steps: if below.steps.is_empty() { below.inferences.len() } else { below.steps.len() } as u64,
            ..self.models(own, &below)
        }
    }

    /// The models and the provider: its own, else those of its last inference that names any.
    fn models(&self, own: ModelCall<'_>, below: &Below) -> Gathered {
        let name = |own: Option<&str>, pick: fn(ModelCall<'a>) -> Option<&'a str>| {
            let last = || below.inferences.iter().rev().find_map(|(at, _)| pick(self.call(*at)));
            own.or_else(last).map(Text::from)
        };
        Gathered {
            request_model: name(own.request_model, |call| call.request_model),
            response_model: name(own.response_model, |call| call.response_model),
            provider: name(own.provider, |call| call.provider),
            ..Gathered::default()
        }
    }

    /// Its own, else of each step that of its inferences, else the step's: never two of them.
    fn usage(&self, own: ModelCall<'_>, below: &Below) -> Option<UsageStats> {
        if let Some(usage) = own.usage {
            return Some(*usage);
        }
        let inferences = |of: Option<usize>| {
            let usages = below.inferences.iter().filter(move |(_, step)| *step == of);
            total(usages.filter_map(|(at, _)| self.call(*at).usage.copied()))
        };
        let steps = below.steps.iter().filter_map(|step| inferences(Some(*step)).or(self.call(*step).usage.copied()));
        total(steps.chain(inferences(None)))
    }

    fn finish_reasons(&self, own: ModelCall<'_>, below: &Below) -> Vec<Text> {
        let of_inference = |step: usize| {
            let mut inferences = below.inferences.iter().rev().filter(|(_, of)| *of == Some(step));
            inferences.find_map(|(at, _)| self.call(*at).finish_reason)
        };
        let loose = below.inferences.iter().filter(|(_, step)| step.is_none());
        let mut reasons: Vec<Text> = below
            .steps
            .iter()
            .filter_map(|step| self.call(*step).finish_reason.or_else(|| of_inference(*step)))
            .chain(loose.filter_map(|(at, _)| self.call(*at).finish_reason))
            .map(Text::from)
            .collect();
        // Its own is how the last step ended, which may not have been recorded.
        if own.finish_reason.is_some_and(|own| reasons.last().is_none_or(|last| last != own)) {
            reasons.extend(own.finish_reason.map(Text::from));
        }
        reasons
    }

    fn first_token_at(&self, own: ModelCall<'_>, below: &Below) -> Option<Timestamp> {
        let inferences = below.inferences.iter().filter_map(|(at, _)| self.call(*at).first_token_at);
        let chunks = below.chunks.iter().map(|at| self.table.nodes[*at].start);
        own.first_token_at.or_else(|| inferences.min()).or_else(|| chunks.min())
    }

    /// The answer as it came in pieces, else that of the last inference or step.
    fn text_below(&self, below: &Below) -> Option<Text> {
        let mut text = String::new();
        for chunk in below.chunks.iter().filter_map(|at| self.table.nodes[*at].chunk()) {
            if chunk.kind.as_deref().is_none_or(|kind| kind.starts_with("text")) {
                text.push_str(&chunk.output.as_ref().and_then(text_of).unwrap_or_default());
                if text.len() >= MAX_KEPT_CONTENT {
                    let end = (0..=MAX_KEPT_CONTENT).rev().find(|end| text.is_char_boundary(*end));
                    text.truncate(end.unwrap_or(0));
                    break;
                }
            }
        }
        if !text.is_empty() {
            return Some(text.into());
        }
        let inferences = below.inferences.iter().rev().map(|(at, _)| *at);
        let mut calls = inferences.chain(below.steps.iter().rev().copied());
        calls.find_map(|at| self.call(at).output.and_then(text_of)).map(Text::from)
    }

    fn tool_calls(&mut self, generation: usize, below: &Below) -> Vec<GatheredToolCall> {
        let nodes = &self.table.nodes;
        let mut calls = ToolCalls::default();
        for at in &below.chunks {
            let Some(chunk) = nodes[*at].chunk() else { continue };
            if chunk.kind.as_deref() == Some("tool-call")
                && let Some(call) = chunk.output.as_ref().and_then(|output| listed_call(&output.to_value()))
            {
                calls.add(call, nodes[*at].start, Source::Chunk);
            }
        }
        let at = |place: usize| nodes[place].end.unwrap_or(nodes[place].start);
        calls.add_listed(self.call(generation).output, at(generation), Source::Generation);
        for (place, source) in below
            .inferences
            .iter()
            .map(|(place, _)| (*place, Source::Inference))
            .chain(below.steps.iter().map(|place| (*place, Source::Step)))
        {
            calls.add_listed(self.call(place).output, at(place), source);
        }
        for place in &below.tools {
            if let Some(call) = nodes[*place].tool_call() {
                let told = calls.add(call, nodes[*place].start, Source::Span);
                if let Some(told) = calls.calls.get_mut(told) {
                    told.span = Some(*place);
                }
            }
        }
        self.call_ids.extend(calls.calls.iter().filter_map(|told| Some((told.span?, told.call.id.clone()?))));
        calls.in_order()
    }

    fn of_agent(&self, at: usize) -> Gathered {
        let nodes = &self.table.nodes;
        let (mut generations, mut loose, mut internal) = (Vec::new(), Below::default(), Vec::new());
        internal.extend(self.internal_usage(at));
        // Whether a generation counts what is below already, and the step it is in.
        self.table.walk(at, (false, None), |at, (counted, step)| {
            let role = nodes[at].role;
            if role == Role::Agent {
                return None;
            }
            internal.extend(self.internal_usage(at));
            match role {
                Role::Generation => {
                    generations.push(at);
                    return Some((true, None));
                }
                Role::Tool => return Some((false, None)),
                Role::Step if !counted => {
                    loose.steps.push(at);
                    return Some((false, Some(at)));
                }
                Role::Inference if !counted => loose.inferences.push((at, step)),
                _ => {}
            }
            Some((counted, step))
        });
        generations.sort_by_key(|at| (nodes[*at].end.is_none(), nodes[*at].end, nodes[*at].start, *at));
        let generations: Vec<(ModelCall<'_>, Below)> =
            generations.into_iter().map(|at| (self.call(at), self.below(at))).collect();
        let loose_usage = self.usage(ModelCall::default(), &loose);
        // What the source rolled up of spans it hides is not counted beside the same spans.
        let internal = if loose_usage.is_some() { None } else { total(internal.into_iter()) };
        let usages = generations.iter().filter_map(|(call, below)| self.usage(*call, below));
        let text = |(call, below): &(ModelCall<'_>, Below)| {
            call.output.and_then(text_of).map(Text::from).or_else(|| self.text_below(below))
        };
        let latest = generations.iter().rev().map(|(call, below)| (self.models(*call, below), call, below));
        let mut naming =
            latest.filter(|(models, ..)| models.request_model.is_some() || models.response_model.is_some());
        let (models, finish_reasons) = match naming.next() {
            Some((models, call, below)) => (models, self.finish_reasons(*call, below)),
            None => Default::default(),
        };
        Gathered {
            usage: total(usages.chain(loose_usage).chain(internal)),
            text: generations.iter().rev().find_map(text),
            finish_reasons,
            first_token_at: generations.iter().filter_map(|(call, below)| self.first_token_at(*call, below)).min(),
            steps: generations.iter().map(|(_, below)| below.steps.len() as u64).sum(),
            ..models
        }
    }

    fn internal_usage(&self, at: usize) -> Option<UsageStats> {
        match &self.table.nodes[at].body {
            super::node::Body::Whole(span) => span.attributes.internal_usage().copied(),
            super::node::Body::Model(_) => self.call(at).internal_usage.copied(),
            _ => None,
        }
    }
}

/// The sum, if there is anything to add up.
fn total(usages: impl Iterator<Item = UsageStats>) -> Option<UsageStats> {
    usages.reduce(|a, b| a + b)
}

/// The text of a model's output, if it has any: the output itself, or its `text`.
fn text_of(output: &Payload) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Read<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }

    let text = if output.is_json() {
        serde_json::from_str::<Read<'_>>(output.as_str()).ok()?.text
    } else {
        Cow::Borrowed(output.as_str())
    };
    (!text.is_empty()).then_some(text)
}

fn has_text(output: &Payload) -> bool {
    text_of(output).is_some()
}

/// The calls that a model's output lists.
fn calls_of(output: &Payload) -> Vec<Value> {
    #[derive(Deserialize)]
    struct Read {
        #[serde(rename = "toolCalls")]
        tool_calls: Vec<Value>,
    }

    // Most outputs list none: that is seen without reading them.
    let lists_any = output.is_json()
        && output.as_str().split_once("\"toolCalls\"").is_some_and(|(_, rest)| {
            let rest = rest.trim_start_matches([' ', '\n', '\r', '\t', ':']);
            rest.strip_prefix('[').is_some_and(|rest| !rest.trim_start().starts_with(']'))
        });
    if !lists_any {
        return Vec::new();
    }
    serde_json::from_str::<Read>(output.as_str()).map(|read| read.tool_calls).unwrap_or_default()
}

/// A call as an answer lists it: `{toolCallId, toolName, args}`, with the newer `input`, a chunk's `toolInput`, or all of it
/// under `payload`.
fn listed_call(value: &Value) -> Option<GatheredToolCall> {
    let members = match value.get("payload") {
        Some(payload) if payload.is_object() => payload,
        _ => value,
    };
    let text = |key: &str| members.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Text::from);
    let arguments = ["args", "input", "toolInput", "arguments"].into_iter().find_map(|key| members.get(key));
    Some(GatheredToolCall {
        id: text("toolCallId").or_else(|| text("id")),
        name: text("toolName").or_else(|| text("name"))?,
        arguments: arguments.filter(|arguments| !arguments.is_null()).map(Payload::from),
    })
}

/// Who told of a call. The same source tells of two calls when it does so twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Span = 1,
    Chunk = 2,
    Generation = 4,
    Inference = 8,
    Step = 16,
}

#[derive(Default)]
struct ToolCalls {
    calls: Vec<ToldCall>,
}

struct ToldCall {
    call: GatheredToolCall,
    at: Timestamp,
    sources: u8,
    /// The place of its span.
    span: Option<usize>,
}

impl ToolCalls {
    fn add_listed(&mut self, output: Option<&Payload>, at: Timestamp, source: Source) {
        for call in output.map(calls_of).unwrap_or_default().iter().filter_map(listed_call) {
            self.add(call, at, source);
        }
    }

    /// Gives the place of the call.
    fn add(&mut self, call: GatheredToolCall, at: Timestamp, source: Source) -> usize {
        let bit = source as u8;
        let by_id = |told: &ToldCall| call.id.is_some() && told.call.id == call.id;
        // Older tool spans have no id: the listed call of that name that has no span yet is theirs.
        let by_name = |told: &ToldCall| {
            told.sources & bit == 0 && told.call.name == call.name && (told.call.id.is_none() || call.id.is_none())
        };
        let same = self.calls.iter().position(by_id).or_else(|| self.calls.iter().position(by_name));
        match same {
            Some(same) => {
                let told = &mut self.calls[same];
                told.sources |= bit;
                told.at = told.at.min(at);
                told.call.id = told.call.id.take().or(call.id);
                told.call.arguments = told.call.arguments.take().or(call.arguments);
                same
            }
            None => {
                self.calls.push(ToldCall { call, at, sources: bit, span: None });
                self.calls.len() - 1
            }
        }
    }

    fn in_order(mut self) -> Vec<GatheredToolCall> {
        self.calls.sort_by_key(|told| (told.at, Reverse(told.sources & Source::Span as u8)));
        self.calls.into_iter().map(|told| told.call).collect()
    }
}
