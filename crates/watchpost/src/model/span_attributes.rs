//! What a span's type says of it: one struct a group of types, every field optional.
//! Source: Mastra's `ExportedSpan.attributes`, both generations.

use watchpost_sentry::wire::Timestamp;

use super::Payload;

/// A span's typed attributes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum SpanAttributes {
    /// None.
    #[default]
    None,
    /// Of an agent's run.
    AgentRun(Box<AgentRunAttributes>),
    /// Of a generation.
    ModelGeneration(Box<ModelGenerationAttributes>),
    /// Of a step.
    ModelStep(Box<ModelStepAttributes>),
    /// Of an inference.
    ModelInference(Box<ModelInferenceAttributes>),
    /// Of a chunk.
    ModelChunk(Box<ModelChunkAttributes>),
    /// Of a tool's call, of whatever kind.
    ToolCall(Box<ToolCallAttributes>),
    /// Of a request that an MCP server serves.
    McpServerRequest(Box<McpServerRequestAttributes>),
}

/// Tokens used. A count that is not given is `None`, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageStats {
    /// All input tokens, cached ones included.
    pub input_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Input tokens of text.
    pub input_text: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the provider's cache.
    pub cache_write: Option<u64>,
    /// Input tokens of audio.
    pub input_audio: Option<u64>,
    /// Input tokens of images.
    pub input_image: Option<u64>,
    /// Output tokens of text.
    pub output_text: Option<u64>,
    /// Output tokens of reasoning.
    pub reasoning: Option<u64>,
    /// Output tokens of audio.
    pub output_audio: Option<u64>,
    /// Output tokens of images.
    pub output_image: Option<u64>,
}

/// Attributes of [`AgentRun`](super::SpanType::AgentRun).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentRunAttributes {
    /// The conversation or thread.
    pub conversation_id: Option<String>,
    /// The agent's instructions. Content.
    pub instructions: Option<Payload>,
    /// The prompt. Content.
    pub prompt: Option<Payload>,
    /// The names of its tools.
    pub available_tools: Vec<String>,
    /// Most steps it may take.
    pub max_steps: Option<u64>,
    /// The agent's version.
    pub resolved_version_id: Option<String>,
    /// Tokens of descendants that are not exported.
    pub internal_usage: Option<UsageStats>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of [`ModelGeneration`](super::SpanType::ModelGeneration).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelGenerationAttributes {
    /// The model asked for.
    pub model: Option<String>,
    /// The provider, as given.
    pub provider: Option<String>,
    /// The tools offered, as JSON.
    pub tools: Option<Payload>,
    /// The kind of result.
    pub result_type: Option<String>,
    /// Tokens used.
    pub usage: Option<UsageStats>,
    /// The request's parameters.
    pub parameters: ModelParameters,
    /// Whether the answer was streamed.
    pub streaming: Option<bool>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// When the first token came.
    pub completion_start_time: Option<Timestamp>,
    /// The model that answered.
    pub response_model: Option<String>,
    /// The answer's id.
    pub response_id: Option<String>,
    /// The provider's host.
    pub server_address: Option<String>,
    /// The provider's port.
    pub server_port: Option<u64>,
    /// Tokens of descendants that are not exported.
    pub internal_usage: Option<UsageStats>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// A request's parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelParameters {
    /// Most tokens to answer with.
    pub max_output_tokens: Option<u64>,
    /// Temperature.
    pub temperature: Option<f64>,
    /// Top p.
    pub top_p: Option<f64>,
    /// Top k.
    pub top_k: Option<f64>,
    /// Presence penalty.
    pub presence_penalty: Option<f64>,
    /// Frequency penalty.
    pub frequency_penalty: Option<f64>,
    /// Texts that end the answer.
    pub stop_sequences: Vec<String>,
    /// The seed.
    pub seed: Option<i64>,
    /// Most retries.
    pub max_retries: Option<u64>,
    /// What else was given, by name (never headers).
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of [`ModelStep`](super::SpanType::ModelStep).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelStepAttributes {
    /// The step's number, from 0.
    pub step_index: Option<u64>,
    /// Tokens used.
    pub usage: Option<UsageStats>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// Whether another step follows.
    pub is_continued: Option<bool>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of [`ModelInference`](super::SpanType::ModelInference).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInferenceAttributes {
    /// The model asked for.
    pub model: Option<String>,
    /// The provider, as given.
    pub provider: Option<String>,
    /// The step's number, from 0.
    pub step_index: Option<u64>,
    /// Tokens used.
    pub usage: Option<UsageStats>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// Whether the answer was streamed.
    pub streaming: Option<bool>,
    /// When the first token came.
    pub completion_start_time: Option<Timestamp>,
    /// The model that answered.
    pub response_model: Option<String>,
    /// The answer's id.
    pub response_id: Option<String>,
    /// The request's parameters.
    pub parameters: ModelParameters,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of [`ModelChunk`](super::SpanType::ModelChunk).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelChunkAttributes {
    /// `text`, `reasoning`, `tool-call`, `tool-result`, ….
    pub chunk_type: Option<String>,
    /// Its place in the stream, from 0.
    pub sequence_number: Option<u64>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of tools' calls: [`ToolCall`](super::SpanType::ToolCall) and the client's, provider's and MCP kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCallAttributes {
    /// The tool's type, as given.
    pub tool_type: Option<String>,
    /// The tool's description.
    pub tool_description: Option<String>,
    /// The model's id of the call.
    pub tool_call_id: Option<String>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// The MCP server.
    pub mcp_server: Option<String>,
    /// The MCP server's version.
    pub server_version: Option<String>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}

/// Attributes of [`McpServerRequest`](super::SpanType::McpServerRequest).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct McpServerRequestAttributes {
    /// The MCP method.
    pub mcp_method: Option<String>,
    /// The tool, prompt or resource.
    pub target_name: Option<String>,
    /// The server.
    pub mcp_server: Option<String>,
    /// The server's version.
    pub server_version: Option<String>,
    /// The protocol's version.
    pub mcp_protocol_version: Option<String>,
    /// The client.
    pub client_name: Option<String>,
    /// The client's version.
    pub client_version: Option<String>,
    /// What else was given, by name.
    pub other: Vec<(Box<str>, Payload)>,
}
