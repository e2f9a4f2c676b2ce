//! Secrets that show themselves by their own shape: vendor tokens, JSON web tokens, private keys and authorization
//! schemes. Source: the vendors' published token formats; a prefix stands here when a leak of it is worth a rule.

use std::ops::Range;

use super::run::{Run, Runs};

/// Which bytes a token's body is made of.
#[derive(Clone, Copy)]
enum Body {
    /// Letters and digits.
    Alnum,
    /// Letters, digits, `-` and `_`.
    Dashed,
    /// Letters, digits, `-`, `_` and `.`.
    Dotted,
    /// Letters, digits, `-` and `_`, at least one of them a digit or capital letter unless the body has 16 bytes.
    Mixed,
    /// Capital letters and digits.
    Upper,
}

/// A vendor's prefix: its text, how many bytes must follow, of which kind, and whether the prefix must begin a word
/// (short ones do: `task-1` is not `sk-1`).
struct Prefix(&'static str, usize, Body, bool);

/// Prefixes that end with `-`.
#[rustfmt::skip]
pub(super) static DASH: Prefixes = Prefixes::of(&[
    Prefix("sk-",             6,  Body::Mixed,  true),   // OpenAI, Anthropic, OpenRouter, Stripe-like
    Prefix("xoxb-",           8,  Body::Dashed, false),  // Slack: bot
    Prefix("xoxp-",           8,  Body::Dashed, false),  // Slack: user
    Prefix("xoxa-",           8,  Body::Dashed, false),  // Slack: app
    Prefix("xoxr-",           8,  Body::Dashed, false),  // Slack: refresh
    Prefix("xoxs-",           8,  Body::Dashed, false),  // Slack: session
    Prefix("xoxe-",           8,  Body::Dashed, false),  // Slack: export
    Prefix("xapp-",           8,  Body::Dashed, false),  // Slack: app level
    Prefix("glpat-",          8,  Body::Dashed, false),  // GitLab: personal
    Prefix("gldt-",           8,  Body::Dashed, false),  // GitLab: deploy
    Prefix("glptt-",          8,  Body::Dashed, false),  // GitLab: pipeline trigger
    Prefix("glrt-",           8,  Body::Dashed, false),  // GitLab: runner
    Prefix("pypi-",           30, Body::Dashed, false),  // PyPI
    Prefix("xai-",            16, Body::Dashed, true),   // xAI
    Prefix("nvapi-",          16, Body::Dashed, true),   // NVIDIA
    Prefix("pplx-",           16, Body::Alnum,  true),   // Perplexity
    Prefix("tskey-",          8,  Body::Dashed, true),   // Tailscale
    Prefix("GOCSPX-",         12, Body::Dashed, false),  // Google OAuth client secret
    Prefix("sq0atp-",         12, Body::Dashed, false),  // Square
    Prefix("sq0csp-",         12, Body::Dashed, false),  // Square
    Prefix("AGE-SECRET-KEY-", 20, Body::Upper,  false),  // age
]);

/// Prefixes that end with `_`.
#[rustfmt::skip]
pub(super) static UNDERSCORE: Prefixes = Prefixes::of(&[
    Prefix("ghp_",        10, Body::Alnum,  false),  // GitHub: personal
    Prefix("gho_",        10, Body::Alnum,  false),  // GitHub: OAuth
    Prefix("ghu_",        10, Body::Alnum,  false),  // GitHub: user to server
    Prefix("ghs_",        10, Body::Alnum,  false),  // GitHub: server to server
    Prefix("ghr_",        10, Body::Alnum,  false),  // GitHub: refresh
    Prefix("github_pat_", 10, Body::Dashed, false),  // GitHub: fine-grained
    Prefix("npm_",        30, Body::Alnum,  false),  // npm (npm_config_… is none)
    Prefix("sk_live_",    8,  Body::Dashed, false),  // Stripe
    Prefix("sk_test_",    8,  Body::Dashed, false),  // Stripe
    Prefix("rk_live_",    8,  Body::Dashed, false),  // Stripe: restricted
    Prefix("rk_test_",    8,  Body::Dashed, false),  // Stripe: restricted
    Prefix("whsec_",      16, Body::Dashed, false),  // Stripe, Svix: webhook
    Prefix("hf_",         24, Body::Alnum,  true),   // Hugging Face
    Prefix("gsk_",        24, Body::Alnum,  true),   // Groq
    Prefix("r8_",         24, Body::Alnum,  true),   // Replicate
    Prefix("ntn_",        24, Body::Alnum,  true),   // Notion
    Prefix("secret_",     32, Body::Alnum,  true),   // Notion, older
    Prefix("lin_api_",    16, Body::Alnum,  false),  // Linear
    Prefix("shpat_",      16, Body::Alnum,  false),  // Shopify
    Prefix("shpss_",      16, Body::Alnum,  false),  // Shopify
    Prefix("shpca_",      16, Body::Alnum,  false),  // Shopify
    Prefix("dop_v1_",     16, Body::Alnum,  false),  // DigitalOcean
    Prefix("doo_v1_",     16, Body::Alnum,  false),  // DigitalOcean
    Prefix("dckr_pat_",   12, Body::Dashed, false),  // Docker
    Prefix("sntrys_",     16, Body::Dotted, false),  // Sentry: organisation
    Prefix("sntryu_",     16, Body::Alnum,  false),  // Sentry: user
    Prefix("sntryi_",     16, Body::Alnum,  false),  // Sentry: integration
    Prefix("sbp_",        24, Body::Alnum,  true),   // Supabase
    Prefix("phx_",        24, Body::Alnum,  true),   // PostHog: personal
]);

/// Prefixes that end with `.`.
#[rustfmt::skip]
pub(super) static DOT: Prefixes = Prefixes::of(&[
    Prefix("SG.",   20, Body::Dotted, true),  // SendGrid
    Prefix("ya29.", 16, Body::Dashed, true),  // Google OAuth access
    Prefix("hvs.",  16, Body::Dashed, true),  // HashiCorp Vault
]);

/// Prefixes with a capital `I` in them: the prefix and where the `I` stands.
#[rustfmt::skip]
const CAPITAL_I: &[(Prefix, usize)] = &[
    (Prefix("AKIA", 16, Body::Upper,  true), 2),  // AWS: long-term
    (Prefix("ASIA", 16, Body::Upper,  true), 2),  // AWS: temporary
    (Prefix("AIza", 30, Body::Dashed, true), 1),  // Google API
];

/// Prefixes that end with the same byte, and, by the bytes that stand before that one, which of them it can be: a bit for each.
pub(super) struct Prefixes {
    prefixes: &'static [Prefix],
    pub(super) second_last: [u32; 128],
    third_last: [u32; 128],
    fourth_last: [u32; 128],
    /// The prefixes of three bytes.
    shortest: u32,
}

impl Prefixes {
    const fn of(prefixes: &'static [Prefix]) -> Self {
        assert!(prefixes.len() <= 32, "more prefixes than bits");
        let (mut second_last, mut third_last, mut fourth_last, mut shortest) = ([0; 128], [0; 128], [0; 128], 0);
        let mut index = 0;
        while index < prefixes.len() {
            let bit = 1 << index;
            match prefixes[index].0.as_bytes() {
                [.., fourth, third, second, _] => {
                    fourth_last[*fourth as usize] |= bit;
                    third_last[*third as usize] |= bit;
                    second_last[*second as usize] |= bit;
                }
                [third, second, _] => {
                    shortest |= bit;
                    third_last[*third as usize] |= bit;
                    second_last[*second as usize] |= bit;
                }
                _ => panic!("a prefix of less than three bytes"),
            }
            index += 1;
        }
        Self { prefixes, second_last, third_last, fourth_last, shortest }
    }

    /// Whether one of the prefixes may end with the byte at `at`.
    #[inline]
    pub(super) fn may_end(&self, bytes: &[u8], at: usize) -> bool {
        self.candidates(bytes, at) != 0
    }

    /// The prefixes that may end with the byte at `at`, by the three bytes before it.
    #[inline]
    fn candidates(&self, bytes: &[u8], at: usize) -> u32 {
        let of = |table: &[u32; 128], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
        match bytes[..at] {
            [.., fourth, third, second] => {
                of(&self.second_last, second)
                    & of(&self.third_last, third)
                    & (of(&self.fourth_last, fourth) | self.shortest)
            }
            [third, second] => of(&self.second_last, second) & of(&self.third_last, third) & self.shortest,
            _ => 0,
        }
    }

    /// The token whose prefix ends with the byte at `at`.
    fn find(&self, bytes: &[u8], at: usize, runs: &mut Runs) -> Option<Range<usize>> {
        let mut left = self.candidates(bytes, at);
        // Most separators stand in ordinary identifiers: give up when too little follows.
        if !bytes.get(at + 6).is_some_and(|byte| Body::Dotted.holds(*byte)) {
            return None;
        }
        while left != 0 {
            let prefix = &self.prefixes[left.trailing_zeros() as usize];
            let start = (at + 1).checked_sub(prefix.0.len());
            if let Some(token) = start.and_then(|start| prefix.match_from(bytes, start, runs)) {
                return Some(token);
            }
            left &= left - 1;
        }
        None
    }
}

/// A vendor's token whose prefix has its telling byte at `at`.
pub(super) fn vendor_token(bytes: &[u8], at: usize, runs: &mut Runs) -> Option<Range<usize>> {
    match bytes[at] {
        b'-' => DASH.find(bytes, at, runs),
        b'_' => UNDERSCORE.find(bytes, at, runs),
        b'.' => DOT.find(bytes, at, runs),
        _ => CAPITAL_I.iter().find_map(|(prefix, offset)| prefix.match_from(bytes, at.checked_sub(*offset)?, runs)),
    }
}

impl Prefix {
    fn match_from(&self, bytes: &[u8], start: usize, runs: &mut Runs) -> Option<Range<usize>> {
        let &Self(text, least, body, begins_word) = self;
        let rest = bytes[start..].strip_prefix(text.as_bytes())?;
        if begins_word && !is_word_start(bytes, start) {
            return None;
        }
        let end = body.end(bytes, start + text.len(), runs);
        let length = end - start - text.len();
        let tells = match body {
            Body::Mixed => {
                length >= 16 || rest[..length].iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            }
            _ => true,
        };
        (length >= least && tells).then_some(start..end)
    }
}

/// Whether a word begins at `at`: no letter or digit stands before it but that of a JSON escape, `\n`.
fn is_word_start(bytes: &[u8], at: usize) -> bool {
    match bytes[..at] {
        [.., b'\\', b'n' | b'r' | b't'] | [] => true,
        [.., before] => !before.is_ascii_alphanumeric(),
    }
}

impl Body {
    /// Where the run of such bytes that begins at `from` ends.
    fn end(self, bytes: &[u8], from: usize, runs: &mut Runs) -> usize {
        let run = match self {
            Self::Alnum => Run::Alnum,
            Self::Dashed | Self::Mixed => Run::Dashed,
            Self::Dotted => Run::Dotted,
            Self::Upper => Run::Upper,
        };
        runs.end(run, from, || from + bytes[from..].iter().take_while(|byte| self.holds(**byte)).count())
    }

    const fn holds(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Dashed | Self::Mixed => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

/// A JSON web token whose `eyJ` has its `J` at `at`: two or more parts of base64url, joined by dots.
pub(super) fn json_web_token(bytes: &[u8], at: usize, runs: &mut Runs) -> Option<Range<usize>> {
    let start = at.checked_sub(2).filter(|start| bytes[*start..].starts_with(b"eyJ"))?;
    let header_end = Body::Dashed.end(bytes, start, runs);
    if header_end < start + 8 || bytes.get(header_end) != Some(&b'.') {
        return None;
    }
    let payload = header_end + 1;
    (Body::Dashed.end(bytes, payload, runs) >= payload + 4).then(|| start..Body::Dotted.end(bytes, start, runs))
}

/// A private key block that begins at `at`, to its end line or, when that is missing, to the end of the text.
pub(super) fn private_key(text: &str, at: usize, runs: &mut Runs) -> Option<Range<usize>> {
    let rest = text.get(at..)?.strip_prefix("-----BEGIN ")?;
    let label_end = rest.bytes().take(64).position(|byte| byte == b'-')?;
    if !rest[..label_end].contains("PRIVATE KEY") || runs.cover(Run::PrivateKey, at) {
        return None;
    }
    let end = runs.end(Run::PrivateKey, at, || {
        let end_line = rest.split_once("-----END ").and_then(|(_, tail)| tail.split_once("-----"));
        text.len() - end_line.map_or(0, |(_, tail)| tail.len())
    });
    Some(at..end)
}

/// What follows the scheme `Bearer` or `Basic` that begins at `at`.
pub(super) fn scheme_credential(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if !is_word_start(bytes, at) {
        return None;
    }
    let is_bearer = starts_with_word(&bytes[at..], b"bearer");
    if !is_bearer && !starts_with_word(&bytes[at..], b"basic") {
        return None;
    }
    let mut start = at + if is_bearer { 6 } else { 5 };
    let gap = bytes[start..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    start += if gap > 0 {
        gap
    } else if bytes[start..].starts_with(b"%20") {
        3
    } else {
        return None;
    };
    let length = bytes[start..].iter().take_while(|byte| is_token68(**byte)).count();
    let credential = &bytes[start..start + length];
    let tells = if is_bearer { looks_random(credential) } else { holds_user_and_password(credential) };
    tells.then_some(start..start + length)
}

fn starts_with_word(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The `token68` of RFC 9110, and `_`.
const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// Whether a value could be a credential and hardly a word: six bytes with a digit, an inner capital or an inner sign,
/// or twenty bytes of anything.
pub(super) fn looks_random(value: &[u8]) -> bool {
    let value = value.trim_ascii_end();
    let end = value.iter().rposition(|byte| byte.is_ascii_alphanumeric() || *byte == b'=').map_or(0, |last| last + 1);
    let value = &value[..end];
    let telling = |byte: &u8| !byte.is_ascii_lowercase() && !byte.is_ascii_whitespace();
    let has_digit = value.first().is_some_and(u8::is_ascii_digit);
    value.len() >= 20 || value.len() >= 6 && (has_digit || value.iter().skip(1).any(telling))
}

/// Whether `credential` is base64 of `user:password`.
fn holds_user_and_password(credential: &[u8]) -> bool {
    let mut bits = 0_u32;
    let mut held = 0_u32;
    let mut has_colon = false;
    for byte in credential.iter().filter(|byte| **byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., decoded] = (bits >> held).to_be_bytes();
            if decoded < 0x20 {
                return false;
            }
            has_colon |= decoded == b':';
        }
    }
    has_colon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found_at_the_start_of_a_text_and_behind_a_word() {
        for table in [&DASH, &UNDERSCORE, &DOT] {
            for Prefix(prefix, least, ..) in table.prefixes {
                let token = format!("{prefix}{}", "A1B2C3D4E5".repeat(4));
                assert!(token.len() - prefix.len() >= *least);
                for before in ["", "a ", "\"", "=", "\\n"] {
                    let text = format!("{before}{token} b");
                    let at = before.len() + prefix.len() - 1;
                    let found = vendor_token(text.as_bytes(), at, &mut Runs::default());
                    assert_eq!(found, Some(before.len()..before.len() + token.len()), "{text}");
                }
            }
        }
    }
}
