//! Attributes of what makes up an agent: its run, processors, memory, workspace, skills and signals.

use crate::model::{Payload, Text, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`AgentRun`](crate::model::SpanType::AgentRun).
    AgentRunAttributes {
        conversation_id "conversationId": Option<Text> => "The conversation or thread.";
        instructions "instructions": Option<Payload> => "The agent's instructions. Content.";
        prompt "prompt": Option<Payload> => "The prompt. Content.";
        available_tools "availableTools": Vec<Text> => "The names of its tools.";
        max_steps "maxSteps": Option<u64> => "Most steps it may take.";
        resolved_version_id "resolvedVersionId": Option<Text> => "The agent's version.";
        tripwire_abort "tripwireAbort": Option<Payload> => "Which processor stopped it and why.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ProcessorRun`](crate::model::SpanType::ProcessorRun).
    ProcessorRunAttributes {
        processor_executor "processorExecutor": Option<Text> => "What runs it: `workflow` or `legacy`.";
        processor_index "processorIndex": Option<u64> => "Its place among the processors, from 0.";
        processor_phase "processorPhase": Option<Text> => "`input`, `inputStep`, `outputStream`, `outputResult`, ….";
        hook_duration_ms "hookDurationMs": Option<f64> => "How long it took, in milliseconds.";
        message_list_mutations "messageListMutations": Option<Payload> => "What it changed in the messages. Content.";
        tripwire_abort "tripwireAbort": Option<Payload> => "That it stopped the agent, and why.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`MemoryOperation`](crate::model::SpanType::MemoryOperation).
    MemoryOperationAttributes {
        operation_type "operationType": Option<Text> => "`recall`, `save`, `delete`, `update`, `observe` or `reflect`.";
        message_count "messageCount": Option<u64> => "How many messages.";
        embedding_tokens "embeddingTokens": Option<u64> => "Tokens embedded.";
        semantic_recall_enabled "semanticRecallEnabled": Option<bool> => "Whether similar messages are recalled.";
        vector_result_count "vectorResultCount": Option<u64> => "How many similar ones were found.";
        working_memory_enabled "workingMemoryEnabled": Option<bool> => "Whether there is a working memory.";
        last_messages "lastMessages": Option<u64> => "How many of the last messages are recalled.";
        input_tokens "inputTokens": Option<u64> => "Tokens it read.";
        selected_model "selectedModel": Option<Text> => "The model that did it.";
        multi_thread "multiThread": Option<bool> => "Whether it works on several threads of a conversation at once.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkspaceAction`](crate::model::SpanType::WorkspaceAction).
    WorkspaceActionAttributes {
        workspace_id "workspaceId": Option<Text> => "The workspace.";
        workspace_name "workspaceName": Option<Text> => "The workspace's name.";
        category "category": Option<Text> => "`filesystem`, `sandbox`, `search`, ….";
        sandbox_provider "sandboxProvider": Option<Text> => "What the sandbox is made of.";
        filesystem_provider "filesystemProvider": Option<Text> => "What the file system is made of.";
        success "success": Option<bool> => "Whether it succeeded.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`SkillAction`](crate::model::SpanType::SkillAction) and the older [`SkillResolution`](crate::model::SpanType::SkillResolution).
    SkillActionAttributes {
        operation "operation": Option<Text> => "`resolve`, `inject`, `activate`, `search` or `read`.";
        agent_id "agentId": Option<Text> => "The agent.";
        skill_count "skillCount": Option<u64> => "How many skills.";
        skill_format "skillFormat": Option<Text> => "The skills' format.";
        skill_name "skillName": Option<Text> => "The skill.";
        phase "phase": Option<Text> => "The phase, of a resolution.";
        success "success": Option<bool> => "Whether it succeeded.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`AgentSignal`](crate::model::SpanType::AgentSignal).
    AgentSignalAttributes {
        state_id "stateId": Option<Text> => "The state it belongs to.";
        mode "mode": Option<Text> => "How it is delivered.";
        tag_name "tagName": Option<Text> => "Its name.";
        processor_id "processorId": Option<Text> => "The processor that sent it.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
