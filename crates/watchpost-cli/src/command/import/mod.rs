//! `watchpost import`: recorded events through the same redaction, mapping and delivery as live ones, with a summary that
//! tells the truth.

mod agentcat;
mod mastra;
mod summary;

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};
use watchpost_sentry::delivery::Outcome;

use self::{agentcat::Agentcat, mastra::Mastra, summary::Summary};
use super::{
    ending::Ending,
    lines::{Line, Lines, MAX_LINE_BYTES},
};
use crate::{
    args::{ImportArgs, ImportFormat},
    config::Settings,
    failure::Failure,
    local_receiver, proxy,
};

/// Who interrupts does not wait longer, also when the spool takes nothing.
const INTERRUPTED: Duration = Duration::from_secs(2);
/// Reasons printed one by one; the rest is only counted.
const MAX_COMPLAINTS: u64 = 20;

/// What the lines of a format become.
trait Target {
    type Event;

    /// False when the user turned exporting off.
    fn is_enabled(&self) -> bool;
    /// Reads a line; why it is no event.
    fn read(&self, line: &str) -> Result<Self::Event, String>;
    /// Waits until an event can be taken without losing another.
    fn wait_for_room(&self, timeout: Duration) -> bool;
    fn export(&self, event: Self::Event);
    /// Sends what is finished, within `timeout`.
    fn flush(&self, timeout: Duration) -> Outcome;
    /// What became of everything so far.
    fn outcome(&self) -> Outcome;
    /// How many spans were not seen to end; `None` where nothing starts and ends.
    fn unfinished(&self) -> Option<u64>;
    fn shutdown(&self, timeout: Duration) -> Outcome;
}

/// Exports a file. Exit code 0: every line was exported and delivered; 1: some were skipped or stayed undelivered.
pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.export)?;
    settings.take_import(args)?;
    if settings.sentry.dsn.is_none() {
        let address = local_receiver::DEFAULT_ADDRESS;
        if !local_receiver::listens(address) {
            return Err(Failure::NoDestination { address });
        }
        settings.use_local_receiver(address);
    }
    let (input, bytes) = open(&args.file)?;
    let progress = progress_bar(bytes);
    match args.format {
        ImportFormat::Agentcat => import(Agentcat::new(settings)?, args, input, &progress),
        ImportFormat::Mastra => import(Mastra::new(settings)?, args, input, &progress),
    }
}

fn import<T: Target + Send + Sync + 'static>(
    target: T,
    args: &ImportArgs,
    input: Box<dyn io::Read>,
    progress: &ProgressBar,
) -> Result<ExitCode, Failure> {
    let timeout = Duration::from_secs_f64(args.timeout);
    let summary = Summary { exporting: target.is_enabled(), ..Summary::default() };
    let running = Arc::new(Running { target, summary: Mutex::new(Some(summary)), json: args.json });
    watch_for_signals(running.clone(), progress.clone())?;
    // A panic costs what is still being read, not what was taken.
    let _ending = Ending(|| {
        running.target.shutdown(INTERRUPTED);
    });
    let mut lines = Lines::new(progress.wrap_read(input));
    // Why the import ended before the input did; what was taken until then is still delivered and accounted for.
    let mut failure = None;
    let mut skipped = 0;
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(source) => {
                failure = Some(Failure::Input { path: args.file.clone(), source });
                break;
            }
        };
        let number = running.count(|summary| &mut summary.lines);
        let read = match line {
            Line::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => running.target.read(&String::from_utf8_lossy(text)),
        };
        match read {
            Ok(event) => {
                if !wait_for_room(&running.target, timeout) {
                    failure = Some(Failure::NothingTaken { line: number, seconds: args.timeout });
                    break;
                }
                running.target.export(event);
                if running.target.is_enabled() {
                    running.count(|summary| &mut summary.exported);
                }
            }
            Err(reason) => {
                skipped = running.count(|summary| &mut summary.skipped);
                if skipped <= MAX_COMPLAINTS {
                    complain(progress, &format!("line {number}: skipped: {reason}"));
                }
            }
        }
    }
    if skipped > MAX_COMPLAINTS {
        complain(progress, &format!("{} more lines were skipped", skipped - MAX_COMPLAINTS));
    }
    progress.finish_and_clear();
    let is_taking = !matches!(failure, Some(Failure::NothingTaken { .. })) && drain(&running.target, timeout);
    // Who took nothing for all that time is not waited for again.
    let rest = if is_taking { timeout } else { timeout.min(INTERRUPTED) };
    let is_whole = running.finish(rest).map_err(Failure::Output)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits for room for as long as anything is taken: a slow receiver is waited for, one that takes nothing for `timeout` is not.
fn wait_for_room(target: &impl Target, timeout: Duration) -> bool {
    while_taken(|| target.wait_for_room(timeout), || settled(&target.outcome()))
}

/// Sends what was read, likewise. False when nothing was taken for `timeout` although there is something to take.
fn drain(target: &impl Target, timeout: Duration) -> bool {
    while_taken(|| target.flush(timeout).complete, || settled(&target.outcome()))
}

/// Tries until it works, or a try passes without anything being taken. True if it worked.
fn while_taken(mut works: impl FnMut() -> bool, settled: impl Fn() -> u64) -> bool {
    let mut before = settled();
    while !works() {
        let now = settled();
        if now == before {
            return false;
        }
        before = now;
    }
    true
}

/// How many items need nobody's care any more.
fn settled(outcome: &Outcome) -> u64 {
    outcome.sent() + outcome.dropped()
}

/// An import, as those see it who can end it: the end of the input, and signals.
struct Running<T> {
    target: T,
    /// Taken by who ends it.
    summary: Mutex<Option<Summary>>,
    json: bool,
}

impl<T: Target> Running<T> {
    /// Counts one more, and says how many that makes. Waits for ever once somebody else has ended the import, and with it the
    /// process.
    fn count(&self, figure: impl Fn(&mut Summary) -> &mut u64) -> u64 {
        loop {
            if let Some(summary) = self.lock().as_mut() {
                let figure = figure(summary);
                *figure += 1;
                return *figure;
            }
            thread::park();
        }
    }

    /// Delivers what was taken, within `timeout`, and prints what became of it. True if all of it was delivered.
    fn finish(&self, timeout: Duration) -> io::Result<bool> {
        let summary = self.lock().take();
        let Some(mut summary) = summary else {
            loop {
                thread::park();
            }
        };
        summary.unfinished = self.target.unfinished();
        let outcome = self.target.shutdown(timeout);
        summary.add(&outcome);
        summary.print(&outcome, self.json)?;
        Ok(summary.is_whole())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Summary>> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the import on SIGINT and SIGTERM: what was taken is delivered, or left in the spool, and accounted for. A second signal
/// ends the process at once. Both leave with 128 + n.
fn watch_for_signals<T: Target + Send + Sync + 'static>(
    running: Arc<Running<T>>,
    progress: ProgressBar,
) -> Result<(), Failure> {
    let signals = [SIGINT, SIGTERM].into_iter().filter(|signal| !proxy::is_ignored(*signal)).collect::<Vec<_>>();
    let is_ending = Arc::new(AtomicBool::new(false));
    for signal in &signals {
        flag::register_conditional_shutdown(*signal, 128 + signal, is_ending.clone()).map_err(Failure::Signals)?;
    }
    let mut signals = Signals::new(signals).map_err(Failure::Signals)?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        is_ending.store(true, Ordering::SeqCst);
        progress.finish_and_clear();
        // Nowhere is left to report to when standard output is closed.
        let _ = running.finish(INTERRUPTED);
        std::process::exit(128 + signal);
    };
    thread::Builder::new().name("watchpost-signals".to_owned()).spawn(wait).map_err(Failure::Signals)?;
    Ok(())
}

fn open(path: &Path) -> Result<(Box<dyn io::Read>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let unreadable = |source| Failure::Input { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), bytes))
}

fn progress_bar(bytes: Option<u64>) -> ProgressBar {
    let progress = match bytes {
        Some(bytes) => ProgressBar::new(bytes),
        None => ProgressBar::new_spinner(),
    };
    // On a terminal only: a log file or a pipe gets the summary alone.
    progress.set_draw_target(if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let template = match bytes {
        Some(_) => "importing {bar:30} {bytes}/{total_bytes} {eta}",
        None => "importing {spinner} {bytes} {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress
}

fn complain(progress: &ProgressBar, text: &str) {
    progress.suspend(|| {
        // Standard error may be closed; the summary still counts the line.
        let _ = writeln!(io::stderr(), "watchpost: {text}");
    });
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_slow_receiver_is_waited_for_and_one_that_takes_nothing_is_not() {
        // How many items each try leaves taken, and whether it works in the end.
        for (tries, expected) in [(vec![3, 5, 6, 6], false), (vec![1, 2, 3, 4], true), (vec![0], false)] {
            let (at, count) = (Cell::new(0), Cell::new(0));
            let works = || {
                count.set(tries[at.get()]);
                at.set(at.get() + 1);
                expected && at.get() == tries.len()
            };
            assert_eq!(while_taken(works, || count.get()), expected, "{tries:?}");
            assert_eq!(at.get(), tries.len(), "{tries:?}");
        }
    }
}
