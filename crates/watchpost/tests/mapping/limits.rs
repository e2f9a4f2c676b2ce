//! Sentry's limits: what is too long is cut and marked, what is not allowed is replaced, and no event breaks an item.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use watchpost::{
    mapping::{Settings, TraceMode},
    model::{
        Actor, Completion, ContentBlock, Direction, ErrorInfo, ErrorKind, Implementation, McpEvent, StackFrame,
        TraceParent,
    },
};
use watchpost_sentry::wire::{SpanId, Timestamp, TraceId};

use crate::support::{error_event, failed_call, good_call, log, settings, span_data, text, transaction};

/// One event or transaction item at Sentry, in bytes.
const ITEM: usize = 1024 * 1024;
/// One log at Sentry, in bytes.
const LOG: usize = 2 * ITEM;

fn characters(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

#[test]
fn tags_are_short_and_of_one_line() {
    let event = McpEvent {
        resource_name: Some("ž".repeat(500)),
        tags: vec![
            ("lines".to_owned(), " a\r\nb\nc ".to_owned()),
            ("empty".to_owned(), " \n".to_owned()),
            ("k".repeat(300), "v".to_owned()),
            ("žž".to_owned(), "v".to_owned()),
            (String::new(), "v".to_owned()),
        ],
        ..good_call()
    };
    let tags = transaction(&event, &settings())["tags"].clone();
    assert_eq!(tags["resource"], format!("{}…", "ž".repeat(199)));
    assert_eq!((&tags["lines"], &tags["empty"], &tags["__"]), (&json!("a b c"), &Value::Null, &json!("v")));
    assert_eq!(tags[&"k".repeat(200)], "v");
    assert_eq!(tags.as_object().unwrap().len(), 7 + 3);
}

#[test]
fn only_fifty_tags_and_properties_of_the_hosts_are_sent() {
    let event = McpEvent {
        tags: (0..80).map(|n| (format!("t{n}"), "v".to_owned())).collect(),
        properties: (0..80).map(|n| (format!("p{n}"), json!(n))).collect(),
        ..good_call()
    };
    let sent = transaction(&event, &settings());
    assert_eq!(sent["tags"].as_object().unwrap().len(), 7 + 50);
    assert_eq!(sent["contexts"]["properties"].as_object().unwrap().len(), 50);
}

#[test]
fn names_messages_and_extra_are_cut_and_marked() {
    let long = "ž".repeat(100_000);
    let event = McpEvent {
        resource_name: Some(long.clone()),
        user_intent: Some(long.clone()),
        actor: Some(Actor { id: Some(long.clone()), name: None, data: Some(json!({"a": long.clone()})) }),
        error: Some(ErrorInfo { message: long.clone(), ..ErrorInfo::default() }),
        ..failed_call()
    };
    let sent = transaction(&event, &settings());
    assert_eq!(characters(&sent["transaction"]), 200);
    assert_eq!(characters(&sent["spans"][0]["description"]), 200);
    assert_eq!(characters(&sent["user"]["id"]), 128);
    for extra in ["user_intent", "actor_data"] {
        let text = sent["extra"][extra].as_str().unwrap();
        assert!(text.len() <= 16 * 1024 && text.ends_with('…'), "{extra}");
    }
    assert!(sent["extra"]["actor_data"].as_str().unwrap().starts_with("{\"a\":\"žž"), "the beginning of its JSON");
    assert_eq!(characters(&error_event(&event, &settings())["exception"]["values"][0]["value"]), 8192);
    assert_eq!(characters(&log(&event, &settings())["body"]), 8192);
}

#[test]
fn captured_content_is_cut_and_its_length_kept() {
    let arguments = json!({"text": "x".repeat(200_000)}).to_string();
    let length = arguments.len();
    let event = McpEvent { arguments: Some(arguments), result: text("{}"), ..good_call() };
    let data = span_data(&event, &settings());
    let written = data["gen_ai.tool.call.arguments"].to_string().len() - 2;
    assert_eq!(written, 64 * 1024, "as it is written in JSON");
    assert_eq!((&data["watchpost.arguments.length"], &data["watchpost.result.length"]), (&json!(length), &Value::Null));
    assert_eq!(data["mcp.request.argument.text"].as_str().unwrap().len(), 1023);
}

#[test]
fn an_event_without_anything_becomes_valid_items() {
    let event = McpEvent { is_error: true, ..McpEvent::default() };
    let settings = Settings::default().with_tracing(true);
    assert_eq!(log(&event, &settings)["body"], "MCP ");
    assert_eq!(transaction(&event, &settings)["contexts"]["trace"]["status"], "internal_error");
    assert_eq!(error_event(&event, &settings)["exception"]["values"][0]["type"], "ToolCallError");
}

/// The longest of everything, of the character that takes most room in JSON.
#[test]
fn the_largest_event_still_fits_its_items() {
    for filler in ["\u{1}", "\"", "x", "ž", "🐈"] {
        let mut event = event_of(&filler.repeat(18_000 / filler.len()), &filler.repeat(1_200 / filler.len()));
        event.result = Some(filler.repeat(70_000));
        let settings = settings();
        let sizes = [
            log(&event, &settings).to_string().len(),
            transaction(&event, &settings).to_string().len(),
            error_event(&event, &settings).to_string().len(),
        ];
        assert!(sizes[0] < LOG && sizes[1] < ITEM && sizes[2] < ITEM, "{filler:?}: {sizes:?}");
    }
}

/// An event with `long` in every place, and `short` (long enough all the same) where there are many.
fn event_of(long: &str, short: &str) -> McpEvent {
    let json = || json!({"a": [long], "b": long});
    let short_text = || Some(short.to_owned());
    let long_text = || Some(long.to_owned());
    let implementation = || Implementation { name: long_text(), title: long_text(), version: long_text() };
    let frame = StackFrame {
        filename: short_text(),
        abs_path: short_text(),
        function: short_text(),
        module: short_text(),
        context_line: short_text(),
        ..StackFrame::default()
    };
    let error = ErrorInfo {
        message: long.to_owned(),
        ty: long_text(),
        data: long_text(),
        stack: long_text(),
        platform: long_text(),
        frames: vec![frame; 52],
        content: vec![ContentBlock { ty: short.to_owned(), text: short_text() }; 20],
        ..ErrorInfo::default()
    };
    McpEvent {
        event_id: long.to_owned(),
        session_id: long_text(),
        project_id: long_text(),
        event_type: long.to_owned().into(),
        resource_name: long_text(),
        is_error: true,
        error: Some(ErrorInfo { causes: vec![error.clone(); 12], ..error }),
        user_intent: long_text(),
        actor: Some(Actor { id: long_text(), name: long_text(), data: Some(json()) }),
        server: implementation(),
        client: implementation(),
        protocol_version: long_text(),
        request_id: long_text(),
        mcp_session_id: long_text(),
        tool_call_id: long_text(),
        arguments: Some(Value::Object((0..100).map(|n| (format!("{n}{short}"), json!(short))).collect()).to_string()),
        result: Some(json().to_string()),
        tags: (0..100).map(|n| (format!("{n}{short}"), short.to_owned())).collect(),
        properties: (0..100).map(|n| (format!("{n}{short}"), json!([short, short]))).collect(),
        ..failed_call()
    }
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        "[\\x00-\\x1f\"\\\\/ ]{0,30}",
        Just("…".repeat(300)),
        Just("\u{fffd}\u{202e}\u{feff}".to_owned()),
        Just("x".repeat(20_000)),
    ]
}

fn event_type() -> impl Strategy<Value = String> {
    let known = [
        "tools/call",
        "prompts/get",
        "resources/read",
        "initialize",
        "identify",
        "custom",
        "notifications/progress",
        "",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), hostile_text()]
}

prop_compose! {
    fn hostile_error()(
        message in hostile_text(), ty in prop::option::of(hostile_text()), stack in prop::option::of(hostile_text()),
        code in prop::option::of(any::<i64>()),
        kind in prop::sample::select(vec![ErrorKind::Tool, ErrorKind::Protocol, ErrorKind::Unanswered, ErrorKind::Timeout]),
        causes in 0_usize..3, data in prop::option::of(hostile_text()),
    ) -> ErrorInfo {
        let cause = ErrorInfo { message: message.clone(), ty: ty.clone(), ..ErrorInfo::default() };
        ErrorInfo { kind, message, ty, stack, code, data, causes: vec![cause; causes], ..ErrorInfo::default() }
    }
}

prop_compose! {
    fn hostile_event()(
        event_type in event_type(),
        texts in prop::collection::vec(prop::option::of(hostile_text()), 9),
        error in prop::option::of(hostile_error()),
        (nanos, micros) in (any::<i64>(), prop::option::of(any::<u64>())),
        (is_error, is_notification, server_to_client, cancelled) in any::<(bool, bool, bool, bool)>(),
        parent in prop::option::of(any::<([u8; 16], [u8; 8], Option<bool>)>()),
        tags in prop::collection::vec((hostile_text(), hostile_text()), 0..4),
        sizes in any::<(Option<u64>, Option<u64>)>(),
    ) -> McpEvent {
        let mut texts = texts.into_iter();
        let mut text = move || texts.next().flatten();
        McpEvent {
            event_type: event_type.into(),
            event_id: text().unwrap_or_default(),
            session_id: text(),
            resource_name: text(),
            user_intent: text(),
            arguments: text(),
            result: text(),
            actor: Some(Actor { id: text(), name: text(), data: None }),
            server: Implementation { name: text(), ..Implementation::default() },
            timestamp: Timestamp::from_nanos(nanos),
            duration: micros.map(Duration::from_micros),
            is_error,
            is_notification,
            error,
            completion: if cancelled { Completion::Cancelled } else { Completion::Answered },
            direction: if server_to_client { Direction::ServerToClient } else { Direction::ClientToServer },
            trace_parent: parent.map(|(trace, span, sampled)| TraceParent { trace_id: TraceId(trace), span_id: SpanId(span), sampled }),
            tags,
            request_bytes: sizes.0,
            content_count: sizes.1,
            ..McpEvent::default()
        }
    }
}

proptest! {
    #[test]
    fn no_event_makes_an_item_that_sentry_would_refuse(event in hostile_event(), mode in 0_usize..3) {
        let settings = settings().with_trace([TraceMode::Session, TraceMode::Propagated, TraceMode::Call][mode]);
        let (log, transaction, error) = (log(&event, &settings), transaction(&event, &settings), error_event(&event, &settings));
        prop_assert!(log.to_string().len() < LOG && transaction.to_string().len() < ITEM && error.to_string().len() < ITEM);
        for (key, attribute) in log["attributes"].as_object().unwrap() {
            let fits = match attribute["type"].as_str().unwrap() {
                "string" => attribute["value"].is_string(),
                "integer" => attribute["value"].is_i64(),
                "double" => attribute["value"].is_number(),
                "boolean" => attribute["value"].is_boolean(),
                _ => false,
            };
            prop_assert!(fits, "{key}: {attribute}");
        }
        for item in [&transaction, &error] {
            for (key, value) in item["tags"].as_object().unwrap() {
                let value = value.as_str().unwrap();
                prop_assert!((1..=200).contains(&key.len()) && (1..=200).contains(&value.chars().count()));
                prop_assert!(!value.contains('\n') && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)));
            }
            prop_assert_ne!(&item["contexts"]["trace"]["span_id"], &item["contexts"]["trace"]["parent_span_id"]);
        }
        for span in transaction["spans"].as_array().unwrap() {
            prop_assert!(span["start_timestamp"].as_f64() <= span["timestamp"].as_f64());
        }
        prop_assert!(transaction["start_timestamp"].as_f64() <= transaction["timestamp"].as_f64());
        prop_assert!(error["exception"]["values"].as_array().unwrap().iter().all(|exception| !exception["type"].as_str().unwrap().is_empty()));
    }

    #[test]
    fn the_same_event_always_becomes_the_same_items(event in hostile_event()) {
        let (settings, again) = (settings(), event.clone());
        prop_assert_eq!(log(&event, &settings), log(&again, &settings));
        prop_assert_eq!(transaction(&event, &settings), transaction(&again, &settings));
        prop_assert_eq!(error_event(&event, &settings), error_event(&again, &settings));
    }
}
