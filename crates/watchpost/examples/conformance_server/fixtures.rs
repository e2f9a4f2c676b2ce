//! What the server has, as the suite's scenarios describe it: tools, resources and prompts, and what they answer.

use serde_json::{Value, json};

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// A WAV without a sample.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// Every tool: its name, what it is for, and the schema of its arguments.
pub(crate) fn tools() -> Vec<Value> {
    let simple = [
        ("test_simple_text", "Answers with text."),
        ("test_image_content", "Answers with an image."),
        ("test_audio_content", "Answers with a sound."),
        ("test_embedded_resource", "Answers with a resource."),
        ("test_multiple_content_types", "Answers with several kinds of content."),
        ("test_error_handling", "Fails."),
        ("test_tool_with_logging", "Logs while it works."),
        ("test_tool_with_progress", "Tells of its progress."),
        ("test_elicitation_sep1034_defaults", "Asks the user, with defaults."),
        ("test_elicitation_sep1330_enums", "Asks the user to choose."),
        ("test_reconnection", "Takes a while."),
        ("test_missing_capability", "Needs a client that samples."),
        ("test_streaming_elicitation", "Asks the user in the revision whose streams carry no requests."),
        ("test_logging_tool", "Logs where the client wants it."),
        ("test_trigger_tool_change", "Says that the tools have changed."),
        ("test_trigger_prompt_change", "Says that the prompts have changed."),
        ("test_input_required_result_elicitation", "Needs the user's name."),
        ("test_input_required_result_sampling", "Needs a model's answer."),
        ("test_input_required_result_list_roots", "Needs the client's roots."),
        ("test_input_required_result_request_state", "Needs a confirmation, and remembers."),
        ("test_input_required_result_multiple_inputs", "Needs several things at once."),
        ("test_input_required_result_multi_round", "Needs one thing after the other."),
        ("test_input_required_result_tampered_state", "Needs a confirmation, and is not fooled."),
        ("test_input_required_result_capabilities", "Needs what the client can do."),
    ];
    let mut tools: Vec<Value> = simple
        .iter()
        .map(|(name, description)| tool(name, description, json!({"type": "object", "properties": {}})))
        .collect();
    let text = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    tools.push(tool("test_sampling", "Asks the client's model.", text("prompt")));
    tools.push(tool("test_elicitation", "Asks the user.", text("message")));
    tools.push(tool(
        "test_custom_header",
        "Takes an argument that is a header too.",
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}),
    ));
    tools.push(tool(
        "json_schema_2020_12_tool",
        "Has a schema of the 2020-12 draft.",
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }},
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false,
        }),
    ));
    tools
}

fn tool(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "description": description, "inputSchema": schema})
}

/// What a tool that needs nobody answers.
pub(crate) fn answer(tool: &str) -> Option<Value> {
    let content = |content: Value| Some(json!({"content": content}));
    match tool {
        "test_simple_text" => content(json!([{"type": "text", "text": "This is a simple text response for testing."}])),
        "test_image_content" => content(json!([{"type": "image", "data": PIXEL, "mimeType": "image/png"}])),
        "test_audio_content" => content(json!([{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}])),
        "test_embedded_resource" => content(json!([{"type": "resource", "resource": {
            "uri": "test://embedded-resource",
            "mimeType": "text/plain",
            "text": "This is an embedded resource content.",
        }}])),
        "test_multiple_content_types" => content(json!([
            {"type": "text", "text": "Multiple content types test:"},
            {"type": "image", "data": PIXEL, "mimeType": "image/png"},
            {"type": "resource", "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": r#"{"test":"data","value":123}"#,
            }},
        ])),
        "test_error_handling" => Some(json!({
            "isError": true,
            "content": [{"type": "text", "text": "This tool intentionally returns an error for testing"}],
        })),
        "test_custom_header" | "json_schema_2020_12_tool" => content(json!([{"type": "text", "text": "taken"}])),
        _ => None,
    }
}

/// Every resource.
pub(crate) fn resources() -> Value {
    json!([
        {"uri": "test://static-text", "name": "static text", "description": "A text.", "mimeType": "text/plain"},
        {"uri": "test://static-binary", "name": "static binary", "description": "A picture.", "mimeType": "image/png"},
        {"uri": "test://watched-resource", "name": "watched", "description": "One to watch.", "mimeType": "text/plain"},
    ])
}

/// The template of further ones.
pub(crate) fn resource_templates() -> Value {
    json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data by id.",
        "mimeType": "application/json",
    }])
}

/// What a resource has in it.
pub(crate) fn contents(uri: &str) -> Option<Value> {
    let one = |mime_type: &str, kind: &str, content: &str| json!([{"uri": uri, "mimeType": mime_type, kind: content}]);
    match uri {
        "test://static-text" => Some(one("text/plain", "text", "This is the content of the static text resource.")),
        "test://watched-resource" => Some(one("text/plain", "text", "Nothing has changed.")),
        "test://static-binary" => Some(one("image/png", "blob", PIXEL)),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            Some(one("application/json", "text", &data.to_string()))
        }
    }
}

/// Every prompt.
pub(crate) fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": "An argument.", "required": true});
    json!([
        {"name": "test_simple_prompt", "description": "A prompt."},
        {
            "name": "test_prompt_with_arguments",
            "description": "A prompt with arguments.",
            "arguments": [argument("arg1"), argument("arg2")],
        },
        {
            "name": "test_prompt_with_embedded_resource",
            "description": "A prompt with a resource.",
            "arguments": [argument("resourceUri")],
        },
        {"name": "test_prompt_with_image", "description": "A prompt with an image."},
        {"name": "test_input_required_result_prompt", "description": "A prompt that needs to know more."},
    ])
}

/// What a prompt says.
pub(crate) fn messages(prompt: &str, arguments: &Value) -> Option<Value> {
    let user = |content: Value| json!({"role": "user", "content": content});
    let text = |text: &str| user(json!({"type": "text", "text": text}));
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default();
    Some(match prompt {
        "test_simple_prompt" => json!([text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            json!([text(&format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2")))])
        }
        "test_prompt_with_embedded_resource" => json!([
            user(json!({"type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }})),
            text("Please process the embedded resource above."),
        ]),
        "test_prompt_with_image" => json!([
            user(json!({"type": "image", "data": PIXEL, "mimeType": "image/png"})),
            text("Please analyze the image above."),
        ]),
        _ => return None,
    })
}

/// What the tool asks the user, in whichever revision.
pub(crate) fn elicitation(tool: &str, message: &str) -> Option<Value> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let titled = |what: &str| {
        let choices = ["First", "Second", "Third"].iter().zip(["value1", "value2", "value3"]);
        choices.map(|(ordinal, value)| json!({"const": value, "title": format!("{ordinal} {what}")})).collect::<Value>()
    };
    let (message, properties, required) = match tool {
        "test_elicitation" => (
            message,
            json!({"username": text("User's response"), "email": text("User's email address")}),
            json!(["username", "email"]),
        ),
        "test_elicitation_sep1034_defaults" => (
            "Please review",
            json!({
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "default": true},
            }),
            json!([]),
        ),
        "test_elicitation_sep1330_enums" => (
            "Please choose",
            json!({
                "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
                "titledSingle": {"type": "string", "oneOf": titled("Option")},
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
                },
                "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
            }),
            json!([]),
        ),
        _ => return None,
    };
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Some(json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}))
}
