//! One arrived item, read once: its bytes as they came, and the fields that the tables need.
//! The ingest makes records, the writer stores them, subscribers see them as [`StoredItem`]s.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use watchpost_sentry::wire::{EventId, SpanId, Timestamp, TraceId};

/// An item on its way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) project: Arc<str>,
    pub(crate) received_at: Timestamp,
    /// When it happened; when it was received, if it does not say.
    pub(crate) timestamp: Timestamp,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) event_id: Option<EventId>,
    /// What makes a resend recognisable.
    pub(crate) dedupe: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    /// Who sent it, as far as the envelope says.
    pub(crate) sdk: Option<Arc<Sdk>>,
    /// Whether the payload could not be read as its type, and is kept raw only.
    pub(crate) is_unreadable: bool,
    /// The level of a log or an error event.
    pub(crate) level: Option<Cow<'static, str>>,
    /// Log body, span name or issue title.
    pub(crate) title: String,
    pub(crate) status: Option<String>,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) is_error: bool,
    pub(crate) spans: Vec<SpanRecord>,
    pub(crate) issue: Option<IssueRecord>,
    pub(crate) events: Vec<EventRecord>,
    pub(crate) discards: Vec<DiscardRecord>,
}

/// A span of a transaction, or a v2 span.
#[derive(Clone, Debug)]
pub(crate) struct SpanRecord {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) op: Option<String>,
    pub(crate) name: String,
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) status: Option<String>,
    pub(crate) is_error: bool,
    /// What an agent did in it, if it is a model's or a tool's call.
    pub(crate) call: Option<Box<CallRecord>>,
}

/// The SDK that sent something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sdk {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What a call is of. The names are those in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CallKind {
    /// An MCP request or notification.
    Mcp,
    /// A call of a model.
    Model,
    /// A tool that an agent ran.
    Tool,
}

impl CallKind {
    /// Its name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Model => "model",
            Self::Tool => "tool",
        }
    }
}

/// What a call of a model used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    /// US dollars: as sent, else estimated, else 0.
    pub(crate) cost: f64,
}

impl Usage {
    pub(crate) fn add(&mut self, other: &Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost += other.cost;
    }
}

/// A model's or a tool's call by an agent.
#[derive(Clone, Debug)]
pub(crate) struct CallRecord {
    pub(crate) kind: CallKind,
    /// The provider, or the agent.
    pub(crate) owner: String,
    /// The model, or the tool.
    pub(crate) name: String,
    pub(crate) usage: Usage,
    /// Bytes of arguments and result.
    pub(crate) sizes: Option<(i64, i64)>,
}

/// The issue an error event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct IssueRecord {
    pub(crate) fingerprint: [u8; 16],
    pub(crate) culprit: Option<String>,
}

/// What an item says about one MCP event.
#[derive(Clone, Debug)]
pub(crate) struct EventRecord {
    /// The span the log, the transaction and the error event of one MCP event share.
    pub(crate) span_id: Option<SpanId>,
    pub(crate) timestamp: Timestamp,
    /// `None` when the item does not say: it then only adds to an event already known.
    pub(crate) method: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) status: Option<String>,
    pub(crate) is_error: bool,
    pub(crate) error: Option<String>,
    pub(crate) user_intent: Option<String>,
    pub(crate) request_bytes: Option<i64>,
    pub(crate) response_bytes: Option<i64>,
    /// Who sent the message: `client_to_server` or `server_to_client`.
    pub(crate) direction: Option<String>,
    pub(crate) parties: Parties,
}

/// Who talked: the session and both sides of it, as far as an item says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parties {
    pub(crate) session_id: Option<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) actor_id: Option<String>,
    pub(crate) actor_name: Option<String>,
}

/// A line of a client report.
#[derive(Clone, Debug)]
pub(crate) struct DiscardRecord {
    pub(crate) reason: String,
    pub(crate) category: String,
    pub(crate) quantity: i64,
}

/// An item that was stored, as subscribers get it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StoredItem {
    /// The number under which it is kept; later items have higher ones.
    pub id: i64,
    /// Its type as in the envelope: `log`, `transaction`, `event`, `span`, `client_report`, …
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The project it was sent to.
    pub project: Arc<str>,
    /// When it arrived.
    #[serde(serialize_with = "super::rfc3339")]
    pub received_at: Timestamp,
    /// When it happened, as its sender says.
    #[serde(serialize_with = "super::rfc3339")]
    pub timestamp: Timestamp,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span it belongs to.
    pub span_id: Option<SpanId>,
    /// The key of the MCP session it belongs to.
    pub session: Option<Arc<str>>,
    /// The level of a log or an error event, as sent.
    pub level: Option<Cow<'static, str>>,
    /// A log's body, a span's name or an issue's title, as sent: text from outside.
    pub title: String,
    /// The status of a transaction or span, as sent.
    pub status: Option<String>,
    /// The duration in milliseconds, where there is one.
    pub duration_ms: Option<f64>,
    /// Whether it tells of a failure.
    pub is_error: bool,
    /// The item's payload as it came; JSON except for attachments and the like.
    #[serde(skip)]
    pub payload: Vec<u8>,
}
