//! Bad input: garbage, cuts, depth, floods, silence. The observer loses what cannot be known, says so, and goes on.

use proptest::prelude::*;
use watchpost::{
    mcp::{Frame, ObserverOptions, Scanner, StdioObserver},
    model::Completion,
};

use crate::wire::{FROM_CLIENT, FROM_SERVER, Wire, answer, at, call};

/// Bytes an observer may hold for frames being read, whatever they are: both directions, see `Scanner`.
const BUFFER_BOUND: usize = 2 * 150 * 1024;

/// The observer still works after what was fed.
fn assert_recovers(wire: &mut Wire, what: &str) {
    wire.client(&call(r#""probe""#, "probe")).server(&answer(r#""probe""#));
    let events = wire.events();
    assert!(events.iter().any(|event| event.resource_name.as_deref() == Some("probe")), "after {what}");
}

#[test]
fn lines_that_are_no_messages_are_stray_output_of_the_server() {
    let mut wire = Wire::new();
    wire.server("Server ready on stdio").server("").server("  \r").server(r#"{"level":"info","msg":"listening"}"#);
    wire.server("[1,2]")
        .server("[]")
        .server(r#""text""#)
        .server("12")
        .server("null")
        .server(r#"{"id":1,"result":{}} x"#);
    let stray = wire.observer.stray();
    assert_eq!(stray.lines, 8);
    assert_eq!(stray.bytes, [21, 34, 5, 2, 6, 2, 4, 22].iter().sum::<u64>());
    assert_eq!(stray.first_line.as_deref(), Some("Server ready on stdio"));
    assert_eq!(wire.observer.counters().client_stray_lines, 0);
    assert_recovers(&mut wire, "stray lines");
}

#[test]
fn the_first_stray_line_is_whole_however_it_is_cut() {
    let line = b"\x1b[33mWARN\x1b[0m deprecated: \xff use --new\r\n";
    for cut in 0..line.len() {
        let mut observer = StdioObserver::new(ObserverOptions::default());
        observer.feed(FROM_SERVER, &line[..cut], at(0));
        observer.feed(FROM_SERVER, &line[cut..], at(0));
        let stray = observer.stray();
        let first = stray.first_line.as_deref();
        assert_eq!(first, Some("\u{1b}[33mWARN\u{1b}[0m deprecated: \u{fffd} use --new"), "cut at {cut}");
        assert_eq!((stray.lines, stray.bytes), (1, line.len() as u64 - 1));
    }
}

#[test]
fn pretty_printed_json_is_stray_for_messages_hold_no_newline() {
    let mut wire = Wire::new();
    wire.client(&call("1", "t")).server("{\n  \"id\": 1,\n  \"result\": {}\n}");
    assert_eq!((wire.observer.stray().lines, wire.observer.open_calls()), (4, 1));
    assert_recovers(&mut wire, "pretty-printed JSON");
}

#[test]
fn stray_lines_of_the_client_are_counted_apart() {
    let mut wire = Wire::new();
    wire.client("hello").client(r#"{"id":true,"method":"tools/call"}"#).client(r#"{"id":[1],"method":"x"}"#);
    assert_eq!(wire.observer.counters().client_stray_lines, 3);
    assert!(wire.observer.stray().is_empty() && wire.close().is_empty());
}

#[test]
fn malformed_frames_make_no_event() {
    for frame in [
        r#"{"id":1,"method":"tools/call","params":{"name":"t"}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"t"}}}"#,
        r#"{"id":1,"method":"tools/call",}"#,
        r#"{"id":1,,"method":"tools/call"}"#,
        r#"{"id":1 "method":"tools/call"}"#,
        r#"{"id" 1,"method":"tools/call"}"#,
        r#"{"id":01,"method":"tools/call"}"#,
        r#"{"id":1,"method":tools}"#,
        r#"{"id":1,"method":"tools/call"]"#,
        r#"{id:1,"method":"tools/call"}"#,
        r#"{"id":1,"method":"tools/call""#,
        r#"[{"id":1,"method":"tools/call"},"#,
        "\u{feff}\u{feff}{\"id\":1,\"method\":\"tools/call\"}",
        "{\"id\":1,\"method\":\"tools/call\"}\0",
    ] {
        let mut wire = Wire::new();
        wire.client(frame);
        let expected = usize::from(frame.starts_with('['));
        assert_eq!(wire.observer.open_calls(), expected, "{frame}: of a batch, what came before the fault counts");
        assert_eq!(wire.observer.counters().client_stray_lines, 1, "{frame}");
        assert_recovers(&mut wire, frame);
    }
}

#[test]
fn white_space_line_ends_and_a_byte_order_mark_are_tolerated() {
    let mut wire = Wire::new();
    wire.bytes(FROM_CLIENT, "\u{feff}".as_bytes());
    wire.client(" \t{ \"id\" : 1 ,\t\"method\":\"tools/call\" , \"params\" : { \"name\" : \"t\" } } \r");
    wire.client("").client("\r").client("   ");
    wire.server(&format!("\u{feff}{}\r", answer("1")));
    assert_eq!(wire.only_event().resource_name.as_deref(), Some("t"));
    assert_eq!(wire.observer.counters().client_stray_lines, 0);
    assert!(wire.observer.stray().is_empty());
}

#[test]
fn invalid_utf_8_and_lone_surrogates_become_replacement_characters() {
    let mut wire = Wire::new();
    wire.bytes(FROM_CLIENT, b"{\"id\":\"a\xff\",\"method\":\"tools/call\",\"params\":{\"name\":\"x\\ud800y\xc3\"}}\n");
    wire.bytes(FROM_SERVER, b"{\"id\":\"a\xff\",\"result\":{}}\n");
    let event = wire.only_event();
    assert_eq!(event.resource_name.as_deref(), Some("x\u{fffd}y\u{fffd}"));
    assert_eq!(event.request_id.as_deref(), Some("a\u{fffd}"));
}

#[test]
fn nesting_a_million_deep_costs_nothing() {
    const DEPTH: usize = 1_000_000;
    let mut wire = Wire::new();
    let nested = format!("{}{}", r#"{"a":["#.repeat(DEPTH), "]}".repeat(DEPTH));
    wire.client(&format!(r#"{{"params":{{"arguments":{nested},"name":"deep"}},"id":1,"method":"tools/call"}}"#));
    wire.server(&format!(r#"{{"result":{{"content":[{nested}]}},"id":1}}"#));
    assert_eq!(wire.only_event().resource_name.as_deref(), Some("deep"));
    wire.server(&"[".repeat(DEPTH)).server(&r#"{"result":"#.repeat(DEPTH));
    assert_eq!(wire.observer.stray().lines, 2);
    assert!(wire.observer.buffered_bytes() < BUFFER_BOUND);
}

#[test]
fn a_server_that_dies_in_a_frame_leaves_its_call_unanswered() {
    let mut wire = Wire::new();
    wire.client(&call("1", "t")).bytes(FROM_SERVER, br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"ty"#);
    let events = wire.close();
    assert_eq!((events.len(), events[0].completion, events[0].is_error), (1, Completion::ConnectionClosed, true));
    assert_eq!(wire.observer.counters().cut_frames, 1);
    assert!(wire.observer.stray().is_empty());
}

#[test]
fn a_last_line_that_never_was_a_frame_is_stray_output() {
    let mut wire = Wire::new();
    wire.client(&call("1", "t")).bytes(FROM_SERVER, b"fatal: no config, exiting").bytes(FROM_CLIENT, b"exit");
    assert_eq!(wire.close().len(), 1);
    let stray = wire.observer.stray();
    assert_eq!((stray.lines, stray.bytes), (1, 25));
    assert_eq!(stray.first_line.as_deref(), Some("fatal: no config, exiting"));
    assert_eq!((wire.observer.counters().cut_frames, wire.observer.counters().client_stray_lines), (0, 1));

    for begun in ["\u{feff} {\"id\":1", "[", "{}"] {
        let mut wire = Wire::new();
        wire.bytes(FROM_SERVER, begun.as_bytes()).close();
        assert_eq!((wire.observer.counters().cut_frames, wire.observer.stray().lines), (1, 0), "{begun}");
    }
    let mut wire = Wire::new();
    wire.bytes(FROM_SERVER, b" \r").close();
    assert!(wire.observer.stray().is_empty() && wire.observer.counters().cut_frames == 0, "a blank line is fine");
}

#[test]
fn a_whole_frame_without_its_newline_counts_at_the_end() {
    let mut wire = Wire::new();
    wire.client(&call("1", "t")).bytes(FROM_SERVER, answer("1").as_bytes());
    assert!(wire.events().is_empty(), "it might go on");
    let events = wire.close();
    assert_eq!((events.len(), events[0].completion), (1, Completion::Answered));
    assert_eq!(wire.observer.counters().cut_frames, 0);
}

#[test]
fn a_server_that_never_answers_costs_bounded_memory() {
    let mut wire = Wire::new();
    for id in 0..10_500_u32 {
        wire.client(&call(&id.to_string(), "t"));
    }
    assert_eq!((wire.observer.open_calls(), wire.events().len()), (10_000, 500));
    assert_eq!(wire.close().len(), 10_000);
}

#[test]
fn floods_of_notifications_and_of_answers_to_nothing_leave_no_trace() {
    let mut wire = Wire::new();
    let flood = format!("{}\n{}\n", r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#, answer("77"));
    let flood = flood.repeat(1000);
    for _ in 0..50 {
        wire.bytes(FROM_SERVER, flood.as_bytes());
    }
    assert_eq!((wire.observer.open_calls(), wire.events().len()), (0, 0));
    assert_eq!(wire.observer.session_counters().unmatched_answers, 50_000);
    assert!(wire.observer.buffered_bytes() < BUFFER_BOUND);
    assert_recovers(&mut wire, "a flood");
}

#[test]
fn a_frame_of_100_mb_passes_in_constant_memory() {
    const PIECES: usize = 1600;
    let piece = [b'x'; 64 * 1024];
    let mut wire = Wire::new();
    let (head, tail) =
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"blob":""#, r#""},"name":"big"},"id":1}"#);
    let request_bytes = head.len() + PIECES * piece.len() + tail.len();
    wire.bytes(FROM_CLIENT, head.as_bytes());
    for _ in 0..PIECES {
        wire.bytes(FROM_CLIENT, &piece);
        assert!(wire.observer.buffered_bytes() < BUFFER_BOUND);
    }
    wire.client(tail);
    let (head, tail) = (r#"{"result":{"content":[{"type":"text","text":""#, r#""}],"isError":true},"id":1}"#);
    let response_bytes = head.len() + PIECES * piece.len() + tail.len();
    wire.bytes(FROM_SERVER, head.as_bytes());
    for _ in 0..PIECES {
        wire.bytes(FROM_SERVER, &piece);
        assert!(wire.observer.buffered_bytes() < BUFFER_BOUND);
    }
    wire.server(tail);

    let event = wire.only_event();
    assert_eq!(event.resource_name.as_deref(), Some("big"));
    assert_eq!(event.request_bytes, Some(request_bytes as u64));
    assert_eq!(event.response_bytes, Some(response_bytes as u64));
    assert!(event.error.unwrap().message.starts_with("xxx"), "and its error is known");
}

#[test]
fn every_fact_at_its_largest_stays_within_the_bound() {
    const IMPLEMENTATION: &str = r#"{"name":@,"title":@,"version":@}"#;
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":@,"io.modelcontextprotocol/clientInfo":{IMPLEMENTATION},"io.modelcontextprotocol/serverInfo":{IMPLEMENTATION},"traceparent":@,"sentry-trace":@,"baggage":@,"claudecode/toolUseId":@,"progressToken":@}}"#
    );
    let blocks = vec![r#"{"type":@,"text":@}"#; 100].join(",");
    let message = format!(
        r#"{{"jsonrpc":@,"id":@,"params":{{"name":@,"uri":@,"ref":{{"type":@,"name":@,"uri":@}},"level":@,"taskId":@,"requestId":@,"reason":@,"protocolVersion":@,"clientInfo":{IMPLEMENTATION},"arguments":@,{meta}}},"result":{{"content":[{blocks}],"resultType":@,"protocolVersion":@,"serverInfo":{IMPLEMENTATION},"task":{{"taskId":@,"status":@}},{meta}}},"error":{{"message":@,"data":@}},"method":@}}"#
    );
    let mut wire = Wire::new();
    // Buffers grow by doubling as texts do, and an invalid byte becomes the three of U+FFFD.
    for size in [10, 1000, 50_000] {
        let text = [b"\"", vec![0xff; size].as_slice(), b"\""].concat();
        for direction in [FROM_CLIENT, FROM_SERVER] {
            for (index, part) in message.split('@').enumerate() {
                wire.bytes(direction, if index > 0 { &text } else { b"" }).bytes(direction, part.as_bytes());
            }
            wire.bytes(direction, b"\n");
            assert!(wire.observer.buffered_bytes() < BUFFER_BOUND, "{}", wire.observer.buffered_bytes());
        }
    }
    assert!(wire.observer.stray().is_empty());
    assert_eq!(wire.observer.open_calls(), 6);
}

#[test]
fn a_skipped_stretch_loses_its_frame_and_no_other() {
    let mut wire = Wire::new();
    wire.client(&call("1", "one")).client(&call("2", "two")).client(&call("3", "three"));
    let (first, second) = (answer("1"), answer("2"));
    wire.bytes(FROM_SERVER, format!("{}\n{}", first, &second[..20]).as_bytes());
    wire.observer.skip(FROM_SERVER, 5);
    wire.observer.skip(FROM_SERVER, 0);
    wire.bytes(FROM_SERVER, format!("{}\n{}\n", &second[25..], answer("3")).as_bytes());
    let names: Vec<_> = wire.events().into_iter().filter_map(|event| event.resource_name).collect();
    assert_eq!(names, ["one", "three"]);
    assert!(wire.observer.stray().is_empty(), "the rest of a lost frame is nobody's fault");
    assert_eq!((wire.observer.counters().skipped_bytes, wire.observer.counters().gaps), (5, 1));
    let left = wire.close();
    assert_eq!((left.len(), left[0].completion, left[0].is_error), (1, Completion::Expired, false));
}

proptest! {
    /// Bytes that look like JSON-RPC more often than chance.
    #[test]
    fn any_bytes_are_survived(
        pieces in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0dtfn1-.e \n\r\xff\xef\xbb\xbf"[..]), 0..40),
            prop::sample::select(vec![
                b"{\"jsonrpc\":\"2.0\",".to_vec(), b"\"id\":1,".to_vec(), b"\"method\":\"tools/call\"".to_vec(), b"}\n".to_vec(),
                b",\"params\":{\"name\":".to_vec(), b"\"result\":{\"content\":[{".to_vec(), b"\"error\":{\"data\":".to_vec(),
                b"\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n".to_vec(), b"[{".to_vec(),
            ]),
        ]), 0..60),
    ) {
        let mut wire = Wire::new();
        for (from_client, piece) in &pieces {
            wire.bytes(if *from_client { FROM_CLIENT } else { FROM_SERVER }, piece);
        }
        wire.bytes(FROM_CLIENT, b"\n").bytes(FROM_SERVER, b"\n");
        prop_assert!(wire.observer.buffered_bytes() < BUFFER_BOUND);
        assert_recovers(&mut wire, "any bytes");
        wire.close();
        prop_assert_eq!(wire.observer.open_calls(), 0);
    }

    #[test]
    fn a_scanner_tells_the_same_of_any_bytes_however_they_are_cut(
        bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0dtfn1-.e \n\xff\xef\xbb\xbf"[..]), 0..30),
        cut in 0..30_usize,
    ) {
        let tell = |pieces: &[&[u8]]| {
            let mut scanner = Scanner::new(&ObserverOptions::default());
            let mut told = String::new();
            for piece in pieces {
                let mut piece = *piece;
                while let Some(message) = scanner.advance(&mut piece) {
                    told += &format!("{:?} {}; ", message.kind(), message.bytes());
                }
            }
            match scanner.finish() {
                Frame::Message(message) => told + &format!("{:?} {}", message.kind(), message.bytes()),
                Frame::Blank => told + "blank",
                Frame::Batch { messages } => told + &format!("batch of {messages}"),
                _ => told + "malformed",
            }
        };
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(tell(&[first, second]), tell(&[&bytes]));
    }
}
