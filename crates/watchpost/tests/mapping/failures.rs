//! What failures become: statuses, types, frames, causes, grouping, and the link to the span that failed.

use serde_json::{Value, json};
use watchpost::{
    mapping::Settings,
    model::{Completion, ContentBlock, ErrorInfo, ErrorKind, McpEvent, StackFrame},
};

use crate::support::{SPAN_ID, error_event, failed_call, good_call, log, settings, span_data, text, transaction};

fn failure(error: ErrorInfo) -> McpEvent {
    McpEvent { error: Some(error), ..failed_call() }
}

fn protocol(code: i64) -> ErrorInfo {
    ErrorInfo { kind: ErrorKind::Protocol, code: Some(code), message: "no".to_owned(), ..ErrorInfo::default() }
}

#[test]
fn a_failed_call_fails_its_span_and_says_how() {
    for (error, error_type, code) in [
        (ErrorInfo::default(), "tool_error", Value::Null),
        (protocol(-32602), "-32602", json!("-32602")),
        (ErrorInfo { kind: ErrorKind::Timeout, ..ErrorInfo::default() }, "timeout", Value::Null),
        (ErrorInfo { kind: ErrorKind::Unanswered, ..ErrorInfo::default() }, "connection_closed", Value::Null),
    ] {
        let event = failure(error);
        let span = transaction(&event, &settings())["spans"][0].clone();
        assert_eq!(span["status"], "internal_error", "the one status that the dashboards count");
        assert_eq!(span["data"]["mcp.tool.result.is_error"], true);
        assert_eq!(
            (&span["data"]["error.type"], &span["data"]["rpc.response.status_code"]),
            (&json!(error_type), &code)
        );
        let attributes = &log(&event, &settings())["attributes"];
        assert_eq!(attributes["error.type"]["value"], error_type);
    }
    assert_eq!(span_data(&good_call(), &settings())["error.type"], Value::Null);
    let read = McpEvent { event_type: "resources/read".into(), ..failed_call() };
    assert_eq!(span_data(&read, &settings())["error.type"], "_OTHER", "only tools have tool errors");
}

#[test]
fn calls_without_an_answer_show_why() {
    for (completion, is_error, status, name) in [
        (Completion::Cancelled, false, "cancelled", "cancelled"),
        (Completion::Cancelled, true, "cancelled", "cancelled"),
        (Completion::ConnectionClosed, false, "cancelled", "connection_closed"),
        (Completion::ConnectionClosed, true, "internal_error", "connection_closed"),
        (Completion::Expired, false, "deadline_exceeded", "expired"),
        (Completion::Expired, true, "internal_error", "expired"),
    ] {
        let event = McpEvent { completion, is_error, ..failed_call() };
        let sent = transaction(&event, &settings());
        assert_eq!(sent["spans"][0]["status"], status, "{completion:?}");
        assert_eq!(sent["spans"][0]["data"]["watchpost.completion"], name);
        let root = if is_error { "internal_error" } else { "ok" };
        assert_eq!(sent["contexts"]["trace"]["status"], root, "the seed decides by is_error alone");
        assert_eq!(log(&event, &settings())["attributes"]["watchpost.completion"]["value"], name);
    }
}

#[test]
fn an_error_event_is_linked_to_the_span_that_was_sent() {
    let trace = |settings: &Settings| error_event(&failed_call(), settings)["contexts"]["trace"].clone();
    let sent = transaction(&failed_call(), &settings());
    let linked = trace(&settings());
    assert_eq!(linked["span_id"], sent["spans"][0]["span_id"]);
    assert_eq!((&linked["parent_span_id"], &linked["op"]), (&json!(SPAN_ID), &json!("mcp.server")));
    for unsent in [settings().with_tracing(false), settings().with_traces_sample_rate(0.0)] {
        let linked = trace(&unsent);
        assert_eq!((&linked["span_id"], &linked["parent_span_id"]), (&json!(SPAN_ID), &Value::Null));
        assert_eq!((&linked["op"], &linked["status"]), (&json!("tools/call"), &json!("internal_error")));
    }
}

#[test]
fn exceptions_are_typed_handled_and_tagged_by_kind() {
    let typed =
        ErrorInfo { ty: text("QuotaError"), stack: text("QuotaError: x\n    at f (a.js:1:2)"), ..ErrorInfo::default() };
    for (error, ty, handled, error_type) in [
        (ErrorInfo::default(), "ToolCallError", true, "tool_execution"),
        (typed, "QuotaError", false, "tool_execution"),
        (protocol(-32700), "ParseError", true, "protocol"),
        (protocol(-32601), "MethodNotFound", true, "protocol"),
        (protocol(-32602), "InvalidParams", true, "validation"),
        (protocol(-32603), "InternalError", false, "tool_execution"),
        (protocol(-32050), "JsonRpcError", false, "tool_execution"),
        (ErrorInfo { kind: ErrorKind::Unanswered, ..ErrorInfo::default() }, "ConnectionClosed", false, "transport"),
        (ErrorInfo { kind: ErrorKind::Timeout, ..ErrorInfo::default() }, "RequestTimeout", false, "timeout"),
    ] {
        let sent = error_event(&failure(error), &settings());
        let exception = &sent["exception"]["values"][0];
        assert_eq!(exception["type"], ty);
        assert_eq!(
            (&exception["mechanism"]["type"], &exception["mechanism"]["handled"]),
            (&json!("auto.ai.mcp_server"), &json!(handled))
        );
        assert_eq!(exception["mechanism"]["synthetic"], Value::Null, "Sentry shows no type for a synthetic exception");
        assert_eq!(
            (&exception["mechanism"]["data"]["error_type"], &sent["tags"]["error_type"]),
            (&json!(error_type), &json!(error_type))
        );
    }
    for (event_type, error_type) in [("prompts/get", "prompt_execution"), ("resources/read", "resource_execution")] {
        let event = McpEvent { event_type: event_type.into(), ..failure(protocol(-32603)) };
        assert_eq!(error_event(&event, &settings())["tags"]["error_type"], error_type);
    }
}

#[test]
fn causes_are_a_chain_with_the_oldest_first() {
    let cause = |ty: &str| ErrorInfo { ty: text(ty), message: format!("{ty} said no"), ..ErrorInfo::default() };
    let error = ErrorInfo { causes: vec![cause("Near"), cause("Far")], ..cause("Outer") };
    let sent = error_event(&failure(error), &settings());
    let chain: Vec<_> = sent["exception"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exception| {
            let mechanism = &exception["mechanism"];
            (exception["type"].as_str().unwrap(), mechanism["exception_id"].as_u64(), mechanism["parent_id"].as_u64())
        })
        .collect();
    assert_eq!(chain, [("Far", Some(2), Some(1)), ("Near", Some(1), Some(0)), ("Outer", Some(0), None)]);
}

#[test]
fn frames_and_platform_come_from_the_source() {
    let frame = |function: &str, line| StackFrame {
        function: text(function),
        filename: text("server.py"),
        lineno: Some(line),
        in_app: Some(true),
        ..StackFrame::default()
    };
    let error = ErrorInfo {
        frames: vec![frame("main", 1), frame("explode", 86)],
        platform: text("python"),
        ..ErrorInfo::default()
    };
    let sent = error_event(&failure(error), &settings());
    assert_eq!(
        sent["exception"]["values"][0]["stacktrace"]["frames"],
        json!([
            {"filename": "server.py", "function": "main", "lineno": 1, "in_app": true},
            {"filename": "server.py", "function": "explode", "lineno": 86, "in_app": true},
        ])
    );
    assert_eq!(sent["platform"], "python");
    for platform in [text("rust"), text("klingon"), None] {
        let sent = error_event(&failure(ErrorInfo { platform, ..ErrorInfo::default() }), &settings());
        assert_eq!((&sent["platform"], &sent["exception"]["values"][0]["stacktrace"]), (&json!("other"), &Value::Null));
    }
}

#[test]
fn the_fingerprint_is_stable_where_only_ids_change_and_tells_failures_apart() {
    let fingerprint = |event: McpEvent| error_event(&event, &settings())["fingerprint"].clone();
    let message = |message: &str| failure(ErrorInfo { message: message.to_owned(), ..ErrorInfo::default() });
    let first = fingerprint(message("order 17 of ada@example.com not found at https://a/1"));
    assert_eq!(
        first,
        json!(["golden-server", "tools/call", "echo", "ToolCallError", "order <number> of <email> not found at <url>"])
    );
    assert_eq!(first, fingerprint(message("order 4711 of bob@example.com not found at https://b/2")));
    assert_ne!(first, fingerprint(message("order 17 of ada@example.com not paid at https://a/1")));
    assert_ne!(
        first,
        fingerprint(McpEvent {
            resource_name: text("other"),
            ..message("order 17 of ada@example.com not found at https://a/1")
        })
    );
    assert_eq!(fingerprint(failure(protocol(-32602)))[3], "InvalidParams -32602");
    let read =
        |uri: &str| McpEvent { event_type: "resources/read".into(), resource_name: text(uri), ..message("gone") };
    assert_eq!(fingerprint(read("db://orders/17")), fingerprint(read("db://orders/18")));
}

#[test]
fn the_error_keeps_what_the_exception_does_not_show() {
    let error = ErrorInfo {
        message: "first second".to_owned(),
        data: text(r#"{"retry":1}"#),
        code: Some(-32050),
        stack: text("not a stack we can read"),
        content: vec![
            ContentBlock { ty: "text".to_owned(), text: text("first") },
            ContentBlock { ty: "image".to_owned(), text: None },
        ],
        ..ErrorInfo::default()
    };
    let sent = error_event(&failure(error), &settings());
    assert_eq!(
        sent["extra"]["error"],
        json!({
            "message": "first second",
            "code": -32050,
            "data": r#"{"retry":1}"#,
            "stack": "not a stack we can read",
            "content": [{"type": "text", "text": "first"}, {"type": "image"}],
        })
    );
    assert_eq!(sent["contexts"]["mcp"]["resource_name"], "echo");
    assert_eq!(sent["contexts"]["mcp"]["request_id"], "7");
}
