//! Calls that end without an answer: cancelled, cut off, given up, pushed out.

use std::time::Duration;

use watchpost::{
    mcp::Capture,
    model::{Completion, ErrorKind},
};

use crate::wire::{FROM_SERVER, Wire, answer, call, cancel, options};

#[test]
fn a_cancelled_call_ends_at_once_and_its_late_answer_is_ignored() {
    let mut wire = Wire::new();
    wire.client(&call("1", "slow"));
    wire.server(&cancel("1"));
    assert!(wire.events().is_empty(), "the server cannot cancel the client's call");
    wire.client(&cancel("1"));
    let event = wire.only_event();
    assert_eq!((event.completion, event.is_error, event.error), (Completion::Cancelled, false, None));
    assert_eq!(event.duration, Some(Duration::from_millis(2)));
    assert_eq!((event.response_bytes, event.cancel_reason.as_deref()), (None, Some("changed my mind")));
    wire.server(&answer("1")).client(&cancel("1"));
    assert!(wire.close().is_empty());
    assert_eq!(wire.observer.session_counters().unmatched_answers, 1);
}

#[test]
fn a_cancellation_needs_no_reason() {
    let mut wire = Wire::new();
    wire.client(&call("1", "slow"));
    wire.client(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    let event = wire.only_event();
    assert_eq!((event.completion, event.cancel_reason), (Completion::Cancelled, None));
}

#[test]
fn the_server_cancels_its_own_call() {
    let mut wire = Wire::new();
    wire.server(r#"{"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{}}"#).server(&cancel(r#""s1""#));
    let event = wire.only_event();
    assert_eq!((event.completion, event.direction), (Completion::Cancelled, FROM_SERVER));
}

#[test]
fn calls_open_when_the_connection_closes_are_failures() {
    let mut wire = Wire::new();
    wire.client(&call("1", "slow")).server(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
    wire.millis += 500;
    let events = wire.close();
    assert_eq!(events.iter().map(|event| event.event_type.as_ref()).collect::<Vec<_>>(), ["tools/call", "roots/list"]);
    for event in &events {
        assert_eq!((event.completion, event.is_error), (Completion::ConnectionClosed, true));
        let error = event.error.as_ref().unwrap();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Unanswered, "The connection closed before the answer")
        );
    }
    assert_eq!(events[0].duration, Some(Duration::from_millis(501)));
    assert!(wire.close().is_empty(), "closing twice reports nothing twice");
}

#[test]
fn a_subscription_is_meant_to_last() {
    let mut wire = Wire::with(options(|options| options.max_pending_age = Duration::from_secs(60)));
    wire.client(r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}}"#);
    wire.client(&call("2", "slow"));
    wire.millis += 61_000;
    wire.observer.expire(wire.now());
    assert_eq!(wire.only_event().resource_name.as_deref(), Some("slow"), "the call behind it expires all the same");
    let events = wire.close();
    assert_eq!((events.len(), events[0].completion, events[0].is_error), (1, Completion::ConnectionClosed, false));
}

#[test]
fn a_call_open_too_long_is_given_up_once() {
    let mut wire = Wire::with(options(|options| options.max_pending_age = Duration::from_secs(60)));
    wire.client(&call("1", "stuck"));
    wire.millis += 60_000;
    wire.observer.expire(wire.now());
    assert!(wire.events().is_empty(), "not yet");
    wire.millis += 1;
    wire.observer.expire(wire.now());
    let event = wire.only_event();
    assert_eq!((event.completion, event.is_error), (Completion::Expired, true));
    let error = event.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Timeout, "No answer within 60 s"));
    wire.server(&answer("1"));
    assert!(wire.close().is_empty());
    assert_eq!(wire.observer.session_counters().expired, 1);
}

#[test]
fn too_many_open_calls_push_out_the_oldest_without_blaming_it() {
    let mut wire = Wire::with(options(|options| options.max_pending = 3));
    for id in 1..=5 {
        wire.client(&call(&id.to_string(), &format!("t{id}")));
    }
    let events = wire.events();
    assert_eq!(events.iter().filter_map(|event| event.resource_name.as_deref()).collect::<Vec<_>>(), ["t1", "t2"]);
    assert!(
        events.iter().all(|event| event.completion == Completion::Expired && !event.is_error && event.error.is_none())
    );
    assert_eq!(wire.observer.open_calls(), 3);
}

#[test]
fn open_calls_are_bounded_in_bytes_too() {
    let mut wire = Wire::with(options(|options| {
        options.capture = Capture::ALL;
        options.max_pending_bytes = 100_000;
    }));
    let big = "x".repeat(40_000);
    let request =
        |id: u32| format!(r#"{{"id":{id},"method":"tools/call","params":{{"name":"t{id}","arguments":"{big}"}}}}"#);
    wire.client(&request(1)).client(&request(2));
    assert_eq!(wire.observer.open_calls(), 2);
    wire.client(&request(3));
    assert_eq!(wire.only_event().resource_name.as_deref(), Some("t1"));
    let huge = "x".repeat(500_000);
    wire.client(&format!(r#"{{"id":4,"method":"tools/call","params":{{"name":"t4","arguments":"{huge}"}}}}"#));
    assert_eq!(wire.events().len(), 2);
    wire.server(&answer("4"));
    assert_eq!(wire.only_event().resource_name.as_deref(), Some("t4"), "the newest stays, however large");
}

#[test]
fn calls_whose_answer_may_have_been_skipped_are_not_blamed() {
    let mut wire = Wire::new();
    wire.client(&call("1", "before"));
    wire.observer.skip(FROM_SERVER, 4096);
    wire.client(&call("2", "after"));
    wire.server("the rest of a frame").server(&answer("9"));
    let events = wire.close();
    assert_eq!((events[0].completion, events[0].is_error), (Completion::Expired, false));
    assert_eq!((events[1].completion, events[1].is_error), (Completion::ConnectionClosed, true));
}
