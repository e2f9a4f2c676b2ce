//! Lines meant for a terminal, whose colours must not hide a secret: `password=ESC[0mhunter2`.
//! Source: ECMA-48, §5.3 to §5.6 (control functions, control sequences, control strings).

use std::{borrow::Cow, str::Chars};

use super::redact_text;

const ESCAPE: char = '\u{1b}';
/// Stands where something was taken out from between two parts of a word: it parts keys and joins values.
const SEAM: char = '\u{2060}';

/// `line` without any secret. When it holds escape sequences or control characters besides tabs, they are taken out: a
/// terminal does not show them, so neither the scan nor a reader may stumble on them.
#[must_use]
pub fn redact_terminal_line(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_hidden) {
        return redact_text(line);
    }
    // A sequence may part two words (`ERROR` in red, then `password=`) or stand within one, so the line is read both ways.
    let parted = redact_text(&without_hidden(line)).into_owned();
    let joined = parted.replace(SEAM, "");
    Cow::Owned(redact_text(&joined).into_owned())
}

/// `line` with what a terminal hides taken out, and a seam where that would glue letters or digits together.
fn without_hidden(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut characters = line.chars();
    let mut hid = false;
    while let Some(character) = characters.next() {
        if is_hidden(character) {
            skip_sequence(character, &mut characters);
            hid = true;
            continue;
        }
        if std::mem::take(&mut hid)
            && character.is_ascii_alphanumeric()
            && clean.ends_with(|last: char| last.is_ascii_alphanumeric())
        {
            clean.push(SEAM);
        }
        clean.push(character);
    }
    clean
}

fn is_hidden(character: char) -> bool {
    character.is_control() && character != '\t' || character == SEAM
}

/// Passes over the rest of the escape sequence that `first` begins, if it begins one.
fn skip_sequence(first: char, rest: &mut Chars<'_>) {
    let introducer = match first {
        ESCAPE => {
            let mut ahead = rest.clone();
            let Some(introducer @ ' '..='~') = ahead.next() else { return };
            *rest = ahead;
            introducer
        }
        // The introducers as one character, U+0080 to U+009F.
        '\u{90}' => 'P',
        '\u{98}' => 'X',
        '\u{9b}' => '[',
        '\u{9d}' => ']',
        '\u{9e}' => '^',
        '\u{9f}' => '_',
        _ => return,
    };
    match introducer {
        // Parameters and intermediates, then one final character. What is neither is none of the sequence's.
        '[' => {
            skip_while(rest, |character| matches!(character, ' '..='?'));
            skip_one(rest, |character| matches!(character, '@'..='~'));
        }
        // A string up to BEL or ST. One without an end is shown, so that it hides no secret.
        'P' | 'X' | ']' | '^' | '_' => {
            let mut ahead = rest.clone();
            while let Some(character) = ahead.next() {
                let is_end = matches!(character, '\u{7}' | '\u{9c}')
                    || character == ESCAPE && ahead.clone().next() == Some('\\');
                if is_end {
                    if character == ESCAPE {
                        ahead.next();
                    }
                    *rest = ahead;
                    return;
                }
            }
        }
        // Intermediates, then one final character: `ESC ( B`.
        ' '..='/' => {
            skip_while(rest, |character| matches!(character, ' '..='/'));
            skip_one(rest, |character| matches!(character, '0'..='~'));
        }
        _ => {}
    }
}

fn skip_while(rest: &mut Chars<'_>, belongs: impl Fn(char) -> bool) {
    let skipped = rest.as_str().trim_start_matches(belongs);
    *rest = skipped.chars();
}

fn skip_one(rest: &mut Chars<'_>, belongs: impl Fn(char) -> bool) {
    let mut ahead = rest.clone();
    if ahead.next().is_some_and(belongs) {
        *rest = ahead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_hide_no_secret() {
        for (line, expected) in [
            ("\u{1b}[32mpassword=\u{1b}[0mhunter3secret", "password=[Filtered]"),
            ("\u{1b}[1;31mERROR\u{1b}[0mpassword=hunter3secret", "ERRORpassword=[Filtered]"),
            ("password\u{1b}[2m:\u{1b}[22m \u{1b}[36mhunter3secret", "password: [Filtered]"),
            ("password=hunter\u{1b}[7m3\u{1b}[27msecret", "password=[Filtered]"),
            ("pass\u{1b}[7mword\u{1b}[27m=hunter3secret", "password=[Filtered]"),
            ("password=\u{9b}0mhunter3secret", "password=[Filtered]"),
            ("ghp_CANARY\u{1b}[K0123456789", "[Filtered]"),
            ("\u{1b}]8;;https://a\u{1b}\\token=\u{1b}]8;;\u{7}abc123def", "token=[Filtered]"),
            ("\u{1b}]0;password=hunter3secret", "0;password=[Filtered]"),
            ("\u{1b}(Bpassword\0=\u{8}hunter3secret", "password=[Filtered]"),
            ("password:\thunter2secret", "password:\t[Filtered]"),
        ] {
            assert_eq!(redact_terminal_line(line), expected, "{line:?}");
        }
    }

    #[test]
    fn clean_lines_lose_only_what_a_terminal_hides() {
        let plain = "Server\tready on stdio: žluťoučký 🐈";
        assert!(matches!(redact_terminal_line(plain), Cow::Borrowed(_)));
        assert_eq!(
            redact_terminal_line("\u{1b}[33mWARN\u{1b}[0m deprecated: use --new\u{1b}"),
            "WARN deprecated: use --new"
        );
        assert_eq!(redact_terminal_line("50\u{1b}[0m% \u{1b}[done"), "50% one");
    }
}
