//! The pages with hostile data: nothing sent here becomes markup, script or an order of characters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{envelope, error, get, log, logs, post, read, start};

const TRACE: &str = "0123456789abcdef0123456789abcdef";

/// Breaks out of text, attributes, scripts and lines, colours a terminal, reorders text.
const HOSTILE: &str =
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}\u{2066}\u{1b}[31m\u{0}\u{7}{{7*7}}";

#[test]
fn hostile_text_is_inert_on_every_page_wherever_it_stands() {
    let receiver = start();
    let tags = json!({"event_type": HOSTILE, "resource": HOSTILE, "client_name": HOSTILE, "server_name": HOSTILE, "actor_id": HOSTILE, HOSTILE: HOSTILE});
    let extra =
        json!({"session_id": HOSTILE, "user_intent": HOSTILE, "client_version": HOSTILE, "actor_name": HOSTILE});
    let trace = json!({"trace_id": TRACE, "span_id": "aaaaaaaaaaaaaaaa", "op": HOSTILE, "status": HOSTILE});
    let child = json!({"span_id": "bbbbbbbbbbbbbbbb", "parent_span_id": "aaaaaaaaaaaaaaaa", "op": HOSTILE, "description": HOSTILE, "status": HOSTILE,
        "start_timestamp": 1, "timestamp": 2});
    let messages = json!([{"role": HOSTILE, "content": HOSTILE, "tool_calls": [{"function": {"name": HOSTILE, "arguments": HOSTILE}}]}]);
    let chat = json!({"span_id": "cccccccccccccccc", "parent_span_id": "aaaaaaaaaaaaaaaa", "op": "gen_ai.chat", "description": HOSTILE,
        "start_timestamp": 1, "timestamp": 2, "data": {"gen_ai.request.model": HOSTILE, "gen_ai.system": HOSTILE, HOSTILE: HOSTILE,
            "gen_ai.request.messages": messages.to_string(), "gen_ai.tool.output": HOSTILE}});
    let id = "c".repeat(32);
    let transaction = json!({"type": "transaction", "event_id": id, "timestamp": 2, "start_timestamp": 1, "transaction": HOSTILE,
        "contexts": {"trace": trace}, "tags": tags, "extra": extra,
        "spans": [child, chat]});
    post(
        receiver.addr(),
        &envelope(
            &json!({ "event_id": id, "sdk": {"name": HOSTILE, "version": HOSTILE} }),
            &[("transaction", transaction.to_string().as_bytes())],
        ),
    );
    let frame = json!({"function": HOSTILE, "filename": HOSTILE, "lineno": 1, "context_line": HOSTILE});
    post(
        receiver.addr(),
        &error(&json!({"event_id": "d".repeat(32), "timestamp": 2, "level": HOSTILE, "transaction": HOSTILE,
        "contexts": {"trace": trace}, "tags": tags, "extra": extra, "exception": {"values": [{"type": HOSTILE, "value": HOSTILE,
        "mechanism": {"type": HOSTILE}, "stacktrace": {"frames": [frame]}}]}})),
    );
    post(receiver.addr(), &logs(&[log(2.0, HOSTILE, HOSTILE)]));

    let first = get(receiver.addr(), "/sessions").text();
    let session = first.split("href=\"").find_map(|rest| rest.strip_prefix("/sessions/")?.split('"').next()).unwrap();
    let mut checked = 0;
    for path in [
        "/".to_owned(),
        "/sessions".to_owned(),
        "/tools".to_owned(),
        "/items/1".to_owned(),
        "/search?query=alert".to_owned(),
        format!("/traces/{TRACE}/spans/1-0"),
        format!("/traces/{TRACE}/spans/1-2"),
        format!("/sessions/{session}"),
        "/traces".to_owned(),
        format!("/traces/{TRACE}"),
        "/issues".to_owned(),
        "/issues/1".to_owned(),
        "/logs".to_owned(),
        "/logs?query=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E".to_owned(),
        "/sessions/%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
    ] {
        let answer = get(receiver.addr(), &path);
        let html = answer.text();
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains("\"'>"), "{path}: {html}");
        assert!(!html.chars().any(|char| char.is_control() && char != '\n'), "{path}");
        assert!(!html.contains(['\u{202e}', '\u{2066}']), "{path}");
        checked += usize::from(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
    // Every page but the last, which names nothing, showed it.
    assert_eq!(checked, 14);
}

#[test]
fn a_models_call_is_shown_as_a_conversation_with_its_tokens_and_conventions() {
    let receiver = start();
    let messages = json!([{"role": "user", "content": "How is the weather?"}]).to_string();
    let span = json!({"trace_id": TRACE, "span_id": "aaaaaaaaaaaaaaaa", "name": "chat gpt-4o", "start_timestamp": 1, "end_timestamp": 2, "status": "ok",
        "attributes": {"sentry.op": {"value": "gen_ai.chat", "type": "string"}, "gen_ai.input.messages": {"value": messages, "type": "string"},
            "gen_ai.response.text": {"value": "Sunny.", "type": "string"}, "gen_ai.request.model": {"value": "gpt-4o", "type": "string"},
            "gen_ai.usage.input_tokens": {"value": 1000, "type": "integer"}, "gen_ai.usage.input_tokens.cached": {"value": 400, "type": "integer"},
            "gen_ai.usage.output_tokens": {"value": 50, "type": "integer"}, "gen_ai.response.time_to_first_chunk": {"value": 0.25, "type": "double"}}});
    post(receiver.addr(), &envelope(&json!({}), &[("span", json!({"items": [span]}).to_string().as_bytes())]));
    let html = get(receiver.addr(), &format!("/traces/{TRACE}/spans/1-0")).text();
    for shown in [
        "How is the weather?",
        "Sunny.",
        "1,000",
        "400 cached",
        "250 ms",
        "$0.0025",
        "OpenTelemetry",
        "Sentry, older name",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
}

#[test]
fn very_long_text_does_not_make_a_very_long_page() {
    let receiver = start();
    let long = "x".repeat(1 << 20);
    let mut sent = log(1.0, "info", &long);
    sent["attributes"] =
        json!({"event_type": {"value": long}, "session_id": {"value": long}, "client_name": {"value": long}});
    post(receiver.addr(), &logs(&[sent]));
    for path in ["/", "/logs"] {
        assert!(get(receiver.addr(), path).body.len() < 20_000, "{path}");
    }
    let id = read(receiver.addr(), "/api/sessions")["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(get(receiver.addr(), &format!("/sessions/{id}")).status, 200);
    assert!(get(receiver.addr(), "/api/items/1").body.len() > 4 << 20);
}

#[test]
fn an_empty_receiver_says_how_to_send_something() {
    let receiver = start();
    let html = get(receiver.addr(), "/").text();
    assert!(html.contains(&receiver.dsn()), "{html}");
    assert!(html.contains("watchpost mcp --"));
    for path in ["/sessions", "/traces", "/issues", "/tools", "/logs", "/search"] {
        assert!(get(receiver.addr(), path).text().contains("class=\"empty\""), "{path}");
    }
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    let receiver = start();
    post(receiver.addr(), &logs(&[log(1.0, "info", "https://example.com/")]));
    for path in
        ["/", "/sessions", "/logs", "/traces", "/issues", "/tools", "/search?query=example", "/items/1", "/nothing"]
    {
        let html = get(receiver.addr(), path).text();
        for attribute in ["src=\"", "href=\"", "action=\""] {
            for target in html.split(attribute).skip(1) {
                assert!(target.starts_with('/') || target.starts_with("#main"), "{path}: {attribute}{}", &target[..40]);
            }
        }
    }
    for asset in ["/assets/style.css", "/assets/live.js", "/assets/raw.js", "/assets/keys.js", "/assets/theme.js"] {
        let text = get(receiver.addr(), asset).text();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("@import"), "{asset}");
    }
}

#[test]
fn a_page_that_is_not_there_is_a_page() {
    let receiver = start();
    for path in [
        "/nothing",
        "/sessions/none",
        "/traces/xyz",
        "/issues/7",
        "/items/9",
        "/traces/0123456789abcdef0123456789abcdef/spans/x",
        "/logs?level=loud",
        "/?range=2y",
        "/tools?order=x",
    ] {
        let answer = get(receiver.addr(), path);
        assert!(matches!(answer.status, 400 | 404), "{path}");
        assert!(answer.text().starts_with("<!DOCTYPE html>"), "{path}");
    }
}

#[test]
fn a_filter_is_kept_on_the_next_page() {
    let receiver = start();
    let sent: Vec<_> = (0..101).map(|at| log(f64::from(at), "warn", "a&b")).collect();
    post(receiver.addr(), &logs(&sent));
    let html = get(receiver.addr(), "/logs?query=a%26b&level=warn").text();
    let next = html.split("href=\"").find(|rest| rest.starts_with("/logs?query=")).unwrap().split('"').next().unwrap();
    assert!(next.starts_with("/logs?query=a%26b&amp;level=warn&amp;before="), "{next}");
    let second = get(receiver.addr(), &next.replace("&amp;", "&")).text();
    assert_eq!(second.matches("<li id=\"log-").count(), 1);
}
