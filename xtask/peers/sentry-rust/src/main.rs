//! Hands items to the `sentry` crate and says what that took, as one line of JSON.
//! `sentry-rust-peer DSN logs|transactions|mixed COUNT SECONDS CAPACITY|default`
//!
//! `COUNT` items are handed over, evenly over `SECONDS` (0: as fast as can be), then the client is flushed and closed. `mixed` is
//! a log each time, and every tenth time a transaction and an error event too. `CAPACITY` is the transport's channel: its
//! default of 30 loses what comes faster than one request after the other can carry.

use std::{
    env,
    error::Error,
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use sentry::{
    Client, ClientOptions, Hub, Level, Scope,
    protocol::{
        Context, Envelope, Event, Exception, Log, LogAttribute, LogLevel, Map, Span, SpanStatus, TraceContext, TraceId,
        Transaction, Uuid, Value,
    },
};

/// Longer than any good run takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [dsn, what, count, seconds, capacity] = arguments.as_slice() else { return Err("five arguments".into()) };
    let (count, seconds): (u64, f64) = (count.parse()?, seconds.parse()?);
    let mut options =
        ClientOptions::new().dsn(dsn).release("search-server@1.4.2").environment("production").traces_sample_rate(1.0);
    options.auto_session_tracking = false;
    if capacity != "default" {
        options = options.transport_channel_capacity(capacity.parse()?);
    }
    // The transport is what `sentry::init` would choose.
    let options = sentry::apply_defaults(options);
    let client = Arc::new(Client::with_options(options));
    let (hub, scope) = (Hub::new(Some(client.clone()), Arc::new(Scope::default())), Scope::default());

    if what != "mixed" {
        // The first request connects; that is not what is measured.
        client.capture_log(log(0), &scope);
        client.flush(Some(PATIENCE));
    }
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let (mut handed, mut slowest) = (0_u64, Duration::ZERO);
    let (template_log, template_transaction) = (log(0), transaction());
    for number in 0..count {
        if seconds > 0.0 {
            let due = start + Duration::from_secs_f64(seconds * number as f64 / count as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let before = Instant::now();
        match what.as_str() {
            "logs" => {
                client.capture_log(template_log.clone(), &scope);
                handed += 1;
            }
            "transactions" => {
                send_transaction(&client, &template_transaction, number);
                handed += 1;
            }
            _ => {
                client.capture_log(log(number), &scope);
                handed += 1;
                if number % 10 == 0 {
                    send_transaction(&client, &template_transaction, number);
                    hub.capture_event(error());
                    handed += 2;
                }
            }
        }
        slowest = slowest.max(before.elapsed());
    }
    let handing = start.elapsed();
    let closing = Instant::now();
    // What a program does at its end; the default timeout is 2 s, but a measurement of throughput waits for everything.
    let timeout = if what == "mixed" { Duration::from_secs(2) } else { PATIENCE };
    let flushed = client.flush(Some(timeout));
    let (closing, wall, cpu) = (closing.elapsed(), start.elapsed(), cpu_seconds() - cpu);
    println!(
        "{{\"handed\":{handed},\"handing\":{},\"wall\":{},\"cpu\":{cpu},\"peak\":{},\"flushed\":{flushed},\"closing\":{},\
         \"slowest\":{}}}",
        handing.as_secs_f64(),
        wall.as_secs_f64(),
        peak_mebibytes()?,
        closing.as_secs_f64(),
        slowest.as_secs_f64(),
    );
    client.close(Some(Duration::ZERO));
    // The guard of `sentry::init` drops here; what that takes is in the time the process lives.
    Ok(())
}

fn send_transaction(client: &Client, template: &Transaction<'static>, number: u64) {
    let mut transaction = template.clone();
    transaction.event_id = Uuid::from_u128(u128::from(number) + 1);
    client.send_envelope(Envelope::from(transaction));
}

/// A log of 16 attributes, about 1 KB; one of them says which it is.
fn log(number: u64) -> Log {
    let mut attributes: Map<String, LogAttribute> = Map::new();
    for (key, value) in [
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
        attributes.insert(key.to_owned(), LogAttribute(Value::from(value)));
    }
    attributes.insert("duration_ms".to_owned(), LogAttribute(Value::from(128.5)));
    attributes.insert("isError".to_owned(), LogAttribute(Value::from(false)));
    attributes.insert("number".to_owned(), LogAttribute(Value::from(number)));
    Log {
        level: LogLevel::Info,
        body: "MCP tools/call: search_documents".to_owned(),
        trace_id: Some(TraceId::default()),
        timestamp: SystemTime::now(),
        severity_number: None,
        attributes,
    }
}

fn error() -> Event<'static> {
    let mut event = Event { level: Level::Error, ..Event::default() };
    event.exception.values.push(Exception {
        ty: "ToolCallError".to_owned(),
        value: Some("it failed".to_owned()),
        ..Exception::default()
    });
    event
}

/// A transaction with ten spans of six fields each.
fn transaction() -> Transaction<'static> {
    let trace_id = TraceId::default();
    let now = SystemTime::now();
    let start = now - Duration::from_millis(128);
    let root = TraceContext {
        trace_id,
        op: Some("tools/call".to_owned()),
        status: Some(SpanStatus::Ok),
        origin: Some("auto.ai.mcp_server".to_owned()),
        ..TraceContext::default()
    };
    let span = |_| {
        let mut data: Map<String, Value> = Map::new();
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("mcp.tool.name", "search_documents"),
            ("gen_ai.tool.name", "search_documents"),
            ("mcp.session.id", "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk"),
            ("mcp.transport", "stdio"),
            ("network.transport", "pipe"),
        ] {
            data.insert(key.to_owned(), value.into());
        }
        Span {
            trace_id,
            parent_span_id: Some(root.span_id),
            op: Some("mcp.server".to_owned()),
            description: Some("tools/call search_documents".to_owned()),
            status: Some(SpanStatus::Ok),
            start_timestamp: start,
            timestamp: Some(now),
            data,
            ..Span::default()
        }
    };
    let mut transaction = Transaction {
        name: Some("tools/call search_documents".to_owned()),
        release: Some("search-server@1.4.2".into()),
        environment: Some("production".into()),
        start_timestamp: start,
        timestamp: Some(now),
        spans: (0..10).map(span).collect(),
        ..Transaction::default()
    };
    for (key, value) in
        [("event_type", "tools/call"), ("resource", "search_documents"), ("environment", "production")]
    {
        transaction.tags.insert(key.to_owned(), value.to_owned());
    }
    transaction.extra.insert("sessionId".to_owned(), "ses_2ZbSxkqKjbSmsM0dJT8Fzd0yVCk".into());
    transaction.contexts.insert("trace".to_owned(), Context::Trace(Box::new(root)));
    transaction
}

/// This process's CPU time, ended threads included.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn peak_mebibytes() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
