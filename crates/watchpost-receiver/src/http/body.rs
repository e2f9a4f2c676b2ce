//! Reads a request's body within bounds of size, of time and of memory for all requests together.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{App, Failure};

/// What every request may hold without asking: most envelopes are far smaller.
const FREE_BYTES: usize = 64 * 1024;

/// How long a sender may pause.
const PAUSE: Duration = Duration::from_secs(15);

/// How long a body may take in all.
const WHOLE: Duration = Duration::from_secs(120);

/// A body, and its share of the memory for bodies.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) bytes: Vec<u8>,
    pub(super) _share: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn collect(app: &App, headers: &HeaderMap, body: Body, limit: u64) -> Result<Collected, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    timeout(WHOLE, read(app, announced(headers), body, limit)).await.map_err(|_| Failure::Timeout)?
}

async fn read(app: &App, announced: Option<usize>, mut body: Body, limit: usize) -> Result<Collected, Failure> {
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(FREE_BYTES));
    let mut share = None;
    loop {
        let frame: Bytes = match timeout(PAUSE, body.frame()).await {
            Err(_) => return Err(Failure::Timeout),
            Ok(None) => return Ok(Collected { bytes, _share: share }),
            Ok(Some(Err(_))) => return Err(Failure::BadRequest("the body ended early".to_owned())),
            // Trailers hold nothing for us.
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        let length = bytes.len() + frame.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if length > FREE_BYTES && share.is_none() {
            // Once, for all it may become: requests that each hold a part and wait for more would wait for ever.
            let kib = u32::try_from(announced.unwrap_or(limit) / 1024 + 1).unwrap_or(u32::MAX);
            let kib = kib.min(super::BODY_BUDGET_KIB as u32);
            let bodies = app.shared.bodies.clone();
            share = Some(bodies.acquire_many_owned(kib).await.map_err(|_| Failure::Busy)?);
        }
        bytes.extend_from_slice(&frame);
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Failure {
    Failure::TooLarge(format!("the body is larger than {limit} bytes"))
}
