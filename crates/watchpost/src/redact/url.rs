//! Credentials in URLs: `scheme://user:password@host`. Source: RFC 3986, §3.2.1.

use std::ops::Range;

use super::{MARKER, token::looks_random};

/// Longest user information looked for, in bytes.
const MAX_USER_INFORMATION: usize = 1024;

/// The user information of the URL whose `:` before `//` (or, in escaped JSON, `\/\/`) stands at `at`.
pub(super) fn user_information(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = at + 1 + slashes(&bytes[at + 1..])?;
    let rest = &bytes[start..bytes.len().min(start + MAX_USER_INFORMATION)];
    let rest = &rest[..rest.iter().position(|byte| ends_url(*byte)).unwrap_or(rest.len())];
    let authority = &rest[..rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len())];

    let at_sign = |part: &[u8]| part.iter().rposition(|byte| *byte == b'@');
    // A password may hold an unescaped `/` or `?`; `host:8080/@user` must not be taken for one.
    let length = at_sign(authority).or_else(|| if ends_with_port(authority) { None } else { at_sign(rest) })?;
    let user = &rest[..length];
    let is_secret = user.contains(&b':') || user.len() >= 20 && looks_random(user);
    (is_secret && user != MARKER.as_bytes()).then_some(start..start + length)
}

/// Whether the slashes of a URL stand behind the `:` at `at`.
#[inline]
pub(super) fn has_slashes(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1), Some(b'/' | b'\\')) && slashes(&bytes[at + 1..]).is_some()
}

fn slashes(after_colon: &[u8]) -> Option<usize> {
    match after_colon {
        [b'/', b'/', ..] => Some(2),
        [b'\\', b'/', b'\\', b'/', ..] => Some(4),
        _ => None,
    }
}

const fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\')
}

fn ends_with_port(authority: &[u8]) -> bool {
    let Some(colon) = authority.iter().rposition(|byte| *byte == b':') else { return true };
    authority.starts_with(b"[") || authority[colon + 1..].iter().all(u8::is_ascii_digit)
}
