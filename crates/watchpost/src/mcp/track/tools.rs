//! What a tracked server changes of its tools, when it is asked to: the `context` argument and `get_more_tools`.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ListToolsResult, Tool};
use serde_json::{Value, json};

use crate::mcp::{CONTEXT_ARGUMENT, add_context_argument};

/// The tool by which models say what they miss.
pub(super) const GET_MORE_TOOLS: &str = "get_more_tools";
/// How many tools are remembered.
const MAX_TOOLS: usize = 10_000;

/// Which tools got the argument.
#[derive(Debug, Default)]
pub(super) struct Tools {
    known: Mutex<HashMap<String, bool>>,
}

impl Tools {
    /// Adds the argument to the tools that can take it.
    pub(super) fn add_context(&self, tools: &mut [Tool], description: &str) {
        for tool in tools {
            let mut schema = JsonObject::clone(&tool.input_schema);
            let added = add_context_argument(&mut schema, description);
            let mut known = self.lock();
            // A tool that ever owned the argument keeps it: another instance of the server may still own it.
            let owned = known.get(&*tool.name) == Some(&false);
            let added = added && !owned;
            if known.len() < MAX_TOOLS || known.contains_key(&*tool.name) {
                known.insert(tool.name.to_string(), added);
            } else {
                continue;
            }
            drop(known);
            if added {
                tool.input_schema = Arc::new(schema);
            }
        }
    }

    /// Whether a tool's calls carry the argument for us. A tool that was not listed here is asked for its schema.
    pub(super) fn carries_context(&self, name: &str, look_up: impl FnOnce() -> Option<Tool>) -> bool {
        let known = self.lock().get(name).copied();
        known.unwrap_or_else(|| {
            let takes_it = |tool: Tool| add_context_argument(&mut JsonObject::clone(&tool.input_schema), "");
            look_up().is_some_and(takes_it)
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the argument off a call.
pub(super) fn take_context(arguments: &mut Option<JsonObject>) -> Option<String> {
    match arguments.as_mut()?.remove(CONTEXT_ARGUMENT)? {
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Adds `get_more_tools` behind the last page of tools, unless the server has one itself.
pub(super) fn add_get_more_tools(result: &mut ListToolsResult) {
    if result.next_cursor.is_none() && result.tools.iter().all(|tool| tool.name != GET_MORE_TOOLS) {
        result.tools.push(get_more_tools());
    }
}

/// The tool.
pub(super) fn get_more_tools() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": {
            "context": {"type": "string", "description": "What the user wants to achieve, and what a tool would have to do for it."}
        },
        "required": ["context"],
    });
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(
        GET_MORE_TOOLS,
        Cow::Borrowed("Call this when none of the other tools can do what the user asks for. Say what is missing."),
        Arc::new(schema),
    )
}

/// Its answer.
pub(super) fn no_more_tools() -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(
        "There are no further tools. What you are missing was noted for the people who run this server. Go on with the tools you have.",
    )])
}
