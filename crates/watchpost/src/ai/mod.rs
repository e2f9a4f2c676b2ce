//! Tracing of AI agents from Rust: [`Tracer`] starts spans, [`ActiveSpan`] is one and ends when it is dropped, and a
//! [`TracingSink`], such as the exporter to Sentry, gets what happens. Source: seed 004, whose types of spans these are.
//!
//! ```
//! use serde_json::json;
//! use watchpost::{ai::Tracer, model::{Text, TracingEvent, UsageStats}};
//!
//! let (sender, events) = std::sync::mpsc::channel();
//! let tracer = Tracer::new(move |event| drop(sender.send(event)));
//!
//! let agent = tracer.agent_run("support");
//! agent.instructions("Be kind.").conversation_id("thread-7").input("Will it rain?");
//! {
//!     let generation = agent.model_generation("gpt-5");
//!     generation.provider("openai").temperature(0.2).input_messages(json!([{"role": "user", "content": "Will it rain?"}]));
//!     {
//!         let tool = generation.tool_call("weather");
//!         tool.call_id("call-1").arguments(json!({"city": "Prague"})).result("sunny");
//!     } // the tool's call ends here
//!     generation.output_text("No.").usage(UsageStats::new(42, 2)).finish_reason("stop");
//! }
//! agent.output("No.");
//! agent.end();
//!
//! let ended = events.try_iter().filter(|event| matches!(event, TracingEvent::SpanEnded(_)));
//! let names: Vec<Text> = ended.map(|event| event.into_span().name).collect();
//! assert_eq!(names, ["tool: 'weather'", "llm: 'gpt-5'", "agent run: 'support'"]);
//! ```
//!
//! To Sentry:
//!
//! ```no_run
//! use watchpost::{ai::Tracer, exporter::SentryExporter};
//!
//! let exporter = SentryExporter::from_env()?; // reads SENTRY_DSN
//! let tracer = Tracer::new(exporter.clone());
//! tracer.agent_run("support").output("No.");
//! println!("{}", exporter.shutdown());
//! # Ok::<(), watchpost::exporter::ExporterError>(())
//! ```
//!
//! # Parents
//! `agent.tool_call("weather")` is below `agent`. `tracer.tool_call("weather")` is below the span that the code runs in, so code
//! that only has the tracer finds its place too:
//!
//! ```
//! # use watchpost::ai::Tracer;
//! # let tracer = Tracer::disabled();
//! # fn look_up(tracer: &Tracer) { let tool = tracer.tool_call("weather"); assert!(tracer.traceparent().is_some()); drop(tool); }
//! let agent = tracer.agent_run("support");
//! agent.in_scope(|| look_up(&tracer)); // `tracer.tool_call("weather")` in there is below `agent`
//! # let future = async {};
//! let answer = agent.instrument(async { /* and so it is in here, whatever thread polls it */ });
//! # drop((answer, future));
//! ```
//!
//! # Failures
//! [`error`](ActiveSpan::error) records an error with its causes. A panic that drops the span is its failure; of one within
//! [`in_scope`](ActiveSpan::in_scope) or [`instrument`](ActiveSpan::instrument) the message is known as well. A future that is
//! dropped before its end, because it was cancelled, ends its spans without a failure.

mod active_span;
mod current;
mod event;
mod failure;
mod random_id;
mod setter;
mod sink;
mod starter;
mod state;
mod tracer;

#[cfg(feature = "sentry")]
pub(crate) use self::current::{innermost, outside};
#[cfg(feature = "rmcp")]
pub(crate) use self::{current::in_call, failure::failure_of};
use crate::model;

pub use self::{
    active_span::ActiveSpan,
    current::{Entered, Instrumented},
    event::Event,
    sink::TracingSink,
    tracer::Tracer,
};
pub use watchpost_sentry::wire::LogLevel;

/// The attributes of a span of any type: by their names only.
#[derive(Clone, Copy, Debug)]
pub enum Untyped {}

/// An agent's run.
pub type AgentRun = ActiveSpan<model::AgentRunAttributes>;
/// A call of a language model.
pub type ModelGeneration = ActiveSpan<model::ModelGenerationAttributes>;
/// A tool's call, of whatever kind.
pub type ToolCall = ActiveSpan<model::ToolCallAttributes>;
/// A workflow's run.
pub type WorkflowRun = ActiveSpan<model::WorkflowRunAttributes>;
/// A workflow's step.
pub type WorkflowStep = ActiveSpan<model::WorkflowStepAttributes>;
