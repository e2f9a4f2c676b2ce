//! `watchpost mcp --tool-call-context` with the real command: what the client, the server and a receiver see of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use watchpost_receiver::{Page, Receiver, ReceiverConfig, RunningReceiver};

/// Answers the list of tools, then says which calls it got: as the result of each, word for word.
const SERVER: &str = r#"read list
echo '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"find","inputSchema":{"type":"object","properties":{"q":{"type":"string"}},"additionalProperties":false}},{"name":"own","inputSchema":{"type":"object","properties":{"context":{"type":"number"}}}}]}}'
while read -r call; do printf '%s\n' "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"got\":$call}}"; done"#;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn receiver() -> RunningReceiver {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Receiver::bind(ReceiverConfig::default().with_address(any_port)).unwrap().start().unwrap()
}

fn start(folder: &tempfile::TempDir, options: &[&str], server: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.current_dir(folder.path()).env("XDG_STATE_HOME", folder.path());
    for name in ["SENTRY_DSN", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE", "SENTRY_TRACES_SAMPLE_RATE", "DO_NOT_TRACK"] {
        command.env_remove(name);
    }
    command.arg("mcp").args(options).args(["--", "sh", "-c", server]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends each line once the one before was answered; the answers.
fn talk(mut child: Child, lines: &[&str]) -> Vec<String> {
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for line in lines {
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answers.push(answer);
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    answers
}

#[test]
fn the_model_says_why_the_server_never_sees_it_and_the_receiver_does() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), receiver());
    let options = [
        "--dsn",
        &receiver.dsn(),
        "--enable-tracing",
        "--tool-call-context",
        "--tool-call-context-description",
        "Why?",
    ];
    let find = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"find","arguments":{"q":"x","context":"to plan a trip"}}}"#;
    let own = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"own","arguments":{"context":4}}}"#;
    let answers = talk(start(&folder, &options, SERVER), &[LIST, find, own]);

    let list: Value = serde_json::from_str(&answers[0]).unwrap();
    let schema = &list["result"]["tools"][0]["inputSchema"];
    assert_eq!(schema["properties"]["context"], json!({"type": "string", "description": "Why?"}));
    assert_eq!(schema["required"], json!(["context"]));
    assert_eq!(list["result"]["tools"][1]["inputSchema"]["properties"], json!({"context": {"type": "number"}}));
    let got = |answer: &str| format!("{{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{{\"got\":{answer}}}}}\n");
    assert_eq!(answers[1], got(&find.replace(r#","context":"to plan a trip""#, "")));
    assert_eq!(answers[2], got(own));

    let sessions = receiver.store().sessions(Page::default()).unwrap().sessions;
    let events = receiver.store().session(&sessions[0].id, Page::default()).unwrap().unwrap().events;
    let payload = |index: usize| {
        let item = receiver.store().item(events[index].items.log.unwrap()).unwrap().unwrap();
        String::from_utf8_lossy(&item.payload).into_owned()
    };
    assert!(payload(1).contains("to plan a trip"), "{}", payload(1));
    assert!(!payload(2).contains("user_intent"), "{}", payload(2));
}

#[test]
fn without_the_option_no_byte_changes() {
    let folder = tempfile::tempdir().unwrap();
    let find = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"find","arguments":{"context":"a"}}}"#;
    let answers = talk(start(&folder, &[], SERVER), &[LIST, find]);
    assert!(!answers[0].contains("required"), "{}", answers[0]);
    assert_eq!(answers[1], format!("{{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{{\"got\":{find}}}}}\n"));
}

#[test]
fn frames_in_pieces_come_whole_and_a_last_one_without_its_end_comes_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&folder, &["--tool-call-context"], "cat");
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let whole = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n";
    for byte in whole.bytes() {
        input.write_all(&[byte]).unwrap();
    }
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, whole);
    input.write_all(b"{\"cut\":").unwrap();
    drop(input);
    line.clear();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"cut\":");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
