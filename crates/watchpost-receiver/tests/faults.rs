//! Played faults, and the token: what a sender and a browser see.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{config, counts, envelope, error, get, log, logs, request, start_with};

const EVENT: &str = "0123456789abcdef0123456789abcdef";

fn send(to: std::net::SocketAddr, body: &[u8]) -> support::Answer {
    request(to, "POST", "/api/1/envelope/", &[], body)
}

#[test]
fn a_rate_limit_is_answered_as_sentry_answers_and_nothing_is_stored() {
    let receiver = start_with(config().with_fault("429:30".parse().unwrap()));
    let answer = send(receiver.addr(), &logs(&[log(1.0, "info", "x")]));
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("30"));
    assert_eq!(answer.header("x-sentry-rate-limits"), Some("30::organization:played"));
    assert_eq!(counts(receiver.addr(), "log").0, 0);
}

#[test]
fn a_limited_category_is_dropped_and_the_rest_is_stored() {
    let receiver = start_with(config().with_fault("429:60:log_item".parse().unwrap()));
    let to = receiver.addr();
    let both = envelope(
        &json!({"event_id": EVENT}),
        &[
            ("log", json!({"items": [log(1.0, "info", "x")]}).to_string().as_bytes()),
            ("event", json!({"event_id": EVENT, "message": "boom"}).to_string().as_bytes()),
        ],
    );
    let answer = send(to, &both);
    assert_eq!((answer.status, answer.header("x-sentry-rate-limits")), (429, Some("60:log_item:organization:played")));
    assert_eq!((counts(to, "log").0, counts(to, "event").0), (0, 1));
    let other = json!({"event_id": "1123456789abcdef0123456789abcdef", "message": "again"});
    assert_eq!(send(to, &error(&other)).status, 200, "an envelope without logs is not limited");
}

#[test]
fn a_failing_server_can_be_played() {
    let receiver = start_with(config().with_fault("503".parse().unwrap()));
    let answer = send(receiver.addr(), &logs(&[log(1.0, "info", "x")]));
    assert_eq!((answer.status, answer.header("retry-after")), (503, None));
    assert_eq!(get(receiver.addr(), "/").status, 200, "the pages are not concerned");
}

#[test]
fn without_the_token_nothing_is_shown_and_nothing_is_taken() {
    let receiver = start_with(config().with_token("open-sesame-123456"));
    let to = receiver.addr();
    for path in ["/", "/api/sessions", "/stream", "/?token=wrong", "/api/1/envelope/"] {
        assert_eq!(get(to, path).status, 401, "{path}");
    }
    assert_eq!(send(to, &logs(&[log(1.0, "info", "x")])).status, 401);
    assert_eq!(get(to, "/health").status, 200);
}

#[test]
fn a_program_a_sender_and_a_browser_each_bring_the_token_their_way() {
    let receiver = start_with(config().with_token("open-sesame-123456"));
    let to = receiver.addr();
    assert!(receiver.dsn().starts_with("http://open-sesame-123456@"));
    let auth = [("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key=open-sesame-123456, sentry_client=x/1")];
    assert_eq!(request(to, "POST", "/api/1/envelope/", &auth, &logs(&[log(1.0, "info", "x")])).status, 200);
    let by_query = "/api/1/envelope/?sentry_key=open-sesame-123456";
    assert_eq!(request(to, "POST", by_query, &[], &logs(&[log(1.0, "info", "y")])).status, 200);
    let bearer = [("Authorization", "Bearer open-sesame-123456")];
    assert_eq!(request(to, "GET", "/api/logs", &bearer, b"").json()["logs"].as_array().unwrap().len(), 2);
    // A browser is sent on without the token in its address; the cookie holds it.
    let answer = get(to, "/logs?query=x&token=open-sesame-123456");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/logs?query=x")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(request(to, "GET", "/logs", &[("Cookie", cookie)], b"").status, 200);
    assert_eq!(request(to, "GET", "/logs", &[("Cookie", "watchpost_token=x")], b"").status, 401);
}

#[test]
fn the_way_on_never_leads_to_another_host() {
    let receiver = start_with(config().with_token("open-sesame-123456"));
    let answer = get(receiver.addr(), "//evil.example/?token=open-sesame-123456");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/evil.example/")));
}
