//! `watchpost mcp -- CMD`: the proxy's settings from the command line, and where its events go.

use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use watchpost::{
    exporter::McpExporter,
    mcp::{self, Moment, ObserverOptions, StdioObserver},
    model::{Actor, Direction, McpEvent},
    redact::Capture,
};
use watchpost_sentry::delivery::DropReason;

use crate::{
    args::McpArgs,
    config::Settings,
    failure::Failure,
    local_receiver,
    proxy::{self, ProxyOptions, Tap},
};

/// The flush at the end never holds the exit longer.
const FLUSH: Duration = Duration::from_secs(2);
/// How often a missing local receiver is looked for again, so that one started later is found.
const NEXT_LOOK: Duration = Duration::from_secs(5);
/// How often calls that stay open for too long are looked for.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long stray output gathers before the run's one warning tells how much there was.
const STRAY_GATHER: Duration = Duration::from_secs(5);

/// Runs the server behind the proxy. Leaves the process with the server's exit code; returns only when the server could not
/// be started.
pub(crate) fn run(args: McpArgs) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.export)?;
    if let Some(trace) = args.trace {
        settings.sentry.trace = Some(trace);
    }
    let exporter = Arc::new(OnceLock::new());
    let mut destination = Destination { exporter: Arc::clone(&exporter), settings: None, next_look: Instant::now() };
    if settings.sentry.dsn.is_some() {
        // A wrong DSN ends the command here, before the server starts.
        let _ = exporter.set(McpExporter::new(settings.sentry.clone())?);
    } else {
        destination.settings = Some(settings.clone());
    }
    let observer = observer_options(&args, &settings);

    let mut command = args.command.into_iter();
    let program = command.next().unwrap_or_default();
    let mut options = ProxyOptions::new(program, command.collect());
    options.shutdown_grace = Duration::from_secs_f64(args.shutdown_grace);
    let exit = proxy::run(&options, move || EventTap::new(StdioObserver::new(observer), destination))?;

    if exit.bytes_unobserved > 0 {
        tracing::warn!(
            bytes = exit.bytes_unobserved,
            "traffic came faster than it could be observed; the calls in it are not reported"
        );
    }
    if let Some(exporter) = exporter.get() {
        let outcome = exporter.shutdown(FLUSH);
        let undelivered = outcome.held() + outcome.dropped() - outcome.dropped_by(DropReason::SampleRate);
        if undelivered > 0 {
            tracing::warn!(sent = outcome.sent(), undelivered, "not everything reached Sentry: {outcome}");
        }
    }
    // Threads may still be blocked in a read of standard input; only an exit ends them.
    std::process::exit(i32::from(exit.code))
}

fn observer_options(args: &McpArgs, settings: &Settings) -> ObserverOptions {
    let capture = settings.sentry.capture.unwrap_or_default();
    let mut options = ObserverOptions::default();
    options.project_id = args.project_id.clone().or_else(|| settings.project_id.clone());
    options.actor = actor(args);
    options.tags.clone_from(&args.tags);
    options.events = args.events;
    options.capture = content(capture);
    options.max_frame_bytes = args.max_capture_bytes;
    options
}

fn actor(args: &McpArgs) -> Option<Actor> {
    let actor = Actor { id: args.actor_id.clone(), name: args.actor_name.clone(), data: args.actor_data.clone() };
    (actor != Actor::default()).then_some(actor)
}

/// What the observer has to keep for what the exporter may send.
fn content(capture: Capture) -> mcp::Capture {
    let mut content = mcp::Capture::NONE;
    content.inputs = capture.arguments;
    content.outputs = capture.results;
    content
}

/// Where events go, decided on the observer's thread when the first one comes: starting the server waits for nothing.
struct Destination {
    exporter: Arc<OnceLock<McpExporter>>,
    /// No DSN is configured: the settings for the local receiver, once one listens.
    settings: Option<Settings>,
    next_look: Instant,
}

impl Destination {
    fn exporter(&mut self) -> Option<&McpExporter> {
        if self.exporter.get().is_none() && Instant::now() >= self.next_look {
            self.next_look = Instant::now() + NEXT_LOOK;
            let address = local_receiver::DEFAULT_ADDRESS;
            if let Some(settings) = &self.settings
                && local_receiver::listens(address)
            {
                let mut settings = settings.clone();
                settings.use_local_receiver(address);
                match McpExporter::new(settings.sentry) {
                    Ok(exporter) => {
                        let _ = self.exporter.set(exporter);
                        self.settings = None;
                    }
                    Err(error) => tracing::warn!(%error, "the local receiver can't be used"),
                }
            }
        }
        self.exporter.get()
    }

    fn export(&mut self, event: &McpEvent) {
        if let Some(exporter) = self.exporter() {
            exporter.export(event);
        }
    }
}

/// Shows the traffic to the observer and exports what it makes of it.
struct EventTap {
    observer: StdioObserver,
    destination: Destination,
    next_expiry: Instant,
    /// When the run's one warning about stray output is due; `None` before there is any and after it was given.
    stray_due: Option<Instant>,
    stray_reported: bool,
}

impl EventTap {
    fn new(observer: StdioObserver, destination: Destination) -> Self {
        let next_expiry = Instant::now() + EXPIRY;
        Self { observer, destination, next_expiry, stray_due: None, stray_reported: false }
    }

    fn export(&mut self) {
        for event in self.observer.drain_events() {
            self.destination.export(&event);
        }
    }

    fn report_stray_output(&mut self, now: Moment) {
        let stray = self.observer.stray();
        if stray.is_empty() || self.stray_reported {
            return;
        }
        self.stray_reported = true;
        self.stray_due = None;
        let (session_id, stray) = (self.observer.session_id().to_owned(), stray.clone());
        if let Some(exporter) = self.destination.exporter() {
            exporter.warn_of_stray_output(&session_id, &stray, now.wall);
        }
    }
}

impl Tap for EventTap {
    fn feed(&mut self, direction: Direction, bytes: &[u8], at: Moment) {
        self.observer.feed(direction, bytes, at);
        self.export();
    }

    fn skip(&mut self, direction: Direction, bytes: u64) {
        self.observer.skip(direction, bytes);
    }

    fn turn(&mut self, now: Moment) -> Option<Duration> {
        if now.monotonic >= self.next_expiry {
            self.next_expiry = now.monotonic + EXPIRY;
            self.observer.expire(now);
        }
        self.export();
        if !self.stray_reported && self.stray_due.is_none() && !self.observer.stray().is_empty() {
            self.stray_due = Some(now.monotonic + STRAY_GATHER);
        }
        if self.stray_due.is_some_and(|due| now.monotonic >= due) {
            self.report_stray_output(now);
        }
        let expiry = (self.observer.open_calls() > 0).then_some(self.next_expiry);
        [expiry, self.stray_due].into_iter().flatten().min().map(|due| due.saturating_duration_since(now.monotonic))
    }

    fn close(&mut self, now: Moment) {
        self.observer.close(now);
        self.export();
        self.report_stray_output(now);
    }
}
