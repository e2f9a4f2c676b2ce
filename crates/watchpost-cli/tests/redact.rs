//! The user's own redaction rules, with the real command: what arrives at a receiver, and that a rule that can't be read starts nothing.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::fs;

use watchpost_receiver::{Page, RunningReceiver};
use watchpost_sentry::wire::TraceId;

use self::support::{receiver, run, watchpost};

/// Everything the receiver was sent, of its only session.
fn payloads(receiver: &RunningReceiver) -> String {
    let sessions = receiver.store().sessions(Page::default()).unwrap().sessions;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let events = receiver.store().session(&sessions[0].id, Page::default()).unwrap().unwrap().events;
    let items = events.iter().flat_map(|event| [event.items.log, event.items.transaction, event.items.error]);
    items
        .flatten()
        .map(|item| String::from_utf8_lossy(&receiver.store().item(item).unwrap().unwrap().payload).into_owned())
        .collect()
}

#[test]
fn what_the_rules_name_never_reaches_the_receiver_and_the_bytes_stay_the_servers() {
    let (receiver, folder) = (receiver(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("watchpost.toml"), "redact = [\"key:customer_*\", \"text:ACME-####\"]\n").unwrap();
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"no ACME-4711 for Zebulon: {\"a\":1}"}],"isError":true}}"#;
    let server = format!("read request; echo '{answer}'");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find","arguments":{"customer_name":"Quagmire","order":"ACME-4711","kept":"in sight"}}}"#;
    let mut command = watchpost(&folder);
    command.args(["mcp", "--dsn", &receiver.dsn(), "--enable-tracing", "--capture", "all", "--redact", "text:zebulon"]);
    command.args(["--actor-name", "Zebulon", "--tag", "customer_plan=Quagmire", "--", "sh", "-c", &server]);
    let output = run(&mut command, &format!("{call}\n"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{answer}\n"));
    let sent = payloads(&receiver);
    for secret in ["Zebulon", "Quagmire", "ACME-4711"] {
        assert!(!sent.contains(secret), "{secret} is in {sent}");
    }
    for kept in ["in sight", "[Filtered]", "customer_plan"] {
        assert!(sent.contains(kept), "{kept} is missing in {sent}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_ends_with_78_before_the_server_starts_and_is_not_shown() {
    for rule in ["topsecret", "topsecret:x", "text:*", "text:topsecret\\"] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["mcp", "--redact", "key:fine", "--redact", rule, "--", "touch", "started"];
        let output = run(watchpost(&folder).args(arguments), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{rule}: {said}");
        assert!(said.contains("--redact number 2") && said.lines().count() == 1, "{said}");
        assert!(!said.contains("topsecret"), "{said}");
        assert!(!folder.path().join("started").exists(), "{rule}: the server was started");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("watchpost.toml"), "redact = [\n\"key:a\",\n\"topsecret\"]\n").unwrap();
    let output = run(watchpost(&folder).args(["mcp", "--", "touch", "started"]), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("watchpost.toml, line ") && said.contains("key:PATTERN") && !said.contains("topsecret"),
        "{said}"
    );
    assert!(!folder.path().join("started").exists());
}

#[test]
fn rules_hold_for_imported_events_of_either_format() {
    let (receiver, folder) = (receiver(), tempfile::tempdir().unwrap());
    let line = r#"{"id":"evt_1","session_id":"ses_1","event_type":"mcp:tools/call","resource_name":"find","timestamp":"2026-11-20T10:00:00Z","user_intent":"to help Zebulon"}"#;
    let import = |format: &str, line: &str| {
        let mut command = watchpost(&folder);
        command.args(["import", "--format", format, "--dsn", &receiver.dsn(), "--redact", "text:zebulon", "-"]);
        run(&mut command, line)
    };
    assert_eq!(import("agentcat", line).status.code(), Some(0));
    let sent = payloads(&receiver);
    assert!(sent.contains("to help [Filtered]") && !sent.contains("Zebulon"), "{sent}");
    let span = r#"{"type":"span_ended","exportedSpan":{"id":"00000000000000a1","traceId":"000000000000000000000000000000b1","name":"agent run: 'Zebulon'","type":"agent_run","isRootSpan":true,"startTime":"2026-11-20T10:00:00Z","endTime":"2026-11-20T10:00:01Z","input":"ask zebulon","output":{"text":"ZEBULON said so"},"errorInfo":{"message":"no Zebulon today"}}}"#;
    assert_eq!(import("mastra", span).status.code(), Some(0));
    let trace = TraceId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb1]);
    let sent = String::from_utf8(receiver.store().export_trace(trace).unwrap().unwrap().envelope).unwrap();
    assert!(sent.contains("ask [Filtered]") && sent.contains("[Filtered] said so"), "{sent}");
    assert!(sent.contains("no [Filtered] today") && !sent.to_lowercase().contains("zebulon"), "{sent}");
}
