//! The types of spans: the 16 of seed 004 and the others of today's Mastra.

use std::fmt;

/// What a span stands for. A type that is not known is kept by its name and treated as [`Generic`](Self::Generic).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpanType {
    /// An agent's run.
    AgentRun,
    /// A call of a language model, with its tool loop.
    ModelGeneration,
    /// One step of a generation.
    ModelStep,
    /// One request to the model within a step.
    ModelInference,
    /// A piece of a streamed answer.
    ModelChunk,
    /// A tool's call.
    ToolCall,
    /// A call of a tool that runs at the client.
    ClientToolCall,
    /// A call of a tool that the model's provider runs.
    ProviderToolCall,
    /// A call of an MCP server's tool.
    McpToolCall,
    /// A request that an MCP server serves.
    McpServerRequest,
    /// A workflow's run.
    WorkflowRun,
    /// A workflow's step.
    WorkflowStep,
    /// A workflow's branching.
    WorkflowConditional,
    /// The evaluation of one condition.
    WorkflowConditionalEval,
    /// Branches that run at once.
    WorkflowParallel,
    /// A workflow's loop.
    WorkflowLoop,
    /// A workflow's pause.
    WorkflowSleep,
    /// A workflow waiting for an event.
    WorkflowWaitEvent,
    /// A processor of an agent's input or output.
    ProcessorRun,
    /// A scorer's run.
    ScorerRun,
    /// A scorer's step.
    ScorerStep,
    /// A classifier's evaluation.
    ClassifierEvaluation,
    /// An operation on an agent's memory.
    MemoryOperation,
    /// An action in a workspace.
    WorkspaceAction,
    /// An action with a skill.
    SkillAction,
    /// A skill being found; deprecated by Mastra.
    SkillResolution,
    /// A signal to an agent.
    AgentSignal,
    /// A mapping of data.
    Mapping,
    /// Documents taken into an index.
    RagIngestion,
    /// An embedding.
    RagEmbedding,
    /// An operation on a vector store.
    RagVectorOperation,
    /// Another action on documents.
    RagAction,
    /// An action on a graph of documents.
    GraphAction,
    /// Anything else.
    Generic,
    /// A type that is not known, by its name.
    Other(Box<str>),
}

macro_rules! names {
    ($($variant:ident = $name:literal),* $(,)?) => {
        impl SpanType {
            /// Every known type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, as Mastra writes it: `agent_run`, ….
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<&str> for SpanType {
            /// The type of that name; also in upper case, as the seed writes it.
            fn from(name: &str) -> Self {
                let lower = name.to_ascii_lowercase();
                match lower.as_str() {
                    $($name => Self::$variant,)*
                    _ => Self::Other(name.into()),
                }
            }
        }
    };
}

names! {
    AgentRun = "agent_run",
    ModelGeneration = "model_generation",
    ModelStep = "model_step",
    ModelInference = "model_inference",
    ModelChunk = "model_chunk",
    ToolCall = "tool_call",
    ClientToolCall = "client_tool_call",
    ProviderToolCall = "provider_tool_call",
    McpToolCall = "mcp_tool_call",
    McpServerRequest = "mcp_server_request",
    WorkflowRun = "workflow_run",
    WorkflowStep = "workflow_step",
    WorkflowConditional = "workflow_conditional",
    WorkflowConditionalEval = "workflow_conditional_eval",
    WorkflowParallel = "workflow_parallel",
    WorkflowLoop = "workflow_loop",
    WorkflowSleep = "workflow_sleep",
    WorkflowWaitEvent = "workflow_wait_event",
    ProcessorRun = "processor_run",
    ScorerRun = "scorer_run",
    ScorerStep = "scorer_step",
    ClassifierEvaluation = "classifier_evaluation",
    MemoryOperation = "memory_operation",
    WorkspaceAction = "workspace_action",
    SkillAction = "skill_action",
    SkillResolution = "skill_resolution",
    AgentSignal = "agent_signal",
    Mapping = "mapping",
    RagIngestion = "rag_ingestion",
    RagEmbedding = "rag_embedding",
    RagVectorOperation = "rag_vector_operation",
    RagAction = "rag_action",
    GraphAction = "graph_action",
    Generic = "generic",
}

impl SpanType {
    /// Whether spans of this type are not sent: their data goes into the generation above them (seed 004: steps and chunks;
    /// the newer inference, which is a step's only child, likewise).
    #[must_use]
    pub const fn is_skipped(&self) -> bool {
        matches!(self, Self::ModelStep | Self::ModelInference | Self::ModelChunk)
    }

    /// Whether it is a tool's call, of whatever kind.
    #[must_use]
    pub const fn is_tool(&self) -> bool {
        matches!(self, Self::ToolCall | Self::ClientToolCall | Self::ProviderToolCall | Self::McpToolCall)
    }
}

impl fmt::Display for SpanType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
