//! JSON edited in place: members are found with their place in the text, so that whatever is not edited stays as it was written.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use watchpost::mcp::{CONTEXT_ARGUMENT, add_context_argument};

/// An object's members in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A key, borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of the only member of this name; of two nobody knows which one counts.
    fn only(&self, name: &str) -> Option<&'a str> {
        let mut named = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = named.next()?;
        named.next().is_none().then(|| value.get())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// What a message is, as far as it matters here.
pub(super) struct Message<'a> {
    text: &'a str,
    members: Members<'a>,
}

/// A place in a text and what is put there.
struct Edit {
    range: Range<usize>,
    with: String,
}

/// A call of a tool that carries the argument.
pub(super) struct ContextCall<'a> {
    message: &'a str,
    arguments: &'a str,
    members: Members<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message; `None` for whatever is no JSON object.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        Members::read(text).map(|members| Self { text, members })
    }

    /// The messages of a batch.
    pub(super) fn read_batch(text: &'a str) -> Option<Vec<Self>> {
        let messages = serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
        messages.into_iter().map(|message| Self::read(message.get())).collect()
    }

    /// Its text.
    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// Its id.
    pub(super) fn id(&self) -> Option<Value> {
        serde_json::from_str(self.members.only("id")?).ok().filter(|id: &Value| id.is_string() || id.is_number())
    }

    /// Its method, if it is a request.
    pub(super) fn method(&self) -> Option<String> {
        serde_json::from_str(self.members.only("method")?).ok()
    }

    /// Whether it is an answer.
    pub(super) fn is_answer(&self) -> bool {
        !self.members.has("method") && (self.members.has("result") || self.members.has("error"))
    }

    /// The tool that `tools/call` names, and its arguments if `context` is among them.
    pub(super) fn context_call(&self) -> Option<(String, ContextCall<'a>)> {
        let params = Members::read(self.members.only("params")?)?;
        let name = serde_json::from_str(params.only("name")?).ok()?;
        let arguments = params.only("arguments")?;
        let members = Members::read(arguments)?;
        members.has(CONTEXT_ARGUMENT).then_some((name, ContextCall { message: self.text, arguments, members }))
    }

    /// The message with the argument added to the tools of a `tools/list` answer that can take it. `admit` hears of each tool
    /// whether it can, and says whether it gets it.
    pub(super) fn with_context(
        &self,
        description: &str,
        mut admit: impl FnMut(String, bool) -> bool,
    ) -> Option<String> {
        let result = Members::read(self.members.only("result")?)?;
        let tools = serde_json::from_str::<Vec<&'a RawValue>>(result.only("tools")?).ok()?;
        let mut edits = Vec::new();
        for tool in tools {
            let Some(tool) = Members::read(tool.get()) else { continue };
            let Some(name) = tool.only("name").and_then(|name| serde_json::from_str::<String>(name).ok()) else {
                continue;
            };
            let schema = tool.only("inputSchema");
            let made = schema.and_then(|schema| schema_edits(schema, description).map(|edits| (schema, edits)));
            if admit(name, made.is_some())
                && let Some((schema, made)) = made
            {
                let base = place(self.text, schema).start;
                edits.extend(
                    made.into_iter()
                        .map(|Edit { range, with }| Edit { range: base + range.start..base + range.end, with }),
                );
            }
        }
        (!edits.is_empty()).then(|| apply(self.text, edits))
    }
}

impl ContextCall<'_> {
    /// What the model says.
    pub(super) fn intent(&self) -> Option<String> {
        let context = self.members.only(CONTEXT_ARGUMENT)?;
        Some(serde_json::from_str::<String>(context).unwrap_or_else(|_| context.to_owned()))
    }

    /// The message without the argument.
    pub(super) fn without_context(&self) -> String {
        let mut arguments = String::from("{");
        for (key, value) in self.members.0.iter().filter(|(key, _)| key != CONTEXT_ARGUMENT) {
            if arguments.len() > 1 {
                arguments.push(',');
            }
            arguments.push_str(&Value::from(key.as_ref()).to_string());
            arguments.push(':');
            arguments.push_str(value.get());
        }
        arguments.push('}');
        apply(self.message, vec![Edit { range: place(self.message, self.arguments), with: arguments }])
    }
}

/// The edits that add the argument to a schema, if it can take it.
fn schema_edits(schema: &str, description: &str) -> Option<Vec<Edit>> {
    let mut parsed = serde_json::from_str::<Map<String, Value>>(schema).ok()?;
    let had_type = parsed.contains_key("type");
    if !add_context_argument(&mut parsed, description) {
        return None;
    }
    let members = Members::read(schema)?;
    let argument = format!("\"{CONTEXT_ARGUMENT}\":{}", parsed.get("properties")?.get(CONTEXT_ARGUMENT)?);
    let required = format!("\"{CONTEXT_ARGUMENT}\"");
    let mut edits = Vec::new();
    let mut missing = Vec::new();
    if !had_type {
        missing.push("\"type\":\"object\"".to_owned());
    }
    match (members.only("properties"), members.has("properties")) {
        (Some(properties), _) => edits.push(append(schema, properties, &argument)),
        (None, false) => missing.push(format!("\"properties\":{{{argument}}}")),
        (None, true) => return None,
    }
    match (members.only("required"), members.has("required")) {
        (Some(names), _) => edits.push(append(schema, names, &required)),
        (None, false) => missing.push(format!("\"required\":[{required}]")),
        (None, true) => return None,
    }
    if !missing.is_empty() {
        edits.push(append(schema, schema, &missing.join(",")));
    }
    Some(edits)
}

/// Puts something behind the last member of an object or array that is a part of `text`.
fn append(text: &str, container: &str, what: &str) -> Edit {
    let end = place(text, container).end - 1;
    let is_empty = container[1..container.len() - 1].trim().is_empty();
    Edit { range: end..end, with: if is_empty { what.to_owned() } else { format!(",{what}") } }
}

/// Where a part of a text is.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.range.start);
    let mut edited = String::with_capacity(text.len() + edits.iter().map(|edit| edit.with.len()).sum::<usize>());
    let mut copied = 0;
    for Edit { range, with } in edits {
        edited.push_str(&text[copied..range.start]);
        edited.push_str(&with);
        copied = range.end;
    }
    edited.push_str(&text[copied..]);
    edited
}
