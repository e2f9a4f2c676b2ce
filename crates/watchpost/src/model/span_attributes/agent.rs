//! Attributes of what makes up an agent: its run, processors, memory, workspace, skills and signals.

use crate::model::{Payload, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`AgentRun`](crate::model::SpanType::AgentRun).
    AgentRunAttributes {
        conversation_id "conversationId": Option<String> => "The conversation or thread.";
        instructions "instructions": Option<Payload> => "The agent's instructions. Content.";
        prompt "prompt": Option<Payload> => "The prompt. Content.";
        available_tools "availableTools": Vec<String> => "The names of its tools.";
        max_steps "maxSteps": Option<u64> => "Most steps it may take.";
        resolved_version_id "resolvedVersionId": Option<String> => "The agent's version.";
        tripwire_abort "tripwireAbort": Option<Payload> => "Which processor stopped it and why.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ProcessorRun`](crate::model::SpanType::ProcessorRun).
    ProcessorRunAttributes {
        processor_executor "processorExecutor": Option<String> => "What runs it: `workflow` or `legacy`.";
        processor_index "processorIndex": Option<u64> => "Its place among the processors, from 0.";
        processor_phase "processorPhase": Option<String> => "`input`, `inputStep`, `outputStream`, `outputResult`, ….";
        hook_duration_ms "hookDurationMs": Option<f64> => "How long it took, in milliseconds.";
        message_list_mutations "messageListMutations": Option<Payload> => "What it changed in the messages. Content.";
        tripwire_abort "tripwireAbort": Option<Payload> => "That it stopped the agent, and why.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`MemoryOperation`](crate::model::SpanType::MemoryOperation).
    MemoryOperationAttributes {
        operation_type "operationType": Option<String> => "`recall`, `save`, `delete`, `update`, `observe` or `reflect`.";
        message_count "messageCount": Option<u64> => "How many messages.";
        embedding_tokens "embeddingTokens": Option<u64> => "Tokens embedded.";
        semantic_recall_enabled "semanticRecallEnabled": Option<bool> => "Whether similar messages are recalled.";
        vector_result_count "vectorResultCount": Option<u64> => "How many similar ones were found.";
        working_memory_enabled "workingMemoryEnabled": Option<bool> => "Whether there is a working memory.";
        last_messages "lastMessages": Option<u64> => "How many of the last messages are recalled.";
        input_tokens "inputTokens": Option<u64> => "Tokens it read.";
        selected_model "selectedModel": Option<String> => "The model that did it.";
        multi_thread "multiThread": Option<bool> => "Whether it works on several threads of a conversation at once.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkspaceAction`](crate::model::SpanType::WorkspaceAction).
    WorkspaceActionAttributes {
        workspace_id "workspaceId": Option<String> => "The workspace.";
        workspace_name "workspaceName": Option<String> => "The workspace's name.";
        category "category": Option<String> => "`filesystem`, `sandbox`, `search`, ….";
        sandbox_provider "sandboxProvider": Option<String> => "What the sandbox is made of.";
        filesystem_provider "filesystemProvider": Option<String> => "What the file system is made of.";
        success "success": Option<bool> => "Whether it succeeded.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`SkillAction`](crate::model::SpanType::SkillAction) and the older [`SkillResolution`](crate::model::SpanType::SkillResolution).
    SkillActionAttributes {
        operation "operation": Option<String> => "`resolve`, `inject`, `activate`, `search` or `read`.";
        agent_id "agentId": Option<String> => "The agent.";
        skill_count "skillCount": Option<u64> => "How many skills.";
        skill_format "skillFormat": Option<String> => "The skills' format.";
        skill_name "skillName": Option<String> => "The skill.";
        phase "phase": Option<String> => "The phase, of a resolution.";
        success "success": Option<bool> => "Whether it succeeded.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`AgentSignal`](crate::model::SpanType::AgentSignal).
    AgentSignalAttributes {
        state_id "stateId": Option<String> => "The state it belongs to.";
        mode "mode": Option<String> => "How it is delivered.";
        tag_name "tagName": Option<String> => "Its name.";
        processor_id "processorId": Option<String> => "The processor that sent it.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
