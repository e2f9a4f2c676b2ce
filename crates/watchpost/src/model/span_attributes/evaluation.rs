//! Attributes of what judges an agent: scorers and classifiers.

use crate::model::{UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`ScorerRun`](crate::model::SpanType::ScorerRun). What was scored is in the span's metadata, `targetTraceId` and
    /// `targetSpanId`.
    ScorerRunAttributes {
        scorer_id "scorerId": Option<String> => "The scorer.";
        scorer_name "scorerName": Option<String> => "The scorer's name.";
        score_source "scoreSource": Option<String> => "`live`, `trace`, `experiment`, ….";
        target_scope "targetScope": Option<String> => "What is scored: `span` or `trajectory`.";
        target_entity_type "targetEntityType": Option<String> => "What kind of thing ran there.";
        scorer_definition "scorerDefinition": Option<String> => "How it scores: `code`, `prompt`, ….";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ScorerStep`](crate::model::SpanType::ScorerStep).
    ScorerStepAttributes {
        step "step": Option<String> => "`preprocess`, `analyze`, `generateScore` or `generateReason`.";
        step_type "stepType": Option<String> => "`function` or `prompt`.";
        prompt "prompt": Option<String> => "The prompt. Content.";
        judge_model "judgeModel": Option<String> => "The model that judges.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ClassifierEvaluation`](crate::model::SpanType::ClassifierEvaluation).
    ClassifierEvaluationAttributes {
        classifier_id "classifierId": Option<String> => "The classifier.";
        model_id "modelId": Option<String> => "The model.";
        provider "provider": Option<String> => "The provider, as given.";
        question_count "questionCount": Option<u64> => "How many questions.";
        question_types "questionTypes": Vec<String> => "The kinds of questions.";
        max_retries "maxRetries": Option<u64> => "Most retries.";
        attempt_count "attemptCount": Option<u64> => "How many attempts it took.";
        retry_count "retryCount": Option<u64> => "How many of them were retries.";
        duration_ms "durationMs": Option<f64> => "How long it took, in milliseconds.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        error_type "errorType": Option<String> => "What kind of failure it was.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
