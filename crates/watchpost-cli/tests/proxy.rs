//! `watchpost mcp -- CMD` as a process: exit codes, signals, standard input and output, and that nothing is left behind.
//! The servers are small shell scripts. What needs no process of our own is tested in `src/proxy/tests.rs`.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Once, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, getpgid, kill_process, test_kill_process},
};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// `watchpost mcp` with these options in front of a shell script.
fn watchpost(options: &[&str], script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.arg("mcp").args(options).args(["--", "/bin/sh", "-c", script]);
    command
}

/// A running proxy and the client's ends of it.
struct Proxy {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

impl Proxy {
    /// Starts the command on pipes, without telemetry and without anything the developer has set for it.
    fn start(mut command: Command) -> Self {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["SENTRY_", "WATCHPOST_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        unignore_signals();
        command.env("OTEL_SDK_DISABLED", "true").current_dir(std::env::temp_dir());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output, errors) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, input, output, errors }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// The process id a script printed.
    fn read_pid(&mut self) -> Pid {
        Pid::from_raw(self.read_line().parse().unwrap()).unwrap()
    }

    /// Waits for the end with the client's ends still open.
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the proxy ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Closes the input and waits for the end.
    fn close(self) -> Ended {
        let Self { mut child, input, mut output, mut errors } = self;
        drop(input);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let (mut out, mut err) = (Vec::new(), String::new());
            output.read_to_end(&mut out).unwrap();
            errors.read_to_string(&mut err).unwrap();
            ended.send(Ended { code: child.wait().unwrap().code(), out, err })
        });
        end.recv_timeout(PATIENCE).expect("the proxy hangs")
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

/// What starts these tests may ignore signals (a shell's background job ignores SIGINT), and an ignored signal stays ignored in
/// every child, by design in the proxy too. A signal that is caught here is the default again in a child.
fn unignore_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2] {
            if ignored >> (signal.as_raw() - 1) & 1 == 1 {
                signal_hook::flag::register(signal.as_raw(), Arc::default()).unwrap();
            }
        }
    });
}

fn run(options: &[&str], script: &str) -> Ended {
    Proxy::start(watchpost(options, script)).close()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it never comes that {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the process is gone; a zombie waits for whoever has to reap it and counts as gone.
fn assert_goes(pid: Pid) {
    until("the process is gone", || test_kill_process(pid) == Err(Errno::SRCH) || state_of(pid) == Some('Z'));
}

/// The state of a process; `None` where `/proc` does not say.
fn state_of(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn the_servers_exit_code_is_ours() {
    for code in [0, 1, 3, 255] {
        assert_eq!(run(&[], &format!("exit {code}")).code, Some(code));
    }
}

#[test]
fn a_signal_that_ends_the_server_becomes_128_and_its_number() {
    assert_eq!(run(&[], "kill -KILL $$").code, Some(128 + 9));
    assert_eq!(run(&[], "kill -SEGV $$").code, Some(128 + 11));
}

#[test]
fn a_command_that_is_not_there_is_127_and_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.args(["mcp", "--", "no-such-server", "--flag"]);
    let ended = Proxy::start(command).close();
    assert_eq!(ended.code, Some(127));
    assert!(ended.out.is_empty());
    assert!(ended.err.contains("can't start `no-such-server`: command not found"), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_executed_is_126_and_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.args(["mcp", "--"]).arg(file.path());
    let ended = Proxy::start(command).close();
    assert_eq!(ended.code, Some(126));
    assert!(ended.out.is_empty());
    assert!(ended.err.contains("Permission denied"), "{}", ended.err);
}

#[test]
fn bytes_of_any_kind_pass_untouched_and_the_end_of_the_input_is_passed_on() {
    let mut proxy = Proxy::start(watchpost(&[], "cat; printf end"));
    let bytes: Vec<u8> = (0..=255).chain(*b"\xff\xfe{]\n\n\r\n\0\xc3\x28 no newline").collect();
    proxy.input.write_all(&bytes).unwrap();
    let ended = proxy.close();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out, [&bytes[..], b"end"].concat());
}

#[test]
fn standard_output_and_standard_error_are_the_servers_own() {
    let ended = run(&[], "echo '{}'; echo out of band >&2");
    assert_eq!(String::from_utf8(ended.out).unwrap(), "{}\n");
    assert_eq!(ended.err, "out of band\n");
}

#[test]
fn arguments_and_environment_reach_the_server_as_they_are() {
    let mut command = watchpost(&[], "printf '%s|' \"$@\" \"$FOR_SERVER\"");
    command.args(["sh", "--dsn", "a b", "", "--"]).env("FOR_SERVER", "yes");
    let ended = Proxy::start(command).close();
    assert_eq!(String::from_utf8(ended.out).unwrap(), "--dsn|a b||--|yes|");
}

#[test]
fn signals_reach_the_server() {
    for (name, signal) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ] {
        // A shell runs its traps while it waits.
        let script = format!("trap 'echo {name}; kill $!; exit 9' {name}; sleep 1000 & echo ready; wait");
        let mut proxy = Proxy::start(watchpost(&[], &script));
        assert_eq!(proxy.read_line(), "ready");
        proxy.signal(signal);
        assert_eq!(proxy.read_line(), name);
        assert_eq!(proxy.wait().code(), Some(9));
    }
}

#[test]
fn a_server_that_a_signal_ends_gives_the_signals_code() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut proxy = Proxy::start(watchpost(&[], "echo $$; exec sleep 1000"));
        let server = proxy.read_pid();
        proxy.signal(signal);
        assert_eq!(proxy.wait().code(), Some(code));
        assert_goes(server);
    }
}

#[test]
fn the_whole_group_gets_the_signal() {
    let mut proxy = Proxy::start(watchpost(&[], "sleep 1000 & echo $!; wait"));
    let grandchild = proxy.read_pid();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(143));
    assert_goes(grandchild);
}

#[test]
fn a_server_that_ignores_the_end_of_its_input_is_ended_after_the_grace() {
    let mut proxy = Proxy::start(watchpost(&["--shutdown-grace", "0.05"], "echo $$; exec sleep 1000"));
    let server = proxy.read_pid();
    assert_eq!(proxy.close().code, Some(143));
    assert_goes(server);
}

#[test]
fn a_server_that_ignores_signals_too_is_killed() {
    let script = "trap '' TERM INT HUP; sleep 1000 & echo $!; echo $$; while :; do sleep 1000; done";
    let mut proxy = Proxy::start(watchpost(&["--shutdown-grace", "0.05"], script));
    let (grandchild, server) = (proxy.read_pid(), proxy.read_pid());
    assert_eq!(proxy.close().code, Some(137));
    assert_goes(server);
    assert_goes(grandchild);
}

#[test]
fn the_same_signal_twice_kills_a_server_that_ignores_it() {
    let script = "trap '' TERM; echo $$; while :; do sleep 1000; done";
    let mut proxy = Proxy::start(watchpost(&["--shutdown-grace", "3600"], script));
    let server = proxy.read_pid();
    // Until it ends, as two signals that were not taken yet are one for the kernel.
    until("the proxy ends", || {
        let _ = kill_process(proxy.pid(), Signal::TERM);
        proxy.child.try_wait().unwrap().is_some()
    });
    assert_eq!(proxy.wait().code(), Some(137));
    assert_goes(server);
}

#[test]
fn a_proxy_that_is_killed_takes_the_server_and_its_group_along() {
    let mut proxy = Proxy::start(watchpost(&[], "sleep 1000 & echo $!; echo $$; exec sleep 1000"));
    let (grandchild, server) = (proxy.read_pid(), proxy.read_pid());
    // The guard is posted a moment after the server.
    until("the guard is posted", || children_of(proxy.pid()).is_none_or(|children| children == 2));
    proxy.signal(Signal::KILL);
    assert_goes(server);
    assert_goes(grandchild);
    proxy.wait();
}

/// How many children a process has; `None` where the system does not say.
fn children_of(pid: Pid) -> Option<usize> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(children.split_whitespace().count())
}

#[test]
fn a_signal_ignored_from_the_start_stays_ignored() {
    // As a shell without job control starts its background jobs.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' INT; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_watchpost"), "mcp", "--", "cat"]);
    let mut proxy = Proxy::start(command);
    proxy.input.write_all(b"a\n").unwrap();
    assert_eq!(proxy.read_line(), "a");
    proxy.signal(Signal::INT);
    proxy.input.write_all(b"b\n").unwrap();
    assert_eq!(proxy.read_line(), "b");
    assert_eq!(proxy.close().code, Some(0));
}

#[test]
fn a_stopped_proxy_stops_the_server_and_continues_it_too() {
    let mut proxy = Proxy::start(watchpost(&[], "echo $$; exec cat"));
    let server = proxy.read_pid();
    proxy.signal(Signal::TSTP);
    for pid in [proxy.pid(), server] {
        until("the process stops", || state_of(pid).is_none_or(|state| state == 'T'));
    }
    proxy.signal(Signal::CONT);
    proxy.input.write_all(b"on\n").unwrap();
    assert_eq!(proxy.read_line(), "on");
    assert_eq!(proxy.close().code, Some(0));
}

#[test]
fn the_server_leads_a_group_of_its_own() {
    let mut proxy = Proxy::start(watchpost(&[], "echo $$; exec cat"));
    let server = proxy.read_pid();
    assert_eq!(getpgid(Some(server)).unwrap(), server);
    assert_eq!(proxy.close().code, Some(0));
}

#[test]
fn a_client_that_stops_reading_ends_a_server_that_writes() {
    let mut proxy = Proxy::start(watchpost(&[], "echo $$; exec yes"));
    let server = proxy.read_pid();
    let Proxy { mut child, input, output, .. } = proxy;
    drop(output);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
    assert_goes(server);
    drop(input);
}

#[test]
fn a_client_that_closes_everything_leaves_nothing_behind() {
    let mut proxy = Proxy::start(watchpost(&["--shutdown-grace", "0.05"], "echo $$; exec sleep 1000"));
    let server = proxy.read_pid();
    let Proxy { mut child, input, output, errors } = proxy;
    drop((input, output, errors));
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_goes(server);
}
