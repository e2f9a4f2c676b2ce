//! `watchpost import`: recorded events through the same redaction, mapping and delivery as live ones, with a summary that
//! tells the truth.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use watchpost::{
    exporter::McpExporter,
    model::agentcat::{self, ReadOptions},
};
use watchpost_sentry::delivery::{DropReason, Outcome};

use super::lines::{Line, Lines, MAX_LINE_BYTES};
use crate::{
    args::{ImportArgs, ImportFormat},
    config::Settings,
    failure::Failure,
    given::Given,
    local_receiver,
};

/// Reasons printed one by one; the rest is only counted.
const MAX_COMPLAINTS: u64 = 20;

/// What became of the file.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// False when the user turned exporting off (`DO_NOT_TRACK`, `OTEL_SDK_DISABLED`).
    exporting: bool,
    lines: u64,
    exported: u64,
    skipped: u64,
    sent: u64,
    held: u64,
    dropped: u64,
    unsampled: u64,
}

/// Exports a file. Exit code 0: every line was exported and delivered; 1: some were skipped or stayed undelivered.
pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let ImportFormat::Agentcat = args.format;
    let mut settings = Settings::resolve(&args.export)?;
    if settings.sentry.dsn.is_none() {
        let address = local_receiver::DEFAULT_ADDRESS;
        if !local_receiver::listens(address) {
            return Err(Failure::NoDestination { address });
        }
        settings.use_local_receiver(address);
    }
    let project_id = Given::of(&args.project_id).or(settings.project_id);
    let capture = settings.sentry.capture.unwrap_or_default();
    let options = ReadOptions::default().with_content(capture.arguments, capture.results);
    let (input, bytes) = open(&args.file)?;
    let progress = progress_bar(bytes);
    let exporter = McpExporter::new(settings.sentry)?;

    let timeout = Duration::from_secs_f64(args.timeout);
    let mut summary = Summary { exporting: exporter.is_enabled(), ..Summary::default() };
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
        let parsed = match line {
            Line::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => {
                agentcat::parse_line_with(&String::from_utf8_lossy(text), options).map_err(|error| error.to_string())
            }
        };
        match parsed {
            Ok(mut event) => {
                if event.project_id.is_none() {
                    event.project_id.clone_from(&project_id);
                }
                if !exporter.wait_for_room(timeout) {
                    failure = Some(Failure::NothingTaken { line: summary.lines, seconds: args.timeout });
                    break;
                }
                exporter.export(&event);
                summary.exported += u64::from(summary.exporting);
            }
            Err(reason) => {
                summary.skipped += 1;
                if summary.skipped <= MAX_COMPLAINTS {
                    complain(&progress, &format!("line {}: skipped: {reason}", summary.lines));
                }
            }
        }
    }
    if summary.skipped > MAX_COMPLAINTS {
        complain(&progress, &format!("{} more lines were skipped", summary.skipped - MAX_COMPLAINTS));
    }
    progress.finish_and_clear();
    let outcome = exporter.shutdown(timeout);
    summary.sent = outcome.sent();
    summary.held = outcome.held();
    // What was not sampled was not meant to be sent.
    summary.unsampled = outcome.dropped_by(DropReason::SampleRate);
    summary.dropped = outcome.dropped() - summary.unsampled;
    print(&summary, &outcome, args.json).map_err(Failure::Output)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let whole = summary.skipped == 0 && summary.held == 0 && summary.dropped == 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn print(summary: &Summary, outcome: &Outcome, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let text = serde_json::to_string(summary).map_err(io::Error::other)?;
        return writeln!(out, "{text}");
    }
    if !summary.exporting {
        writeln!(out, "exporting is off: DO_NOT_TRACK or OTEL_SDK_DISABLED is set")?;
    }
    writeln!(out, "{} lines: {} exported, {} skipped", summary.lines, summary.exported, summary.skipped)?;
    writeln!(out, "{} items sent, {} not delivered, {} dropped", summary.sent, summary.held, summary.dropped)?;
    for reason in DropReason::ALL {
        let count = outcome.dropped_by(reason);
        if count > 0 {
            writeln!(out, "  {count} {reason}")?;
        }
    }
    Ok(())
}
