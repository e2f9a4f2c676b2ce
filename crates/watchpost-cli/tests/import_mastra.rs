//! `watchpost import --format mastra` as its users run it: recorded events of real applications in, traces and issues at a
//! receiver out, and what is said about lines that are no events.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use watchpost_receiver::{Page, Receiver, ReceiverConfig, RunningReceiver, TraceDetail};

const NESTED_AGENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../watchpost/tests/fixtures/mastra/live-core-1.71.0/nested-agent/events.jsonl"
);
const TOOL_FAILS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../watchpost/tests/fixtures/mastra/live-core-1.71.0/tool-fails/events.jsonl");

type Arguments = &'static [&'static str];
type Variables = &'static [(&'static str, &'static str)];

/// A folder of its own, away from any configuration of the machine's.
struct Place {
    folder: tempfile::TempDir,
    receiver: RunningReceiver,
}

impl Place {
    fn new() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let receiver = Receiver::bind(ReceiverConfig::default().with_address(any_port)).unwrap().start().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), receiver }
    }

    /// `watchpost import --format mastra`, without a DSN.
    fn import(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
        command.args(["import", "--format", "mastra"]).current_dir(self.folder.path());
        command.env("XDG_STATE_HOME", self.folder.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("SENTRY_") || name.starts_with("WATCHPOST_") || name == "DO_NOT_TRACK" {
                command.env_remove(&*name);
            }
        }
        command
    }

    fn import_to_receiver(&self) -> Command {
        let mut command = self.import();
        command.args(["--dsn", &self.receiver.dsn()]);
        command
    }

    fn traces(&self) -> Vec<TraceDetail> {
        let store = self.receiver.store();
        let traces = store.traces(Page::default()).unwrap().traces;
        traces.iter().map(|trace| store.trace(trace.trace_id).unwrap().unwrap()).collect()
    }

    /// A page of the receiver's.
    fn page(&self, path: &str) -> String {
        let address = self.receiver.addr();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    /// Everything that arrived, as text.
    fn payloads(&self) -> String {
        let stats = self.receiver.store().stats().unwrap();
        let items = (1..=i64::try_from(stats.kept).unwrap()).filter_map(|id| self.receiver.store().item(id).unwrap());
        items.map(|item| String::from_utf8_lossy(&item.payload).into_owned()).collect()
    }
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading breaks the pipe; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// The spans of a trace, each with its parent's name.
fn tree(trace: &TraceDetail) -> Vec<(String, Option<String>)> {
    let name = |id| trace.spans.iter().find(|span| span.span_id == id).map(|span| span.name.clone());
    trace.spans.iter().map(|span| (span.name.clone(), span.parent_span_id.and_then(|id| name(Some(id))))).collect()
}

fn pairs(tree: &[(String, Option<String>)]) -> Vec<(&str, Option<&str>)> {
    tree.iter().map(|(name, parent)| (name.as_str(), parent.as_deref())).collect()
}

#[test]
fn a_recorded_run_becomes_its_trace_in_every_span_mode() {
    for mode in ["auto", "transaction", "hybrid", "stream"] {
        let place = Place::new();
        let output = run(place.import_to_receiver().args(["--span-mode", mode, NESTED_AGENT]), "");
        assert_eq!(output.status.code(), Some(0), "{mode}: {}", said(&output));
        assert!(text(&output.stdout).contains("50 lines: 50 exported, 0 skipped"), "{}", said(&output));

        let traces = place.traces();
        assert_eq!(traces.len(), 1, "{mode}");
        let trace = &traces[0];
        assert_eq!(trace.trace.trace_id.to_string(), "36919cb7b0f7d00e7528864b69c7f809", "{mode}");
        let tree = tree(trace);
        let mut spans = pairs(&tree);
        spans.sort_unstable();
        assert_eq!(
            spans,
            [
                ("chat boss-model", Some("invoke_agent Boss Agent")),
                ("chat sub-model", Some("invoke_agent Sub Agent")),
                ("execute_tool agent-sub", Some("chat boss-model")),
                ("execute_tool get_weather", Some("chat sub-model")),
                ("invoke_agent Boss Agent", None),
                ("invoke_agent Sub Agent", Some("execute_tool agent-sub")),
                ("mapping toModelOutput", Some("chat boss-model")),
            ],
            "{mode}"
        );
    }
}

#[test]
fn an_imported_trace_is_listed_and_drawn_on_the_receivers_pages() {
    for mode in ["transaction", "hybrid", "stream"] {
        let place = Place::new();
        let output = run(place.import_to_receiver().args(["--span-mode", mode, TOOL_FAILS]), "");
        assert_eq!(output.status.code(), Some(0), "{mode}: {}", said(&output));
        let list = place.page("/traces");
        let trace = "/traces/673d395829ef74d582d39a586b4e939a";
        assert!(list.contains("invoke_agent Fail Tool Agent") && list.contains(trace), "{mode}: {list}");
        let page = place.page(trace);
        for shown in ["invoke_agent Fail Tool Agent", "chat mock-gpt-1", "execute_tool broken_tool", "tool exploded"] {
            assert!(page.contains(shown), "{mode}: {shown} is not on the page: {page}");
        }
    }
}

#[test]
fn a_failure_is_one_issue_at_the_span_that_failed() {
    let place = Place::new();
    let output = run(place.import_to_receiver().arg(TOOL_FAILS), "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let traces = place.traces();
    let [error] = &traces[0].errors[..] else { panic!("{:?}", traces[0].errors) };
    assert!(error.message.starts_with("TypeError: tool exploded"), "{}", error.message);
    let failed = traces[0].spans.iter().find(|span| span.span_id == error.span_id).unwrap();
    assert_eq!((failed.name.as_str(), failed.is_error), ("execute_tool broken_tool", true));
}

#[test]
fn events_come_through_a_pipe_and_bad_lines_are_told_by_number_and_skipped() {
    let place = Place::new();
    let events = std::fs::read_to_string(TOOL_FAILS).unwrap();
    let (first, rest) = events.split_once('\n').unwrap();
    let input = format!("{first}\nnot json\n[]\n\n{{\"type\":\"span_ended\"}}\n{rest}");
    let output = run(place.import_to_receiver().args(["--json", "-"]), &input);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["exported"], &summary["skipped"]), (&23.into(), &3.into()), "{summary}");
    assert_eq!((&summary["held"], &summary["dropped"], &summary["unfinished"]), (&0.into(), &0.into(), &0.into()));
    for line in [2, 3, 5] {
        assert!(text(&output.stderr).contains(&format!("line {line}: skipped: ")), "{}", said(&output));
    }
    assert_eq!(output.status.code(), Some(1), "skipped lines are no success");
    assert_eq!(place.traces()[0].spans.len(), 3);
}

#[test]
fn an_empty_input_is_a_success_that_sends_nothing() {
    let place = Place::new();
    let output = run(place.import_to_receiver().arg("-"), "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(text(&output.stdout).contains("0 lines: 0 exported, 0 skipped\n0 items sent"), "{}", said(&output));
    assert_eq!(place.receiver.store().stats().unwrap().kept, 0);
}

#[test]
fn spans_that_never_end_are_sent_as_they_stand_and_the_summary_says_so() {
    let place = Place::new();
    let started: String =
        std::fs::read_to_string(TOOL_FAILS).unwrap().lines().take(2).map(|line| format!("{line}\n")).collect();
    let output = run(place.import_to_receiver().arg("-"), &started);
    assert!(text(&output.stdout).contains("spans without an end, sent as they stand: 1"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let traces = place.traces();
    assert_eq!(pairs(&tree(&traces[0])), [("invoke_agent Fail Tool Agent", None)]);
}

#[test]
fn nobody_listening_is_told_and_is_no_success() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
    drop(listener);
    let output = run(place.import().args(["--dsn", &dsn, "--timeout", "0.3", TOOL_FAILS]), "");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!text(&output.stdout).contains(" 0 not delivered"), "{}", said(&output));
}

#[test]
fn the_origin_is_mastras_unless_told_otherwise_by_flag_then_environment_then_file() {
    let cases: [(&str, Arguments, Variables, &str); 4] = [
        ("", &[], &[], "auto.ai.mastra"),
        ("auto.ai.file", &[], &[], "auto.ai.file"),
        ("auto.ai.file", &[], &[("WATCHPOST_ORIGIN", "auto.ai.variable")], "auto.ai.variable"),
        ("auto.ai.file", &["--origin", "auto.ai.flag"], &[("WATCHPOST_ORIGIN", "auto.ai.variable")], "auto.ai.flag"),
    ];
    for (in_file, arguments, variables, expected) in cases {
        let place = Place::new();
        if !in_file.is_empty() {
            let toml = format!("[exporters.sentry]\ntype = \"sentry\"\norigin = \"{in_file}\"\n");
            std::fs::write(place.folder.path().join("watchpost.toml"), toml).unwrap();
        }
        let mut command = place.import_to_receiver();
        command.args(arguments).envs(variables.iter().copied());
        let output = run(command.arg(TOOL_FAILS), "");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let payloads = place.payloads();
        let origins = payloads.matches("\"origin\":\"").count();
        assert!(origins > 0, "{payloads}");
        assert_eq!(payloads.matches(&format!("\"origin\":\"{expected}\"")).count(), origins, "{expected}: {payloads}");
    }
}

#[test]
fn the_span_mode_is_the_flags_before_the_environments_before_the_files() {
    let toml = "[exporters.sentry]\nspan_mode = \"stream\"\n";
    // A stream has no transaction.
    let cases: [(Arguments, Variables, bool); 3] = [
        (&[], &[], false),
        (&[], &[("WATCHPOST_SPAN_MODE", "transaction")], true),
        (&["--span-mode", "stream"], &[("WATCHPOST_SPAN_MODE", "transaction")], false),
    ];
    for (arguments, variables, has_transaction) in cases {
        let place = Place::new();
        std::fs::write(place.folder.path().join("watchpost.toml"), toml).unwrap();
        let mut command = place.import_to_receiver();
        command.args(arguments).envs(variables.iter().copied());
        let output = run(command.arg(TOOL_FAILS), "");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let found = place.traces()[0].spans.iter().any(|span| span.kind == "transaction");
        assert_eq!(found, has_transaction, "{arguments:?} {variables:?}");
    }
    let wrong = run(Place::new().import().args(["--span-mode", "both", "-"]), "");
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert!(said(&wrong).contains("auto, transaction, hybrid or stream"), "{}", said(&wrong));
}

#[test]
fn content_flows_unless_it_is_turned_off() {
    let arrives = |capture: &[&str]| {
        let place = Place::new();
        let output = run(place.import_to_receiver().args(capture).arg(NESTED_AGENT), "");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(place.traces()[0].spans.len(), 7);
        let payloads = place.payloads();
        // What the agent was asked, and what its tool was.
        (payloads.contains("Weather in Linz?"), payloads.contains("weather only"))
    };
    assert_eq!(arrives(&[]), (true, true));
    assert_eq!(arrives(&["--capture", "seed"]), (true, true));
    assert_eq!(arrives(&["--capture", "outputs"]), (false, false));
    assert_eq!(arrives(&["--capture", "none"]), (false, false));
}

#[test]
fn a_share_of_the_traces_is_sampled_and_errors_come_anyway() {
    let place = Place::new();
    let output = run(place.import_to_receiver().args(["--traces-sample-rate", "0", "--json", TOOL_FAILS]), "");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "what is not sampled was not meant to be sent: {summary}");
    assert_ne!(summary["unsampled"], 0, "{summary}");
    assert!(place.receiver.store().traces(Page::default()).unwrap().traces.is_empty());
    assert_eq!(place.receiver.store().issues(Page::default()).unwrap().issues.len(), 1);
}
