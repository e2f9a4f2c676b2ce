//! Answers that are failures, and what an event keeps of them.

use watchpost::model::{ContentBlock, ErrorKind};

use crate::wire::{Wire, call};

#[test]
fn a_result_with_is_error_is_a_tool_error_made_of_its_text_blocks() {
    let mut wire = Wire::new();
    wire.client(&call("1", "pay")).server(
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":" no money"},{"type":"image","data":"AAAA","mimeType":"image/png"},{"text":"left ","type":"text"}],"isError":true}}"#,
    );
    let event = wire.only_event();
    assert!(event.is_error);
    assert_eq!(event.content_count, Some(3));
    let error = event.error.unwrap();
    assert_eq!((error.kind, error.message.as_str(), error.code), (ErrorKind::Tool, "no money left", None));
    let block = |ty: &str, text: Option<&str>| ContentBlock { ty: ty.into(), text: text.map(Into::into) };
    assert_eq!(error.content, [block("text", Some(" no money")), block("image", None), block("text", Some("left "))]);
}

#[test]
fn a_tool_error_without_text_is_an_unknown_error() {
    for content in [r#"[]"#, r#"[{"type":"text","text":"  "}]"#, r#"[{"type":"image","text":"not text"}]"#, r#"null"#] {
        let mut wire = Wire::new();
        let reply = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"isError":true,"content":{content}}}}}"#);
        wire.client(&call("1", "pay")).server(&reply);
        assert_eq!(wire.only_event().error.unwrap().message, "Unknown error", "{content}");
    }
}

#[test]
fn a_json_rpc_error_keeps_its_message_code_and_data() {
    let mut wire = Wire::new();
    wire.client(&call("1", "pay")).server(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: pay","data":{ "uri": "x:\/\/y", "n": [1, 2.50] }}}"#,
    );
    let event = wire.only_event();
    assert!(event.is_error);
    let error = event.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str(), error.code),
        (ErrorKind::Protocol, "Unknown tool: pay", Some(-32602))
    );
    assert_eq!(error.data.as_deref(), Some(r#"{ "uri": "x:\/\/y", "n": [1, 2.50] }"#), "as it was written");
}

#[test]
fn odd_errors_are_errors_still() {
    for (error, message, code) in [
        (r#"{}"#, "Unknown error", None),
        (r#"{"message":7,"code":"x"}"#, "Unknown error", None),
        (r#"{"message":"m","code":1.5}"#, "m", None),
        (r#""it broke""#, "it broke", None),
        (r#"[1]"#, "Unknown error", None),
        (r#"false"#, "Unknown error", None),
    ] {
        let mut wire = Wire::new();
        wire.client(&call("1", "pay")).server(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
        let event = wire.only_event();
        let failure = event.error.unwrap();
        assert_eq!((event.is_error, failure.message.as_str(), failure.code), (true, message, code), "{error}");
    }
}

#[test]
fn an_error_of_null_beside_a_result_is_none() {
    let mut wire = Wire::new();
    wire.client(&call("1", "add")).server(r#"{"jsonrpc":"2.0","error":null,"id":1,"result":{}}"#);
    assert!(!wire.only_event().is_error);
}

#[test]
fn long_error_texts_are_cut_and_marked() {
    let mut wire = Wire::new();
    let (long, data) = ("x".repeat(20_000), "y".repeat(5_000));
    wire.client(&call("1", "a")).client(&call("2", "b"));
    wire.server(&format!(r#"{{"id":1,"error":{{"code":1,"message":"{long}","data":"{data}"}}}}"#));
    wire.server(&format!(
        r#"{{"id":2,"result":{{"content":[{{"type":"text","text":"{data}"}},{{"type":"text","text":"{long}"}},{{"type":"text","text":"more"}}],"isError":true}}}}"#
    ));
    let [protocol, tool] = &wire.events()[..] else { panic!("two events") };
    let error = protocol.error.as_ref().unwrap();
    assert_eq!((error.message.len(), error.message.ends_with("x…")), (8 * 1024, true));
    let kept = error.data.as_ref().unwrap();
    assert_eq!((kept.len(), kept.ends_with("y…")), (2 * 1024, true));

    let error = tool.error.as_ref().unwrap();
    assert_eq!(error.message.len(), 8 * 1024 + 1, "8 KiB in all, and the space between");
    assert!(error.message.ends_with("x…"));
    assert_eq!(tool.content_count, Some(3));
    assert_eq!(error.content[2], ContentBlock { ty: "text".into(), text: None }, "the block is known, its text is not");
}

#[test]
fn an_older_server_that_refuses_discovery_is_no_error() {
    let discover = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}"#;
    for (code, is_error) in [(-32601, false), (-32602, false), (-32603, true)] {
        let mut wire = Wire::new();
        let refusal = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"Method not found"}}}}"#);
        wire.client(discover).server(&refusal);
        let event = wire.only_event();
        assert_eq!((event.is_error, event.error.is_some()), (is_error, is_error), "{code}");
        wire.client(&call("2", "x")).server(&refusal.replace("\"id\":1", "\"id\":2"));
        assert!(wire.only_event().is_error, "any other method not found is one");
    }
}
