//! The token that a receiver may ask for, and must have when others reach it. A program sends it as a bearer; an SDK as the
//! key of its DSN; a browser once in the address, after which a cookie holds it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::guard::is_ingest;

/// The cookie that holds the token.
const COOKIE: &str = "watchpost_token";

/// What a token allows for a request.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is there.
    Granted,
    /// It came in the address of a page: a cookie is set and the page is opened without it.
    Redirect(Response),
    /// It is missing or wrong.
    Refused,
}

/// Looks for `token` in a request.
pub(super) fn admit(token: &str, request: &Request) -> Admission {
    let (path, headers) = (request.uri().path(), request.headers());
    // Says nothing about what is kept here; the pages' style and script are in every copy of this program.
    if path == "/health" || path.starts_with("/assets/") || path == "/favicon.ico" {
        return Admission::Granted;
    }
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let is_known = [bearer(headers), cookie(headers)].into_iter().flatten().any(|given| same(given, token));
    if is_known {
        return Admission::Granted;
    }
    if is_ingest(path) {
        let key = parameter("sentry_key").or_else(|| sentry_key(headers));
        return if key.is_some_and(|key| same(key, token)) { Admission::Granted } else { Admission::Refused };
    }
    match parameter("token") {
        Some(given) if same(given, token) => {
            redirect(token, path, query).map_or(Admission::Refused, Admission::Redirect)
        }
        _ => Admission::Refused,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The key in Sentry's own header, `Sentry sentry_version=7, sentry_key=…`.
fn sentry_key(headers: &HeaderMap) -> Option<&str> {
    let auth = headers.get("x-sentry-auth")?.to_str().ok()?;
    auth.split([',', ' ']).find_map(|part| part.trim().strip_prefix("sentry_key="))
}

fn redirect(token: &str, path: &str, query: &str) -> Option<Response> {
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("token=")).collect();
    // A path of two slashes would name another host.
    let path = format!("/{}", path.trim_start_matches('/'));
    let to = if rest.is_empty() { path } else { format!("{path}?{}", rest.join("&")) };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
    response.headers_mut().insert(header::LOCATION, HeaderValue::try_from(to).ok()?);
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    Some(response)
}

/// Compares digests, so that the time taken says nothing of where texts differ.
fn same(given: &str, token: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(token)
}
