//! Seed 004, "Span Mapping": which operation a span type becomes, and how a span of it is named.

use crate::model::SpanType;

/// A row: the type, its operation (`None`: skipped), and the first word of its spans' names.
struct Row(SpanType, Option<&'static str>, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    //  type                             operation                      name                          the seed's row
    Row(SpanType::AgentRun,                Some("gen_ai.invoke_agent"),   "invoke_agent"),              // AGENT_RUN                  gen_ai.invoke_agent
    Row(SpanType::ModelGeneration,         Some("gen_ai.chat"),           "chat"),                      // MODEL_GENERATION           gen_ai.chat
    Row(SpanType::ModelStep,               None,                          "model_step"),                // MODEL_STEP                 (skipped)
    Row(SpanType::ModelChunk,              None,                          "model_chunk"),               // MODEL_CHUNK                (skipped)
    Row(SpanType::ToolCall,                Some("gen_ai.execute_tool"),   "execute_tool"),              // TOOL_CALL                  gen_ai.execute_tool
    Row(SpanType::McpToolCall,             Some("gen_ai.execute_tool"),   "execute_tool"),              // MCP_TOOL_CALL              gen_ai.execute_tool
    Row(SpanType::WorkflowRun,             Some("workflow.run"),          "invoke_workflow"),           // WORKFLOW_RUN               workflow.run
    Row(SpanType::WorkflowStep,            Some("workflow.step"),         "workflow_step"),             // WORKFLOW_STEP              workflow.step
    Row(SpanType::WorkflowConditional,     Some("workflow.conditional"),  "workflow_conditional"),      // WORKFLOW_CONDITIONAL       workflow.conditional
    Row(SpanType::WorkflowConditionalEval, Some("workflow.conditional"),  "workflow_conditional_eval"), // WORKFLOW_CONDITIONAL_EVAL  workflow.conditional
    Row(SpanType::WorkflowParallel,        Some("workflow.parallel"),     "workflow_parallel"),         // WORKFLOW_PARALLEL          workflow.parallel
    Row(SpanType::WorkflowLoop,            Some("workflow.loop"),         "workflow_loop"),             // WORKFLOW_LOOP              workflow.loop
    Row(SpanType::WorkflowSleep,           Some("workflow.sleep"),        "workflow_sleep"),            // WORKFLOW_SLEEP             workflow.sleep
    Row(SpanType::WorkflowWaitEvent,       Some("workflow.wait"),         "workflow_wait_event"),       // WORKFLOW_WAIT_EVENT        workflow.wait
    Row(SpanType::ProcessorRun,            Some("ai.processor"),          "processor_run"),             // PROCESSOR_RUN              ai.processor
    Row(SpanType::Generic,                 Some("ai.span"),               ""),                          // GENERIC                    ai.span
    // Newer types. Skipped as a step is: it is a step's only child
    Row(SpanType::ModelInference,          None,                          "model_inference"),
    Row(SpanType::ClientToolCall,          Some("gen_ai.execute_tool"),   "execute_tool"),
    Row(SpanType::ProviderToolCall,        Some("gen_ai.execute_tool"),   "execute_tool"),
    Row(SpanType::RagEmbedding,            Some("gen_ai.embeddings"),     "embeddings"),
    // As Sentry's own integration for Mastra has it
    Row(SpanType::ClassifierEvaluation,    Some("gen_ai.decide"),         "decide"),
    // Sentry's MCP views select on this operation; named by the method
    Row(SpanType::McpServerRequest,        Some("mcp.server"),            ""),
    Row(SpanType::ScorerRun,               Some("workflow.run"),          "scorer_run"),
    Row(SpanType::ScorerStep,              Some("workflow.step"),         "scorer_step"),
    Row(SpanType::MemoryOperation,         Some("ai.memory"),             "memory_operation"),
    Row(SpanType::SkillAction,             Some("ai.skill"),              "skill_action"),
    Row(SpanType::SkillResolution,         Some("ai.skill"),              "skill_resolution"),
    Row(SpanType::WorkspaceAction,         Some("ai.workspace"),          "workspace_action"),
    Row(SpanType::AgentSignal,             Some("ai.span"),               "agent_signal"),
    Row(SpanType::Mapping,                 Some("ai.span"),               "mapping"),
    Row(SpanType::RagIngestion,            Some("ai.span"),               "rag_ingestion"),
    Row(SpanType::RagVectorOperation,      Some("ai.span"),               "rag_vector_operation"),
    Row(SpanType::RagAction,               Some("ai.span"),               "rag_action"),
    Row(SpanType::GraphAction,             Some("ai.span"),               "graph_action"),
];

/// What a type that is not known is treated as.
const UNKNOWN: &Row = &Row(SpanType::Generic, Some("ai.span"), "");

/// The operation of a span type; `None` when its spans are skipped, because their data is gathered into the generation.
#[must_use]
pub fn operation(ty: &SpanType) -> Option<&'static str> {
    row(ty).1
}

/// Whether spans of this type are Sentry's `gen_ai` spans, which travel as spans of version 2 in hybrid mode.
#[must_use]
pub fn is_gen_ai(ty: &SpanType) -> bool {
    operation_name(ty).is_some()
}

/// `gen_ai.operation.name`: what stands behind `gen_ai.` in the operation.
pub(super) fn operation_name(ty: &SpanType) -> Option<&'static str> {
    operation(ty)?.strip_prefix("gen_ai.")
}

/// The first word of the names of such spans; empty where the name says it all.
pub(super) fn name_word(ty: &SpanType) -> &'static str {
    row(ty).2
}

fn row(ty: &SpanType) -> &'static Row {
    ROWS.iter().find(|row| row.0 == *ty).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_has_a_row_and_an_unknown_one_is_generic() {
        for ty in SpanType::ALL {
            assert_eq!(ROWS.iter().filter(|row| row.0 == *ty).count(), 1, "{ty}");
            assert_eq!(operation(ty).is_none(), ty.is_skipped(), "{ty}");
        }
        assert_eq!(operation(&SpanType::Other("brand_new".into())), Some("ai.span"));
    }

    #[test]
    fn only_the_spans_of_gen_ai_travel_beside_the_transaction() {
        let streamed: Vec<_> = SpanType::ALL.iter().filter(|ty| is_gen_ai(ty)).map(SpanType::as_str).collect();
        assert_eq!(
            streamed,
            [
                "agent_run",
                "model_generation",
                "tool_call",
                "client_tool_call",
                "provider_tool_call",
                "mcp_tool_call",
                "classifier_evaluation",
                "rag_embedding"
            ]
        );
    }
}
