//! `watchpost doctor` as its users run it: against a receiver that gives back what it took, and against servers that refuse.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Output},
};

use serde_json::Value;
use watchpost_receiver::{Receiver, ReceiverConfig, RunningReceiver};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn receiver() -> RunningReceiver {
    Receiver::bind(ReceiverConfig::default().with_address(SocketAddr::from(ANY_PORT))).unwrap().start().unwrap()
}

/// Answers every request with this, as long as the test runs. Gives the DSN.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = reader.read_exact(&mut vec![0; length]);
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    format!("http://topsecretkey@{address}/1")
}

/// Runs it in an empty folder, away from any configuration of the machine's.
fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.arg("doctor").args(arguments).current_dir(folder.path()).env("XDG_STATE_HOME", folder.path());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SENTRY_") || name.starts_with("WATCHPOST_") || name == "DO_NOT_TRACK" {
            command.env_remove(&*name);
        }
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

fn findings(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How a check or a view stands, and what is said of it.
fn of<'a>(findings: &'a Value, list: &str, name: &str) -> (&'a str, &'a str) {
    let found = findings[list].as_array().unwrap().iter().find(|entry| entry["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {findings:#}"));
    let stands = found.get("status").or_else(|| found.get("light")).unwrap();
    (stands.as_str().unwrap(), found["detail"].as_str().unwrap())
}

#[test]
fn a_receiver_that_takes_everything_lights_every_view() {
    let receiver = receiver();
    for mode in ["--enable-tracing", "--traces-sample-rate=0"] {
        let output = doctor(&["--dsn", &receiver.dsn(), mode, "--json"], &[]);
        let findings = findings(&output);
        assert_eq!(output.status.code(), Some(0), "{findings:#}");
        assert_eq!(findings["was_read_back"], true);
        let views = findings["views"].as_array().unwrap();
        assert_eq!(views.len(), 9);
        assert!(views.iter().all(|view| view["light"] == "lit"), "{findings:#}");
        assert_eq!(of(&findings, "checks", "delivery"), ("ok", "2 logs, 3 transactions, 1 issue: all taken"));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("watchpost@"), "the key was printed");
    }
}

#[test]
fn the_table_for_people_says_the_same_and_no_escape_reaches_a_pipe() {
    let receiver = receiver();
    let output = doctor(&["--dsn", &receiver.dsn()], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("warning  tracing"), "{text}");
    assert!(text.contains("lit      MCP > Tools"), "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn what_the_user_leaves_out_is_off_and_no_fault() {
    let receiver = receiver();
    let output = doctor(&["--dsn", &receiver.dsn(), "--capture=none", "--no-issue", "--json"], &[]);
    let findings = findings(&output);
    assert_eq!(output.status.code(), Some(0), "{findings:#}");
    assert_eq!(of(&findings, "views", "AI Agents > Conversations").0, "off");
    assert_eq!(of(&findings, "views", "Issues").0, "off");
    assert_eq!(receiver.store().stats().unwrap().issues, 0);
}

#[test]
fn a_server_that_only_takes_is_believed_and_said_to_be() {
    let dsn = server(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n{}",
    );
    let output = doctor(&["--dsn", &dsn, "--json"], &[]);
    let findings = findings(&output);
    assert_eq!(output.status.code(), Some(0), "{findings:#}");
    assert_eq!(findings["was_read_back"], false);
    assert_eq!(of(&findings, "views", "AI Agents > Runs").0, "sent");
    let (status, detail) = of(&findings, "checks", "clock");
    assert!(status == "warning" && detail.contains("ahead of Sentry"), "{detail}");
}

#[test]
fn each_way_to_fail_is_named_and_nothing_is_sent() {
    const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nX-Sentry-Error: bad key topsecretkey\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (dsn, check, said) in [
        (server(REFUSED), "answer", "403 (bad key ***)"),
        (server(MISSING), "answer", "404"),
        (server(BROKEN), "answer", "503"),
        (server("SSH-2.0-OpenSSH\r\n"), "answer", "invalid HTTP"),
        ("http://topsecretkey@127.0.0.1:1/1".to_owned(), "connection", "refused"),
        ("https://topsecretkey@name.invalid/1".to_owned(), "name", "name.invalid is not found"),
    ] {
        let output = doctor(&["--dsn", &dsn, "--json", "--timeout", "5"], &[("NO_PROXY", "*")]);
        let findings = findings(&output);
        assert_eq!(output.status.code(), Some(1), "{findings:#}");
        let (status, detail) = of(&findings, "checks", check);
        assert!(status == "failed" && detail.contains(said), "{said}: {findings:#}");
        assert_eq!(of(&findings, "checks", "delivery").0, "skipped");
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains("topsecretkey"), "the key was printed");
    }
}

#[test]
fn limits_in_force_are_told_and_what_they_cost() {
    let dsn = server(
        "HTTP/1.1 200 OK\r\nX-Sentry-Rate-Limits: 60:transaction:org\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    );
    let output = doctor(&["--dsn", &dsn, "--json"], &[]);
    let findings = findings(&output);
    let (status, detail) = of(&findings, "checks", "rate limits");
    assert!(status == "warning" && detail.contains("transaction for"), "{findings:#}");
}

#[test]
fn nowhere_to_go_and_exporting_turned_off_are_said() {
    let receiver = receiver();
    let off = doctor(&["--dsn", &receiver.dsn(), "--json"], &[("DO_NOT_TRACK", "1")]);
    assert_eq!(off.status.code(), Some(1));
    assert_eq!(of(&findings(&off), "checks", "delivery").0, "failed");
    let wrong = doctor(&["--dsn", "https://topsecretkey/1"], &[]);
    assert_eq!(wrong.status.code(), Some(78));
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("topsecretkey"));
}
