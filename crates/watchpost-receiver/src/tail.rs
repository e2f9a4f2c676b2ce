//! One line per item for a terminal, safe to print: nothing in an item can move the cursor, change colours or reorder text.

use std::borrow::Cow;

use crate::inert::visible;
use crate::store::StoredItem;

/// Characters of a title in a line.
const TITLE_CHARS: usize = 300;

/// Characters of a level, status or session in a line.
const NAME_CHARS: usize = 64;

const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const MAGENTA: &str = "35";

/// Formats an item as one line without a newline: time (UTC), what it is, its level or status, its title, its duration, its
/// session. With `color`, ANSI colours; either way everything from outside is made inert.
#[must_use]
pub fn format_item(item: &StoredItem, color: bool) -> String {
    let time = item.timestamp.to_rfc3339();
    let time = time.split_once('T').map_or(time.as_str(), |(_, time)| time);
    let (label, label_color) = match &*item.kind {
        "log" => (Cow::Borrowed("log"), BLUE),
        "transaction" => (Cow::Borrowed("trace"), MAGENTA),
        "span" => (Cow::Borrowed("span"), MAGENTA),
        "event" => (Cow::Borrowed("issue"), RED),
        other => (visible(other, NAME_CHARS), DIM),
    };
    let state = item.level.as_deref().or(item.status.as_deref()).unwrap_or("");
    let state_color = match state {
        _ if item.is_error => RED,
        "warn" | "warning" => YELLOW,
        "ok" | "info" => GREEN,
        _ => DIM,
    };
    let mut line = paint(time, DIM, color);
    line.push(' ');
    line.push_str(&paint(&format!("{label:<5}"), label_color, color));
    line.push(' ');
    line.push_str(&paint(&format!("{:<5}", visible(state, NAME_CHARS)), state_color, color));
    line.push(' ');
    line.push_str(&visible(&item.title, TITLE_CHARS));
    if let Some(duration) = item.duration_ms {
        line.push_str(&paint(&format!("  {}", format_duration(duration)), DIM, color));
    }
    if let Some(session) = &item.session {
        line.push_str(&paint(&format!("  {}", visible(session, NAME_CHARS)), DIM, color));
    }
    line
}

/// A duration as people read it: `3 ms`, `1.24 s`, `2 min 05 s`, `3 h 20 min`, `12 d 04 h`.
pub(crate) fn format_duration(millis: f64) -> String {
    match millis {
        // Whole milliseconds are what most clocks gave; a fraction was measured.
        ..9.95 if millis.fract() == 0.0 => format!("{millis:.0} ms"),
        ..0.995 => format!("{millis:.2} ms"),
        ..9.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        ..59_995.0 => format!("{:.2} s", millis / 1000.0),
        ..3_599_500.0 => parts(millis / 1000.0, 60.0, "min", "s"),
        ..86_370_000.0 => parts(millis / 60_000.0, 60.0, "h", "min"),
        _ => parts(millis / 3_600_000.0, 24.0, "d", "h"),
    }
}

/// `amount` of the smaller unit in both units; `of` of the smaller make one of the larger.
fn parts(amount: f64, of: f64, larger: &str, smaller: &str) -> String {
    let amount = amount.round();
    format!("{:.0} {larger} {:02.0} {smaller}", (amount / of).floor(), amount % of)
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use proptest::prelude::*;
    use watchpost_sentry::wire::Timestamp;

    use super::{format_duration, format_item};
    use crate::store::StoredItem;

    fn item(title: &str) -> StoredItem {
        StoredItem {
            id: 1,
            kind: Cow::Borrowed("log"),
            project: Arc::from("1"),
            received_at: Timestamp::default(),
            timestamp: Timestamp::from_nanos(1_795_210_796_591_000_000),
            trace_id: None,
            span_id: None,
            session: Some(Arc::from("ses_1")),
            level: Some(Cow::Borrowed("info")),
            title: title.to_owned(),
            status: None,
            duration_ms: Some(12.0),
            is_error: false,
            payload: Vec::new(),
        }
    }

    #[test]
    fn a_log_is_one_readable_line() {
        let line = format_item(&item("MCP tools/call: echo"), false);
        assert_eq!(line, "21:39:56.591Z log   info  MCP tools/call: echo  12 ms  ses_1");
    }

    #[test]
    fn terminal_commands_in_an_item_are_shown_not_obeyed() {
        let mut hostile = item("\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{202e}txt.exe\r\nforged line");
        hostile.level = Some(Cow::Borrowed("\x1b[31m"));
        hostile.kind = Cow::Borrowed("\x08\x08");
        hostile.session = Some(Arc::from("\u{2066}x"));
        let line = format_item(&hostile, false);
        assert!(!line.chars().any(|char| char.is_control() || ('\u{202a}'..='\u{2069}').contains(&char)), "{line:?}");
        assert!(line.contains("\\u{1b}[2J"));
    }

    #[test]
    fn durations_read_well() {
        let formatted: Vec<String> = [0.0, 1.0, 0.25, 3.1, 121.4, 1240.0, 125_000.0].map(format_duration).to_vec();
        assert_eq!(formatted, ["0 ms", "1 ms", "0.25 ms", "3.1 ms", "121 ms", "1.24 s", "2 min 05 s"]);
        let long: Vec<String> =
            [3_599_400.0, 3_599_600.0, 86_369_000.0, 86_400_000.0, 1e9].map(format_duration).to_vec();
        assert_eq!(long, ["59 min 59 s", "1 h 00 min", "23 h 59 min", "1 d 00 h", "11 d 14 h"]);
    }

    proptest! {
        #[test]
        fn only_our_own_colours_reach_the_terminal(title in ".*") {
            let line = format_item(&item(&title), true);
            let without_ours = ["\x1b[0m", "\x1b[2m", "\x1b[34m", "\x1b[32m"].iter().fold(line, |line, code| line.replace(code, ""));
            prop_assert!(!without_ours.chars().any(char::is_control));
        }
    }
}
