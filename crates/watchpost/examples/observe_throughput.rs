//! Measures the observer: nanoseconds for each call, and gigabytes a second within a large frame.
//!
//! `cargo run --release -p watchpost --example observe_throughput`
#![expect(clippy::print_stdout, reason = "a measurement for people to read")]

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use watchpost::{
    mcp::{Frame, Moment, ObserverOptions, Scanner, StdioObserver},
    model::Direction,
};

/// Each figure is the best of many short runs: shorter than a scheduler's time slice, so that some are undisturbed.
const RUNS: u32 = 2000;
/// Calls or frames in a run.
const ROUNDS: u32 = 200;
/// How the proxy reads.
const PIECE: usize = 64 * 1024;
const LARGE: usize = 100_000_000;

fn main() {
    for (name, request, answer) in [
        ("450 B call (request and answer)", call(60), answer(60)),
        ("1 KiB call (request and answer)", call(340), answer(340)),
        ("2026-07-28 call", modern_call(), modern_answer()),
        ("450 B request, 8 KiB answer with newlines", call(60), answer_of_lines(8 * 1024)),
    ] {
        let bytes = request.len() + answer.len();
        let observer = per_call(&request, &answer);
        let scanner = scan(&request) + scan(&answer);
        println!("{name}: {bytes} bytes, {observer:.0} ns a call, of which scanning {scanner:.0} ns");
    }
    for (name, frame) in [
        ("one long string", large(|text| text.push('x'))),
        (
            "base64 in 76 byte lines",
            large(|text| {
                text.push_str("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\\n")
            }),
        ),
        ("JSON within a string", large(|text| text.push_str(r#"{\"id\":12,\"name\":\"watchpost\"},"#))),
        ("numbers", structured("[1,22,333,4444,55555],")),
        ("records", structured(r#"{"id":12,"name":"watchpost","ok":true},"#)),
    ] {
        let (megabytes, speed) = (frame.len() as f64 / 1e6, large_frame(&frame) / 1e9);
        println!("{megabytes:.0} MB frame, {name}: {speed:.2} GB/s");
    }
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).min().unwrap_or_default()
}

/// Nanoseconds for a request, its answer and the event they make.
fn per_call(request: &[u8], answer: &[u8]) -> f64 {
    let mut observer = StdioObserver::new(ObserverOptions::default());
    let time = best(|| {
        let now = Moment::now();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            observer.feed(Direction::ClientToServer, black_box(request), now);
            observer.feed(Direction::ServerToClient, black_box(answer), now);
            assert_eq!(observer.drain_events().map(black_box).count(), 1, "a call is an event");
        }
        start.elapsed()
    });
    time.as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

/// Nanoseconds to scan a frame.
fn scan(frame: &[u8]) -> f64 {
    let mut scanner = Scanner::new(&ObserverOptions::default());
    let time = best(|| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let mut piece = black_box(frame);
            scanner.advance(&mut piece);
            assert!(matches!(black_box(scanner.finish()), Frame::Message(_)), "a message");
        }
        start.elapsed()
    });
    time.as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

/// Bytes a second within a large frame: the median of its pieces, most of which nothing disturbs.
fn large_frame(frame: &[u8]) -> f64 {
    let mut observer = StdioObserver::new(ObserverOptions::default());
    let now = Moment::now();
    observer.feed(Direction::ClientToServer, &call(60), now);
    let mut times = Vec::with_capacity(frame.len() / PIECE + 1);
    for piece in frame.chunks(PIECE) {
        let start = Instant::now();
        observer.feed(Direction::ServerToClient, black_box(piece), now);
        times.push(start.elapsed());
    }
    assert_eq!(observer.drain_events().count(), 1, "a call is an event");
    assert!(observer.buffered_bytes() < 64 * 1024, "memory is constant");
    times.sort_unstable();
    PIECE as f64 / times[times.len() / 2].as_secs_f64()
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

fn call(text: usize) -> Vec<u8> {
    let text = "lorem ipsum ".repeat(text / 12 + 1);
    line(&format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"search_documents","arguments":{{"query":"{text}","limit":20,"filters":{{"lang":["en","de"],"after":"2026-01-01"}}}},"_meta":{{"progressToken":7}}}}}}"#
    ))
}

fn answer(text: usize) -> Vec<u8> {
    let text = "dolor sit am".repeat(text / 12 + 1);
    line(&format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{text}"}}],"structuredContent":{{"hits":3,"ids":[1,2,3]}},"isError":false}}}}"#
    ))
}

fn modern_call() -> Vec<u8> {
    line(
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"golden-py-client","version":"9.9.9"},"io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}"#,
    )
}

fn modern_answer() -> Vec<u8> {
    line(
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"18C and clear in Paris","type":"text"}],"isError":false,"resultType":"complete","structuredContent":{"result":"18C and clear in Paris"},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"golden-py-server","version":"1.2.3"}}}}"#,
    )
}

fn answer_of_lines(size: usize) -> Vec<u8> {
    let text = "    let answer = observe(request);\\n".repeat(size / 37);
    line(&format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#))
}

/// An answer whose one text is what `push` adds until it is large.
fn large(push: impl Fn(&mut String)) -> Vec<u8> {
    let mut text = String::with_capacity(LARGE + 1024);
    text.push_str(r#"{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":""#);
    while text.len() < LARGE {
        push(&mut text);
    }
    text.push_str(r#""}]},"id":7}"#);
    line(&text)
}

/// An answer with a large structure in `structuredContent`.
fn structured(element: &str) -> Vec<u8> {
    let mut text = String::with_capacity(LARGE + 1024);
    text.push_str(r#"{"jsonrpc":"2.0","result":{"structuredContent":{"rows":["#);
    while text.len() < LARGE {
        text.push_str(element);
    }
    let _ = write!(text, r#"0]}}}},"id":7}}"#);
    line(&text)
}
