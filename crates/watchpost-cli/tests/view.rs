//! `watchpost view` and a proxy without a DSN: what one receives, the other sent, and it is still there afterwards.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// A running `watchpost view`; killed if a test fails before it is stopped.
struct View {
    child: Child,
    tail: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl View {
    fn start(database: &Path) -> Self {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchpost"))
            .args(["view", "--tail", "--listen", &address.to_string(), "--db"])
            .arg(database)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens once it does.
        let mut banner = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        banner.read_line(&mut first).unwrap();
        assert!(first.contains(&address.to_string()), "{first}");
        let tail = BufReader::new(child.stdout.take().unwrap());
        Self { child, tail, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proxied_call(address: SocketAddr) {
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .args(["mcp", "--spool", "off", "--dsn", &format!("http://key@{address}/1"), "--", "sh", "-c"])
        .arg(r#"read request; echo '{"jsonrpc":"2.0","id":"a","result":{"content":[],"isError":true}}'"#)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let call = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"\u001b[31mred"}}"#;
    writeln!(proxy.stdin.take().unwrap(), "{call}").unwrap();
    assert!(proxy.wait().unwrap().success());
}

#[test]
fn what_arrives_is_tailed_shown_on_a_page_and_kept_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("view.db");
    let mut view = View::start(&database);
    proxied_call(view.address);

    let mut line = String::new();
    view.tail.read_line(&mut line).unwrap();
    assert!(line.contains("tools/call") || line.contains("ToolCallError"), "{line}");
    assert!(!line.contains('\u{1b}'), "a tool's name must not reach the terminal raw: {line:?}");

    let sessions = view.get("/api/sessions");
    assert!(sessions.starts_with("HTTP/1.1 200"), "{sessions}");
    assert!(sessions.contains("\"calls\":1") && sessions.contains("\"errors\":1"), "{sessions}");
    assert!(view.get("/").contains("<html"));
    assert_eq!(view.stop(), Some(0));

    let again = View::start(&database);
    assert!(again.get("/api/sessions").contains("\"calls\":1"));
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn a_taken_port_is_named_and_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .args(["view", "--listen", &taken.local_addr().unwrap().to_string(), "--db"])
        .arg(folder.path().join("view.db"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is in use"), "{said}");
}

#[test]
fn an_exported_session_can_be_imported_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here.db"), folder.path().join("there.db"));
    let file = folder.path().join("session.envelope");
    let view = View::start(&here);
    proxied_call(view.address);
    let sessions = view.get("/api/sessions");
    let id = sessions.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // While the receiver has it open.
    let watchpost =
        |args: &[&std::ffi::OsStr]| Command::new(env!("CARGO_BIN_EXE_watchpost")).args(args).output().unwrap();
    let os = std::ffi::OsStr::new;
    let exported =
        watchpost(&[os("view"), os("export"), os(&id), os("--db"), here.as_os_str(), os("-o"), file.as_os_str()]);
    assert!(exported.status.success(), "{exported:?}");
    assert_eq!(view.stop(), Some(0));

    let imported = watchpost(&[os("view"), os("import"), file.as_os_str(), os("--db"), there.as_os_str()]);
    assert!(imported.status.success(), "{imported:?}");
    let again = View::start(&there);
    assert!(again.get(&format!("/api/sessions/{id}")).contains("\"calls\":1"));
    assert_eq!(again.stop(), Some(0));

    let missing = watchpost(&[os("view"), os("export"), os("nobody"), os("--db"), there.as_os_str()]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("has no session"), "{missing:?}");
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .args(["view", "--listen", "0.0.0.0:0", "--db"])
        .arg(folder.path().join("view.db"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ask for a token (--token)"), "{output:?}");
}
