//! What an item says about an MCP event, wherever it says it: attributes, tags, extra, contexts.
//! Source of the names: seed 000's tables, AgentCat's camelCase spelling of them, Sentry's MCP conventions (old and new).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::NAME_CHARS;
use crate::inert::clip;
use crate::store::Parties;

const METHOD: &[&str] = &["event_type", "eventType", "mcp.method.name"];
const RESOURCE: &[&str] = &[
    "resource_name",
    "resourceName",
    "resource",
    "gen_ai.tool.name",
    "mcp.tool.name",
    "mcp.resource.uri",
    "gen_ai.prompt.name",
    "mcp.prompt.name",
];
const DURATION_MS: &[&str] = &["duration_ms", "durationMs", "duration"];
/// How a call ended that was never answered; a status cannot say it.
const COMPLETION: &[&str] = &["watchpost.completion"];
const DIRECTION: &[&str] = &["watchpost.direction"];
const IS_ERROR: &[&str] = &["is_error", "isError", "mcp.tool.result.is_error"];
const ERROR: &[&str] = &["error_message", "error.message", "exception.message", "error"];
const USER_INTENT: &[&str] = &["user_intent", "userIntent"];
const SESSION_ID: &[&str] = &["session_id", "sessionId", "mcp.session.id"];
const CLIENT_NAME: &[&str] = &["client_name", "clientName", "mcp.client.name"];
const CLIENT_VERSION: &[&str] = &["client_version", "clientVersion", "mcp.client.version"];
const SERVER_NAME: &[&str] = &["server_name", "serverName", "mcp.server.name"];
const SERVER_VERSION: &[&str] = &["server_version", "serverVersion", "mcp.server.version"];
const ACTOR_ID: &[&str] = &["actor_id", "actorId", "user.id"];
const ACTOR_NAME: &[&str] = &["actor_name", "actorName", "user.name"];

/// Characters kept of an error message or a user intent.
const PROSE_CHARS: usize = 2000;

/// Places to look, in order of preference.
#[derive(Debug, Default)]
pub(super) struct Facts<'v> {
    places: Vec<&'v Map<String, Value>>,
    /// Tags may be sent as a list of pairs.
    pairs: Vec<(&'v str, &'v Value)>,
}

impl<'v> Facts<'v> {
    /// Looks in each of `places` that is an object or a list of pairs.
    pub(super) fn new(places: &[&'v Value]) -> Self {
        let mut facts = Self::default();
        for place in places {
            match place {
                Value::Object(map) => facts.places.push(map),
                Value::Array(pairs) => {
                    facts.pairs.extend(pairs.iter().filter_map(|pair| Some((pair[0].as_str()?, &pair[1]))));
                }
                _ => {}
            }
        }
        facts
    }

    /// The MCP method, as MCP spells it: without AgentCat's prefixes (DESIGN: event type strings are the method).
    pub(super) fn method(&self) -> Option<String> {
        let method = self.text(METHOD, NAME_CHARS)?;
        let plain = method.strip_prefix("mcp:").or_else(|| method.strip_prefix("agentcat:")).unwrap_or(&method);
        Some(plain.to_owned())
    }

    pub(super) fn resource(&self) -> Option<String> {
        self.text(RESOURCE, NAME_CHARS)
    }

    pub(super) fn duration_ms(&self) -> Option<f64> {
        self.number(DURATION_MS)
    }

    /// `cancelled`, `connection_closed`, `expired`; `None` for a call that was answered.
    pub(super) fn completion(&self) -> Option<String> {
        self.text(COMPLETION, NAME_CHARS)
    }

    pub(super) fn is_error(&self) -> bool {
        match self.find(IS_ERROR) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// The error's message; an object's `message`.
    pub(super) fn error(&self) -> Option<String> {
        let value = self.find(ERROR)?;
        let message = value.get("message").unwrap_or(value);
        prose(message)
    }

    pub(super) fn user_intent(&self) -> Option<String> {
        self.find(USER_INTENT).and_then(prose)
    }

    pub(super) fn parties(&self) -> Parties {
        let text = |names| self.text(names, NAME_CHARS);
        Parties {
            session_id: text(SESSION_ID),
            client_name: text(CLIENT_NAME),
            client_version: text(CLIENT_VERSION),
            server_name: text(SERVER_NAME),
            server_version: text(SERVER_VERSION),
            actor_id: text(ACTOR_ID),
            actor_name: text(ACTOR_NAME),
        }
    }

    /// The first of `names` that any place has; typed attributes (`{"value":…,"type":…}`) are unwrapped.
    pub(super) fn find(&self, names: &[&str]) -> Option<&'v Value> {
        names.iter().find_map(|name| {
            let in_places = self.places.iter().find_map(|place| place.get(*name));
            let found =
                in_places.or_else(|| self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| *value))?;
            let value = match found {
                Value::Object(typed) => typed.get("value").unwrap_or(found),
                plain => plain,
            };
            (!value.is_null()).then_some(value)
        })
    }

    /// A name, cut to a bounded length.
    pub(super) fn name(&self, names: &[&str]) -> Option<String> {
        self.text(names, NAME_CHARS)
    }

    /// A number that is not negative, also one in a string.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        let value = self.find(names)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        (number.is_finite() && number >= 0.0).then_some(number)
    }

    /// Who sent a message, as Watchpost says it.
    pub(super) fn direction(&self) -> Option<String> {
        self.text(DIRECTION, NAME_CHARS)
    }

    fn text(&self, names: &[&str], chars: usize) -> Option<String> {
        let text: Cow<'_, str> = match self.find(names)? {
            Value::String(text) => Cow::Borrowed(text),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Bool(flag) => Cow::Owned(flag.to_string()),
            _ => return None,
        };
        let kept = clip(text.trim(), chars);
        (!kept.is_empty()).then(|| kept.to_owned())
    }
}

fn prose(value: &Value) -> Option<String> {
    let text = clip(value.as_str()?.trim(), PROSE_CHARS);
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Facts;

    #[test]
    fn both_spellings_and_both_shapes_of_attributes_are_understood() {
        let typed = json!({"eventType": {"value": "mcp:tools/call", "type": "string"}, "isError": {"value": true}});
        let plain = json!({"event_type": "tools/call", "is_error": "true"});
        for place in [&typed, &plain] {
            let facts = Facts::new(&[place]);
            assert_eq!(facts.method().as_deref(), Some("tools/call"));
            assert!(facts.is_error());
        }
    }

    #[test]
    fn tags_may_be_pairs() {
        let tags = json!([["client_name", "cursor"], ["actor_id", 7], "broken"]);
        let parties = Facts::new(&[&tags]).parties();
        assert_eq!(parties.client_name.as_deref(), Some("cursor"));
        assert_eq!(parties.actor_id.as_deref(), Some("7"));
    }

    #[test]
    fn an_earlier_place_wins_and_an_empty_text_is_nothing() {
        let (tags, extra) = (json!({"resource": "echo"}), json!({"resource": "other", "session_id": " "}));
        let facts = Facts::new(&[&tags, &extra]);
        assert_eq!(facts.resource().as_deref(), Some("echo"));
        assert_eq!(facts.parties().session_id, None);
    }

    #[test]
    fn an_error_may_be_a_text_or_an_object() {
        assert_eq!(Facts::new(&[&json!({"error": "boom"})]).error().as_deref(), Some("boom"));
        assert_eq!(Facts::new(&[&json!({"error": {"message": "boom"}})]).error().as_deref(), Some("boom"));
    }
}
