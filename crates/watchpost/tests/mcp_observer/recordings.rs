//! Real clients and servers, recorded on the wire: the exact list of events each recording makes, however it is cut.
//! The lists are in `tests/fixtures/mcp/*.expected.txt`, checked by hand against the recordings.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use watchpost::{
    mcp::{EventFilter, Frame, Moment, ObserverOptions, Scanner, Session, StdioObserver},
    model::{Completion, Direction, McpEvent},
};

use crate::wire::{FROM_CLIENT, FROM_SERVER, at, options};

/// A frame of a recording: when, in milliseconds since the first, and where it went.
struct Recorded {
    millis: u64,
    direction: Direction,
    frame: Vec<u8>,
    /// The HTTP session, where there is one.
    session: Option<String>,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mcp").join(name)
}

fn recording(name: &str) -> Vec<Recorded> {
    let text = fs::read_to_string(fixture(name)).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let start = lines[0]["t"].as_f64().unwrap();
    let mut frames = Vec::new();
    for line in &lines {
        let millis = ((line["t"].as_f64().unwrap() - start) * 1000.0).round() as u64;
        let session = line["http"]["headers"]["mcp-session-id"].as_str().map(str::to_owned);
        let mut push = |direction, message: &Value| {
            let frame = serde_json::to_vec(message).unwrap();
            frames.push(Recorded { millis, direction, frame, session: session.clone() });
        };
        match line["dir"].as_str() {
            Some("c2s") if !line["msg"].is_null() => push(FROM_CLIENT, &line["msg"]),
            Some("s2c") if !line["msg"].is_null() => push(FROM_SERVER, &line["msg"]),
            // One exchange a line.
            None => {
                push(FROM_CLIENT, &line["req"]);
                push(FROM_SERVER, &line["res"]);
            }
            // HTTP without a body; the server's exit.
            _ => {}
        }
    }
    frames
}

/// What an event says, in one line.
fn line(event: &McpEvent) -> String {
    let mut line = event.event_type.to_string();
    let named = |implementation: &watchpost::model::Implementation| {
        format!(
            "{}/{}",
            implementation.name.as_deref().unwrap_or("-"),
            implementation.version.as_deref().unwrap_or("-")
        )
    };
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(line, " {key}={value}");
        }
    };
    add("resource", event.resource_name.clone());
    add("id", event.request_id.clone());
    add("from", (event.direction == FROM_SERVER).then(|| "server".into()));
    add("notification", event.is_notification.then(|| "yes".into()));
    add("completion", (event.completion != Completion::Answered).then(|| format!("{:?}", event.completion)));
    add("bytes", Some(format!("{}/{}", event.request_bytes.unwrap_or(0), event.response_bytes.unwrap_or(0))));
    add("content", event.content_count.map(|count| count.to_string()));
    add("client", Some(named(&event.client)));
    add("server", Some(named(&event.server)));
    add("protocol", event.protocol_version.clone());
    add("trace", event.trace_parent.map(|parent| format!("{}-{}", parent.trace_id, parent.span_id)));
    assert_eq!(event.is_error, event.error.is_some());
    add(
        "error",
        event
            .error
            .as_ref()
            .map(|error| format!("{:?} {:?} {:?} {:?}", error.kind, error.code, error.message, error.data)),
    );
    line
}

fn lines(events: &[McpEvent]) -> String {
    let mut text = String::new();
    for event in events {
        let _ = writeln!(text, "{}", line(event));
    }
    text
}

/// Compares with `name.expected.txt`, or writes it when `WATCHPOST_BLESS` is set.
fn assert_expected(name: &str, told: &str) {
    let path = fixture(&format!("{}.expected.txt", name.strip_suffix(".jsonl").unwrap()));
    if std::env::var_os("WATCHPOST_BLESS").is_some() {
        fs::write(&path, told).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (told, expected) in told.lines().zip(expected.lines()) {
        assert_eq!(told, expected, "{name}");
    }
    assert_eq!(told.lines().count(), expected.lines().count(), "{name}");
}

fn stdio(
    frames: &[Recorded],
    mut pieces: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
    options: ObserverOptions,
) -> Vec<McpEvent> {
    let mut observer = StdioObserver::new(options);
    let mut events = Vec::new();
    let mut last = 0;
    for recorded in frames {
        last = recorded.millis;
        let mut frame = recorded.frame.clone();
        frame.push(b'\n');
        for piece in pieces(&frame) {
            observer.feed(recorded.direction, &piece, at(recorded.millis));
            events.extend(observer.drain_events());
        }
    }
    observer.close(at(last));
    events.extend(observer.drain_events());
    assert!(observer.stray().is_empty());
    assert_eq!(observer.counters(), watchpost::mcp::StdioCounters::default());
    assert_eq!(observer.session_counters(), watchpost::mcp::SessionCounters::default());
    events
}

fn whole(frame: &[u8]) -> Vec<Vec<u8>> {
    vec![frame.to_vec()]
}

const STDIO: [&str; 3] =
    ["py2-stdio-tracing-full.wire.jsonl", "ts-stdio-tracing-full.wire.jsonl", "py2-stdio-legacy.jsonl"];

#[test]
fn stdio_recordings_make_exactly_their_events() {
    for name in STDIO {
        let events = stdio(&recording(name), whole, options(|options| options.events = EventFilter::ALL));
        assert_expected(name, &lines(&events));
    }
}

#[test]
fn durations_and_times_are_those_of_the_recording() {
    let frames = recording("ts-stdio-tracing-full.wire.jsonl");
    let events = stdio(&frames, whole, ObserverOptions::default());
    let slow: Vec<_> = events.iter().filter(|event| event.resource_name.as_deref() == Some("slow")).collect();
    let millis = |event: &McpEvent| event.duration.unwrap().as_millis();
    // Asked for 120 ms alone, then for 40, 80 and 120 ms side by side.
    assert_eq!(slow.iter().map(|event| millis(event)).collect::<Vec<_>>(), [128, 42, 82, 123]);
    let answered = frames
        .iter()
        .find(|frame| frame.direction == FROM_SERVER && frame.frame.windows(9).any(|text| text == b"slept 120"));
    assert_eq!(slow[0].timestamp, at(answered.unwrap().millis).wall);
}

/// Replays HTTP exchanges into one session a connection, as a proxy would: the same scanner and session, no stdio.
fn http(frames: &[Recorded]) -> BTreeMap<String, Vec<McpEvent>> {
    let options = options(|options| options.events = EventFilter::ALL);
    let mut scanner = Scanner::new(&options);
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    let mut observe = |session: &str, recorded: &Recorded| {
        let session = sessions.entry(session.to_owned()).or_insert_with(|| Session::new(options.clone()));
        assert!(scanner.advance(&mut &recorded.frame[..]).is_none());
        let Frame::Message(message) = scanner.finish() else { panic!("a message") };
        session.observe(recorded.direction, message, at(recorded.millis));
    };
    for (index, recorded) in frames.iter().enumerate() {
        // The answer to `initialize` is the first to name the session.
        let named = frames[index..].iter().find_map(|frame| frame.session.as_deref());
        observe(recorded.session.as_deref().or(named).unwrap_or("stateless"), recorded);
    }
    sessions.into_iter().map(|(name, mut session)| (name, session.drain_events().collect())).collect()
}

#[test]
fn http_recordings_make_exactly_their_events() {
    let name = "py2-http-modern.jsonl";
    let sessions = http(&recording(name));
    assert_eq!(sessions.len(), 1);
    assert_expected(name, &lines(&sessions["stateless"]));

    let name = "ts-http-notracing-bare.wire.jsonl";
    let sessions = http(&recording(name));
    assert_eq!(sessions.len(), 2);
    let told: String =
        sessions.iter().map(|(session, events)| format!("session {session}\n{}", lines(events))).collect();
    assert_expected(name, &told);
}

/// The stdio recordings as they are on the wire: what goes one way in a row is one stream.
fn streams(name: &str) -> Vec<(Direction, Vec<u8>)> {
    let mut streams: Vec<(Direction, Vec<u8>)> = Vec::new();
    for recorded in recording(name) {
        if streams.last().is_none_or(|(direction, _)| *direction != recorded.direction) {
            streams.push((recorded.direction, Vec::new()));
        }
        let (_, bytes) = streams.last_mut().unwrap();
        bytes.extend_from_slice(&recorded.frame);
        bytes.push(b'\n');
    }
    streams
}

fn replay(streams: &[(Direction, Vec<u8>)], mut size: impl FnMut() -> usize, now: Moment) -> String {
    let mut observer = StdioObserver::new(ObserverOptions::default());
    for (direction, bytes) in streams {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(size().min(rest.len()));
            observer.feed(*direction, piece, now);
            rest = behind;
        }
    }
    observer.close(now);
    lines(&observer.drain_events().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn recordings_make_the_same_events_however_they_are_cut(
        sizes in prop::collection::vec(prop_oneof![1..8_usize, 1..200_usize, 1..70_000_usize], 1..50),
    ) {
        for name in STDIO {
            let streams = streams(name);
            let mut sizes = sizes.iter().copied().cycle();
            let cut = replay(&streams, || sizes.next().unwrap(), at(0));
            prop_assert_eq!(cut, replay(&streams, || usize::MAX, at(0)), "{}", name);
        }
    }
}
