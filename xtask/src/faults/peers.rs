//! `cargo xtask faults --peers`: the same program's telemetry through the same outages, with our delivery in each of its modes and
//! with Sentry's own clients, whose settings are their defaults. What is counted is what the sink has in the end.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    say,
    sink::{Reply, Sink},
};
use crate::{
    Failure,
    bench::{Table, target_folder},
    peers,
};

/// Items that each program hands over, evenly,
const ITEMS: u64 = 1_200;
/// in so long.
const LENGTH: Duration = Duration::from_secs(4);
/// The trouble begins, and ends: before the program does, or after.
const BEGINS: Duration = Duration::from_millis(500);
const ENDS: Duration = Duration::from_secs(3);
/// A program that hangs at its end is ended after so long.
const LONGEST_END: Duration = Duration::from_secs(20);

/// An outage.
#[derive(Clone, Copy)]
struct Outage {
    name: &'static str,
    reply: fn() -> Reply,
    ending: Ending,
}

/// How the program and the outage end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The outage ends a second before the program does.
    OutageFirst,
    /// The program ends in the outage; afterwards it is started once more.
    ProgramFirst,
    /// The program is killed in the outage; afterwards it is started once more.
    Killed,
}

fn unavailable() -> Reply {
    Reply::Status(503, Vec::new())
}

const OUTAGES: &[Outage] = &[
    Outage { name: "none", reply: || Reply::Ok, ending: Ending::OutageFirst },
    Outage { name: "connections are cut, 2.5 s", reply: || Reply::Close, ending: Ending::OutageFirst },
    Outage { name: "503, 2.5 s", reply: unavailable, ending: Ending::OutageFirst },
    Outage { name: "hangs, 2.5 s", reply: || Reply::Hang, ending: Ending::OutageFirst },
    Outage {
        name: "429 for everything, 2.5 s",
        reply: || Reply::Status(429, vec!["retry-after: 1".to_owned()]),
        ending: Ending::OutageFirst,
    },
    Outage {
        name: "answers take 300 ms, 2.5 s",
        reply: || Reply::Slow(Duration::from_millis(300)),
        ending: Ending::OutageFirst,
    },
    Outage { name: "503 until after the program's end", reply: unavailable, ending: Ending::ProgramFirst },
    Outage { name: "hangs until after the program's end", reply: || Reply::Hang, ending: Ending::ProgramFirst },
    Outage { name: "503, and the program is killed", reply: unavailable, ending: Ending::Killed },
];

/// Who sends.
enum Client {
    Ours(&'static str),
    Crate(PathBuf),
    Python(PathBuf, PathBuf),
}

impl Client {
    fn name(&self) -> String {
        match self {
            Self::Ours("off") => "watchpost, no spool".to_owned(),
            Self::Ours(mode) => format!("watchpost, spool `{mode}`"),
            Self::Crate(_) => peers::CRATE.to_owned(),
            Self::Python(..) => peers::PYTHON.to_owned(),
        }
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }

    /// The program, handing over so many items.
    fn start(&self, dsn: &str, folder: &Path, items: u64) -> Result<Child, Failure> {
        let seconds = if items == 0 { "0".to_owned() } else { LENGTH.as_secs_f64().to_string() };
        // Each tenth time they hand over three items.
        let rounds = (items * 10 / 12).to_string();
        let mut command = match self {
            Self::Ours(mode) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["faults-sender", "program", dsn]).arg(folder);
                command.args([*mode, &items.to_string(), &seconds]);
                command
            }
            Self::Crate(program) => {
                let mut command = Command::new(program);
                command.args([dsn, "mixed", &rounds, &seconds, "default"]);
                command
            }
            Self::Python(python, program) => {
                let mut command = Command::new(python);
                command.arg(program).args([dsn, &rounds, &seconds]);
                command
            }
        };
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }
}

/// What became of a program's items.
struct Fate {
    lost: u64,
    /// Of those lost, how many client reports have told Sentry of.
    reported: u64,
    repeated: u64,
    /// What the program took after it had handed over its last item; `None` if it was killed.
    ending: Option<Duration>,
}

/// Prints the table.
pub(super) fn run(folder: &Path) -> Result<(), Failure> {
    let target = target_folder()?;
    let mut clients = vec![Client::Ours("off"), Client::Ours("fast"), Client::Ours("durable")];
    clients.extend(peers::sentry_crate(&target).map(Client::Crate));
    clients.extend(peers::sentry_python(&target).map(|(python, program)| Client::Python(python, program)));
    let mut table = Table::new(
        format!("{ITEMS} logs, transactions and errors in {LENGTH:?}"),
        ["outage", "client", "lost", "of it, Sentry is told", "came again", "the program's end took"],
    );
    for (place, outage) in OUTAGES.iter().enumerate() {
        let fates: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = clients
                .iter()
                .enumerate()
                .map(|(client, of)| {
                    let folder = folder.join(format!("{place}-{client}"));
                    scope.spawn(move || suffer(of, *outage, &folder))
                })
                .collect();
            running.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for (client, fate) in clients.iter().zip(fates) {
            let fate = fate.map_err(|_| "a client's thread panicked")??;
            table.row([
                outage.name.to_owned(),
                client.name(),
                format!("{} ({:.0} %)", fate.lost, fate.lost as f64 * 100.0 / ITEMS as f64),
                if fate.lost == 0 { String::new() } else { fate.reported.min(fate.lost).to_string() },
                fate.repeated.to_string(),
                match fate.ending {
                    Some(ending) if ending >= LONGEST_END => format!("> {} s", LONGEST_END.as_secs()),
                    Some(ending) => format!("{:.1} s", ending.as_secs_f64()),
                    None => "killed".to_owned(),
                },
            ]);
        }
    }
    say(&table.to_markdown());
    Ok(())
}

/// One client in one outage.
fn suffer(client: &Client, outage: Outage, folder: &Path) -> Result<Fate, Failure> {
    let sink = if client.is_ours() { Sink::start(|_| Reply::Ok)? } else { Sink::for_peers(|_| Reply::Ok)? };
    let dsn = sink.dsn();
    let mut program = client.start(&dsn, folder, ITEMS)?;
    let started = Instant::now();
    thread::sleep(BEGINS);
    sink.set(move |_| (outage.reply)());
    thread::sleep(ENDS.saturating_sub(started.elapsed()));
    let mut ending = None;
    match outage.ending {
        Ending::OutageFirst => {
            sink.heal();
            ending = Some(wait(&mut program, started)?);
        }
        Ending::ProgramFirst => {
            ending = Some(wait(&mut program, started)?);
            sink.heal();
        }
        Ending::Killed => {
            program.kill()?;
            program.wait()?;
            sink.heal();
        }
    }
    if outage.ending != Ending::OutageFirst {
        wait(&mut client.start(&dsn, folder, 0)?, Instant::now())?;
    }
    let arrivals = sink.arrivals();
    // A program that was killed has not handed over everything.
    let handed = if outage.ending == Ending::Killed { handed_until_kill() } else { ITEMS };
    Ok(Fate {
        lost: handed.saturating_sub(arrivals.received_all()),
        reported: ["error", "transaction", "log_item"].iter().map(|category| arrivals.reported_of(category)).sum(),
        repeated: arrivals.repeated(),
        ending,
    })
}

/// How many items an even pace has handed over when the program is killed, less what it took to start.
fn handed_until_kill() -> u64 {
    (ITEMS as f64 * (ENDS - BEGINS).as_secs_f64() / LENGTH.as_secs_f64()) as u64
}

/// Waits for a program's end; what it took beyond the time in which it hands over.
fn wait(program: &mut Child, started: Instant) -> Result<Duration, Failure> {
    let end = started + LENGTH + LONGEST_END;
    loop {
        if let Some(status) = program.try_wait()? {
            let length = started.elapsed().saturating_sub(LENGTH);
            return if status.success() { Ok(length) } else { Err(format!("a program ended with {status}").into()) };
        }
        if Instant::now() >= end {
            program.kill()?;
            program.wait()?;
            return Ok(LONGEST_END);
        }
        thread::sleep(Duration::from_millis(10));
    }
}
