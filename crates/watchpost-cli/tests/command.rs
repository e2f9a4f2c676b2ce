//! The command as its users run it: arguments, configuration, exit codes, what is printed and what arrives at a receiver.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use watchpost_receiver::{LogQuery, Page, RunningReceiver, SessionEvent};

use self::support::{receiver, run, watchpost};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The events of the receiver's only session.
fn events(receiver: &RunningReceiver) -> Vec<SessionEvent> {
    let sessions = receiver.store().sessions(Page::default()).unwrap().sessions;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    receiver.store().session(&sessions[0].id, Page::default()).unwrap().unwrap().events
}

#[test]
fn the_demo_shows_every_call_and_ends() {
    let output = run(watchpost(&folder()).args(["demo", "--once", "--listen", "127.0.0.1:0"]), "");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    for expected in [
        "13 logs   13 transactions   3 errors in 3 issues",
        "initialize",
        "slow_report",
        "No seats left on flight PR123 Try another day",
        "payment provider timed out after 3000 ms",
        "demo://readme",
        "haiku",
        "See it: http://127.0.0.1:",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
}

#[test]
fn a_wrong_dsn_ends_with_78_before_the_server_starts_and_never_shows_the_key() {
    let wrong = [
        "",
        "hello",
        "https://",
        "https://host/1",
        "https://@host/1",
        "https://topsecret@/1",
        "https://topsecret@host",
        "https://topsecret@host/",
        "ftp://topsecret@host/1",
        "https://topsecret@host:99999/1",
        "https://topsecret@[::1/1",
        "https://top\nsecret@host/1",
        "https://topsecret@host/1?x=1",
    ];
    for dsn in &wrong[1..] {
        let folder = folder();
        let output = run(watchpost(&folder).args(["mcp", "--dsn", dsn, "--", "touch", "started"]), "");
        assert_eq!(output.status.code(), Some(78), "{dsn:?}: {}", text(&output.stderr));
        assert!(!folder.path().join("started").exists(), "{dsn:?}: the server was started");
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("DSN") && said.contains("https://KEY@"), "{said}");
        assert!(!said.contains("topsecret"), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
    // Empty means not set, as for every Sentry SDK.
    let output = run(watchpost(&folder()).args(["mcp", "--", "sh", "-c", "exit 7"]).env("SENTRY_DSN", wrong[0]), "");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_wrong_configuration_file_ends_with_78_and_names_file_line_and_remedy() {
    let folder = folder();
    std::fs::write(folder.path().join("watchpost.toml"), "[exporters.sentry]\ntype = \"sentry\"\nenviroment = \"x\"\n")
        .unwrap();
    let output = run(watchpost(&folder).args(["mcp", "--", "true"]), "");
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.contains("watchpost.toml, line 3") && said.contains("did you mean `environment`?"), "{said}");
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["mcp"][..], &["mcp", "--no-such-flag", "--", "true"], &["import", "x"], &["frobnicate"]] {
        let output = run(watchpost(&folder()).args(arguments), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_configuration_like_the_seeds_sends_logs_transactions_and_errors_with_its_values() {
    let (folder, receiver) = (folder(), receiver());
    let toml = format!(
        "project_id = \"proj_1\"\n[exporters.sentry]\ntype = \"sentry\"\ndsn = \"{}\"\nenvironment = \"staging\"\n\
         release = \"1.0.0\"\nenable_tracing = true\n",
        receiver.dsn()
    );
    std::fs::write(folder.path().join("watchpost.toml"), toml).unwrap();
    let client = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"no_such_tool","arguments":{}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#,
        "\n",
    );
    let binary = env!("CARGO_BIN_EXE_watchpost");
    let output = run(watchpost(&folder).args(["mcp", "--", binary, "demo-server"]), client);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 3, "the client gets every answer: {}", text(&output.stdout));

    let events = events(&receiver);
    let summary: Vec<_> = events.iter().map(|event| (event.method.as_str(), event.is_error)).collect();
    assert_eq!(summary, [("initialize", false), ("tools/call", true)]);
    let failed = &events[1];
    assert_eq!(failed.error.as_deref(), Some("Unknown tool: no_such_tool"));
    for item in [failed.items.log, failed.items.transaction, failed.items.error] {
        let item = receiver.store().item(item.unwrap()).unwrap().unwrap();
        let payload = String::from_utf8_lossy(&item.payload).into_owned();
        for value in ["staging", "1.0.0", "proj_1", "no_such_tool", "watchpost-demo-server"] {
            assert!(payload.contains(value), "{value} is missing in {payload}");
        }
    }
}

#[test]
fn output_of_the_server_that_is_no_message_is_one_warning_for_the_run() {
    let receiver = receiver();
    let server =
        r#"echo "Server listening…"; echo "more noise"; read request; echo '{"jsonrpc":"2.0","id":1,"result":{}}'"#;
    let client = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n";
    let output = run(watchpost(&folder()).args(["mcp", "--dsn", &receiver.dsn(), "--", "sh", "-c", server]), client);
    assert_eq!(text(&output.stdout), "Server listening…\nmore noise\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
    let logs = receiver.store().logs(&LogQuery::default()).unwrap().logs;
    let warnings: Vec<_> = logs.iter().filter(|log| log.level == "warn").collect();
    assert_eq!(warnings.len(), 1, "{logs:?}");
    assert_eq!(logs.len(), 2, "{logs:?}");
}

#[test]
fn exporting_can_be_turned_off_by_the_user_and_the_proxy_goes_on() {
    let receiver = receiver();
    let client = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n";
    for switch in ["DO_NOT_TRACK", "OTEL_SDK_DISABLED"] {
        let value = if switch == "DO_NOT_TRACK" { "1" } else { "true" };
        let folder = folder();
        let mut command = watchpost(&folder);
        command.args(["mcp", "--dsn", &receiver.dsn(), "--", "cat"]).env(switch, value);
        let output = run(&mut command, client);
        assert_eq!(text(&output.stdout), client);
        assert_eq!(output.status.code(), Some(0));
    }
    assert_eq!(receiver.store().stats().unwrap().kept, 0);
}

#[test]
fn an_import_reports_bad_lines_by_number_and_says_what_became_of_the_rest() {
    let receiver = receiver();
    let lines = concat!(
        r#"{"id":"evt_1","session_id":"ses_1","event_type":"mcp:tools/call","resource_name":"add","timestamp":"2026-11-20T10:00:00Z","duration":12,"is_error":false}"#,
        "\n\nnot json\n",
        r#"{"eventId":"evt_2","sessionId":"ses_1","eventType":"mcp:tools/call","resourceName":"sub","timestamp":"2026-11-20T10:00:01Z","duration":5,"isError":true,"error":{"message":"boom"}}"#,
        "\n[]\n",
    );
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["import", "--format", "agentcat", "--dsn", &receiver.dsn(), "--enable-tracing", "--json", "-"]);
    let output = run(&mut command, lines);
    let said = text(&output.stderr);
    assert!(said.contains("line 3: skipped") && said.contains("line 5: skipped"), "{said}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["exported"], 2, "{summary}");
    assert_eq!(summary["skipped"], 2, "{summary}");
    // Two logs, two transactions, one error.
    assert_eq!(
        (&summary["sent"], &summary["held"], &summary["dropped"]),
        (&5.into(), &0.into(), &0.into()),
        "{summary}"
    );
    assert_eq!(output.status.code(), Some(1), "skipped lines are no success");

    let events = events(&receiver);
    let summary: Vec<_> = events.iter().map(|event| (event.resource.as_deref().unwrap(), event.is_error)).collect();
    assert_eq!(summary, [("add", false), ("sub", true)]);
}

#[test]
fn an_import_that_reaches_nobody_is_no_success() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
    drop(listener);
    let line =
        r#"{"id":"evt_1","session_id":"ses_1","event_type":"mcp:tools/list","timestamp":"2026-11-20T10:00:00Z"}"#;
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["import", "--format", "agentcat", "--dsn", &dsn, "--timeout", "0.3", "-"]);
    let output = run(&mut command, line);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("1 not delivered"), "{}", text(&output.stdout));
}

#[test]
fn an_import_of_a_missing_file_names_it() {
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["import", "--format", "agentcat", "--dsn", "http://k@127.0.0.1:9/1", "no-such-file.jsonl"]);
    let output = run(&mut command, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("can't read no-such-file.jsonl"), "{}", text(&output.stderr));
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(watchpost(&folder()).args(["completions", shell]), "");
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("watchpost"), "{shell}");
    }
}

#[test]
fn an_import_stops_and_accounts_for_everything_when_nothing_is_taken() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
    drop(listener);
    let line = r#"{"session_id":"ses_1","event_type":"mcp:tools/list","timestamp":"2026-11-20T10:00:00Z","resource_name":"N"}"#;
    let lines: String = (0..20_000).map(|number| line.replace('N', &number.to_string()) + "\n").collect();
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["import", "--format", "agentcat", "--dsn", &dsn, "--timeout", "0.2", "--json", "-"]);
    let output = run(&mut command, &lines);
    assert_eq!(output.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| summary[name].as_u64().unwrap();
    assert!(number("exported") < 20_000, "the buffers can't hold them all: {summary}");
    assert_eq!(number("exported"), number("sent") + number("held") + number("dropped"), "{summary}");
    assert!(text(&output.stderr).contains("stopped at line"), "{}", text(&output.stderr));
}

#[test]
fn an_import_says_when_the_user_turned_exporting_off() {
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["import", "--format", "agentcat", "--dsn", "http://k@127.0.0.1:9/1", "-"]).env("DO_NOT_TRACK", "1");
    let output = run(&mut command, r#"{"event_type":"mcp:tools/list","timestamp":"2026-11-20T10:00:00Z"}"#);
    let said = text(&output.stdout);
    assert!(said.contains("exporting is off") && said.contains("1 line: 0 exported"), "{said}");
}

#[test]
fn empty_variables_count_as_not_set_and_wrong_ones_are_errors() {
    let names = [
        "SENTRY_DSN",
        "SENTRY_TRACES_SAMPLE_RATE",
        "WATCHPOST_ENABLE_TRACING",
        "WATCHPOST_CAPTURE",
        "WATCHPOST_TRACE",
        "WATCHPOST_ACTOR_DATA",
        "WATCHPOST_CONFIG",
        "WATCHPOST_PROJECT_ID",
    ];
    let folder = folder();
    let mut command = watchpost(&folder);
    command.args(["mcp", "--", "sh", "-c", "exit 7"]).envs(names.map(|name| (name, "")));
    assert_eq!(run(&mut command, "").status.code(), Some(7));
    let mut command = watchpost(&folder);
    command.args(["mcp", "--", "sh", "-c", "exit 7"]).env("WATCHPOST_ENABLE_TRACING", "1");
    assert_eq!(run(&mut command, "").status.code(), Some(7));
    // Wrong even when there is no DSN that would need it.
    let mut command = watchpost(&folder);
    command.args(["mcp", "--", "sh", "-c", "exit 7"]).env("SENTRY_TRACES_SAMPLE_RATE", "7");
    assert_eq!(run(&mut command, "").status.code(), Some(78));
}

#[test]
fn content_that_is_turned_off_is_not_imported() {
    let receiver = receiver();
    let line = r#"{"id":"evt_1","session_id":"ses_1","event_type":"mcp:tools/call","resource_name":"add","timestamp":"2026-11-20T10:00:00Z","user_intent":"MyIntent","parameters":{"request":{"params":{"name":"add","arguments":{"a":"MyArgument"}}}}}"#;
    for (capture, intent, argument) in [("none", false, false), ("all", true, true)] {
        let folder = folder();
        let mut command = watchpost(&folder);
        command.args([
            "import",
            "--format",
            "agentcat",
            "--dsn",
            &receiver.dsn(),
            "--enable-tracing",
            "--capture",
            capture,
        ]);
        let output = run(command.arg("-"), &line.replace("evt_1", capture));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let event = events(&receiver).pop().unwrap();
        let payloads: String = [event.items.log, event.items.transaction]
            .map(|item| {
                String::from_utf8_lossy(&receiver.store().item(item.unwrap()).unwrap().unwrap().payload).into_owned()
            })
            .concat();
        assert_eq!(payloads.contains("MyIntent"), intent, "{capture}: {payloads}");
        assert_eq!(payloads.contains("MyArgument"), argument, "{capture}: {payloads}");
    }
}
