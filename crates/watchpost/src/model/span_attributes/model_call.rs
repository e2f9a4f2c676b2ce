//! Attributes of calls of language models: the generation and its steps, inferences and chunks.

use watchpost_sentry::wire::Timestamp;

use crate::model::{
    AttributeRef, Payload, Text, UsageStats,
    attribute::{Group, attributes},
};

attributes! {
    /// Attributes of [`ModelGeneration`](crate::model::SpanType::ModelGeneration).
    ModelGenerationAttributes {
        model "model": Option<Text> => "The model asked for.";
        provider "provider": Option<Text> => "The provider, as given.";
        tools "tools": Option<Payload> => "The tools offered, as JSON. Content.";
        result_type "resultType": Option<Text> => "The kind of result.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        cost_context "costContext": Option<Payload> => "What the source says of the cost.";
        parameters "parameters": ModelParameters => "The request's parameters.";
        streaming "streaming": Option<bool> => "Whether the answer was streamed.";
        finish_reason "finishReason": Option<Text> => "Why the model stopped.";
        completion_start_time "completionStartTime": Option<Timestamp> => "When the first token came.";
        response_model "responseModel": Option<Text> => "The model that answered.";
        response_id "responseId": Option<Text> => "The answer's id.";
        server_address "serverAddress": Option<Text> => "The provider's host.";
        server_port "serverPort": Option<u64> => "The provider's port.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// A request's parameters.
    ModelParameters {
        max_output_tokens "maxOutputTokens": Option<u64> => "Most tokens to answer with.";
        temperature "temperature": Option<f64> => "Temperature.";
        top_p "topP": Option<f64> => "Top p.";
        top_k "topK": Option<f64> => "Top k.";
        presence_penalty "presencePenalty": Option<f64> => "Presence penalty.";
        frequency_penalty "frequencyPenalty": Option<f64> => "Frequency penalty.";
        stop_sequences "stopSequences": Vec<Text> => "Texts that end the answer.";
        seed "seed": Option<i64> => "The seed.";
        max_retries "maxRetries": Option<u64> => "Most retries.";
    }

    /// Attributes of [`ModelStep`](crate::model::SpanType::ModelStep).
    ModelStepAttributes {
        step_index "stepIndex": Option<u64> => "The step's number, from 0.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        finish_reason "finishReason": Option<Text> => "Why the model stopped.";
        is_continued "isContinued": Option<bool> => "Whether another step follows.";
        warnings "warnings": Option<Payload> => "What the provider warned of.";
        message_id "messageId": Option<Text> => "The message it is about.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ModelInference`](crate::model::SpanType::ModelInference).
    ModelInferenceAttributes {
        model "model": Option<Text> => "The model asked for.";
        provider "provider": Option<Text> => "The provider, as given.";
        step_index "stepIndex": Option<u64> => "The step's number, from 0.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        finish_reason "finishReason": Option<Text> => "Why the model stopped.";
        streaming "streaming": Option<bool> => "Whether the answer was streamed.";
        completion_start_time "completionStartTime": Option<Timestamp> => "When the first token came.";
        warnings "warnings": Option<Payload> => "What the provider warned of.";
        response_model "responseModel": Option<Text> => "The model that answered.";
        response_id "responseId": Option<Text> => "The answer's id.";
        parameters "parameters": ModelParameters => "The request's parameters.";
        provider_options "providerOptions": Option<Payload> => "The provider's own options.";
        available_tools "availableTools": Vec<Text> => "The names of the tools offered.";
        tool_choice "toolChoice": Option<Payload> => "Which tool to call: a word or an object.";
        response_format "responseFormat": Option<Payload> => "What the answer must look like: a word or an object.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`ModelChunk`](crate::model::SpanType::ModelChunk).
    ModelChunkAttributes {
        chunk_type "chunkType": Option<Text> => "`text`, `reasoning`, `tool-call`, `tool-result`, ….";
        sequence_number "sequenceNumber": Option<u64> => "Its place in the stream, from 0.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}

impl ModelParameters {
    /// Calls `each` for every parameter that is set, by its JSON name.
    pub fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a str, AttributeRef<'a>)) {
        Group::visit(self, each);
    }
}
