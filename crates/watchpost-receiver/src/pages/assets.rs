//! What the pages load, embedded in the binary.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

/// Checked again at each load, so that an updated receiver is not shown with yesterday's style.
const REVALIDATE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), REVALIDATE], include_str!("style.css"))
}

pub(super) async fn theme() -> impl IntoResponse {
    script(include_str!("theme.js"))
}

pub(super) async fn raw() -> impl IntoResponse {
    script(include_str!("raw.js"))
}

pub(super) async fn live() -> impl IntoResponse {
    script(include_str!("live.js"))
}

pub(super) async fn keys() -> impl IntoResponse {
    script(include_str!("keys.js"))
}

fn script(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), REVALIDATE], text)
}

pub(super) async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), REVALIDATE], include_str!("icon.svg"))
}
