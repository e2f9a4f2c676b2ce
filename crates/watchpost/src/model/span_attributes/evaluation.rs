//! Attributes of what judges an agent: scorers and classifiers.

use crate::model::{Text, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`ScorerRun`](crate::model::SpanType::ScorerRun). What was scored is in the span's metadata, `targetTraceId` and
    /// `targetSpanId`.
    ScorerRunAttributes {
        scorer_id "scorerId": Option<Text> => "The scorer.";
        scorer_name "scorerName": Option<Text> => "The scorer's name.";
        score_source "scoreSource": Option<Text> => "`live`, `trace`, `experiment`, ….";
        target_scope "targetScope": Option<Text> => "What is scored: `span` or `trajectory`.";
        target_entity_type "targetEntityType": Option<Text> => "What kind of thing ran there.";
        scorer_definition "scorerDefinition": Option<Text> => "How it scores: `code`, `prompt`, ….";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ScorerStep`](crate::model::SpanType::ScorerStep).
    ScorerStepAttributes {
        step "step": Option<Text> => "`preprocess`, `analyze`, `generateScore` or `generateReason`.";
        step_type "stepType": Option<Text> => "`function` or `prompt`.";
        prompt "prompt": Option<Text> => "The prompt. Content.";
        judge_model "judgeModel": Option<Text> => "The model that judges.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ClassifierEvaluation`](crate::model::SpanType::ClassifierEvaluation).
    ClassifierEvaluationAttributes {
        classifier_id "classifierId": Option<Text> => "The classifier.";
        model_id "modelId": Option<Text> => "The model.";
        provider "provider": Option<Text> => "The provider, as given.";
        question_count "questionCount": Option<u64> => "How many questions.";
        question_types "questionTypes": Vec<Text> => "The kinds of questions.";
        max_retries "maxRetries": Option<u64> => "Most retries.";
        attempt_count "attemptCount": Option<u64> => "How many attempts it took.";
        retry_count "retryCount": Option<u64> => "How many of them were retries.";
        duration_ms "durationMs": Option<f64> => "How long it took, in milliseconds.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        error_type "errorType": Option<Text> => "What kind of failure it was.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
