//! How much trace assembly may hold and for how long, and what it counts. The bounds are the documented ones of
//! `SentryExporterConfig`.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// What bounds an [`Assembler`](super::Assembler).
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Most open spans. Beyond, the trace idle longest is released as it stands.
    pub(crate) open_spans: usize,
    /// Most bytes of all spans that are held, estimated. Beyond likewise.
    pub(crate) open_bytes: usize,
    /// Most traces that are held. Beyond likewise.
    pub(crate) open_traces: usize,
    /// How long nothing may be heard of a trace before it is released as it stands.
    pub(crate) idle: Duration,
    /// How long an ended root waits for its open descendants, and a finished span for the root above it.
    pub(crate) late: Duration,
    /// Most finished spans that one trace holds back for its root,
    pub(crate) held_spans: usize,
    /// and their bytes. Beyond, they are released without it.
    pub(crate) held_bytes: usize,
    /// How long a released trace is remembered, for what comes late,
    pub(crate) memory: Duration,
    /// how many of them,
    pub(crate) remembered_traces: usize,
    /// how many of their spans,
    pub(crate) remembered_spans: usize,
    /// and how many bytes of these.
    pub(crate) remembered_bytes: usize,
    /// Whether the events are a recording, whose lines may come in any order: whatever ended waits for `late` for the rest of its
    /// trace, and what is open at the end ended when its trace was last heard of.
    pub(crate) is_recording: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_spans: 10_000,
            open_bytes: 16 * MIB,
            open_traces: 10_000,
            idle: Duration::from_secs(30 * 60),
            late: Duration::from_secs(5),
            held_spans: 5_000,
            held_bytes: 4 * MIB,
            memory: Duration::from_secs(60),
            remembered_traces: 4_096,
            remembered_spans: 32_768,
            // All spans of the usual size, some with a long stack.
            remembered_bytes: 16 * MIB,
            is_recording: false,
        }
    }
}

/// When a span is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseWhen {
    /// With the root of its run, once that and all below it ended.
    TraceComplete,
    /// As it ends.
    SpanEnded,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events that came.
    pub(crate) events: u64,
    /// Starts, updates and ends of a span that had ended: they change nothing.
    pub(crate) repeated: u64,
    /// Spans of types that are not sent, or that the host ignores.
    pub(crate) skipped_spans: u64,
    /// Spans that were open when there were too many.
    pub(crate) aborted: u64,
    /// Spans that were open when nothing had been heard of their trace for too long.
    pub(crate) expired: u64,
    /// Spans that were open at the shutdown.
    pub(crate) shut_down: u64,
    /// Releases of finished spans ahead of their root, for there were too many.
    pub(crate) early_releases: u64,
}
