//! The spool as users meet it: whatever ends the command while Sentry is away, the next start or `watchpost flush` delivers, and
//! `watchpost status` says how things stand.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use watchpost_receiver::{Receiver, ReceiverConfig, RunningReceiver};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
/// Answers one request, then waits for the end of its input.
const SERVER: &str = r#"read request; echo '{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}'; cat"#;

/// A folder to be in, and an address at which Sentry is away until it [comes](Self::sentry_comes).
struct Place {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), address }
    }

    fn sentry_comes(&self) -> RunningReceiver {
        Receiver::bind(ReceiverConfig::default().with_address(self.address)).unwrap().start().unwrap()
    }

    /// The command, away from the machine's configuration, with a DSN.
    fn watchpost(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["SENTRY_", "WATCHPOST_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix))
                || name == "DO_NOT_TRACK"
            {
                command.env_remove(&*name);
            }
        }
        command.current_dir(self.folder.path()).args(arguments);
        command.env("SENTRY_DSN", self.dsn()).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn dsn(&self) -> String {
        format!("http://0123456789abcdef@{}/1", self.address)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.watchpost(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("state/watchpost/spool")
    }

    /// A proxy whose client has had its answer and is still there.
    fn proxy(&self, arguments: &[&str]) -> Child {
        let arguments = [&["mcp"], arguments, &["--", "/bin/sh", "-c", SERVER]].concat();
        let mut proxy = self.watchpost(&arguments).spawn().unwrap();
        writeln!(proxy.stdin.as_mut().unwrap(), "{REQUEST}").unwrap();
        let mut answer = String::new();
        BufReader::new(proxy.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        assert!(answer.contains("isError"), "{answer}");
        proxy
    }

    fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until so many items wait in the spool.
    fn until_held(&self, items: u64) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if held(&status) == items {
                return status;
            }
            assert!(Instant::now() < end, "{status}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.spool()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files
    }
}

/// A figure summed over the categories of all destinations.
fn sum(status: &Value, figure: &str) -> u64 {
    let destinations = status["destinations"].as_array().unwrap();
    let tallies = destinations.iter().flat_map(|destination| destination["tallies"].as_object().unwrap().values());
    tallies.map(|tally| tally[figure]["items"].as_u64().unwrap()).sum()
}

fn held(status: &Value) -> u64 {
    sum(status, "held")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn logs(receiver: &RunningReceiver) -> u64 {
    receiver.store().stats().unwrap().items.iter().find(|item| item.kind == "log").map_or(0, |item| item.received)
}

/// A log and an error event: what the failing call becomes.
const ITEMS: u64 = 2;

#[test]
fn whatever_ends_the_proxy_while_sentry_is_away_a_flush_delivers_afterwards() {
    for signal in [Some(Signal::TERM), Some(Signal::INT), Some(Signal::KILL), None] {
        let place = Place::new();
        let mut proxy = place.proxy(&[]);
        // In the hands of the operating system: a kill finds it there.
        place.until_held(ITEMS);
        match signal {
            Some(signal) => kill_process(Pid::from_child(&proxy), signal).unwrap(),
            None => drop(proxy.stdin.take()),
        }
        let ended = proxy.wait_with_output().unwrap();
        let said = text(&ended.stderr);
        if signal != Some(Signal::KILL) {
            assert!(said.contains("2 items are kept in the spool"), "{signal:?}: {said}");
        }

        let status = place.until_held(ITEMS);
        assert_eq!(status["stuck"], true, "{signal:?}: {status}");
        assert_eq!(status["destinations"][0]["queues"][0]["state"], "left_behind", "{status}");
        assert_eq!(place.run(&["status"]).status.code(), Some(1));
        let away = place.run(&["flush", "--timeout", "0.2"]);
        assert_eq!(away.status.code(), Some(1), "{}", text(&away.stdout));
        assert!(text(&away.stdout).contains("still in the spool"), "{}", text(&away.stdout));

        let sentry = place.sentry_comes();
        let flushed = place.run(&["flush"]);
        assert_eq!(flushed.status.code(), Some(0), "{}{}", text(&flushed.stdout), text(&flushed.stderr));
        assert!(text(&flushed.stdout).starts_with("2 items sent ("), "{}", text(&flushed.stdout));
        assert_eq!(logs(&sentry), 1);
        let status = place.status();
        assert_eq!((sum(&status, "accepted"), sum(&status, "sent"), held(&status)), (ITEMS, ITEMS, 0), "{status}");
        assert_eq!(status["stuck"], false);
        assert_eq!(place.run(&["status"]).status.code(), Some(0));
        let again = place.run(&["flush"]);
        assert_eq!(
            (again.status.code(), text(&again.stdout)),
            (Some(0), "nothing was left behind for this DSN\n".into())
        );
    }
}

#[test]
fn the_next_start_delivers_what_the_last_one_could_not() {
    let place = Place::new();
    let mut proxy = place.proxy(&[]);
    place.until_held(ITEMS);
    drop(proxy.stdin.take());
    proxy.wait().unwrap();
    let sentry = place.sentry_comes();
    let mut next = place.proxy(&[]);
    drop(next.stdin.take());
    let ended = next.wait_with_output().unwrap();
    assert_eq!(text(&ended.stderr), "");
    assert_eq!(logs(&sentry), 2);
    assert_eq!(sum(&place.status(), "sent"), 2 * ITEMS);
}

#[test]
fn a_running_proxy_is_shown_and_left_alone() {
    let place = Place::new();
    let mut running = place.proxy(&[]);
    let status = place.until_held(ITEMS);
    let queue = &status["destinations"][0]["queues"][0];
    assert_eq!((&queue["state"], &queue["pid"]), (&"alive".into(), &running.id().into()), "{status}");
    assert!(queue["held"]["log_item"]["bytes"].as_u64().unwrap() > 100, "{status}");
    let shown = place.run(&["status"]);
    assert_eq!(shown.status.code(), Some(0), "what runs is on its way");
    let line = text(&shown.stdout);
    let line = line.lines().find(|line| line.contains("alive")).unwrap().to_owned();
    assert!(line.contains(&running.id().to_string()), "{line}");

    let flush = place.run(&["flush"]);
    assert_eq!(flush.status.code(), Some(0));
    let said = text(&flush.stdout);
    assert!(said.contains("left alone: 1 queue of running processes with 2 items"), "{said}");
    let sentry = place.sentry_comes();
    drop(running.stdin.take());
    running.wait().unwrap();
    assert_eq!(logs(&sentry), 1);
}

#[test]
fn an_import_that_is_interrupted_accounts_for_what_it_took_and_leaves_it_in_the_spool() {
    let line = r#"{"session_id":"ses_1","event_type":"mcp:tools/list","timestamp":"2026-11-20T10:00:00Z","resource_name":"N"}"#;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let place = Place::new();
        let mut import = place.watchpost(&["import", "--format", "agentcat", "--json", "-"]).spawn().unwrap();
        let mut input = import.stdin.take().unwrap();
        for number in 0..20 {
            writeln!(input, "{}", line.replace('N', &number.to_string())).unwrap();
        }
        input.flush().unwrap();
        place.until_held(20);
        kill_process(Pid::from_child(&import), signal).unwrap();
        // The input stays open: it is the signal that ends the import.
        let ended = import.wait_with_output().unwrap();
        drop(input);
        assert_eq!(ended.status.code(), Some(code), "{}", text(&ended.stderr));
        let summary: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!((&summary["exported"], &summary["held"]), (&20.into(), &20.into()), "{summary}");
        let sentry = place.sentry_comes();
        assert_eq!(place.run(&["flush"]).status.code(), Some(0));
        assert_eq!(logs(&sentry), 20);
    }
}

#[test]
fn no_secret_and_no_key_is_in_the_spool_and_nobody_else_can_read_it() {
    let place = Place::new();
    let secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
    let line = format!(
        r#"{{"id":"evt_1","session_id":"ses_1","event_type":"mcp:tools/call","resource_name":"add","timestamp":"2026-11-20T10:00:00Z","is_error":true,"error":{{"message":"Authorization: Bearer {secret}"}},"user_intent":"use {secret}"}}"#
    );
    fs::write(place.folder.path().join("events.jsonl"), line).unwrap();
    let options = ["--enable-tracing", "--capture", "all", "--timeout", "0.2", "events.jsonl"];
    let import = place.run(&[&["import", "--format", "agentcat"][..], &options].concat());
    let said = text(&import.stdout);
    assert!(said.contains("1 line: 1 exported") && said.contains("3 not delivered"), "{said}");
    assert!(said.contains("what was not delivered is in the spool"), "{said}");
    let files = place.files();
    assert!(files.iter().any(|path| path.extension().is_some_and(|extension| extension == "seg")), "{files:?}");
    for path in files {
        let content = text(&fs::read(&path).unwrap());
        for unwanted in [secret, "0123456789abcdef"] {
            assert!(!content.contains(unwanted), "{unwanted} is in {}", path.display());
            assert!(!path.to_string_lossy().contains(unwanted));
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700), "{}", path.display());
    }
}

#[test]
fn another_dsn_is_another_destination_and_says_so() {
    let place = Place::new();
    let mut proxy = place.proxy(&[]);
    place.until_held(ITEMS);
    drop(proxy.stdin.take());
    proxy.wait().unwrap();
    let sentry = place.sentry_comes();
    let other = place.dsn().replace("0123456789abcdef", "fedcba9876543210");
    let flush = place.run(&["flush", "--dsn", &other]);
    assert_eq!(flush.status.code(), Some(0));
    let said = text(&flush.stdout);
    assert!(said.contains("nothing was left behind for this DSN"), "{said}");
    assert!(said.contains("left alone: 2 items for other DSNs"), "{said}");
    assert_eq!((logs(&sentry), held(&place.status())), (0, ITEMS));
}

#[test]
fn a_spool_that_cannot_be_used_is_said_once_and_costs_nothing_else() {
    let place = Place::new();
    let sentry = place.sentry_comes();
    fs::write(place.folder.path().join("in-the-way"), "").unwrap();
    let mut proxy = place.proxy(&["--spool", "in-the-way"]);
    drop(proxy.stdin.take());
    let ended = proxy.wait_with_output().unwrap();
    let said = text(&ended.stderr);
    assert_eq!(said.matches("the spool's disk failed").count(), 1, "{said}");
    assert_eq!(logs(&sentry), 1);
}

#[test]
fn what_cannot_be_taken_over_is_not_said_to_be_nothing() {
    let place = Place::new();
    let mut proxy = place.proxy(&[]);
    drop(proxy.stdin.take());
    proxy.wait_with_output().unwrap();
    let _sentry = place.sentry_comes();
    for lock in place.files().into_iter().filter(|path| path.ends_with("lock")) {
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
    }
    let flush = place.run(&["flush"]);
    assert_eq!(text(&flush.stdout).lines().count(), 1, "{}", text(&flush.stdout));
    assert!(text(&flush.stdout).starts_with("2 items could not be taken over"), "{}", text(&flush.stdout));
    assert_eq!(flush.status.code(), Some(1));
}

#[test]
fn the_spool_is_off_where_it_is_turned_off_or_has_no_home() {
    for (arguments, home) in [(&["--spool", "off"][..], true), (&["-v"], false)] {
        let place = Place::new();
        let mut command = place.watchpost(&[&["mcp"], arguments, &["--", "/bin/sh", "-c", SERVER]].concat());
        if !home {
            command.env_remove("XDG_STATE_HOME").env_remove("HOME");
        }
        let mut proxy = command.spawn().unwrap();
        writeln!(proxy.stdin.as_mut().unwrap(), "{REQUEST}").unwrap();
        drop(proxy.stdin.take());
        let said = text(&proxy.wait_with_output().unwrap().stderr);
        assert!(said.contains("2 shutdown"), "what is lost is dropped, and said so: {said}");
        assert_eq!(said.matches("no spool").count(), usize::from(!home), "{said}");
        assert!(!place.spool().exists());
    }
    let place = Place::new();
    let status = place.run(&["status", "--spool", "off"]);
    assert_eq!(status.status.code(), Some(78), "{}", text(&status.stderr));
    let nothing = place.run(&["status"]);
    assert_eq!(nothing.status.code(), Some(0));
    assert!(text(&nothing.stdout).contains("Nothing was ever kept here."), "{}", text(&nothing.stdout));
}

#[test]
fn a_demo_leaves_nothing_in_the_spool() {
    let place = Place::new();
    let demo = place.run(&["demo", "--once", "--listen", "127.0.0.1:0"]);
    assert_eq!(demo.status.code(), Some(0), "{}", text(&demo.stderr));
    assert!(!place.spool().exists());
}
