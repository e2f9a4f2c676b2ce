//! `track_faults CONDITION DSN SECONDS HANG_SECONDS`: a tracked server with a steady load, and one thing wrong with what its host
//! gave to `track()`, or with where its events go. Prints as JSON what the client saw and what became of the events. It is what
//! `cargo xtask faults` starts; CONDITION is one of those there.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fs,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig},
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use watchpost::{
    exporter::{Discarded, EventExporter, SentryConfig},
    mcp::{
        Options, Tracker,
        track::{CustomEvent, HookError},
    },
    model::{Actor, McpEvent, TraceParent},
    redact::Capture,
};
use watchpost_sentry::{delivery::Outcome, wire::Timestamp};

type Failure = Box<dyn Error + Send + Sync>;

/// Between two calls.
const PACE: Duration = Duration::from_millis(5);
/// A custom event for so many calls.
const CUSTOM_EVERY: usize = 10;
/// Connections of `many sessions`, and how many are open at a time.
const SESSIONS: usize = 10_000;
const OPEN: usize = 50;
/// The seed's own.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// What a hook that works adds.
const TAG: (&str, &str) = ("hook", "worked");
/// Bytes of what hooks give that give junk.
const JUNK: usize = 512;

#[derive(Clone)]
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = request.arguments.as_ref().and_then(|arguments| arguments.get("text")?.as_str()).unwrap_or_default();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// A client that speaks JSON-RPC itself, so that what comes back is seen as it is.
struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    calls: usize,
}

impl Client {
    async fn connect(tracker: &Tracker, name: &str) -> Result<Self, Failure> {
        let server = tracker.track(Echo);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            if let Ok(running) = server.serve(split(theirs)).await {
                let _ = running.waiting().await;
            }
        });
        let (reader, writer) = split(ours);
        let mut client = Self { reader: BufReader::new(reader), writer, calls: 0 };
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": name, "version": "1.0"}});
        client.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await?;
        client.receive().await?;
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(client)
    }

    async fn send(&mut self, message: &Value) -> Result<(), Failure> {
        Ok(self.writer.write_all(format!("{message}\n").as_bytes()).await?)
    }

    async fn receive(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.reader.read_line(&mut line).await?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Calls the tool: whether the answer is right, to the last key.
    async fn call(&mut self) -> Result<bool, Failure> {
        self.calls += 1;
        let (id, text) = (self.calls, format!("call {}", self.calls));
        let params = json!({"name": "echo", "arguments": {"text": text}});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await?;
        let result = json!({"content": [{"type": "text", "text": text}], "isError": false});
        Ok(self.receive().await? == json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }
}

/// An exporter of the host's own beside the one to Sentry: it counts.
#[derive(Clone, Default)]
struct Account(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    events: usize,
    decorated: usize,
    custom: usize,
    /// From an event's end until it came here, milliseconds.
    delays: Vec<f64>,
    /// Of each session, its clients' names.
    sessions: HashMap<String, HashSet<String>>,
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventExporter for Account {
    fn export(&self, event: &McpEvent) {
        let mut counts = self.lock();
        counts.events += 1;
        counts.custom += usize::from(event.event_type == "custom");
        counts.decorated += usize::from(event.tags.iter().any(|(key, value)| (key.as_str(), value.as_str()) == TAG));
        counts.delays.push(Timestamp::now().duration_since(event.timestamp).as_secs_f64() * 1e3);
        if let (Some(session), Some(client)) = (&event.session_id, &event.client.name) {
            counts.sessions.entry(session.clone()).or_default().insert(client.clone());
        }
    }

    fn capture(&self) -> Capture {
        Capture::NONE
    }

    fn span_of(&self, _event_id: &str, _session_id: Option<&str>, _parent: Option<TraceParent>) -> Option<TraceParent> {
        None
    }

    fn discard(&self, _event: Discarded) {}

    fn flush(&self, _timeout: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.complete = true;
        outcome
    }

    fn shutdown(&self, timeout: Duration) -> Outcome {
        self.flush(timeout)
    }
}

fn ada() -> Actor {
    Actor { id: Some("ada".to_owned()), name: Some("Ada".to_owned()), data: None }
}

fn tags() -> Vec<(String, String)> {
    vec![(TAG.0.to_owned(), TAG.1.to_owned())]
}

/// Hooks that do what they should.
fn working() -> Options {
    Options::default()
        .identify(|_| async { Ok::<_, HookError>(Some(ada())) })
        .event_tags(|_| Ok(tags()))
        .event_properties(|request| Ok(vec![("tool".to_owned(), json!(request.resource_name))]))
        .resolve_session_id(|_| Ok(None))
        .redact_event(|event| Ok(Some(event)))
        .redact(|_| Ok(None))
}

/// Hangs so long at its first call, and works from then on.
fn hang_once(time: Duration) -> impl Fn() + Send + Sync {
    let hung = AtomicBool::new(false);
    move || {
        if !hung.swap(true, Ordering::Relaxed) {
            thread::sleep(time);
        }
    }
}

fn hanging(time: Duration) -> Options {
    let (tags_hang, properties_hang, session_hangs) = (hang_once(time), hang_once(time), hang_once(time));
    let first = AtomicBool::new(true);
    Options::default()
        .identify(move |_| {
            let time = if first.swap(false, Ordering::Relaxed) { time } else { Duration::ZERO };
            async move {
                tokio::time::sleep(time).await;
                Ok::<_, HookError>(Some(ada()))
            }
        })
        .event_tags(move |_| {
            tags_hang();
            Ok(tags())
        })
        .event_properties(move |_| {
            properties_hang();
            Ok(Vec::new())
        })
        .resolve_session_id(move |_| {
            session_hangs();
            Ok(None)
        })
}

/// Hooks that give what nobody can want.
fn junk() -> Options {
    let long = || "\u{0}\n\"\u{202e}\u{1b}[31m".repeat(JUNK / 12);
    // Freeing it by recursion would need more than a thread's stack.
    let nested = || (0..100_000).fold(json!("deep"), |inner, _| Value::Array(vec![inner]));
    let calls = AtomicUsize::new(0);
    Options::default()
        .identify(move |_| async move {
            Ok::<_, HookError>(Some(Actor { id: Some(long()), name: Some(String::new()), data: Some(nested()) }))
        })
        .event_tags(move |_| {
            let mut tags: Vec<_> = (0..60).map(|number| (format!("\n{number}"), "\n".to_owned())).collect();
            tags.push((String::new(), String::new()));
            tags.push((long(), long()));
            Ok(tags)
        })
        .event_properties(move |_| {
            let is_deep = calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(500);
            Ok(vec![(String::new(), json!(long())), (long(), if is_deep { nested() } else { Value::Null })])
        })
        .resolve_session_id(move |_| Ok(Some(long())))
        .redact_event(move |mut event| {
            event.user_intent = Some(long());
            event.session_id = None;
            Ok(Some(event))
        })
        .redact(|text| Ok(text.is_empty().then(|| "\u{0}".to_owned())))
}

/// What the host gave, by the condition's name.
fn options(condition: &str, hang: Duration) -> Result<Options, Failure> {
    Ok(match condition {
        "undisturbed" | "no sink" | "many sessions" => working(),
        "no hooks" => Options::default(),
        "hooks panic" => Options::default()
            .identify(|_| async { panic!("on purpose") as Result<Option<Actor>, HookError> })
            .event_tags(|_| panic!("on purpose"))
            .event_properties(|_| panic!("on purpose"))
            .resolve_session_id(|_| panic!("on purpose")),
        "hooks fail" => Options::default()
            .identify(|_| async { Err::<Option<Actor>, _>(HookError::from("no")) })
            .event_tags(|_| Err("no".into()))
            .event_properties(|_| Err("no".into()))
            .resolve_session_id(|_| Err("no".into())),
        "hooks hang" => hanging(hang),
        "hooks give junk" => junk(),
        "redaction panics" => working().redact(|_| panic!("on purpose")),
        "redaction hangs" => {
            let hang = hang_once(hang);
            working().redact_event(move |event| {
                hang();
                Ok(Some(event))
            })
        }
        other => return Err(format!("there is no condition `{other}`").into()),
    })
}

/// A steady load for so long; how long each call took, in microseconds, and how many answers were not right.
async fn load(tracker: &Tracker, length: Duration) -> Result<(Vec<f64>, usize), Failure> {
    let mut client = Client::connect(tracker, "client").await?;
    let (mut times, mut wrong) = (Vec::new(), 0);
    let mut ticks = tokio::time::interval(PACE);
    let began = Instant::now();
    while began.elapsed() < length {
        ticks.tick().await;
        let start = Instant::now();
        let is_right = client.call().await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        wrong += usize::from(!is_right);
        if times.len().is_multiple_of(CUSTOM_EVERY) {
            tracker.publish(CustomEvent::new("checkout"));
        }
    }
    Ok((times, wrong))
}

/// Many connections in so long, many of them open at once, two calls on each in turn.
async fn sessions(tracker: &Tracker, length: Duration) -> Result<(Vec<f64>, usize), Failure> {
    let (mut times, mut wrong) = (Vec::new(), 0);
    let mut ticks = tokio::time::interval(length * u32::try_from(OPEN)? / u32::try_from(SESSIONS)?);
    for first in (0..SESSIONS).step_by(OPEN) {
        ticks.tick().await;
        let mut clients = Vec::new();
        for number in first..first + OPEN {
            clients.push(Client::connect(tracker, &format!("client {number}")).await?);
        }
        for _ in 0..2 {
            for client in &mut clients {
                let start = Instant::now();
                wrong += usize::from(!client.call().await?);
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    Ok((times, wrong))
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((sorted.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default()
}

/// A line of `/proc/self/status` in MiB; 0 where there is none.
fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kibibytes.unwrap_or_default() / 1024.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [condition, dsn, length, hang] = &args[..] else {
        return Err("track_faults CONDITION DSN SECONDS HANG_SECONDS".into());
    };
    let seconds = |text: &str| text.parse().map(Duration::from_secs_f64);
    // What panics on purpose need not fill the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let account = Account::default();
    let options = options(condition, seconds(hang)?)?
        .exporter("sentry", SentryConfig::default().with_dsn(dsn).with_tracing(true))
        .exporter("account", Arc::new(account.clone()));
    let tracker = Tracker::new(None, options)?;

    let before = memory("VmRSS");
    let length = seconds(length)?;
    let (mut times, wrong) =
        if condition == "many sessions" { sessions(&tracker, length).await? } else { load(&tracker, length).await? };
    let end = Instant::now();
    let outcome = tracker.shutdown_async(SHUTDOWN).await;
    let shutdown = end.elapsed().as_secs_f64() * 1e3;
    let peak = memory("VmHWM");

    let sentry = outcome.exporters.last().cloned().unwrap_or_default();
    let mut counts = account.lock();
    times.sort_by(f64::total_cmp);
    counts.delays.sort_by(f64::total_cmp);
    let mixed = counts.sessions.values().filter(|clients| clients.len() > 1).count();
    let result = json!({
        "calls": times.len(), "wrong": wrong,
        "p50": at(&times, 0.5), "p99": at(&times, 0.99), "max": at(&times, 1.0),
        "given": outcome.events, "events": counts.events, "custom": counts.custom, "decorated": counts.decorated,
        "undecorated": outcome.undecorated, "dropped_by_hooks": outcome.dropped_by_hooks, "overflowed": outcome.overflowed,
        "sent": sentry.sent(), "held": sentry.held(), "dropped": sentry.dropped(),
        "delay_p50": at(&counts.delays, 0.5), "delay_max": at(&counts.delays, 1.0),
        "sessions": counts.sessions.len(), "mixed": mixed,
        "before": before, "peak": peak, "shutdown": shutdown,
    });
    drop(counts);
    #[expect(clippy::print_stdout, reason = "the result of a developer's tool")]
    {
        println!("{result}");
    }
    // Hooks that hang do not hold the process up.
    Ok(())
}
