//! The scanner against `serde_json`: whatever valid JSON-RPC it reads, at whatever cuts, it tells the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use watchpost::mcp::{Capture, Field, Frame, Message, MessageKind, ObserverOptions, RequestId, Scanner};

use crate::message_strategy::message;

/// Bytes kept of a content block's type.
const TYPE_LIMIT: usize = 64;

/// What the tests compare.
#[derive(Debug, PartialEq)]
struct Facts {
    kind: MessageKind,
    texts: BTreeMap<String, String>,
    raw: BTreeMap<String, Value>,
    ids: [Option<RequestId>; 2],
    answers: [bool; 4],
    code: Option<i64>,
    counts: [Option<u64>; 2],
    blocks: Vec<(String, Option<String>)>,
}

/// What the scanner says.
fn told(message: &Message) -> Facts {
    let is_raw = |field: &Field| matches!(field, Field::Arguments | Field::Result | Field::ErrorData);
    // Ids are compared as ids.
    let is_id = |field: &Field| matches!(field, Field::Id | Field::CancelledId);
    let text = |field: &Field| Some((format!("{field:?}"), message.text(*field)?.to_owned()));
    let raw = |field: &Field| Some((format!("{field:?}"), serde_json::from_str(message.text(*field)?).unwrap()));
    Facts {
        kind: message.kind(),
        texts: Field::ALL.iter().filter(|field| !is_raw(field) && !is_id(field)).filter_map(text).collect(),
        raw: Field::ALL.iter().filter(|field| is_raw(field)).filter_map(raw).collect(),
        ids: [message.id(), message.cancelled_id()],
        answers: [message.has_result(), message.has_error(), message.is_error(), message.has_structured_content()],
        code: message.error_code(),
        counts: [message.content_count(), message.content().count()],
        blocks: message.content().blocks().map(|(ty, text)| (ty.to_owned(), text.map(str::to_owned))).collect(),
    }
}

fn id(value: &Value) -> Option<RequestId> {
    match value {
        Value::Null => Some(RequestId::Null),
        Value::String(text) => Some(RequestId::Text(text.as_str().into())),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => RequestId::Integer(integer),
            (_, Some(float)) if float.fract() == 0.0 => RequestId::Integer(float as i64),
            _ => return None,
        }),
        _ => None,
    }
}

/// What is kept of a text with a limit.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit - "…".len()).rev().find(|&end| text.is_char_boundary(end)).unwrap();
    format!("{}…", &text[..end])
}

/// What `serde_json` says of the same text.
fn expected(value: &Value) -> Facts {
    let paths = [
        ("JsonRpc", "/jsonrpc"),
        ("Method", "/method"),
        ("Name", "/params/name"),
        ("Uri", "/params/uri"),
        ("RefType", "/params/ref/type"),
        ("RefName", "/params/ref/name"),
        ("RefUri", "/params/ref/uri"),
        ("Level", "/params/level"),
        ("TaskId", "/params/taskId"),
        ("CancelReason", "/params/reason"),
        ("ProtocolVersion", "/params/protocolVersion"),
        ("ClientName", "/params/clientInfo/name"),
        ("ClientTitle", "/params/clientInfo/title"),
        ("ClientVersion", "/params/clientInfo/version"),
        ("MetaProtocolVersion", "/params/_meta/io.modelcontextprotocol~1protocolVersion"),
        ("MetaClientName", "/params/_meta/io.modelcontextprotocol~1clientInfo/name"),
        ("MetaClientTitle", "/params/_meta/io.modelcontextprotocol~1clientInfo/title"),
        ("MetaClientVersion", "/params/_meta/io.modelcontextprotocol~1clientInfo/version"),
        ("TraceParent", "/params/_meta/traceparent"),
        ("SentryTrace", "/params/_meta/sentry-trace"),
        ("Baggage", "/params/_meta/baggage"),
        ("ToolUseId", "/params/_meta/claudecode~1toolUseId"),
        ("ProgressToken", "/params/_meta/progressToken"),
        ("ResultType", "/result/resultType"),
        ("ResultProtocolVersion", "/result/protocolVersion"),
        ("ServerName", "/result/serverInfo/name"),
        ("ServerTitle", "/result/serverInfo/title"),
        ("ServerVersion", "/result/serverInfo/version"),
        ("MetaServerName", "/result/_meta/io.modelcontextprotocol~1serverInfo/name"),
        ("MetaServerTitle", "/result/_meta/io.modelcontextprotocol~1serverInfo/title"),
        ("MetaServerVersion", "/result/_meta/io.modelcontextprotocol~1serverInfo/version"),
        ("ResultTaskId", "/result/task/taskId"),
        ("ResultTaskStatus", "/result/task/status"),
        ("ErrorMessage", "/error/message"),
    ];
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, path) in paths {
        // A pointer's step into an array would be an index, of which these have none.
        if let Some(text) = value.pointer(path).and_then(Value::as_str) {
            let limit = Field::ALL.iter().find(|field| format!("{field:?}") == name).unwrap().limit();
            texts.insert(name.into(), cut(text, limit));
        }
    }
    if let Some(text) = value["error"].as_str() {
        texts.insert("ErrorMessage".into(), text.into());
    }
    let mut raw = BTreeMap::new();
    for (name, path) in [("Arguments", "/params/arguments"), ("Result", "/result"), ("ErrorData", "/error/data")] {
        if let Some(value) = value.pointer(path) {
            raw.insert(name.into(), value.clone());
        }
    }
    let count = |key: &str| value["result"].get(key).and_then(Value::as_array).map(|array| array.len() as u64);
    let blocks = value["result"].get("content").and_then(Value::as_array).into_iter().flatten();
    let block = |block: &Value| {
        let text = |key: &str| block.get(key).and_then(Value::as_str).map(str::to_owned);
        (cut(&text("type").unwrap_or_default(), TYPE_LIMIT), text("text"))
    };
    let error = value.get("error");
    let answered = value.get("result").is_some() || error.is_some();
    let invalid_id = matches!(value.get("id"), Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)));
    Facts {
        kind: match (texts.contains_key("Method"), value.get("id")) {
            _ if invalid_id => MessageKind::Other,
            (true, Some(_)) => MessageKind::Request,
            (true, None) => MessageKind::Notification,
            (false, _) if answered => MessageKind::Response,
            (false, _) => MessageKind::Other,
        },
        texts,
        raw,
        ids: [value.get("id").and_then(id), value.pointer("/params/requestId").and_then(id)],
        answers: [
            value.get("result").is_some(),
            error.is_some_and(|error| !error.is_null()),
            value["result"]["isError"] == Value::Bool(true),
            value.pointer("/result/structuredContent").is_some_and(|content| !content.is_null()),
        ],
        code: value.pointer("/error/code").and_then(Value::as_i64),
        counts: [count("content").or_else(|| count("messages")).or_else(|| count("contents")), count("content")],
        // An element that is no object is counted and makes no block.
        blocks: blocks.filter(|element| element.is_object()).map(block).collect(),
    }
}

/// Numbers whose text tells more than their value are compared by it.
fn normalize(mut facts: Facts, spelled: &Facts) -> Facts {
    for (known, told) in facts.ids.iter_mut().zip(&spelled.ids) {
        if matches!(told, Some(RequestId::Number(_))) && known.is_none() {
            known.clone_from(told);
        }
    }
    if let Some(token) = spelled.texts.get("ProgressToken")
        && token.parse::<f64>().is_ok()
    {
        facts.texts.entry("ProgressToken".into()).or_insert_with(|| token.clone());
    }
    facts
}

fn scanner() -> Scanner {
    let mut options = ObserverOptions::default();
    options.capture = Capture::ALL;
    Scanner::new(&options)
}

fn scan(scanner: &mut Scanner, pieces: &[&[u8]]) -> Facts {
    for piece in pieces {
        let mut piece = *piece;
        assert!(scanner.advance(&mut piece).is_none() && piece.is_empty());
    }
    match scanner.finish() {
        Frame::Message(message) => told(message),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn a_message_reads_as_serde_json_reads_it_wherever_it_is_cut(
        message in message(),
        spaces in prop::sample::select(&["", " ", "\t\r"][..]),
    ) {
        let text = message.to_text(spaces);
        let mut scanner = scanner();
        let whole = scan(&mut scanner, &[text.as_bytes()]);
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&whole, &normalize(expected(&value), &whole), "{}", text);
        // Everywhere in a short message, at 300 places in a long one.
        for cut in (0..text.len()).step_by(text.len() / 300 + 1) {
            let (first, second) = text.as_bytes().split_at(cut);
            // The scanner is the one of before: nothing of an earlier frame may be left.
            prop_assert_eq!(&scan(&mut scanner, &[first, second]), &whole, "{} cut at {}", text, cut);
        }
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&scan(&mut scanner, &bytes), &whole, "{} byte by byte", text);
    }

    #[test]
    fn a_batch_is_its_messages(messages in prop::collection::vec(message(), 1..5), size in 1..50_usize) {
        let texts: Vec<_> = messages.iter().map(|message| message.to_text("")).collect();
        let batch = format!(" [ {} ]\r", texts.join(" , "));
        let mut scanner = scanner();
        let mut read = Vec::new();
        for mut piece in batch.as_bytes().chunks(size) {
            while let Some(message) = scanner.advance(&mut piece) {
                read.push((told(message), message.bytes()));
            }
        }
        let Frame::Batch { messages } = scanner.finish() else { panic!("a batch") };
        prop_assert_eq!(messages, texts.len() as u64);
        let alone: Vec<_> = texts.iter().map(|text| (scan(&mut scanner, &[text.as_bytes()]), text.len() as u64)).collect();
        prop_assert_eq!(read, alone);
    }
}

#[test]
fn a_key_written_twice_counts_as_its_last() {
    let text = r#"{"id":1,"id":true,"id":2,"params":{"name":"a","_meta":{"traceparent":"t"}},"method":"m","params":{"uri":"u"},"result":{"isError":true,"content":[{"type":"text","text":"x"}]},"result":{"content":[{"text":"y","text":7,"type":"text"}],"isError":true,"isError":false}}"#;
    let mut scanner = scanner();
    scanner.advance(&mut text.as_bytes());
    let Frame::Message(message) = scanner.finish() else { panic!("a message") };
    assert_eq!(message.id(), Some(RequestId::Integer(2)));
    assert_eq!((message.text(Field::Name), message.text(Field::TraceParent)), (None, None));
    assert_eq!(message.text(Field::Uri), Some("u"));
    assert!(!message.is_error());
    assert_eq!(message.content().blocks().collect::<Vec<_>>(), [("text", None)]);
}

#[test]
fn keys_written_with_escapes_are_keys() {
    let text = r#"{"\u006dethod":"tools\/call","\u0069d":"\u0041","params":{"_meta":{"claudecode\/toolUseId":"t"}}}"#;
    for cut in 0..text.len() {
        let mut scanner = scanner();
        scanner.advance(&mut &text.as_bytes()[..cut]);
        scanner.advance(&mut &text.as_bytes()[cut..]);
        let Frame::Message(message) = scanner.finish() else { panic!("a message") };
        assert_eq!(message.text(Field::Method), Some("tools/call"));
        assert_eq!(message.id(), Some(RequestId::Text("A".into())));
        assert_eq!(message.text(Field::ToolUseId), Some("t"));
    }
}

#[test]
fn long_keys_and_numbers_are_passed_over() {
    let text = format!(
        r#"{{"{}":1,"{}\"{}":{{}},"n":{},"id":{},"method":"m"}}"#,
        "k".repeat(100_000),
        "\\u006b".repeat(1000),
        "k".repeat(100_000),
        "1".repeat(100_000),
        "7".repeat(1000),
    );
    for size in [1, 7, 64, 4096, text.len()] {
        let mut scanner = scanner();
        for mut piece in text.as_bytes().chunks(size) {
            scanner.advance(&mut piece);
        }
        let Frame::Message(message) = scanner.finish() else { panic!("a message") };
        assert_eq!((message.kind(), message.text(Field::Method)), (MessageKind::Request, Some("m")));
        assert!(scanner.buffered_bytes() < 64 * 1024);
    }
}
