//! Messages without what changes from one failure to the next, for grouping: numbers, ids, URLs, paths, e-mail addresses
//! and quoted texts give way to a placeholder. Two messages that differ only in those are one issue.

use super::limit::cut;

/// Longest template, in bytes: what follows adds cardinality, not meaning.
const MAX_LENGTH: usize = 200;
/// Most digits of a number, in bytes with its signs; more are an id.
const MAX_NUMBER: usize = 20;
/// Longest part of a line that is looked at, in characters.
const MAX_LINE: usize = 2048;

/// The template of a message: of its first line that is not empty.
pub(super) fn template(message: &str) -> String {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = cut(line, MAX_LINE);
    let mut template = String::with_capacity(line.len().min(MAX_LENGTH));
    let mut rest = &*line;
    while !rest.is_empty() && template.len() < MAX_LENGTH {
        rest = &rest[push_piece(&mut template, rest)..];
    }
    while template.len() > MAX_LENGTH {
        template.pop();
    }
    template.trim_end().to_owned()
}

/// Appends what stands for the first space, sign, quoted text, URL or word of `rest`, and returns its length.
fn push_piece(template: &mut String, rest: &str) -> usize {
    let word = rest.split(|character: char| character.is_whitespace() || ends_word(character)).next().unwrap_or(rest);
    if let Some(length) = quoted_length(rest, template.chars().last()) {
        template.push_str("<text>");
        length
    } else if let Some(length) = url_length(rest) {
        template.push_str("<url>");
        length
    } else if !word.is_empty() {
        push_word(template, word);
        word.len()
    } else {
        let sign = rest.chars().next().unwrap_or(' ');
        match sign.is_whitespace() {
            true if template.ends_with(' ') => {}
            true => template.push(' '),
            false => template.push(sign),
        }
        sign.len_utf8()
    }
}

/// The length of the URL that `rest` begins with; the punctuation behind it is none of it.
fn url_length(rest: &str) -> Option<usize> {
    let ends_url = |character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | '|')
    };
    let url = rest.split(ends_url).next()?.trim_end_matches(['.', ',', ':', ';', '!', '?']);
    let (scheme, _) = url.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some(url.len())
}

/// Signs that stand between words and not in URLs, paths or ids.
const fn ends_word(character: char) -> bool {
    matches!(character, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '"' | '\'' | '`' | '|' | '=')
}

/// The length of the quoted text that `rest` begins with. An apostrophe quotes only at the beginning of a word and before
/// the end of one: `can't` is no quote.
fn quoted_length(rest: &str, before: Option<char>) -> Option<usize> {
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
    if quote == '\'' && before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let mut inner = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = inner.next() {
        let mut closes_word = || inner.peek().is_none_or(|(_, next)| !next.is_alphanumeric());
        match character {
            '\\' => {
                inner.next();
            }
            _ if character == quote && (quote != '\'' || closes_word()) => return Some(at + quote.len_utf8()),
            _ => {}
        }
    }
    None
}

fn push_word(template: &mut String, word: &str) {
    let core = word.trim_end_matches(['.', ':', '!', '?']);
    let end = &word[core.len()..];
    let placeholder = match core {
        _ if core.contains('@') && core.contains('.') => "<email>",
        _ if is_path(core) => "<path>",
        _ if is_number(core) => "<number>",
        _ if is_id(core) => "<id>",
        _ => {
            push_without_digits(template, core);
            template.push_str(end);
            return;
        }
    };
    template.push_str(placeholder);
    template.push_str(end);
}

fn is_path(word: &str) -> bool {
    let is_windows = word.get(1..3) == Some(":\\") || word.starts_with("\\\\");
    let is_unix = word.starts_with('/') || word.starts_with("./") || word.starts_with("~/") || word.starts_with("../");
    is_windows || is_unix && word.len() > 1
}

/// Digits with signs, separators and a short unit: `-32602`, `3.5`, `12:30:05`, `250ms`.
fn is_number(word: &str) -> bool {
    let unit_at = word.rfind(|character: char| character.is_ascii_digit()).map_or(0, |last| last + 1);
    let (digits, unit) = word.split_at(unit_at);
    let is_unit = unit.len() <= 3 && unit.chars().all(|character| character.is_alphabetic() || character == '%');
    !digits.is_empty()
        && digits.len() <= MAX_NUMBER
        && is_unit
        && digits
            .chars()
            .all(|character| character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | ':' | '_' | 'e' | '/'))
}

/// A UUID, a hash, a KSUID: eight or more letters and digits with at least two digits among them, and no numbered name.
fn is_id(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_id_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    word.len() >= 8 && digits >= 2 && word.bytes().all(is_id_byte) && !is_numbered_name(word)
}

/// A name with a number behind it, `item-100` or `worker12`: it is the same with whatever number, so how many digits that has must not
/// decide what the word is. A name of hexadecimal letters alone may be the beginning of a hash.
fn is_numbered_name(word: &str) -> bool {
    let name = word.trim_end_matches(|character: char| character.is_ascii_digit());
    let is_hash = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    !is_hash && word.len() - name.len() <= MAX_NUMBER && !name.bytes().any(|byte| byte.is_ascii_digit())
}

/// The word with each run of digits replaced: `E42` and `E43` are one failure, and so are `item-1` and `item-2`.
fn push_without_digits(template: &mut String, word: &str) {
    let mut in_digits = false;
    for character in word.chars() {
        let is_digit = character.is_ascii_digit();
        match (is_digit, in_digits) {
            (true, false) => template.push('0'),
            (true, true) => {}
            (false, _) => template.push(character),
        }
        in_digits = is_digit;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_changes_from_failure_to_failure_is_replaced() {
        for (message, expected) in [
            ("", ""),
            ("first: backend offline second: try later", "first: backend offline second: try later"),
            ("MCP error -32602: Tool does_not_exist not found", "MCP error <number>: Tool does_not_exist not found"),
            ("boom E42 for ada@example.com", "boom E0 for <email>"),
            ("timeout after 250ms (attempt 3 of 5)", "timeout after <number> (attempt <number> of <number>)"),
            ("can't open '/tmp/a b' or \"x\\\"y\": no", "can't open <text> or <text>: no"),
            ("GET https://api.example/v1/items/7?q=1 failed: 404", "GET <url> failed: <number>"),
            ("ENOENT: no such file, open /srv/data/7.json.", "ENOENT: no such file, open <path>."),
            ("user 11111111-2222-4333-8444-555555555555 is gone", "user <id> is gone"),
            ("\n  1 validation error for echoArguments\ntext\n  Input", "<number> validation error for echoArguments"),
            ("a   b\tc", "a b c"),
            ("item-9 and item-100, worker9 and worker12", "item-0 and item-0, worker0 and worker0"),
            ("deadbeef12 and call_2Xa8Qw1z and req-1a2b3c4d", "<id> and <id> and <id>"),
        ] {
            assert_eq!(template(message), expected, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn templates_are_short_and_of_one_line(message in "\\PC{0,600}") {
            let template = template(&message);
            prop_assert!(template.len() <= MAX_LENGTH && !template.contains('\n'));
        }

        #[test]
        fn numbers_and_ids_never_split_an_issue(
            a in prop_oneof![0_u32..200, 0_u32..999_999],
            b in prop_oneof![0_u32..200, 0_u32..999_999],
            id_a: [u8; 16],
            id_b: [u8; 16],
        ) {
            let hex = |id: [u8; 16]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            prop_assume!(hex(id_a).bytes().filter(u8::is_ascii_digit).count() > 1 && hex(id_b).bytes().filter(u8::is_ascii_digit).count() > 1);
            let message = |number: u32, id: [u8; 16]| format!("row {number} of job {} failed at item-{number} of worker{number}", hex(id));
            prop_assert_eq!(template(&message(a, id_a)), template(&message(b, id_b)));
        }
    }
}
