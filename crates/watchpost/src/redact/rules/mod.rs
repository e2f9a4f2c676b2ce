//! The host's own rules beside the built-in ones: keys whose values go, and text that goes.

mod pattern;

use std::{convert::Infallible, str::FromStr};

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use self::pattern::{Fault, Pattern};
use super::{
    MARKER,
    span_visitor::{visit_log, visit_span},
    visitor::{Redactor, visit_json, visit_strings},
};
use crate::model::{FinishedSpan, McpEvent, SpanLog};

/// Bound of a rule in bytes.
const MAX_RULE_BYTES: usize = 256;
/// How deep JSON is looked for in strings of JSON.
const MAX_NESTING: u32 = 4;

/// A rule, written as `key:PATTERN` or `text:PATTERN`.
///
/// `key:` replaces the value, whatever it is, under each JSON key, tag, property, metadata and attribute whose whole name matches; also
/// in JSON that stands in a string. `text:` replaces each place of a string that matches.
///
/// In a pattern `*` stands for any characters (in text: up to the next white space), `?` for one that is no white space, `#` for a
/// digit, and `\` takes the next character literally. ASCII letters match in either case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Key(Pattern),
    Text(Pattern),
}

/// Why a rule can't be read. No message repeats the rule, which may itself be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRuleError {
    /// It is neither of the two kinds.
    #[error("a redaction rule is written key:PATTERN or text:PATTERN")]
    UnknownKind,
    /// It has nothing that it looks for.
    #[error("a redaction rule needs a letter, a digit or a # besides its wildcards, else it would match everything")]
    MatchesEverything,
    /// Its last `\` has nothing behind it.
    #[error("a redaction rule can't end in a lone \\; for the character itself write \\\\")]
    LoneEscape,
    /// It is too long.
    #[error("a redaction rule is at most {MAX_RULE_BYTES} bytes long")]
    TooLong,
}

impl FromStr for Rule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        let (kind, pattern) = text.split_once(':').ok_or(ParseRuleError::UnknownKind)?;
        if text.len() > MAX_RULE_BYTES {
            return Err(ParseRuleError::TooLong);
        }
        let make = match kind {
            "key" => Kind::Key,
            "text" => Kind::Text,
            _ => return Err(ParseRuleError::UnknownKind),
        };
        match Pattern::parse(pattern) {
            Ok(pattern) => Ok(Self(make(pattern))),
            Err(Fault::LoneEscape) => Err(ParseRuleError::LoneEscape),
            Err(Fault::NoLiteral) => Err(ParseRuleError::MatchesEverything),
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Rules, all of which apply; read from a list of rules. What they find is replaced by [`MARKER`]; what touches or overlaps, by one.
///
/// The time they take grows with the text's length times the rules', whatever the text is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    keys: Vec<Pattern>,
    texts: Vec<Pattern>,
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut all = Self::default();
        all.extend(rules);
        all
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Rule>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl Extend<Rule> for Rules {
    fn extend<I: IntoIterator<Item = Rule>>(&mut self, rules: I) {
        for Rule(kind) in rules {
            match kind {
                Kind::Key(pattern) => self.keys.push(pattern),
                Kind::Text(pattern) => self.texts.push(pattern),
            }
        }
    }
}

impl Rules {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len() + self.texts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Applies them to every string of an event but its ids and its type: to JSON and within it, tags, properties and the actor.
    ///
    /// JSON that was cut can't be read for its keys: with a `key:` rule all of it goes.
    pub fn redact_event(&self, event: &mut McpEvent) {
        if !self.is_empty() {
            let Ok(()) = visit_strings(event, &Applied { rules: self, nesting: 0 });
        }
    }

    /// Applies them to every string of an agent's span but its ids and its type: name, input, output, error, attributes and metadata, tags,
    /// breadcrumbs, and what was gathered from the spans below it. Attributes that are no text (counts, flags, moments) stay.
    pub fn redact_span(&self, span: &mut FinishedSpan) {
        if !self.is_empty() {
            let Ok(()) = visit_span(span, &Applied { rules: self, nesting: 0 });
        }
    }

    /// Applies them to the body and the attributes of a log in a span's trace.
    pub fn redact_log(&self, log: &mut SpanLog) {
        if !self.is_empty() {
            let Ok(()) = visit_log(log, &Applied { rules: self, nesting: 0 });
        }
    }

    /// What a string becomes; `None` when nothing in it matches.
    #[must_use]
    pub fn redact_text(&self, text: &str) -> Option<String> {
        let Ok(clean) = Applied { rules: self, nesting: 0 }.text(text);
        clean
    }

    fn replace_texts(&self, text: &str) -> Option<String> {
        let mut spans = Vec::new();
        for pattern in &self.texts {
            let mut found = Vec::new();
            pattern.find_all(text, &mut found);
            spans.append(&mut found);
        }
        if spans.is_empty() {
            return None;
        }
        // All of them in the text as it was: no rule finds what another put there.
        spans.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let (mut copied, mut open) = (0, false);
        for (start, end) in spans {
            if start > copied || !open {
                clean.push_str(&text[copied..start]);
                clean.push_str(MARKER);
            }
            open = true;
            copied = copied.max(end);
        }
        clean.push_str(&text[copied..]);
        Some(clean)
    }
}

/// The rules at one level of JSON in strings of JSON.
struct Applied<'a> {
    rules: &'a Rules,
    nesting: u32,
}

impl Redactor for Applied<'_> {
    type Error = Infallible;

    fn text(&self, text: &str) -> Result<Option<String>, Infallible> {
        let may_have_keys = !self.rules.keys.is_empty() && text.trim_start().starts_with(['{', '[']);
        if may_have_keys {
            match serde_json::from_str::<Value>(text) {
                Ok(mut value) if self.nesting < MAX_NESTING => {
                    let replaced = visit_json(&mut value, &Self { rules: self.rules, nesting: self.nesting + 1 })?;
                    return Ok(replaced.then(|| value.to_string()));
                }
                // It was cut, lies too deep, or never was JSON.
                _ if text.contains("\":") => return Ok(Some(MARKER.to_owned())),
                _ => {}
            }
        }
        Ok(self.rules.replace_texts(text))
    }

    fn hides(&self, key: &str) -> bool {
        self.rules.keys.iter().any(|pattern| pattern.matches_whole(key))
    }

    fn cut_json(&self, text: &str) -> Result<Option<String>, Infallible> {
        if self.rules.keys.is_empty() { self.text(text) } else { Ok(Some(MARKER.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

    use super::*;
    use crate::model::{
        Actor, AgentIdentity, AgentRunAttributes, Breadcrumb, ErrorInfo, Gathered, GatheredToolCall, Payload, Span,
        SpanAttributes, SpanCompletion, SpanType, Withheld,
    };

    fn rules(rules: &[&str]) -> Rules {
        rules.iter().map(|rule| rule.parse::<Rule>().unwrap()).collect()
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_told_why_and_never_shown() {
        for (rule, expected) in [
            ("ssn", ParseRuleError::UnknownKind),
            ("value:ssn", ParseRuleError::UnknownKind),
            ("key:*", ParseRuleError::MatchesEverything),
            ("text:", ParseRuleError::MatchesEverything),
            (r"text:a\", ParseRuleError::LoneEscape),
        ] {
            assert_eq!(rule.parse::<Rule>(), Err(expected), "{rule}");
        }
        assert_eq!(format!("text:{}", "x".repeat(300)).parse::<Rule>(), Err(ParseRuleError::TooLong));
    }

    #[test]
    fn every_string_of_an_event_is_looked_at() {
        let mut event = McpEvent {
            event_id: "evt_orion".into(),
            resource_name: Some("orion_lookup".into()),
            user_intent: Some("find Orion".into()),
            actor: Some(Actor {
                id: Some("orion-7".into()),
                name: Some("O".into()),
                data: Some(json!({"plan": {"tier": 3}, "team": "Orion"})),
            }),
            error: Some(ErrorInfo { message: "no ORION here".into(), ..ErrorInfo::default() }),
            arguments: Some(r#"{"q":"orion","plan":"gold","n":1.0}"#.into()),
            result: Some(r#"{"content":[{"text":"{\"plan\":\"gold\",\"ok\":true}"}]}"#.into()),
            tags: vec![("plan".into(), "gold".into()), ("orion".into(), "b".into())],
            properties: vec![("plan".into(), json!([1])), ("p".into(), json!(["orion"]))],
            ..McpEvent::default()
        };
        rules(&["key:plan", "text:orion"]).redact_event(&mut event);
        assert_eq!(event.event_id, "evt_orion");
        assert_eq!(event.resource_name.as_deref(), Some("[Filtered]_lookup"));
        assert_eq!(event.user_intent.as_deref(), Some("find [Filtered]"));
        let actor = event.actor.unwrap();
        assert_eq!(actor.id.as_deref(), Some("[Filtered]-7"));
        assert_eq!(actor.data, Some(json!({"plan": "[Filtered]", "team": "[Filtered]"})));
        assert_eq!(event.error.unwrap().message, "no [Filtered] here");
        let arguments: Value = serde_json::from_str(&event.arguments.unwrap()).unwrap();
        assert_eq!(arguments, json!({"q": "[Filtered]", "plan": "[Filtered]", "n": 1.0}));
        let result: Value = serde_json::from_str(&event.result.unwrap()).unwrap();
        let inner: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(inner, json!({"plan": "[Filtered]", "ok": true}));
        assert_eq!(event.tags[0].1, "[Filtered]");
        assert_eq!(event.tags[1].0, "[Filtered]");
        assert_eq!(event.properties[0].1, json!("[Filtered]"));
        assert_eq!(event.properties[1].1, json!(["[Filtered]"]));
    }

    #[test]
    fn every_string_of_a_span_is_looked_at_by_every_name_it_has() {
        let mut span = Span::new(
            TraceId([1; 16]),
            SpanId([2; 8]),
            SpanType::AgentRun,
            "agent run: 'Orion'",
            Timestamp::from_nanos(0),
        );
        span.entity_id = Some("orion".into());
        span.attributes = AgentRunAttributes {
            instructions: Some("be Orion".into()),
            max_steps: Some(7),
            conversation_id: Some("thread".into()),
            other: vec![("orion".into(), Payload::text("gold")), ("plan".into(), Payload::text("gold"))],
            ..AgentRunAttributes::default()
        }
        .into();
        span.metadata = vec![("plan".into(), Payload::from_json("[1]").unwrap()), ("orion".into(), "b".into())];
        span.tags = vec!["orion-9".into()];
        span.input = Some(Payload::from_json(r#"[{"content":"{\"plan\":\"gold\",\"q\":\"orion\"}"}]"#).unwrap());
        span.output = Some("{\"plan\":1,\"n\":2.0}".into());
        span.error = Some(Box::new(ErrorInfo { message: "no ORION here".into(), ..ErrorInfo::default() }));
        let crumb = Breadcrumb {
            at: Timestamp::from_nanos(0),
            ty: SpanType::Generic,
            message: "orion".into(),
            output: Some("to orion".into()),
            is_error: false,
        };
        let call = GatheredToolCall {
            id: Some("orion".into()),
            name: "orion".into(),
            arguments: Some(Payload::from_json(r#"{"plan":{"a":1},"b":1.50}"#).unwrap()),
        };
        let mut finished = FinishedSpan {
            span: Box::new(span),
            parent_span_id: None,
            completion: SpanCompletion::Ended,
            agent: Some(Arc::new(AgentIdentity {
                name: Some("Orion".into()),
                user_id: Some("u1".into()),
                ..AgentIdentity::default()
            })),
            gathered: Gathered { text: Some("as orion".into()), tool_calls: vec![call], ..Gathered::default() },
            reports_error: true,
            breadcrumbs: vec![Arc::new(crumb)],
            withheld: Withheld::default(),
        };
        rules(&["key:plan", "key:userId", "text:orion"]).redact_span(&mut finished);
        let FinishedSpan { span, agent, gathered, breadcrumbs, .. } = finished;
        assert_eq!((&*span.name, span.entity_id.as_deref()), ("agent run: '[Filtered]'", Some(MARKER)));
        let SpanAttributes::AgentRun(run) = span.attributes else { panic!("another type") };
        assert_eq!((run.instructions, run.max_steps), (Some("be [Filtered]".into()), Some(7)));
        assert_eq!(run.conversation_id.as_deref(), Some("thread"));
        assert_eq!(run.other, [(MARKER.into(), Payload::text("gold")), ("plan".into(), MARKER.into())]);
        assert_eq!(span.metadata, [("plan".into(), MARKER.into()), (MARKER.into(), "b".into())]);
        assert_eq!(span.tags, ["[Filtered]-9"]);
        let input = span.input.unwrap();
        assert!(input.is_json() && !input.as_str().contains("gold") && !input.as_str().contains("orion"), "{input:?}");
        assert_eq!(span.output, Some(r#"{"n":2.0,"plan":"[Filtered]"}"#.into()));
        assert_eq!(span.error.unwrap().message, "no [Filtered] here");
        let agent = agent.unwrap();
        assert_eq!((agent.name.as_deref(), agent.user_id.as_deref()), (Some(MARKER), Some(MARKER)));
        assert_eq!(gathered.text.as_deref(), Some("as [Filtered]"));
        let call = &gathered.tool_calls[0];
        assert_eq!((call.id.as_deref(), &*call.name), (Some(MARKER), MARKER));
        assert_eq!(call.arguments.as_ref().map(Payload::as_str), Some(r#"{"b":1.5,"plan":"[Filtered]"}"#));
        assert_eq!((&*breadcrumbs[0].message, breadcrumbs[0].output.clone()), (MARKER, Some("to [Filtered]".into())));
    }

    #[test]
    fn what_was_gathered_goes_by_the_name_it_had_where_it_was_found() {
        for (rule, text_goes, arguments_go) in [
            ("key:text", true, false),
            ("key:args", false, true),
            ("key:input", false, true),
            ("key:other", false, false),
        ] {
            let call =
                GatheredToolCall { name: "search".into(), arguments: Some("{}".into()), ..GatheredToolCall::default() };
            let span =
                Span::new(TraceId([1; 16]), SpanId([2; 8]), SpanType::ModelGeneration, "llm", Timestamp::from_nanos(0));
            let mut finished = FinishedSpan {
                span: Box::new(span),
                parent_span_id: None,
                completion: SpanCompletion::Ended,
                agent: None,
                gathered: Gathered { text: Some("hello".into()), tool_calls: vec![call], ..Gathered::default() },
                reports_error: false,
                breadcrumbs: Vec::new(),
                withheld: Withheld::default(),
            };
            rules(&[rule]).redact_span(&mut finished);
            assert_eq!(finished.gathered.text.as_deref() == Some(MARKER), text_goes, "{rule}");
            let arguments = finished.gathered.tool_calls[0].arguments.as_ref().map(Payload::as_str);
            assert_eq!(arguments == Some(MARKER), arguments_go, "{rule}");
        }
    }

    #[test]
    fn json_that_was_cut_goes_whole_where_keys_matter() {
        let cut = || McpEvent { result: Some(r#"{"a":1,"plan":"go…"#.into()), ..McpEvent::default() };
        let mut event = cut();
        rules(&["key:plan"]).redact_event(&mut event);
        assert_eq!(event.result.as_deref(), Some("[Filtered]"));
        let mut event = cut();
        rules(&["text:plan"]).redact_event(&mut event);
        assert_eq!(event.result.as_deref(), Some(r#"{"a":1,"[Filtered]":"go…"#));
        assert_eq!(rules(&["key:plan"]).redact_text("{name} is missing"), None);
    }

    #[test]
    fn text_without_a_match_stays_as_it_was_written() {
        let written = r#"{ "b": 12345678901234567890123, "a": 1e2 }"#;
        let mut event = McpEvent { arguments: Some(written.into()), ..McpEvent::default() };
        rules(&["key:plan", "text:orion"]).redact_event(&mut event);
        assert_eq!(event.arguments.as_deref(), Some(written));
    }

    #[test]
    fn matches_that_touch_or_overlap_become_one_marker() {
        assert_eq!(
            rules(&["text:abc", "text:bcd", "text:e"]).redact_text("xabcdex e").unwrap(),
            "x[Filtered]x [Filtered]"
        );
        assert_eq!(rules(&["text:i", "text:f"]).redact_text("iffy").unwrap(), "[Filtered]y");
    }
}
