//! Who is let in, and what every answer says to a browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{get, log, logs, request, send, start};

fn status(method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    request(start().addr(), method, path, headers, b"").status
}

#[test]
fn another_sites_name_pointed_at_us_sees_nothing() {
    for host in ["evil.example", "evil.example:8969", "localhost.evil.example", ""] {
        for path in ["/", "/api/sessions", "/stream", "/health", "/api/1/envelope/"] {
            assert_eq!(status("GET", path, &[("Host", host)]), 403, "{host} {path}");
        }
        assert_eq!(status("POST", "/api/1/envelope/", &[("Host", host)]), 403, "{host}");
    }
    for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]:8969"] {
        assert_eq!(status("GET", "/", &[("Host", host)]), 200, "{host}");
    }
}

#[test]
fn a_request_without_a_host_is_refused() {
    let answer = send(start().addr(), b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status, 403);
}

#[test]
fn a_target_in_absolute_form_counts_as_the_host() {
    let answer =
        send(start().addr(), b"GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(answer.status, 403);
}

#[test]
fn pages_of_other_origins_may_not_send_and_those_of_this_machine_may() {
    let receiver = start();
    let body = logs(&[log(1.0, "info", "x")]);
    let send =
        |origin: &str| request(receiver.addr(), "POST", "/api/1/envelope/?sentry_key=a", &[("Origin", origin)], &body);
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let answer = send(origin);
        assert_eq!(answer.status, 403, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "https://app.localhost"] {
        let answer = send(origin);
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}

#[test]
fn a_browser_that_asks_first_is_told() {
    let receiver = start();
    let headers = [
        ("Origin", "http://localhost:3000"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-sentry-auth, content-type"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    let answer = request(receiver.addr(), "OPTIONS", "/api/1/envelope/", &headers, b"");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("x-sentry-auth"));
    assert_eq!(answer.header("access-control-allow-private-network"), Some("true"));
    let other = request(receiver.addr(), "OPTIONS", "/api/1/envelope/", &[("Origin", "https://evil.example")], b"");
    assert_eq!(other.status, 403);
}

#[test]
fn what_was_received_is_not_for_pages_of_any_other_origin() {
    let receiver = start();
    for path in ["/api/sessions", "/api/logs", "/"] {
        let answer = request(receiver.addr(), "GET", path, &[("Origin", "http://localhost:3000")], b"");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
    }
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let receiver = start();
    for path in ["/", "/logs", "/api/stats", "/assets/style.css", "/nothing", "/api/items/1"] {
        let answer = get(receiver.addr(), path);
        let policy = answer.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
    }
}

#[test]
fn no_path_leads_out() {
    let receiver = start();
    for path in [
        "/../../../etc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets//etc/passwd",
        "/sessions/..%2f..%2fetc%2fpasswd",
        "/sessions/%00",
        "/sessions/%ff",
    ] {
        let answer = get(receiver.addr(), path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:") && !answer.text().contains("[package]"), "{path}");
    }
}

#[test]
fn headers_beyond_bounds_are_refused() {
    let receiver = start();
    let large = "x".repeat(300_000);
    let answer = request(receiver.addr(), "GET", "/", &[("X-Large", &large)], b"");
    assert_eq!(answer.status, 431);
    assert_eq!(get(receiver.addr(), "/health").status, 200);
}

#[test]
fn an_announced_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let head = b"POST /stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = send(start().addr(), head);
    assert_eq!((answer.status, answer.json()["detail"].is_string()), (413, true));
    assert_ne!(answer.json(), json!({}));
}
