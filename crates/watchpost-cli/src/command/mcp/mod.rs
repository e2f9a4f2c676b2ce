//! `watchpost mcp -- CMD`: the proxy's settings from the command line, and its end.

mod destination;
mod tap;

use std::{mem, process::ExitCode, time::Duration};

use watchpost::{
    mcp::{self, ObserverOptions, StdioObserver},
    model::Actor,
    redact::Capture,
};
use watchpost_sentry::delivery::{DropReason, Outcome};

use self::{destination::Destination, tap::EventTap};
use super::{ending::Ending, status::counted};
use crate::{
    args::McpArgs,
    config::Settings,
    failure::Failure,
    given::{Given, Json},
    proxy::{self, ProxyOptions, ToolContext},
};

/// The flush at the end never holds the exit longer.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs the server behind the proxy. Leaves the process with the server's exit code; returns only when the server could not
/// be started.
pub(crate) fn run(args: McpArgs) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.export)?;
    // A wrong rule ends the command here, and a wrong DSN below, before the server starts.
    settings.add_rules(&args.redact)?;
    let redact = mem::take(&mut settings.redact);
    let observer = observer_options(&args, &settings);
    let destination = Destination::new(settings)?;
    let exporter = destination.exporter_cell();
    // Whatever ends us, a panic too: what can be sent is sent, and the spool has the rest.
    let ended = exporter.clone();
    let _ending = Ending(move || {
        let _ = ended.get().map(|exporter| exporter.shutdown(FLUSH));
    });

    let context = args.tool_call_context.then(|| ToolContext::new(args.tool_call_context_description));
    let mut command = args.command.into_iter();
    let program = command.next().unwrap_or_default();
    let mut options = ProxyOptions::new(program, command.collect());
    options.tool_context.clone_from(&context);
    options.shutdown_grace = Duration::from_secs_f64(args.shutdown_grace);
    let exit = proxy::run(&options, move || EventTap::new(StdioObserver::new(observer), context, redact, destination))?;

    if exit.bytes_unobserved > 0 {
        let bytes = exit.bytes_unobserved;
        tracing::warn!(bytes, "traffic came faster than it could be observed; the calls in it are not reported");
    }
    if let Some(exporter) = exporter.get() {
        tell(&exporter.shutdown(FLUSH));
    }
    // Threads may still be blocked in a read of standard input; only an exit ends them.
    std::process::exit(i32::from(exit.code))
}

/// Says what became of everything, if that is not what was wanted.
fn tell(outcome: &Outcome) {
    if outcome.dropped() > outcome.dropped_by(DropReason::SampleRate) {
        tracing::warn!("not everything reached Sentry: {outcome}");
    } else if outcome.held() > 0 {
        let held = counted(outcome.held(), "item is", "items are");
        tracing::warn!(
            "{held} kept in the spool: the next start sends what Sentry has not taken, or `watchpost flush`"
        );
    }
}

fn observer_options(args: &McpArgs, settings: &Settings) -> ObserverOptions {
    let mut options = ObserverOptions::default();
    options.project_id = Given::of(&args.project_id).or_else(|| settings.project_id.clone());
    options.actor = actor(args);
    options.tags.clone_from(&args.tags);
    options.events = args.events;
    options.capture = content(settings.sentry.capture.unwrap_or_default());
    options.max_capture_bytes = args.max_capture_bytes;
    options
}

fn actor(args: &McpArgs) -> Option<Actor> {
    let actor = Actor {
        id: Given::of(&args.actor_id),
        name: Given::of(&args.actor_name),
        data: Given::of(&args.actor_data).map(|Json(data)| data),
    };
    (actor != Actor::default()).then_some(actor)
}

/// What the observer has to keep for what the exporter may send.
fn content(capture: Capture) -> mcp::Capture {
    let mut content = mcp::Capture::NONE;
    content.inputs = capture.arguments;
    content.outputs = capture.results;
    content
}
