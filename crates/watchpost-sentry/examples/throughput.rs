//! For developers: how many items a second the delivery takes to a sink on loopback, and at what price.
//! `cargo run --release -p watchpost-sentry --example throughput [logs|transactions|large|enqueue] [COUNT]`
//!
//! The sink is a process of its own that reads, counts the items and answers 200, so that the CPU time printed is the
//! delivery's alone. `large` are transactions with ten child spans; `enqueue` measures what one `log()` takes when eight
//! threads log at once; `--gzip` and `--zstd` compress.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use watchpost_sentry::{
    delivery::{Compression, Delivery, DeliveryConfig, Outcome},
    wire::{
        Attributes, EventId, Log, LogLevel, Span, SpanId, SpanStatus, Timestamp, TraceId, Transaction,
        TransactionSource,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("--sink") {
        return Ok(run_sink()?);
    }
    let count = arguments.iter().find_map(|argument| argument.parse::<u64>().ok());
    let compression = match (has("--gzip"), has("--zstd")) {
        (true, _) => Compression::Gzip,
        (_, true) => Compression::Zstd,
        _ => Compression::Auto,
    };
    let all = !["logs", "transactions", "large", "enqueue"].into_iter().any(has);
    if all || has("logs") {
        let log = sample_log();
        measure("logs", count.unwrap_or(3_000_000), compression, |delivery, _| delivery.log(&log))?;
    }
    for (name, spans, default) in [("transactions", 1, 300_000), ("large", 10, 200_000)] {
        if all || has(name) {
            let mut transaction = sample_transaction(spans);
            measure(name, count.unwrap_or(default), compression, |delivery, number| {
                transaction.event_id = EventId(u128::from(number).to_be_bytes());
                delivery.transaction(&transaction, None);
            })?;
        }
    }
    if all || has("enqueue") {
        measure_enqueue(count.unwrap_or(1_000_000), compression)?;
    }
    Ok(())
}

/// How long one `log()` takes while eight threads log as fast as they can, what overflows being dropped.
fn measure_enqueue(count: u64, compression: Compression) -> Result<(), Box<dyn Error>> {
    const THREADS: u64 = 8;
    let (mut sink, delivery) = Sink::spawn_with_delivery(compression)?;
    let logging = |_| {
        let log = sample_log();
        let mut nanos = Vec::new();
        for _ in 0..count / THREADS {
            let before = Instant::now();
            delivery.log(&log);
            nanos.push(before.elapsed().as_nanos());
        }
        nanos
    };
    let start = Instant::now();
    let mut nanos = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || logging(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let elapsed = start.elapsed();
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() - 1) as f64 * share) as usize];
    let outcome = delivery.shutdown(Duration::from_secs(10));
    println!(
        "enqueue       {:9.0}/s by {THREADS} threads: p50 {} ns, p99 {} ns, p99.9 {} ns: {outcome}",
        nanos.len() as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
    );
    sink.stop()
}

fn measure(
    what: &str,
    count: u64,
    compression: Compression,
    mut hand_over: impl FnMut(&Delivery, u64),
) -> Result<(), Box<dyn Error>> {
    let (mut sink, delivery) = Sink::spawn_with_delivery(compression)?;
    hand_over(&delivery, 0);
    delivery.flush(Duration::from_secs(5));

    let (start, cpu) = (Instant::now(), cpu_time()?);
    let mut slowest = Duration::ZERO;
    for number in 1..count {
        if !delivery.wait_for_room(Duration::from_secs(10)) {
            return Err("no room within ten seconds".into());
        }
        if number % 64 == 0 {
            let before = Instant::now();
            hand_over(&delivery, number);
            slowest = slowest.max(before.elapsed());
        } else {
            hand_over(&delivery, number);
        }
    }
    let handed_over = start.elapsed();
    let outcome = delivery.flush(Duration::from_secs(60));
    let (elapsed, cpu) = (start.elapsed(), cpu_time()? - cpu);
    report(what, count, elapsed, handed_over, cpu, slowest, &outcome)?;
    delivery.shutdown(Duration::from_secs(2));
    sink.stop()
}

fn report(
    what: &str,
    count: u64,
    elapsed: Duration,
    handed_over: Duration,
    cpu: Duration,
    slowest: Duration,
    outcome: &Outcome,
) -> io::Result<()> {
    println!(
        "{what:13} {:9.0}/s  {:6.2} µs CPU each  (handed over in {:.2} s of {:.2} s, slowest of every 64th {slowest:.1?}), \
         RSS {} MB at its highest: {outcome}",
        count as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count as f64,
        handed_over.as_secs_f64(),
        elapsed.as_secs_f64(),
        peak_memory()?,
    );
    Ok(())
}

/// This process's CPU time, in ticks of 10 ms.
fn cpu_time() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn peak_memory() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024)
}

struct Sink {
    process: Child,
}

impl Sink {
    fn spawn_with_delivery(compression: Compression) -> Result<(Self, Delivery), Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?).arg("--sink").stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().ok_or("the sink has no output")?).read_line(&mut port)?;
        let config = DeliveryConfig::new(format!("http://key@127.0.0.1:{}/1", port.trim()).parse()?);
        Ok((Self { process }, Delivery::start(config.with_compression(compression))?))
    }

    fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

fn run_sink() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer_all(stream));
    }
    Ok(())
}

/// Answers 200 to each request, as cheaply as can be.
fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let total = end + 4 + length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or_default();
        while filled < total {
            let from = if total > buffer.len() { end + 4 } else { filled };
            let read = stream.read(&mut buffer[from..])?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
        }
        filled = 0;
        stream.write_all(ANSWER)?;
    }
}

/// A log as the MCP mapping writes them: 16 attributes, about 1 KB.
fn sample_log() -> Log<'static> {
    let mut attributes = Attributes::with_capacity(16);
    for (key, value) in [
        ("sentry.environment", "production"),
        ("sentry.release", "search-server@1.4.2"),
        ("sentry.sdk.name", "watchpost.rust"),
        ("sentry.sdk.version", "0.1.0"),
        ("eventType", "tools/call"),
        ("resourceName", "search_documents"),
        ("sessionId", "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk"),
        ("eventId", "evt_2ZbSxjwJSNzTVyhHqEKMqqOUBXz"),
        ("serverName", "documentation-search"),
        ("serverVersion", "1.4.2"),
        ("clientName", "claude-code"),
        ("clientVersion", "2.1.0"),
        ("userIntent", "Find where the retry policy is documented"),
    ] {
        attributes.push(key, value);
    }
    attributes.push("duration_ms", 128.5);
    attributes.push("isError", false);
    attributes.push("mcp.request.bytes", 512);
    Log {
        timestamp: Timestamp::now(),
        trace_id: TraceId([0xa3; 16]),
        span_id: Some(SpanId([0x5f; 8])),
        event_id: Some(EventId([0x5f; 16])),
        level: LogLevel::Info,
        body: "MCP tools/call: search_documents".into(),
        attributes,
    }
}

fn sample_transaction(spans: u8) -> Transaction<'static> {
    let now = Timestamp::now();
    let start = now.saturating_sub(Duration::from_millis(128));
    let trace_id = TraceId([0xa3; 16]);
    let span = |number: u8| Span {
        trace_id,
        span_id: SpanId([number + 1; 8]),
        parent_span_id: Some(SpanId([0x5f; 8])),
        op: "mcp.server".into(),
        description: Some("tools/call search_documents".into()),
        start,
        end: now,
        status: Some(SpanStatus::Ok),
        origin: Some("auto.ai.mcp_server".into()),
        data: vec![
            ("mcp.method.name".into(), "tools/call".into()),
            ("mcp.tool.name".into(), "search_documents".into()),
            ("gen_ai.tool.name".into(), "search_documents".into()),
            ("mcp.session.id".into(), "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk".into()),
            ("mcp.transport".into(), "stdio".into()),
            ("network.transport".into(), "pipe".into()),
        ],
    };
    Transaction {
        event_id: EventId([1; 16]),
        name: "tools/call search_documents".into(),
        source: TransactionSource::Custom,
        start,
        end: now,
        trace_id,
        span_id: SpanId([0x5f; 8]),
        parent_span_id: None,
        op: "tools/call".into(),
        status: SpanStatus::Ok,
        origin: Some("auto.ai.mcp_server".into()),
        data: Vec::new(),
        contexts: Vec::new(),
        tags: vec![
            ("event_type".into(), "tools/call".into()),
            ("resource".into(), "search_documents".into()),
            ("environment".into(), "production".into()),
        ],
        extra: vec![("sessionId".into(), "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk".into())],
        user: None,
        release: Some("search-server@1.4.2".into()),
        environment: Some("production".into()),
        sdk: None,
        spans: (0..spans).map(span).collect(),
    }
}
