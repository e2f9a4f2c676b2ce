//! What a generation and an agent's run take from the spans below them. Source: seed 004 ("Their data is aggregated into
//! MODEL_GENERATION spans", the lists of attributes), research on Mastra's events, both generations.

use std::{borrow::Cow, rc::Rc};

use watchpost_sentry::wire::Timestamp;

use super::{
    facts::{MAX_KEPT_CONTENT, ModelCall},
    node::Role,
    output::Output,
    table::Table,
    tool_calls::{Source, ToolCalls},
};
use crate::model::{Gathered, GatheredToolCall, Text, UsageStats};

/// The spans of a trace, each with what is below it.
pub(super) struct Family<'a> {
    table: &'a Table,
    /// What is below each generation, once somebody asked for it: it itself, and the agent it belongs to.
    below: Vec<Option<Rc<Below>>>,
    /// The tools' spans without an id, with the one that the answer has for their call.
    pub(super) call_ids: Vec<(usize, Text)>,
}

/// What is below a generation, up to the next tool, generation or agent, each kind in its order.
#[derive(Debug, Default)]
struct Below {
    steps: Vec<Call>,
    inferences: Vec<Call>,
    chunks: Vec<Chunk>,
    tools: Vec<(Timestamp, usize)>,
}

/// A step or an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    index: Option<u64>,
    start: Timestamp,
    at: usize,
    /// The place of the step that an inference is in.
    step: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chunk {
    parent_start: Timestamp,
    sequence: Option<u64>,
    start: Timestamp,
    at: usize,
}

/// The names that a call of a model goes by.
#[derive(Default)]
struct Models<'a> {
    request_model: Option<&'a str>,
    response_model: Option<&'a str>,
    provider: Option<&'a str>,
}

impl<'a> Family<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self { table, below: Vec::new(), call_ids: Vec::new() }
    }

    /// What is known of a span from those below it.
    pub(super) fn gathered(&mut self, at: usize) -> Gathered {
        match self.table.nodes[at].role {
            Role::Generation => self.of_generation(at),
            Role::Agent => self.of_agent(at),
            _ => Gathered::default(),
        }
    }

    fn below(&mut self, generation: usize) -> Rc<Below> {
        if self.below.is_empty() {
            self.below.resize_with(self.table.nodes.len(), || None);
        }
        if let Some(known) = &self.below[generation] {
            return Rc::clone(known);
        }
        let below = Rc::new(self.look_below(generation));
        self.below[generation] = Some(Rc::clone(&below));
        below
    }

    fn look_below(&self, generation: usize) -> Below {
        let nodes = &self.table.nodes;
        let mut below = Below::default();
        self.table.walk(generation, (None, nodes[generation].start), |at, (step, parent_start)| {
            let node = &nodes[at];
            let start = node.start;
            let call = |step| Call { index: self.call(at).step_index, start, at, step };
            match node.role {
                Role::Agent | Role::Generation => return None,
                Role::Tool => {
                    below.tools.push((start, at));
                    return None;
                }
                Role::Step => {
                    below.steps.push(call(None));
                    return Some((Some(at), start));
                }
                Role::Inference => below.inferences.push(call(step)),
                Role::Chunk => {
                    let sequence = node.chunk().and_then(|chunk| chunk.sequence);
                    below.chunks.push(Chunk { parent_start, sequence, start, at });
                }
                Role::Other => {}
            }
            Some((step, start))
        });
        below.steps.sort_unstable();
        below.inferences.sort_unstable();
        below.chunks.sort_unstable();
        below.tools.sort_unstable();
        below
    }

    fn call(&self, at: usize) -> ModelCall<'a> {
        let table: &'a Table = self.table;
        table.nodes[at].model_call()
    }

    fn of_generation(&mut self, at: usize) -> Gathered {
        let below = self.below(at);
        let own = self.call(at);
        let output = own.output.map(Output::read).unwrap_or_default();
        let text = if output.text().is_some() { None } else { self.text_below(&below) };
        let models = self.models(own, &below);
        Gathered {
            usage: self.usage(own, &below).or(own.internal_usage.copied()),
            request_model: models.request_model.map(Into::into),
            response_model: models.response_model.map(Into::into),
            provider: models.provider.map(Into::into),
            text,
            finish_reasons: self.finish_reasons(own, &below).into_iter().map(Into::into).collect(),
            first_token_at: self.first_token_at(own, &below),
            tool_calls: self.tool_calls(at, &output, &below),
            steps: if below.steps.is_empty() { below.inferences.len() } else { below.steps.len() } as u64,
        }
    }

    /// The models and the provider: its own, else those of its last inference that names any.
    fn models(&self, own: ModelCall<'a>, below: &Below) -> Models<'a> {
        let name = |pick: fn(ModelCall<'a>) -> Option<&'a str>| {
            pick(own).or_else(|| below.inferences.iter().rev().find_map(|call| pick(self.call(call.at))))
        };
        Models {
            request_model: name(|call| call.request_model),
            response_model: name(|call| call.response_model),
            provider: name(|call| call.provider),
        }
    }

    /// Its own, else of each step that of its inferences, else the step's: never two of them.
    fn usage(&self, own: ModelCall<'_>, below: &Below) -> Option<UsageStats> {
        if let Some(usage) = own.usage {
            return Some(*usage);
        }
        let inferences = |of: Option<usize>| {
            let usages = below.inferences.iter().filter(move |call| call.step == of);
            total(usages.filter_map(|call| self.call(call.at).usage.copied()))
        };
        let steps =
            below.steps.iter().filter_map(|step| inferences(Some(step.at)).or(self.call(step.at).usage.copied()));
        total(steps.chain(inferences(None)))
    }

    fn finish_reasons(&self, own: ModelCall<'a>, below: &Below) -> Vec<&'a str> {
        let of_inference = |step: usize| {
            let mut inferences = below.inferences.iter().rev().filter(|call| call.step == Some(step));
            inferences.find_map(|call| self.call(call.at).finish_reason)
        };
        let loose = below.inferences.iter().filter(|call| call.step.is_none());
        let mut reasons: Vec<&str> = below
            .steps
            .iter()
            .filter_map(|step| self.call(step.at).finish_reason.or_else(|| of_inference(step.at)))
            .chain(loose.filter_map(|call| self.call(call.at).finish_reason))
            .collect();
        // Its own is how the last step ended, which may not have been recorded.
        reasons.extend(own.finish_reason.filter(|own| reasons.last() != Some(own)));
        reasons
    }

    fn first_token_at(&self, own: ModelCall<'_>, below: &Below) -> Option<Timestamp> {
        let inferences = || below.inferences.iter().filter_map(|call| self.call(call.at).first_token_at).min();
        let chunks = || below.chunks.iter().map(|chunk| chunk.start).min();
        own.first_token_at.or_else(inferences).or_else(chunks)
    }

    /// The answer as it came in pieces, else that of the last inference or step.
    fn text_below(&self, below: &Below) -> Option<Text> {
        let mut text = String::new();
        for chunk in below.chunks.iter().filter_map(|chunk| self.table.nodes[chunk.at].chunk()) {
            if chunk.kind.as_deref().is_none_or(|kind| kind.starts_with("text")) {
                text.push_str(
                    &chunk.output.as_ref().and_then(|output| Output::read(output).text()).unwrap_or_default(),
                );
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
        let mut calls = below.inferences.iter().rev().chain(below.steps.iter().rev());
        calls.find_map(|call| self.text_of(self.call(call.at))).map(Text::from)
    }

    fn text_of(&self, call: ModelCall<'a>) -> Option<Cow<'a, str>> {
        call.output.and_then(|output| Output::read(output).text())
    }

    fn tool_calls(&mut self, generation: usize, output: &Output<'a>, below: &Below) -> Vec<GatheredToolCall> {
        let nodes: &'a [_] = &self.table.nodes;
        let mut calls = ToolCalls::default();
        for at in below.chunks.iter().map(|chunk| chunk.at) {
            if let Some(chunk) = nodes[at].chunk()
                && chunk.kind.as_deref() == Some("tool-call")
                && let Some(output) = &chunk.output
            {
                calls.add_chunk(output, nodes[at].start);
            }
        }
        let at = |place: usize| nodes[place].end.unwrap_or(nodes[place].start);
        calls.add_listed(output, at(generation), Source::Generation);
        for (call, source) in below
            .inferences
            .iter()
            .map(|call| (call, Source::Inference))
            .chain(below.steps.iter().map(|call| (call, Source::Step)))
        {
            if let Some(output) = self.call(call.at).output {
                calls.add_listed(&Output::read(output), at(call.at), source);
            }
        }
        for (start, place) in &below.tools {
            if let Some(call) = nodes[*place].tool_call() {
                calls.add_span(call, *start, *place);
            }
        }
        self.call_ids.extend(calls.ids_of_spans().map(|(place, id)| (place, id.into())));
        calls.in_order()
    }

    fn of_agent(&mut self, at: usize) -> Gathered {
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
                    loose.steps.push(Call { index: None, start: nodes[at].start, at, step: None });
                    return Some((false, Some(at)));
                }
                Role::Inference if !counted => {
                    loose.inferences.push(Call { index: None, start: nodes[at].start, at, step });
                }
                _ => {}
            }
            Some((counted, step))
        });
        generations.sort_by_key(|at| (nodes[*at].end.is_none(), nodes[*at].end, nodes[*at].start, *at));
        let generations: Vec<(ModelCall<'a>, Rc<Below>)> =
            generations.into_iter().map(|at| (self.call(at), self.below(at))).collect();
        let loose_usage = self.usage(ModelCall::default(), &loose);
        // What the source rolled up of spans it hides is not counted beside the same spans.
        let internal = if loose_usage.is_some() { None } else { total(internal.into_iter()) };
        let usages = generations.iter().filter_map(|(call, below)| self.usage(*call, below));
        let text = |(call, below): &(ModelCall<'a>, Rc<Below>)| {
            self.text_of(*call).map(Text::from).or_else(|| self.text_below(below))
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
            request_model: models.request_model.map(Into::into),
            response_model: models.response_model.map(Into::into),
            provider: models.provider.map(Into::into),
            text: generations.iter().rev().find_map(text),
            finish_reasons: finish_reasons.into_iter().map(Into::into).collect(),
            first_token_at: generations.iter().filter_map(|(call, below)| self.first_token_at(*call, below)).min(),
            tool_calls: Vec::new(),
            steps: generations.iter().map(|(_, below)| below.steps.len() as u64).sum(),
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
