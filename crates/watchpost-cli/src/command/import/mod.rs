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
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use watchpost_sentry::delivery::Outcome;

use self::{agentcat::Agentcat, mastra::Mastra, summary::Summary};
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use crate::{
    args::{ImportArgs, ImportFormat},
    config::Settings,
    failure::Failure,
    local_receiver,
};

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
    /// How many spans were not seen to end; `None` where nothing starts and ends.
    fn unfinished(&self) -> Option<u64>;
    fn shutdown(&self, timeout: Duration) -> Outcome;
}

/// Exports a file. Exit code 0: every line was exported and delivered; 1: some were skipped or stayed undelivered.
pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.export)?;
    settings.take_import(args);
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
        ImportFormat::Agentcat => import(&Agentcat::new(settings)?, args, input, &progress),
        ImportFormat::Mastra => import(&Mastra::new(settings)?, args, input, &progress),
    }
}

fn import<T: Target>(
    target: &T,
    args: &ImportArgs,
    input: Box<dyn io::Read>,
    progress: &ProgressBar,
) -> Result<ExitCode, Failure> {
    let timeout = Duration::from_secs_f64(args.timeout);
    let mut summary = Summary { exporting: target.is_enabled(), ..Summary::default() };
    let mut lines = Lines::new(progress.wrap_read(input));
    // Why the import ended before the input did; what was taken until then is still delivered and accounted for.
    let mut failure = None;
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(source) => {
                failure = Some(Failure::Input { path: args.file.clone(), source });
                break;
            }
        };
        summary.lines += 1;
        let read = match line {
            Line::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => target.read(&String::from_utf8_lossy(text)),
        };
        match read {
            Ok(event) => {
                if !target.wait_for_room(timeout) {
                    failure = Some(Failure::NothingTaken { line: summary.lines, seconds: args.timeout });
                    break;
                }
                target.export(event);
                summary.exported += u64::from(summary.exporting);
            }
            Err(reason) => {
                summary.skipped += 1;
                if summary.skipped <= MAX_COMPLAINTS {
                    complain(progress, &format!("line {}: skipped: {reason}", summary.lines));
                }
            }
        }
    }
    if summary.skipped > MAX_COMPLAINTS {
        complain(progress, &format!("{} more lines were skipped", summary.skipped - MAX_COMPLAINTS));
    }
    progress.finish_and_clear();
    summary.unfinished = target.unfinished();
    let outcome = target.shutdown(timeout);
    summary.add(&outcome);
    summary.print(&outcome, args.json).map_err(Failure::Output)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(if summary.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
