//! `watchpost flush`: takes over what earlier runs left in the spool for the DSN and sends it now.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig, DropReason, Outcome, QueueOwner, SpoolReport},
    wire::Dsn,
};

use super::status::{self, counted, size};
use crate::{
    args::{ExportArgs, FlushArgs},
    config::Settings,
    failure::Failure,
    local_receiver,
};

/// How often the progress is shown anew.
const SLICE: Duration = Duration::from_millis(100);
/// A shutdown within this is one that has nothing left to send.
const LAST: Duration = Duration::from_millis(500);

/// What is left to others.
#[derive(Debug, Default, PartialEq, Eq)]
struct Elsewhere {
    /// Held by running processes that send to the same DSN: how many of them, and how many items.
    processes: u64,
    held: u64,
    /// Left behind for other DSNs.
    others: u64,
    /// Left behind for this DSN, in queues that could not be taken over.
    stranded: u64,
}

/// Sends what was left behind. Exit code 0 when all of it was delivered.
pub(crate) fn run(args: &FlushArgs) -> Result<ExitCode, Failure> {
    let export = ExportArgs {
        dsn: args.dsn.clone(),
        spool: args.spool.clone(),
        config: args.config.clone(),
        ..ExportArgs::default()
    };
    let settings = Settings::resolve(&export)?;
    let Some(dsn) = &settings.sentry.dsn else {
        return Err(Failure::NoDestination { address: local_receiver::DEFAULT_ADDRESS });
    };
    let dsn: Dsn = dsn.parse().map_err(|error| Failure::Dsn(format!("{error}")))?;
    let spool = settings.sentry.spool.ok_or(Failure::NoSpool)?;
    let folder = spool.folder.clone();
    let mut elsewhere = Elsewhere::of(&status::read(&folder)?, &dsn);
    let deadline = Instant::now() + Duration::from_secs_f64(args.timeout);
    let config = DeliveryConfig::new(dsn.clone()).with_spool(spool).with_drop_timeout(Duration::ZERO);
    let delivery = Delivery::start(config).map_err(|error| Failure::Dsn(error.to_string()))?;
    // Once it has looked, what it took over is known.
    delivery.sync(deadline.saturating_duration_since(Instant::now()));
    let outcome = send(&delivery, deadline);
    // What was taken over and not sent is left behind again.
    elsewhere.stranded = left_behind(&status::read(&folder)?, &dsn).saturating_sub(outcome.held());
    print(&outcome, &elsewhere, args.json).map_err(Failure::Output)?;
    let is_whole = outcome.held() == 0 && outcome.dropped() == 0 && elsewhere.stranded == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn send(delivery: &Delivery, deadline: Instant) -> Outcome {
    let progress = progress_bar(delivery.outcome().accepted());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let outcome = delivery.flush(SLICE.min(left));
        // More may have been taken over meanwhile.
        progress.set_length(outcome.accepted());
        progress.set_position(outcome.sent() + outcome.dropped());
        if outcome.held() == 0 && outcome.complete || left.is_zero() {
            break;
        }
    }
    progress.finish_and_clear();
    delivery.shutdown(LAST)
}

/// How many items nobody has taken over.
fn left_behind(report: &SpoolReport, dsn: &Dsn) -> u64 {
    let queues = report.destination(dsn).map_or(&[][..], |destination| &destination.queues);
    let left_behind = queues.iter().filter(|queue| queue.owner == QueueOwner::LeftBehind);
    left_behind.map(|queue| queue.outcome.held()).fold(0, u64::saturating_add)
}

impl Elsewhere {
    fn of(report: &SpoolReport, dsn: &Dsn) -> Self {
        let mut elsewhere = Self::default();
        let ours = report.destination(dsn).map(|destination| destination.name.as_str());
        for destination in &report.destinations {
            for queue in &destination.queues {
                match queue.owner {
                    QueueOwner::Alive { .. } if Some(destination.name.as_str()) == ours => {
                        elsewhere.processes += 1;
                        elsewhere.held += queue.outcome.held();
                    }
                    QueueOwner::LeftBehind if Some(destination.name.as_str()) != ours => {
                        elsewhere.others += queue.outcome.held();
                    }
                    _ => {}
                }
            }
        }
        elsewhere
    }
}

fn print(outcome: &Outcome, elsewhere: &Elsewhere, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let summary = json!({
            "recovered": outcome.recovered,
            "sent": outcome.sent(), "sent_bytes": outcome.sent_bytes(),
            "held": outcome.held(), "held_bytes": outcome.held_bytes(),
            "dropped": outcome.dropped(), "dropped_bytes": outcome.dropped_bytes(),
            "left_to_running_processes": elsewhere.held,
            "left_for_other_dsns": elsewhere.others,
            "not_taken_over": elsewhere.stranded,
        });
        return writeln!(out, "{summary}");
    }
    if outcome.recovered == 0 && elsewhere.stranded == 0 {
        writeln!(out, "nothing was left behind for this DSN")?;
    } else if outcome.recovered > 0 {
        let sent = counted(outcome.sent(), "item", "items");
        writeln!(
            out,
            "{sent} sent ({}), {} not delivered, {} dropped",
            size(outcome.sent_bytes()),
            outcome.held(),
            outcome.dropped()
        )?;
        for reason in DropReason::ALL {
            let count = outcome.dropped_by(reason);
            if count > 0 {
                writeln!(out, "  {count} {reason}")?;
            }
        }
    }
    if outcome.held() > 0 {
        writeln!(out, "what was not delivered is still in the spool")?;
    }
    if elsewhere.stranded > 0 {
        let stranded = counted(elsewhere.stranded, "item", "items");
        writeln!(
            out,
            "{stranded} could not be taken over; see that the spool's folder and all in it is yours and writable"
        )?;
    }
    if elsewhere.processes > 0 {
        let processes = counted(elsewhere.processes, "queue", "queues");
        let held = counted(elsewhere.held, "item", "items");
        writeln!(out, "left alone: {processes} of running processes with {held}, which they send themselves")?;
    }
    if elsewhere.others > 0 {
        let others = counted(elsewhere.others, "item", "items");
        writeln!(out, "left alone: {others} for other DSNs, each of which needs a flush of its own")?;
    }
    Ok(())
}

/// On a terminal only: a log file or a pipe gets the summary alone.
fn progress_bar(items: u64) -> ProgressBar {
    let progress = ProgressBar::new(items);
    let is_terminal = io::stderr().is_terminal();
    progress.set_draw_target(if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("sending {bar:30} {pos}/{len} {eta}") {
        progress.set_style(style);
    }
    progress
}
