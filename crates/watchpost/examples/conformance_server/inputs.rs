//! The tools and the prompt that need more input before they can answer (SEP-2322): each call is one step, and what was asked for
//! comes with the next.

use std::collections::BTreeMap;

use rmcp::{ErrorData, model::ClientCapabilities};
use serde_json::{Value, json};

/// What the client brings along.
pub(crate) struct Given<'a> {
    pub(crate) responses: Option<&'a BTreeMap<String, Value>>,
    pub(crate) state: Option<&'a str>,
    pub(crate) capabilities: Option<ClientCapabilities>,
}

impl Given<'_> {
    fn response(&self, key: &str) -> Option<&Value> {
        self.responses?.get(key)
    }

    /// A field that the user filled in.
    fn field(&self, key: &str, field: &str) -> Option<&Value> {
        self.response(key)?.get("content")?.get(field)
    }

    /// Errs if there is a state that none of ours is.
    fn check_state(&self, known: &[&str]) -> Result<(), ErrorData> {
        match self.state {
            Some(state) if !known.contains(&state) => {
                Err(ErrorData::invalid_params("the request state is none of this server's", None))
            }
            _ => Ok(()),
        }
    }
}

fn form(message: &str, field: &str, ty: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": ty}}, "required": [field]});
    json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}})
}

fn question(text: &str, max_tokens: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

fn needed(requests: Value, state: Option<&str>) -> Value {
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = state.into();
    }
    result
}

fn done(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// A tool's answer: a result, or what it needs first. `None` if there is no such tool.
pub(crate) fn step(tool: &str, given: &Given<'_>) -> Result<Option<Value>, ErrorData> {
    let name = || given.field("user_name", "name").and_then(Value::as_str);
    let ask_name = || form("What is your name?", "name", "string");
    Ok(Some(match tool {
        "test_input_required_result_elicitation" => match name() {
            Some(name) => done(&format!("Hello, {name}!")),
            None => needed(json!({"user_name": ask_name()}), None),
        },
        "test_streaming_elicitation" => match given.response("go_on") {
            Some(_) => done("gone on"),
            None => needed(json!({"go_on": form("Go on?", "yes", "boolean")}), None),
        },
        "test_input_required_result_sampling" => {
            match given.response("capital_question").and_then(|answer| answer["content"]["text"].as_str()) {
                Some(text) => done(text),
                None => needed(json!({"capital_question": question("What is the capital of France?", 100)}), None),
            }
        }
        "test_input_required_result_list_roots" => {
            match given.response("client_roots").and_then(|answer| answer["roots"].as_array()) {
                Some(roots) => {
                    let uris: Vec<_> = roots.iter().filter_map(|root| root["uri"].as_str()).collect();
                    done(&format!("{} roots: {}", uris.len(), uris.join(", ")))
                }
                None => needed(json!({"client_roots": roots()}), None),
            }
        }
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            given.check_state(&["confirming"])?;
            if given.state.is_some() && given.response("confirm").is_some() {
                done("state-ok")
            } else {
                needed(json!({"confirm": form("Please confirm", "ok", "boolean")}), Some("confirming"))
            }
        }
        "test_input_required_result_multiple_inputs" => {
            given.check_state(&["gathering"])?;
            let has_all = ["user_name", "greeting", "client_roots"].iter().all(|key| given.response(key).is_some());
            if has_all && given.state.is_some() {
                done("all is there")
            } else {
                let requests = json!({
                    "user_name": ask_name(),
                    "greeting": question("Generate a greeting", 50),
                    "client_roots": roots(),
                });
                needed(requests, Some("gathering"))
            }
        }
        "test_input_required_result_multi_round" => {
            given.check_state(&["step 1", "step 2"])?;
            if given.state == Some("step 2") && given.response("step2").is_some() {
                done("both steps are done")
            } else if given.response("step1").is_some() || given.state == Some("step 2") {
                let ask = form("Step 2: What is your favorite color?", "color", "string");
                needed(json!({"step2": ask}), Some("step 2"))
            } else {
                let ask = form("Step 1: What is your name?", "name", "string");
                needed(json!({"step1": ask}), Some("step 1"))
            }
        }
        "test_input_required_result_capabilities" => {
            if given.responses.is_some() {
                return Ok(Some(done("asked for what the client can do")));
            }
            let capabilities = given.capabilities.clone().unwrap_or_default();
            let mut requests = json!({});
            if capabilities.elicitation.is_some() {
                requests["name"] = ask_name();
            }
            if capabilities.sampling.is_some() {
                requests["capital"] = question("What is the capital of France?", 100);
            }
            needed(requests, None)
        }
        _ => return Ok(None),
    }))
}

/// The prompt's answer, likewise.
pub(crate) fn prompt(given: &Given<'_>) -> Value {
    match given.field("user_context", "context").and_then(Value::as_str) {
        Some(context) => {
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": format!("In {context}")}}]})
        }
        None => needed(json!({"user_context": form("What context should the prompt use?", "context", "string")}), None),
    }
}
