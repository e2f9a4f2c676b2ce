//! A tracked server whose host's hooks panic, hang or give junk, whose sink is away, or that has very many sessions: the same load
//! each time, and beside what its client saw what became of the events. The program is the library's example `track_faults`.

use std::{path::PathBuf, process::Command, thread};

use serde::Deserialize;

use super::{
    say,
    sink::{Reply, Sink},
};
use crate::{
    Failure,
    bench::{Table, target_folder},
    cargo,
};

/// Seconds of the load: longer than a hook is waited for.
const LENGTH: f64 = 7.0;
/// A hook that hangs does so for longer than that; with `--long` it comes back, and the load goes on.
const HANG: f64 = 600.0;
const LONG_LENGTH: f64 = 66.0;
const LONG_HANG: f64 = 60.0;
/// Milliseconds for which the options let hooks hold an event up, and what a busy machine adds.
const HOOK_TIMEOUT: f64 = 5_000.0;
const SLACK: f64 = 3_000.0;
/// Milliseconds: a call that waits for a hook, or for the network, takes longer.
const CALL_LIMIT: f64 = 1_000.0;
/// MiB above the beginning; with what the delivery may hold of what it can't send; with 10 000 sessions and actors that are
/// remembered, by the program's own account too.
const MEMORY: f64 = 20.0;
const MEMORY_HELD: f64 = 64.0;
const MEMORY_OF_SESSIONS: f64 = 32.0;
const SESSIONS: u64 = 10_000;

/// What is wrong, as the program and the table call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    NoHooks,
    Undisturbed,
    HooksPanic,
    HooksFail,
    HooksHang,
    HooksGiveJunk,
    RedactionPanics,
    RedactionHangs,
    NoSink,
    ManySessions,
}

impl Condition {
    const ALL: &[Self] = &[
        Self::NoHooks,
        Self::Undisturbed,
        Self::HooksPanic,
        Self::HooksFail,
        Self::HooksHang,
        Self::HooksGiveJunk,
        Self::RedactionPanics,
        Self::RedactionHangs,
        Self::NoSink,
        Self::ManySessions,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::NoHooks => "no hooks",
            Self::Undisturbed => "undisturbed",
            Self::HooksPanic => "hooks panic",
            Self::HooksFail => "hooks fail",
            Self::HooksHang => "hooks hang",
            Self::HooksGiveJunk => "hooks give junk",
            Self::RedactionPanics => "redaction panics",
            Self::RedactionHangs => "redaction hangs",
            Self::NoSink => "no sink",
            Self::ManySessions => "many sessions",
        }
    }
}

/// What the program says. Times are in microseconds for calls, else in milliseconds; memory is in MiB.
#[derive(Debug, Deserialize)]
struct Run {
    calls: u64,
    /// Answers that were not those of an untracked server.
    wrong: u64,
    p50: f64,
    p99: f64,
    max: f64,
    /// Calls and custom events given to the tracker.
    given: u64,
    /// Events that came to the exporters; `identify` events too.
    events: u64,
    custom: u64,
    decorated: u64,
    undecorated: u64,
    dropped_by_hooks: u64,
    overflowed: u64,
    /// Items, by the exporter to Sentry.
    sent: u64,
    held: u64,
    dropped: u64,
    delay_p50: f64,
    delay_max: f64,
    sessions: u64,
    /// Sessions with more than one client.
    mixed: u64,
    before: f64,
    peak: f64,
    shutdown: f64,
}

/// Runs all conditions at once; how many were not harmless, and of how many.
pub(super) fn run(long: bool) -> Result<(usize, usize), Failure> {
    // Figures for the docs come from the long run.
    let program = build(long)?;
    let (length, hang) = if long { (LONG_LENGTH, LONG_HANG) } else { (LENGTH, HANG) };
    let runs: Vec<_> = thread::scope(|scope| {
        let program = &program;
        let started: Vec<_> = Condition::ALL
            .iter()
            .map(|condition| scope.spawn(move || measure(*condition, program, length, hang)))
            .collect();
        started.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut table = Table::new(
        format!(
            "A tracked server for {length} s, 200 calls a second, and 10 000 sessions; hooks that hang do so for {hang} s. All at once."
        ),
        [
            "condition",
            "calls",
            "answers not right",
            "p50, µs",
            "p99, µs",
            "slowest, ms",
            "events",
            "decorated",
            "without",
            "dropped by hooks",
            "items sent",
            "held",
            "dropped",
            "an event's way, ms: p50",
            "longest",
            "memory added, MiB",
            "shutdown, ms",
            "verdict",
        ],
    );
    let mut failures = Vec::new();
    for (condition, run) in Condition::ALL.iter().zip(runs) {
        let (run, received) = run.map_err(|_| "a condition's thread panicked")??;
        let wrong = judge(*condition, &run, received, long);
        table.row([
            condition.name().to_owned(),
            run.calls.to_string(),
            run.wrong.to_string(),
            format!("{:.0}", run.p50),
            format!("{:.0}", run.p99),
            format!("{:.1}", run.max / 1e3),
            run.events.to_string(),
            run.decorated.to_string(),
            run.undecorated.to_string(),
            run.dropped_by_hooks.to_string(),
            run.sent.to_string(),
            run.held.to_string(),
            run.dropped.to_string(),
            format!("{:.0}", run.delay_p50),
            format!("{:.0}", run.delay_max),
            format!("{:.1}", run.peak - run.before),
            format!("{:.0}", run.shutdown),
            if wrong.is_empty() { "ok" } else { "**WRONG**" }.to_owned(),
        ]);
        if !wrong.is_empty() {
            failures.push(format!("WRONG: track, {}: {}", condition.name(), wrong.join("; ")));
        }
    }
    say(&table.to_markdown());
    failures.iter().for_each(|failure| say(failure));
    Ok((failures.len(), Condition::ALL.len()))
}

/// The run, and how many transactions the sink has of it.
fn measure(condition: Condition, program: &PathBuf, length: f64, hang: f64) -> Result<(Run, u64), Failure> {
    let sink = Sink::for_peers(|_| Reply::Ok)?;
    let dsn = match condition {
        Condition::NoSink => format!("http://0123456789abcdef0123456789abcdef@{}/1", Sink::nowhere()?),
        _ => sink.dsn(),
    };
    let mut command = Command::new(program);
    command.args([condition.name(), &dsn, &length.to_string(), &hang.to_string()]);
    for setting in ["SENTRY_DSN", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE", "SENTRY_TRACES_SAMPLE_RATE", "DO_NOT_TRACK"] {
        command.env_remove(setting);
    }
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("track, {}: ended with {} {said}", condition.name(), output.status).into());
    }
    let run = serde_json::from_slice(&output.stdout)?;
    Ok((run, sink.arrivals().received("transaction")))
}

/// What is not as promised.
fn judge(condition: Condition, run: &Run, received: u64, long: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    // What no condition may do.
    expect(run.wrong == 0, format!("{} answers are not those of an untracked server", run.wrong));
    expect(run.max < CALL_LIMIT * 1e3, format!("a call took {:.0} ms", run.max / 1e3));
    expect(run.overflowed == 0, format!("{} events were too many", run.overflowed));
    expect(run.mixed == 0, format!("{} sessions have several clients", run.mixed));
    expect(run.delay_max < HOOK_TIMEOUT + SLACK, format!("an event was on its way for {:.0} ms", run.delay_max));
    let memory = match condition {
        Condition::NoSink => MEMORY_HELD,
        Condition::ManySessions => MEMORY_OF_SESSIONS,
        _ => MEMORY,
    };
    expect(run.peak - run.before <= memory, format!("{:.1} MiB were added", run.peak - run.before));
    expect(run.shutdown < SLACK, format!("the shutdown took {:.0} ms", run.shutdown));
    // `identify` makes further events, and hooks may drop each of them.
    let lost = (run.given).saturating_sub(run.events);
    let accounted = run.sent + run.held + run.dropped;
    expect(accounted >= 2 * run.events, format!("of {} events {accounted} items are accounted for", run.events));
    let items = 2 * run.events;
    match condition {
        Condition::RedactionPanics => {
            expect(run.events == 0, format!("{} events were not redacted and sent", run.events));
            expect(run.dropped_by_hooks >= run.given, format!("only {} are counted as dropped", run.dropped_by_hooks));
        }
        Condition::RedactionHangs => {
            let counted = run.events + run.dropped_by_hooks;
            expect(counted >= run.given, format!("of {} events {counted} are accounted for", run.given));
            expect(long == (run.events > 0), format!("{} events were sent", run.events));
        }
        _ => expect(lost == 0, format!("{lost} events were lost")),
    }
    match condition {
        Condition::NoHooks => expect(run.decorated == 0, format!("{} are decorated", run.decorated)),
        Condition::Undisturbed | Condition::NoSink | Condition::ManySessions => {
            expect(run.undecorated == 0, format!("{} are not decorated", run.undecorated));
            // The hook is asked for requests: neither for custom events nor for the `identify` events themselves.
            expect(run.decorated == run.given - run.custom, format!("only {} are decorated", run.decorated));
        }
        Condition::HooksPanic | Condition::HooksFail => {
            expect(run.decorated == 0, format!("{} are decorated", run.decorated));
            expect(run.undecorated == run.given - run.custom, format!("{} are counted as without", run.undecorated));
        }
        Condition::HooksHang => {
            expect(long == (run.decorated > 0), format!("{} are decorated", run.decorated));
            expect(run.undecorated > 0, "none is counted as without".to_owned());
        }
        Condition::HooksGiveJunk | Condition::RedactionPanics | Condition::RedactionHangs => {}
    }
    match condition {
        Condition::NoSink => expect(run.sent == 0, format!("{} items were sent to nobody", run.sent)),
        Condition::HooksGiveJunk => {}
        _ => {
            expect(run.sent == items, format!("{} items of {items} were sent", run.sent));
            expect(2 * received == run.sent, format!("the sink has {received} transactions of {} items", run.sent));
        }
    }
    if condition == Condition::ManySessions {
        expect(run.sessions == SESSIONS, format!("{} sessions instead of {SESSIONS}", run.sessions));
    }
    wrong
}

/// The program: as the library's tests are built, or with optimisation.
fn build(release: bool) -> Result<PathBuf, Failure> {
    let mut build = cargo::command();
    build.args(["build", "--quiet", "--package", "watchpost", "--features", "rmcp-http", "--example", "track_faults"]);
    if release {
        build.arg("--release");
    }
    let status = build.status()?;
    if !status.success() {
        return Err(format!("the build of track_faults failed: {status}").into());
    }
    Ok(target_folder()?.join(if release { "release" } else { "debug" }).join("examples/track_faults"))
}
