//! Secrets in JSON values: by the name of their key, and in every string.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    MARKER,
    key::{KeyClass, classify_key},
    redact_text,
    text::holds_secret,
};

/// Replaces every secret in `value`: what stands under a key that names a secret (booleans and nulls stay, and so do
/// numbers under a name like `token`), and secrets inside any string or key.
pub fn redact_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = redact_text(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_json),
        Value::Object(members) => {
            let has_bad_key = members.keys().any(|key| holds_secret(key));
            if has_bad_key {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(key, value)| (redact_text(&key).into_owned(), value))
                    .collect();
            }
            for (key, value) in members {
                if is_secret_member(key, value) {
                    *value = Value::String(MARKER.to_owned());
                } else {
                    redact_json(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether [`redact_json`] would change `value`.
pub(super) fn json_holds_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => holds_secret(text),
        Value::Array(items) => items.iter().any(json_holds_secret),
        Value::Object(members) => members.iter().any(|(key, value)| member_holds_secret(key, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether the member `key: value` of an object holds a secret anywhere.
pub(super) fn member_holds_secret(key: &str, value: &Value) -> bool {
    holds_secret(key) || is_secret_member(key, value) || json_holds_secret(value)
}

/// Whether `value` is a secret because of its key.
pub(super) fn is_secret_member(key: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) => is_secret_text(key, text),
        Value::Number(_) => classify_key(key).is_some_and(|class| class != KeyClass::Weak),
        Value::Array(_) | Value::Object(_) => classify_key(key).is_some(),
    }
}

/// Whether `text` is a secret because of its key.
pub(super) fn is_secret_text(key: &str, text: &str) -> bool {
    !text.is_empty() && text != MARKER && classify_key(key).is_some()
}
