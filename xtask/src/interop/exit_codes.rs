//! Does the proxy end as the server does, and leave nothing behind? Its exit code, what it prints, and how long it takes.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{
    findings::Findings,
    peers::{HOLD_LIMIT, KEY},
    process::{self, Running},
    rig::Rig,
    sink::{Answer, Sink},
};
use crate::Failure;

/// A server that will not end is asked after 0.2 s (the cases' `--shutdown-grace`) and killed 1.5 s later.
const STUBBORN: Duration = Duration::from_millis(1_700);
/// A child that hangs is given up.
const HANG_LIMIT: Duration = Duration::from_secs(20);
/// The secret of the wrong DSNs; no message may repeat it.
const SECRET: &str = "deadbeefcafe0042";

/// The server's end, and the exit code it must lead to.
const SERVERS: &[(&str, &str, i32)] = &[
    ("a server that ends well", "exit 0", 0),
    ("a server's own code", "exit 7", 7),
    ("a server ended by TERM", "kill -TERM $$", 143),
    ("a server ended by KILL", "kill -KILL $$", 137),
    ("a server that ends when its input does", "cat >/dev/null; exit 5", 5),
    ("a server whose child goes on", "sleep 300 & cat >/dev/null; exit 6", 6),
    ("a server that will not end", "trap '' TERM; while :; do sleep 0.1; done", 137),
    ("a server that closed its output", "exec >&-; cat >/dev/null; exit 3", 3),
];

/// DSNs that are wrong, each in its own way: exit 78 before anything starts.
const WRONG_DSNS: &[(&str, &str)] = &[
    ("no scheme", "{SECRET}@127.0.0.1/1"),
    ("another scheme", "ftp://{SECRET}@127.0.0.1/1"),
    ("no key", "http://127.0.0.1/1"),
    ("an empty key", "http://@127.0.0.1/1"),
    ("no host", "http://{SECRET}@/1"),
    ("no project", "http://{SECRET}@127.0.0.1"),
    ("an empty project", "http://{SECRET}@127.0.0.1/"),
    ("a port that is none", "http://{SECRET}@127.0.0.1:http/1"),
    ("a port out of range", "http://{SECRET}@127.0.0.1:70000/1"),
    ("only words", "not a dsn {SECRET}"),
    ("an open bracket", "http://{SECRET}@[::1/1"),
];

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let sink = Sink::start(Answer::Accept)?;
    let dsn = sink.dsn(KEY);
    for (case, script, code) in SERVERS {
        let ended = end(rig, &["--dsn", &dsn, "--shutdown-grace", "0.2"], &["sh", "-c", script])?;
        judge(case, &ended, *code, findings);
    }
    for (signal, name) in [(rustix::process::Signal::TERM, "TERM"), (rustix::process::Signal::INT, "INT")] {
        let script = format!("trap 'exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let ended = end_by_signal(rig, &["--dsn", &dsn], &["sh", "-c", &script], signal)?;
        judge(&format!("{name} reaches the server"), &ended, 9, findings);
    }
    // Whether or not a local receiver happens to listen.
    let silent = end(rig, &[], &["sh", "-c", "exit 4"])?;
    judge("no DSN", &silent, 4, findings);
    findings.expect(silent.stderr.is_empty(), || format!("no DSN: {:?} on standard error", silent.stderr));
    commands_that_do_not_start(rig, &dsn, findings)?;
    wrong_dsns(rig, findings)?;
    for (case, arguments) in
        [("no command", &["mcp"][..]), ("an unknown flag", &["mcp", "--nonsense", "--", "true"][..])]
    {
        let ended = process::run(case, rig.watchpost().args(arguments), HANG_LIMIT, &rig.runs().join("usage"))?;
        findings
            .expect(ended.status.code() == Some(2), || format!("{case}: exit {:?} instead of 2", ended.status.code()));
    }
    Ok(format!("{} ends of a server, 2 signals, {} wrong DSNs, 4 wrong commands", SERVERS.len(), WRONG_DSNS.len()))
}

/// How a case ended.
struct Ended {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
    took: Duration,
}

/// Runs the proxy with an empty input.
fn end(rig: &Rig, options: &[&str], server: &[&str]) -> Result<Ended, Failure> {
    let mut proxy = rig.watchpost();
    proxy.arg("mcp").args(options).arg("--").args(server);
    let finished = process::run("watchpost mcp", &mut proxy, HANG_LIMIT, &rig.runs().join("exit"))?;
    Ok(Ended { code: finished.status.code(), stdout: finished.stdout, stderr: finished.stderr, took: finished.took })
}

/// Runs the proxy with an open input until the server is ready, then sends the signal to the proxy.
fn end_by_signal(
    rig: &Rig,
    options: &[&str],
    server: &[&str],
    signal: rustix::process::Signal,
) -> Result<Ended, Failure> {
    let mut proxy = rig.watchpost();
    proxy.arg("mcp").args(options).arg("--").args(server).stdin(Stdio::piped());
    let mut running = Running::start("watchpost mcp", &mut proxy, &rig.runs().join("signal"))?;
    let _open_input = running.take_stdin();
    let started = Instant::now();
    while !running.stdout()?.starts_with(b"ready") {
        if started.elapsed() > HANG_LIMIT {
            return Err("the server's first line did not come through the proxy".into());
        }
        thread::sleep(process::POLL);
    }
    let sent = Instant::now();
    running.signal(signal)?;
    let finished = running.finish(HANG_LIMIT)?;
    let stdout = finished.stdout.strip_prefix(b"ready\n").unwrap_or(&finished.stdout).to_vec();
    Ok(Ended { code: finished.status.code(), stdout, stderr: finished.stderr, took: sent.elapsed() })
}

fn commands_that_do_not_start(rig: &Rig, dsn: &str, findings: &mut Findings) -> Result<(), Failure> {
    let missing = end(rig, &["--dsn", dsn], &["./no-such-program"])?;
    judge("a command that does not exist", &missing, 127, findings);
    let file = rig.runs().join("not-executable");
    fs::write(&file, "#!/bin/sh\n")?;
    let refused = end(rig, &["--dsn", dsn], &["./not-executable"])?;
    judge("a command that is not executable", &refused, 126, findings);
    for (ended, name) in [(missing, "no-such-program"), (refused, "not-executable")] {
        findings
            .expect(ended.stderr.contains(name), || format!("the message does not name {name}: {:?}", ended.stderr));
    }
    Ok(())
}

fn wrong_dsns(rig: &Rig, findings: &mut Findings) -> Result<(), Failure> {
    let trace = rig.runs().join("started");
    let script = format!("touch '{}'", trace.display());
    for (wrong, dsn) in WRONG_DSNS {
        let ended = end(rig, &["--dsn", &dsn.replace("{SECRET}", SECRET)], &["sh", "-c", &script])?;
        judge(&format!("a DSN with {wrong}"), &ended, 78, findings);
        findings.expect(!ended.stderr.trim().is_empty(), || format!("a DSN with {wrong}: no message"));
        findings.expect(!ended.stderr.contains(SECRET), || {
            format!("a DSN with {wrong}: the message repeats the key: {}", ended.stderr)
        });
        findings.expect(!trace.exists(), || format!("a DSN with {wrong}: the server was started"));
    }
    Ok(())
}

fn judge(case: &str, ended: &Ended, code: i32, findings: &mut Findings) {
    findings.expect(ended.code == Some(code), || {
        format!("{case}: exit {:?} instead of {code}{}", ended.code, process::last_words(&ended.stderr))
    });
    let limit = if code == 137 { HOLD_LIMIT + STUBBORN } else { HOLD_LIMIT };
    findings.expect(ended.took <= limit, || format!("{case}: took {:.1?}", ended.took));
    findings.expect(ended.stdout.is_empty(), || {
        format!("{case}: {:?} on standard output", String::from_utf8_lossy(&ended.stdout))
    });
    for left in process::end_leftovers() {
        findings.add(format!("{case}: left running: {left}"));
    }
}
