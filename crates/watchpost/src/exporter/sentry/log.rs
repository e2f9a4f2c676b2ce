//! A log in a span's trace. The host writes it on purpose, so it is sent whatever is captured; secrets are not.

use std::borrow::Cow;

use watchpost_sentry::wire::{AttributeValue, Attributes, Log};

use crate::{
    mapping::ai::AiSettings,
    model::{Payload, SpanLog},
    redact::{MARKER, is_secret_key, redact_json, redact_text},
};

/// Replaces what is secret.
pub(super) fn redact(log: &mut SpanLog) {
    if let Cow::Owned(clean) = redact_text(&log.body) {
        log.body = clean;
    }
    for (key, value) in &mut log.attributes {
        if is_secret_key(key) {
            *value = Payload::text(MARKER);
        } else if value.is_json() {
            let mut json = value.to_value();
            redact_json(&mut json);
            *value = json.into();
        } else if let Cow::Owned(clean) = redact_text(value.as_str()) {
            *value = clean.into();
        }
    }
}

/// The log as it is sent.
pub(super) fn item<'a>(log: &'a SpanLog, settings: &'a AiSettings) -> Log<'a> {
    let mut attributes = Attributes::with_capacity(log.attributes.len() + 5);
    for (key, value) in &log.attributes {
        attributes.push(&**key, attribute(value));
    }
    attributes.push("sentry.environment", settings.environment());
    attributes.push_some("sentry.release", settings.release());
    attributes.push("sentry.sdk.name", &*settings.sdk().name);
    attributes.push("sentry.sdk.version", &*settings.sdk().version);
    attributes.push("sentry.origin", settings.origin());
    Log {
        timestamp: log.at,
        trace_id: log.trace_id,
        span_id: Some(log.span_id),
        event_id: None,
        level: log.level,
        body: Cow::Borrowed(&log.body),
        attributes,
    }
}

/// Numbers and truth values as such, anything else as text.
fn attribute(value: &Payload) -> AttributeValue<'_> {
    if value.is_json() {
        if let Ok(number) = value.as_str().parse::<i64>() {
            return number.into();
        }
        if let Ok(yes) = value.as_str().parse::<bool>() {
            return yes.into();
        }
        if let Ok(number) = value.as_str().parse::<f64>() {
            return number.into();
        }
    }
    value.as_str().into()
}
