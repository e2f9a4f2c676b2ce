//! Seed 004 row by row: a table here is a table there, a line a row. Each line says how to tell that the row holds for one
//! span, given the events.

use serde_json::{Value, json};

use super::{
    known::{Forest, Known, seconds},
    sent::Sent,
};

/// What a row found wrong; empty when it holds.
pub(super) type Verdict = Vec<String>;

/// One row: the types it is about (none: all), its name, and whether it holds.
pub(super) struct Row {
    pub(super) types: &'static [&'static str],
    pub(super) name: &'static str,
    pub(super) check: fn(&Known, &Sent, &Forest) -> Verdict,
}

const fn row(types: &'static [&'static str], name: &'static str, check: fn(&Known, &Sent, &Forest) -> Verdict) -> Row {
    Row { types, name, check }
}

/// "Span Mapping".
const OPERATIONS: &[(&str, &str)] = &[
    ("agent_run", "gen_ai.invoke_agent"),
    ("model_generation", "gen_ai.chat"),
    ("tool_call", "gen_ai.execute_tool"),
    ("mcp_tool_call", "gen_ai.execute_tool"),
    ("workflow_run", "workflow.run"),
    ("workflow_step", "workflow.step"),
    ("workflow_conditional", "workflow.conditional"),
    ("workflow_conditional_eval", "workflow.conditional"),
    ("workflow_parallel", "workflow.parallel"),
    ("workflow_loop", "workflow.loop"),
    ("workflow_sleep", "workflow.sleep"),
    ("workflow_wait_event", "workflow.wait"),
    ("processor_run", "ai.processor"),
    ("generic", "ai.span"),
];

const ALL: &[&str] = &[];
const GENERATION: &[&str] = &["model_generation"];
const TOOL: &[&str] = &["tool_call"];
const AGENT: &[&str] = &["agent_run"];

/// Every row, in the seed's order; below each list, what belongs to it without being in it.
pub(super) const ROWS: &[Row] = &[
    row(ALL, "operation", |known, sent, _| {
        match OPERATIONS.iter().find(|(ty, _)| *ty == known.ty()) {
            Some((_, op)) => is("op", &json!(sent.op), &json!(op)),
            // A type the seed does not know must not pass for a call of a model.
            None => wrong(sent.op.is_empty() || sent.op.starts_with("gen_ai."), || format!("op: {:?}", sent.op)),
        }
    }),
    row(ALL, "sentry.origin", |_, sent, _| attribute(sent, "sentry.origin", &json!("auto.ai.mastra"))),
    row(ALL, "ai.span.type", |known, sent, _| attribute(sent, "ai.span.type", known.get("type"))),
    row(ALL, "moments", |known, sent, _| {
        [("startTime", sent.start), ("endTime", sent.end)]
            .iter()
            .filter(|(name, found)| known.moment(name).is_none_or(|wanted| (wanted - found).abs() > 1e-6))
            .map(|(name, found)| format!("{name}: {found} instead of {}", known.get(name)))
            .collect()
    }),
    row(ALL, "status", |known, sent, _| {
        wrong((sent.status == "ok") == known.failure().is_some(), || format!("status is {:?}", sent.status))
    }),
    row(ALL, "a name", |_, sent, _| wrong(sent.name.is_empty(), || "there is no name".to_owned())),
    row(ALL, "metadata", |known, sent, _| {
        let metadata = known.get("metadata").as_object().into_iter().flatten();
        let plain = metadata.filter(|(_, value)| value.is_string() || value.is_number());
        plain.flat_map(|(name, value)| attribute(sent, &format!("metadata.{name}"), value)).collect()
    }),
    row(ALL, "content once", |_, sent, _| {
        let texts: Vec<_> = sent.data.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).collect();
        let is_long = |text: &str| text.len() > 64;
        let mut twice = Vec::new();
        for (at, (name, text)) in texts.iter().enumerate() {
            let again = texts[at + 1..].iter().filter(|(_, other)| is_long(text) && other == text);
            twice.extend(again.map(|(other, _)| format!("{name} and {other} carry the same")));
        }
        twice
    }),
    // MODEL_GENERATION
    row(GENERATION, "gen_ai.operation.name", |_, sent, _| attribute(sent, "gen_ai.operation.name", &json!("chat"))),
    row(GENERATION, "gen_ai.system", |known, sent, _| {
        // `openai.chat` is a surface of the provider `openai`.
        let given = known.attribute("provider").as_str().unwrap_or_default();
        let found = sent.attribute("gen_ai.system").as_str().unwrap_or_default();
        wrong(found.is_empty() || !given.starts_with(found), || format!("gen_ai.system: {found:?} of {given:?}"))
    }),
    row(GENERATION, "gen_ai.request.model", |known, sent, _| {
        attribute(sent, "gen_ai.request.model", known.attribute("model"))
    }),
    row(GENERATION, "gen_ai.request.messages", |known, sent, _| {
        let given = known.get("input")["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = sent.json("gen_ai.request.messages");
        let found = found.as_array().map(Vec::as_slice).unwrap_or_default();
        let roles = |messages: &[Value]| messages.iter().map(|message| message["role"].clone()).collect::<Value>();
        is("gen_ai.request.messages: roles", &roles(found), &roles(given))
    }),
    row(GENERATION, "gen_ai.response.model", |known, sent, _| {
        let model = [known.attribute("responseModel"), known.attribute("model")];
        let model = model.into_iter().find(|model| model.is_string()).unwrap_or(&Value::Null);
        attribute(sent, "gen_ai.response.model", model)
    }),
    row(GENERATION, "gen_ai.response.text", |known, sent, _| {
        attribute(sent, "gen_ai.response.text", empty_as_absent(known.output_text()))
    }),
    row(GENERATION, "gen_ai.response.tool_calls", |known, sent, forest| {
        let called = |tool: &&Known| (tool.attribute("toolCallId").clone(), tool.get("entityName").clone());
        let wanted: Vec<_> = forest.tools(known).iter().map(called).collect();
        let found = sent.json("gen_ai.response.tool_calls");
        let found = found.as_array().map(Vec::as_slice).unwrap_or_default();
        let found: Vec<_> = found.iter().map(|call| (call["id"].clone(), call["name"].clone())).collect();
        wrong(found != wanted, || format!("gen_ai.response.tool_calls: {found:?} instead of {wanted:?}"))
    }),
    row(GENERATION, "gen_ai.usage.*", |known, sent, _| usage(&[known], sent)),
    row(GENERATION, "gen_ai.request.stream", |known, sent, _| {
        attribute(sent, "gen_ai.request.stream", known.attribute("streaming"))
    }),
    row(GENERATION, "gen_ai.request.temperature", |known, sent, _| {
        attribute(sent, "gen_ai.request.temperature", &known.attribute("parameters")["temperature"])
    }),
    row(GENERATION, "gen_ai.completion_start_time", |known, sent, _| {
        let name = "gen_ai.completion_start_time";
        let (wanted, found) = (seconds(known.attribute("completionStartTime")), seconds(sent.attribute(name)));
        wrong(wanted != found, || format!("{name}: {} instead of {wanted:?}", sent.attribute(name)))
    }),
    row(GENERATION, "steps aggregated", |known, sent, forest| {
        let steps = forest.steps(known);
        let wanted: Vec<_> = steps.iter().map(|step| step.attribute("finishReason").clone()).collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|reason| !reason.is_null()).collect();
        let found = sent.json("gen_ai.response.finish_reasons");
        let found = found.as_array().cloned().unwrap_or_default();
        let last = |reasons: &[Value]| reasons.last().cloned();
        wrong(last(&found) != last(&wanted) || found.len() < wanted.len().min(1), || {
            format!("gen_ai.response.finish_reasons: {found:?} for steps that ended with {wanted:?}")
        })
    }),
    // TOOL_CALL
    row(TOOL, "gen_ai.operation.name", |_, sent, _| attribute(sent, "gen_ai.operation.name", &json!("execute_tool"))),
    row(TOOL, "gen_ai.tool.name", |known, sent, _| attribute(sent, "gen_ai.tool.name", known.get("entityName"))),
    row(TOOL, "gen_ai.tool.type", |_, sent, _| attribute(sent, "gen_ai.tool.type", &json!("function"))),
    row(TOOL, "gen_ai.tool.call.id", |known, sent, _| {
        attribute(sent, "gen_ai.tool.call.id", known.attribute("toolCallId"))
    }),
    row(TOOL, "gen_ai.tool.input", |known, sent, _| {
        is("gen_ai.tool.input", &sent.json("gen_ai.tool.input"), known.get("input"))
    }),
    row(TOOL, "gen_ai.tool.output", |known, sent, _| {
        is("gen_ai.tool.output", &sent.json("gen_ai.tool.output"), known.get("output"))
    }),
    row(TOOL, "tool.success", |known, sent, _| attribute(sent, "tool.success", known.attribute("success"))),
    // AGENT_RUN
    row(AGENT, "gen_ai.operation.name", |_, sent, _| attribute(sent, "gen_ai.operation.name", &json!("invoke_agent"))),
    row(AGENT, "gen_ai.agent.name", |known, sent, _| attribute(sent, "gen_ai.agent.name", known.get("entityName"))),
    row(AGENT, "gen_ai.pipeline.name", |known, sent, _| {
        attribute(sent, "gen_ai.pipeline.name", known.get("entityName"))
    }),
    row(AGENT, "gen_ai.agent.instructions", |known, sent, _| {
        attribute(sent, "gen_ai.agent.instructions", known.attribute("instructions"))
    }),
    row(AGENT, "gen_ai.response.model", |known, sent, forest| {
        let generations = forest.own_generations(known);
        let model = generations.last().map_or(&Value::Null, |last| match last.attribute("responseModel") {
            Value::Null => last.attribute("model"),
            answered => answered,
        });
        attribute(sent, "gen_ai.response.model", model)
    }),
    row(AGENT, "gen_ai.response.text", |known, sent, forest| {
        let generations = forest.own_generations(known);
        let text = generations.last().map_or(&Value::Null, |last| last.output_text());
        attribute(sent, "gen_ai.response.text", empty_as_absent(text))
    }),
    row(AGENT, "gen_ai.usage.*", |known, sent, forest| usage(&forest.own_generations(known), sent)),
];

fn usage(generations: &[&Known], sent: &Sent) -> Verdict {
    let sum = |name: &str| -> Option<u64> {
        generations.iter().filter_map(|generation| generation.attribute("usage")[name].as_u64()).reduce(|a, b| a + b)
    };
    let (input, output) = (sum("inputTokens"), sum("outputTokens"));
    let total = input.or(output).map(|_| input.unwrap_or_default() + output.unwrap_or_default());
    [("input_tokens", input), ("output_tokens", output), ("total_tokens", total)]
        .into_iter()
        .flat_map(|(name, wanted)| attribute(sent, &format!("gen_ai.usage.{name}"), &json!(wanted)))
        .collect()
}

fn attribute(sent: &Sent, name: &str, wanted: &Value) -> Verdict {
    is(name, sent.attribute(name), wanted)
}

/// Whether a value is what it should be; absent when there is none to tell.
fn is(place: &str, found: &Value, wanted: &Value) -> Verdict {
    let same = match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-9,
        _ => found == wanted,
    };
    wrong(!same, || format!("{place}: {found} instead of {wanted}"))
}

fn wrong(is_wrong: bool, what: impl FnOnce() -> String) -> Verdict {
    if is_wrong { vec![what()] } else { Vec::new() }
}

fn empty_as_absent(value: &Value) -> &Value {
    if value == "" { &Value::Null } else { value }
}
