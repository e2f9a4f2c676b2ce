//! Beside an application's own `sentry::init`: its issues link to our traces ([`TraceIntegration`]), and what it sends goes
//! through our delivery ([`DeliveryTransportFactory`]). Either works without the other. Feature `sentry`, for `sentry` 0.49.
//!
//! ```
//! use watchpost::{ai::Tracer, sentry_sdk::{DeliveryTransportFactory, TraceIntegration}};
//!
//! let guard = sentry::init((
//!     "http://key@127.0.0.1:9/1",
//!     sentry::ClientOptions::new()
//!         .add_integration(TraceIntegration::new())
//!         .transport(DeliveryTransportFactory::new()),
//! ));
//! # let transport = sentry::Hub::current().client();
//! let tracer = Tracer::disabled();
//! tracer.tool_call("look up").in_scope(|| {
//!     // An issue of theirs, in the tool call's span.
//!     sentry::capture_message("no such city", sentry::Level::Error);
//! });
//! # drop(transport);
//! # guard.close(Some(std::time::Duration::ZERO));
//! ```
//!
//! # Which span an issue links to
//! An event that is captured within a span of a [`Tracer`](crate::ai::Tracer), or within a tool of a tracked MCP server, gets that
//! span's `trace_id` and `span_id` as its `contexts.trace`; so do panics. It is found for each event, on the thread that captures
//! it, so concurrent calls never mix, whatever thread polls them. Outside of our spans nothing changes.
//!
//! With a transaction of the application's own in progress the nearest span of *our* trace counts:
//!
//! | the active transaction or span | the event links to |
//! | --- | --- |
//! | is in our trace and sampled: begun by [`continue_trace`] | it |
//! | is in our trace and not sampled, so that it is never sent | our span |
//! | is in a trace of its own | our span |
//!
//! [`sentry-tracing`](https://docs.rs/sentry-tracing) makes a span of our `tracing` span around each call, `mcp.server` of the target
//! `watchpost::mcp`, and a transaction that goes on with our trace where it is outermost. To have the call in Sentry only once,
//! filter that target out of its layer.
//!
//! # Scopes
//! Each call of a tracked MCP server runs in a [`Hub`](sentry_core::Hub) of its own as soon as there is a [`TraceIntegration`]:
//! tags and breadcrumbs that a tool sets are its call's alone. Tasks that a tool spawns are outside of its call and of its hub,
//! as is the rule with both; `bind_hub` and a clone of [`CurrentCall`](crate::mcp) hand them on.
//!
//! Structured logs and metrics of `sentry` keep the trace they had: it lets no integration see them.

#[cfg(feature = "rmcp")]
mod hub;
mod integration;
mod transport;

#[cfg(feature = "rmcp")]
pub(crate) use self::{hub::in_own_hub, integration::is_linked};
pub use self::{
    integration::{TraceIntegration, continue_trace},
    transport::{DeliveryTransport, DeliveryTransportFactory},
};
