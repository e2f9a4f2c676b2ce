//! Redaction of whole events: no field keeps a secret, and only the content that is captured leaves.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::borrow::Cow;

use serde_json::json;
use watchpost::{
    model::{Actor, ContentBlock, ErrorInfo, McpEvent, StackFrame},
    redact::{Capture, redact_event},
};

const CANARY: &str = "ghp_CANARYCANARYCANARY";

/// An event with the canary in every string it has.
fn event_full_of(canary: &str) -> McpEvent {
    let text = || Some(canary.to_owned());
    let mut event = McpEvent {
        event_id: canary.to_owned(),
        session_id: text(),
        project_id: text(),
        event_type: Cow::Owned(canary.to_owned()),
        resource_name: text(),
        cancel_reason: text(),
        user_intent: text(),
        protocol_version: text(),
        request_id: text(),
        mcp_session_id: text(),
        tool_call_id: text(),
        arguments: text(),
        result: text(),
        is_error: true,
        ..McpEvent::default()
    };
    for side in [&mut event.server, &mut event.client] {
        (side.name, side.title, side.version) = (text(), text(), text());
    }
    event.actor =
        Some(Actor { id: text(), name: text(), data: Some(json!({"a": [canary], canary: 1, "password": "p"})) });
    let frame = StackFrame {
        filename: text(),
        abs_path: text(),
        function: text(),
        module: text(),
        context_line: text(),
        ..StackFrame::default()
    };
    let error = ErrorInfo {
        message: canary.to_owned(),
        ty: text(),
        data: text(),
        stack: text(),
        platform: text(),
        frames: vec![frame],
        content: vec![ContentBlock { ty: canary.to_owned(), text: text() }],
        ..ErrorInfo::default()
    };
    event.error = Some(ErrorInfo { causes: vec![error.clone()], ..error });
    event.tags = vec![(canary.to_owned(), "x".to_owned()), ("region".to_owned(), canary.to_owned())];
    event.properties = vec![(canary.to_owned(), json!(1)), ("deep".to_owned(), json!({"a": {"b": canary}}))];
    event
}

#[test]
fn no_string_of_an_event_keeps_a_secret() {
    let event = event_full_of(CANARY);
    let redacted = redact_event(&event, Capture::ALL);
    let dump = format!("{redacted:?}");
    assert!(!dump.contains("CANARY"), "{dump}");
    assert_eq!(dump.matches("[Filtered]").count(), format!("{event:?}").matches(CANARY).count() - 2 + 1, "{dump}");
}

#[test]
fn a_session_id_that_is_a_secret_still_keeps_its_events_together() {
    let event = event_full_of(CANARY);
    let [first, second] = [0, 1].map(|_| redact_event(&event, Capture::ALL).into_owned());
    assert_eq!(first.session_id, second.session_id);
    assert_eq!(first.event_id, second.event_id);
    assert!(first.session_id.is_some_and(|id| id.starts_with("ses_") && id.len() == 31));
}

#[test]
fn tags_and_properties_are_filtered_by_their_key() {
    let event = McpEvent {
        tags: vec![("api_key".to_owned(), "plain".to_owned()), ("region".to_owned(), "eu".to_owned())],
        properties: vec![("secret".to_owned(), json!({"a": 1})), ("flags".to_owned(), json!(["dark"]))],
        ..McpEvent::default()
    };
    let redacted = redact_event(&event, Capture::SEED);
    assert_eq!(redacted.tags[0].1, "[Filtered]");
    assert_eq!(redacted.tags[1].1, "eu");
    assert_eq!(redacted.properties[0].1, json!("[Filtered]"));
    assert_eq!(redacted.properties[1].1, json!(["dark"]));
}

#[test]
fn a_clean_event_is_not_copied() {
    let event = McpEvent { resource_name: Some("echo".to_owned()), ..McpEvent::default() };
    assert!(matches!(redact_event(&event, Capture::SEED), Cow::Borrowed(_)));
}

#[test]
fn a_reason_to_cancel_is_content_like_an_errors_message() {
    let event = McpEvent { cancel_reason: Some("password=hunter2 was wrong".to_owned()), ..McpEvent::default() };
    assert_eq!(redact_event(&event, Capture::SEED).cancel_reason.as_deref(), Some("password=[Filtered] was wrong"));
    assert_eq!(redact_event(&event, Capture::NONE).cancel_reason, None);
}

#[test]
fn properties_alone_are_content_that_none_leaves_out() {
    let event = McpEvent { properties: vec![("note".to_owned(), json!("private"))], ..McpEvent::default() };
    assert_eq!(redact_event(&event, Capture::NONE).properties, []);
    assert_eq!(redact_event(&event, "user".parse().unwrap()).properties, event.properties);
}

#[test]
fn content_that_is_not_captured_is_dropped_and_metadata_is_kept() {
    let event = event_full_of("some text");
    let seed = redact_event(&event, Capture::SEED).into_owned();
    assert_eq!((&seed.arguments, &seed.result), (&None, &None));
    assert_eq!(seed.user_intent.as_deref(), Some("some text"));
    assert_eq!((&seed.properties, &seed.cancel_reason), (&event.properties, &event.cancel_reason));

    let none = redact_event(&event, Capture::NONE).into_owned();
    assert_eq!((&none.user_intent, &none.actor), (&None, &None));
    assert_eq!((none.properties.len(), &none.tags, &none.cancel_reason), (0, &event.tags, &None));
    let error = none.error.unwrap();
    assert_eq!((error.message.as_str(), &error.data, &error.stack, error.content.len()), ("", &None, &None, 0));
    assert_eq!(error.causes[0].message, "");
    assert_eq!(error.frames[0].context_line, None);
    assert_eq!(error.frames[0].function.as_deref(), Some("some text"));
    assert_eq!(error.ty.as_deref(), Some("some text"));
    assert!(none.is_error && none.resource_name.is_some());
}
