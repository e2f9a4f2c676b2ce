//! The setters of what seed 004 exports of each type, one a line. Whatever else a type says is reached by
//! [`ActiveSpan::set`].

use serde_json::{Map, Value};
use watchpost_sentry::wire::Timestamp;

use super::ActiveSpan;
use crate::model::{
    AgentRunAttributes, ModelGenerationAttributes, ModelStepAttributes, Payload, ProcessorRunAttributes,
    RagEmbeddingAttributes, Text, ToolCallAttributes, UsageStats, WorkflowRunAttributes, WorkflowStepAttributes,
};

/// `setter kind path "what it is";`.
macro_rules! setters {
    ($($name:ident $kind:ident $($path:ident).+ $doc:literal;)*) => {
        $(setters!(@ $kind $name $($path).+ $doc);)*
    };
    (@ text $name:ident $($path:ident).+ $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, value: impl Into<Text>) -> &Self {
            self.set(|attributes| attributes.$($path).+ = Some(value.into()))
        }
    };
    (@ texts $name:ident $($path:ident).+ $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, values: impl IntoIterator<Item: Into<Text>>) -> &Self {
            self.set(|attributes| attributes.$($path).+ = values.into_iter().map(Into::into).collect())
        }
    };
    (@ payload $name:ident $($path:ident).+ $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, value: impl Into<Payload>) -> &Self {
            self.set(|attributes| attributes.$($path).+ = Some(value.into()))
        }
    };
    (@ $kind:ident $name:ident $($path:ident).+ $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, value: $kind) -> &Self {
            self.set(|attributes| attributes.$($path).+ = Some(value))
        }
    };
}

impl ActiveSpan<AgentRunAttributes> {
    setters! {
        instructions payload instructions "Sets the agent's instructions. Content.";
        prompt payload prompt "Sets the prompt. Content.";
        conversation_id text conversation_id "Sets the conversation or thread it runs in.";
        available_tools texts available_tools "Sets the names of its tools.";
        max_steps u64 max_steps "Sets the most steps it may take.";
        version text resolved_version_id "Sets the agent's version.";
    }
}

impl ActiveSpan<ModelGenerationAttributes> {
    setters! {
        model text model "Sets another model, after a fallback for example.";
        provider text provider "Sets the provider: `openai`, `anthropic`, `aws.bedrock`, ….";
        tools payload tools "Sets the tools offered, as JSON.";
        max_output_tokens u64 parameters.max_output_tokens "Sets the most tokens to answer with.";
        temperature f64 parameters.temperature "Sets the temperature.";
        top_p f64 parameters.top_p "Sets top p.";
        top_k f64 parameters.top_k "Sets top k.";
        presence_penalty f64 parameters.presence_penalty "Sets the presence penalty.";
        frequency_penalty f64 parameters.frequency_penalty "Sets the frequency penalty.";
        stop_sequences texts parameters.stop_sequences "Sets the texts that end the answer.";
        seed i64 parameters.seed "Sets the seed.";
        streaming bool streaming "Sets whether the answer is streamed.";
        completion_start_time Timestamp completion_start_time "Sets when the first token came.";
        finish_reason text finish_reason "Sets why the model stopped: `stop`, `tool-calls`, `length`, ….";
        response_model text response_model "Sets the model that answered.";
        response_id text response_id "Sets the answer's id.";
        server_address text server_address "Sets the provider's host.";
        server_port u64 server_port "Sets the provider's port.";
        usage UsageStats usage "Sets the tokens used.";
    }

    /// Sets what the model was asked: an array of messages, `[{"role": "user", "content": "…"}]`. Content.
    pub fn input_messages(&self, messages: impl Into<Payload>) -> &Self {
        self.input(messages)
    }

    /// Sets what the model answered. Content.
    pub fn output_text(&self, text: impl Into<String>) -> &Self {
        self.answer(|answer| {
            answer.insert("text".to_owned(), Value::from(text.into()));
        })
    }

    /// Adds a tool that the model asked for, with its arguments; only needed where the call has no span of its own.
    pub fn requested_tool(
        &self,
        call_id: impl Into<String>,
        tool: impl Into<String>,
        arguments: impl Into<Payload>,
    ) -> &Self {
        let call = serde_json::json!({
            "toolCallId": call_id.into(), "toolName": tool.into(), "args": arguments.into().to_value(),
        });
        self.answer(|answer| match answer.get_mut("toolCalls") {
            Some(Value::Array(calls)) => calls.push(call),
            _ => drop(answer.insert("toolCalls".to_owned(), Value::from(vec![call]))),
        })
    }

    /// Says that the first token came now.
    pub fn first_token(&self) -> &Self {
        self.completion_start_time(Timestamp::now())
    }

    fn answer(&self, change: impl FnOnce(&mut Map<String, Value>)) -> &Self {
        self.change(|span| {
            let mut answer = match span.output.as_ref().map(Payload::to_value) {
                Some(Value::Object(answer)) => answer,
                _ => Map::new(),
            };
            change(&mut answer);
            span.output = Some(Value::Object(answer).into());
        })
    }
}

impl ActiveSpan<ModelStepAttributes> {
    setters! {
        usage UsageStats usage "Sets the tokens used.";
        finish_reason text finish_reason "Sets why the model stopped.";
    }
}

impl ActiveSpan<ToolCallAttributes> {
    setters! {
        call_id text tool_call_id "Sets the model's id of the call.";
        description text tool_description "Sets the tool's description.";
        tool_type text tool_type "Sets the tool's type, where it is not `function`.";
        success bool success "Sets whether it succeeded, where that is not just whether it failed.";
        server_version text server_version "Sets the MCP server's version.";
    }

    /// Sets what the tool was asked. Content.
    pub fn arguments(&self, arguments: impl Into<Payload>) -> &Self {
        self.input(arguments)
    }

    /// Sets what the tool gave. Content.
    pub fn result(&self, result: impl Into<Payload>) -> &Self {
        self.output(result)
    }
}

impl ActiveSpan<RagEmbeddingAttributes> {
    setters! {
        provider text provider "Sets the provider.";
        dimensions u64 dimensions "Sets how long a vector is.";
        input_count u64 input_count "Sets how many texts are embedded.";
        usage UsageStats usage "Sets the tokens used.";
    }
}

impl ActiveSpan<WorkflowRunAttributes> {
    setters! {
        status text status "Sets how it ended: `success`, `failed`, `suspended`, ….";
    }
}

impl ActiveSpan<WorkflowStepAttributes> {
    setters! {
        status text status "Sets how it ended: `success`, `failed`, `suspended`, ….";
    }
}

impl ActiveSpan<ProcessorRunAttributes> {
    setters! {
        executor text processor_executor "Sets what runs it.";
        position u64 processor_index "Sets its place among the processors, from 0.";
        phase text processor_phase "Sets the phase: `input`, `outputStream`, `outputResult`, ….";
    }
}
