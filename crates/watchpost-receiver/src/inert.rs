//! Makes text from outside inert: clipped to a length, with control, bidirectional and invisible characters written out.
//! Terminals and pages show what arrives here, and tool output is hostile (Unicode TR36, "Trojan Source").

use std::borrow::Cow;
use std::fmt::Write as _;

/// What becomes of line breaks and tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// Written out, for terminals: a forged line is seen to be none.
    Escaped,
    /// A space, for titles on pages.
    Spaced,
    /// Kept, where a page shows several lines.
    Kept,
}

/// `text` on one line, at most `max_chars` characters (an ellipsis marks a cut), nothing in it able to move the cursor,
/// reorder the line or hide.
pub(crate) fn visible(text: &str, max_chars: usize) -> Cow<'_, str> {
    visible_with(text, max_chars, Breaks::Escaped)
}

/// [`visible`], with a choice for line breaks.
pub(crate) fn visible_with(text: &str, max_chars: usize, breaks: Breaks) -> Cow<'_, str> {
    let cut = text.char_indices().nth(max_chars).map(|(at, _)| at);
    if cut.is_none() && !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let kept = cut.and_then(|at| text.get(..at)).unwrap_or(text);
    let mut out = String::with_capacity(kept.len() + 8);
    for char in kept.chars() {
        match (char, breaks) {
            ('\n' | '\t', Breaks::Kept) => out.push(char),
            ('\n' | '\t' | '\r', Breaks::Spaced) => out.push(' '),
            ('\n', _) => out.push_str("\\n"),
            ('\r', _) => out.push_str("\\r"),
            ('\t', _) => out.push_str("\\t"),
            (active, _) if is_active(active) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(active));
            }
            (plain, _) => out.push(plain),
        }
    }
    if cut.is_some() {
        out.push('…');
    }
    Cow::Owned(out)
}

/// `text` cut to at most `max_chars` characters, otherwise as it came: for what is stored and searched.
pub(crate) fn clip(text: &str, max_chars: usize) -> &str {
    match text.char_indices().nth(max_chars) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

/// Whether a character acts on the text around it instead of being seen. The zero-width joiners stay: emoji and several
/// scripts need them.
fn is_active(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Breaks, clip, is_active, visible, visible_with};

    #[test]
    fn escape_sequences_and_reordering_are_written_out() {
        assert_eq!(visible("a\x1b[31mb\u{202e}c\n", 99), "a\\u{1b}[31mb\\u{202e}c\\n");
    }

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        let text = "žluťoučký 🐈‍⬛ قطة";
        assert!(matches!(visible(text, 99), std::borrow::Cow::Borrowed(kept) if kept == text));
    }

    #[test]
    fn line_breaks_become_what_their_place_needs() {
        assert_eq!(visible("a\r\n\tb", 99), "a\\r\\n\\tb");
        assert_eq!(visible_with("a\n\tb", 99, Breaks::Spaced), "a  b");
        assert_eq!(visible_with("a\n\tb\u{202e}", 99, Breaks::Kept), "a\n\tb\\u{202e}");
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(visible("abcdef", 3), "abc…");
        assert_eq!(visible("abc", 3), "abc");
        assert_eq!(clip("žluť", 2), "žl");
    }

    proptest! {
        #[test]
        fn nothing_active_survives(text in ".*") {
            prop_assert!(!visible(&text, 50).chars().any(is_active));
        }
    }
}
