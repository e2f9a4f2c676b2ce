//! What a span's type says of it: one struct a group of types, every field optional, and anything else by its name.
//! Source: Mastra's `ExportedSpan.attributes`, core 1.10 and 1.71.
//!
//! **Content** (what `capture` turns off) is in `instructions` and `prompt` of an agent's run, `tools` of a generation (what the
//! tools are, not what they were asked), `prompt` of a scorer's step and `messageListMutations` of a processor's run. Everything
//! else is metadata.

mod agent;
mod evaluation;
mod model_call;
mod retrieval;
mod tool;
mod workflow;

use serde_json::value::RawValue;

pub use self::{
    agent::{
        AgentRunAttributes, AgentSignalAttributes, MemoryOperationAttributes, ProcessorRunAttributes,
        SkillActionAttributes, WorkspaceActionAttributes,
    },
    evaluation::{ClassifierEvaluationAttributes, ScorerRunAttributes, ScorerStepAttributes},
    model_call::{
        ModelChunkAttributes, ModelGenerationAttributes, ModelInferenceAttributes, ModelParameters, ModelStepAttributes,
    },
    retrieval::{
        GraphActionAttributes, RagActionAttributes, RagEmbeddingAttributes, RagIngestionAttributes,
        RagVectorOperationAttributes,
    },
    tool::{MappingAttributes, McpServerRequestAttributes, ToolCallAttributes},
    workflow::{
        WorkflowConditionalAttributes, WorkflowConditionalEvalAttributes, WorkflowLoopAttributes,
        WorkflowParallelAttributes, WorkflowRunAttributes, WorkflowSleepAttributes, WorkflowStepAttributes,
        WorkflowWaitEventAttributes,
    },
};
use super::{
    AttributeMut, AttributeRef, Payload, SpanType, Text, UsageStats,
    attribute::{Field, Group, insert_other, set_other},
};

/// A group of attributes as one of [`SpanAttributes`]' variants; all of this module's groups are.
pub trait TypedAttributes: Default {
    /// The group in `attributes`, which is replaced when it is another one.
    fn of(attributes: &mut SpanAttributes) -> Option<&mut Self>;
}

/// One variant a line: its struct, the types that have it, what it is.
macro_rules! variants {
    ($($variant:ident($group:ident): $($ty:ident)|+ => $doc:literal;)*) => {
        /// A span's typed attributes.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub enum SpanAttributes {
            /// None.
            #[default]
            None,
            $(#[doc = $doc] $variant(Box<$group>),)*
            /// Of anything else, by name.
            Other(Vec<(Text, Payload)>),
        }

        $(
            impl From<$group> for SpanAttributes {
                fn from(group: $group) -> Self {
                    Self::$variant(Box::new(group))
                }
            }

            impl TypedAttributes for $group {
                fn of(attributes: &mut SpanAttributes) -> Option<&mut Self> {
                    if !matches!(attributes, SpanAttributes::$variant(_)) {
                        *attributes = Self::default().into();
                    }
                    if let SpanAttributes::$variant(group) = attributes { Some(group) } else { None }
                }
            }
        )*

        impl SpanAttributes {
            /// The attributes that a span of this type has, none of them set.
            #[must_use]
            pub fn empty(ty: &SpanType) -> Self {
                match ty {
                    $($(SpanType::$ty)|+ => Self::$variant(Box::default()),)*
                    SpanType::Generic | SpanType::Other(_) => Self::None,
                }
            }

            fn group(&self) -> Option<&dyn Group> {
                match self {
                    $(Self::$variant(group) => Some(&**group),)*
                    Self::None | Self::Other(_) => None,
                }
            }

            fn group_mut(&mut self) -> Option<&mut dyn Group> {
                match self {
                    $(Self::$variant(group) => Some(&mut **group),)*
                    Self::None | Self::Other(_) => None,
                }
            }

            /// Takes from `older`, another report of the same span, what is not set here.
            pub fn fill_from(&mut self, older: Self) {
                match (self, older) {
                    $((Self::$variant(group), Self::$variant(older)) => group.fill_from(*older),)*
                    (Self::Other(others), Self::Other(older)) => others.fill_from(older),
                    (none @ Self::None, older) => *none = older,
                    // The span was told with another type meanwhile: the newer one counts.
                    _ => {}
                }
            }

        }
    };
}

variants! {
    AgentRun(AgentRunAttributes): AgentRun => "Of an agent's run.";
    ModelGeneration(ModelGenerationAttributes): ModelGeneration => "Of a generation.";
    ModelStep(ModelStepAttributes): ModelStep => "Of a step.";
    ModelInference(ModelInferenceAttributes): ModelInference => "Of an inference.";
    ModelChunk(ModelChunkAttributes): ModelChunk => "Of a chunk.";
    ToolCall(ToolCallAttributes): ToolCall | ClientToolCall | ProviderToolCall | McpToolCall => "Of a tool's call, of whatever kind.";
    McpServerRequest(McpServerRequestAttributes): McpServerRequest => "Of a request that an MCP server serves.";
    Mapping(MappingAttributes): Mapping => "Of a mapping of data.";
    WorkflowRun(WorkflowRunAttributes): WorkflowRun => "Of a workflow's run.";
    WorkflowStep(WorkflowStepAttributes): WorkflowStep => "Of a workflow's step.";
    WorkflowConditional(WorkflowConditionalAttributes): WorkflowConditional => "Of a workflow's branching.";
    WorkflowConditionalEval(WorkflowConditionalEvalAttributes): WorkflowConditionalEval => "Of the evaluation of one condition.";
    WorkflowParallel(WorkflowParallelAttributes): WorkflowParallel => "Of branches that run at once.";
    WorkflowLoop(WorkflowLoopAttributes): WorkflowLoop => "Of a workflow's loop.";
    WorkflowSleep(WorkflowSleepAttributes): WorkflowSleep => "Of a workflow's pause.";
    WorkflowWaitEvent(WorkflowWaitEventAttributes): WorkflowWaitEvent => "Of a workflow waiting for an event.";
    ProcessorRun(ProcessorRunAttributes): ProcessorRun => "Of a processor's run.";
    MemoryOperation(MemoryOperationAttributes): MemoryOperation => "Of an operation on an agent's memory.";
    WorkspaceAction(WorkspaceActionAttributes): WorkspaceAction => "Of an action in a workspace.";
    SkillAction(SkillActionAttributes): SkillAction | SkillResolution => "Of an action with a skill.";
    AgentSignal(AgentSignalAttributes): AgentSignal => "Of a signal to an agent.";
    ScorerRun(ScorerRunAttributes): ScorerRun => "Of a scorer's run.";
    ScorerStep(ScorerStepAttributes): ScorerStep => "Of a scorer's step.";
    ClassifierEvaluation(ClassifierEvaluationAttributes): ClassifierEvaluation => "Of a classifier's evaluation.";
    RagIngestion(RagIngestionAttributes): RagIngestion => "Of documents taken into an index.";
    RagEmbedding(RagEmbeddingAttributes): RagEmbedding => "Of an embedding.";
    RagVectorOperation(RagVectorOperationAttributes): RagVectorOperation => "Of an operation on a vector store.";
    RagAction(RagActionAttributes): RagAction => "Of another action on documents.";
    GraphAction(GraphActionAttributes): GraphAction => "Of an action on a graph of documents.";
}

impl SpanAttributes {
    /// Calls `each` for every attribute that is set, by its JSON name, typed ones first; a request's parameters come as one
    /// value, [`AttributeRef::Parameters`].
    pub fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a str, AttributeRef<'a>)) {
        match self {
            Self::Other(others) => {
                for (name, value) in others {
                    each(name, AttributeRef::Payload(value));
                }
            }
            _ => {
                if let Some(group) = self.group() {
                    group.visit(each);
                }
            }
        }
    }

    /// Calls `each` for every attribute that is set and can hold text, by its JSON name, a request's parameters among them: what
    /// redaction has to look at.
    pub fn visit_mut(&mut self, each: &mut dyn FnMut(&str, AttributeMut<'_>)) {
        match self {
            Self::Other(others) => {
                for (name, value) in others {
                    each(name, AttributeMut::Payload(value));
                }
            }
            _ => {
                if let Some(group) = self.group_mut() {
                    group.visit_mut(each);
                }
            }
        }
    }

    /// Sets an attribute by its JSON name: its field, when the value fits that, or else it is kept by its name. The last one of a
    /// name counts, and at most 128 are kept that have no field.
    pub fn insert(&mut self, name: &str, value: impl Into<Payload>) {
        let value = value.into();
        if let Self::None = self {
            *self = Self::Other(Vec::new());
        }
        if let Self::Other(others) = self {
            insert_other(others, name.into(), value);
        } else if let Some(group) = self.group_mut() {
            let fits = RawValue::from_string(value.to_json().into_owned()).is_ok_and(|json| group.set(name, &json));
            if !fits {
                insert_other(group.others_mut(), name.into(), value);
            }
        }
    }

    /// Sets an attribute from JSON. One of the wrong type is left out; one that is not known is kept by its name.
    pub(crate) fn set(&mut self, name: &str, json: &RawValue) {
        match self {
            Self::None => {
                let mut others = Vec::new();
                set_other(&mut others, name, json);
                if !others.is_empty() {
                    *self = Self::Other(others);
                }
            }
            Self::Other(others) => set_other(others, name, json),
            _ => {
                if let Some(group) = self.group_mut() {
                    group.set(name, json);
                }
            }
        }
    }

    /// Those that no field stands for, by names that the source made.
    pub(crate) fn others_mut(&mut self) -> Option<&mut Vec<(Text, Payload)>> {
        match self {
            Self::Other(others) => Some(others),
            _ => self.group_mut().map(Group::others_mut),
        }
    }

    /// About how many bytes they hold.
    #[must_use]
    pub(crate) fn approximate_bytes(&self) -> usize {
        match self {
            Self::Other(others) => others.heap_bytes(),
            _ => self.group().map_or(0, Group::approximate_bytes),
        }
    }

    /// An agent's run's.
    #[must_use]
    pub const fn agent_run(&self) -> Option<&AgentRunAttributes> {
        if let Self::AgentRun(agent_run) = self { Some(agent_run) } else { None }
    }

    /// A generation's.
    #[must_use]
    pub const fn generation(&self) -> Option<&ModelGenerationAttributes> {
        if let Self::ModelGeneration(generation) = self { Some(generation) } else { None }
    }

    /// A step's.
    #[must_use]
    pub const fn step(&self) -> Option<&ModelStepAttributes> {
        if let Self::ModelStep(step) = self { Some(step) } else { None }
    }

    /// An inference's.
    #[must_use]
    pub const fn inference(&self) -> Option<&ModelInferenceAttributes> {
        if let Self::ModelInference(inference) = self { Some(inference) } else { None }
    }

    /// A tool's call's, of whatever kind.
    #[must_use]
    pub const fn tool(&self) -> Option<&ToolCallAttributes> {
        if let Self::ToolCall(tool) = self { Some(tool) } else { None }
    }

    /// Tokens used by the span itself, where its type has them: a generation, a step, an inference, an embedding, a classifier.
    #[must_use]
    pub const fn usage(&self) -> Option<&UsageStats> {
        match self {
            Self::ModelGeneration(generation) => generation.usage.as_ref(),
            Self::ModelStep(step) => step.usage.as_ref(),
            Self::ModelInference(inference) => inference.usage.as_ref(),
            Self::RagEmbedding(embedding) => embedding.usage.as_ref(),
            Self::ClassifierEvaluation(evaluation) => evaluation.usage.as_ref(),
            _ => None,
        }
    }

    /// Tokens of descendants that the source does not export.
    #[must_use]
    pub fn internal_usage(&self) -> Option<&UsageStats> {
        let mut found = None;
        if !matches!(self, Self::Other(_)) {
            self.visit(&mut |name, value| {
                if let ("internalUsage", AttributeRef::Usage(usage)) = (name, value) {
                    found = Some(usage);
                }
            });
        }
        found
    }
}
