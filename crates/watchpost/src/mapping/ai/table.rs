//! Seed 004, "OpenTelemetry Attributes": one row a line, the seed's words beside it. A row without a value is left out. What
//! goes beyond the seed is the same metadata by the names of the current conventions, which Sentry's views need; content is
//! carried once, under the seed's name, and Relay moves it. Sources: seed 004, Sentry conventions 0.19.

use std::borrow::Cow;

use watchpost_sentry::wire::AttributeValue;

use super::{
    content::{arguments, is_error_result, messages},
    facts::{Facts, content, metadata_text, text},
    name::{agent_name, entity},
    operation::operation_name,
};
use crate::model::{FinishedSpan, Payload, SpanAttributes, SpanCompletion, SpanType, Text};

/// An attribute's value, if the span has it.
pub(super) type Value = for<'a> fn(&Facts<'a>) -> Option<AttributeValue<'a>>;
/// A row: the attribute and its value.
pub(super) type Row = (&'static str, Value);

/// On all spans.
#[rustfmt::skip]
pub(super) const COMMON: &[Row] = &[
    ("sentry.origin",                              |facts| text(Some(facts.settings.origin()))),                                   // "auto.ai.mastra (identifies spans from Mastra)"
    ("ai.span.type",                               |facts| text(Some(facts.span.ty.as_str()))),                                    // "Mastra span type"
    // Beyond the seed: Sentry does not inherit what its views filter by
    ("gen_ai.agent.name",                          |facts| text(agent(facts))),
    ("gen_ai.agent.id",                            |facts| text(agent_id(facts))),
    ("gen_ai.conversation.id",                     |facts| text(conversation(facts))),
    ("user.id",                                    |facts| text(user_id(facts.finished))),
    ("error.type",                                 |facts| facts.span.error.as_deref().map(|error| super::error_type(error).into())),
    ("error.id",                                   |facts| text(facts.span.error.as_deref()?.id.as_deref())),
    ("error.domain",                               |facts| text(facts.span.error.as_deref()?.domain.as_deref())),
    ("error.category",                             |facts| text(facts.span.error.as_deref()?.category.as_deref())),
    ("error.message",                              |facts| text(facts.span.error.as_deref().map(|error| error.message.as_str()))),
    ("watchpost.completion",                       |facts| text(unusual(facts.finished.completion))),
    // What is known of content that is not captured
    ("watchpost.input.bytes",                      |facts| facts.finished.withheld.input_bytes.map(Into::into)),
    ("watchpost.input.messages",                   |facts| facts.finished.withheld.messages.map(Into::into)),
    ("watchpost.output.bytes",                     |facts| facts.finished.withheld.output_bytes.map(Into::into)),
];

/// MODEL_GENERATION.
#[rustfmt::skip]
pub(super) const MODEL_GENERATION: &[Row] = &[
    ("gen_ai.operation.name",                      |facts| operation_name(&facts.span.ty).map(Into::into)),                        // `chat`
    ("gen_ai.system",                              |facts| text(provider(facts))),                                                 // "Model provider"
    ("gen_ai.request.model",                       |facts| text(request_model(facts))),                                            // "Model identifier"
    ("gen_ai.response.model",                      |facts| text(response_model(facts))),                                           // "Response model"
    ("gen_ai.usage.input_tokens",                  |facts| facts.usage?.input_tokens.map(Into::into)),                             // "Input token count"
    ("gen_ai.usage.output_tokens",                 |facts| facts.usage?.output_tokens.map(Into::into)),                            // "Output token count"
    ("gen_ai.usage.total_tokens",                  |facts| facts.usage?.total().map(Into::into)),                                  // "Total tokens"
    ("gen_ai.request.stream",                      |facts| facts.generation()?.streaming.map(Into::into)),                         // "Streaming flag"
    ("gen_ai.request.temperature",                 |facts| facts.generation()?.parameters.temperature.map(Into::into)),            // "Temperature parameter"
    ("gen_ai.completion_start_time",               |facts| facts.first_token_at().map(|at| at.to_rfc3339().into())),               // "First token time"
    // Beyond the seed
    ("gen_ai.provider.name",                       |facts| text(provider(facts))),
    ("gen_ai.response.streaming",                  |facts| facts.generation()?.streaming.map(Into::into)),
    ("gen_ai.response.time_to_first_token",        |facts| facts.seconds_to_first_token().map(Into::into)),
    ("gen_ai.response.time_to_first_chunk",        |facts| facts.seconds_to_first_token().map(Into::into)),
    ("gen_ai.response.finish_reasons",             |facts| finish_reasons(facts)),
    ("gen_ai.response.id",                         |facts| text(facts.generation()?.response_id.as_deref())),
    ("gen_ai.request.max_tokens",                  |facts| facts.generation()?.parameters.max_output_tokens.map(Into::into)),
    ("gen_ai.request.top_p",                       |facts| facts.generation()?.parameters.top_p.map(Into::into)),
    ("gen_ai.request.top_k",                       |facts| facts.generation()?.parameters.top_k.map(Into::into)),
    ("gen_ai.request.presence_penalty",            |facts| facts.generation()?.parameters.presence_penalty.map(Into::into)),
    ("gen_ai.request.frequency_penalty",           |facts| facts.generation()?.parameters.frequency_penalty.map(Into::into)),
    // A text in Sentry's conventions
    ("gen_ai.request.seed",                        |facts| facts.generation()?.parameters.seed.map(|seed| seed.to_string().into())),
    ("gen_ai.request.stop_sequences",              |facts| texts(&facts.generation()?.parameters.stop_sequences)),
    ("server.address",                             |facts| text(facts.generation()?.server_address.as_deref())),
    ("server.port",                                |facts| facts.generation()?.server_port.map(Into::into)),
    ("watchpost.steps",                            |facts| Some(facts.finished.gathered.steps).filter(|steps| *steps > 0).map(Into::into)),
];

/// Tokens that are part of those above, by their current and their deprecated names; Sentry's views read either.
#[rustfmt::skip]
pub(super) const USAGE_DETAILS: &[Row] = &[
    ("gen_ai.usage.cache_read.input_tokens",       |facts| facts.usage?.cache_read.map(Into::into)),
    ("gen_ai.usage.input_tokens.cached",           |facts| facts.usage?.cache_read.map(Into::into)),
    ("gen_ai.usage.cache_creation.input_tokens",   |facts| facts.usage?.cache_write.map(Into::into)),
    ("gen_ai.usage.input_tokens.cache_write",      |facts| facts.usage?.cache_write.map(Into::into)),
    ("gen_ai.usage.reasoning.output_tokens",       |facts| facts.usage?.reasoning.map(Into::into)),
    ("gen_ai.usage.output_tokens.reasoning",       |facts| facts.usage?.reasoning.map(Into::into)),
    ("gen_ai.usage.audio_input_tokens",            |facts| facts.usage?.input_audio.map(Into::into)),
    ("gen_ai.usage.audio_output_tokens",           |facts| facts.usage?.output_audio.map(Into::into)),
];

/// MODEL_GENERATION's content.
#[rustfmt::skip]
pub(super) const MODEL_GENERATION_CONTENT: &[Row] = &[
    ("gen_ai.request.messages",                    |facts| messages(facts.span.input.as_ref()?).map(content)),                     // "Input messages/prompts (JSON)"
    ("gen_ai.response.text",                       |facts| own_text(facts).or_else(|| gathered_text(facts))),                      // "Output text"
    ("gen_ai.response.tool_calls",                 |facts| facts.answer().tool_calls(&facts.finished.gathered.tool_calls).map(Into::into)), // "Tool calls made during generation (JSON array)"
    // Beyond the seed
    ("gen_ai.response.reasoning",                  |facts| facts.answer().reasoning.clone().map(content)),
    ("gen_ai.tool.definitions",                    |facts| payload(facts.generation()?.tools.as_ref())),
];

/// TOOL_CALL, and every other kind of tool's call.
#[rustfmt::skip]
pub(super) const TOOL_CALL: &[Row] = &[
    ("gen_ai.operation.name",                      |facts| operation_name(&facts.span.ty).map(Into::into)),                        // `execute_tool`
    ("gen_ai.tool.name",                           |facts| text(entity(facts.span))),                                              // "Tool identifier"
    ("gen_ai.tool.type",                           |_| Some("function".into())),                                                   // `function`
    ("gen_ai.tool.call.id",                        |facts| text(tool_call_id(facts))),                                             // "Tool call ID"
    ("tool.success",                               |facts| tool_success(facts).map(Into::into)),                                   // "Success flag"
    // Beyond the seed
    ("gen_ai.tool.description",                    |facts| text(facts.tool()?.tool_description.as_deref())),
    ("mcp.server.name",                            |facts| text(facts.tool()?.mcp_server.as_deref())),
    ("mcp.server.version",                         |facts| text(facts.tool()?.server_version.as_deref())),
];

/// TOOL_CALL's content.
#[rustfmt::skip]
pub(super) const TOOL_CALL_CONTENT: &[Row] = &[
    ("gen_ai.tool.input",                          |facts| payload(facts.span.input.as_ref())),                                    // "Tool input"
    ("gen_ai.tool.output",                         |facts| payload(facts.span.output.as_ref())),                                   // "Tool output"
];

/// AGENT_RUN.
#[rustfmt::skip]
pub(super) const AGENT_RUN: &[Row] = &[
    ("gen_ai.operation.name",                      |facts| operation_name(&facts.span.ty).map(Into::into)),                        // `invoke_agent`
    // `gen_ai.agent.name`: "Agent identifier", stands in COMMON
    ("gen_ai.pipeline.name",                       |facts| text(agent(facts))),                                                    // "Agent name"
    ("gen_ai.response.model",                      |facts| text(response_model(facts).or_else(|| request_model(facts)))),          // "Model from child generation"
    ("gen_ai.usage.input_tokens",                  |facts| facts.usage?.input_tokens.map(Into::into)),                             // "Token usage from child generation"
    ("gen_ai.usage.output_tokens",                 |facts| facts.usage?.output_tokens.map(Into::into)),                            // "
    ("gen_ai.usage.total_tokens",                  |facts| facts.usage?.total().map(Into::into)),                                  // "
    // Beyond the seed
    ("gen_ai.system",                              |facts| text(provider(facts))),
    ("gen_ai.provider.name",                       |facts| text(provider(facts))),
    ("gen_ai.request.model",                       |facts| text(request_model(facts))),
    ("gen_ai.agent.version",                       |facts| text(facts.agent_run()?.resolved_version_id.as_deref())),
    ("gen_ai.tool.definitions",                    |facts| texts(&facts.agent_run()?.available_tools)),
];

/// AGENT_RUN's content.
#[rustfmt::skip]
pub(super) const AGENT_RUN_CONTENT: &[Row] = &[
    ("gen_ai.agent.instructions",                  |facts| payload(facts.agent_run()?.instructions.as_ref())),                     // "Agent instructions"
    ("gen_ai.response.text",                       |facts| gathered_text(facts).or_else(|| own_text(facts))),                      // "Output from child generation"
    // Beyond the seed: the prompt, where Sentry's views look for it
    ("gen_ai.request.messages",                    |facts| messages(facts.span.input.as_ref().or_else(|| facts.agent_run()?.prompt.as_ref())?).map(content)),
    ("mastra.agent_run.prompt",                    |facts| payload(facts.span.input.as_ref().and(facts.agent_run()?.prompt.as_ref()))),
];

/// Embeddings and classifiers: other calls of models.
#[rustfmt::skip]
pub(super) const MODEL_CALL: &[Row] = &[
    ("gen_ai.operation.name",                      |facts| operation_name(&facts.span.ty).map(Into::into)),
    ("gen_ai.system",                              |facts| text(provider(facts))),
    ("gen_ai.provider.name",                       |facts| text(provider(facts))),
    ("gen_ai.request.model",                       |facts| text(request_model(facts))),
    ("gen_ai.usage.input_tokens",                  |facts| facts.usage?.input_tokens.map(Into::into)),
    ("gen_ai.usage.output_tokens",                 |facts| facts.usage?.output_tokens.map(Into::into)),
    ("gen_ai.usage.total_tokens",                  |facts| facts.usage?.total().map(Into::into)),
    ("gen_ai.embeddings.dimension.count",          |facts| dimensions(facts).map(Into::into)),
];

/// A request that an MCP server serves: the names of seed 000's `mcp.server` span.
#[rustfmt::skip]
pub(super) const MCP_SERVER_REQUEST: &[Row] = &[
    ("mcp.method.name",                            |facts| text(facts.mcp_request()?.mcp_method.as_deref())),
    ("mcp.tool.name",                              |facts| text(mcp_target(facts, "tools/call"))),
    ("gen_ai.tool.name",                           |facts| text(mcp_target(facts, "tools/call"))),
    ("mcp.prompt.name",                            |facts| text(mcp_target(facts, "prompts/get"))),
    ("gen_ai.prompt.name",                         |facts| text(mcp_target(facts, "prompts/get"))),
    ("mcp.resource.uri",                           |facts| text(mcp_target(facts, "resources/"))),
    ("mcp.transport",                              |_| Some("unknown".into())),
    ("mcp.protocol.version",                       |facts| text(facts.mcp_request()?.mcp_protocol_version.as_deref())),
    ("mcp.client.name",                            |facts| text(facts.mcp_request()?.client_name.as_deref())),
    ("mcp.client.version",                         |facts| text(facts.mcp_request()?.client_version.as_deref())),
    ("mcp.server.name",                            |facts| text(facts.mcp_request()?.mcp_server.as_deref())),
    ("mcp.server.version",                         |facts| text(facts.mcp_request()?.server_version.as_deref())),
    ("mcp.tool.result.is_error",                   |facts| mcp_target(facts, "tools/call").map(|_| super::has_failed(facts.span).into())),
];

/// Its content.
#[rustfmt::skip]
pub(super) const MCP_SERVER_REQUEST_CONTENT: &[Row] = &[
    ("gen_ai.tool.call.arguments",                 |facts| mcp_target(facts, "tools/call").and(facts.span.input.as_ref()).map(|input| content(arguments(input)))),
    ("gen_ai.tool.call.result",                    |facts| mcp_target(facts, "tools/call").and_then(|_| payload(facts.span.output.as_ref()))),
    ("watchpost.request.params",                   |facts| payload(facts.span.input.as_ref().filter(|_| mcp_target(facts, "tools/call").is_none()))),
    ("watchpost.response.result",                  |facts| payload(facts.span.output.as_ref().filter(|_| mcp_target(facts, "tools/call").is_none()))),
];

/// The content of any other span, by the names that Mastra's own exporter gives it.
#[rustfmt::skip]
pub(super) const OTHER_CONTENT: &[Row] = &[
    ("input",                                      |facts| payload(facts.span.input.as_ref())),
    ("output",                                     |facts| payload(facts.span.output.as_ref())),
];

/// Content that stands among a type's own attributes.
const OWN_CONTENT: &[&str] = &["mastra.processor_run.messageListMutations", "mastra.scorer_step.prompt"];

/// Whether an attribute is content: what may be cut when a span is too large.
pub(super) fn is_content(key: &str) -> bool {
    let tables =
        [MODEL_GENERATION_CONTENT, TOOL_CALL_CONTENT, AGENT_RUN_CONTENT, MCP_SERVER_REQUEST_CONTENT, OTHER_CONTENT];
    tables.into_iter().flatten().any(|(content, _)| *content == key) || OWN_CONTENT.contains(&key)
}

/// The tables of a type, and which of its own attributes they use up.
pub(super) fn tables(ty: &SpanType) -> ([&'static [Row]; 3], &'static [&'static str]) {
    match ty {
        SpanType::ModelGeneration => (
            [MODEL_GENERATION, USAGE_DETAILS, MODEL_GENERATION_CONTENT],
            &[
                "model",
                "provider",
                "tools",
                "usage",
                "parameters",
                "streaming",
                "finishReason",
                "completionStartTime",
                "responseModel",
                "responseId",
                "serverAddress",
                "serverPort",
                "internalUsage",
            ],
        ),
        SpanType::AgentRun => (
            [AGENT_RUN, USAGE_DETAILS, AGENT_RUN_CONTENT],
            &["conversationId", "instructions", "prompt", "availableTools", "resolvedVersionId", "internalUsage"],
        ),
        SpanType::RagEmbedding | SpanType::ClassifierEvaluation => {
            ([MODEL_CALL, USAGE_DETAILS, OTHER_CONTENT], &["model", "modelId", "provider", "usage", "dimensions"])
        }
        SpanType::McpServerRequest => (
            [MCP_SERVER_REQUEST, &[], MCP_SERVER_REQUEST_CONTENT],
            &[
                "mcpMethod",
                "targetName",
                "mcpServer",
                "serverVersion",
                "mcpProtocolVersion",
                "clientName",
                "clientVersion",
            ],
        ),
        ty if ty.is_tool() => (
            [TOOL_CALL, &[], TOOL_CALL_CONTENT],
            &["toolDescription", "toolCallId", "success", "mcpServer", "serverVersion"],
        ),
        _ => ([&[], &[], OTHER_CONTENT], &[]),
    }
}

/// The agent's name, else its id: of a run its own, of any other span that of the run it is in.
pub(super) fn agent<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let agent = facts.finished.agent.as_deref();
    agent
        .and_then(|agent| agent.name.as_deref().or(agent.id.as_deref()))
        .or_else(|| Some(facts.span).filter(|span| span.ty == SpanType::AgentRun).and_then(agent_name))
}

fn agent_id<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let agent = facts.finished.agent.as_deref();
    agent
        .and_then(|agent| agent.id.as_deref())
        .or_else(|| facts.span.entity_id.as_deref().filter(|_| facts.span.ty == SpanType::AgentRun))
}

fn conversation<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let agent = facts.finished.agent.as_deref();
    facts
        .agent_run()
        .and_then(|run| run.conversation_id.as_deref())
        .or_else(|| agent.and_then(|agent| agent.conversation_id.as_deref()))
        .or_else(|| facts.metadata("threadId"))
}

/// Who it was done for, by the metadata that Mastra's memory uses: the span's own, else its run's.
pub(super) fn user_id(finished: &FinishedSpan) -> Option<&str> {
    let own = |key| metadata_text(&finished.span, key);
    own("userId").or_else(|| own("resourceId")).or_else(|| finished.agent.as_deref()?.user_id.as_deref())
}

/// The model's provider.
pub(super) fn provider<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    match &facts.span.attributes {
        SpanAttributes::ModelGeneration(generation) => generation.provider.as_deref(),
        SpanAttributes::RagEmbedding(embedding) => embedding.provider.as_deref(),
        SpanAttributes::ClassifierEvaluation(evaluation) => evaluation.provider.as_deref(),
        _ => None,
    }
    .or(facts.finished.gathered.provider.as_deref())
}

/// The model asked for.
pub(super) fn request_model<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    match &facts.span.attributes {
        SpanAttributes::ModelGeneration(generation) => generation.model.as_deref(),
        SpanAttributes::RagEmbedding(embedding) => embedding.model.as_deref(),
        SpanAttributes::ClassifierEvaluation(evaluation) => evaluation.model_id.as_deref(),
        _ => None,
    }
    .or(facts.finished.gathered.request_model.as_deref())
}

fn response_model<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let own = facts.generation().and_then(|generation| generation.response_model.as_deref());
    own.or(facts.finished.gathered.response_model.as_deref())
}

fn finish_reasons<'a>(facts: &Facts<'a>) -> Option<AttributeValue<'a>> {
    let gathered = &facts.finished.gathered.finish_reasons;
    if gathered.is_empty() {
        return texts(std::slice::from_ref(facts.generation()?.finish_reason.as_ref()?));
    }
    texts(gathered)
}

fn gathered_text<'a>(facts: &Facts<'a>) -> Option<AttributeValue<'a>> {
    facts.finished.gathered.text.as_deref().filter(|text| !text.is_empty()).map(content)
}

fn own_text<'a>(facts: &Facts<'a>) -> Option<AttributeValue<'a>> {
    facts.answer().text.clone().map(content)
}

fn tool_call_id<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.tool().and_then(|tool| tool.tool_call_id.as_deref()).or_else(|| facts.metadata("toolCallId"))
}

/// A call that failed did not succeed, whether its source says so or not.
fn tool_success(facts: &Facts<'_>) -> Option<bool> {
    facts.tool().and_then(|tool| tool.success).or_else(|| facts.span.error.is_some().then_some(false))
}

const fn dimensions(facts: &Facts<'_>) -> Option<u64> {
    if let SpanAttributes::RagEmbedding(embedding) = &facts.span.attributes { embedding.dimensions } else { None }
}

/// The target of a request whose method begins so.
fn mcp_target<'a>(facts: &Facts<'a>, method: &str) -> Option<&'a str> {
    let request = facts.mcp_request()?;
    request
        .target_name
        .as_deref()
        .filter(|_| request.mcp_method.as_deref().is_some_and(|name| name.starts_with(method)))
}

/// Whether the result of a tool that an MCP server ran says that it failed.
pub(super) fn says_error(span: &crate::model::Span) -> bool {
    span.ty == SpanType::McpServerRequest && span.output.as_ref().and_then(is_error_result) == Some(true)
}

/// How a span ended that did not end by itself.
pub(super) const fn unusual(completion: SpanCompletion) -> Option<&'static str> {
    match completion {
        SpanCompletion::Ended => None,
        SpanCompletion::Aborted => Some("aborted"),
        SpanCompletion::DeadlineExceeded => Some("deadline_exceeded"),
        SpanCompletion::ShutDown => Some("cancelled"),
    }
}

/// Content as it is: a text, or the JSON of anything else but `null`.
fn payload(payload: Option<&Payload>) -> Option<AttributeValue<'_>> {
    let payload = payload?;
    (!payload.is_json() || payload.as_str() != "null").then(|| content(payload.as_str()))
}

/// Texts as a JSON array: Sentry's conventions have these attributes as texts.
fn texts<'a>(texts: &[Text]) -> Option<AttributeValue<'a>> {
    if texts.is_empty() {
        return None;
    }
    serde_json::to_string(texts).ok().map(|json| AttributeValue::String(Cow::Owned(json)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_of_a_types_tables_comes_twice_or_can_be_made_of_a_name_of_the_hosts() {
        for ty in SpanType::ALL.iter().chain([&SpanType::Other("brand_new".into())]) {
            let (rows, used) = tables(ty);
            let mut seen = BTreeSet::from(["tags"]);
            for (key, _) in [COMMON].into_iter().chain(rows).flatten() {
                assert!(seen.insert(key), "{ty}: {key}");
                assert!(!key.starts_with("metadata."), "{ty}: {key}");
                let own = key.strip_prefix("mastra.").and_then(|key| key.strip_prefix(ty.as_str())?.strip_prefix('.'));
                assert!(own.is_none_or(|name| used.contains(&name)), "{ty}: {key}");
            }
        }
    }
}
