//! What each method acts on: the event's `resource_name`.

use watchpost::mcp::EventFilter;

use crate::wire::{Wire, options};

/// Everything a request might name, in one set of parameters.
const PARAMS: &str = r#"{"name":"NAME","uri":"URI","ref":{"type":"ref/prompt","name":"REF"},"taskId":"TASK","level":"debug","messages":[],"message":"hi","argument":{"name":"a","value":"b"}}"#;

fn resource_name(method: &str, params: &str) -> Option<String> {
    let mut wire = Wire::with(options(|options| options.events = EventFilter::ALL));
    let id = if method.starts_with("notifications/") { "" } else { r#""id":1,"# };
    wire.client(&format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{params}}}"#));
    wire.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let event = wire.only_event();
    assert_eq!(event.event_type, method);
    event.resource_name
}

#[test]
fn a_method_names_what_it_acts_on() {
    for (method, name) in [
        ("tools/call", Some("NAME")),
        ("prompts/get", Some("NAME")),
        ("resources/read", Some("URI")),
        ("resources/subscribe", Some("URI")),
        ("resources/unsubscribe", Some("URI")),
        ("resources/directory/read", Some("URI")),
        ("skills/get", Some("URI")),
        ("completion/complete", Some("REF")),
        ("notifications/resources/updated", Some("URI")),
        ("initialize", None),
        ("server/discover", None),
        ("subscriptions/listen", None),
        ("ping", None),
        ("tools/list", None),
        ("resources/list", None),
        ("resources/templates/list", None),
        ("prompts/list", None),
        ("skills/list", None),
        ("logging/setLevel", None),
        ("sampling/createMessage", None),
        ("elicitation/create", None),
        ("roots/list", None),
        ("tasks/get", None),
        ("tasks/result", None),
        ("tasks/list", None),
        ("tasks/update", None),
        ("tasks/cancel", None),
        ("notifications/initialized", None),
        ("notifications/cancelled", None),
        ("notifications/progress", None),
        ("notifications/message", None),
        ("notifications/tools/list_changed", None),
        ("notifications/prompts/list_changed", None),
        ("notifications/resources/list_changed", None),
        ("notifications/roots/list_changed", None),
        ("notifications/elicitation/complete", None),
        ("notifications/tasks", None),
        ("acme/customers/create", None),
        ("notifications/acme", None),
    ] {
        assert_eq!(resource_name(method, PARAMS).as_deref(), name, "{method}");
    }
}

#[test]
fn a_completion_names_a_prompt_or_a_resource_template() {
    let prompt = r#"{"ref":{"type":"ref/prompt","name":"greet","title":"Greet"}}"#;
    let template = r#"{"ref":{"type":"ref/resource","uri":"file:///{path}"}}"#;
    assert_eq!(resource_name("completion/complete", prompt).as_deref(), Some("greet"));
    assert_eq!(resource_name("completion/complete", template).as_deref(), Some("file:///{path}"));
}

#[test]
fn what_is_not_there_or_no_text_names_nothing() {
    for params in
        ["{}", r#"{"name":7}"#, r#"{"name":null}"#, r#"{"name":{"name":"x"}}"#, r#"["name","x"]"#, r#""name""#]
    {
        assert_eq!(resource_name("tools/call", params), None, "{params}");
    }
}

#[test]
fn a_long_name_is_cut_and_marked() {
    let name = resource_name("resources/read", &format!(r#"{{"uri":"data:{}"}}"#, "x".repeat(1_000_000))).unwrap();
    assert_eq!((name.len(), name.ends_with("x…")), (2048, true));
}
