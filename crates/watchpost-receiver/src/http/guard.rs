//! Lets in only what comes from this machine's own programs and pages: the `Host` must be ours (or another site's name could
//! be pointed at us: DNS rebinding), and what a page sends must come from a page served from here or from loopback.
//! Also sets every answer's security headers.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::token::{self, Admission};
use super::{App, Failure, Shared};

/// What a page may load: its own style and script, its own API, nothing else and from nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Set on every answer.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Headers a browser SDK may send.
const ALLOWED_HEADERS: &str = "x-sentry-auth, content-type, content-encoding, authentication, authorization, baggage, sentry-trace, traceparent, x-requested-with";

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_ingest = is_ingest(request.uri().path());
    let mut response = match admit(&app.shared, &request) {
        Err(failure) => failure.into_response(),
        Ok(()) if request.method() == Method::OPTIONS && is_ingest => preflight(request.headers()),
        Ok(()) => match app.shared.token.as_deref().map(|token| token::admit(token, &request)) {
            None | Some(Admission::Granted) => next.run(request).await,
            Some(Admission::Redirect(response)) => response,
            Some(Admission::Refused) => Failure::Unauthorized.into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if is_ingest
        && let Some(origin) = origin
        && is_loopback_origin(&app.shared, &origin)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after, x-sentry-rate-limits"),
        );
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    }
    response
}

fn admit(shared: &Shared, request: &Request) -> Result<(), Failure> {
    // A request in absolute form names the host in its target, which then counts (RFC 9112 §3.2.2).
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    if !host.is_some_and(|host| is_own_host(shared, host)) {
        return Err(Failure::Forbidden("the Host header is not this receiver's; use localhost or 127.0.0.1"));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads
        && let Some(origin) = request.headers().get(header::ORIGIN)
        && !is_loopback_origin(shared, origin)
    {
        return Err(Failure::Forbidden("pages of this origin may not send here"));
    }
    Ok(())
}

pub(super) fn is_ingest(path: &str) -> bool {
    // `/api/{project}/envelope` and `/store`; an item's envelope (`/api/items/{id}/envelope`) is read, not sent.
    let rest = path.strip_prefix("/api/").map(|rest| rest.trim_end_matches('/'));
    let project = rest.and_then(|rest| rest.strip_suffix("/envelope").or_else(|| rest.strip_suffix("/store")));
    path == "/stream" || project.is_some_and(|project| !project.contains('/'))
}

/// Answers a browser that asks whether a page's SDK may send.
fn preflight(request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    if request.contains_key("access-control-request-private-network") {
        let name = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}

/// Whether `host` (with or without a port) names this receiver.
fn is_own_host(shared: &Shared, host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    if name == "localhost" || shared.allowed_hosts.contains(&name) {
        return true;
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    match (literal.parse::<IpAddr>(), shared.bound) {
        (Ok(ip), _) if ip.is_loopback() => true,
        (Ok(ip), Some(bound)) => ip == bound,
        // Bound to all addresses: any may be ours, and a rebinding needs a name.
        (Ok(_), None) => true,
        (Err(_), _) => false,
    }
}

/// Whether a page of `origin` is served from this machine.
fn is_loopback_origin(shared: &Shared, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    let name = without_port(host).to_ascii_lowercase();
    name.ends_with(".localhost") || is_own_host(shared, host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons inside an IPv6 literal's brackets are not a port's.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use axum::http::HeaderValue;

    use super::{App, is_ingest, is_loopback_origin, is_own_host};
    use crate::config::{Database, ReceiverConfig};
    use crate::store::Store;

    fn app(bound: &str) -> App {
        let address = SocketAddr::new(bound.parse::<IpAddr>().unwrap(), 0);
        let config = ReceiverConfig::default().with_address(address).with_allowed_host("Host.Docker.Internal");
        App::new(Store::open(&Database::InMemory, u64::MAX).unwrap(), &config, address, address)
    }

    #[test]
    fn loopback_the_bound_address_and_allowed_names_are_ours() {
        let app = app("192.168.1.5");
        for host in ["localhost", "LOCALHOST:8969", "127.0.0.1:1", "[::1]:8969", "[::1]", "192.168.1.5:8969"] {
            assert!(is_own_host(&app.shared, host), "{host}");
        }
        assert!(is_own_host(&app.shared, "host.docker.internal:8969"));
        for host in ["evil.example", "localhost.evil.example", "192.168.1.6", "127.0.0.1.evil.example", "", ":8969"] {
            assert!(!is_own_host(&app.shared, host), "{host}");
        }
    }

    #[test]
    fn bound_to_all_addresses_any_literal_is_ours_and_no_name() {
        let app = app("0.0.0.0");
        assert!(is_own_host(&app.shared, "10.1.2.3:8969"));
        assert!(!is_own_host(&app.shared, "evil.example:8969"));
    }

    #[test]
    fn only_pages_of_this_machine_may_send() {
        let app = app("127.0.0.1");
        let may = |origin: &'static str| is_loopback_origin(&app.shared, &HeaderValue::from_static(origin));
        assert!(may("http://localhost:3000") && may("https://app.localhost") && may("http://[::1]:5173"));
        assert!(!may("null") && !may("https://evil.example") && !may("file://localhost") && !may("http://10.0.0.1"));
    }

    #[test]
    fn only_ingest_routes_answer_pages_of_other_origins() {
        assert!(is_ingest("/stream") && is_ingest("/api/1/envelope/") && is_ingest("/api/1/envelope"));
        assert!(is_ingest("/api/1/store/") && is_ingest("/api/1/store"));
        assert!(!is_ingest("/api/sessions") && !is_ingest("/") && !is_ingest("/sessions/envelope"));
        assert!(!is_ingest("/api/items/7/envelope"));
    }
}
