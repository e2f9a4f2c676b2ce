//! Takes envelopes in: `POST /api/{project}/envelope/` as Sentry does, `POST /stream` as Spotlight does; and events by themselves,
//! as SDKs sent them before there were envelopes: `POST /api/{project}/store/`.
//! Answers once everything is queued for the writer; a full queue makes the sender wait. Hot path: small plain envelopes are
//! read where they arrive, others on a thread of their own.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use watchpost_sentry::wire::Timestamp;

use super::body::{Collected, collect};
use super::{App, Failure};
use crate::fault::Fault;
use crate::inert::clip;
use crate::ingest::{Damage, Origin, Reading, read_envelope, read_event};
use crate::store::Sdk;

/// Plain envelopes up to this size are read at once; reading 64 KiB takes less than a millisecond.
const AT_ONCE_BYTES: usize = 64 * 1024;

/// Characters of a project id that are kept.
const PROJECT_CHARS: usize = 64;

/// The project of what comes by Spotlight's route, which has none.
const STREAM_PROJECT: &str = "spotlight";

pub(super) async fn receive(
    State(app): State<App>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    take_in(&app, clip(&project, PROJECT_CHARS), &headers, body, read_envelope).await
}

pub(super) async fn receive_event(
    State(app): State<App>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    take_in(&app, clip(&project, PROJECT_CHARS), &headers, body, read_event).await
}

pub(super) async fn receive_stream(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    take_in(&app, STREAM_PROJECT, &headers, body, read_envelope).await
}

/// Reads a body, given its encodings, what is known of it, and its limit in bytes.
type Read = fn(&[u8], &str, &Origin, u64) -> Reading;

async fn take_in(app: &App, project: &str, headers: &HeaderMap, body: Body, read: Read) -> Result<Response, Failure> {
    let result = try_take_in(app, project, headers, body, read).await;
    if matches!(result, Err(_) | Ok(Taken { damage: Some(_), .. })) {
        app.store.count_rejected();
    }
    let taken = result?;
    if let Some(fault) = taken.fault {
        return Ok(play(app, &fault));
    }
    match taken.damage {
        None => Ok(match taken.event_id {
            Some(id) => Json(json!({ "id": id })).into_response(),
            // An envelope of logs has no id; Relay answers so too.
            None => Json(json!({})).into_response(),
        }),
        Some(damage @ Damage::TooLarge { .. }) => Err(Failure::TooLarge(damage.to_string())),
        Some(damage @ Damage::Encoding(_)) => Err(Failure::UnsupportedEncoding(damage.to_string())),
        Some(damage @ (Damage::Malformed(_) | Damage::Undecodable(_) | Damage::NoEvent)) => {
            let kept = match taken.kept {
                0 => String::new(),
                1 => " (1 item before it was kept)".to_owned(),
                kept => format!(" ({kept} items before it were kept)"),
            };
            Err(Failure::BadRequest(format!("{damage}{kept}")))
        }
    }
}

/// What was taken in.
struct Taken {
    event_id: Option<watchpost_sentry::wire::EventId>,
    kept: usize,
    damage: Option<Damage>,
    /// A fault that is played for it.
    fault: Option<Fault>,
}

async fn try_take_in(app: &App, project: &str, headers: &HeaderMap, body: Body, read: Read) -> Result<Taken, Failure> {
    let limit = app.shared.max_envelope_bytes;
    let origin = Origin { project: Arc::from(project), received_at: Timestamp::now(), sdk: sender(headers) };
    let encodings = content_encodings(headers)?;
    let collected = collect(app, headers, body, limit).await?;
    if encodings.is_empty() && collected.bytes.len() <= AT_ONCE_BYTES {
        return queue(app, read(&collected.bytes, "", &origin, limit)).await;
    }
    // Held until the records are queued: what a decoder made is memory too.
    let _decoder = app.shared.decoders.acquire().await.map_err(|_| Failure::Busy)?;
    let reading = move || {
        let Collected { bytes, _share } = collected;
        read(&bytes, &encodings, &origin, limit)
    };
    let reading = tokio::task::spawn_blocking(reading).await.map_err(|_| Failure::Internal)?;
    queue(app, reading).await
}

async fn queue(app: &App, mut reading: Reading) -> Result<Taken, Failure> {
    let has_record = |fault: &&Fault| reading.records.iter().any(|record| fault.drops(&record.kind));
    let fault = app.shared.faults.iter().find(|fault| fault.is_total() || has_record(fault)).cloned();
    if let Some(fault) = &fault {
        reading.records.retain(|record| !fault.drops(&record.kind));
    }
    let kept = reading.records.len();
    app.store.queue(reading.records).await?;
    Ok(Taken { event_id: reading.event_id, kept, damage: reading.damage, fault })
}

/// Answers as Sentry would when it does not take something.
fn play(app: &App, fault: &Fault) -> Response {
    app.store.count_rejected();
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = (status, Json(json!({ "detail": "played by this receiver (--fail)" }))).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = fault.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(limits) = fault.rate_limits().and_then(|limits| HeaderValue::try_from(limits).ok()) {
        headers.insert("x-sentry-rate-limits", limits);
    }
    response
}

/// The SDK as the request names it: `sentry_client=name/version` in Sentry's own header.
fn sender(headers: &HeaderMap) -> Option<Arc<Sdk>> {
    let auth = headers.get("x-sentry-auth")?.to_str().ok()?;
    let client = auth.split([',', ' ']).find_map(|part| part.trim().strip_prefix("sentry_client="))?;
    let (name, version) = client.split_once('/').unwrap_or((client, ""));
    Some(Arc::new(Sdk { name: clip(name, PROJECT_CHARS).to_owned(), version: clip(version, PROJECT_CHARS).to_owned() }))
}

/// All `Content-Encoding` values in one, in the order in which they were applied.
fn content_encodings(headers: &HeaderMap) -> Result<String, Failure> {
    let mut encodings = String::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| Failure::BadRequest("the content encoding is not text".to_owned()))?;
        if !encodings.is_empty() {
            encodings.push(',');
        }
        encodings.push_str(value);
    }
    Ok(encodings)
}
