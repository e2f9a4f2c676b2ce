//! One event per request, made of it and its answer: what it says, and which answer belongs to it.

use std::time::Duration;

use watchpost::{
    mcp::{Capture, EventFilter},
    model::{Actor, Completion, Transport},
};

use crate::wire::{FROM_CLIENT, FROM_SERVER, Wire, answer, at, call, options};

#[test]
fn an_answered_call_is_one_event() {
    let mut wire = Wire::new();
    let (request, reply) = (call("7", "add"), answer("7"));
    wire.client(&request);
    assert!(wire.events().is_empty(), "not before the answer");
    wire.millis += 40;
    wire.server(&reply);

    let event = wire.only_event();
    assert_eq!(event.event_type, "tools/call");
    assert_eq!(event.resource_name.as_deref(), Some("add"));
    assert_eq!(event.request_id.as_deref(), Some("7"));
    assert_eq!((event.is_error, event.error, event.completion), (false, None, Completion::Answered));
    assert_eq!(event.duration, Some(Duration::from_millis(41)));
    assert_eq!(event.timestamp, at(42).wall, "when it completed");
    assert_eq!((event.request_bytes, event.response_bytes), (Some(request.len() as u64), Some(reply.len() as u64)));
    assert_eq!(event.content_count, Some(1));
    assert_eq!(event.direction, FROM_CLIENT);
    assert_eq!(event.transport, Some(Transport::Stdio));
    assert!(event.event_id.starts_with("evt_") && event.event_id.len() == 31);
    assert_eq!(event.session_id.as_deref(), Some(wire.observer.session_id()));
    assert!(wire.observer.session_id().starts_with("ses_"));
    assert_eq!((event.arguments, event.result), (None, None), "content is opt-in");
}

#[test]
fn every_event_of_a_session_has_its_session_id_and_an_event_id_of_its_own() {
    let mut wire = Wire::new();
    for id in 0..100 {
        wire.client(&call(&id.to_string(), "add")).server(&answer(&id.to_string()));
    }
    let events = wire.events();
    let mut ids: Vec<_> = events.iter().map(|event| event.event_id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert!(events.iter().all(|event| event.session_id == events[0].session_id));
    assert_ne!(Wire::new().observer.session_id(), wire.observer.session_id());
}

#[test]
fn calls_that_end_in_one_read_keep_their_order_in_time() {
    let mut wire = Wire::new();
    wire.client(&call("0", "add")).client(&call("1", "add")).client(&call("2", "add"));
    let answers: String = ["2", "1", "0"].map(|id| answer(id) + "\n").concat();
    wire.bytes(FROM_SERVER, answers.as_bytes());
    let events = wire.events();
    assert_eq!(events.iter().map(|event| event.request_id.as_deref().unwrap()).collect::<Vec<_>>(), ["2", "1", "0"]);
    let micros: Vec<_> =
        events.iter().map(|event| (event.timestamp.nanos() - events[0].timestamp.nanos()) / 1000).collect();
    assert_eq!(micros, [0, 1, 2]);
}

#[test]
fn a_clock_that_is_set_back_is_believed() {
    let mut wire = Wire::new();
    wire.millis = 5_000;
    wire.client(&call("1", "add")).server(&answer("1"));
    wire.millis = 1_000;
    wire.client(&call("2", "add")).server(&answer("2"));
    let events = wire.events();
    assert!(events[1].timestamp < events[0].timestamp);
}

#[test]
fn the_host_adds_its_own_to_every_event() {
    let actor =
        Actor { id: Some("u1".into()), name: Some("Ada".into()), data: Some(serde_json::json!({"plan": "pro"})) };
    let mut wire = Wire::with(options(|options| {
        options.session_id = Some("ses_given".into());
        options.project_id = Some("proj".into());
        options.actor = Some(actor.clone());
        options.tags = vec![("team".into(), "search".into())];
        options.mcp_session_id = Some("abc".into());
        options.transport = Some(Transport::Http);
    }));
    wire.client(&call("1", "add")).server(&answer("1"));
    let event = wire.only_event();
    assert_eq!(event.session_id.as_deref(), Some("ses_given"));
    assert_eq!(event.project_id.as_deref(), Some("proj"));
    assert_eq!(event.actor, Some(actor));
    assert_eq!(event.tags, [("team".to_owned(), "search".to_owned())]);
    assert_eq!(event.mcp_session_id.as_deref(), Some("abc"));
    assert_eq!(event.transport, Some(Transport::Http));
}

#[test]
fn answers_come_in_any_order_and_find_their_call() {
    let mut wire = Wire::new();
    for (id, tool) in [("1", "one"), (r#""1""#, "text"), ("2.0", "two"), ("-3", "three"), (r#""\u00e9""#, "e")] {
        wire.client(&call(id, tool));
    }
    for id in [r#""é""#, "-3", "2", r#""\u0031""#, "1"] {
        wire.server(&answer(id));
    }
    let events = wire.events();
    let named: Vec<_> = events
        .iter()
        .map(|event| (event.resource_name.as_deref().unwrap(), event.request_id.as_deref().unwrap()))
        .collect();
    assert_eq!(named, [("e", "é"), ("three", "-3"), ("two", "2"), ("text", "1"), ("one", "1")]);
    assert_eq!(wire.observer.open_calls(), 0);
}

#[test]
fn each_direction_has_ids_of_its_own() {
    let mut wire = Wire::new();
    wire.client(&call("1", "ask"));
    wire.server(r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}"#);
    wire.client(r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","content":{"type":"text","text":"hi"}}}"#);
    wire.server(&answer("1"));
    let [sampling, tool] = &wire.events()[..] else { panic!("two events") };
    assert_eq!((sampling.event_type.as_ref(), sampling.direction), ("sampling/createMessage", FROM_SERVER));
    assert_eq!(sampling.duration, Some(Duration::from_millis(1)));
    assert_eq!((tool.event_type.as_ref(), tool.direction), ("tools/call", FROM_CLIENT));
    assert_eq!(tool.duration, Some(Duration::from_millis(3)));
}

#[test]
fn a_batch_is_as_many_calls_as_it_has_requests() {
    let mut wire = Wire::new();
    let first = call("1", "one");
    wire.client(&format!(
        r#" [{first} , {},{{"jsonrpc":"2.0","method":"notifications/initialized"}}]"#,
        call("2", "two")
    ));
    wire.server(&format!("[{},{}]", answer("2"), answer("1")));
    let events = wire.events();
    let names: Vec<_> = events.iter().filter_map(|event| event.resource_name.as_deref()).collect();
    assert_eq!(names, ["two", "one"]);
    assert_eq!(events[1].request_bytes, Some(first.len() as u64), "its own size, not the batch's");
}

#[test]
fn an_id_used_twice_in_flight_loses_no_call() {
    let mut wire = Wire::new();
    wire.client(&call("1", "first")).client(&call("1", "second")).client(&call("1", "third"));
    wire.server(&answer("1")).server(&answer("1"));
    let names: Vec<_> = wire.events().into_iter().filter_map(|event| event.resource_name).collect();
    assert_eq!(names, ["first", "second"]);
    let left = wire.close();
    assert_eq!((left.len(), left[0].resource_name.as_deref()), (1, Some("third")));
}

#[test]
fn an_answer_to_nothing_is_counted_and_ignored() {
    let mut wire = Wire::new();
    wire.server(&answer("9")).server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#);
    wire.server(r#"{"jsonrpc":"2.0","result":{}}"#).client(&answer("9"));
    assert!(wire.close().is_empty());
    assert_eq!(wire.observer.session_counters().unmatched_answers, 4);
    assert!(wire.observer.stray().is_empty());
}

#[test]
fn a_request_with_an_id_of_null_is_answered_by_it() {
    let mut wire = Wire::new();
    wire.client(&call("null", "odd"))
        .server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid"}}"#);
    let event = wire.only_event();
    assert_eq!((event.request_id.as_deref(), event.is_error), (Some("null"), true));
}

#[test]
fn pings_and_notifications_are_reported_when_asked_for() {
    let lines = |wire: &mut Wire| {
        wire.client(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        wire.client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        wire.server(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"docs://a"}}"#);
        wire.close().into_iter().map(|event| event.event_type.into_owned()).collect::<Vec<_>>()
    };
    let mut quiet = Wire::new();
    assert!(lines(&mut quiet).is_empty());
    assert_eq!(quiet.observer.session_counters().unmatched_answers, 0, "a ping is matched though not reported");

    let with = |filter| Wire::with(options(|options| options.events = filter));
    assert_eq!(lines(&mut with("ping".parse().unwrap())), ["ping"]);
    let updated = "notifications/resources/updated";
    assert_eq!(lines(&mut with("notifications".parse().unwrap())), ["notifications/initialized", updated]);
    assert_eq!(lines(&mut with(EventFilter::ALL)), ["ping", "notifications/initialized", updated]);
}

#[test]
fn a_notification_has_no_duration_and_no_id() {
    let mut wire = Wire::with(options(|options| options.events = EventFilter::ALL));
    let line = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"docs://a"}}"#;
    wire.server(line);
    let event = wire.only_event();
    assert!(event.is_notification && !event.is_error);
    assert_eq!((event.duration, event.request_id, event.response_bytes), (None, None, None));
    assert_eq!((event.direction, event.resource_name.as_deref()), (FROM_SERVER, Some("docs://a")));
    assert_eq!(event.request_bytes, Some(line.len() as u64));
}

#[test]
fn each_round_of_a_multi_round_trip_is_an_event() {
    let mut wire = Wire::new();
    wire.client(&call("1", "book")).server(
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create"}},"requestState":"s"}}"#,
    );
    wire.client(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"book","arguments":{},"requestState":"s","inputResponses":{"k":{}}}}"#);
    wire.server(&answer("2"));
    let events = wire.events();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.resource_name.as_deref() == Some("book") && !event.is_error));
    assert_eq!((events[0].content_count, events[1].content_count), (None, Some(1)));
}

#[test]
fn a_call_that_became_a_task_fails_where_its_result_is_fetched() {
    let mut wire = Wire::new();
    wire.client(&call("1", "train"));
    wire.server(r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#);
    assert!(!wire.only_event().is_error);
    wire.client(r#"{"jsonrpc":"2.0","id":2,"method":"tasks/result","params":{"taskId":"t-1"}}"#);
    wire.server(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"diverged"}],"isError":true}}"#);
    let event = wire.only_event();
    assert_eq!((event.event_type.as_ref(), event.resource_name), ("tasks/result", None));
    assert_eq!(event.error.unwrap().message, "diverged");
}

#[test]
fn content_is_captured_when_asked_for_and_cut_at_the_bound() {
    let mut wire = Wire::with(options(|options| {
        options.capture = Capture::ALL;
        options.max_capture_bytes = 30;
    }));
    wire.client(r#"{"id":1,"method":"tools/call","params":{"arguments": { "a" : "\u00e9" } ,"name":"t"}}"#);
    wire.server(r#"{"id":1,"result": {"content":[],"structuredContent":{"a":[1,2,3]}} }"#);
    let event = wire.only_event();
    assert_eq!(event.arguments.as_deref(), Some(r#"{ "a" : "\u00e9" }"#), "as it was written");
    assert_eq!(event.result.as_deref(), Some(r#"{"content":[],"structuredCo…"#));
    assert_eq!(event.content_count, Some(0), "what is captured is read too");

    let mut inputs = Wire::with(options(|options| options.capture.inputs = true));
    inputs.client(r#"{"id":1,"method":"tools/call","params":{"arguments":7,"name":"t"}}"#).server(&answer("1"));
    let event = inputs.only_event();
    assert_eq!((event.arguments.as_deref(), event.result), (Some("7"), None));
}

#[test]
fn the_callers_trace_and_the_models_call_id_are_kept() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sentry = "1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-0";
    for (meta, trace) in [
        (
            format!(r#"{{"traceparent":"{parent}","claudecode/toolUseId":"toolu_1"}}"#),
            Some("0af7651916cd43dd8448eb211c80319c"),
        ),
        (
            format!(r#"{{"sentry-trace":"{sentry}","claudecode/toolUseId":"toolu_1"}}"#),
            Some("1af7651916cd43dd8448eb211c80319c"),
        ),
        (
            format!(r#"{{"sentry-trace":"{sentry}","traceparent":"{parent}","claudecode/toolUseId":"toolu_1"}}"#),
            Some("0af7651916cd43dd8448eb211c80319c"),
        ),
        (r#"{"traceparent":"nonsense","claudecode/toolUseId":"toolu_1"}"#.to_owned(), None),
    ] {
        let mut wire = Wire::new();
        wire.client(&format!(r#"{{"id":1,"method":"tools/call","params":{{"name":"t","_meta":{meta}}}}}"#))
            .server(&answer("1"));
        let event = wire.only_event();
        assert_eq!(event.trace_parent.map(|parent| parent.trace_id.to_string()).as_deref(), trace, "{meta}");
        assert_eq!(event.tool_call_id.as_deref(), Some("toolu_1"));
    }
}
