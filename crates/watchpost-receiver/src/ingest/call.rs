//! What a span says about an agent's call of a model or a tool: which, tokens, cost, sizes.
//! Source: Sentry's AI conventions and OpenTelemetry's, old names too; Sentry counts tokens and cost on calls of models alone.

use serde_json::Value;

use super::NAME_CHARS;
use super::facts::Facts;
use super::prices;
use crate::inert::clip;
use crate::store::{CallKind, CallRecord, Usage};

const OPERATION: &[&str] = &["gen_ai.operation.name"];
const MODEL: &[&str] = &["gen_ai.response.model", "gen_ai.request.model", "ai.model_id", "ai.model.id"];
const PROVIDER: &[&str] = &["gen_ai.provider.name", "gen_ai.system"];
const TOOL: &[&str] = &["gen_ai.tool.name", "mcp.tool.name"];
const AGENT: &[&str] = &["gen_ai.agent.name", "gen_ai.function_id"];
pub(crate) const INPUT_TOKENS: &[&str] =
    &["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "ai.prompt_tokens.used"];
pub(crate) const OUTPUT_TOKENS: &[&str] =
    &["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "ai.completion_tokens.used"];
pub(crate) const CACHED_TOKENS: &[&str] = &["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_tokens.cached"];
pub(crate) const REASONING_TOKENS: &[&str] =
    &["gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.output_tokens.reasoning"];
pub(crate) const COST: &[&str] = &["gen_ai.cost.total_tokens", "gen_ai.usage.total_cost", "gen_ai.usage.cost"];
const ARGUMENTS: &[&str] = &["gen_ai.tool.call.arguments", "gen_ai.tool.input", "input"];
const RESULT: &[&str] = &["gen_ai.tool.call.result", "gen_ai.tool.output", "output"];
const INPUT_BYTES: &[&str] = &["watchpost.input.bytes", "watchpost.request.size"];
const OUTPUT_BYTES: &[&str] = &["watchpost.output.bytes", "watchpost.response.size", "mcp.tool.result.data_size"];

/// The call a span is, if it is a model's or a tool's.
pub(super) fn read(op: Option<&str>, facts: &Facts<'_>) -> Option<Box<CallRecord>> {
    let op = op.unwrap_or("");
    // The cheap test first: most spans are no AI spans.
    if !op.starts_with("gen_ai.") && !op.starts_with("ai.") && facts.find(OPERATION).is_none() {
        return None;
    }
    let operation = facts.find(OPERATION).and_then(Value::as_str);
    let name = |names| facts.name(names);
    match kind(op, operation)? {
        CallKind::Model => {
            let model = name(MODEL).unwrap_or_else(|| "unknown model".to_owned());
            Some(Box::new(CallRecord {
                kind: CallKind::Model,
                owner: name(PROVIDER).unwrap_or_default(),
                usage: usage(&model, facts),
                name: model,
                sizes: None,
            }))
        }
        CallKind::Tool => Some(Box::new(CallRecord {
            kind: CallKind::Tool,
            owner: name(AGENT).unwrap_or_default(),
            name: name(TOOL).unwrap_or_else(|| "unknown tool".to_owned()),
            usage: Usage::default(),
            sizes: sizes(facts),
        })),
        CallKind::Mcp => None,
    }
}

/// As Sentry sorts AI spans, except that names it does not know are not taken for calls of a model.
pub(crate) fn kind(op: &str, operation: Option<&str>) -> Option<CallKind> {
    let name = operation.or_else(|| op.strip_prefix("gen_ai.")).or_else(|| op.strip_prefix("ai.")).unwrap_or("");
    match name {
        "chat"
        | "text_completion"
        | "generate_content"
        | "embeddings"
        | "embed"
        | "responses"
        | "request"
        | "chat_completions"
        | "chat_completions.create"
        | "generate_text"
        | "stream_text"
        | "generate_object"
        | "stream_object"
        | "completion"
        | "messages"
        | "decide" => Some(CallKind::Model),
        "execute_tool" => Some(CallKind::Tool),
        name if name.starts_with("chat_completions.") || name.starts_with("embeddings.") => Some(CallKind::Model),
        _ => None,
    }
}

fn usage(model: &str, facts: &Facts<'_>) -> Usage {
    let tokens = |names| facts.number(names).map_or(0, |number| number as i64);
    let (input_tokens, output_tokens) = (tokens(INPUT_TOKENS), tokens(OUTPUT_TOKENS));
    let cost =
        facts.number(COST).or_else(|| prices::estimate(model, input_tokens, tokens(CACHED_TOKENS), output_tokens));
    Usage { input_tokens, output_tokens, cost: cost.unwrap_or(0.0) }
}

/// Bytes of arguments and result: as told, else as sent.
fn sizes(facts: &Facts<'_>) -> Option<(i64, i64)> {
    let size = |told: &[&str], content: &[&str]| {
        let sent =
            || facts.find(content).map(|value| value.as_str().map_or_else(|| value.to_string().len(), str::len) as f64);
        facts.number(told).or_else(sent).map(|bytes| bytes as i64)
    };
    let (arguments, result) = (size(INPUT_BYTES, ARGUMENTS), size(OUTPUT_BYTES, RESULT));
    (arguments.is_some() || result.is_some()).then(|| (arguments.unwrap_or(0), result.unwrap_or(0)))
}

/// The bytes of an MCP request and response, as told.
pub(super) fn told_sizes(facts: &Facts<'_>) -> (Option<i64>, Option<i64>) {
    let told = |names| facts.number(names).map(|bytes| bytes as i64);
    (told(INPUT_BYTES), told(OUTPUT_BYTES))
}

/// Tells a prompt's provider apart from its model: `openai/gpt-4o` is `gpt-4o`.
pub(super) fn plain_model(model: &str) -> &str {
    clip(model.rsplit('/').next().unwrap_or(model), NAME_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Facts, read};
    use crate::store::CallKind;

    #[test]
    fn a_models_call_has_its_tokens_and_its_cost() {
        let data = json!({"gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.system": "openai",
            "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": {"value": 100_000, "type": "integer"}});
        let call = read(Some("gen_ai.chat"), &Facts::new(&[&data])).unwrap();
        assert_eq!((call.kind, call.owner.as_str()), (CallKind::Model, "openai"));
        assert_eq!((call.usage.input_tokens, call.usage.output_tokens), (1_000_000, 100_000));
        assert!((call.usage.cost - 3.5).abs() < 1e-9, "{}", call.usage.cost);
    }

    #[test]
    fn a_cost_that_was_sent_wins() {
        let data =
            json!({"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5, "gen_ai.cost.total_tokens": 0.25});
        let call = read(Some("gen_ai.chat"), &Facts::new(&[&data])).unwrap();
        assert!((call.usage.cost - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn an_agents_run_is_no_call_of_a_model() {
        let data = json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 10});
        assert!(read(Some("gen_ai.invoke_agent"), &Facts::new(&[&data])).is_none());
        assert!(read(Some("http.client"), &Facts::new(&[&json!({})])).is_none());
    }

    #[test]
    fn a_tools_call_has_its_sizes() {
        let data = json!({"gen_ai.tool.name": "search", "gen_ai.tool.input": "{}", "gen_ai.tool.output": {"a": 1}});
        let call = read(Some("gen_ai.execute_tool"), &Facts::new(&[&data])).unwrap();
        assert_eq!((call.kind, call.name.as_str(), call.sizes), (CallKind::Tool, "search", Some((2, 7))));
    }
}
