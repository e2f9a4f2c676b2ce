//! What an exporter counts beside its [`Outcome`](watchpost_sentry::delivery::Outcome), which is about what was handed over to
//! be sent.

/// Figures since the start, and what is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentryExporterStats {
    /// Tracing events taken.
    pub events: u64,
    /// Events that could not be read and were skipped.
    pub skipped: u64,
    /// Events of spans that had ended: they changed nothing.
    pub repeated: u64,
    /// Events and logs that came after the shutdown.
    pub after_shutdown: u64,
    /// Spans that are open now.
    pub open_spans: u64,
    /// Traces that are not complete now.
    pub open_traces: u64,
    /// About how many bytes of spans are held until their trace is complete.
    pub open_bytes: u64,
    /// Spans of complete traces that wait to be mapped now.
    pub queued_spans: u64,
    /// About how many bytes they hold.
    pub queued_bytes: u64,
    /// Open spans sent as `aborted`: there were too many.
    pub aborted: u64,
    /// Open spans sent as `deadline_exceeded`: nothing was heard of their trace for too long.
    pub deadline_exceeded: u64,
    /// Open spans that the shutdown ended.
    pub shut_down: u64,
    /// Spans that went into the generation above them: steps, inferences, pieces of answers.
    pub taken_in: u64,
    /// Spans released ahead of their root, in so many parts: their trace had too many.
    pub early_parts: u64,
    /// Complete traces dropped because too much waited to be mapped. Their spans are in the outcome.
    pub overflowed: u64,
    /// Spans that lost content to Sentry's limits of size.
    pub cut_spans: u64,
    /// Hooks that panicked.
    pub hook_panics: u64,
}
