//! Sentry's views, and what each needs to show something. Source: the queries of Sentry's own dashboards (`span.op:mcp.server`,
//! `gen_ai.operation.type`) and the attributes that its conventions ask for ("if MUST data is missing, it won't show").

use serde::Serialize;
use serde_json::Value;
use watchpost::redact::Capture;
use watchpost_sentry::wire::Category;

use super::{
    evidence::{Evidence, SpanFacts},
    samples::Sent,
};

/// Whether a view has something to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Light {
    /// It shows the test.
    Lit,
    /// It should, and does not.
    Dark,
    /// The configuration, or the command line, leaves it dark.
    Off,
    /// Sentry took what it is made of; whether it shows it can't be seen from here.
    Sent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct View {
    pub(super) name: &'static str,
    pub(super) light: Light,
    /// What it shows, or why it does not.
    pub(super) detail: String,
}

/// What decides beside what arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// The content of agents' spans that is reported.
    pub(super) capture: Capture,
    pub(super) has_issue: bool,
}

/// A view of spans.
struct SpanView {
    name: &'static str,
    op: &'static str,
    shows: &'static str,
    /// Each of these, in one of its spellings.
    needs: &'static [&'static [&'static str]],
    /// Whether it needs content that can be left out.
    needs_content: bool,
}

#[rustfmt::skip]
const SPAN_VIEWS: &[SpanView] = &[
    SpanView { name: "MCP > Tools", op: "mcp.server", shows: "each call by its tool, with error rate and duration", needs: &[&["mcp.method.name"], &["mcp.tool.name", "gen_ai.tool.name"]], needs_content: false },
    SpanView { name: "MCP > Clients and transports", op: "mcp.server", shows: "who calls, and by which way", needs: &[&["mcp.client.name"], &["mcp.transport"], &["network.transport"]], needs_content: false },
    SpanView { name: "AI Agents > Runs", op: "gen_ai.invoke_agent", shows: "runs by agent, their errors and durations", needs: &[&["gen_ai.operation.name"], &["gen_ai.agent.name"]], needs_content: false },
    SpanView { name: "AI Agents > Models", op: "gen_ai.chat", shows: "calls, tokens and cost by model", needs: &[&["gen_ai.operation.name"], &["gen_ai.provider.name", "gen_ai.system"], &["gen_ai.request.model"], &["gen_ai.response.model"], &["gen_ai.usage.input_tokens"], &["gen_ai.usage.output_tokens"]], needs_content: false },
    SpanView { name: "AI Agents > Tools", op: "gen_ai.execute_tool", shows: "the tools that agents run", needs: &[&["gen_ai.operation.name"], &["gen_ai.tool.name"]], needs_content: false },
    SpanView { name: "AI Agents > Conversations", op: "gen_ai.chat", shows: "what was said, by conversation", needs: &[&["gen_ai.conversation.id"], &["gen_ai.input.messages", "gen_ai.request.messages"], &["gen_ai.output.messages", "gen_ai.response.text"]], needs_content: true },
];

/// The views, by what arrived.
pub(super) fn views(evidence: &Evidence, context: &Context) -> Vec<View> {
    let mut views = vec![
        of_items("Logs", "a log for each MCP event", &evidence.logs, &["body", "level", "trace_id"]),
        of_items("Traces", "the trace of each session and run", &evidence.transactions, &["transaction", "timestamp"]),
    ];
    views.extend(SPAN_VIEWS.iter().map(|view| view.of(evidence, context)));
    views.push(if context.has_issue {
        issues(&evidence.errors)
    } else {
        View::new("Issues", Light::Off, "no test issue was sent (--no-issue)")
    });
    views
}

impl SpanView {
    fn of(&self, evidence: &Evidence, context: &Context) -> View {
        let spans: Vec<_> = evidence.spans_with_op(self.op).collect();
        if spans.is_empty() {
            return View::new(self.name, Light::Dark, format!("no span with the operation {} arrived", self.op));
        }
        let lacks = |span: &&SpanFacts| {
            let unmet = self.needs.iter().filter(|keys| !keys.iter().any(|key| span.has(key))).map(|keys| keys[0]);
            span.name.is_empty().then_some("a name").into_iter().chain(unmet).collect::<Vec<_>>()
        };
        let missing = spans.iter().map(lacks).min_by_key(Vec::len).unwrap_or_default();
        if missing.is_empty() {
            return View::new(self.name, Light::Lit, self.shows);
        }
        if self.needs_content && !(context.capture.arguments && context.capture.results) {
            return View::new(self.name, Light::Off, "messages are not captured (--capture)");
        }
        View::new(self.name, Light::Dark, format!("its spans lack {}", missing.join(", ")))
    }
}

/// A view of items that need some members.
fn of_items(name: &'static str, shows: &'static str, items: &[Value], needs: &[&'static str]) -> View {
    let Some(first) = items.first() else { return View::new(name, Light::Dark, "nothing of it arrived") };
    let missing: Vec<_> = needs.iter().filter(|key| first.get(**key).is_none_or(Value::is_null)).copied().collect();
    if missing.is_empty() {
        View::new(name, Light::Lit, shows)
    } else {
        View::new(name, Light::Dark, format!("it lacks {}", missing.join(", ")))
    }
}

fn issues(errors: &[Value]) -> View {
    const NAME: &str = "Issues";
    let Some(error) = errors.first() else { return View::new(NAME, Light::Dark, "no error event arrived") };
    let filled = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let needs = ["/exception/values/0/type", "/exception/values/0/value", "/contexts/trace/trace_id"];
    let missing: Vec<_> = needs.into_iter().filter(|pointer| !filled(pointer)).collect();
    if missing.is_empty() {
        View::new(NAME, Light::Lit, "failures, grouped, linked to their traces")
    } else {
        View::new(NAME, Light::Dark, format!("the error event lacks {}", missing.join(", ")))
    }
}

impl View {
    fn new(name: &'static str, light: Light, detail: impl Into<String>) -> Self {
        Self { name, light, detail: detail.into() }
    }

    /// The views by what Sentry took, where nothing can be read back.
    pub(super) fn unseen(sent: &Sent, context: &Context) -> Vec<Self> {
        let took_spans = sent.took(Category::Transaction);
        let view = |name, took: bool, what: &str| {
            if took {
                Self::new(name, Light::Sent, format!("Sentry took {what}; it shows within a minute or so"))
            } else {
                Self::new(name, Light::Dark, format!("Sentry did not take {what}"))
            }
        };
        let mut views = vec![
            view("Logs", sent.took(Category::LogItem), "the logs"),
            view("Traces", took_spans, "the transactions"),
        ];
        for span_view in SPAN_VIEWS {
            views.push(if span_view.needs_content && !(context.capture.arguments && context.capture.results) {
                Self::new(span_view.name, Light::Off, "messages are not captured (--capture)")
            } else {
                view(span_view.name, took_spans, "its spans")
            });
        }
        views.push(if context.has_issue {
            view("Issues", sent.took(Category::Error), "the error event")
        } else {
            Self::new("Issues", Light::Off, "no test issue was sent (--no-issue)")
        });
        views
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: Context = Context { capture: Capture::ALL, has_issue: true };

    fn span(op: &str, attributes: Value) -> SpanFacts {
        SpanFacts { op: op.to_owned(), name: "a".to_owned(), attributes: attributes.as_object().cloned().unwrap() }
    }

    fn light_of(name: &str, views: &[View]) -> (Light, String) {
        let view = views.iter().find(|view| view.name == name).unwrap();
        (view.light, view.detail.clone())
    }

    #[test]
    fn nothing_lights_nothing_and_says_what_is_missing() {
        let views = views(&Evidence::default(), &ALL);
        assert!(views.iter().all(|view| view.light == Light::Dark), "{views:?}");
        assert_eq!(light_of("MCP > Tools", &views).1, "no span with the operation mcp.server arrived");
    }

    #[test]
    fn a_span_lights_a_view_in_either_spelling_and_is_told_what_it_lacks() {
        for (key, light) in [("mcp.tool.name", Light::Lit), ("gen_ai.tool.name", Light::Lit), ("tool", Light::Dark)] {
            let spans = vec![span("mcp.server", json!({"mcp.method.name": "tools/call", key: "search"}))];
            let (seen, detail) = light_of("MCP > Tools", &views(&Evidence { spans, ..Evidence::default() }, &ALL));
            assert_eq!(seen, light, "{key}");
            assert_eq!(detail.contains("lack mcp.tool.name"), light == Light::Dark, "{detail}");
        }
    }

    #[test]
    fn what_the_user_turned_off_is_not_a_fault() {
        let context = Context { capture: Capture::NONE, has_issue: false };
        let spans = vec![span("gen_ai.chat", json!({"gen_ai.conversation.id": "c"}))];
        let views = views(&Evidence { spans, ..Evidence::default() }, &context);
        assert_eq!(light_of("AI Agents > Conversations", &views).0, Light::Off);
        assert_eq!(light_of("Issues", &views).0, Light::Off);
    }
}
