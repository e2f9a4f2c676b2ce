//! One event for each request, whatever becomes of it.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use serde_json::json;
use watchpost::{
    exporter::{Discarded, EventExporter},
    mcp::{EventFilter, Options, Tracker},
    model::{Completion, Direction, ErrorKind, McpEvent, TraceParent, Transport},
    redact::Capture,
    testing::InMemoryExporter,
};
use watchpost_sentry::delivery::Outcome;

use crate::support::{Client, Rig, TIMEOUT, tracked};

#[tokio::test]
async fn a_call_is_an_event_with_everything_the_seed_lists() {
    let mut rig = Rig::new(Options::default().tag("region", "eu")).await;
    let meta = json!({"claudecode/toolUseId": "toolu_1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
    rig.client.request("tools/call", json!({"name": "echo", "arguments": {"text": "a"}, "_meta": meta})).await;

    let events = rig.events().await;
    let types: Vec<_> = events.iter().map(|event| &*event.event_type).collect();
    assert_eq!(types, ["initialize", "tools/call"]);
    let (initialize, call) = (&events[0], &events[1]);
    assert_eq!(initialize.session_id, call.session_id);
    assert!(call.session_id.as_ref().unwrap().starts_with("ses_") && call.event_id.starts_with("evt_"));
    for event in &events {
        assert_eq!(event.project_id.as_deref(), Some("proj_1"));
        assert_eq!(event.server.name.as_deref(), Some("test-server"));
        assert_eq!(event.server.version.as_deref(), Some("1.2.3"));
        assert_eq!(event.client.name.as_deref(), Some("test-client"));
        assert_eq!(event.client.title.as_deref(), Some("A client"));
        assert_eq!(event.protocol_version.as_deref(), Some("2025-06-18"));
        assert_eq!((event.transport, event.direction), (Some(Transport::Stdio), Direction::ClientToServer));
        assert_eq!(event.tags, [("region".to_owned(), "eu".to_owned())]);
        assert!(event.duration.is_some() && !event.is_error);
    }
    assert_eq!(call.resource_name.as_deref(), Some("echo"));
    assert_eq!((call.request_id.as_deref(), call.content_count), (Some("2"), Some(1)));
    assert_eq!(call.tool_call_id.as_deref(), Some("toolu_1"));
    assert_eq!(call.trace_parent.unwrap().span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!((&call.arguments, &call.result), (&None, &None), "content is opt-in");
}

#[tokio::test]
async fn every_kind_of_request_names_what_it_is_about() {
    let mut rig = Rig::new(Options::default()).await;
    for (method, params) in [
        ("tools/list", json!({})),
        ("prompts/get", json!({"name": "greet"})),
        ("prompts/list", json!({})),
        ("resources/read", json!({"uri": "file:///a"})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": ""}}),
        ),
        ("example.com/own", json!({"a": 1})),
        ("ping", json!({})),
    ] {
        rig.client.request(method, params).await;
    }
    let events = rig.events().await;
    let seen: Vec<_> =
        events.iter().map(|event| (&*event.event_type, event.resource_name.as_deref(), event.content_count)).collect();
    assert_eq!(
        seen,
        [
            ("initialize", None, None),
            ("tools/list", None, None),
            ("prompts/get", Some("greet"), Some(2)),
            ("prompts/list", None, None),
            ("resources/read", Some("file:///a"), Some(1)),
            ("resources/list", None, None),
            ("resources/templates/list", None, None),
            ("completion/complete", Some("greet"), None),
            ("example.com/own", None, None),
        ],
        "and no ping"
    );
}

#[tokio::test]
async fn pings_and_notifications_are_events_when_asked_for() {
    let mut rig = Rig::new(Options::default().events(EventFilter::ALL)).await;
    rig.client.request("ping", json!({})).await;
    let ping = rig.until(|event| event.event_type == "ping").await;
    assert!(!ping.is_notification);
    let notification = rig.until(|event| event.event_type == "notifications/initialized").await;
    assert!(notification.is_notification && notification.duration.is_none());
}

#[tokio::test]
async fn a_failed_result_is_an_error_with_what_the_tool_captured() {
    let mut rig = Rig::new(Options::default()).await;
    rig.client.call("soft", json!({})).await;
    let soft = rig.last().await.error.unwrap();
    assert_eq!((soft.kind, soft.message.as_str(), soft.ty), (ErrorKind::Tool, "it failed", None));

    rig.client.call("fail", json!({})).await;
    let event = rig.last().await;
    let error = event.error.unwrap();
    assert!(event.is_error);
    assert_eq!((error.message.as_str(), error.ty.as_deref()), ("no quota left", Some("QuotaError")));
    assert_eq!(error.causes[0].ty.as_deref(), Some("ParseIntError"));
    assert_eq!((error.platform.as_deref(), error.content.len()), (Some("rust"), 2));
}

#[tokio::test]
async fn a_refusal_is_a_protocol_error() {
    let mut rig = Rig::new(Options::default()).await;
    rig.client.call("refuse", json!({})).await;
    let error = rig.last().await.error.unwrap();
    assert_eq!((error.kind, error.code), (ErrorKind::Protocol, Some(-32602)));
    assert_eq!((error.message.as_str(), error.data.as_deref()), ("no such thing", Some(r#"{"field":"a"}"#)));
}

#[tokio::test]
async fn a_panic_in_a_tool_is_an_error_event_and_the_server_goes_on() {
    let mut rig = Rig::new(Options::default()).await;
    rig.client.ask("tools/call", json!({"name": "panic"})).await;
    let event = rig.until(|event| event.resource_name.as_deref() == Some("panic")).await;
    assert_eq!((event.is_error, event.error.unwrap().ty.as_deref()), (true, Some("panic")));
    let answer = rig.client.call("echo", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "{}");
}

#[tokio::test]
async fn a_cancelled_call_is_no_failure_and_says_why() {
    let mut rig = Rig::new(Options::default()).await;
    let id = rig.client.ask("tools/call", json!({"name": "wait"})).await;
    rig.client.notify("notifications/cancelled", json!({"requestId": id, "reason": "changed my mind"})).await;
    let event = rig.until(|event| event.resource_name.as_deref() == Some("wait")).await;
    assert_eq!((event.completion, event.is_error), (Completion::Cancelled, false));
    rig.client.call("echo", json!({})).await;
}

#[tokio::test]
async fn what_a_tool_says_of_its_call_is_in_the_event_and_custom_events_share_its_session() {
    let exporter = InMemoryExporter::default();
    let options = Options::default().exporter("memory", Arc::new(exporter.clone()));
    let tracker = Tracker::new(None, options).unwrap();
    let server = crate::server::TestServer { tracker: Some(tracker.clone()), tracer: None };
    let mut client = Client::connect(tracker.track(server));
    client.introduce("test-client").await;
    client.call("say", json!({})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let events = exporter.events();
    let custom = events.iter().find(|event| event.event_type == "custom").unwrap();
    let call = events.iter().find(|event| event.event_type == "tools/call").unwrap();
    assert_eq!((custom.resource_name.as_deref(), &custom.session_id), (Some("checkout"), &call.session_id));
    assert_eq!(call.tags, [("flavour".to_owned(), "sweet".to_owned())]);
    assert_eq!(call.properties, [("count".to_owned(), json!(3))]);
}

#[tokio::test]
async fn content_is_captured_when_an_exporter_sends_it() {
    let exporter = InMemoryExporter::with_capture(Capture::ALL);
    let options = Options::default().exporter("memory", Arc::new(exporter.clone()));
    let server = watchpost::mcp::track(crate::server::TestServer::default(), None, options).unwrap();
    let tracker = server.tracker().clone();
    let mut client = Client::connect(server);
    client.introduce("test-client").await;
    client.call("echo", json!({"text": "a"})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let event = exporter.events().pop().unwrap();
    assert_eq!(event.arguments.as_deref(), Some(r#"{"text":"a"}"#));
    assert!(event.result.unwrap().contains("content"));
}

#[tokio::test]
async fn after_a_shutdown_calls_still_work_and_are_counted() {
    let mut rig = Rig::new(Options::default()).await;
    assert!(rig.tracker.shutdown_async(TIMEOUT).await.complete);
    rig.client.call("echo", json!({})).await;
    let outcome = rig.tracker.flush_async(TIMEOUT).await;
    assert_eq!(outcome.overflowed, 1);
}

#[tokio::test]
async fn a_service_that_is_no_handler_is_tracked_too() {
    let (server, exporter) = tracked(Options::default());
    let tracker = server.tracker().clone();
    let mut client = Client::connect(tracker.track_service(crate::server::TestServer::default()));
    client.introduce("test-client").await;
    client.call("soft", json!({})).await;
    client.request("prompts/get", json!({"name": "greet"})).await;
    assert!(tracker.flush_async(TIMEOUT).await.complete);
    let events = exporter.events();
    let seen: Vec<_> = events.iter().map(|event| (&*event.event_type, event.is_error, event.content_count)).collect();
    assert_eq!(seen, [("initialize", false, None), ("tools/call", true, Some(1)), ("prompts/get", false, Some(2))]);
}

/// One that has no room until the test gives it some.
struct Full {
    kept: InMemoryExporter,
    room: Mutex<Receiver<()>>,
}

impl EventExporter for Full {
    fn export(&self, event: &McpEvent) {
        self.kept.export(event);
    }

    fn wait_for_room(&self, timeout: Duration) -> bool {
        self.room.lock().unwrap().recv_timeout(timeout) != Err(RecvTimeoutError::Timeout)
    }

    fn capture(&self) -> Capture {
        Capture::NONE
    }

    fn span_of(&self, _event_id: &str, _session_id: Option<&str>, _parent: Option<TraceParent>) -> Option<TraceParent> {
        None
    }

    fn discard(&self, event: Discarded) {
        self.kept.discard(event);
    }

    fn flush(&self, timeout: Duration) -> Outcome {
        self.kept.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        self.kept.shutdown(timeout)
    }
}

#[tokio::test]
async fn events_wait_for_an_exporter_without_room_but_a_shutdown_does_not_for_ever() {
    for gives_room in [true, false] {
        let (give, room) = channel();
        let kept = InMemoryExporter::default();
        let full = Full { kept: kept.clone(), room: Mutex::new(room) };
        let tracker = Tracker::new(None, Options::default().exporter("full", Arc::new(full))).unwrap();
        let mut client = Client::connect(tracker.track(crate::server::TestServer::default()));
        client.introduce("test-client").await;
        client.call("echo", json!({})).await;
        assert!(kept.events().is_empty());
        if gives_room {
            // Room for whatever comes.
            drop(give);
            assert!(tracker.flush_async(TIMEOUT).await.complete);
        } else {
            assert!(tracker.shutdown_async(Duration::from_secs(2)).await.complete);
            drop(give);
        }
        assert_eq!((kept.events().len(), kept.discarded().len()), (2, 0));
    }
}
