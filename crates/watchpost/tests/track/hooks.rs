//! The host's own hooks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

use serde_json::json;
use watchpost::{mcp::Options, model::Actor};

use crate::support::Rig;

fn actor(id: &str) -> Actor {
    Actor { id: Some(id.to_owned()), name: Some("Ada".to_owned()), data: Some(json!({"plan": "pro"})) }
}

#[tokio::test]
async fn identify_is_asked_once_a_session_and_changes_are_events() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut rig = Rig::new(Options::default().identify(move |request| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(request.client.name.as_deref(), Some("test-client"));
            Ok::<_, std::io::Error>(Some(actor("user-7")))
        }
    }))
    .await;
    rig.client.call("echo", json!({})).await;
    let events = rig.events().await;
    let types: Vec<_> = events.iter().map(|event| &*event.event_type).collect();
    assert_eq!(types, ["identify", "initialize", "tools/call"]);
    assert!(events.iter().all(|event| event.actor == Some(actor("user-7"))));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn tags_properties_and_sessions_are_of_the_request() {
    let options = Options::default()
        .event_tags(|request| Ok(vec![("tool".to_owned(), request.resource_name.clone().unwrap_or_default())]))
        .event_properties(|request| Ok(vec![("arguments".to_owned(), json!(request.arguments))]))
        .resolve_session_id(|request| Ok(request.meta.get("thread").and_then(|it| it.as_str()).map(str::to_owned)));
    let mut rig = Rig::new(options).await;
    let params = json!({"name": "echo", "arguments": {"text": "a"}, "_meta": {"thread": "11111111-2222-4333-8444-555555555555"}});
    rig.client.request("tools/call", params).await;
    let event = rig.last().await;
    assert_eq!(event.tags, [("tool".to_owned(), "echo".to_owned())]);
    assert_eq!(event.properties, [("arguments".to_owned(), json!({"text": "a"}))]);
    let derived = watchpost::model::derive_session_id("11111111-2222-4333-8444-555555555555", Some("proj_1"));
    assert_eq!(event.session_id, Some(derived));
}

#[tokio::test]
async fn a_hook_that_hangs_costs_its_decoration_only() {
    let (release, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let options =
        Options::default().hook_timeout(Duration::from_millis(1)).tag("always", "there").event_tags(move |_| {
            // Hangs until the test is over.
            let _ = gate.lock().unwrap().recv();
            Ok(Vec::new())
        });
    let mut rig = Rig::new(options).await;
    for _ in 0..100 {
        rig.client.call("echo", json!({})).await;
    }
    let events = rig.events().await;
    assert_eq!(events.len(), 101);
    assert!(events.iter().all(|event| event.tags == [("always".to_owned(), "there".to_owned())]));
    let outcome = rig.tracker.flush_async(crate::support::TIMEOUT).await;
    assert_eq!((outcome.undecorated, outcome.dropped_by_hooks), (101, 0));
    drop(release);
}

#[tokio::test]
async fn a_shutdown_leaves_half_its_time_to_what_is_sent() {
    let (release, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let options = Options::default().hook_timeout(Duration::from_secs(600)).event_tags(move |_| {
        let _ = gate.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let mut rig = Rig::new(options).await;
    rig.client.call("echo", json!({})).await;
    let outcome = rig.tracker.shutdown_async(Duration::from_secs(2)).await;
    assert!(outcome.complete, "{outcome}");
    assert_eq!((rig.exporter.events().len(), outcome.undecorated), (2, 2));
    drop(release);
}

#[tokio::test]
async fn json_without_measure_is_cut_wherever_a_hook_gives_it() {
    fn nested() -> serde_json::Value {
        (0..100_000).fold(json!("leaf"), |inner, _| serde_json::Value::Array(vec![inner]))
    }
    let options = Options::default()
        .identify(|_| async { Ok::<_, std::io::Error>(Some(Actor { data: Some(nested()), ..actor("a") })) })
        .event_properties(|_| Ok(vec![("given".to_owned(), nested())]))
        .redact_event(|mut event| {
            event.properties.push(("changed".to_owned(), nested()));
            Ok(Some(event))
        });
    let mut rig = Rig::new(options).await;
    rig.client.call("echo", json!({})).await;
    let event = rig.last().await;
    assert_eq!(event.properties.len(), 2);
    let data = event.actor.and_then(|actor| actor.data);
    for value in event.properties.into_iter().map(|(_, value)| value).chain(data) {
        assert!(value.to_string().contains('…'), "it ends somewhere");
    }
}

#[tokio::test]
async fn redaction_sees_every_string_and_drops_what_it_fails_on() {
    let options = Options::default()
        .tag("owner", "mallory")
        .event_properties(|_| Ok(vec![("deep".to_owned(), json!({"mallory": ["by mallory"]}))]))
        .identify(|_| async { Ok::<_, std::io::Error>(Some(actor("mallory"))) })
        .redact_event(|event| Ok((event.event_type != "identify").then_some(event)))
        .redact(|text| {
            if text == "refuse" {
                return Err("can't".into());
            }
            Ok(text.contains("mallory").then(|| text.replace("mallory", "[name]")))
        });
    let mut rig = Rig::new(options).await;
    rig.client.call("mallory's tool", json!({})).await;
    let event = rig.last().await;
    let text = format!("{event:?}");
    assert!(!text.contains("mallory"), "{text}");
    assert_eq!(event.resource_name.as_deref(), Some("[name]'s tool"));
    assert_eq!(event.properties, [("deep".to_owned(), json!({"[name]": ["by [name]"]}))]);
    rig.client.call("refuse", json!({})).await;
    let outcome = rig.tracker.flush_async(crate::support::TIMEOUT).await;
    assert_eq!(outcome.dropped_by_hooks, 2, "identify, by choice, and the one that could not be redacted");
    assert_eq!(rig.exporter.discarded().len(), 2);
}
