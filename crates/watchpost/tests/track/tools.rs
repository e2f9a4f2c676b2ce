//! The `context` argument and `get_more_tools`, when they are asked for.

use serde_json::json;
use watchpost::mcp::Options;

use crate::support::Rig;

#[tokio::test]
async fn the_context_argument_is_added_and_taken_off_again() {
    let options = Options::default().enable_tool_call_context(true).custom_context_description("Why?");
    let mut rig = Rig::new(options).await;
    let list = rig.client.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap().clone();
    let echo = &tools[0]["inputSchema"];
    assert_eq!(echo["properties"]["context"], json!({"type": "string", "description": "Why?"}));
    assert_eq!((&echo["required"], &echo["additionalProperties"]), (&json!(["context"]), &json!(false)));
    assert_eq!(tools[1]["inputSchema"].get("properties"), None, "a closed schema stays as it is");
    assert_eq!(
        (&list["result"]["nextCursor"], &list["result"]["_meta"]),
        (&json!("2"), &json!({"example.com/total": 3}))
    );

    let answer = rig.client.call("echo", json!({"text": "a", "context": "To greet."})).await;
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"text":"a"}"#, "the tool does not see it");
    assert_eq!(rig.last().await.user_intent.as_deref(), Some("To greet."));

    let answer = rig.client.call("either", json!({"context": "x"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"context":"x"}"#);
    assert_eq!(rig.last().await.user_intent, None);

    // Not listed, but the server says what it takes.
    rig.client.call("unlisted", json!({"context": "To try."})).await;
    assert_eq!(rig.last().await.user_intent.as_deref(), Some("To try."));
}

#[tokio::test]
async fn a_tools_own_context_argument_is_its_own() {
    let mut rig = Rig::new(Options::default().enable_tool_call_context(true)).await;
    let list = rig.client.request("tools/list", json!({"cursor": "2"})).await;
    assert_eq!(list["result"]["tools"][0]["inputSchema"]["properties"]["context"], json!({"type": "string"}));
    let answer = rig.client.call("own", json!({"context": "mine"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"context":"mine"}"#);
    assert_eq!(rig.last().await.user_intent, None);
}

#[tokio::test]
async fn get_more_tools_stands_behind_the_last_page_and_reports() {
    let mut rig = Rig::new(Options::default().enable_report_missing(true)).await;
    let first = rig.client.request("tools/list", json!({})).await;
    assert_eq!(first["result"]["tools"].as_array().unwrap().len(), 2);
    let last = rig.client.request("tools/list", json!({"cursor": "2"})).await;
    assert_eq!(last["result"]["tools"][1]["name"], "get_more_tools");
    let answer = rig.client.call("get_more_tools", json!({"context": "A tool for refunds."})).await;
    assert_eq!(answer["result"].get("isError"), Some(&json!(false)));
    let event = rig.last().await;
    assert_eq!(
        (event.resource_name.as_deref(), event.user_intent.as_deref()),
        (Some("get_more_tools"), Some("A tool for refunds."))
    );
}
