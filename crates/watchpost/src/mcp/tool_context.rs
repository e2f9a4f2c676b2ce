//! The `context` argument by which a model says why it calls a tool. Source: AgentCat's `enableToolCallContext`.

use serde_json::{Map, Value, json};

/// The argument's name.
pub const CONTEXT_ARGUMENT: &str = "context";

/// What the argument asks the model for, unless the host says it otherwise.
pub const CONTEXT_DESCRIPTION: &str = "Why this tool is called now: what the user wants to achieve and how the call helps, in one or two sentences in the \
     third person. Name no person and quote no private data.";

/// Keywords of JSON Schema by which a root says more of its properties than `properties` does. With one of them a further
/// argument could contradict the rest.
const CLOSING: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "const",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "if",
    "maxProperties",
    "not",
    "oneOf",
    "patternProperties",
    "propertyNames",
    "then",
];

/// Adds the argument to a tool's input schema: last, and required, so that models fill it in. Says whether it did.
///
/// It leaves a schema alone that has a `context` of its own or requires one, that is no object's, or that is closed by other
/// means than `additionalProperties`. With `additionalProperties: false` the argument is declared like any other.
pub fn add_context_argument(schema: &mut Map<String, Value>, description: &str) -> bool {
    let is_object = schema.get("type").is_none_or(|ty| ty == "object");
    let names_it =
        |names: &Value| names.as_array().is_some_and(|names| names.iter().any(|name| name == CONTEXT_ARGUMENT));
    let well_formed =
        schema.get("properties").is_none_or(Value::is_object) && schema.get("required").is_none_or(Value::is_array);
    let owns = schema.get("properties").is_some_and(|properties| properties.get(CONTEXT_ARGUMENT).is_some())
        || schema.get("required").is_some_and(names_it);
    if !is_object || !well_formed || owns || CLOSING.iter().any(|keyword| schema.contains_key(*keyword)) {
        return false;
    }
    schema.entry("type").or_insert_with(|| "object".into());
    if let Value::Object(properties) = schema.entry("properties").or_insert_with(|| json!({})) {
        properties.insert(CONTEXT_ARGUMENT.to_owned(), json!({"type": "string", "description": description}));
    }
    if let Value::Array(required) = schema.entry("required").or_insert_with(|| json!([])) {
        required.push(CONTEXT_ARGUMENT.into());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(schema: &Value) -> Option<Value> {
        let mut map = schema.as_object().unwrap().clone();
        let did = add_context_argument(&mut map, "why");
        assert_eq!(did, Value::Object(map.clone()) != *schema);
        did.then_some(Value::Object(map))
    }

    #[test]
    fn the_argument_is_declared_and_required() {
        let schema = added(&json!({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"],
            "additionalProperties": false}));
        let expected = json!({"type": "object", "properties": {"a": {"type": "number"},
            "context": {"type": "string", "description": "why"}}, "required": ["a", "context"], "additionalProperties": false});
        assert_eq!(schema, Some(expected));
        let bare = json!({"type": "object", "properties": {"context": {"type": "string", "description": "why"}}, "required": ["context"]});
        assert_eq!(added(&json!({})), Some(bare));
    }

    #[test]
    fn a_schema_it_could_break_is_left_alone() {
        for schema in [
            json!({"type": "object", "properties": {"context": {"type": "integer"}}}),
            json!({"type": "object", "required": ["context"]}),
            json!({"type": "object", "oneOf": [{"required": ["a"]}]}),
            json!({"type": "object", "propertyNames": {"pattern": "^x-"}}),
            json!({"type": "object", "maxProperties": 1}),
            json!({"$ref": "#/$defs/args"}),
            json!({"type": "array"}),
            json!({"properties": []}),
        ] {
            assert_eq!(added(&schema), None, "{schema}");
        }
    }
}
