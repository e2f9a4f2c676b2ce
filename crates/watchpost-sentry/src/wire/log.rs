//! Logs: `{"type":"log"}` containers of at most 100 items.
//! Source: Sentry's log protocol (`develop-docs/sdk/telemetry/logs.mdx`).

use std::borrow::Cow;

use serde::Deserialize;

use super::{Attributes, EventId, SpanId, Timestamp, TraceId, json::write_string, lenient, name::names, owned};

/// One structured log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Log<'a> {
    /// When it happened.
    pub timestamp: Timestamp,
    /// The trace it belongs to. Relay drops a log without one; read from JSON, a missing one is all zeros.
    #[serde(default, deserialize_with = "lenient::default")]
    pub trace_id: TraceId,
    /// The span that was active.
    pub span_id: Option<SpanId>,
    /// Not in Sentry's log schema; seed 000 sends it. `None` leaves it out (`profile = "strict"`).
    pub event_id: Option<EventId>,
    /// The severity. Read from JSON, an unknown one is `info`.
    #[serde(default = "info", deserialize_with = "level_or_info")]
    pub level: LogLevel,
    /// The message.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub body: Cow<'a, str>,
    /// Typed attributes.
    #[serde(default)]
    pub attributes: Attributes<'a>,
}

/// A log's level. Events use [`Level`](super::Level), whose `warning` is `warn` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// `trace`, severity number 1.
    Trace,
    /// `debug`, severity number 5.
    Debug,
    /// `info`, severity number 9.
    Info,
    /// `warn`, severity number 13.
    Warn,
    /// `error`, severity number 17.
    Error,
    /// `fatal`, severity number 21.
    Fatal,
}

names!(LogLevel, "log level", {
    Trace = "trace",
    Debug = "debug",
    Info = "info",
    Warn = "warn",
    Error = "error",
    Fatal = "fatal",
});

impl Log<'_> {
    /// Appends the log as JSON. `severity_number` is left out: Sentry infers it from the level and does not store it.
    ///
    /// The hot path: a third of what `serde_json` takes for the same log (`cargo bench -p watchpost-sentry --bench
    /// wire`).
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timestamp\":");
        self.timestamp.write_json(out);
        out.extend_from_slice(b",\"trace_id\":\"");
        self.trace_id.write_hex(out);
        if let Some(span_id) = self.span_id {
            out.extend_from_slice(b"\",\"span_id\":\"");
            span_id.write_hex(out);
        }
        if let Some(event_id) = self.event_id {
            out.extend_from_slice(b"\",\"event_id\":\"");
            event_id.write_hex(out);
        }
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(self.level.as_str().as_bytes());
        out.extend_from_slice(b"\",\"body\":");
        write_string(out, &self.body);
        out.extend_from_slice(b",\"attributes\":");
        self.attributes.write_json(out);
        out.push(b'}');
    }

    /// The same log, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Log<'static> {
        Log {
            timestamp: self.timestamp,
            trace_id: self.trace_id,
            span_id: self.span_id,
            event_id: self.event_id,
            level: self.level,
            body: owned::text(self.body),
            attributes: self.attributes.into_owned(),
        }
    }
}

impl LogLevel {
    /// OpenTelemetry's severity number.
    #[must_use]
    pub const fn severity_number(self) -> u8 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
}

const fn info() -> LogLevel {
    LogLevel::Info
}

fn level_or_info<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<LogLevel, D::Error> {
    Ok(lenient::parsed(deserializer)?.unwrap_or(LogLevel::Info))
}
