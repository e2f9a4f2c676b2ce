//! `watchpost import`: recorded events through the same redaction, mapping and delivery as live ones, with a summary that
//! tells the truth.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write as _},
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

use crate::{
    args::{ImportArgs, ImportFormat},
    config::Settings,
    failure::Failure,
    local_receiver,
};

/// A longer line is not an event; reading it whole would let a file fill the memory.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;
/// Reasons printed one by one; the rest is only counted.
const MAX_COMPLAINTS: u64 = 20;
/// How long a receiver that takes nothing holds the import up.
const ROOM_WAIT: Duration = Duration::from_secs(30);

/// What became of the file.
#[derive(Debug, Default, Serialize)]
struct Summary {
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
    let project_id = args.project_id.clone().or(settings.project_id);
    let capture = settings.sentry.capture.unwrap_or_default();
    let options = ReadOptions::default().with_content(capture.arguments, capture.results);
    let (input, bytes) = open(&args.file)?;
    let progress = progress_bar(bytes);
    let exporter = McpExporter::new(settings.sentry)?;

    let mut summary = Summary::default();
    let mut lines = Lines { input: BufReader::with_capacity(256 * 1024, progress.wrap_read(input)), line: Vec::new() };
    let unreadable = |source| Failure::Input { path: args.file.clone(), source };
    while let Some(line) = lines.next_line().map_err(unreadable)? {
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
                // Without room in time the oldest is dropped, and the summary says so.
                let _ = exporter.wait_for_room(ROOM_WAIT);
                exporter.export(&event);
                summary.exported += 1;
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
    let outcome = exporter.shutdown(Duration::from_secs_f64(args.timeout));
    summary.sent = outcome.sent();
    summary.held = outcome.held();
    // What was not sampled was not meant to be sent.
    summary.unsampled = outcome.dropped_by(DropReason::SampleRate);
    summary.dropped = outcome.dropped() - summary.unsampled;
    print(&summary, &outcome, args.json).map_err(Failure::Output)?;
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

enum Line<'a> {
    Text(&'a [u8]),
    TooLong,
}

/// Lines of bounded length.
struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

impl<R: io::Read> Lines<R> {
    /// The next line without its newline; `None` at the end.
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let read = self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(Line::Text(&self.line)));
        }
        if (read as u64) < MAX_LINE_BYTES {
            return Ok(Some(Line::Text(&self.line)));
        }
        self.skip_rest_of_line()?;
        Ok(Some(Line::TooLong))
    }

    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(length);
            if end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Lines { input: BufReader::with_capacity(3, text), line: Vec::new() };
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        }
        all
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        assert_eq!(lines(b"a\n\nbc"), ["a", "", "bc"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_over_the_bound_is_passed_over_and_the_next_one_is_read() {
        let mut text = vec![b'x'; MAX_LINE_BYTES as usize + 10];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&text), ["too long", "next"]);
    }
}
