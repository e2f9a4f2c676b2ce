//! One of everything, by the same exporters as in production: two MCP calls, one of which fails, and an agent's run.

use std::time::{Duration, Instant};

use serde_json::json;
use watchpost::{
    ai::Tracer,
    exporter::{McpExporter, SentryExporter},
    model::{Actor, ErrorInfo, ErrorKind, Implementation, McpEvent, Transport, UsageStats, event_id, session_id},
};
use watchpost_sentry::{
    delivery::{DropReason, Outcome},
    wire::{Category, Timestamp, TraceId},
};

use crate::{config::Settings, failure::Failure};

/// What the test's items are called, so that nobody takes them for real ones.
const NAME: &str = "watchpost_doctor";
/// What can be dropped here; the spool and the hooks are not used.
const CATEGORIES: [Category; 4] = [Category::LogItem, Category::Transaction, Category::Span, Category::Error];

/// What was sent, and what became of it.
pub(super) struct Sent {
    pub(super) session_id: String,
    pub(super) agent_trace: TraceId,
    outcomes: [Outcome; 2],
}

/// Sends; `None` when the user turned exporting off. Whatever the configuration says of tracing, sampling and the spool: traces
/// are sent, and by this process.
pub(super) fn send(mut settings: Settings, with_issue: bool, timeout: Duration) -> Result<Option<Sent>, Failure> {
    settings.sentry.enable_tracing = Some(true);
    settings.sentry.traces_sample_rate = Some(1.0);
    settings.sentry.spool = None;
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now());

    let mcp = McpExporter::new(settings.sentry.clone())?;
    let agents = SentryExporter::new(settings.span_exporter())?;
    if !mcp.is_enabled() || !agents.is_enabled() {
        return Ok(None);
    }
    let session_id = session_id(Timestamp::now());
    mcp.export(&call(&session_id, None));
    if with_issue {
        let error = ErrorInfo {
            kind: ErrorKind::Tool,
            message: "This is a test of watchpost doctor: nothing is wrong".to_owned(),
            ty: Some("WatchpostDoctorTest".to_owned()),
            ..ErrorInfo::default()
        };
        mcp.export(&call(&session_id, Some(error)));
    }
    let agent_trace = run_agent(&Tracer::new(agents.clone()));
    Ok(Some(Sent { session_id, agent_trace, outcomes: [mcp.shutdown(left()), agents.shutdown_within(left())] }))
}

fn call(session_id: &str, error: Option<ErrorInfo>) -> McpEvent {
    let now = Timestamp::now();
    let named = |name: &str| Implementation {
        name: Some(name.to_owned()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        title: None,
    };
    McpEvent {
        event_id: event_id(now),
        session_id: Some(session_id.to_owned()),
        event_type: "tools/call".into(),
        resource_name: Some(NAME.to_owned()),
        timestamp: now,
        duration: Some(Duration::from_millis(12)),
        is_error: error.is_some(),
        error,
        user_intent: Some("find out whether telemetry arrives".to_owned()),
        actor: Some(Actor { id: Some(NAME.to_owned()), name: Some("watchpost doctor".to_owned()), data: None }),
        server: named("watchpost-doctor-server"),
        client: named("watchpost-doctor"),
        protocol_version: Some("2025-11-25".to_owned()),
        transport: Some(Transport::Stdio),
        request_id: Some("1".to_owned()),
        ..McpEvent::default()
    }
}

fn run_agent(tracer: &Tracer) -> TraceId {
    let agent = tracer.agent_run(NAME);
    agent.conversation_id("watchpost-doctor").input("Does telemetry arrive?");
    {
        // No provider's model: Sentry computes no cost for it.
        let generation = agent.model_generation("watchpost-doctor-model");
        generation
            .provider("watchpost")
            .response_model("watchpost-doctor-model")
            .input_messages(json!([{"role": "user", "content": "Does telemetry arrive?"}]))
            .output_text("If you read this, it does.")
            .usage(UsageStats::new(12, 7))
            .finish_reason("stop");
        generation.tool_call(NAME).call_id("call_1").arguments(json!({"test": true})).result(json!({"ok": true}));
    }
    agent.output("If you read this, it does.");
    let trace = agent.trace_id();
    agent.end();
    trace
}

impl Sent {
    /// Items of a category by fate: handed over, taken.
    fn figures(&self, category: Category) -> (u64, u64) {
        let of = |figure: fn(&watchpost_sentry::delivery::Tally) -> u64| {
            self.outcomes.iter().map(|outcome| figure(outcome.tally(category))).sum()
        };
        (of(|tally| tally.accepted), of(|tally| tally.sent))
    }

    /// Whether Sentry took all of a category.
    pub(super) fn took(&self, category: Category) -> bool {
        let (accepted, sent) = self.figures(category);
        accepted > 0 && accepted == sent
    }

    pub(super) fn is_complete(&self) -> bool {
        CATEGORIES.iter().all(|category| {
            let (accepted, sent) = self.figures(*category);
            accepted == sent
        })
    }

    /// Whether a rate limit kept items of a category back.
    pub(super) fn limited(&self, category: Category) -> bool {
        let reasons = [DropReason::RatelimitBackoff, DropReason::RateLimited];
        self.outcomes.iter().any(|outcome| reasons.iter().any(|reason| outcome.tally(category).dropped_by(*reason) > 0))
    }

    /// What was handed over.
    pub(super) fn describe(&self) -> String {
        let told = CATEGORIES.iter().filter_map(|category| {
            let (accepted, _) = self.figures(*category);
            (accepted > 0).then(|| plural(accepted, *category))
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// What was not taken, and why.
    pub(super) fn losses(&self) -> String {
        let told = self.outcomes.iter().filter(|outcome| outcome.sent() < outcome.accepted()).map(Outcome::to_string);
        told.collect::<Vec<_>>().join("; ")
    }
}

fn plural(count: u64, category: Category) -> String {
    let one = match category {
        Category::LogItem => "log",
        Category::Transaction => "transaction",
        Category::Error => "issue",
        _ => "span",
    };
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
