//! `track-bench KIND SINK CALLS`: calls a tool of an rmcp server in this process, untracked and tracked, and prints what it cost as
//! JSON. SINK is `host:port`. The subject is chosen by a feature; without one nothing is tracked.

use std::{
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, RunningService},
};
use serde_json::{Value, json};

/// Calls in flight in a burst.
const CONCURRENCY: usize = 64;
/// Calls of one kind before the other's turn.
const BLOCK: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);

type Client = RunningService<RoleClient, ()>;
type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
        Ok(ListToolsResult::with_all_items(vec![Tool::new("echo", "Says it back.", Arc::new(schema))]))
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

/// What tracks the server.
struct Subject {
    #[cfg(feature = "watchpost")]
    tracker: watchpost::mcp::Tracker,
    #[cfg(feature = "agentcat")]
    tracker: agentcat_sdk::AgentCat,
}

#[cfg(feature = "watchpost")]
impl Subject {
    const NAME: &str = "watchpost";

    fn new(sink: &str) -> Result<Self, Failure> {
        let sentry = watchpost::exporter::SentryConfig::default()
            .with_dsn(format!("http://0123456789abcdef0123456789abcdef@{sink}/1"))
            .with_tracing(true);
        let options = watchpost::mcp::Options::default().exporter("sentry", sentry);
        Ok(Self { tracker: watchpost::mcp::Tracker::new(None, options)? })
    }

    fn track(&self) -> impl ServerHandler + use<> {
        self.tracker.track(Echo)
    }

    async fn flush(&self, patience: Duration) {
        let _ = self.tracker.flush_async(patience).await;
    }

    async fn finish(&self, patience: Duration) -> Value {
        let outcome = self.tracker.shutdown_async(patience).await;
        let exported = outcome.exporters.first();
        json!({
            "complete": outcome.complete,
            "events": outcome.events,
            "overflowed": outcome.overflowed,
            "sent": exported.map(|exported| exported.sent()),
            "held": exported.map(|exported| exported.held()),
            "dropped": exported.map(|exported| exported.dropped()),
        })
    }
}

#[cfg(all(feature = "agentcat", not(feature = "watchpost")))]
impl Subject {
    const NAME: &str = "agentcat";

    fn new(sink: &str) -> Result<Self, Failure> {
        let options = agentcat_sdk::Options::default().api_base_url(format!("http://{sink}"));
        Ok(Self { tracker: agentcat_sdk::AgentCat::new("proj_bench", options) })
    }

    fn track(&self) -> impl ServerHandler + use<> {
        self.tracker.track(Echo)
    }

    async fn flush(&self, patience: Duration) {
        self.tracker.flush(patience).await;
    }

    async fn finish(&self, patience: Duration) -> Value {
        json!({ "complete": self.tracker.shutdown(patience).await })
    }
}

#[cfg(not(any(feature = "watchpost", feature = "agentcat")))]
impl Subject {
    const NAME: &str = "untracked";

    fn new(_sink: &str) -> Result<Self, Failure> {
        Ok(Self {})
    }

    fn track(&self) -> impl ServerHandler + use<> {
        Echo
    }

    async fn flush(&self, _patience: Duration) {}

    async fn finish(&self, _patience: Duration) -> Value {
        json!({ "complete": true })
    }
}

async fn connect(server: impl ServerHandler) -> Result<Client, Failure> {
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    tokio::spawn(async move {
        if let Ok(serving) = server.serve(theirs).await {
            let _ = serving.waiting().await;
        }
    });
    Ok(().serve(ours).await?)
}

fn params() -> CallToolRequestParams {
    let arguments = json!({"text": "The quick brown fox jumps over the lazy dog.", "n": 7});
    CallToolRequestParams::new("echo").with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// One call after the other; how long each took, in nanoseconds.
async fn call(client: &Client, calls: usize, into: &mut Vec<u64>) -> Result<(), Failure> {
    for _ in 0..calls {
        let params = params();
        let began = Instant::now();
        client.call_tool(params).await?;
        into.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(())
}

fn percentiles(mut nanos: Vec<u64>) -> Value {
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    json!({"p50": at(0.5), "p90": at(0.9), "p99": at(0.99)})
}

/// Untracked and tracked calls by turns, one at a time.
async fn latency(subject: &Subject, calls: usize) -> Result<Value, Failure> {
    let (plain, tracked) = (connect(Echo).await?, connect(subject.track()).await?);
    let mut warm = Vec::new();
    call(&plain, BLOCK, &mut warm).await?;
    call(&tracked, BLOCK, &mut warm).await?;
    subject.flush(PATIENCE).await;
    let (mut of_plain, mut of_tracked) = (Vec::new(), Vec::new());
    while of_tracked.len() < calls {
        call(&plain, BLOCK, &mut of_plain).await?;
        call(&tracked, BLOCK, &mut of_tracked).await?;
        subject.flush(PATIENCE).await;
    }
    Ok(
        json!({"plain": percentiles(of_plain), "tracked": percentiles(of_tracked), "outcome": subject.finish(PATIENCE).await}),
    )
}

/// All calls at once, 64 in flight.
async fn burst(subject: &Subject, calls: usize, patience: Duration) -> Result<Value, Failure> {
    let client = Arc::new(connect(subject.track()).await?);
    let mut few = Vec::new();
    call(&client, BLOCK, &mut few).await?;
    subject.flush(patience).await;
    let (before, cpu) = (memory("VmRSS")?, cpu_seconds()?);
    let began = Instant::now();
    let mut workers = Vec::new();
    for _ in 0..CONCURRENCY {
        let client = Arc::clone(&client);
        workers.push(tokio::spawn(async move {
            let mut nanos = Vec::new();
            call(&client, calls / CONCURRENCY, &mut nanos).await.map(|()| nanos)
        }));
    }
    let mut nanos = Vec::new();
    for worker in workers {
        nanos.extend(worker.await??);
    }
    let wall = began.elapsed().as_secs_f64();
    let calls = nanos.len() + BLOCK;
    let outcome = subject.finish(patience).await;
    let cpu = cpu_seconds()? - cpu;
    Ok(json!({"calls": calls, "wall": wall, "cpu": cpu, "before": before, "peak": memory("VmHWM")?,
        "latency": percentiles(nanos), "outcome": outcome}))
}

/// So many connections, a call on each.
async fn sessions(subject: &Subject, sessions: usize) -> Result<Value, Failure> {
    let before = memory("VmRSS")?;
    let began = Instant::now();
    for _ in 0..sessions {
        let client = connect(subject.track()).await?;
        client.call_tool(params()).await?;
        let _ = client.cancel().await;
    }
    let wall = began.elapsed().as_secs_f64();
    let outcome = subject.finish(PATIENCE).await;
    Ok(json!({"sessions": sessions, "wall": wall, "before": before, "peak": memory("VmHWM")?, "outcome": outcome}))
}

/// A line of `/proc/self/status` in MiB.
fn memory(field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes: f64 = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no memory")?.trim().parse()?;
    Ok(kibibytes / 1024.0)
}

/// CPU seconds of this process so far.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, sink, calls] = &args[..] else { return Err("usage: track-bench KIND SINK CALLS".into()) };
    let calls: usize = calls.parse()?;
    let subject = Subject::new(sink)?;
    let mut result = match kind.as_str() {
        "latency" => latency(&subject, calls).await?,
        "burst" => burst(&subject, calls, PATIENCE).await?,
        // The sink does not answer: nothing waits for it longer than the seed's two seconds.
        "down" => burst(&subject, calls, Duration::from_secs(2)).await?,
        "sessions" => sessions(&subject, calls).await?,
        _ => return Err("KIND is latency, burst, down or sessions".into()),
    };
    result["subject"] = Subject::NAME.into();
    println!("{result}");
    Ok(())
}
