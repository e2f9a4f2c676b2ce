//! Patterns with wildcards, and where in a text they match: in time linear in the text's length, whatever the text is.

/// One character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// This one, ASCII letters in either case.
    Literal(char),
    /// `#`: an ASCII digit.
    Digit,
    /// `?`: any that is no white space.
    Any,
}

impl Element {
    const fn matches(self, character: char) -> bool {
        match self {
            Self::Literal(literal) => literal.eq_ignore_ascii_case(&character),
            Self::Digit => character.is_ascii_digit(),
            Self::Any => !character.is_whitespace(),
        }
    }
}

/// A pattern, cut at its `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands between the `*`; none is empty.
    parts: Vec<Vec<Element>>,
    starts_open: bool,
    ends_open: bool,
}

/// Why a pattern can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A `\` with nothing behind it.
    LoneEscape,
    /// Nothing but wildcards: it would match everything.
    NoLiteral,
}

impl Pattern {
    /// Reads `*`, `?`, `#`, `\` before any character that is meant literally, and everything else as itself.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = vec![Vec::new()];
        let mut stars = 0;
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let element = match character {
                '*' => {
                    stars += 1;
                    parts.push(Vec::new());
                    continue;
                }
                '?' => Element::Any,
                '#' => Element::Digit,
                '\\' => Element::Literal(characters.next().ok_or(Fault::LoneEscape)?),
                literal => Element::Literal(literal),
            };
            if let Some(part) = parts.last_mut() {
                part.push(element);
            }
        }
        let starts_open = stars > 0 && parts.first().is_some_and(Vec::is_empty);
        let ends_open = stars > 0 && parts.last().is_some_and(Vec::is_empty);
        parts.retain(|part| !part.is_empty());
        if parts.iter().flatten().all(|element| *element == Element::Any) {
            return Err(Fault::NoLiteral);
        }
        Ok(Self { parts, starts_open, ends_open })
    }

    /// Whether the whole of `text` matches; `*` is any characters.
    pub(super) fn matches_whole(&self, text: &str) -> bool {
        let Some((last, before)) = self.parts.split_last() else { return false };
        let mut at = 0;
        for (index, part) in before.iter().enumerate() {
            let found =
                if index == 0 && !self.starts_open { here(part, text, 0) } else { ahead(part, text, at, |_| true) };
            match found {
                Some(end) => at = end,
                None => return false,
            }
        }
        let anchored = before.is_empty() && !self.starts_open;
        match (anchored, self.ends_open) {
            (true, true) => here(last, text, 0).is_some(),
            (true, false) => here(last, text, 0) == Some(text.len()),
            (false, true) => ahead(last, text, at, |_| true).is_some(),
            (false, false) => {
                // The last characters of the text, as many as the part has.
                let start = text.char_indices().rev().nth(last.len() - 1).map(|(start, _)| start);
                start.is_some_and(|start| start >= at && here(last, text, start).is_some())
            }
        }
    }

    /// Adds the spans of `text` that match, from left to right; `*` is any characters but white space.
    ///
    /// Of each part the first place that fits is taken. As a `*` ends at the white space, one start that leads nowhere tells of
    /// all others before it: nothing is looked through twice.
    pub(super) fn find_all(&self, text: &str, spans: &mut Vec<(usize, usize)>) {
        let Some((first, rest)) = self.parts.split_first() else { return };
        let (mut at, mut dead_until) = (0, 0);
        while let Some(start) = candidate(first[0], text, at) {
            let next = start + text[start..].chars().next().map_or(1, char::len_utf8);
            let Some(head) = here(first, text, start).filter(|head| rest.is_empty() || *head > dead_until) else {
                // Where the word goes on, the matches of before are no match's business.
                at = next;
                continue;
            };
            let Some(mut end) = rest.iter().try_fold(head, |end, part| ahead(part, text, end, is_ink)) else {
                dead_until = word_end(text, head);
                at = next;
                continue;
            };
            if self.ends_open {
                end = word_end(text, end);
            }
            let floor = spans.last().map_or(0, |(_, end)| *end).min(start);
            let begin = if self.starts_open { word_start(text, floor, start) } else { start };
            spans.push((begin, end));
            at = end;
        }
    }
}

fn is_ink(character: char) -> bool {
    !character.is_whitespace()
}

/// The first place from `at` on that begins with `element`.
fn candidate(element: Element, text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let found = match element {
        Element::Literal(literal) if literal.is_ascii() => {
            let byte = literal as u8;
            memchr::memchr2(byte.to_ascii_lowercase(), byte.to_ascii_uppercase(), rest.as_bytes())
        }
        _ => rest.find(|character| element.matches(character)),
    };
    found.map(|offset| at + offset)
}

/// Where `part` ends if it stands at `at`.
fn here(part: &[Element], text: &str, at: usize) -> Option<usize> {
    let mut characters = text.get(at..)?.chars();
    let fits = part.iter().all(|element| characters.next().is_some_and(|character| element.matches(character)));
    fits.then(|| text.len() - characters.as_str().len())
}

/// Where `part` ends at its first place from `at` on, behind characters that may be passed.
fn ahead(part: &[Element], text: &str, at: usize, may_pass: impl Fn(char) -> bool) -> Option<usize> {
    for (offset, character) in text.get(at..)?.char_indices() {
        if let Some(end) = here(part, text, at + offset) {
            return Some(end);
        }
        if !may_pass(character) {
            return None;
        }
    }
    None
}

fn word_end(text: &str, at: usize) -> usize {
    text[at..].find(char::is_whitespace).map_or(text.len(), |offset| at + offset)
}

/// The start of the word that `at` stands in, not before `floor`.
fn word_start(text: &str, floor: usize, at: usize) -> usize {
    let before = &text[floor..at];
    let space = before.char_indices().rev().find(|(_, character)| character.is_whitespace());
    space.map_or(floor, |(offset, character)| floor + offset + character.len_utf8())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
        let mut spans = Vec::new();
        Pattern::parse(pattern).unwrap().find_all(text, &mut spans);
        spans.into_iter().map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn literals_and_wildcards_match_anywhere_in_a_text() {
        assert_eq!(found("Ada Lovelace", "by ada lovelace, Ada LOVELACE"), ["ada lovelace", "Ada LOVELACE"]);
        assert_eq!(found("###-##-####", "ssn 123-45-6789 and 12-34"), ["123-45-6789"]);
        assert_eq!(found("*@acme.com", "to bob@acme.com or <eve@acme.com>"), ["bob@acme.com", "<eve@acme.com"]);
        assert_eq!(found("CUST-*", "a cust-17, then CUST-x"), ["cust-17,", "CUST-x"]);
        assert_eq!(found("a*b c*d", "axb cyd; a b c d; azb c d"), ["axb cyd"]);
        assert_eq!(found("é?", "cafés é"), ["és"]);
        assert_eq!(found(r"\*\#\\", r"*#\ **"), [r"*#\"]);
        assert_eq!(found("a*b", "a a b ab"), ["ab"]);
        assert_eq!(found("aa*b", "aab aaaab aaa"), ["aab", "aaaab"]);
    }

    #[test]
    fn what_would_match_everything_is_no_pattern() {
        for pattern in ["", "*", "??", "*?*"] {
            assert_eq!(Pattern::parse(pattern), Err(Fault::NoLiteral), "{pattern}");
        }
        assert_eq!(Pattern::parse(r"a\"), Err(Fault::LoneEscape));
    }

    #[test]
    fn a_key_matches_as_a_whole() {
        for (pattern, key, expected) in [
            ("ssn", "SSN", true),
            ("ssn", "ssn2", false),
            ("customer_*", "customer_name", true),
            ("*_name", "customer_name", true),
            ("*_name", "customer_names", false),
            ("c*m*e", "customer name", true),
            ("ab*ba", "aba", false),
            ("*x*", "axb", true),
            ("*é", "é", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches_whole(key), expected, "{pattern} {key}");
        }
    }

    /// Whether `elements` (with `None` for `*`) match all of `text`, by trying everything.
    fn matches_naively(pattern: &str, text: &str) -> bool {
        let Some(first) = pattern.chars().next() else { return text.is_empty() };
        let (rest, next) = (&pattern[first.len_utf8()..], text.chars().next());
        let after = |character: char| &text[character.len_utf8()..];
        match first {
            '*' => {
                matches_naively(rest, text)
                    || next.is_some_and(|next| !next.is_whitespace() && matches_naively(pattern, after(next)))
            }
            '?' => next.is_some_and(|next| !next.is_whitespace() && matches_naively(rest, after(next))),
            literal => next == Some(literal) && matches_naively(rest, after(literal)),
        }
    }

    proptest! {
        #[test]
        fn something_is_found_exactly_where_something_matches(pattern in "[ab*? ]{1,6}", text in "[ab ]{0,14}") {
            prop_assume!(Pattern::parse(&pattern).is_ok());
            let spans = found(&pattern, &text);
            let matches = (0..=text.len())
                .any(|start| (start..=text.len()).any(|end| matches_naively(&pattern, &text[start..end])));
            prop_assert_eq!(!spans.is_empty(), matches);
            for span in spans {
                // What is found of an open start may be the rest of a word that was found before.
                prop_assert!(matches_naively(&pattern, span), "{:?} {:?}", pattern, span);
            }
        }
    }
}
