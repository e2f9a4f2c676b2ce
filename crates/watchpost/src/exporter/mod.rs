//! Redaction, mapping and delivery in one handle: what captures hand their events to.
//!
//! ```no_run
//! use std::time::Duration;
//! use watchpost::{exporter::{McpExporter, SentryConfig}, model::{McpEvent, event_id, session_id}};
//! use watchpost_sentry::wire::Timestamp;
//!
//! let config = SentryConfig::default()
//!     .with_dsn("https://key@o123456.ingest.sentry.io/789")
//!     .with_environment("production")
//!     .with_release("1.0.0")
//!     .with_tracing(true);
//! let exporter = McpExporter::new(config)?;
//!
//! let now = Timestamp::now();
//! exporter.export(&McpEvent {
//!     event_id: event_id(now),
//!     session_id: Some(session_id(now)),
//!     event_type: "tools/call".into(),
//!     resource_name: Some("echo".to_owned()),
//!     timestamp: now,
//!     ..McpEvent::default()
//! });
//! let outcome = exporter.shutdown(Duration::from_secs(2));
//! assert!(outcome.complete, "{outcome:?}");
//! # Ok::<(), watchpost::exporter::ExporterError>(())
//! ```
//!
//! Agents' spans likewise, as tracing events:
//!
//! ```no_run
//! use watchpost::{exporter::{SentryExporter, SentryExporterConfig}, model::mastra};
//!
//! let config = SentryExporterConfig::from_env()?.with_traces_sample_rate(0.1);
//! let exporter = SentryExporter::new(config)?;
//! for line in std::io::stdin().lines().map_while(Result::ok) {
//!     match mastra::parse_line(&line) {
//!         Ok(event) => exporter.export_tracing_event(event),
//!         Err(error) => exporter.skip_event(&error),
//!     }
//! }
//! let outcome = exporter.shutdown();
//! assert!(outcome.complete, "{outcome:?}");
//! # Ok::<(), watchpost::exporter::ExporterError>(())
//! ```

mod config;
mod destination;
mod error;
mod event_exporter;
mod mcp;
mod sentry;
mod switch;

pub use self::{
    config::{ExporterType, SentryConfig},
    error::ExporterError,
    event_exporter::{Discarded, EventExporter},
    mcp::McpExporter,
    sentry::{
        EventItem, ExporterOptions, LogLevel, SentryExporter, SentryExporterConfig, SentryExporterStats, SpanFilter,
        SpanItem, TraceToSample,
    },
};
pub use crate::mapping::{Profile, TraceMode};
