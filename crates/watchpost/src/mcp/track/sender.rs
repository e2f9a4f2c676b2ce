//! What a message's headers and `_meta` say of who sent it.

use std::hash::{BuildHasher, Hash, Hasher};

use http::{HeaderMap, request::Parts};
use rmcp::model::JsonObject;
use serde_json::Value;

use crate::{mcp::ClientInfo, model::TraceParent};

pub(super) const SESSION_HEADER: &str = "mcp-session-id";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
pub(super) const META_TOOL_USE: &str = "claudecode/toolUseId";
/// What tells one client from another where there is no connection.
pub(super) const CREDENTIALS: &[&str] = &["authorization", "x-api-key", "cookie"];
pub(super) const ADDRESSES: &[&str] = &["forwarded", "x-forwarded-for", "x-real-ip"];

/// The session's id of a notification, for a call that waits for it.
pub(super) fn session_of_notification(parts: Option<&Parts>) -> Option<&str> {
    text(&parts?.headers, SESSION_HEADER)
}

/// The client, as a request of a stateless revision names it.
pub(super) fn meta_client(meta: &JsonObject) -> Option<ClientInfo<'_>> {
    let client = meta.get(META_CLIENT)?;
    Some(ClientInfo {
        name: client.get("name")?.as_str()?,
        title: client.get("title").and_then(Value::as_str),
        version: client.get("version").and_then(Value::as_str).unwrap_or_default(),
    })
}

/// The caller's trace: from `_meta` (SEP-414), else from the HTTP headers.
pub(super) fn trace_parent(meta: &JsonObject, headers: Option<&HeaderMap>) -> Option<TraceParent> {
    let of_meta = |name: &str| meta.get(name).and_then(Value::as_str);
    let of_headers = |name: &str| text(headers?, name);
    let w3c = |text: Option<&str>| text.and_then(TraceParent::parse_traceparent);
    let sentry = |text: Option<&str>| text.and_then(TraceParent::parse_sentry_trace);
    w3c(of_meta("traceparent"))
        .or_else(|| sentry(of_meta("sentry-trace")))
        .or_else(|| w3c(of_headers("traceparent")))
        .or_else(|| sentry(of_headers("sentry-trace")))
}

/// A header's text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A hash of the headers `names`, if there is any of them. It never leaves the process.
pub(super) fn hash_headers(state: &impl BuildHasher, headers: &HeaderMap, names: &[&str]) -> Option<u64> {
    let mut hasher = state.build_hasher();
    let mut any = false;
    for name in names {
        for value in headers.get_all(*name) {
            any = true;
            name.hash(&mut hasher);
            value.as_bytes().hash(&mut hasher);
        }
    }
    any.then(|| hasher.finish())
}
