//! Names and versions of both sides, in both eras of the protocol.

use watchpost::model::{Implementation, McpEvent};

use crate::wire::{Wire, answer, call};

fn implementation(name: &str, title: Option<&str>, version: &str) -> Implementation {
    Implementation { name: Some(name.into()), title: title.map(Into::into), version: Some(version.into()) }
}

fn facts(event: &McpEvent) -> (&Implementation, &Implementation, Option<&str>) {
    (&event.client, &event.server, event.protocol_version.as_deref())
}

#[test]
fn initialize_teaches_both_sides_and_its_own_event_knows_them() {
    let mut wire = Wire::new();
    wire.client(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"version":"1.0","name":"ide","title":"The IDE"},"protocolVersion":"2025-11-25","capabilities":{}}}"#);
    wire.server(r#"{"jsonrpc":"2.0","id":0,"result":{"serverInfo":{"name":"files","version":"2.0"},"protocolVersion":"2025-06-18","capabilities":{"tools":{"name":"not me"}}}}"#);
    wire.client(&call("1", "read")).server(&answer("1"));
    let client = implementation("ide", Some("The IDE"), "1.0");
    let server = implementation("files", None, "2.0");
    for event in wire.events() {
        assert_eq!(facts(&event), (&client, &server, Some("2025-06-18")), "{}", event.event_type);
    }
}

#[test]
fn a_refused_initialize_still_names_the_client() {
    let mut wire = Wire::new();
    wire.client(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"ide","version":"1"},"protocolVersion":"1999-01-01"}}"#);
    wire.server(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Unsupported protocol version"}}"#);
    let event = wire.only_event();
    assert_eq!(facts(&event), (&implementation("ide", None, "1"), &Implementation::default(), None));
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"agent","version":"3"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

#[test]
fn a_stateless_client_is_known_from_each_request_and_remembered() {
    let mut wire = Wire::new();
    wire.client(&format!(r#"{{"id":1,"method":"tools/list","params":{{{META}}}}}"#));
    wire.server(r#"{"id":1,"result":{"tools":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"files","version":"9","title":"Files"}}}}"#);
    wire.client(&call("2", "read")).server(&answer("2"));
    let events = wire.events();
    assert_eq!(events.len(), 2);
    for event in events {
        let (client, server) = (implementation("agent", None, "3"), implementation("files", Some("Files"), "9"));
        assert_eq!(facts(&event), (&client, &server, Some("2026-07-28")));
    }
}

#[test]
fn a_name_repeated_without_its_version_keeps_the_version() {
    let mut wire = Wire::new();
    wire.client(&format!(r#"{{"id":1,"method":"tools/list","params":{{{META}}}}}"#)).server(&answer("1"));
    wire.client(&format!(r#"{{"id":2,"method":"tools/list","params":{{{}}}}}"#, META.replace(r#","version":"3""#, "")));
    wire.server(&answer("2"));
    wire.client(&format!(
        r#"{{"id":3,"method":"tools/list","params":{{{}}}}}"#,
        META.replace(r#""name":"agent","#, "")
    ));
    wire.server(&answer("3"));
    let agent = implementation("agent", None, "3");
    assert!(wire.events().iter().all(|event| event.client == agent));

    wire.client(&format!(
        r#"{{"id":4,"method":"x","params":{{{}}}}}"#,
        META.replace(r#""agent","version":"3""#, r#""other""#)
    ));
    wire.server(&answer("4"));
    let other = Implementation { name: Some("other".into()), ..Implementation::default() };
    assert_eq!(wire.only_event().client, other, "another client does not inherit a version");
}

#[test]
fn nobody_speaks_for_the_other_side() {
    let mut wire = Wire::new();
    // A server asking, with a client's marks; a client answering, with a server's.
    wire.server(&format!(r#"{{"id":1,"method":"roots/list","params":{{{META}}}}}"#));
    wire.client(r#"{"id":1,"result":{"serverInfo":{"name":"evil"},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"evil"}}}}"#);
    // A tool's result that looks like an answer to initialize.
    wire.client(&call("1", "t"));
    wire.server(r#"{"id":1,"result":{"serverInfo":{"name":"evil"},"protocolVersion":"6666-06-06"}}"#);
    // A tool call that looks like initialize.
    wire.client(
        r#"{"id":2,"method":"tools/call","params":{"name":"t","clientInfo":{"name":"evil"},"protocolVersion":"6"}}"#,
    );
    wire.server(&answer("2"));
    let events = wire.events();
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(facts(&event), (&Implementation::default(), &Implementation::default(), None));
    }
}
