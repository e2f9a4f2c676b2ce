//! One method for each type of span that starts one: the table of their names and entities. The names are Mastra's.

/// The methods that start spans, for whatever has a `begin_child`.
macro_rules! starters {
    () => {
        $crate::ai::starter::named! {
            agent_run AgentRun AgentRunAttributes "agent run: '{}'" "agent" "Starts an agent's run.";
            tool_call ToolCall ToolCallAttributes "tool: '{}'" "tool" "Starts a tool's call.";
            client_tool_call ClientToolCall ToolCallAttributes "client_tool: '{}'" "tool" "Starts the call of a tool that runs at the client.";
            provider_tool_call ProviderToolCall ToolCallAttributes "provider_tool: '{}'" "tool" "Starts the call of a tool that the model's provider runs.";
            workflow_run WorkflowRun WorkflowRunAttributes "workflow run: '{}'" "workflow_run" "Starts a workflow's run.";
            workflow_step WorkflowStep WorkflowStepAttributes "workflow step: '{}'" "workflow_step" "Starts a workflow's step.";
            workflow_conditional WorkflowConditional WorkflowConditionalAttributes "conditional: '{}'" "" "Starts a workflow's branching.";
            workflow_conditional_eval WorkflowConditionalEval WorkflowConditionalEvalAttributes "condition: '{}'" "" "Starts the evaluation of one condition.";
            workflow_parallel WorkflowParallel WorkflowParallelAttributes "parallel: '{}'" "" "Starts branches that run at once.";
            workflow_loop WorkflowLoop WorkflowLoopAttributes "loop: '{}'" "" "Starts a workflow's loop.";
            workflow_sleep WorkflowSleep WorkflowSleepAttributes "sleep: {}" "" "Starts a workflow's pause.";
            workflow_wait_event WorkflowWaitEvent WorkflowWaitEventAttributes "wait: '{}'" "" "Starts waiting for an event.";
            processor_run ProcessorRun ProcessorRunAttributes "processor: {}" "processor" "Starts a processor of an agent's input or output.";
            scorer_run ScorerRun ScorerRunAttributes "scorer run: '{}'" "scorer" "Starts a scorer's run.";
            memory_operation MemoryOperation MemoryOperationAttributes "memory: {}" "memory" "Starts an operation on an agent's memory: `recall`, `save`, ….";
        }

        /// Starts a call of a language model, with its tool loop.
        pub fn model_generation(
            &self,
            model: impl Into<$crate::model::Text>,
        ) -> $crate::ai::ActiveSpan<$crate::model::ModelGenerationAttributes> {
            let model = model.into();
            self.begin_child($crate::model::SpanType::ModelGeneration, format!("llm: '{model}'"), |span| {
                let attributes =
                    $crate::model::ModelGenerationAttributes { model: Some(model), ..Default::default() };
                span.attributes = attributes.into();
            })
        }

        /// Starts one step of a generation. It is not sent by itself; what it tells goes into the generation.
        pub fn model_step(&self, index: u64) -> $crate::ai::ActiveSpan<$crate::model::ModelStepAttributes> {
            self.begin_child($crate::model::SpanType::ModelStep, format!("step: {index}"), |span| {
                let attributes = $crate::model::ModelStepAttributes { step_index: Some(index), ..Default::default() };
                span.attributes = attributes.into();
            })
        }

        /// Starts a call of an MCP server's tool.
        pub fn mcp_tool_call(
            &self,
            server: impl Into<$crate::model::Text>,
            tool: impl Into<$crate::model::Text>,
        ) -> $crate::ai::ActiveSpan<$crate::model::ToolCallAttributes> {
            let (server, tool) = (server.into(), tool.into());
            let name = format!("mcp_tool: '{tool}' on '{server}'");
            self.begin_child($crate::model::SpanType::McpToolCall, name, |span| {
                span.entity_type = Some("tool".into());
                span.entity_id = Some(tool.clone());
                span.entity_name = Some(tool);
                let attributes = $crate::model::ToolCallAttributes { mcp_server: Some(server), ..Default::default() };
                span.attributes = attributes.into();
            })
        }

        /// Starts an embedding.
        pub fn embedding(
            &self,
            model: impl Into<$crate::model::Text>,
        ) -> $crate::ai::ActiveSpan<$crate::model::RagEmbeddingAttributes> {
            let model = model.into();
            self.begin_child($crate::model::SpanType::RagEmbedding, format!("embedding: '{model}'"), |span| {
                let attributes = $crate::model::RagEmbeddingAttributes { model: Some(model), ..Default::default() };
                span.attributes = attributes.into();
            })
        }

        /// Starts anything else.
        pub fn generic(&self, name: impl Into<$crate::model::Text>) -> $crate::ai::ActiveSpan<$crate::ai::Untyped> {
            self.span($crate::model::SpanType::Generic, name)
        }

        /// Starts a span of any type; its attributes are set by their names.
        pub fn span(
            &self,
            ty: $crate::model::SpanType,
            name: impl Into<$crate::model::Text>,
        ) -> $crate::ai::ActiveSpan<$crate::ai::Untyped> {
            self.begin_child(ty, name, |_| {})
        }

        /// A moment in this place of the trace: it shows in the trace, and as a breadcrumb of errors after it. It is told when
        /// what is returned is dropped.
        pub fn event(&self, name: impl Into<$crate::model::Text>) -> $crate::ai::Event {
            $crate::ai::Event::new(self.begin_child($crate::model::SpanType::Generic, name, |span| span.is_event = true))
        }
    };
}

/// Those whose one argument is the name of what runs.
macro_rules! named {
    ($($method:ident $ty:ident $attributes:ident $template:literal $entity:literal $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $method(&self, name: impl Into<$crate::model::Text>) -> $crate::ai::ActiveSpan<$crate::model::$attributes> {
            let name = name.into();
            self.begin_child($crate::model::SpanType::$ty, format!($template, name), |span| {
                if !$entity.is_empty() {
                    span.entity_type = Some($entity.into());
                    span.entity_id = Some(name.clone());
                    span.entity_name = Some(name);
                }
            })
        }
    )*};
}

pub(super) use {named, starters};
