//! The status for people: one table of processes and one of what became of everything, for each destination. Names of folders
//! are anybody's: what would act on a terminal is written out.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, SystemTime},
};

use console::{
    Alignment::{self, Left, Right},
    pad_str,
};
use watchpost_sentry::{
    delivery::{QueueOwner, SpoolQueue, SpoolReport, SpooledDestination},
    wire::Category,
};

use super::{KINDS, counted, kinds_in, size};

const QUEUE_COLUMNS: [(usize, Alignment); 8] =
    [(8, Left), (12, Left), (7, Right), (13, Right), (7, Right), (7, Right), (9, Right), (8, Right)];
/// The kind, then items and their size four times.
const TALLY_COLUMNS: [(usize, Alignment); 9] =
    [(12, Left), (8, Right), (8, Right), (7, Right), (8, Right), (7, Right), (8, Right), (7, Right), (8, Right)];

/// The report; `now` is what ages are counted from.
pub(super) fn status(folder: &Path, report: &SpoolReport, now: SystemTime, color: bool) -> String {
    let mut text = format!("spool {}\n", inert(&folder.to_string_lossy()));
    if report.destinations.is_empty() {
        text.push_str("\nNothing was ever kept here.\n");
    }
    for destination in &report.destinations {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}\n", paint(&inert(&destination.name), "1", color));
        queues(&mut text, destination, now, color);
        tallies(&mut text, destination, color);
        notes(&mut text, destination, now);
    }
    if report.destinations.iter().any(SpooledDestination::is_stuck) {
        text.push_str("\nNobody sends what was left behind. The next start with its DSN does, or `watchpost flush`.\n");
    }
    text
}

fn queues(text: &mut String, destination: &SpooledDestination, now: SystemTime, color: bool) {
    let rows =
        destination.queues.iter().filter(|queue| queue.outcome.held() > 0 || queue.owner != QueueOwner::LeftBehind);
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        text.push_str("  no process uses it, and nothing waits\n");
        return;
    }
    let header = ["PROCESS", "STATE", "ERRORS", "TRANSACTIONS", "SPANS", "LOGS", "SIZE", "OLDEST"];
    let _ = writeln!(text, "{}", paint(&row(QUEUE_COLUMNS, header), "1", color));
    for queue in rows {
        let (process, state) = owner(queue);
        let [errors, transactions, spans, logs] =
            KINDS.map(|(category, _)| queue.outcome.tally(category).held.to_string());
        let size = size(queue.outcome.held_bytes());
        let age = queue.oldest.map_or_else(|| "–".to_owned(), |oldest| age(now, oldest));
        let line = row(QUEUE_COLUMNS, [&process, state, &errors, &transactions, &spans, &logs, &size, &age]);
        let is_stuck = queue.owner == QueueOwner::LeftBehind;
        let _ = writeln!(text, "{}", if is_stuck { paint(&line, "33", color) } else { line });
    }
}

fn owner(queue: &SpoolQueue) -> (String, &'static str) {
    match queue.owner {
        QueueOwner::Alive { pid: Some(pid) } => (pid.to_string(), "alive"),
        QueueOwner::Alive { .. } => ("?".to_owned(), "alive"),
        _ => ("–".to_owned(), "left behind"),
    }
}

fn tallies(text: &mut String, destination: &SpooledDestination, color: bool) {
    let header = row(TALLY_COLUMNS, ["", "ACCEPTED", "", "SENT", "", "HELD", "", "DROPPED", ""]);
    let _ = writeln!(text, "\n{}", paint(header.trim_end(), "1", color));
    for (category, name) in kinds_in(&destination.outcome) {
        let tally = destination.outcome.tally(category);
        let figures = [
            (tally.accepted, tally.accepted_bytes),
            (tally.sent, tally.sent_bytes),
            (tally.held, tally.held_bytes),
            (tally.dropped(), tally.dropped_bytes()),
        ];
        let [accepted, sent, held, dropped] = figures.map(|(items, bytes)| (items.to_string(), size(bytes)));
        let cells = [name, &accepted.0, &accepted.1, &sent.0, &sent.1, &held.0, &held.1, &dropped.0, &dropped.1];
        let _ = writeln!(text, "{}", row(TALLY_COLUMNS, cells));
    }
}

fn notes(text: &mut String, destination: &SpooledDestination, now: SystemTime) {
    for (category, name) in kinds_in(&destination.outcome) {
        let tally = destination.outcome.tally(category);
        for (reason, count) in tally.drops() {
            let items = counted(count, name.trim_end_matches('s'), name);
            let _ = writeln!(text, "  dropped: {items} ({}) {reason}", size(tally.dropped_bytes_by(reason)));
        }
    }
    for queue in &destination.queues {
        for limit in &queue.limits {
            let what = limit.category.map_or("everything", Category::as_str);
            let left = age(limit.until, now);
            let _ = writeln!(text, "  rate limit: {what} for {left} more (process {})", owner(queue).0);
        }
        if queue.damaged > 0 {
            let stretches = counted(queue.damaged, "stretch", "stretches");
            let _ = writeln!(text, "  damaged: {stretches} of bytes in {}", inert(&queue.name));
        }
    }
}

/// One line of a table: words to the left, numbers to the right. Widths are measured in terminal columns.
fn row<const N: usize>(columns: [(usize, Alignment); N], cells: [&str; N]) -> String {
    let mut line = " ".to_owned();
    for ((width, alignment), cell) in columns.into_iter().zip(cells) {
        let _ = write!(line, " {}", pad_str(cell, width, alignment, None));
    }
    line
}

/// How long ago, in the largest unit that fits.
fn age(now: SystemTime, then: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn inert(text: &str) -> String {
    text.escape_debug().to_string()
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use watchpost::{
        exporter::{McpExporter, SentryConfig},
        model::McpEvent,
    };
    use watchpost_sentry::delivery::SpoolConfig;

    use super::*;

    #[test]
    fn what_was_left_behind_is_shown_with_its_size_and_age() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            SentryConfig::default().with_dsn("http://key@127.0.0.1:9/1").with_spool(SpoolConfig::new(folder.path()));
        let exporter = McpExporter::new(config).unwrap();
        exporter.export(&McpEvent { is_error: true, ..McpEvent::default() });
        let held = exporter.shutdown(Duration::ZERO);
        let report = SpoolReport::read(folder.path()).unwrap();
        let shown = status(folder.path(), &report, SystemTime::now() + Duration::from_secs(7_300), false);
        let line = shown.lines().find(|line| line.contains("left behind")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..7], ["–", "left", "behind", "1", "0", "0", "1"], "{shown}");
        assert!(line.contains(&size(held.held_bytes())) && line.ends_with("2 h"), "{shown}");
        assert!(shown.contains("`watchpost flush`"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        assert!(status(folder.path(), &report, SystemTime::now(), true).contains("\u{1b}[1m"));
    }

    #[test]
    fn names_of_folders_cannot_act_on_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("\u{1b}[2Jhost\u{202e}/0000-1-0");
        fs::create_dir_all(&queue).unwrap();
        fs::write(queue.join("lock"), "\u{1b}]0;title\u{7}").unwrap();
        fs::write(queue.join("00000001.seg"), "not a record \u{1b}[31m").unwrap();
        let report = SpoolReport::read(folder.path()).unwrap();
        let shown = status(folder.path(), &report, SystemTime::now(), false);
        assert!(shown.contains("\\u{1b}[2Jhost\\u{202e}"), "{shown}");
        assert!(shown.contains("damaged: 1 stretch"), "{shown}");
        assert!(!shown.chars().any(|character| character == '\u{1b}' || character == '\u{202e}'), "{shown}");
    }

    #[test]
    fn an_empty_folder_says_so() {
        let shown = status(Path::new("/none"), &SpoolReport::default(), SystemTime::now(), false);
        assert_eq!(shown, "spool /none\n\nNothing was ever kept here.\n");
    }
}
