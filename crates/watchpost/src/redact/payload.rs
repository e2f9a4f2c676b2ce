//! Secrets in a span's payloads, which can be long: a clean one is scanned as text and neither copied nor parsed, only one
//! that holds a secret is read as JSON. Source: Mastra's `SensitiveDataFilter`, whose list of keys is matched as a whole.
//! Hot path: measured by `examples/span_cost.rs`.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    MARKER,
    json_text::{read_escapes, redact_json_text},
    key::{KeyClass, classify_key, follows_whole_key, is_whole_key},
    redact_text,
    seen::Seen,
    text::{holds_secret, scan_json},
};
use crate::model::Payload;

/// Replaces every secret in `payload`; `seen` is what was looked through before it.
pub(super) fn redact_payload(payload: &mut Payload, seen: &mut Seen) {
    let text = payload.as_str();
    let is_json = payload.is_json() || text.starts_with(['{', '[']);
    if !is_json {
        if let Cow::Owned(clean) = redact_text(text) {
            *payload = Payload::text(clean);
        }
        return;
    }
    let scan = seen.scan_json(payload);
    let mut has_whole_key = scan.has_whole_key;
    if scan.holds_secret || hides_secret(text) {
        if let Cow::Owned(clean) = redact_json_text(text) {
            replace(payload, clean);
        }
        has_whole_key = holds_whole_key(payload.as_str());
    }
    if has_whole_key
        && let Ok(mut value) = serde_json::from_str::<Value>(payload.as_str())
        && redact_whole_keys(&mut value)
    {
        replace(payload, value.to_string());
    }
}

/// Whether [`redact_payload`] may change `payload`: never false when it would.
pub(super) fn may_hold_secret(payload: &Payload) -> bool {
    let text = payload.as_str();
    let scan = scan_json(text);
    scan.holds_secret || scan.has_whole_key || hides_secret(text)
}

/// Whether escapes hide a secret from a scan over the text: only those do that spell plain letters and signs.
fn hides_secret(json: &str) -> bool {
    memchr::memchr(b'\\', json.as_bytes()).is_some() && holds_escaped_secret(json)
}

fn holds_escaped_secret(json: &str) -> bool {
    read_escapes(json).is_some_and(|read| holds_secret(&read))
}

/// [`redact_payload`] of what stands under `key`.
pub(super) fn redact_member(key: &str, payload: &mut Payload, seen: &mut Seen) {
    if is_secret(key, payload) {
        *payload = Payload::text(MARKER);
    } else {
        redact_payload(payload, seen);
    }
}

/// Whether `payload` is a secret because of its key: as in JSON, truth values and nulls never are, and a number is not under a
/// name like `token`.
fn is_secret(key: &str, payload: &Payload) -> bool {
    let text = payload.as_str();
    if text.is_empty() || text == MARKER {
        return false;
    }
    let least = match text.as_bytes().first() {
        Some(b'n' | b't' | b'f') if payload.is_json() => return false,
        Some(b'-' | b'0'..=b'9') if payload.is_json() => KeyClass::Strong,
        _ => KeyClass::Weak,
    };
    match classify_key(key) {
        Some(KeyClass::Weak) => least == KeyClass::Weak,
        Some(_) => true,
        None => is_whole_key(key) && least == KeyClass::Weak,
    }
}

/// Whether one of the whole keys stands before a colon anywhere in the JSON.
fn holds_whole_key(json: &str) -> bool {
    memchr::memchr_iter(b':', json.as_bytes()).any(|colon| follows_whole_key(json.as_bytes(), colon))
}

/// Replaces the texts, objects and arrays under the whole keys; says whether there were any.
fn redact_whole_keys(value: &mut Value) -> bool {
    match value {
        Value::Array(values) => values.iter_mut().fold(false, |any, value| redact_whole_keys(value) | any),
        Value::Object(members) => members.iter_mut().fold(false, |any, (key, value)| {
            let is_secret = match &*value {
                Value::String(text) => !text.is_empty() && text != MARKER,
                Value::Array(_) | Value::Object(_) => true,
                _ => false,
            };
            if is_secret && is_whole_key(key) {
                *value = Value::String(MARKER.to_owned());
                return true;
            }
            redact_whole_keys(value) | any
        }),
        _ => false,
    }
}

/// The clean text in the place of the payload, of the same kind.
fn replace(payload: &mut Payload, clean: String) {
    *payload = if payload.is_json() {
        Payload::from_json(clean.as_str()).unwrap_or_else(|_| Payload::text(clean))
    } else {
        Payload::text(clean)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(json: &str) -> String {
        let mut payload = Payload::from_json(json).unwrap();
        redact_payload(&mut payload, &mut Seen::default());
        payload.as_str().to_owned()
    }

    #[test]
    fn every_key_of_mastras_list_is_a_secret() {
        for key in [
            "password",
            "token",
            "secret",
            "key",
            "apikey",
            "apiKey",
            "auth",
            "authorization",
            "bearer",
            "bearertoken",
            "jwt",
            "credential",
            "clientsecret",
            "client_secret",
            "privatekey",
            "refresh",
            "ssn",
        ] {
            assert_eq!(
                redacted(&format!(r#"{{"a":[{{"{key}":"plainword"}}]}}"#)),
                format!(r#"{{"a":[{{"{key}":"[Filtered]"}}]}}"#)
            );
            let mut member = Payload::text("plainword");
            redact_member(key, &mut member, &mut Seen::default());
            assert_eq!(member.as_str(), "[Filtered]", "{key}");
        }
    }

    #[test]
    fn what_only_sounds_like_them_is_not() {
        for json in [
            r#"{"primaryKey":"id","keyboard":"qwerty","refreshInterval":"5s","token":7,"key":null,"refresh":true}"#,
            r#"{ "messages" : [{"role":"user","content":"what is the key: c minor"}] }"#,
            "[1.50]",
        ] {
            assert_eq!(redacted(json), json);
        }
    }

    #[test]
    fn no_escape_hides_a_secret() {
        assert_eq!(redacted(r#"{"pass\u0077ord":"hunter4secret"}"#), r#"{"password":"[Filtered]"}"#);
        assert_eq!(redacted(r#"{"log":"password:\thunter4secret"}"#), r#"{"log":"password:\t[Filtered]"}"#);
    }

    #[test]
    fn json_in_a_text_is_redacted_too_and_stays_a_text() {
        let mut payload = Payload::text(r#"{"key":"k1","password":"p"}"#);
        redact_payload(&mut payload, &mut Seen::default());
        assert!(!payload.is_json());
        assert_eq!(payload.as_str(), r#"{"key":"[Filtered]","password":"[Filtered]"}"#);
    }
}
