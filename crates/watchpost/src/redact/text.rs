//! The scan over a text: one pass from one telling byte to the next, asking only the rules that such a byte can begin.
//! Hot path: it runs over every string of every event, at about 0.3 ns a byte; measured by `examples/export_cost.rs`.

use std::{borrow::Cow, ops::Range};

use super::{MARKER, key::follows_whole_key, pair, run::Runs, telling::TellingBytes, token, url};

/// Passes over a text that held a secret until it must be clean; each pass ends more words.
const MAX_REPEATS: usize = 8;

/// A secret: where it stands, and the quotes the marker needs to take its place in JSON.
pub(super) struct Finding<'a> {
    pub(super) range: Range<usize>,
    pub(super) quote: &'a str,
}

impl From<Range<usize>> for Finding<'_> {
    fn from(range: Range<usize>) -> Self {
        Self { range, quote: "" }
    }
}

/// `text` with every secret replaced by [`MARKER`]; borrowed when there is none.
///
/// Running it again changes nothing.
#[must_use]
pub fn redact_text(text: &str) -> Cow<'_, str> {
    match TellingBytes::first_of(text) {
        Some((at, telling)) => redact_from(text, at, telling),
        None => Cow::Borrowed(text),
    }
}

/// `text` without its secrets, of which the first one may begin at `at`. Apart, so that a clean text costs nothing of this.
#[inline(never)]
fn redact_from<'a>(text: &'a str, at: usize, telling: TellingBytes<'a>) -> Cow<'a, str> {
    let mut findings = Findings::from(text, at, telling);
    let Some(first) = findings.next() else { return Cow::Borrowed(text) };
    let mut clean = replace(text, first, findings);
    // A marker ends the word it stands in, which can bring out a key glued to a secret: `AKIA…password=…`.
    for _ in 0..MAX_REPEATS {
        let Some(mut findings) = Findings::of(&clean) else { break };
        let Some(first) = findings.next() else { break };
        clean = replace(&clean, first, findings);
    }
    Cow::Owned(clean)
}

/// One pass.
fn replace<'a>(text: &'a str, first: Finding<'a>, others: Findings<'a>) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    let mut current = first;
    for finding in others {
        // A secret may begin inside another (`token=Bearer …`, `secret=-----BEGIN …`): both go, to the later end.
        if finding.range.start <= current.range.end {
            current.range.start = current.range.start.min(finding.range.start);
            current.range.end = current.range.end.max(finding.range.end);
        } else {
            copied = mark(text, copied, &current, &mut clean);
            current = finding;
        }
    }
    copied = mark(text, copied, &current, &mut clean);
    clean.push_str(text.get(copied..).unwrap_or_default());
    clean
}

fn mark(text: &str, copied: usize, finding: &Finding<'_>, clean: &mut String) -> usize {
    clean.push_str(text.get(copied..finding.range.start).unwrap_or_default());
    clean.push_str(finding.quote);
    clean.push_str(MARKER);
    clean.push_str(finding.quote);
    finding.range.end
}

/// Whether `text` holds a secret.
pub(super) fn holds_secret(text: &str) -> bool {
    Findings::of(text).is_some_and(|mut findings| findings.next().is_some())
}

/// What one pass over the text of a JSON value tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) holds_secret: bool,
    /// Whether one of the keys stands in it that are secrets as a whole; not known when it holds another secret.
    pub(super) has_whole_key: bool,
}

/// Looks through the text of a JSON value.
pub(super) fn scan_json(text: &str) -> Scan {
    let Some(mut findings) = Findings::of(text) else { return Scan::default() };
    Scan { holds_secret: findings.next().is_some(), has_whole_key: findings.has_whole_key }
}

/// The same of a text whose telling bytes before `from` are known. Each telling byte is told to `tell` before it is judged.
pub(super) fn scan_json_from(text: &str, from: usize, known: &[usize], mut tell: impl FnMut(usize)) -> Scan {
    let mut telling = known.iter().copied().chain(TellingBytes::from(text, from));
    let Some(first) = telling.next() else { return Scan::default() };
    let mut findings = Findings::from(text, first, TellingBytes::default());
    let holds_secret = std::iter::once(first).chain(telling).any(|at| {
        tell(at);
        findings.judge(at).is_some()
    });
    Scan { holds_secret, has_whole_key: findings.has_whole_key }
}

/// All findings of a text, in the order of their telling bytes; they may overlap.
struct Findings<'a> {
    text: &'a str,
    telling: TellingBytes<'a>,
    /// The first telling byte, until it is judged.
    first: Option<usize>,
    runs: Runs,
    has_whole_key: bool,
}

impl<'a> Findings<'a> {
    /// `None` when nothing in the text can begin a secret, as in most texts.
    #[inline]
    fn of(text: &'a str) -> Option<Self> {
        let (at, telling) = TellingBytes::first_of(text)?;
        Some(Self::from(text, at, telling))
    }

    fn from(text: &'a str, first: usize, telling: TellingBytes<'a>) -> Self {
        Self { text, telling, first: Some(first), runs: Runs::default(), has_whole_key: false }
    }
}

impl<'a> Iterator for Findings<'a> {
    type Item = Finding<'a>;

    fn next(&mut self) -> Option<Finding<'a>> {
        while let Some(at) = self.first.take().or_else(|| self.telling.next()) {
            let finding = self.judge(at);
            if finding.is_some() {
                return finding;
            }
        }
        None
    }
}

impl<'a> Findings<'a> {
    /// What the rules find that the byte at `at` can begin.
    fn judge(&mut self, at: usize) -> Option<Finding<'a>> {
        let Self { text, runs, has_whole_key, .. } = self;
        let bytes = text.as_bytes();
        match bytes[at] {
            b':' => {
                *has_whole_key |= follows_whole_key(bytes, at);
                url::user_information(text, at).map(Finding::from).or_else(|| pair::value(text, at, runs))
            }
            b'=' => pair::value(text, at, runs),
            b'-' => token::vendor_token(bytes, at, runs)
                .or_else(|| token::private_key(text, at, runs))
                .or_else(|| pair::flag_value(text, at, runs))
                .map(Finding::from),
            b'_' | b'.' | b'I' => token::vendor_token(bytes, at, runs).map(Finding::from),
            b'J' => token::json_web_token(bytes, at, runs).map(Finding::from),
            // `Bearer`, `Basic`
            _ => token::scheme_credential(bytes, at).map(Finding::from),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{super::telling::SHORTEST, *};

    /// What the rules say of every byte that one of them can begin at, and whether a whole key stands anywhere.
    fn judge_all(text: &str) -> (Vec<(Range<usize>, &str)>, bool) {
        let telling = TellingBytes::default();
        let mut all = Findings { text, telling, first: None, runs: Runs::default(), has_whole_key: false };
        let telling = (0..text.len()).filter(|at| b":=-_.IJbB".contains(&text.as_bytes()[*at]));
        let findings: Vec<_> = telling.filter_map(|at| all.judge(at)).collect();
        (findings.into_iter().map(|Finding { range, quote }| (range, quote)).collect(), all.has_whole_key)
    }

    /// Any text that may hold secrets.
    pub(in super::super) fn text() -> impl Strategy<Value = String> {
        #[rustfmt::skip]
        let pieces = [
            "password", "pwd", "token", "key", "api", "refresh", "ssn", "sid", "role", "contentType", "toolName", "sig", "auth", "as", "ke",
            "n", "x", "9", ":", ":", ":", "=", "\"", "\"", "\":", "{\"", "\\\"", "\\", "'", " ", "]", "/", "//", "\\/", "-", "--", "-----BEGIN PRIVATE KEY",
            "_", ".", "sk-", "ghp_", "secret_", "get_", "hf_", "SG.", "eyJ", "AKIA", "AIza", "I", "b", "Bearer ", "basic ", "\n", "\\n",
            "dXNlcjpwYXNz", "a1B2c3D4e5", "0123456789ABCDEF", "ž", "🐈", "\0",
        ];
        prop_oneof![
            4 => prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat()),
            1 => ".{0,40}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn the_scan_passes_over_nothing_that_a_rule_would_find(text in text().prop_filter("too short", |text| text.len() >= SHORTEST)) {
            let (expected, has_whole_key) = judge_all(&text);
            let mut findings = Findings::of(&text);
            let found: Vec<_> =
                findings.iter_mut().flatten().map(|Finding { range, quote }| (range, quote)).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(findings.is_some_and(|findings| findings.has_whole_key), has_whole_key);
        }
    }
}
