//! Attributes of workflows: the run, its steps and its control flow. `entry…` tells of the entry in the workflow's definition.

use watchpost_sentry::wire::Timestamp;

use crate::model::{Payload, Text, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`WorkflowRun`](crate::model::SpanType::WorkflowRun).
    WorkflowRunAttributes {
        status "status": Option<Text> => "`success`, `failed`, `suspended`, ….";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowStep`](crate::model::SpanType::WorkflowStep).
    WorkflowStepAttributes {
        status "status": Option<Text> => "`success`, `failed`, `suspended`, ….";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowConditional`](crate::model::SpanType::WorkflowConditional).
    WorkflowConditionalAttributes {
        condition_count "conditionCount": Option<u64> => "How many conditions.";
        truthy_indexes "truthyIndexes": Vec<u64> => "Which of them held, from 0.";
        selected_steps "selectedSteps": Vec<Text> => "The steps chosen.";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowConditionalEval`](crate::model::SpanType::WorkflowConditionalEval).
    WorkflowConditionalEvalAttributes {
        condition_index "conditionIndex": Option<u64> => "Which condition, from 0.";
        result "result": Option<bool> => "Whether it held.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowParallel`](crate::model::SpanType::WorkflowParallel).
    WorkflowParallelAttributes {
        branch_count "branchCount": Option<u64> => "How many branches.";
        parallel_steps "parallelSteps": Vec<Text> => "Their steps.";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowLoop`](crate::model::SpanType::WorkflowLoop).
    WorkflowLoopAttributes {
        loop_type "loopType": Option<Text> => "`foreach`, `dowhile` or `dountil`.";
        iteration "iteration": Option<u64> => "Which round.";
        total_iterations "totalIterations": Option<u64> => "How many rounds.";
        concurrency "concurrency": Option<u64> => "How many of them run at once.";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowSleep`](crate::model::SpanType::WorkflowSleep).
    WorkflowSleepAttributes {
        duration_ms "durationMs": Option<f64> => "How long, in milliseconds.";
        until_date "untilDate": Option<Timestamp> => "Until when.";
        sleep_type "sleepType": Option<Text> => "`fixed` or `dynamic`.";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`WorkflowWaitEvent`](crate::model::SpanType::WorkflowWaitEvent).
    WorkflowWaitEventAttributes {
        event_name "eventName": Option<Text> => "The event.";
        timeout_ms "timeoutMs": Option<f64> => "How long it waits at most, in milliseconds.";
        event_received "eventReceived": Option<bool> => "Whether it came.";
        wait_duration_ms "waitDurationMs": Option<f64> => "How long it waited, in milliseconds.";
        entry_id "entryId": Option<Text> => "The entry of the workflow's definition.";
        entry_description "entryDescription": Option<Text> => "That entry's description.";
        entry_metadata "entryMetadata": Option<Payload> => "That entry's metadata.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
