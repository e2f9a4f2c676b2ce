//! What a tag may be, on any item: Relay loses a tag whose key or value it does not like.
//! Source: Relay's schema, tried against `sentry-relay` 0.10.

use std::borrow::Cow;

use super::limit::{self, cut_cow};

/// A key of letters, digits, `_`, `.`, `:` and `-`; Relay refuses any other character.
pub(super) fn tag_key(key: &str) -> Option<Cow<'_, str>> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | ':' | '-');
    let key = key.trim();
    let key = if key.chars().all(is_allowed) {
        Cow::Borrowed(key)
    } else {
        let replaced = key.chars().map(|character| if is_allowed(character) { character } else { '_' });
        Cow::Owned(replaced.collect())
    };
    // Relay also refuses `…`, so a long key just ends.
    (!key.is_empty()).then(|| match key {
        Cow::Borrowed(key) => Cow::Borrowed(&key[..key.len().min(limit::TAG)]),
        Cow::Owned(mut key) => {
            key.truncate(limit::TAG);
            Cow::Owned(key)
        }
    })
}

/// A value that is not empty, of one line, of at most 200 characters: what Relay keeps.
pub(super) fn tag_value(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim();
    let line = if value.contains(['\n', '\r']) {
        Cow::Owned(value.replace("\r\n", " ").replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(value)
    };
    (!line.is_empty()).then(|| cut_cow(line, limit::TAG))
}
