//! Between the proxy and the exporter: shows the traffic to the observer and exports what it makes of it.

use std::time::{Duration, Instant};

use watchpost::{
    mcp::{Moment, StdioObserver},
    model::Direction,
    redact::Rules,
};

use super::destination::Destination;
use crate::proxy::{Tap, ToolContext};

/// How often calls that stay open for too long are looked for.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long stray output gathers before the run's one warning tells how much there was.
const STRAY_GATHER: Duration = Duration::from_secs(5);

/// Shows the traffic to the observer and exports what it makes of it.
pub(super) struct EventTap {
    observer: StdioObserver,
    context: Option<ToolContext>,
    redact: Rules,
    destination: Destination,
    next_expiry: Instant,
    /// When the run's one warning about stray output is due; `None` before there is any and after it was given.
    stray_due: Option<Instant>,
    stray_reported: bool,
}

impl EventTap {
    pub(super) fn new(
        observer: StdioObserver,
        context: Option<ToolContext>,
        redact: Rules,
        destination: Destination,
    ) -> Self {
        let next_expiry = Instant::now() + EXPIRY;
        Self { observer, context, redact, destination, next_expiry, stray_due: None, stray_reported: false }
    }

    fn export(&mut self) {
        for mut event in self.observer.drain_events() {
            if let (Some(context), Direction::ClientToServer) = (&self.context, event.direction) {
                event.user_intent = event.request_id.as_deref().and_then(|id| context.take_intent(id));
            }
            self.redact.redact_event(&mut event);
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
        let (session_id, mut stray) = (self.observer.session_id().to_owned(), stray.clone());
        if let Some(line) = &mut stray.first_line
            && let Some(clean) = self.redact.redact_text(line)
        {
            *line = clean;
        }
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

    fn has_audience(&self) -> bool {
        self.destination.is_known()
    }
}
