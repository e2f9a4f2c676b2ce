//! What is known about the application's spans without asking Watchpost: the events themselves, as Mastra gave them to an
//! exporter that only writes them down.

use std::collections::HashMap;

use serde_json::Value;
use watchpost_sentry::wire::Timestamp;

use crate::Failure;

/// Types whose spans are not sent: seed 004's two, and the inference that is a step's only child today.
const SKIPPED: &[&str] = &["model_step", "model_chunk", "model_inference"];

/// A span as its last event has it.
pub(super) struct Known {
    value: Value,
}

/// Every span of the run, in the order of the starts, and how they hang together.
pub(super) struct Forest {
    spans: Vec<Known>,
    by_id: HashMap<String, usize>,
}

impl Known {
    /// A member of the exported span.
    pub(super) fn get(&self, name: &str) -> &Value {
        &self.value[name]
    }

    /// One of its attributes.
    pub(super) fn attribute(&self, name: &str) -> &Value {
        &self.value["attributes"][name]
    }

    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    pub(super) fn trace(&self) -> &str {
        self.text("traceId")
    }

    pub(super) fn ty(&self) -> &str {
        self.text("type")
    }

    /// What a finding calls it.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.ty(), self.text("name"))
    }

    pub(super) fn is_kept(&self) -> bool {
        !SKIPPED.contains(&self.ty())
    }

    /// The message it failed with.
    pub(super) fn failure(&self) -> Option<&str> {
        self.value["errorInfo"]["message"].as_str()
    }

    /// A moment in seconds since 1970.
    pub(super) fn moment(&self, name: &str) -> Option<f64> {
        seconds(&self.value[name])
    }

    /// The text of its output: of a model, of an agent.
    pub(super) fn output_text(&self) -> &Value {
        &self.value["output"]["text"]
    }

    fn text(&self, name: &str) -> &str {
        self.value[name].as_str().unwrap_or_default()
    }
}

/// A moment as Mastra writes it, in seconds since 1970.
pub(super) fn seconds(moment: &Value) -> Option<f64> {
    let moment = Timestamp::parse(moment.as_str()?)?;
    Some(moment.duration_since(Timestamp::parse("1970-01-01T00:00:00Z")?).as_secs_f64())
}

impl Forest {
    /// Reads the events' lines.
    pub(super) fn read(lines: &str) -> Result<Self, Failure> {
        let mut forest = Self { spans: Vec::new(), by_id: HashMap::new() };
        for line in lines.lines() {
            let mut event: Value = serde_json::from_str(line)?;
            let known = Known { value: event["exportedSpan"].take() };
            match forest.by_id.get(known.id()) {
                Some(&at) => forest.spans[at] = known,
                None => {
                    forest.by_id.insert(known.id().to_owned(), forest.spans.len());
                    forest.spans.push(known);
                }
            }
        }
        Ok(forest)
    }

    /// The spans that are to be sent.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Known> {
        self.spans.iter().filter(|span| span.is_kept())
    }

    /// All spans.
    pub(super) fn all(&self) -> &[Known] {
        &self.spans
    }

    /// The nearest span above that is to be sent.
    pub(super) fn kept_parent<'a>(&'a self, span: &Known) -> Option<&'a Known> {
        self.above(span).find(|parent| parent.is_kept())
    }

    /// The generations that are an agent's own: those of an agent below it are not.
    pub(super) fn own_generations(&self, agent: &Known) -> Vec<&Known> {
        let is_own = |span: &&Known| {
            self.above(span).find(|parent| parent.ty() == "agent_run").is_some_and(|nearest| nearest.id() == agent.id())
        };
        self.spans.iter().filter(|span| span.ty() == "model_generation").filter(is_own).collect()
    }

    /// The tools that a generation called, in order.
    pub(super) fn tools(&self, generation: &Known) -> Vec<&Known> {
        let is_tool = |span: &&Known| span.ty().ends_with("tool_call");
        let is_called = |span: &&Known| self.kept_parent(span).is_some_and(|parent| parent.id() == generation.id());
        self.spans.iter().filter(is_tool).filter(is_called).collect()
    }

    /// The steps of a generation, in order.
    pub(super) fn steps(&self, generation: &Known) -> Vec<&Known> {
        let is_below = |span: &&Known| span.get("parentSpanId") == generation.get("id");
        self.spans.iter().filter(|span| span.ty() == "model_step").filter(is_below).collect()
    }

    /// The failures: of the spans that failed with the same words along one path, the deepest.
    pub(super) fn failures(&self) -> Vec<&Known> {
        let repeats = |span: &Known| {
            self.kept().any(|below| {
                below.failure() == span.failure() && self.above(below).any(|above| above.id() == span.id())
            })
        };
        self.kept().filter(|span| span.failure().is_some() && !repeats(span)).collect()
    }

    fn above<'a>(&'a self, span: &Known) -> impl Iterator<Item = &'a Known> + use<'a> {
        std::iter::successors(self.parent(span), |above| self.parent(above))
    }

    fn parent(&self, span: &Known) -> Option<&Known> {
        let at = *self.by_id.get(span.get("parentSpanId").as_str()?)?;
        Some(&self.spans[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"
        {"type":"span_started","exportedSpan":{"id":"a","type":"agent_run","name":"x"}}
        {"type":"span_started","exportedSpan":{"id":"g","type":"model_generation","parentSpanId":"a"}}
        {"type":"span_started","exportedSpan":{"id":"s","type":"model_step","parentSpanId":"g"}}
        {"type":"span_ended","exportedSpan":{"id":"t","type":"tool_call","parentSpanId":"s","errorInfo":{"message":"no"}}}
        {"type":"span_ended","exportedSpan":{"id":"b","type":"agent_run","parentSpanId":"t"}}
        {"type":"span_ended","exportedSpan":{"id":"h","type":"model_generation","parentSpanId":"b"}}
        {"type":"span_ended","exportedSpan":{"id":"a","type":"agent_run","name":"x","errorInfo":{"message":"no"}}}"#;

    #[test]
    fn skipped_spans_hand_their_children_on_and_a_failure_is_its_deepest_span() {
        let forest = Forest::read(EVENTS.trim()).unwrap();
        let of = |id: &str| &forest.spans[forest.by_id[id]];
        assert_eq!(forest.kept_parent(of("t")).map(Known::id), Some("g"));
        assert_eq!(forest.tools(of("g")).len(), 1);
        assert_eq!(forest.own_generations(of("a")).iter().map(|span| span.id()).collect::<Vec<_>>(), ["g"]);
        assert_eq!(forest.failures().iter().map(|span| span.id()).collect::<Vec<_>>(), ["t"]);
        assert_eq!(forest.kept().count(), 5);
    }
}
