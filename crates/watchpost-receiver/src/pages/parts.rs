//! Small pieces of pages. Text from outside passes through [`outside`] or [`visible`]: made inert, then escaped by maud, and
//! isolated so that right-to-left text stays in its place.

use std::borrow::Cow;
use std::fmt::Write as _;

use maud::{Markup, html};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use crate::inert::{Breaks, visible, visible_with};
use crate::store::Cursor;
use crate::tail::format_duration;

/// Characters of a name in a table.
pub(super) const NAME_CHARS: usize = 80;

/// Characters of a message in a table.
pub(super) const MESSAGE_CHARS: usize = 400;

/// Text from outside, on one line.
pub(super) fn outside(text: &str, max_chars: usize) -> Markup {
    html! { bdi { (visible_with(text, max_chars, Breaks::Spaced)) } }
}

/// Text from outside, with its line breaks.
pub(super) fn outside_lines(text: &str, max_chars: usize) -> Markup {
    html! { bdi { (visible_with(text, max_chars, Breaks::Kept)) } }
}

/// Text from outside, or a dash.
pub(super) fn or_dash(text: Option<&str>) -> Markup {
    match text {
        Some(text) => outside(text, NAME_CHARS),
        None => html! { span.dim { "–" } },
    }
}

/// A moment within its day; the script shows it in local time.
pub(super) fn clock(at: Timestamp) -> Markup {
    let full = at.to_rfc3339();
    let time = full.split_once('T').map_or(full.as_str(), |(_, time)| time.trim_end_matches('Z'));
    html! { time datetime=(full) title=(full) data-clock { (time) } }
}

/// A moment with its day but without its year, for lists that reach back.
pub(super) fn stamp(at: Timestamp) -> Markup {
    let full = at.to_rfc3339();
    let short = full.get(5..full.len().saturating_sub(1)).unwrap_or(&full).replace('T', " ");
    html! { time datetime=(full) title=(full) data-stamp { (short) } }
}

/// A moment as date and time; with `relative` the script shows how long ago.
pub(super) fn moment(at: Timestamp, relative: bool) -> Markup {
    let full = at.to_rfc3339();
    let short = full.split('.').next().unwrap_or(&full).replace('T', " ");
    html! { time datetime=(full) title=(full) data-moment[!relative] data-ago[relative] { (short) " UTC" } }
}

/// A moment under a chart; the script shows it in local time.
pub(super) fn instant(at: Timestamp) -> Markup {
    let full = at.to_rfc3339();
    let short = full.get(5..16).unwrap_or(&full).replace('T', " ");
    html! { time datetime=(full) data-instant { (short) } }
}

/// What an item is, as a badge.
pub(super) fn kind_badge(kind: &str) -> Markup {
    let (name, class) = match kind {
        "event" => ("error", "bad"),
        "transaction" | "span" => (kind, "info"),
        other => (other, "plain"),
    };
    html! { span class={ "badge " (class) } { (visible(&name.replace('_', " "), 24)) } }
}

/// A duration in milliseconds, or a dash.
pub(super) fn duration(millis: Option<f64>) -> Markup {
    match millis {
        Some(millis) => html! { (format_duration(millis)) },
        None => html! { span.dim { "–" } },
    }
}

/// A status as a badge.
pub(super) fn status(status: Option<&str>, is_error: bool) -> Markup {
    let text = match status {
        None | Some("ok") if is_error => "failed",
        None => "ok",
        Some(text) => text,
    };
    let class = match text {
        _ if is_error => "bad",
        "ok" => "good",
        _ => "plain",
    };
    html! { span class={ "badge " (class) } { (visible(&text.replace('_', " "), 40)) } }
}

/// A level as a badge.
pub(super) fn level(level: &str) -> Markup {
    let class = match level {
        "error" | "fatal" => "bad",
        "warn" | "warning" => "warn",
        "info" => "info",
        _ => "plain",
    };
    html! { span class={ "badge " (class) } { (visible(level, 20)) } }
}

/// A count that is bad news unless it is zero.
pub(super) fn errors(number: u64) -> Markup {
    if number == 0 {
        html! { span.dim { "0" } }
    } else {
        html! { span.badge.bad { (count(number)) } }
    }
}

/// A trace id, short, linked to its page.
pub(super) fn trace_link(trace: TraceId) -> Markup {
    let id = trace.to_string();
    html! { a.id href={ "/traces/" (id) } title={ "Trace " (id) } { (id.get(..8).unwrap_or(&id)) } }
}

/// A span id.
pub(super) fn span_code(span: SpanId) -> Markup {
    html! { code.id { (span) } }
}

/// A number of a summary.
pub(super) fn tile(name: &str, value: &Markup, is_bad: bool) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd.bad[is_bad] { (value) }
        }
    }
}

/// An item as it came: fetched by the script when it is opened, a link without it.
pub(super) fn raw_item(name: &str, item: i64) -> Markup {
    html! {
        section.raw data-item=(item) {
            header {
                h3 { (name) }
                a href={ "/items/" (item) } { "link" }
                a href={ "/api/items/" (item) } { "raw" }
                a href={ "/api/items/" (item) "/envelope" } { "envelope" }
            }
            pre tabindex="0" aria-label={ (name) " as JSON" } hidden {}
        }
    }
}

/// The link to a list's next page.
pub(super) fn pager(path: &str, parameters: &str, next: Option<Cursor>, name: &str) -> Markup {
    html! {
        @if let Some(next) = next {
            nav.pager aria-label="Pages" {
                a.button rel="next" href={ (path) "?" (parameters) (next) } { (name) }
            }
        }
    }
}

/// A number with thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in three digits: `950`, `1.2k`, `34M`.
pub(super) fn amount(number: f64) -> String {
    const UNITS: [&str; 4] = ["k", "M", "G", "T"];
    let (mut value, mut unit) = (number, "");
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let is_whole = value.fract() == 0.0 || value >= 99.95 || (unit.is_empty() && value >= 10.0);
    if is_whole { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// A share as per cent.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 || value >= 9.95 { format!("{value:.0} %") } else { format!("{value:.1} %") }
}

/// US dollars; small ones with more digits, nothing as a dash.
pub(super) fn money(dollars: f64) -> String {
    match dollars {
        0.0 => "–".to_owned(),
        ..0.000_1 => "< $0.0001".to_owned(),
        ..0.1 => format!("${dollars:.4}"),
        ..1000.0 => format!("${dollars:.2}"),
        _ => format!("${}", amount(dollars)),
    }
}

/// A number of bytes as people read it.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut name = "bytes";
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        name = unit;
    }
    if name == "bytes" || value >= 99.5 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
}

/// `text` as one segment of a path, or one value of a query.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{amount, bytes, count, encode, money, outside, percent, status};

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1536, 268_435_456].map(bytes), ["0 bytes", "1023 bytes", "1.5 KiB", "256 MiB"]);
    }

    #[test]
    fn amounts_shares_and_money_read_well() {
        assert_eq!([0.0, 4.0, 12.5, 950.0, 1234.0, 34_000_000.0].map(amount), ["0", "4", "12", "950", "1.2k", "34M"]);
        assert_eq!([0.0, 0.013, 0.5, 1.0].map(percent), ["0 %", "1.3 %", "50 %", "100 %"]);
        assert_eq!([0.0, 0.000_01, 0.0123, 3.5, 12_000.0].map(money), ["–", "< $0.0001", "$0.0123", "$3.50", "$12k"]);
    }

    #[test]
    fn a_session_id_of_any_characters_is_one_segment() {
        assert_eq!(encode("ses_3MO-x.~"), "ses_3MO-x.~");
        assert_eq!(encode("../ü?#%\""), "..%2F%C3%BC%3F%23%25%22");
    }

    #[test]
    fn markup_and_reordering_in_text_are_inert() {
        let text = outside("<script>alert(1)</script>\u{202e}", 99).into_string();
        assert_eq!(text, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}</bdi>");
    }

    #[test]
    fn a_failure_never_reads_ok() {
        assert!(status(Some("ok"), true).into_string().contains("failed"));
        assert!(status(None, true).into_string().contains("failed"));
        assert!(status(Some("deadline_exceeded"), true).into_string().contains("deadline exceeded"));
        assert!(status(None, false).into_string().contains("ok"));
    }
}
